use jiff::tz::TimeZone;

use super::super::event::{Change, ChangeStatus, DeployEvent};
use super::*;
use crate::timeline::SourceId;
use crate::timeline::facts::Facts;
use crate::ui::{Glyphs, Theme};

const SIZES: [(u16, u16); 4] = [(80, 12), (52, 8), (40, 6), (3, 1)];

fn t(hms: &str) -> Ts {
    Ts::from_jiff(format!("2026-03-14T{hms}Z").parse().unwrap())
}

struct Scene {
    history: DeploysHistory,
    facts: Facts,
    now: Ts,
    seq: u64,
}

impl Scene {
    fn at(now: &str) -> Scene {
        Scene { history: DeploysHistory::default(), facts: Facts::default(), now: t(now), seq: 0 }
    }

    fn add(&mut self, hms: &str, kind: ChangeKind, service: &str, version: &str, status: ChangeStatus) -> &mut Scene {
        let mut change = Change::new(t(hms), kind, service);
        change.version = version.into();
        change.status = status;
        change.by = Some("ci".into()).filter(|_| kind == ChangeKind::Deploy);
        self.push(change)
    }

    fn push(&mut self, change: Change) -> &mut Scene {
        self.seq += 1;
        self.history.apply(self.seq, SourceId(1), change.at, &DeployEvent::Change(change));
        self
    }

    fn covered(&mut self) -> &mut Scene {
        self.seq += 1;
        let since = self.now - RECENT;
        self.history.apply(self.seq, SourceId(1), since, &DeployEvent::Covers { of: "log".into(), since });
        self
    }

    fn with<R>(&self, f: impl FnOnce(&DeploysHistory, &PaneCx) -> R) -> R {
        let theme = Theme::monochrome();
        let cx = PaneCx {
            theme: &theme,
            glyphs: &Glyphs::UNICODE,
            now: self.now,
            zone: &TimeZone::UTC,
            facts: &self.facts,
            focused: true,
            zoomed: false,
            cursor: 1,
            live: true,
        };
        f(&self.history, &cx)
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

use ChangeKind::{Config, Deploy, Flag, Package, Restart, Rollback};
use ChangeStatus::{Fail, Ok, Start};

fn outage() -> Scene {
    let mut s = Scene::at("14:03:22");
    s.covered();
    s.add("12:10:44", Config, "nginx.conf", "", Ok);
    s.add("13:53:00", Deploy, "api", "1.4.1", Start).add("13:53:02", Deploy, "api", "1.4.1", Ok);
    s.add("13:55:58", Deploy, "api", "1.4.2", Ok);
    s.facts.errors_since = Some(t("13:56:10"));
    s
}

#[test]
fn the_deploy_after_which_errors_began_is_named_with_the_delay_and_the_way_back() {
    let s = outage();
    insta::assert_snapshot!("failing", s.drawn());
    let v = s.with(verdict);
    assert_eq!((v.level, v.text.as_str()), (Level::Bad, "api 1.4.2 deployed 7 m ago, errors began 12 s later"));
}

#[test]
fn before_the_errors_began_nobody_is_blamed() {
    let mut s = outage();
    s.now = t("13:56:05");
    let v = s.with(verdict);
    assert_eq!((v.level, v.text.as_str()), (Level::Calm, "api 1.4.2 deployed 7 s ago"));
}

#[test]
fn after_the_rollback_the_verdict_says_so_and_the_bad_version_how_long_it_ran() {
    let mut s = outage();
    s.add("14:01:00", Rollback, "api", "1.4.1", Ok);
    let v = s.with(verdict);
    assert_eq!(
        (v.level, v.text.as_str()),
        (Level::Warn, "api back to 1.4.1 2 m ago; after api 1.4.2 errors began 12 s later")
    );
}

#[test]
fn nothing_read_is_told_apart_from_nothing_changed() {
    let mut s = Scene::at("14:00:00");
    insta::assert_snapshot!("empty", s.drawn());
    assert_eq!(s.with(verdict).level, Level::Unknown);
    s.covered();
    let v = s.with(verdict);
    assert_eq!((v.level, v.text.as_str()), (Level::Calm, "no change in 2 h"));
    s.add("03:00:00", Deploy, "api", "1.4.1", Ok);
    assert_eq!(s.with(verdict).text, "no change in 2 h; last api 1.4.1 11 h 00 m ago");
}

#[test]
fn a_quiet_afternoon_has_nothing_in_it_that_shouts() {
    let mut s = Scene::at("14:00:00");
    let mut package = Change::new(t("13:00:00"), Package, "libssl3");
    package.count = 12;
    package.detail = Some("upgraded: libssl3, curl, nginx, …".into());
    let mut flag = Change::new(t("13:20:00"), Flag, "shop");
    (flag.version, flag.previous) = ("new_cart=on".into(), Some("off".into()));
    let mut restart = Change::new(t("13:30:00"), Restart, "app.service");
    restart.detail = Some("no. 1 by systemd after: exited, 1".into());
    let mut old = Change::new(Ts(t("09:00:00").0 - 86_400_000_000_000), Deploy, "api");
    old.version = "1.4.0".into();
    s.push(old).push(package).push(flag).push(restart).add("13:50:00", Deploy, "api", "1.4.1", Ok);
    insta::assert_snapshot!("normal", s.drawn());
    assert_eq!(s.with(verdict).level, Level::Calm);
}

#[test]
fn failed_running_and_looping_changes_are_told_in_words() {
    let mut s = Scene::at("14:00:40");
    s.add("14:00:00", Deploy, "api", "1.4.3", Start);
    assert_eq!(s.with(verdict).text, "api 1.4.3: deploy running 40 s");
    for hms in ["13:46:10", "13:50:00", "13:55:00"] {
        s.add(hms, Restart, "app.service", "", Ok);
    }
    assert_eq!(s.with(verdict).text, "app.service restarted 3× since 13:46:10, last 5 m ago");
    s.add("14:00:20", Deploy, "api", "1.4.3", Fail);
    assert_eq!(s.with(verdict).text, "api 1.4.3 deploy failed 20 s ago");
    assert_eq!(s.with(verdict).level, Level::Bad);
    s.add("14:00:30", Deploy, "api", "1.4.4", Ok);
    assert_eq!(s.with(verdict).text, "app.service restarted 3× since 13:46:10, last 5 m ago");
}

#[test]
fn a_flood_of_hostile_changes_stays_in_its_lines_and_the_cursor_in_sight() {
    let mut s = Scene::at("14:00:00");
    for i in 0..3_000 {
        let mut c = Change::new(t("13:00:00") + Duration::from_secs(i), Deploy, format!("\u{1b}[2Jsvc{}", i % 7));
        c.version = "1".repeat(200);
        c.by = Some("\u{202e}nobody\r\n".into());
        s.push(c);
    }
    insta::assert_snapshot!("flooded", s.drawn());
    for (w, h) in [(0, 0), (1, 1), (80, 1), (1, 40), (200, 60)] {
        let mut buf = Buffer::empty(Rect::new(0, 0, w, h));
        let frame =
            s.with(|history, cx| draw(history, &PaneCx { cursor: 500, zoomed: true, ..*cx }, buf.area, &mut buf));
        assert_eq!(frame.total, 1_000);
        assert!(h < 2 || w == 0 || frame.rows.iter().any(|r| r.index == 500), "{w}x{h}");
    }
}

#[test]
fn the_selected_change_carries_everything_that_is_known_of_it() {
    let s = outage();
    let selected = s.with(|h, cx| select(h, &PaneCx { cursor: 0, ..*cx })).unwrap();
    assert_eq!((selected.at, selected.text.as_str()), (Some(t("13:55:58")), "api 1.4.2 by ci"));
    assert!(selected.fields.contains(&("version".into(), "1.4.2".into())));
    assert!(Scene::at("14:00:00").with(select).is_none());
}
