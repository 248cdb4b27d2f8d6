use super::super::event::IncidentEvent;
use super::super::history::tests::{at, note, opened, outage};
use super::window::{Impact, RouteImpact, SeenKind, SeenRow};
use super::*;
use crate::signals::incident::history::tests::id;

fn markdown(events: &[IncidentEvent], options: &ReportOptions) -> Option<String> {
    Some(Report::new(id(1), events, &Seen::default(), options)?.markdown())
}

fn json(events: &[IncidentEvent], options: &ReportOptions) -> Option<serde_json::Value> {
    Some(Report::new(id(1), events, &Seen::default(), options)?.json())
}

#[test]
fn the_skeleton_of_an_outage() {
    let options = ReportOptions { recording: Some("out age.wr".into()), ..ReportOptions::default() };
    insta::assert_snapshot!(markdown(&outage(), &options).unwrap());
}

#[test]
fn an_incident_of_which_nothing_is_known_has_question_marks_and_no_zeroes() {
    let text =
        markdown(&[opened(1, "incident 2026-11-21 14:02", None, at(14, 2, 0))], &ReportOptions::default()).unwrap();
    assert!(text.starts_with("<!-- markdownlint-disable MD013 -->\n\n# SEV?: incident 2026-11-21 14:02\n"), "{text}");
    for unknown in
        ["| Severity | ?? |", "- Duration: ??", "| TTD (time to detect) | ?? |", "| TTR (time to resolve) | ?? |"]
    {
        assert!(text.contains(unknown), "{unknown}\n{text}");
    }
    assert!(!text.contains("0 s") && !text.contains(" 0 "), "{text}");
    assert_eq!(markdown(&[], &ReportOptions::default()), None);
}

#[test]
fn names_are_roles_unless_asked_for_in_markdown_and_in_json() {
    let mut by_root = note(7, 1, "> root cause unknown", at(14, 3, 0));
    by_root.author = "root".into();
    let mut events = outage();
    events.push(IncidentEvent::Note(by_root));
    let named = ReportOptions { names: true, ..ReportOptions::default() };
    for (with, without) in [
        (markdown(&events, &named).unwrap(), markdown(&events, &ReportOptions::default()).unwrap()),
        (json(&events, &named).unwrap().to_string(), json(&events, &ReportOptions::default()).unwrap().to_string()),
    ] {
        assert!(with.contains("anna") && with.contains("bela"));
        assert!(!without.contains("anna") && !without.contains("bela") && without.contains("responder 2"));
        assert!(without.contains("root cause unknown"), "a login that is a word is no name");
    }
}

#[test]
fn every_line_keeps_to_what_a_markdown_linter_asks() {
    let mut events = outage();
    let hostile = "# big | <b>bold</b> *x* [a](b)\n\n\n- list\n```\ncode http://x.example/a|b";
    let mut n = note(50, 1, hostile, at(14, 6, 0));
    n.evidence = vec![Evidence {
        text: "```\n# x\n\t<b> \n".into(),
        source: "a|b`c".into(),
        filter: "x`y|z".into(),
        ..Evidence::default()
    }];
    events.push(IncidentEvent::Note(n));
    let text = markdown(&events, &ReportOptions::default()).unwrap();
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "one newline at the end");
    let mut headings = Vec::new();
    let mut fence: Option<String> = None;
    let mut columns = None;
    let lines: Vec<&str> = text.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        if ticks.len() >= 3 {
            match &fence {
                None => fence = Some(ticks),
                Some(open) if *line == open.as_str() => fence = None,
                Some(_) => {}
            }
            continue;
        }
        if fence.is_some() {
            continue;
        }
        assert_eq!(line.trim_end(), *line, "no trailing space in line {i}");
        assert!(!line.contains('\t'), "no tab in line {i}");
        assert!(!(line.is_empty() && lines.get(i + 1).is_some_and(|l| l.is_empty())), "no two blank lines at {i}");
        if line.starts_with('#') {
            assert!(lines[i - 1].is_empty() && lines[i + 1].is_empty(), "blank lines round {line}");
            assert!(!headings.contains(line), "{line} stands twice");
            headings.push(line);
        }
        if line.starts_with('|') {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(*columns.get_or_insert(bars), bars, "cells of {line}");
        } else {
            columns = None;
        }
    }
    assert_eq!(fence, None);
    assert_eq!(headings.iter().filter(|h| h.starts_with("# ")).count(), 1);
}

/// What the telemetry of [`outage`] says.
fn telemetry() -> Seen {
    let range = crate::timeline::TimeRange::new(at(13, 46, 0), at(14, 36, 0));
    let clue = |t, what: &str| Some(super::super::metrics::Clue::new(t, what));
    let row = |t, kind, what: &str, by: Option<&str>| SeenRow {
        at: t,
        kind,
        what: what.into(),
        source: "deploys".into(),
        by: by.map(str::to_owned),
        curated: true,
        mends: kind == SeenKind::Rollback,
        whole_second: false,
    };
    let impact = Impact {
        range,
        of: range,
        requests: 12_345,
        health_checks: 120,
        failed: 1_203,
        refused: 40,
        before: Some((11_000, 2)),
        routes: vec![RouteImpact { route: "/orders/:id".into(), requests: 4_000, failed: 1_203 }],
        more_routes: 3,
        p95_ms: (Some(80.0), Some(4_900.0)),
        counted: vec!["access".into()],
        cut: false,
    };
    let values = (0..120).map(|i| (i > 10).then_some(f64::from(i % 7))).collect();
    Seen {
        range: Some(range),
        held: Some(range),
        clues: super::super::metrics::Clues {
            onset: clue(at(13, 56, 10), "errors in the logs rose above what is usual"),
            detected: clue(at(13, 57, 0), "check api failed"),
            change: clue(at(13, 55, 58), "deploy api 1.4.2, 12 s before errors began"),
        },
        over: Some(at(14, 26, 0)),
        impact: Some(impact),
        rows: vec![
            row(at(13, 55, 58), SeenKind::Change, "deploy api 1.4.2 (from 1.4.1)", Some("carol")),
            SeenRow { curated: false, ..row(at(14, 2, 0), SeenKind::Change, "package libssl3", None) },
            row(at(14, 25, 0), SeenKind::Rollback, "rollback api 1.4.1", Some("ci")),
        ],
        charts: vec![chart::Chart { title: "failed requests a second".into(), range, values, marks: Vec::new() }],
        sources: vec!["access".into(), "api".into()],
        changes_read: true,
        missing: vec![],
        elsewhere: None,
    }
}

fn full(events: &[IncidentEvent], options: &ReportOptions) -> [String; 3] {
    let seen = telemetry();
    let r = Report::new(id(1), events, &seen, options).unwrap();
    [r.markdown(), r.html(), r.json().to_string()]
}

#[test]
fn with_telemetry_the_impact_is_counted_and_the_suspect_and_the_commands_are_named() {
    let options = ReportOptions { recording: Some("outage.wr".into()), ..ReportOptions::default() };
    let [md, html, json] = full(&outage(), &options);
    for said in [
        "1 203 of 12 345, 9.7 %",
        "2 of 11 000, 0.0 %",
        "| `/orders/:id` | 1 203 | 4 000 | 30.1 % |",
        "4900 ms, before 80 ms",
        "deploy api 1.4.2, 12 s before errors began",
        "| 2026-11-21 14:25:00 | **rollback api 1.4.1** | ci | deploys | `warroom replay outage.wr --at 2026-11-21T14:25:00Z` |",
        "| whoever deployed |",
        "- Users affected: ??",
        "without 120 requests for health checks",
        "| lag (from the suspected change to the impact) | 12 s |",
    ] {
        assert!(md.contains(said), "{said}\n{md}");
    }
    assert!(!md.contains("libssl3") && !md.contains("carol"), "curated, and without names");
    assert!(html.contains("<svg") && html.contains("1 203 of 12 345") && !html.contains("<script"));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("src="), "nothing is fetched");
    assert!(json.contains("\"failed\":1203") && json.contains("--at 2026-11-21T14:25:00Z"));
    let [md, ..] = full(&outage(), &ReportOptions { complete: true, names: true, ..options });
    assert!(md.contains("libssl3") && md.contains("carol") && md.contains("earlier version of a note"), "{md}");
}

#[test]
fn a_change_in_the_second_in_which_errors_rose_stands_before_them_and_the_lag_is_less_than_a_second() {
    use super::super::metrics::Clue;
    let mut seen = telemetry();
    let deploy = Ts(at(13, 56, 10).0 + 497_000_000);
    let rose = "errors in the logs rose above what is usual";
    let row = |t, kind, what: &str| SeenRow { at: t, kind, what: what.into(), by: None, ..seen.rows[0].clone() };
    let risen = SeenRow { whole_second: true, ..row(at(13, 56, 10), SeenKind::Errors, rose) };
    seen.rows = vec![risen, row(deploy, SeenKind::Change, "deploy api 1.4.2")];
    seen.clues.onset = Some(Clue { whole_second: true, ..Clue::new(at(13, 56, 10), rose) });
    seen.clues.change = Some(Clue::new(deploy, "deploy api 1.4.2"));
    let events = [opened(1, "x", None, at(13, 58, 0))];
    let options = ReportOptions { recording: Some("x.wr".into()), ..ReportOptions::default() };
    let r = Report::new(id(1), &events, &seen, &options).unwrap();
    let md = r.markdown();
    let place = |what: &str| md.find(what).unwrap_or_else(|| panic!("{what}\n{md}"));
    let timeline = place("## Timeline");
    assert!(md[timeline..].find("deploy api 1.4.2") < md[timeline..].find(rose), "{md}");
    assert!(md.contains("| lag (from the suspected change to the impact) | less than 1 s |"), "{md}");
    assert!(!md.contains("lies 497 ms before"), "{md}");
    place(&format!("{rose} | – | deploys | `warroom replay x.wr --at 2026-11-21T13:56:11Z`"));
    let lag = r.json()["figures"].as_array().unwrap().iter().find(|f| f["name"] == "lag").cloned().unwrap();
    assert_eq!((lag["seconds"].as_f64(), lag["less_than"].as_bool()), (Some(1.0), Some(true)));
}

#[test]
fn durations_keep_their_seconds() {
    let mut seen = telemetry();
    seen.over = Some(at(13, 58, 51));
    let events = [opened(1, "x", None, at(13, 58, 0))];
    let options = ReportOptions::default();
    let md = Report::new(id(1), &events, &seen, &options).unwrap().markdown();
    assert!(md.contains("- Duration: 2 m 41 s (from 2026-11-21 13:56:10 to 2026-11-21 13:58:51 UTC"), "{md}");
    assert!(md.contains("13:56:10 UTC for 2 m 41 s, 1 203 of"), "{md}");
}

#[test]
fn a_note_that_was_written_at_another_time_than_it_tells_of_says_when() {
    let mut late = note(50, 1, "seen in the replay", at(14, 1, 42));
    late.entered_at = at(14, 16, 10);
    let mut days = note(51, 1, "days later", at(14, 2, 0));
    days.entered_at = at(38, 2, 0);
    let mut soon = note(52, 1, "at once", at(14, 3, 0));
    soon.entered_at = at(14, 3, 59);
    let mut events = vec![opened(1, "x", None, at(13, 58, 0))];
    events.extend([late, days, soon].map(IncidentEvent::Note));
    for complete in [false, true] {
        let md = markdown(&events, &ReportOptions { complete, ..ReportOptions::default() }).unwrap();
        assert!(md.contains("| 2026-11-21 14:01:42 | observation: seen in the replay (written 14:16:10) |"), "{md}");
        assert!(md.contains("| observation: days later (written 2026-11-22 14:02:00) |"), "{md}");
        assert!(md.contains("| observation: at once |"), "{md}");
    }
}

#[test]
fn logs_of_another_day_are_named_with_their_span() {
    let events = [opened(1, "x", None, at(13, 58, 0))];
    let seen = Seen {
        elsewhere: Some(crate::timeline::TimeRange::new(at(-20, 0, 0), at(-20, 30, 0))),
        missing: vec!["nothing of the incident's time".into()],
        ..Seen::default()
    };
    let options = ReportOptions::default();
    let md = Report::new(id(1), &events, &seen, &options).unwrap().markdown();
    assert!(md.contains("those that they tell of are from 2026-11-20 04:00:00 to 2026-11-20 04:30:00 UTC)"), "{md}");
    assert!(md.contains("- Not looked at: nothing of the incident's time\n"), "{md}");
    assert!(!md.contains("no log with the status") && !md.contains("no log files were given"), "{md}");
}

#[test]
fn only_what_was_done_in_the_impact_and_close_before_its_end_ended_it() {
    let rollback = (at(14, 25, 0), "rollback api 1.4.1");
    let ended = |actions: &[(Ts, &str)], change: Option<(Ts, &str)>, over: Option<Ts>| {
        let mut seen = telemetry();
        seen.over = over;
        seen.rows.retain(|s| s.kind != SeenKind::Rollback);
        if let Some((when, what)) = change {
            let row = SeenRow { at: when, what: what.into(), mends: true, ..seen.rows[0].clone() };
            seen.rows.push(row);
        }
        let mut events = vec![opened(1, "x", None, at(13, 58, 0))];
        let noted = |(n, (when, what)): (usize, &(Ts, &str))| note(80 + n as u128, 1, &format!("! {what}"), *when);
        events.extend(actions.iter().enumerate().map(noted).map(IncidentEvent::Note));
        let md = Report::new(id(1), &events, &seen, &ReportOptions::default()).unwrap().markdown();
        let line = md.lines().find(|l| l.starts_with("- What ended it: ")).expect("the summary");
        line.trim_start_matches("- What ended it: ").to_owned()
    };
    let early = (at(13, 55, 0), "restarted postgres");
    let over = Some(at(14, 25, 1));
    assert_eq!(ended(&[early], Some(rollback), over), "rollback api 1.4.1 (2026-11-21 14:25:00 UTC)");
    assert_eq!(ended(&[early], None, over), "??", "done before the impact");
    assert_eq!(ended(&[(at(14, 1, 0), "restarted the api")], None, over), "??", "long before it was over");
    assert_eq!(ended(&[(at(14, 30, 0), "told support")], None, over), "??", "after it was over");
    assert_eq!(ended(&[(at(14, 24, 0), "restarted the api")], Some(rollback), None), "??", "it goes on");
    let noted = "restarted the api (2026-11-21 14:24:00 UTC, as noted)";
    assert_eq!(ended(&[(at(14, 24, 0), "restarted the api")], None, over), noted);
    let suspect = Some((at(13, 55, 58), "deploy api 1.4.2"));
    assert_eq!(ended(&[], suspect, Some(at(13, 57, 0))), "??", "what broke it did not end it");
}

#[test]
fn every_section_of_the_template_is_there() {
    let [md, html, _] = full(&outage(), &ReportOptions::default());
    for title in [
        "Incident",
        "Summary",
        "Impact",
        "Detection",
        "Trigger and contributing factors",
        "Background",
        "Mitigation and resolution",
        "Timeline",
        "Hypotheses tried",
        "Open questions",
        "Decisions",
        "Restore record",
        "Follow-ups",
        "Lessons",
        "Times",
        "Messages",
        "Supporting information",
    ] {
        assert!(md.contains(&format!("\n## {title}\n")) && html.contains(&format!(">{title}</h2>")), "{title}");
    }
}

#[test]
fn commands_that_were_run_are_the_restore_record_and_follow_ups_have_type_and_owner() {
    let mut ran = note(60, 1, "! rollback api FAILED with exit code 3", at(14, 24, 0));
    let command = "./rollback.sh api 1.4.1 --token=s3cr3tvalue99".to_owned();
    ran.ran =
        Some(super::super::event::Ran { command, code: Some(3), took_ms: 4_250, output: "no such release\n".into() });
    let todo = note(61, 1, "TODO detect: alarm on waiting clients @anna p1 due 2026-12-01 SHOP-12", at(14, 40, 0));
    let good = note(62, 1, "> the rollback was one command +good", at(14, 41, 0));
    let mut events = outage();
    events.extend([ran, todo, good].map(IncidentEvent::Note));
    let [md, html, json] = full(&events, &ReportOptions::default());
    assert!(
        md.contains("| 2026-11-21 14:23:55 | `./rollback.sh api 1.4.1 --token=‹redacted›` | 3 | 4.2 | responder 1 |"),
        "{md}"
    );
    assert!(md.contains("no such release"));
    assert!(md.contains("| alarm on waiting clients | detect | responder 1 | p1 | SHOP-12 | 2026-12-01 |"), "{md}");
    assert!(md.contains("- What went well: the rollback was one command\n"), "{md}");
    for text in [md, html, json] {
        assert!(!text.contains("s3cr3tvalue99"));
    }
}

/// 210 secrets of seven sorts, each another one.
fn secrets() -> Vec<(String, String)> {
    let base64 = |n: u32, len: usize| -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut x = u64::from(n) * 2_654_435_761 + 12_345;
        let next = |_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(alphabet[(x >> 33) as usize % alphabet.len()])
        };
        (0..len).map(next).collect()
    };
    let card = |n: u32| -> String {
        let mut digits: Vec<u32> =
            format!("4{:014}", u64::from(n) * 7_919 + 12_345_678).chars().filter_map(|c| c.to_digit(10)).collect();
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(i, d)| if i % 2 == 0 { (d * 2) / 10 + (d * 2) % 10 } else { *d })
            .sum();
        digits.push((10 - sum % 10) % 10);
        digits.iter().map(ToString::to_string).collect()
    };
    let mut all = Vec::new();
    for n in 0..30u32 {
        let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}", base64(n, 40), base64(n + 500, 43));
        let key = format!(
            "AKIA{}",
            base64(n + 900, 64).to_ascii_uppercase().replace(['-', '_'], "").chars().take(16).collect::<String>()
        );
        let (word, bearer, cookie) =
            (format!("hunter{n}x{}", base64(n + 7, 6)), base64(n + 77, 32), base64(n + 777, 24));
        let mail = format!("customer.{n}@shop-{n}.example");
        let number = card(n);
        all.push((format!("token {jwt} was refused"), jwt));
        all.push((format!("key {key} in the log"), key));
        all.push((format!("card {number} charged twice"), number));
        all.push((format!("postgres password={word} host=db"), word));
        all.push((format!("Authorization: Bearer {bearer}"), bearer));
        all.push((format!("Cookie: session={cookie}"), cookie));
        all.push((format!("mail to {mail} bounced"), mail));
    }
    all
}

#[test]
fn none_of_two_hundred_planted_secrets_leaves_in_an_export() {
    let planted = secrets();
    assert!(planted.len() >= 200);
    let mut events = vec![opened(1, &format!("logins fail: {}", planted[4].0), None, at(13, 58, 0))];
    let mut seen = telemetry();
    for (n, (text, _)) in planted.iter().enumerate() {
        // Every way in: a note of each kind, evidence, its filter and source, a command and its output, machine events.
        let kind = super::super::event::NoteKind::ALL[n % 7];
        let mut note = note(1_000 + n as u128, 1, &super::super::kinds::typed(kind, text), at(14, 0, 0));
        match n / 7 % 5 {
            0 => note.evidence.push(Evidence { text: text.clone(), source: text.clone(), ..Evidence::default() }),
            1 => note.evidence.push(Evidence { filter: text.clone(), ..Evidence::default() }),
            2 => {
                note.ran =
                    Some(super::super::event::Ran { command: text.clone(), output: text.clone(), ..Default::default() })
            }
            3 => seen.rows.push(SeenRow {
                what: text.clone(),
                source: text.clone(),
                by: Some(text.clone()),
                ..seen.rows[0].clone()
            }),
            _ => note.screen = Some(super::super::event::Screen { filter: text.clone(), ..Default::default() }),
        }
        if let Some(m) = &mut seen.impact {
            m.routes.push(RouteImpact { route: format!("/x?{text}"), requests: 1, failed: 1 });
        }
        events.push(IncidentEvent::Note(note));
    }
    let mut options = ReportOptions { recording: Some("outage.wr".into()), complete: true, ..ReportOptions::default() };
    for names in [false, true] {
        options.names = names;
        let r = Report::new(id(1), &events, &seen, &options).unwrap();
        for (format, text) in [("Markdown", r.markdown()), ("HTML", r.html()), ("JSON", r.json().to_string())] {
            let out: Vec<_> =
                planted.iter().filter(|(_, secret)| text.contains(secret.as_str())).map(|(t, _)| t).collect();
            assert!(
                out.is_empty(),
                "{format}: {} of {} secrets: {:?}",
                out.len(),
                planted.len(),
                &out[..out.len().min(5)]
            );
            assert!(text.contains("redacted"), "{format}");
        }
    }
}

#[test]
fn an_html_export_is_well_formed_and_carries_no_markup_of_others() {
    let mut events = outage();
    let hostile = "</td></tr></table><script>alert(1)</script> <img src=http://x.example/a onerror=x> & \u{202e}";
    events.push(IncidentEvent::Note(note(70, 1, hostile, at(14, 6, 0))));
    let [_, html, _] = full(&events, &ReportOptions::default());
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains('\u{202e}'));
    let mut open: Vec<&str> = Vec::new();
    for (at, _) in html.match_indices('<') {
        let tag = html[at + 1..].split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') && !["!doctype", "meta"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
