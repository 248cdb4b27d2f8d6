use jiff::tz::TimeZone;

use super::super::event::{IncidentEvent, IncidentSeverity};
use super::super::history::tests::{at, history, note, opened, outage, status};
use super::*;
use crate::timeline::facts::Facts;
use crate::ui::{Glyphs, Theme};

struct Cx {
    theme: Theme,
    facts: Facts,
    zone: TimeZone,
}

impl Cx {
    fn new() -> Cx {
        Cx { theme: Theme::monochrome(), facts: Facts::default(), zone: TimeZone::UTC }
    }

    fn at(&self, now: Ts) -> PaneCx<'_> {
        PaneCx {
            theme: &self.theme,
            glyphs: &Glyphs::UNICODE,
            now,
            zone: &self.zone,
            facts: &self.facts,
            focused: false,
            zoomed: false,
            cursor: 0,
            live: true,
        }
    }
}

const SIZES: [(u16, u16); 5] = [(120, 5), (80, 14), (52, 10), (40, 12), (3, 1)];

fn screens(h: &IncidentHistory, cx: &PaneCx) -> String {
    let mut out = String::new();
    for (w, h_) in SIZES {
        let area = Rect::new(0, 0, w, h_);
        let mut buf = Buffer::empty(area);
        let frame = draw(h, cx, area, &mut buf);
        out.push_str(&format!("{w}x{h_}: {} of {} rows\n", frame.rows.len(), frame.total));
        for y in 0..h_ {
            let row: String = (0..w).map(|x| buf[(x, y)].symbol()).collect();
            let styles: String = (0..w)
                .map(|x| {
                    let m = buf[(x, y)].modifier;
                    match () {
                        () if m.contains(ratatui::style::Modifier::REVERSED) => 'R',
                        () if m.contains(ratatui::style::Modifier::BOLD) => 'B',
                        () if m.contains(ratatui::style::Modifier::DIM) => 'd',
                        () => ' ',
                    }
                })
                .collect();
            out.push_str(&format!("  {}\n", row.trim_end()));
            if !styles.trim().is_empty() {
                out.push_str(&format!("~ {}\n", styles.trim_end()));
            }
        }
    }
    out
}

#[test]
fn with_no_incident_it_says_how_one_begins() {
    let cx = Cx::new();
    insta::assert_snapshot!(screens(&IncidentHistory::default(), &cx.at(at(14, 3, 22))));
}

#[test]
fn in_an_outage_it_shows_notes_and_milestones_newest_last() {
    let cx = Cx::new();
    insta::assert_snapshot!(screens(&history(&outage()), &cx.at(at(14, 5, 10))));
}

#[test]
fn flooded_it_shows_the_newest_and_the_cursor_goes_back_to_the_oldest() {
    let cx = Cx::new();
    let mut events = vec![opened(1, "flood", Some(IncidentSeverity::Sev1), at(14, 0, 0))];
    for i in 0..200 {
        let text = format!("> note {i} 数据库 \u{1b}[2J \u{202e}evil \n second line");
        events.push(IncidentEvent::Note(note(i + 2, 1, &text, at(14, 0, i as i64))));
    }
    let h = history(&events);
    insta::assert_snapshot!(screens(&h, &PaneCx { focused: true, cursor: 199, ..cx.at(at(14, 10, 0)) }));
    let mut buf = Buffer::empty(Rect::new(0, 0, 60, 4));
    let top = draw(&h, &PaneCx { focused: true, cursor: 0, ..cx.at(at(14, 10, 0)) }, buf.area, &mut buf);
    assert_eq!(top.rows.iter().map(|r| r.index).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn after_it_is_closed_the_rows_stay_and_are_dim() {
    let cx = Cx::new();
    let mut events = outage();
    events.push(status(99, 1, Status::Closed, at(14, 40, 0)));
    insta::assert_snapshot!(screens(&history(&events), &cx.at(at(15, 0, 0))));
}

#[test]
fn the_verdict_tells_severity_status_elapsed_hypotheses_and_the_age_of_the_last_note() {
    let cx = Cx::new();
    let h = history(&outage());
    for (now, level, text) in [
        (at(13, 58, 30), Level::Warn, "SEV2 investigating 2 m, last note 60 s ago"),
        (at(14, 5, 10), Level::Warn, "SEV2 investigating 9 m, 2 open hypotheses, last note 4 m ago"),
        (at(14, 30, 0), Level::Calm, "SEV2 mitigated 4 m, 33 m in all, 1 open hypothesis, last note 8 m ago"),
    ] {
        assert_eq!(verdict(&h, &cx.at(now)), Verdict::new(level, text));
    }
    assert_eq!(glance(&h, &cx.at(at(14, 5, 10))).text, "SEV2 investigating 9 m 2?");
    let unsaid = history(&[opened(1, "x", None, at(14, 0, 0))]);
    assert_eq!(verdict(&unsaid, &cx.at(at(14, 0, 30))).text, "SEV? investigating 30 s, no notes yet: a writes one");
}

#[test]
fn the_selected_note_comes_with_its_evidence() {
    let cx = Cx::new();
    let h = history(&outage());
    let mut buf = Buffer::empty(Rect::new(0, 0, 60, 4));
    let last = draw(&h, &cx.at(at(14, 20, 30)), buf.area, &mut buf).total - 1;
    let cx = PaneCx { cursor: last, ..cx.at(at(14, 20, 30)) };
    let s = select(&h, &cx).unwrap();
    assert_eq!((s.at, s.text.as_str()), (Some(at(14, 1, 10)), "? 1.4.2 dropped the index on orders(user_id)"));
    assert_eq!(s.request_id.unwrap().0, "7f3a09bc4411c210");
    let value = |name: &str| s.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(value("state"), Some("confirmed since 2026-11-21T14:20:00Z"));
    assert_eq!(value("evidence 1 from"), Some("database orders@db-1 2026-11-21T14:01:05.25Z"));
    assert_eq!(value("evidence 1 filter"), Some("level>=warn"));
    assert_eq!(select(&IncidentHistory::default(), &cx), None);
}

#[test]
fn it_draws_in_any_rectangle() {
    let cx = Cx::new();
    let h = history(&outage());
    for w in 0..45 {
        for height in 0..6 {
            let mut buf = Buffer::empty(Rect::new(0, 0, w, height));
            draw(&h, &cx.at(at(15, 0, 0)), Rect::new(0, 0, w, height), &mut buf);
            draw(&h, &cx.at(at(15, 0, 0)), Rect::new(3, 2, 50, 50), &mut buf);
        }
    }
}

#[test]
fn in_a_narrow_header_words_lose_their_tail_and_the_figure_stays() {
    let cx = Cx::new();
    let h = history(&[opened(1, "checkout fails", Some(IncidentSeverity::Sev2), at(14, 0, 0))]);
    let said = |room| header(&h, &cx.at(at(14, 12, 0)), room).unwrap();
    assert_eq!(said(80), "checkout fails · SEV2 · investigating 12 m");
    assert_eq!(said(38), "checkout fails · SEV2 · investig… 12 m");
    assert_eq!(said(32), "checkout f… · SEV2 · inves… 12 m");
    assert_eq!((said(20), said(8)), ("SEV2 · 12 m".into(), "12 m".into()));
    for room in 4..60 {
        assert!(said(room).ends_with("12 m") && width(&said(room)) <= room, "{}", said(room));
    }
}
