//! Commands of the palette that take an argument.

use std::path::PathBuf;

use super::action::Action;
use super::effect::Effect;
use super::overlays::Overlay;
use super::overlays::line::Line;
use super::state::State;
use super::typed::time_asked;
use super::{filtering, update};
use crate::signals::incident::event::{MilestoneKind, RoleKind};
use crate::timeline::Filter;
use crate::ui::Level;

/// Runs an action as typed in the palette.
pub fn run(state: &mut State, action: Action, argument: &str) -> Vec<Effect> {
    let wants = |state: &mut State, what: &str| {
        state.say(Level::Warn, format!(":{} needs {what}", action.row().name));
        Vec::new()
    };
    match action {
        Action::OpenIncident if argument.is_empty() => wants(state, "a title"),
        Action::OpenIncident => vec![Effect::OpenIncident(argument.to_owned())],
        Action::SetSeverity => match argument.trim_start_matches(|c: char| !c.is_ascii_digit()).parse() {
            Ok(n @ 1..=4) => vec![Effect::SetSeverity(n)],
            _ => wants(state, "a number from 1 (worst) to 4"),
        },
        Action::SetStatus if argument.is_empty() => {
            wants(state, "a word: investigating, identified, monitoring, resolved")
        }
        Action::SetStatus => vec![Effect::SetStatus(argument.to_owned())],
        Action::Milestone => milestone(state, argument),
        Action::SetRole => match argument.split_once(char::is_whitespace).unwrap_or((argument, "")) {
            ("", _) => wants(state, "a role and a name: role commander anna"),
            (role, name) => match role.parse::<RoleKind>() {
                Ok(role) => vec![Effect::SetRole(role, name.trim().to_owned())],
                Err(why) => {
                    state.say(Level::Warn, why);
                    Vec::new()
                }
            },
        },
        Action::SetServices if argument.is_empty() => wants(state, "names: services checkout payments"),
        Action::SetServices => {
            let names = argument.split([' ', ',']).map(str::trim).filter(|s| !s.is_empty());
            vec![Effect::SetServices(names.map(str::to_owned).collect())]
        }
        Action::NotesTo if argument.is_empty() => wants(state, "a path"),
        Action::NotesTo => super::notes::elsewhere(state, PathBuf::from(argument)),
        Action::NextOf => super::travel::event_of_kind(state, argument, true),
        Action::PreviousOf => super::travel::event_of_kind(state, argument, false),
        Action::Theme if argument.is_empty() => wants(state, "a name: `warroom themes` lists them"),
        Action::Theme => vec![Effect::UseTheme(argument.to_owned())],
        Action::SaveFilter => save_filter(state, argument),
        Action::UseFilter => use_filter(state, argument),
        Action::Rollback => rollback(state, argument),
        Action::PostMortem if !argument.is_empty() => super::notes::export(state, PathBuf::from(argument)),
        Action::Note => super::notes::begin(state, argument),
        other => update::update(state, other),
    }
}

/// `mitigated`, or `mitigated 14:26`: at the playhead, or at the time that is said.
fn milestone(state: &mut State, argument: &str) -> Vec<Effect> {
    let (word, time) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let read = || -> Result<_, String> {
        let kind = word.parse::<MilestoneKind>()?;
        let at = match time.trim() {
            "" => state.now(),
            text => time_asked(state, text)?,
        };
        Ok(Effect::Milestone(kind, at))
    };
    match read() {
        Ok(effect) => vec![effect],
        Err(why) => {
            state.say(Level::Warn, why);
            Vec::new()
        }
    }
}

fn save_filter(state: &mut State, name: &str) -> Vec<Effect> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    if !is_name || state.view.filter.is_empty() {
        let what = if is_name { "a filter that is on; & writes one" } else { "a name of letters, digits, - _ ." };
        state.say(Level::Warn, format!(":save-filter needs {what}"));
        return Vec::new();
    }
    let text = state.view.filter.to_string();
    state.settings.filters.insert(name.to_owned(), text.clone());
    vec![Effect::SaveFilter { name: name.to_owned(), text }]
}

fn use_filter(state: &mut State, name: &str) -> Vec<Effect> {
    let known: Vec<&str> = state.settings.filters.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none is saved yet; :save-filter NAME".into() } else { known.join(", ") };
    let Some(text) = state.settings.filters.get(name.trim_start_matches('@')) else {
        state.say(Level::Warn, format!("no filter is called {name:?}; saved: {known}"));
        return Vec::new();
    };
    match Filter::parse(text) {
        Ok(filter) => filtering::set_filter(state, filter),
        Err(e) => {
            state.say(Level::Warn, format!("the saved filter {name} cannot be read: {e}"));
            Vec::new()
        }
    }
}

/// What changes the world asks for the name to be typed.
fn rollback(state: &mut State, service: &str) -> Vec<Effect> {
    let known: Vec<String> = state.settings.deploys.rollback.keys().cloned().collect();
    let service = match (service, known.as_slice()) {
        ("", [only]) => only.clone(),
        (s, _) => s.to_owned(),
    };
    let now = state.now();
    let version = state.timeline.deploys.version_at(&service, now, now).unwrap_or("").to_owned();
    let previous = state.timeline.deploys.previous_version(&service, now).unwrap_or_default();
    match state.settings.deploys.rollback_command(&service, &version, &previous) {
        Some(command) => {
            state.say(Level::Warn, format!("will run: {command}"));
            let called = format!("rollback {service}");
            state.view.overlays.push(Overlay::Confirm { line: Line::new("", &[]), name: service, command, called });
        }
        None if known.is_empty() => {
            state.say(Level::Warn, "no rollback is configured: [deploys.rollback.SERVICE] command = \"…\"");
        }
        None => state.say(Level::Warn, format!("no rollback for {service:?}; configured: {}", known.join(", "))),
    }
    Vec::new()
}
