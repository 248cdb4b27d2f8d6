use jiff::tz::TimeZone;

use super::super::event::{HealthEvent, Probe};
use super::*;
use crate::timeline::SourceId;
use crate::timeline::facts::{Facts, Trouble};
use crate::ui::{Glyphs, Theme};

const SIZES: [(u16, u16); 4] = [(80, 8), (52, 6), (40, 5), (3, 1)];

fn t(hms: &str) -> Ts {
    Ts::from_jiff(format!("2026-03-14T{hms}Z").parse().unwrap())
}

struct Scene {
    history: HealthHistory,
    now: Ts,
    seq: u64,
}

impl Scene {
    fn at(now: &str) -> Scene {
        Scene { history: HealthHistory::default(), now: t(now), seq: 0 }
    }

    /// A result every five seconds, both ends included.
    fn every5(&mut self, name: &str, from: &str, to: &str, result: impl Fn(i64) -> Probe) -> &mut Scene {
        for (i, secs) in (t(from).secs()..=t(to).secs()).step_by(5).enumerate() {
            let at = Ts::from_secs(secs);
            let probe = Probe { at, name: name.into(), interval_ms: 5_000, ..result(i as i64) };
            self.seq += 1;
            self.history.apply(self.seq, SourceId(1), at, &HealthEvent::Probed(probe));
        }
        self
    }

    fn with<R>(&self, f: impl FnOnce(&HealthHistory, &PaneCx) -> R) -> R {
        let (theme, facts) = (Theme::monochrome(), Facts::default());
        let cx = PaneCx {
            theme: &theme,
            glyphs: &Glyphs::UNICODE,
            now: self.now,
            zone: &TimeZone::UTC,
            facts: &facts,
            focused: true,
            zoomed: false,
            cursor: 1,
            live: true,
        };
        f(&self.history, &cx)
    }

    fn verdict(&self) -> (Level, String) {
        let v = self.with(verdict);
        (v.level, v.text)
    }

    fn drawn(&self) -> String {
        let mut out = self.with(|h, cx| format!("glance: {}\n", glance(h, cx).text));
        for (w, h) in SIZES {
            let area = Rect::new(0, 0, w, h);
            let mut buf = Buffer::empty(area);
            self.with(|history, cx| draw(history, cx, area, &mut buf));
            out.push_str(&format!("{buf:?}\n"));
        }
        out
    }
}

fn good(ms: f64) -> Probe {
    Probe { ok: true, status: Some(200), latency_ms: ms, ..Probe::default() }
}

fn status(status: u16) -> Probe {
    Probe { status: Some(status), latency_ms: 5.0, ..Probe::default() }
}

fn error(text: &str) -> Probe {
    Probe { error: Some(text.into()), latency_ms: 2_000.0, ..Probe::default() }
}

fn normal() -> Scene {
    let mut s = Scene::at("14:03:22");
    s.every5("api /healthz", "13:50:00", "14:03:20", |i| good(12.0 + (i % 7) as f64));
    s.every5("payments", "13:50:00", "14:03:20", |_| good(82.0));
    s.every5("redis", "13:50:00", "14:03:20", |_| good(0.3));
    s
}

#[test]
fn when_all_answer_the_slowest_is_named_and_nothing_shouts() {
    let s = normal();
    insta::assert_snapshot!("normal", s.drawn());
    assert_eq!(s.verdict(), (Level::Calm, "all 3 answer, slowest payments 82 ms".into()));
}

#[test]
fn what_fails_stands_first_with_its_reason_and_since_when() {
    let mut s = Scene::at("14:03:22");
    s.every5("api /healthz", "13:54:00", "13:56:15", |_| good(12.0));
    s.every5("api /healthz", "13:56:20", "14:03:20", |_| status(503));
    s.every5("payments", "13:54:00", "14:03:20", |_| good(82.0));
    s.every5("redis", "13:54:00", "14:03:20", |_| good(0.3));
    insta::assert_snapshot!("failing", s.drawn());
    assert_eq!(s.verdict(), (Level::Bad, "1 of 3 failing: api /healthz 503 for 7 m".into()));
    let selected = s.with(|h, cx| select(h, &PaneCx { cursor: 0, ..*cx })).unwrap();
    assert_eq!((selected.at, selected.text.as_str()), (Some(t("13:56:20")), "api /healthz: 503 since 13:56:20 (7 m)"));
    s.now = t("13:56:18");
    assert_eq!(s.verdict().0, Level::Calm);
}

#[test]
fn of_several_that_fail_the_one_that_broke_last_is_named() {
    let mut s = Scene::at("14:03:22");
    s.every5("api", "13:54:00", "14:03:00", |_| good(12.0));
    s.every5("api", "14:03:05", "14:03:20", |_| status(503));
    s.every5("redis", "13:54:00", "14:03:20", |_| error("connection refused"));
    assert_eq!(s.verdict(), (Level::Bad, "2 of 2 failing: api 503 for 17 s and 1 more".into()));
    assert_eq!(s.with(glance).text, "api ✕ 503 +1");
}

#[test]
fn a_reason_that_changed_does_not_claim_the_whole_time() {
    let mut s = Scene::at("14:03:22");
    s.every5("api", "14:00:00", "14:00:55", |_| good(12.0));
    s.every5("api", "14:01:00", "14:01:55", |_| error("no answer in 2.0 s"));
    s.every5("api", "14:02:00", "14:03:20", |_| status(503));
    let text = s.with(|h, cx| select(h, &PaneCx { cursor: 0, ..*cx })).unwrap().text;
    assert_eq!(text, "api: 503, failing since 14:01:00 (2 m)");
}

#[test]
fn nothing_probed_says_how_to_begin() {
    let s = Scene::at("14:00:00");
    insta::assert_snapshot!("empty", s.drawn());
    assert_eq!(s.verdict(), (Level::Unknown, "nothing probed".into()));
}

#[test]
fn an_old_result_says_its_age_and_speaks_for_nothing() {
    let mut s = normal();
    s.now = t("14:06:22");
    insta::assert_snapshot!("stale", s.drawn());
    assert_eq!(s.verdict(), (Level::Unknown, "no result for 3 m".into()));
}

#[test]
fn slowness_flapping_and_an_ending_certificate_are_worth_a_look() {
    let mut s = Scene::at("14:03:22");
    s.every5("a", "13:40:00", "14:02:00", |_| good(80.0));
    s.every5("a", "14:02:05", "14:03:20", |_| good(1_200.0));
    assert_eq!(s.verdict(), (Level::Warn, "a slow: 1.2 s, 80 ms before".into()));

    let mut s = Scene::at("14:03:22");
    s.every5("a", "14:00:00", "14:03:20", |i| if i % 4 == 1 { status(502) } else { good(9.0) });
    assert_eq!(s.verdict(), (Level::Warn, "a turned 20 times in 30 m, answers for 12 s".into()));
    // Well for a while: still told, and no longer an alarm.
    s.now = t("14:04:00");
    s.every5("a", "14:03:25", "14:03:55", |_| good(9.0));
    assert_eq!(s.verdict(), (Level::Calm, "a turned 20 times in 30 m, answers for 50 s".into()));
    assert_eq!(s.with(glance).level, Level::Calm);

    let mut s = Scene::at("14:03:22");
    let ends = s.now + Duration::from_secs(5 * 86_400);
    s.every5("a", "14:03:00", "14:03:20", |_| Probe { tls_expires: Some(ends), ..good(9.0) });
    assert_eq!(s.verdict(), (Level::Warn, "certificate of a ends in 5 d".into()));
}

#[test]
fn a_flood_of_hostile_names_stays_in_its_lines_and_the_cursor_in_sight() {
    let mut s = Scene::at("14:03:22");
    for i in 0..80 {
        let name = format!("{i:02}\u{1b}]0;x\u{7}日本{}", "long ".repeat(9));
        s.every5(&name, "14:03:15", "14:03:20", |_| if i % 2 == 0 { good(1.0) } else { error("\u{1b}[31mno") });
    }
    insta::assert_snapshot!("flooded", s.drawn());
    for (w, h) in [(0, 0), (1, 1), (5, 3), (80, 1), (1, 40), (200, 60)] {
        let mut buf = Buffer::empty(Rect::new(0, 0, w, h));
        let frame = s.with(|hist, cx| draw(hist, &PaneCx { cursor: 40, zoomed: true, ..*cx }, buf.area, &mut buf));
        assert_eq!(frame.total, 64);
        assert!(h < 2 || w == 0 || frame.rows.iter().any(|r| r.index == 40), "{w}x{h}");
    }
}

#[test]
fn a_probe_that_has_only_failed_to_start_says_why_where_advice_would_stand() {
    let trouble = Trouble {
        kind: SourceKind::Health,
        name: "api".into(),
        why: "htp://api is no address that can be probed; write http://…".into(),
        since: t("14:00:00"),
        next_try: None,
        failed: true,
    };
    let facts = Facts { troubles: vec![trouble], ..Facts::default() };
    let draw = |facts: &Facts| {
        Scene::at("14:00:12").with(|history, cx| {
            let cx = PaneCx { theme: cx.theme, glyphs: cx.glyphs, zone: cx.zone, facts, ..*cx };
            let mut buf = Buffer::empty(Rect::new(0, 0, 90, 3));
            super::draw(history, &cx, buf.area, &mut buf);
            crate::ui::frame::to_text(&buf).lines().map(str::trim).collect::<Vec<_>>().join("|")
        })
    };
    assert_eq!(draw(&facts), "api: htp://api is no address that can be probed; write http://… (12 s)|");
    let awaited = Facts { starting: vec![(SourceKind::Health, "api".into())], ..Facts::default() };
    assert_eq!(draw(&awaited), "api: no answer yet|");
}
