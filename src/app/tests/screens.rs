//! The whole screen, pictured.

use std::fmt::Write;
use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::stories::{failing, outage};
use super::world::World;
use crate::app::input::Input;
use crate::ui::theme::Role;
use crate::ui::{Glyphs, Theme};

#[test]
fn an_outage_at_four_sizes() {
    for (width, height) in [(160, 45), (120, 36), (80, 24), (40, 12)] {
        insta::assert_snapshot!(format!("outage_{width}x{height}"), outage().sized(width, height).text());
    }
}

#[test]
fn nothing_watched_yet() {
    insta::assert_snapshot!("empty_120x36", World::live("14:03:22").text());
    insta::assert_snapshot!("empty_40x12", World::live("14:03:22").sized(40, 12).text());
}

#[test]
fn every_source_in_trouble() {
    insta::assert_snapshot!("failing_120x36", failing().text());
    insta::assert_snapshot!("failing_80x24", failing().sized(80, 24).text());
}

#[test]
fn a_hidden_pane_whose_source_fails_does_not_look_well() {
    let text = failing().sized(80, 24).text();
    let facts = text.lines().find(|l| l.contains(" 3 ")).expect("the line of the hidden panes");
    for number in ["2 ", "3 ", "4 "] {
        let fact = facts.split('│').find(|f| f.trim().starts_with(number)).expect("its fact");
        assert!(fact.trim_end().ends_with('!'), "{facts}");
    }
}

#[test]
fn a_request_is_followed_with_the_outage_behind_it_in_ascii() {
    let mut w = outage().sized(120, 36);
    w.state.settings.glyphs = Glyphs::ASCII;
    w.press("E f");
    let text = w.text();
    assert_eq!(text.chars().find(|c| !c.is_ascii()), None, "{text}");
    insta::assert_snapshot!("request_ascii_120x36", text);
}

#[test]
fn what_lies_over_the_panes() {
    let mut w = outage().sized(100, 30);
    w.press("E enter");
    insta::assert_snapshot!("detail_100x30", w.text());
    w.press("esc :");
    w.write("fil");
    insta::assert_snapshot!("palette_100x30", w.text());
    w.press("esc esc g");
    w.write("13:55:00");
    w.press("enter c L c");
    insta::assert_snapshot!("compare_100x30", w.text());
}

#[test]
fn every_pane_zoomed_in_an_outage_wide_and_narrow() {
    for (size, name) in [((120, 36), "120x36"), ((80, 24), "80x24"), ((40, 12), "40x12")] {
        let mut w = outage().sized(size.0, size.1);
        w.press("z");
        let mut all = String::new();
        for pane in ["1", "2", "3", "4", "5", "6"] {
            w.press(pane);
            let _ = writeln!(all, "{}\n", w.text());
        }
        insta::assert_snapshot!(format!("zoomed_{name}"), all);
    }
}

/// Which role every run of cells has: colours carry the meaning, so a picture without them is half a picture.
#[test]
fn an_outage_with_the_role_of_every_cell() {
    let mut w = outage().sized(120, 36);
    w.press("E f");
    insta::assert_snapshot!("roles_120x36", roles(&w.frame(&roles_theme())));
}

#[test]
fn a_healthy_system_is_calm() {
    let mut w = outage().sized(120, 36);
    w.press("g");
    w.write("13:54:00");
    w.press("enter");
    let buffer = w.frame(&roles_theme());
    for y in 1..buffer.area.height - 1 {
        for x in 0..buffer.area.width {
            let role = role(buffer[(x, y)].fg);
            let loud = ["warn", "bad", "warn_line", "error", "fatal", "mark_probe", "mark_alert", "chart_hot"];
            assert!(!loud.contains(&role), "{role} at {x},{y}:\n{}", roles(&buffer));
        }
    }
}

#[test]
fn no_screen_panics_at_any_size_or_with_anything_over_it() {
    let mut w = outage();
    for (width, height) in [(0, 0), (1, 1), (2, 40), (200, 1), (7, 7), (39, 11), (99, 27), (300, 90)] {
        w = w.sized(width, height);
        for opens in ["?", "a", "&", "/", "g", ":", "t", "Y", "w", "s", "c", "enter", "z", "3", "6"] {
            w.press(opens);
            w.give(Input::Click(width / 2, height / 2));
            w.give(Input::Wheel(0, 0, true));
            w.press("ctrl-c");
            w.state.view.overlays.clear();
        }
        w.state.view.zoom = false;
    }
}

/// Every role has a colour that is its number.
fn roles_theme() -> Theme {
    let mut text = "name = \"roles\"\n[roles]\n".to_owned();
    for (n, (_, name)) in Role::ALL.iter().enumerate() {
        let _ = writeln!(text, "{name} = {{ fg = \"#0000{n:02x}\" }}");
    }
    Theme::load("roles.toml", None, &|_: &Path| Ok(text.clone())).expect("a theme")
}

fn role(color: Color) -> &'static str {
    match color {
        Color::Rgb(0, 0, n) => Role::ALL.get(n as usize).map_or("?", |(_, name)| name),
        _ => "?",
    }
}

/// Each line, and below it the roles of its runs: `role*cells`.
fn roles(buffer: &Buffer) -> String {
    let mut out = String::new();
    for (y, line) in crate::ui::frame::to_text(buffer).lines().enumerate() {
        let mut runs: Vec<(&str, usize)> = Vec::new();
        for x in 0..buffer.area.width {
            let role = role(buffer[(x, y as u16)].fg);
            match runs.last_mut() {
                Some((last, n)) if *last == role => *n += 1,
                _ => runs.push((role, 1)),
            }
        }
        let runs: Vec<String> = runs.iter().map(|(role, n)| format!("{role}*{n}")).collect();
        let _ = writeln!(out, "{line}\n    {}", runs.join(" "));
    }
    out
}
