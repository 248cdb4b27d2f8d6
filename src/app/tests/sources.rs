//! Log sources on the screen: rates, and who went quiet.

use super::world::{API, NGINX, World, t};
use crate::timeline::{Severity, SourceKind, Ts};

/// The api says two lines a second for five minutes, an error among them; nginx stops after four.
fn half_quiet() -> World {
    let mut w = World::live("14:05:00");
    w.source(t("13:59:00"), API, SourceKind::Logs, "api", "/srv/api.log");
    w.source(t("13:59:00"), NGINX, SourceKind::Logs, "nginx", "/var/log/nginx/access.log");
    let line = |s: i64, text: &str| (Ts(t("14:00:00").0 + s * 500_000_000), Severity::Info, text.to_owned());
    let api: Vec<_> = (0..598).map(|s| line(s, "\"msg\":\"served\"")).collect();
    let nginx: Vec<_> = (0..480).map(|s| line(s, "\"msg\":\"GET /\"")).collect();
    w.lines(API, &api);
    w.lines(NGINX, &nginx);
    w.settle();
    w
}

#[test]
fn a_source_that_went_quiet_is_told_by_name_in_its_pane_in_the_facts_and_beside_errors() {
    let mut w = half_quiet().sized(80, 24);
    let quiet = "nginx gone quiet: no line since 14:04:00 (60 s), 2.0 lines/s before";
    assert!(w.text().contains(quiet), "{}", w.text());
    w.press("3");
    assert!(w.text().contains("logs nginx quiet !"), "{}", w.text());
    // With errors the verdict is about them; who is quiet keeps a line.
    let errors: Vec<_> =
        (0..20).map(|i| (Ts(t("14:04:58").0 + i * 90_000_000), Severity::Error, "\"msg\":\"broken\"".into())).collect();
    w.lines(API, &errors);
    w.press("1");
    let text = w.text();
    assert!(text.contains("errors/s since 14:04:58") && text.contains(&format!("! {quiet}")), "{text}");
}

#[test]
fn the_list_of_sources_says_rates_who_is_quiet_and_how_each_is_read() {
    let mut w = half_quiet().sized(100, 24);
    w.press("S");
    insta::assert_snapshot!("rates_100x24", w.text());
    w.press("j enter");
    assert_eq!(w.state.view.filter.to_string(), "source=api");
}

#[test]
fn a_clock_that_is_off_is_measured_by_shared_requests_corrected_by_a_key_and_taken_back() {
    let mut w = World::live("14:05:00");
    w.source(t("13:59:00"), API, SourceKind::Logs, "api", "/srv/api.log");
    w.source(t("13:59:00"), NGINX, SourceKind::Logs, "nginx", "/var/log/nginx/access.log");
    for i in 0..30 {
        let at = |ms: i64| Ts::from_millis(t("14:00:00").millis() + i * 1_000 + ms);
        let id = format!("\"request_id\":\"request-number-{i:04}\",");
        let line = |ms: i64, text: &str| (at(ms), Severity::Info, format!("{id}\"msg\":\"{text} {i}\""));
        w.lines(API, &[line(0, "begin"), line(60, "end")]);
        // Its clock is 4.2 s ahead: what happened in between seems to come long after.
        w.lines(NGINX, &[line(4_230, "proxied")]);
    }
    w.settle();
    let order = |w: &mut World| {
        let rows = w.rows();
        let at = |text: &str| rows.iter().position(|r| r == text).expect("a row");
        (at("begin 29") < at("proxied 29")) && (at("proxied 29") < at("end 29"))
    };
    assert!(!order(&mut w));
    w = w.sized(160, 24);
    w.press("S");
    let said = "clock 4.2 s ahead of api (30 shared requests), c corrects";
    assert!(w.text().contains(said), "{}", w.text());
    if !w.text().lines().any(|l| l.starts_with('▌') && l.contains(said)) {
        w.press("j");
    }
    w.press("c");
    assert!(order(&mut w), "{:?}", w.rows());
    assert!(w.text().contains("clock of nginx corrected by -4.2 s"), "{}", w.text());
    w.press("c esc");
    assert!(!order(&mut w) && !w.text().contains("corrected"), "{}", w.text());
}

#[test]
fn the_cursor_of_the_list_stays_on_its_source_while_the_order_changes() {
    let mut w = half_quiet().sized(100, 24);
    w.press("S");
    let line = |w: &mut World, name: &str| -> (usize, String) {
        let text = w.text();
        let mut lines = text.lines().enumerate().filter(|(_, l)| l.contains(name) && l.contains("····"));
        lines.next().map(|(i, l)| (i, l.to_owned())).expect("a line")
    };
    let order = |w: &mut World| line(w, "nginx ") < line(w, "api ");
    assert!(order(&mut w), "who went quiet comes first: {}", w.text());
    // It speaks again, and the other one has errors.
    let lines = |text: &str, severity| -> Vec<_> {
        (0..20).map(|i| (Ts(t("14:05:01").0 + i * 90_000_000), severity, format!("\"msg\":\"{text}\""))).collect()
    };
    w.lines(NGINX, &lines("GET /", Severity::Info));
    w.lines(API, &lines("broken", Severity::Error));
    w.tick(t("14:05:04"));
    assert!(!order(&mut w), "{}", w.text());
    assert!(line(&mut w, "nginx ").1.contains("▌ nginx"), "{}", w.text());
    w.press("enter");
    assert_eq!(w.state.view.filter.to_string(), "source=nginx");
}

#[test]
fn a_line_of_a_list_that_has_gone_opens_nothing_and_the_next_key_goes_to_another() {
    let mut w = half_quiet().sized(100, 24);
    w.press("1 U");
    assert_eq!(w.overlays(), ["mutes"]);
    let before = w.text();
    assert!(before.contains("served"), "{before}");
    // Another line came, and is the newest row now: what would be muted is not what was read.
    w.lines(API, &[(t("14:05:01"), Severity::Error, "\"msg\":\"wholly different\"".into())]);
    w.tick(t("14:05:03"));
    w.settle();
    assert!(w.text().contains("wholly different"), "{}", w.text());
    assert!(w.press("enter").is_empty());
    assert_eq!(w.overlays(), ["mutes"], "{}", w.text());
    assert!(w.state.logs.mutes().all().is_empty());
    w.press("j enter");
    assert_eq!(w.state.logs.mutes().all().len(), 1);
}
