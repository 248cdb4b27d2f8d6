//! From the first note to the post-mortem, through the public command line: the published example, notes over a replay,
//! a team's log, and a newcomer's walk.

use std::ops::ControlFlow;
use std::path::Path;

use super::support::made::Made;
use super::support::postgres::Postgres;
use super::support::program::{Home, kill};
use super::support::tty::Tty;
use warroom::runtime::postmortem::{self, Format};
use warroom::runtime::replay::{Input, fold};
use warroom::signals::incident::event::{IncidentEvent, Opened, RecordId, Status};
use warroom::signals::incident::report::ReportOptions;
use warroom::signals::incident::sources::draft::NoteDraft;
use warroom::signals::incident::sources::shared::{Exchanged, Shared};
use warroom::signals::incident::sources::store::IncidentStore;
use warroom::signals::logs::store::{LogStore, StoreOptions};
use warroom::signals::{Event, Timeline};
use warroom::stream::replay::Part;
use warroom::timeline::{Filter, TimeRange, Ts};

fn golden(home: &Home) -> Vec<u8> {
    let bytes = std::fs::read("tests/recordings/outage.wr").expect("the golden recording");
    std::fs::write(home.path("outage.wr"), &bytes).expect("written");
    bytes
}

/// The published example says what the program writes. After a change: `WARROOM_DOCS=write cargo test --test it example`.
#[test]
fn the_published_example_is_what_the_golden_recording_gives() {
    let home = Home::new();
    golden(&home);
    for end in ["md", "html"] {
        let text = home.run(&["export", "--recording", "outage.wr", "--format", end]).good();
        let published = Path::new("docs").join(format!("post-mortem-example.{end}"));
        if std::env::var_os("WARROOM_DOCS").is_some_and(|v| v == "write") {
            std::fs::write(&published, &text).expect("written");
        }
        let there = std::fs::read_to_string(&published).unwrap_or_default();
        assert!(there == text, "{} is not what is written now: WARROOM_DOCS=write writes it", published.display());
    }
}

/// A report is made without process tables, sessions and statements: what it says must not depend on that.
#[test]
fn a_report_reads_a_part_of_a_recording_and_says_what_all_of_it_says() {
    let home = Home::new();
    let path = home.path("made.wr");
    Made { lines: 20, ..Made::new("web-1", 1, 1_773_500_400, 2_700) }.record(&path);
    let opened = IncidentEvent::Opened(Opened {
        incident: RecordId::fresh(),
        title: "orders fail".into(),
        severity: None,
        status: Status::Investigating,
        at: Ts::from_secs(1_773_500_400 + 1_100),
        author: "ada".into(),
        host: "web-1".into(),
        recording: None,
    });
    let (records, id) = (std::slice::from_ref(&opened), opened.incident());
    let tell = |part: Part| {
        let input = Input::new(Some(path.clone()), Vec::new());
        let past = input.past();
        // Hardly any line stays in memory: the rest is found through the book.
        let options = StoreOptions { memory: 100_000, background: 0, recall: past.lines(), ..StoreOptions::default() };
        let store = LogStore::new(Box::new(|_| {}), options);
        let (mut timeline, mut applied) = (Timeline::default(), 0);
        fold(&input, &past, part, |e| {
            applied += 1;
            timeline.apply(e);
            if let Event::Logs(event) = &e.event {
                store.observe(e.source, "api", e.observed, event, true);
            }
        })
        .expect("a recording");
        let mut lines = Vec::new();
        store.scan_all(&Filter::default(), TimeRange::new(Ts::MIN, Ts::MAX), &mut |row| {
            lines.push((row.placed, row.raw));
            ControlFlow::Continue(())
        });
        let seen = postmortem::gather(&timeline, &store, id, records);
        let text = postmortem::text(Format::Json, id, records, &seen, &ReportOptions::default()).expect("a report");
        (text, lines, applied)
    };
    let (all, part) = (tell(Part::All), tell(Part::Report));
    assert!(part.2 < all.2 * 2 / 3, "{} of {} events", part.2, all.2);
    assert_eq!(all.1.len(), 20 * 2_700);
    assert!(all.1 == part.1, "the same lines, {} of {}", part.1.len(), all.1.len());
    assert_eq!(all.0, part.0);
    assert!(all.0.contains("check api /healthz fails"), "{}", all.0);
}

#[test]
fn an_export_counts_the_requests_of_the_window_and_without_logs_it_says_that_it_does_not_know() {
    let home = Home::new();
    golden(&home);
    let text = home.run(&["export", "--recording", "outage.wr", "--format", "json"]).good();
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    // Counted again, another way: the same records of the same time.
    let (from, to) = (value["impact"]["from"].as_str().unwrap(), value["impact"]["to"].as_str().unwrap());
    let count = |filter: &str| {
        let args =
            ["query", "logs", "--recording", "outage.wr", "--from", from, "--to", to, "--filter", filter, "--json"];
        home.run(&args).good().lines().count() as u64
    };
    let health = count("source=access path=/healthz");
    assert!(health > 0, "checks are left out");
    assert_eq!(value["impact"]["health_checks_left_out"].as_u64(), Some(health));
    assert_eq!(value["impact"]["requests"].as_u64(), Some(count("source=access") - health));
    let failed = count("source=access status>=500") - count("source=access status>=500 path=/healthz");
    assert_eq!(value["impact"]["failed"].as_u64(), Some(failed));
    assert!(value["impact"]["failed"].as_u64() > Some(100));
    let again = value["timeline"][3]["look_again"].as_str().expect("a command");
    assert!(again.starts_with("warroom replay outage.wr --at 2026-11-21T09:"), "{again}");

    home.run(&["note", "only a note"]).good();
    let text = home.run(&["export"]).good();
    assert!(text.contains("- Requests failed, count and per cent: ??") && !text.contains("<svg"), "{text}");
}

#[test]
fn logs_that_hold_nothing_of_the_incidents_time_are_said_to_and_from_when_to_when_they_are() {
    let home = Home::new();
    home.run(&["note", "503s on /orders"]).good();
    let line = |at: &str| format!("10.0.0.1 - - [20/Nov/2024:{at} +0000] \"GET /orders HTTP/1.1\" 503 12\n");
    home.file("access.log", &["10:00:00", "10:00:05", "10:07:30"].map(line).concat());
    let text = home.run(&["export", "--logs", "access.log"]).good();
    let said = "(the logs tell of no request in that time; \
                those that they tell of are from 2024-11-20 10:00:00 to 2024-11-20 10:07:30 UTC)";
    assert!(text.contains(&format!("- Counted in: ?? {said}")), "{text}");
    assert!(!text.contains("no log with the status"), "{text}");
}

/// What a recording holds of the incident is counted, and nothing is said of the rest of it.
#[test]
fn a_recording_of_a_part_of_the_incident_gives_no_rate_of_the_whole_and_no_command_outside_it() {
    let home = Home::new();
    golden(&home);
    let mut tty = Tty::start(&home, &["replay", "outage.wr", "--at", "09:14:12"], (120, 36));
    tty.wait_for("paused");
    tty.keys(":milestone started 2026-11-21T09:05:00Z\r");
    tty.wait_for("milestone started saved");
    tty.keys(":milestone mitigated 2026-11-21T09:20:00Z\r");
    tty.wait_for("milestone mitigated saved");
    tty.keys("q");
    tty.ended();
    let text = home.run(&["export", "--recording", "outage.wr"]).good();
    let part = "counted over 62 s of 15 m (09:13:46 to 09:14:48 UTC)";
    let summary = text.lines().find(|l| l.starts_with("- What happened:")).expect("a summary");
    assert!(summary.contains(part) && summary.contains("requests failed") && !summary.contains('%'), "{summary}");
    let failed = text.lines().find(|l| l.starts_with("- Requests failed")).expect("the impact");
    assert!(failed.contains(&format!(": ?? ({part}: ")), "{failed}");
    assert!(text.contains("- Counted in: access, from 2026-11-21 09:13:46 to 2026-11-21 09:14:48 UTC;"), "{text}");
    let started = text.lines().find(|l| l.contains("**started**")).expect("the milestone");
    assert!(started.ends_with("| not recorded |"), "{started}");
    for at in text.split("--at ").skip(1).filter_map(|rest| rest.split(['`', '\n', ' ']).next()) {
        assert!(("2026-11-21T09:13:45".."2026-11-21T09:14:54").contains(&at), "{at}");
    }
    let json = home.run(&["export", "--recording", "outage.wr", "--format", "json"]).good();
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(value["impact"]["failed"].as_u64() > Some(100) && value["impact"]["failed_per_cent"].is_null(), "{json}");
    assert_eq!(value["impact"]["impact_from"], "2026-11-21T09:05:00Z");
}

#[test]
fn steps_that_were_not_ticked_of_a_checklist_that_was_begun_are_in_the_exports() {
    let home = Home::new();
    let list = &warroom::signals::incident::checklist::all(&[])[1];
    home.run(&["note", "503s on /orders"]).good();
    assert!(!home.run(&["export"]).good().contains("Not done"), "no checklist was begun");
    home.run(&["note", &format!("[x] {}", list.note(&list.steps[2]))]).good();
    let text = home.run(&["export"]).good();
    let (done, left) = text.split_once("Not done, of the checklists that were begun:").expect("what is left is told");
    assert!(done.contains(&list.steps[2].text) && !left.contains(&list.steps[2].text), "{text}");
    let value: serde_json::Value = serde_json::from_str(&home.run(&["export", "--format", "json"]).good()).unwrap();
    let unticked = value["unticked"].as_array().expect("a list");
    assert_eq!(unticked.len(), list.steps.len() - 1, "{unticked:?}");
    assert_eq!(unticked[0], list.note(&list.steps[0]));
}

#[test]
fn notes_of_a_replay_go_into_the_log_or_beside_it_and_the_recording_is_not_touched() {
    for sidecar in [false, true] {
        let home = Home::new();
        let before = golden(&home);
        let mut args = vec!["replay", "outage.wr", "--at", "09:14:12"];
        args.extend(sidecar.then_some("--sidecar"));
        let mut tty = Tty::start(&home, &args, (120, 36));
        tty.wait_for("paused");
        tty.keys("a? the pool is too small\r");
        tty.wait_for("note saved");
        tty.keys("6");
        tty.wait_for("the pool is too small");
        tty.keys("q");
        tty.ended();
        assert_eq!(std::fs::read(home.path("outage.wr")).unwrap(), before);
        let log = if sidecar { "outage.wr.notes.db" } else { "incidents.db" };
        assert!(home.path(log).exists() && home.path("incidents.db").exists() != sidecar);
        let shown = home.run(&["incident", "--log", home.path(log).to_str().unwrap(), "show", "--json"]).good();
        let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let note = value["notes"].as_array().unwrap().iter().find(|n| n["text"] == "the pool is too small").unwrap();
        assert!(note["ts"].as_str().unwrap().starts_with("2026-11-21T09:14:1"), "{note}");
        assert!(note["entered_at"].as_str() > note["ts"].as_str(), "written later than it tells of: {note}");
        assert!(note["recording"].as_str().unwrap().starts_with("web-2 2026-11-21T09:13:46"), "{note}");
        assert_eq!(value["notes"].as_array().unwrap().len(), 4, "with those of the recording");

        // The next replay has it again, and so has the export.
        let mut tty = Tty::start(&home, &args, (120, 36));
        tty.wait_for("paused");
        tty.keys("6");
        tty.wait_for("the pool is too small");
        drop(tty);
        if !sidecar {
            let text = home.run(&["export", "--recording", "outage.wr"]).good();
            assert!(text.contains("the pool is too small"), "{text}");
        }
    }
}

#[test]
fn changes_are_read_from_deploy_logs_and_are_not_judged_where_none_was_read() {
    let home = Home::new();
    let at = |s: i64| jiff::Timestamp::from_second(1_790_000_000 + s).expect("a time");
    let line = |s: i64| {
        let status = if s >= 600 { 500 } else { 200 };
        let stamp = at(s).strftime("%d/%b/%Y:%H:%M:%S +0000");
        format!("10.0.0.1 - - [{stamp}] \"GET /orders HTTP/1.1\" {status} 12\n").repeat(5)
    };
    home.file("access.log", &(0..900).map(line).collect::<String>());
    home.run(&["note", "500s on /orders", "--at", &at(700).to_string()]).good();
    home.run(&["incident", "milestone", "started", "--at", &at(600).to_string()]).good();
    let text = home.run(&["export", "--logs", "access.log"]).good();
    assert!(text.contains("Changes: not looked at") && !text.contains("No strong suspect"), "{text}");
    let deploy = |s: i64| format!("{{\"ts\":\"{}\",\"service\":\"api\",\"version\":\"1.4.{s}\"}}\n", at(s));
    // One of long ago does not make the logs longer.
    home.file("other.jsonl", &(deploy(-8_000_000) + &deploy(590)));
    let text = home.run(&["export", "--logs", "access.log", "--deploys", "other.jsonl"]).good();
    assert!(text.contains("suspected, not confirmed: deploy api 1.4.590"), "{text}");
    assert!(text.contains("`warroom replay --logs access.log --deploys other.jsonl --at "), "{text}");
    std::fs::rename(home.path("other.jsonl"), home.path("deploys.jsonl")).expect("the configured one");
    let text = home.run(&["export", "--logs", "access.log"]).good();
    assert!(text.contains("suspected, not confirmed: deploy api 1.4.590"), "{text}");
}

#[test]
fn one_that_was_merged_into_a_closed_one_is_a_part_of_it_in_the_list_and_in_the_export() {
    let home = Home::new();
    let opened = |title: &str| {
        let out = home.run(&["incident", "open", title]).good();
        let id = out.trim().rsplit(' ').next().expect("an ID").to_owned();
        home.run(&["note", &format!("note of {title}")]).good();
        id
    };
    let first = opened("first");
    home.run(&["incident", "close"]).good();
    let dup = opened("dup");
    home.run(&["incident", "merge", &dup, &first]).good();
    let list = home.run(&["incident", "list"]).good();
    let row = list.lines().find(|l| l.ends_with("  dup")).expect("its row");
    let part = row.split("part of ").nth(1).and_then(|rest| rest.split(' ').next()).expect("what it is a part of");
    assert!(!part.is_empty() && first.ends_with(part) && !row.contains("investigating"), "{list}");
    let line = home.run(&["incident", "list", "--json"]).objects();
    assert_eq!(line.iter().find(|i| i["title"] == "dup").expect("its line")["part_of"], first.as_str());
    for which in [vec!["export"], vec!["export", "--incident", &dup], vec!["incident", "show"]] {
        let text = home.run(&which).good();
        assert!(text.contains("note of first") && text.contains("note of dup"), "{which:?}: {text}");
    }
}

#[test]
fn the_same_incident_goes_on_in_another_file_with_all_that_was_written() {
    let home = Home::new();
    home.file("app.log", "");
    let mut tty = Tty::start(&home, &["app.log"], (120, 36));
    tty.wait_for("LIVE");
    tty.keys("a503s on /orders\r");
    tty.wait_for("note saved");
    tty.keys(":severity 2\r");
    tty.wait_for("SEV2");
    tty.keys(":notes-to elsewhere.db\r");
    tty.wait_for("the incident goes on there");
    tty.keys("athe second note\r");
    tty.wait_for("note saved");
    tty.keys("6");
    let text = tty.wait_for("the second note");
    assert!(text.contains("503s on /orders") && !text.contains("more open"), "{text}");
    tty.keys("q");
    tty.ended();
    let log = home.path("elsewhere.db").display().to_string();
    let list = home.run(&["incident", "list", "--log", &log]).good();
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains("SEV2"), "{list}");
    let text = home.run(&["export", "--log", &log]).good();
    for said in ["| observation: 503s on /orders |", "| observation: the second note |"] {
        assert_eq!(text.matches(said).count(), 1, "{said}\n{text}");
    }
}

/// A newcomer: notes, a crash, the same incident again, the post-mortem, and from a row of it back into the outage.
#[test]
fn from_the_first_note_over_a_crash_to_a_row_of_the_post_mortem_and_back() {
    let home = Home::new();
    let now = || jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let line = |n: u32| {
        format!(
            "{{\"ts\":\"{}\",\"level\":\"error\",\"msg\":\"checkout fails {n}\",\"status\":503,\"path\":\"/orders/{n}\"}}\n",
            now()
        )
    };
    let log = home.file("app.log", &line(1));
    let add = |n: u32| {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).expect("the log");
        file.write_all(line(n).as_bytes()).expect("written");
    };
    let mut tty = Tty::start(&home, &["app.log"], (120, 36));
    add(2);
    tty.wait_for("checkout fails 2");
    tty.keys("a503s on /orders\r");
    tty.wait_for("note saved");
    tty.keys("a? the last deploy\r");
    tty.wait("the hypothesis in the header", |t| t.lines().next().is_some_and(|l| l.contains("? the last deploy")));
    tty.keys("a= roll ba");
    tty.wait_for("roll ba");
    // The unfinished one reaches the disk within half a second.
    let draft = || {
        let names = super::support::program::names(&home.path(""));
        let mut drafts = names.iter().filter(|n| n.contains(".draft-") && !n.ends_with(".new"));
        drafts.any(|n| std::fs::read_to_string(home.path(n)).is_ok_and(|text| text.contains("roll ba")))
    };
    super::support::program::until("the draft is on disk", std::time::Duration::from_secs(10), draft);
    kill(tty.pid(), rustix::process::Signal::KILL);
    tty.ended();

    let mut tty = Tty::start(&home, &["app.log"], (120, 36));
    tty.wait("the unfinished note is back", |t| t.contains("note: = roll ba"));
    tty.keys("ck\r");
    tty.wait_for("note saved");
    add(3);
    tty.wait_for("checkout fails 3");
    tty.wait("the same incident", |t| t.lines().next().is_some_and(|l| l.contains("investigating")));
    tty.keys(":milestone mitigated\r");
    tty.wait_for("milestone mitigated saved");
    tty.keys(":post-mortem pm\r");
    tty.wait_for("written: pm.md");
    tty.keys("q");
    tty.ended();

    let text = std::fs::read_to_string(home.path("pm.md")).expect("the post-mortem");
    for said in ["503s on /orders", "the last deploy", "decision: roll back", "**mitigated**"] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert_eq!(home.run(&["incident", "list"]).good().lines().count(), 1, "one incident, before and after the crash");
    assert!(home.path("pm.html").exists() && home.path("pm.json").exists());
    let row = text.lines().find(|l| l.contains("decision: roll back")).expect("its row");
    let command = row.split('`').find(|c| c.starts_with("warroom replay")).expect("its command");
    assert!(command.starts_with("warroom replay pm.wr --at 20"), "{command}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let mut tty = Tty::start(&home, &words, (120, 36));
    tty.wait_for("REPLAY");
    tty.wait_for("paused");
    // Not a moment before it was written.
    tty.keys("6");
    tty.wait_for("roll back");
}

#[tokio::test]
async fn a_teams_log_loses_and_doubles_nothing_while_its_server_is_away_and_when_it_is_back() {
    let server = Postgres::start("");
    let dir = tempfile::tempdir().unwrap();
    let url = server.url("test");
    let at = |name: &str, who: &str| IncidentStore::open(dir.path().join(name)).by(who);
    let (anna, bela) = (at("a.db", "anna"), at("b.db", "bela"));
    let (mut of_anna, mut of_bela) = (Shared::new(&url, at("a.db", "x")), Shared::new(&url, at("b.db", "x")));
    let first = anna.add_note(NoteDraft::typed("503s on /orders")).await.unwrap();
    assert_eq!(of_anna.exchange().await.unwrap(), Exchanged { sent: 2, taken: 0 });
    assert_eq!(of_bela.exchange().await.unwrap(), Exchanged { sent: 0, taken: 2 });
    // Both write to the one incident.
    let incident = first.note.incident;
    assert_eq!(bela.add_note(NoteDraft::typed("? the index")).await.unwrap().note.incident, incident);

    server.stop();
    let hypothesis = bela.notes(incident).await.unwrap().pop().unwrap();
    for n in 0..10 {
        anna.add_note(NoteDraft::typed(&format!("anna {n}"))).await.unwrap();
        bela.add_note(NoteDraft::typed(&format!("bela {n}"))).await.unwrap();
    }
    let said = of_anna.exchange().await.unwrap_err().to_string();
    assert!(said.contains("is away") && said.contains("a.db") && !said.contains("test@"), "{said}");
    assert!(of_bela.exchange().await.is_err());

    server.again();
    assert_eq!(of_anna.exchange().await.unwrap(), Exchanged { sent: 10, taken: 0 });
    assert_eq!(of_bela.exchange().await.unwrap(), Exchanged { sent: 11, taken: 10 });
    assert_eq!(of_anna.exchange().await.unwrap(), Exchanged { sent: 0, taken: 11 });
    anna.delete(hypothesis.root()).await.unwrap();
    for _ in 0..2 {
        of_anna.exchange().await.unwrap();
        of_bela.exchange().await.unwrap();
    }
    let told = |notes: Vec<warroom::signals::incident::event::Note>| -> Vec<String> {
        notes.into_iter().map(|n| format!("{} {}", n.author, n.text)).collect()
    };
    let (here, there) = (told(anna.notes(incident).await.unwrap()), told(bela.notes(incident).await.unwrap()));
    assert_eq!((here.len(), &here), (21, &there), "the same notes in the same order, the deleted one in neither");
    // A process that starts anew compares everything and changes nothing.
    assert_eq!(Shared::new(&url, at("a.db", "x")).exchange().await.unwrap(), Exchanged::default());
}

#[test]
fn a_note_from_the_shell_reaches_the_team_and_without_the_server_it_is_kept_and_said() {
    let server = Postgres::start("");
    let (here, there) = (Home::new(), Home::new());
    let url = format!("url = {:?}", server.url("test"));
    // The last section of the configuration is that of the incident log.
    for home in [&here, &there] {
        home.configure(&url);
    }
    here.run(&["note", "503s on /orders"]).good();
    let shown = there.run(&["incident", "show"]).good();
    assert!(shown.contains("503s on /orders"), "{shown}");
    server.stop();
    let done = there.run(&["note", "written without the server"]);
    assert!(done.err.contains("is away") || done.err.contains("does not answer"), "{}", done.err);
    done.good();
    server.again();
    there.run(&["incident", "list"]).good();
    assert!(here.run(&["incident", "show"]).good().contains("written without the server"));
}
