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
