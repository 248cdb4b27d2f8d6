//! Last line: what is being typed, else the message, else the few keys that matter here and now.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{ScreenLayout, above};
use crate::app::action::Action;
use crate::app::overlays::Overlay;
use crate::app::overlays::line::Line;
use crate::app::overlays::pick::Pick;
use crate::app::overlays::writing::Writing;
use crate::app::pane::Pane;
use crate::app::state::State;
use crate::signals::database::ending::How;
use crate::ui::{Level, PaneCx, Role, Selected, text};

/// A note of something so long ago says when that was.
const NOW: std::time::Duration = std::time::Duration::from_secs(5);
/// How long a message stays.
pub(super) const MESSAGE: std::time::Duration = std::time::Duration::from_secs(8);

/// Draws it.
pub fn draw(state: &State, cx: &PaneCx, area: Rect, buf: &mut Buffer, out: &mut ScreenLayout) {
    if area.is_empty() {
        return;
    }
    match state.view.overlays.last() {
        Some(Overlay::Note(w)) => {
            let with = match &w.selected {
                Some(s) if w.above.is_empty() => with(state, cx, w, s),
                _ if w.above.is_empty() => "> seen  ? guess  ! done  = decided  @ reported  TODO".into(),
                _ => "Enter saves, ^J another line, ^O your editor".into(),
            };
            let prompt = if w.edits.is_some() { "change: " } else { "note: " };
            typing(cx, area, buf, out, prompt, &w.line, &with);
        }
        Some(Overlay::Filter(f)) => {
            let hint = match &f.error {
                Some(_) => "",
                None if !f.completion.items.is_empty() => "Tab completes",
                None => "level>=warn status>=500 source=api /re/ -word request_id=…",
            };
            let start = typing(cx, area, buf, out, "filter: ", &f.line, hint);
            above::draw(cx, f, Rect { y: area.y.saturating_sub(1), ..area }, start, buf);
        }
        Some(Overlay::Terms { .. }) => {
            text::put(
                buf,
                area.x + 1,
                area.y,
                area.width.saturating_sub(1),
                "Enter or space switches a term off and on   - forgets it   & edits   Esc back",
                cx.theme.style(Role::KeyHint),
            );
        }
        Some(Overlay::Search(line)) => {
            typing(cx, area, buf, out, "/", line, "text, or /regex/; n next, N previous");
        }
        Some(Overlay::Time { line, error }) => {
            let hint = error.clone().unwrap_or_else(|| "14:02  -15m  yesterday 15:00  or a pasted stamp".into());
            typing(cx, area, buf, out, "go to: ", line, &hint);
        }
        Some(Overlay::Path { line, .. }) => {
            typing(cx, area, buf, out, "write to: ", line, "a path; never overwritten");
        }
        Some(Overlay::Palette(p)) => {
            let hint = match p.chosen() {
                None => "no such command; ^U clears, Esc leaves".to_owned(),
                Some((a, _)) if p.without == Some(a) => {
                    let y = state.settings.keymap.key_of(Action::CopyRow).map(|k| k.to_string()).unwrap_or_default();
                    format!("needs --allow-kill; {y} copies the SQL that would do it")
                }
                Some((a, _)) => a.row().sentence.to_owned(),
            };
            typing(cx, area, buf, out, ":", &p.line, &hint);
        }
        Some(Overlay::Confirm { line, name, command, .. }) => {
            let command = command.lines().collect::<Vec<_>>().join("; ");
            typing(cx, area, buf, out, &format!("type {name} to run {command} : "), line, "Esc cancels");
        }
        Some(Overlay::End { line, ending }) => {
            let (a, b) = (ending.phrase(How::Cancel), ending.phrase(How::Terminate));
            let what: String = ending.what.chars().take(60).collect();
            let hint = format!("{}: {what}   Esc leaves it alone", ending.server);
            typing(cx, area, buf, out, &format!("type {a} or {b}: "), line, &hint);
        }
        Some(Overlay::ReallyQuit { what }) => {
            let ask = format!(" {what}. q quits all the same, w writes first, Esc stays");
            text::put(buf, area.x, area.y, area.width, &ask, cx.theme.style(Role::Bad));
        }
        Some(Overlay::Compare { .. }) => {
            const KEYS: &[(Action, &str)] = &[
                (Action::Back, "close, keep the pin"),
                (Action::PinTime, "let the pin go"),
                (Action::MinuteBack, "a minute back"),
                (Action::MinuteOn, "on"),
                (Action::GoToTime, "go to time"),
                (Action::NextChange, "next deploy"),
            ];
            hints(state, cx, area, buf, out, KEYS);
        }
        Some(Overlay::Plan { plan, sure, .. }) => {
            let mut keys = Vec::new();
            if plan.copy.is_some() {
                keys.push((Action::CopyRow, "copy the index"));
            }
            if plan.can_run {
                let run = if *sure { "again: RUN it, at most 2 s" } else { "run it to measure (asks once more)" };
                keys.push((Action::Explain, run));
            }
            keys.push((Action::Back, "back"));
            hints(state, cx, area, buf, out, &keys);
        }
        // What a key of the list had to say is not lost below it.
        Some(Overlay::Pick(_)) if fresh(state).is_some() => message(state, cx, area, buf),
        Some(Overlay::Pick(p)) if matches!(p.what, Pick::Steps(_)) => {
            let said = "Enter or space ticks   r runs the command   Esc back";
            text::put(buf, area.x + 1, area.y, area.width.saturating_sub(1), said, cx.theme.style(Role::KeyHint));
        }
        Some(Overlay::Help { .. }) => {
            let keys = [(Action::PageDown, "further"), (Action::PageUp, "up again"), (Action::Back, "back")];
            hints(state, cx, area, buf, out, &keys);
        }
        Some(_) => hints(state, cx, area, buf, out, &[(Action::Open, "choose"), (Action::Back, "back")]),
        None if fresh(state).is_some() => message(state, cx, area, buf),
        None => hints(state, cx, area, buf, out, wanted(state)),
    }
}

/// What was said last, for as long as it stays.
fn fresh(state: &State) -> Option<(Level, &str)> {
    let message = state.view.message.as_ref().filter(|(_, _, at)| state.player.clock.since(*at) < MESSAGE);
    message.map(|(level, text, _)| (*level, text.as_str()))
}

fn message(state: &State, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
    let Some((level, said)) = fresh(state) else { return };
    let role = match level {
        Level::Calm | Level::Unknown => Role::Text,
        Level::Warn => Role::Warn,
        Level::Bad => Role::Bad,
    };
    text::put(buf, area.x + 1, area.y, area.width.saturating_sub(1), said, cx.theme.style(role));
}

/// What goes with a note, and the time that the note gets where that is not now.
fn with(state: &State, cx: &PaneCx, writing: &Writing, row: &Selected) -> String {
    let at = row.at.filter(|at| writing.at_row() && state.now().since(*at) > NOW).map(|at| at.hms(cx.zone));
    at.map_or_else(|| format!("with {}", row.text), |at| format!("at {at} with {}", row.text))
}

/// Prompt, text with the cursor in view, and a dim hint where there is room. Gives the column of the text's first
/// character, which is left of the screen when the text is longer than it.
fn typing(
    cx: &PaneCx,
    area: Rect,
    buf: &mut Buffer,
    out: &mut ScreenLayout,
    prompt: &str,
    line: &Line,
    hint: &str,
) -> i32 {
    let style = cx.theme.style(Role::Input);
    for x in area.left()..area.right() {
        buf[(x, area.y)].set_symbol(" ").set_style(style);
    }
    let mut x = area.x + text::put(buf, area.x, area.y, area.width, prompt, cx.theme.style(Role::Key).patch(style));
    let room = area.right().saturating_sub(x + 1) as usize;
    let before: String = line.text().chars().take(line.cursor()).collect();
    // The part before the cursor is cut from the left until the cursor fits.
    let mut skip = 0;
    while text::width(&text::clean(&before.chars().skip(skip).collect::<String>())) > room.saturating_sub(1) {
        skip += 1;
    }
    let head: String = before.chars().skip(skip).collect();
    let first = i32::from(x) - skip as i32;
    let tail: String = line.text().chars().skip(line.cursor()).collect();
    x += text::put(buf, x, area.y, area.right() - x, &head, style);
    out.cursor = Some(Position { x: x.min(area.right() - 1), y: area.y });
    x += text::put(buf, x, area.y, area.right().saturating_sub(x), &tail, style);
    let room = area.right().saturating_sub(x + 4);
    if room >= 12 {
        text::put(
            buf,
            x + 3,
            area.y,
            room,
            hint,
            cx.theme
                .style(Role::Dim)
                .patch(ratatui::style::Style::new().remove_modifier(ratatui::style::Modifier::BOLD)),
        );
    }
    first
}

/// The keys that matter on this pane.
fn wanted(state: &State) -> &'static [(Action, &'static str)] {
    const PAST: &[(Action, &str)] = &[
        (Action::Live, "back to live"),
        (Action::StepBack, "back"),
        (Action::StepOn, "on"),
        (Action::Pause, "play"),
        (Action::Note, "note"),
        (Action::NextMark, "next mark"),
        (Action::GoToTime, "go to time"),
        (Action::NextError, "next error"),
        (Action::Help, "keys"),
        (Action::Quit, "quit"),
    ];
    // There is no live to go back to.
    const REPLAY: &[(Action, &str)] = &[
        (Action::Pause, "play"),
        (Action::StepBack, "back"),
        (Action::StepOn, "on"),
        (Action::NextMark, "next mark"),
        (Action::GoToTime, "go to time"),
        (Action::NextError, "next error"),
        (Action::FilterRequest, "this request"),
        (Action::EditFilter, "filter"),
        (Action::PinTime, "compare"),
        (Action::Live, "to the end"),
        (Action::Help, "keys"),
        (Action::Quit, "quit"),
    ];
    const LOGS: &[(Action, &str)] = &logs((Action::NextError, "next error"));
    // At the end there is no next one.
    const FOLLOW: &[(Action, &str)] = &logs((Action::PreviousError, "last error"));
    const INCIDENT: &[(Action, &str)] = &[
        (Action::Note, "note"),
        (Action::Open, "back to that screen"),
        (Action::Unfold, "change, settle"),
        (Action::Weigh, "evidence"),
        (Action::Checklists, "checklist"),
        (Action::Write, "write"),
        (Action::Palette, "commands"),
        (Action::Help, "keys"),
        (Action::Quit, "quit"),
    ];
    const OTHER: &[(Action, &str)] = &[
        (Action::Note, "note"),
        (Action::Open, "open"),
        (Action::FocusLogs, "logs"),
        (Action::FocusNext, "next pane"),
        (Action::Zoom, "zoom"),
        (Action::Pause, "pause"),
        (Action::GoToTime, "go to time"),
        (Action::Palette, "commands"),
        (Action::Help, "keys"),
        (Action::Quit, "quit"),
    ];
    if state.view.focus == Pane::Incident {
        INCIDENT
    } else if state.player.is_replay() {
        REPLAY
    } else if !state.player.is_live() {
        PAST
    } else if state.view.focus == Pane::Logs {
        if state.logs.follows() { FOLLOW } else { LOGS }
    } else {
        OTHER
    }
}

/// On the log pane, where `error` leads to the error that is of use there.
const fn logs(error: (Action, &'static str)) -> [(Action, &'static str); 11] {
    [
        (Action::Note, "note"),
        (Action::FilterRequest, "this request"),
        (Action::EditFilter, "filter"),
        (Action::Search, "search"),
        error,
        (Action::NextChange, "next deploy"),
        (Action::TopValues, "top"),
        (Action::Zoom, "zoom"),
        (Action::Pause, "pause"),
        (Action::Help, "keys"),
        (Action::Quit, "quit"),
    ]
}

fn hints(
    state: &State,
    cx: &PaneCx,
    area: Rect,
    buf: &mut Buffer,
    out: &mut ScreenLayout,
    wanted: &[(Action, &'static str)],
) {
    // A narrow screen keeps the two keys that open everything else.
    let narrow: Vec<_> =
        wanted.iter().copied().filter(|(a, _)| matches!(a, Action::Help | Action::Note | Action::Live)).collect();
    let list = if area.width < 50 { &narrow[..] } else { wanted };
    // What does not fit leaves from the middle: help and quit stay.
    let mut x = area.x + 1;
    let must: u16 = 18;
    for (i, (action, word)) in list.iter().enumerate() {
        let Some(key) = state.settings.keymap.key_of(*action) else { continue };
        let (key, word) = (key.to_string(), format!(" {word}"));
        let width = (text::width(&key) + text::width(&word)) as u16;
        let last = i + 2 >= list.len();
        let limit = if last { area.right() } else { area.right().saturating_sub(must) };
        if x + width > limit {
            continue;
        }
        let spot = Rect { x, y: area.y, width, height: 1 };
        x += text::put(buf, x, area.y, width, &key, cx.theme.style(Role::Key));
        x += text::put(buf, x, area.y, width, &word, cx.theme.style(Role::KeyHint));
        out.hints.push((spot, *action));
        x += 2;
    }
}
