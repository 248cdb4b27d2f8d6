//! One recording, many ways to fold it, one screen: whole, in chunks, after a seek, with everything twice, out of order,
//! cut off, damaged; and live against its own recording.
//!
//! The golden recording is a demo that breaks and is rolled back; `tests/recordings/make.sh` makes it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use warroom::app::pane::Pane;
use warroom::app::state::Settings;
use warroom::config::Config;
use warroom::runtime::replay::Input;
use warroom::runtime::session::Session;
use warroom::runtime::still::Still;
use warroom::signals::deploys::event::DeployEvent;
use warroom::signals::logs::store::{LogStore, StoreOptions};
use warroom::signals::window::{BACK, Wanted};
use warroom::signals::{Envelope, Event, Roots};
use warroom::stream::past::Past;
use warroom::stream::recorder::{Recorder, RecorderOptions};
use warroom::stream::replay::read;
use warroom::timeline::{Filter, TimeRange, Ts};
use warroom::ui::Theme;
use warroom::ui::frame::{to_ansi, to_text};

use crate::support::made::Made;
use crate::support::program::Home;
use crate::support::tty::Tty;

/// The envelopes of the golden recording, read once.
fn golden() -> &'static [Envelope] {
    static ALL: OnceLock<Vec<Envelope>> = OnceLock::new();
    ALL.get_or_init(|| envelopes(&golden_path()))
}

fn golden_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/outage.wr")
}

fn envelopes(path: &Path) -> Vec<Envelope> {
    let mut all = Vec::new();
    let summary = read(path, &mut |batch| {
        all.extend(batch);
        true
    })
    .expect("a recording");
    assert_eq!(summary.trouble(), None);
    all
}

fn span(envelopes: &[Envelope]) -> TimeRange {
    let mut still = Still::new(Settings::default());
    envelopes.iter().for_each(|e| still.state.timeline.apply(e));
    let (start, end) = still.state.timeline.span.expect("it has a span");
    TimeRange::new(start, end)
}

/// Playheads that matter: healthy, at the deploy, in the outage, at the rollback, healed, at the end.
fn playheads(all: &[Envelope], span: TimeRange) -> Vec<Ts> {
    let changes: Vec<Ts> =
        all.iter().filter(|e| matches!(e.event, Event::Deploys(DeployEvent::Change(_)))).map(|e| e.observed).collect();
    let second = Duration::from_secs(1);
    let mut heads: BTreeSet<Ts> = changes.iter().flat_map(|&t| [t, t + second * 2]).collect();
    heads.extend([span.start + second, span.start + second * 10, span.end - second, span.end]);
    heads.into_iter().filter(|t| span.start <= *t && *t <= span.end).collect()
}

/// Every screen that is compared, with its colours: all panes together at two sizes, and each pane alone.
fn screens(still: &mut Still, span: TimeRange, at: Ts) -> Vec<(String, String, String)> {
    let theme = Theme::builtin("dark").expect("a theme");
    still.stand(span, at);
    let mut all = Vec::new();
    let mut shoot = |still: &mut Still, name: String, width, height| {
        let buffer = still.frame(&theme, width, height);
        all.push((format!("{name} at {at}"), to_text(&buffer), to_ansi(&buffer)));
    };
    still.state.view.zoom = false;
    still.state.view.focus = Pane::Logs;
    shoot(still, "120x36".into(), 120, 36);
    shoot(still, "80x24".into(), 80, 24);
    for pane in Pane::ALL {
        still.state.view.focus = pane;
        still.state.view.zoom = true;
        shoot(still, format!("{pane:?}"), 110, 30);
    }
    all
}

#[track_caller]
fn same(one: &[(String, String, String)], other: &[(String, String, String)], what: &str) {
    for ((name, text, ansi), (_, text2, ansi2)) in one.iter().zip(other) {
        let lines = text.lines().zip(text2.lines()).enumerate();
        let different: Vec<String> =
            lines.filter(|(_, (a, b))| a != b).map(|(y, (a, b))| format!("{y:>3} - {a}\n    + {b}")).collect();
        assert!(different.is_empty(), "{what}: {name} differs:\n{}\n{text}", different.join("\n"));
        assert_eq!(ansi, ansi2, "{what}: {name} has the same text in other colours");
    }
}

fn folded<'a>(envelopes: impl IntoIterator<Item = &'a Envelope>) -> Still {
    let mut still = Still::new(Settings::default());
    envelopes.into_iter().for_each(|e| still.take(e, true));
    still
}

#[test]
fn the_golden_recording_shows_the_outage_of_the_demo() {
    let (all, span) = (golden(), span(golden()));
    let mut still = Still::read(&Input::Recording(golden_path()), Settings::default()).expect("it can be read");
    let text: String = playheads(all, span)
        .into_iter()
        .flat_map(|at| screens(&mut still, span, at))
        .map(|(_, text, _)| text)
        .collect();
    for part in ["10/10", "1.4.2", "back to 1.4.1", "503", "AS orders FROM orders", "web-2"] {
        assert!(text.contains(part), "{part} is on no screen");
    }
}

#[test]
fn one_request_is_found_in_a_recording_whose_logs_were_not_followed_from_their_first_byte() {
    let home = Home::new();
    let golden = golden_path();
    let golden = golden.to_str().expect("UTF-8");
    let failed = ["query", "logs", "--recording", golden, "--filter", "status=503 format=json", "--json"];
    let id = home.run(&failed).objects()[39]["request_id"].as_str().expect("an ID").to_owned();
    let filter = format!("request_id={id}");
    let rows = home.run(&["query", "logs", "--recording", golden, "--filter", &filter, "--json"]).objects();
    assert!(rows.len() >= 2, "{rows:?}");
    let frame = home.run(&["screen", golden, "--at=-1s", "--size", "160x45", "--filter", &filter]).good();
    for what in ["req ", "request started", "error=pool timed out"] {
        assert!(frame.contains(what), "{what}:\n{frame}");
    }
}

#[test]
fn a_seek_shows_what_stood_there_then_and_nothing_that_came_later() {
    let (all, span) = (golden(), span(golden()));
    let mut whole = folded(all);
    for at in playheads(all, span) {
        let mut upto = folded(all.iter().filter(|e| e.observed <= at));
        same(&screens(&mut whole, span, at), &screens(&mut upto, span, at), "fold all and stand, fold up to and stand");
    }
}

#[test]
fn going_back_and_forth_shows_the_same_as_going_straight_there() {
    let (all, span) = (golden(), span(golden()));
    let mut still = folded(all);
    let heads = playheads(all, span);
    let straight: Vec<_> = heads.iter().map(|&at| screens(&mut folded(all), span, at)).collect();
    for (i, &at) in heads.iter().enumerate().rev() {
        screens(&mut still, span, heads[(i + 3) % heads.len()]);
        same(&straight[i], &screens(&mut still, span, at), "after jumps");
    }
}

#[test]
fn frames_drawn_while_it_is_folded_change_nothing() {
    let (all, span) = (golden(), span(golden()));
    let theme = Theme::builtin("dark").expect("a theme");
    let mut chunked = Still::new(Settings::default());
    // Chunks of uneven length, each followed by a tick of the clock and a frame, as live.
    let mut from = 0;
    for n in (1..400).step_by(7).cycle() {
        let to = (from + n).min(all.len());
        for e in &all[from..to] {
            chunked.take(e, true);
        }
        from = to;
        chunked.state.tick(all[from - 1].observed);
        chunked.frame(&theme, 100, 30);
        if from == all.len() {
            break;
        }
    }
    let mut whole = folded(all);
    for at in playheads(all, span) {
        same(&screens(&mut whole, span, at), &screens(&mut chunked, span, at), "whole and in chunks");
    }
}

#[test]
fn envelopes_that_come_twice_change_nothing_but_a_counter() {
    let (all, span) = (golden(), span(golden()));
    let mut once = folded(all);
    let mut twice = folded(all.iter().flat_map(|e| [e, e]).chain(all));
    assert_eq!(twice.state.timeline.repeated, 2 * all.len() as u64);
    for at in playheads(all, span) {
        same(&screens(&mut once, span, at), &screens(&mut twice, span, at), "once and three times");
    }
}

#[test]
fn envelopes_that_come_out_of_order_change_nothing() {
    let (all, span) = (golden(), span(golden()));
    let mut ordered = folded(all);
    // Log lines are pieces of files and keep their order, declarations come before what they declare; all else comes up
    // to 96 places early or late.
    let fixed = |e: &&Envelope| matches!(e.event, Event::Logs(_) | Event::Stream(_));
    let mut free: Vec<&Envelope> = all.iter().filter(|e| !fixed(e)).collect();
    free.chunks_mut(64).for_each(<[_]>::reverse);
    let half = free.len().min(32);
    free[half..].chunks_mut(64).for_each(<[_]>::reverse);
    let mut free = free.into_iter();
    let turned = all.iter().map(|e| if fixed(&e) { e } else { free.next().expect("as many as before") });
    let mut turned = folded(turned);
    for at in playheads(all, span) {
        same(&screens(&mut ordered, span, at), &screens(&mut turned, span, at), "in order and out of order");
    }
}

#[test]
fn a_recording_that_was_cut_off_or_damaged_still_plays_and_says_what_is_missing() {
    let bytes = std::fs::read(golden_path()).expect("the golden recording");
    let home = Home::new();
    let cut = home.path("cut.wr");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).expect("written");
    let frame = home.run(&["screen", "cut.wr", "--size", "100x30"]);
    assert!(frame.err.contains("damaged bytes stepped over"), "{}", frame.err);
    let frame = frame.good();
    assert!(frame.contains("REPLAY") && frame.contains("1.4.2"), "{frame}");

    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 200].fill(0x5a);
    std::fs::write(home.path("damaged.wr"), damaged).expect("written");
    let frame = home.run(&["screen", "damaged.wr", "--size", "100x30"]);
    assert!(frame.err.contains("damaged bytes stepped over"), "{}", frame.err);
    let (whole, frame) =
        (home.run(&["screen", golden_path().to_str().expect("UTF-8"), "--size", "100x30"]), frame.good());
    assert_eq!(
        whole.good().lines().next().map(str::to_owned),
        frame.lines().next().map(str::to_owned),
        "what lies behind the damage is there"
    );
    let logs = home.run(&["query", "logs", "--recording", "damaged.wr", "--json"]);
    assert!(logs.objects().len() > 100);

    // Two recordings behind one another, and one inside a folder.
    std::fs::write(home.path("both.wr"), [&bytes[..], &bytes[..]].concat()).expect("written");
    std::fs::create_dir(home.path("segments")).expect("a folder");
    std::fs::write(home.path("segments/0001.wr"), &bytes).expect("written");
    let count = |name: &str| home.run(&["query", "logs", "--recording", name, "--json"]).objects().len();
    let whole = count(golden_path().to_str().expect("UTF-8"));
    assert_eq!((count("both.wr"), count("segments")), (whole, whole));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_live_replays_as_the_screens_that_were_seen_live() {
    let home = Home::new();
    let (log, deploys, recording) = (home.path("api.log"), home.path("deploys.jsonl"), home.path("live.wr"));
    let line = |n: u32| {
        format!(
            "{{\"ts\":\"2026-03-14T13:55:{:02}.{:03}Z\",\"level\":\"{}\",\"msg\":\"order {n} of a customer\",\"request_id\":\"4bf92f35{n:08x}\",\"status\":{}}}\n",
            n / 20 % 60,
            n % 20 * 50,
            if n.is_multiple_of(7) { "error" } else { "info" },
            if n.is_multiple_of(7) { 503 } else { 200 },
        )
    };
    std::fs::write(&log, (0..60).map(line).collect::<String>()).expect("written");
    let mut config: Config = Config::default();
    config.logs.files = vec![log.display().to_string()];
    config.deploys.log = Some(deploys.clone());
    config.deploys.discover = false;
    config.deploys.units = false;
    config.deploys.packages = false;
    config.incident.path = Some(home.path("incidents.db"));
    let mut session = Session::start(&config, &Roots::default(), Some(recording.clone())).expect("a session");
    session.add(session.configured(&config, &Roots::default(), &[], &[]));

    let mut live = Still::new(Settings::default());
    let mut seen = Vec::new();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut step = 0;
    loop {
        let batch = tokio::time::timeout_at(deadline, session.stream.recv()).await.expect("in time").expect("a stream");
        for e in batch.iter() {
            live.take(e, false);
            seen.push(e.clone());
        }
        let append = |path: &Path, text: &str| {
            use std::io::Write;
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut f| f.write_all(text.as_bytes())).expect("appended");
        };
        let lines = live.state.timeline.logs.totals().0;
        match step {
            0 if lines >= 1 || live.state.timeline.applied > 8 => {
                append(&log, &(60..400).map(line).collect::<String>());
                append(&deploys, "{\"ts\":\"2026-03-14T13:55:10Z\",\"service\":\"api\",\"version\":\"1.4.2\"}\n");
                step = 1;
            }
            1 if lines >= 340 && live.state.timeline.deploys.last_deploy(Ts::MAX).is_some() => {
                session
                    .incident
                    .add_note(warroom::signals::incident::sources::draft::NoteDraft::typed("? pool"))
                    .await
                    .expect("a note");
                step = 2;
            }
            2 if seen.iter().any(|e| matches!(e.event, Event::Incident(_))) => break,
            _ => {}
        }
    }
    session.supervisor.stop();
    let recorder = session.recorder.clone();
    let rest = tokio::spawn(async move {
        let mut rest = Vec::new();
        while let Some(batch) = session.stream.recv().await {
            rest.extend(batch.iter().cloned());
        }
        rest
    });
    recorder_done(recorder).await;
    let rest = tokio::time::timeout(Duration::from_secs(10), rest).await;
    rest.into_iter().flatten().flatten().for_each(|e| live.take(&e, false));

    tokio::task::block_in_place(|| {
        let recorded = envelopes(&recording);
        let numbers: BTreeSet<u64> = recorded.iter().map(|e| e.seq).collect();
        let last = recorded.iter().map(|e| e.seq).max().expect("envelopes");
        assert!(numbers.len() as u64 == last, "no number is missing in the recording");
        let span = span(&recorded);
        let mut replayed = folded(&recorded);
        for at in [span.start + Duration::from_millis(500), span.end] {
            same(&screens(&mut live, span, at), &screens(&mut replayed, span, at), "live and replayed");
        }
    });
}

async fn recorder_done(recorder: warroom::stream::recorder::Recorder) {
    let done = tokio::task::spawn_blocking(move || recorder.finish(Duration::from_secs(10)));
    done.await.expect("the recorder ends");
}

/// Where the made recordings begin: the beginning of an hour.
const BEGIN: i64 = 1_773_500_400;

/// Six hours at one sample a second, made once: the envelopes, and the file.
fn six_hours() -> &'static (Vec<Envelope>, PathBuf, Home) {
    static MADE: OnceLock<(Vec<Envelope>, PathBuf, Home)> = OnceLock::new();
    MADE.get_or_init(|| {
        let home = Home::new();
        let path = home.path("six.wr");
        let made = Made { rows: 4, lines: 2, ..Made::new("web-1", 9, BEGIN, 6 * 3_600) };
        made.clone().write(&path);
        (made.envelopes(), path, home)
    })
}

/// Counters of what was let go tell how it was folded, not what happened.
fn without_counters(screens: Vec<(String, String, String)>) -> Vec<(String, String, String)> {
    let drop = |text: String| -> String {
        text.lines().map(|l| if l.contains("old facts let go") { "\n".into() } else { format!("{l}\n") }).collect()
    };
    screens.into_iter().map(|(name, text, ansi)| (name, drop(text), drop(ansi))).collect()
}

fn at(seconds: i64) -> Ts {
    Ts::from_millis((BEGIN + seconds) * 1_000 + 980)
}

#[test]
fn six_hours_show_everywhere_what_was_to_be_seen_then() {
    let (all, path, _home) = six_hours();
    let span = span(all);
    let mut whole = Still::read(&Input::Recording(path.clone()), Settings::default()).expect("it can be read");
    assert!(whole.state.timeline.let_go_upto().is_some(), "the present has let go of the first hours");
    // Early in trouble, late, at the mount that went read-only, at two hours, between; not in order.
    for seconds in [1_150, 20_000, 3_700, 7_300, 16_795] {
        let mut upto = folded(all.iter().filter(|e| e.observed <= at(seconds)));
        let seen = without_counters(screens(&mut upto, span, at(seconds)));
        let again = without_counters(screens(&mut whole, span, at(seconds)));
        same(&seen, &again, "folded up to there, and six hours with a window");
        assert!(seen.iter().any(|(_, text, _)| text.contains("web-1")), "{}", seen[0].1);
    }
    // The present itself was not touched by any of this.
    let mut present = folded(all);
    same(&screens(&mut present, span, span.end), &screens(&mut whole, span, span.end), "before and after windows");
}

#[test]
fn what_is_shown_of_the_far_past_at_once_is_what_the_whole_window_shows_for_those_seconds() {
    let home = Home::new();
    let path = home.path("three.wr");
    Made { rows: 4, lines: 2, ..Made::new("web-1", 9, BEGIN, 3 * 3_600) }.record(&path);
    let whole = Still::read(&Input::Recording(path), Settings::default()).expect("it can be read");
    let present = &whole.state.timeline;
    for seconds in [200, 1_150, 2_000] {
        let at = at(seconds);
        let wanted = || Wanted::new(present, at, (at - Duration::from_secs(120), at + Duration::from_secs(60)), BACK);
        let early = whole.past.early(&wanted()).expect("a first part");
        let full = whole.past.window(wanted()).expect("a window");
        assert!(early.for_.0 <= at && at <= early.for_.1 && early.for_.1.since(early.for_.0).as_secs() >= 4);
        for at in [early.for_.0, at, early.for_.1] {
            let seen = |t: &warroom::signals::Timeline| {
                let pools = warroom::signals::database::pools::pools(&t.database, at);
                // When a disk is full is known with the whole window.
                let mounts: Vec<_> = t.host.mounts(at).into_iter().map(|m| m.mount).collect();
                (t.host.latest(at).cloned(), t.host.processes(at), mounts, format!("{pools:?}"))
            };
            assert_eq!(seen(&early.timeline), seen(&full), "{at}");
            assert!(full.host.latest(at).is_some_and(|e| at.since(e.at).as_secs() < 2), "{at}");
        }
    }
}

#[test]
fn lines_of_a_recording_that_do_not_fit_into_memory_are_read_again_from_it_and_none_is_lost() {
    let home = Home::new();
    let made = Made { rows: 2, lines: 20, ..Made::new("web-1", 9, BEGIN, 1_200) };
    made.clone().record(&home.path("chained.wr"));
    made.write(&home.path("plain.wr"));
    for name in ["chained.wr", "plain.wr"] {
        let input = Input::Recording(home.path(name));
        let lines = |recall: bool| {
            let past = input.past();
            let recall = past.lines().filter(|_| recall);
            let options = StoreOptions { background: 0, memory: 200_000, recall, ..StoreOptions::default() };
            let store = LogStore::new(Box::new(|_| {}), options);
            input
                .read_noting(&past, &mut |batch| {
                    for e in &batch {
                        if let Event::Logs(event) = &e.event {
                            store.observe(e.source, "api", e.observed, event, true);
                        }
                    }
                    true
                })
                .expect("a recording");
            let mut texts = Vec::new();
            store.scan_all(&Filter::default(), TimeRange::new(Ts::MIN, Ts::MAX), &mut |row| {
                texts.push(row.message);
                std::ops::ControlFlow::Continue(())
            });
            let figures = store.figures();
            assert!(figures.held <= 200_000, "{figures:?}");
            (texts, figures.lost_lines)
        };
        let (texts, lost) = lines(true);
        assert_eq!((texts.len(), lost), (24_000, 0), "{name}");
        let expected = |n: usize| format!("order {} of a customer", (BEGIN + n as i64 / 20) * 10 + n as i64 % 20);
        assert!((0..24_000).all(|n| texts[n] == expected(n)), "{name}: in order, each once");
        assert!(lines(false).1 > 20_000, "without the recording they would be lost");
    }
}

/// All of it to the recorder, no faster than it takes it.
fn offer(recorder: &Recorder, all: &[Envelope]) {
    for (i, some) in all.chunks(500).enumerate() {
        recorder.offer(&some.into());
        if i % 8 == 0 {
            recorder.past(Ts(0), Ts(0)).expect("an answer to what was asked behind them");
        }
    }
    assert_eq!(recorder.status().dropped, 0);
}

#[test]
fn a_live_session_goes_back_further_than_two_hours_with_what_its_recorder_holds() {
    let (all, _, _) = six_hours();
    let home = Home::new();
    for path in [Some(home.path("own.wr")), None] {
        let on_disk = path.is_some();
        // On disk all six hours are there, however little is kept in memory.
        let ring = if on_disk { 1 << 20 } else { 64 << 20 };
        let recorder = Recorder::start(RecorderOptions { path, ring, redact: false, ..RecorderOptions::default() })
            .expect("a recorder");
        offer(&recorder, all);
        let mut live = folded(all);
        live.past = Past::Recorder(recorder.clone());
        let span = span(all);
        let seconds = if on_disk { 3_700 } else { 10_000 };
        let mut upto = folded(all.iter().filter(|e| e.observed <= at(seconds)));
        let seen = without_counters(screens(&mut upto, span, at(seconds)));
        let again = without_counters(screens(&mut live, span, at(seconds)));
        same(&seen, &again, if on_disk { "from its own file" } else { "from memory" });
        assert_eq!(recorder.status().dropped, 0);
        recorder.finish(Duration::from_secs(5));
    }
}

#[test]
fn what_the_recorder_in_memory_has_let_go_is_shown_by_the_minute_and_said() {
    let (all, _, _) = six_hours();
    let recorder =
        Recorder::start(RecorderOptions { path: None, ring: 1 << 20, redact: false, ..RecorderOptions::default() })
            .expect("a recorder");
    offer(&recorder, all);
    let mut live = folded(all);
    live.past = Past::Recorder(recorder);
    live.stand(span(all), at(3_000));
    let text = to_text(&live.frame(&Theme::builtin("dark").expect("a theme"), 140, 40));
    assert!(text.contains("by the minute only"), "{text}");
}

#[test]
fn a_long_replay_in_a_terminal_goes_back_to_the_first_hour_and_plays_on_there() {
    let home = Home::new();
    let made = Made { rows: 3, lines: 1, ..Made::new("web-1", 9, BEGIN, 9_000) };
    made.write(&home.path("long.wr"));
    let mut tty = Tty::start(&home, &["replay", "long.wr", "--at", "15:00:40"], (130, 40));
    tty.wait("the process table of then", |t| {
        t.contains("15:00:40") && t.contains("paused") && t.contains("/usr/bin/worker")
    });
    tty.keys(")");
    tty.wait("ten minutes on", |t| t.contains("15:10:40") && t.contains("/usr/bin/worker"));
    tty.keys("g17:20:00\r");
    tty.wait("hours on", |t| t.contains("17:20:00") && t.contains("/usr/bin/worker"));
    tty.keys("g15:30:00\r");
    tty.wait("and back", |t| t.contains("15:30:00") && t.contains("/usr/bin/worker"));
    tty.keys("]]]]]] ");
    tty.wait("it plays there", |t| t.contains("64x"));
    tty.wait("on into the next window", |t| t.contains(" 15:35:") && t.contains("/usr/bin/worker"));
    tty.keys("q");
    assert_eq!(tty.ended(), 0);
    tty.is_given_back();
}
