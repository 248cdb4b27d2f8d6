//! The playhead: paused, stepping, marks, replay.

use std::time::Duration;

use super::stories::{outage, two_requests};
use super::world::{API, World, t};
use crate::app::effect::Effect;
use crate::app::playhead::{Playhead, SPEEDS};
use crate::timeline::Severity;

fn header(w: &mut World) -> String {
    w.text().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn paused_is_shouted_and_counts_the_lines_and_errors_that_came_since() {
    let mut w = two_requests();
    w.press("space");
    assert!(header(&mut w).contains("PAUSED 14:00:10 UTC"), "{}", header(&mut w));
    w.line(API, "14:00:11", Severity::Info, "", "later");
    w.line(API, "14:00:12", Severity::Error, "", "worse");
    w.tick(t("14:00:20"));
    assert!(header(&mut w).contains("-10 s  since pausing 2 lines, 1 errors"), "{}", header(&mut w));
    assert!(!w.rows().contains(&"later".to_owned()), "the screen stands still: {:?}", w.rows());
    w.press("L");
    assert!(header(&mut w).contains("LIVE 14:00:20"), "{}", header(&mut w));
    assert_eq!(w.rows().last().map(String::as_str), Some("worse"));
    w.press("space space");
    assert!(w.state.player.is_live(), "Space again goes on");
}

#[test]
fn all_panes_go_back_together_and_nothing_later_is_shown() {
    let mut w = outage();
    let live = w.text();
    assert!(live.contains("20/20") && live.contains("503"), "{live}");
    w.press("g");
    w.write("13:55:00");
    w.press("enter");
    let then = w.text();
    assert!(then.contains("13:55:00") && then.contains("1.4.1"), "{then}");
    for later in ["20/20", "503", "1.4.2", "dropped the index", "SEV2"] {
        assert!(!then.contains(later), "{later} was not known at 13:55:\n{then}");
    }
    w.press("L");
    assert_eq!(w.text(), live, "and back to what it was");
}

#[test]
fn steps_are_of_a_second_a_minute_and_ten_and_never_go_past_the_clock() {
    let mut w = outage();
    let now = w.state.now();
    for (key, seconds) in [("<", 1), ("{", 61), ("(", 661), (")", 61), ("}", 1), (">", 0)] {
        w.press(key);
        assert_eq!(w.state.now(), now - Duration::from_secs(seconds), "{key}");
    }
    w.press("} )");
    assert_eq!(w.state.now(), now);
    assert!(!w.state.player.is_live(), "standing at the clock is not following it");
}

#[test]
fn a_typed_time_that_cannot_be_read_stays_in_the_line_with_what_would_be_understood() {
    let mut w = outage();
    w.press("g");
    w.write("brunch");
    w.press("enter");
    assert_eq!(w.overlays(), ["time"]);
    assert!(w.bottom().contains("brunch") && w.bottom().contains("is no time"), "{}", w.bottom());
    w.press("ctrl-u");
    w.write("-5m");
    w.press("enter");
    assert_eq!(w.state.now(), t("13:58:22"));
}

#[test]
fn a_time_outside_the_recording_leads_to_its_nearest_edge_and_that_is_said() {
    let cases = [
        ("yesterday 15:00", "14:00:00", "beginning"),
        ("10pm", "14:10:00", "end"),
        ("15:30", "14:10:00", "end"),
        ("13:30", "14:00:00", "beginning"),
        ("2030-01-01", "14:10:00", "end"),
    ];
    for (typed, at, edge) in cases {
        let mut w = World::replay("14:00:00", "14:10:00");
        w.press("g");
        w.write(typed);
        w.press("enter");
        assert_eq!(w.state.now(), t(at), "{typed}");
        let said = w.bottom();
        assert!(said.contains(&format!("the recording holds 14:00:00 to 14:10:00; shown is its {edge}")), "{said}");
    }
    let mut w = World::replay("14:00:00", "14:10:00");
    w.press("g");
    w.write("14:05");
    w.press("enter");
    assert!(w.state.now() == t("14:05:00") && !w.bottom().contains("the recording holds"), "{}", w.bottom());
    let mut w = two_requests();
    w.press("g");
    w.write("2030-01-01");
    w.press("enter");
    assert!(w.bottom().contains("lies ahead; shown is now"), "{}", w.bottom());
}

#[test]
fn deploys_and_marks_are_gone_to_in_order() {
    let mut w = outage();
    w.press("D");
    assert_eq!(w.state.now(), t("13:55:58"));
    w.press("D");
    assert_eq!(w.state.now(), t("13:53:02"));
    w.press("D");
    assert!(w.bottom().contains("no earlier change"), "{}", w.bottom());
    w.press("d d");
    assert!(w.state.now() == t("13:55:58") && w.bottom().contains("no later change"), "{}", w.bottom());
    // Your own mark, then the probe that failed, then the notes.
    w.press("> m < '");
    assert_eq!(w.state.now(), t("13:55:59"));
    w.press("'");
    assert_eq!(w.state.now(), t("13:56:10"), "the milestone: impact started");
    w.press("'");
    assert_eq!(w.state.now(), t("13:56:20"), "the probe that failed");
}

#[test]
fn a_replay_is_as_slow_as_a_quarter_and_as_fast_as_six_hundred_times() {
    let mut w = World::replay("13:00:00", "15:00:00");
    for _ in 0..20 {
        w.press("]");
    }
    assert_eq!(w.state.player.speed(), SPEEDS.1);
    let clock = w.state.player.clock;
    w.tick(clock + Duration::from_secs(2));
    assert_eq!(w.state.now(), t("13:20:00"), "two seconds at six hundred");
    assert!(header(&mut w).ends_with("600x"), "{}", header(&mut w));
    for _ in 0..20 {
        w.press("[");
    }
    assert_eq!(w.state.player.speed(), SPEEDS.0);
    w.tick(clock + Duration::from_secs(6));
    assert_eq!(w.state.now(), t("13:20:01"), "four seconds at a quarter");
    w.press("space");
    w.tick(clock + Duration::from_secs(60));
    assert_eq!(w.state.player.head, Playhead::Still(t("13:20:01")));
    let mut live = two_requests();
    live.press("]");
    assert!(live.bottom().contains("only a replay has a speed"), "{}", live.bottom());
}

#[test]
fn a_milestone_at_a_typed_time_is_of_the_day_that_is_replayed() {
    let mut w = World::replay("13:00:00", "15:00:00");
    w.press(":");
    w.write("milestone mitigated 14:40");
    let effects = w.press("enter");
    let at = effects.iter().find_map(|e| if let Effect::Milestone(_, at) = e { Some(*at) } else { None });
    assert_eq!(at, Some(t("14:40:00")), "behind the playhead, and not a day before");
}

#[test]
fn a_replay_says_so_stands_at_its_end_and_begins_again() {
    let mut w = World::replay("14:00:00", "14:00:30");
    assert!(
        header(&mut w).contains("REPLAY 2026-03-14 14:00:00 UTC  -30 s  1x")
            || header(&mut w).contains("REPLAY 14:00:00 UTC  -30 s  1x"),
        "{}",
        header(&mut w)
    );
    let clock = w.state.player.clock;
    w.tick(clock + Duration::from_secs(500));
    assert_eq!(w.state.player.head, Playhead::Still(t("14:00:30")));
    w.press("space");
    assert_eq!(w.state.now(), t("14:00:00"));
    w.press("L");
    assert_eq!(w.state.now(), t("14:00:30"));
}

#[test]
fn the_zone_is_changed_to_that_of_the_recorded_host_and_a_typed_time_is_read_in_it() {
    let mut w = outage();
    w.press("Z Z");
    assert!(header(&mut w).contains("15:03:22 Europe/Berlin (recorded)"), "{}", header(&mut w));
    w.press("g");
    w.write("14:55:00");
    w.press("enter");
    assert_eq!(w.state.now(), t("13:55:00"));
    w.press("Z");
    assert!(header(&mut w).contains("13:55:00 UTC"), "{}", header(&mut w));
}

#[test]
fn a_pinned_instant_is_compared_with_the_playhead_figure_by_figure() {
    let mut w = outage();
    w.press("g");
    w.write("13:55:00");
    w.press("enter c");
    assert!(w.bottom().contains("pinned 13:55:00"), "{}", w.bottom());
    w.press("c");
    assert!(w.state.view.pinned.is_none(), "where it stands, c lets it go");
    w.press("c L c");
    assert_eq!(w.overlays(), ["compare"]);
    let text = w.text();
    for piece in ["8 m apart", "13:55:00", "14:03:22", "error", "pool", "1.4.1", "1.4.2", "changed"] {
        assert!(text.contains(piece), "{piece} is missing:\n{text}");
    }
    w.press("{");
    assert!(w.text().contains("14:02:22"), "time moves under it");
    w.press("esc");
    assert!(w.overlays().is_empty() && w.state.view.pinned.is_some(), "Esc keeps the pin");
    w.press("c c");
    assert!(w.overlays().is_empty() && w.state.view.pinned.is_none());
}

#[test]
fn before_anything_was_counted_the_strip_says_so_and_from_when_it_was() {
    for (width, height, said) in [(120, 36, "nothing counted before"), (40, 12, "nothing before")] {
        let mut w = outage().sized(width, height);
        assert!(!w.text().contains(said), "{}", w.text());
        let first = w.state.timeline.logs.counted().expect("lines").start;
        w.state.player.go_to(first - std::time::Duration::from_secs(600));
        w.settle();
        let said = format!("{said} {}", first.hms(&w.state.settings.zone));
        assert!(w.text().contains(&said), "{}", w.text());
    }
}
