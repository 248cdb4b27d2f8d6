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
