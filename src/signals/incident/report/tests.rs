use super::super::event::IncidentEvent;
use super::super::history::tests::{at, note, opened, outage};
use super::*;

#[test]
fn the_skeleton_of_an_outage() {
    let options = ReportOptions { names: false, recording: Some("out age.wr".into()) };
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
    let named = ReportOptions { names: true, recording: None };
    for (with, without) in [
        (markdown(&events, &named).unwrap(), markdown(&events, &ReportOptions::default()).unwrap()),
        (json(&events, &named).unwrap().to_string(), json(&events, &ReportOptions::default()).unwrap().to_string()),
    ] {
        assert!(with.contains("anna") && with.contains("bela"));
        assert!(!without.contains("anna") && !without.contains("bela") && without.contains("responder 2"));
        assert!(without.contains("root cause unknown"), "words of a note are left as written");
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
