//! A row with all its fields and lines, and what can be done with each of them.

use crossterm::event::KeyCode;

use super::{BoxLine, Overlay, lists};
use crate::app::effect::Effect;
use crate::app::filtering;
use crate::app::keymap::Key;
use crate::app::state::State;
use crate::signals::logs::frames::{Frame, frame};
use crate::signals::logs::record::{decoded, has_token, pretty};
use crate::signals::logs::row::LogRow;
use crate::timeline::Filter;
use crate::ui::{Level, PaneCx, Role, Selected, pieces, text};

/// Lines that one value takes at most.
const TALLEST: usize = 400;

/// What the cursor can stand on.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A field and its value; a decoded token stands below it.
    Field {
        /// Its name.
        name: String,
        /// Its value as text.
        value: String,
        /// What the token in it says, once that was asked for.
        token: Option<Vec<String>>,
    },
    /// A line of the record.
    Line(String),
    /// What the lines below are.
    Heading(String),
}

/// The overlay.
#[derive(Clone, Debug)]
pub struct Detail {
    /// The row, as evidence.
    pub selected: Selected,
    items: Vec<Item>,
    cursor: usize,
    is_log: bool,
}

impl Detail {
    /// Of any row; `row` is the record, where it is one of a log.
    pub fn new(selected: Selected, row: Option<&LogRow>) -> Detail {
        let field =
            |(name, value): &(String, String)| Item::Field { name: name.clone(), value: value.clone(), token: None };
        let mut items: Vec<Item> =
            selected.fields.iter().filter(|(n, _)| row.is_none() || n != "record").map(field).collect();
        match row {
            None => {
                items.push(Item::Heading("text".into()));
                items.extend(selected.text.lines().map(|l| Item::Line(l.to_owned())));
            }
            Some(row) => {
                items.insert(0, field(&("source".into(), row.source.to_string())));
                if let Some(id) = &row.request_id
                    && !selected.fields.iter().any(|(_, v)| *v == id.0.as_str())
                {
                    items.insert(1, field(&("request_id".into(), id.to_string())));
                }
                items.push(field(&("format".into(), row.format.to_owned())));
                if row.cut > 0 {
                    let more =
                        format!("{} kB more; `warroom query logs --json` prints all of it", row.cut.div_ceil(1_000));
                    items.push(field(&("cut".into(), more)));
                }
                if row.message.lines().count() > 1 || pretty(&row.raw).is_some() {
                    items.push(Item::Heading("message".into()));
                    items.extend(row.message.lines().map(|l| Item::Line(l.to_owned())));
                }
                // What has lines of its own is shown line by line, so that a frame of a stack can be opened.
                for (name, value) in selected.fields.iter().filter(|(n, v)| n != "record" && v.lines().count() > 1) {
                    items.push(Item::Heading(name.clone()));
                    items.extend(value.lines().take(TALLEST).map(|l| Item::Line(l.to_owned())));
                }
                match pretty(&row.raw) {
                    Some(lines) => {
                        items.push(Item::Heading("record, indented".into()));
                        items.extend(lines.into_iter().map(Item::Line));
                    }
                    None => {
                        items.push(Item::Heading("record, as it stands".into()));
                        items.extend(String::from_utf8_lossy(&row.raw).lines().map(|l| Item::Line(l.to_owned())));
                    }
                }
            }
        }
        items.truncate(crate::signals::logs::record::LINES);
        Detail { selected, items, cursor: 0, is_log: row.is_some() }
    }

    fn item(&self) -> Option<&Item> {
        self.items.get(self.cursor)
    }

    /// The file and line that the cursor stands on.
    fn frame(&self) -> Option<Frame> {
        match self.item()? {
            Item::Field { value, .. } => frame(value),
            Item::Line(line) => frame(line),
            Item::Heading(_) => None,
        }
    }

    /// Moves the cursor over headings.
    pub fn move_by(&mut self, by: isize) {
        let last = self.items.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
        if matches!(self.item(), Some(Item::Heading(_))) {
            self.cursor = if by < 0 { self.cursor.saturating_sub(1) } else { (self.cursor + 1).min(last) };
        }
    }

    /// Title, lines `width` columns wide, and which of the lines the cursor stands on.
    pub fn lines(&self, cx: &PaneCx, width: usize) -> (String, Vec<BoxLine>, usize) {
        let title = match self.selected.at {
            Some(t) => format!("{} · {t} · {}", self.selected.source, t.hms_millis(cx.zone)),
            None => self.selected.source.clone(),
        };
        let names = self.items.iter().filter_map(|i| if let Item::Field { name, .. } = i { Some(name) } else { None });
        let name_width = names.map(|n| text::width(n)).max().unwrap_or(0).min(28).min(width / 3);
        let (mut out, mut at): (Vec<BoxLine>, usize) = (Vec::new(), 0);
        for (i, item) in self.items.iter().enumerate() {
            if i == self.cursor {
                at = out.len();
            }
            match item {
                Item::Heading(words) => {
                    out.push(Vec::new());
                    out.push(vec![(Role::Title, words.clone())]);
                }
                Item::Line(line) => {
                    let role = if frame(line).is_some() { Role::Key } else { Role::Text };
                    out.extend(pieces::cut(line, width, TALLEST).0.into_iter().map(|l| vec![(role, l)]));
                }
                Item::Field { name, value, token } => {
                    let room = width.saturating_sub(name_width + 2);
                    let mut first = true;
                    let below = value.lines().count().saturating_sub(1);
                    let lines = if below > 0 && self.is_log {
                        let first = value.lines().next().unwrap_or_default();
                        vec![format!("{first}  +{below} lines, see below")]
                    } else {
                        value.lines().chain(value.is_empty().then_some("")).map(str::to_owned).collect()
                    };
                    for line in lines {
                        for part in pieces::cut(&line, room, TALLEST).0 {
                            let shown = if first { text::middle(name, name_width) } else { "".into() };
                            let pad = " ".repeat(name_width.saturating_sub(text::width(&shown)) + 2);
                            out.push(vec![(Role::Dim, format!("{shown}{pad}")), (Role::Text, part)]);
                            first = false;
                        }
                    }
                    let indent = " ".repeat(name_width + 2);
                    for line in token.iter().flatten() {
                        out.push(vec![(Role::Text, indent.clone()), (Role::Warn, line.clone())]);
                    }
                }
            }
        }
        (title, out, at)
    }

    /// What can be done where the cursor stands, for the bottom line.
    pub fn hints(&self) -> Vec<(&'static str, &'static str)> {
        let mut out = Vec::new();
        if let Some(Item::Field { value, token, .. }) = self.item() {
            if self.is_log {
                out.extend([("=", "only this"), ("!", "not this"), ("|", "as a column")]);
            }
            if has_token(value) {
                out.push(("d", if token.is_some() { "hide token" } else { "decode token" }));
            }
        }
        if self.frame().is_some() {
            out.push(("o", "open in $EDITOR"));
        }
        out.extend([("y", "copy"), ("Y", "copy record"), ("Esc", "back")]);
        out
    }
}

/// A key over a detail; `None` where it has no meaning of its own here.
pub fn press(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    let Some(Overlay::Detail(detail)) = state.view.overlays.last_mut() else { return None };
    if key.ctrl || key.alt {
        return None;
    }
    let field = match detail.item() {
        Some(Item::Field { name, value, .. }) if detail.is_log => Some((name.clone(), value.clone())),
        _ => None,
    };
    Some(match (key.code, field) {
        (KeyCode::Char('='), Some((name, value))) => only(state, &name, &value, ""),
        (KeyCode::Char('!'), Some((name, value))) => only(state, &name, &value, "-"),
        (KeyCode::Char('|'), Some((name, _))) => {
            let on = state.logs.look.toggle_field(&name);
            state.logs.relook();
            state.say(Level::Calm, if on { format!("{name} has a column") } else { format!("{name} has no column") });
            Vec::new()
        }
        (KeyCode::Char('=' | '!' | '|'), None) => {
            state.say(Level::Warn, "move to a field of a log row first");
            Vec::new()
        }
        (KeyCode::Char('y'), _) => {
            let (what, text) = match detail.item() {
                Some(Item::Field { value, .. }) => ("field", value.clone()),
                Some(Item::Line(line)) => ("line", line.clone()),
                _ => ("row", detail.selected.text.clone()),
            };
            vec![Effect::Copy { what, text }]
        }
        (KeyCode::Char('Y'), _) => {
            let all = detail.items.iter().filter_map(|i| match i {
                Item::Field { name, value, .. } => Some(format!("{name}: {value}")),
                Item::Line(line) => Some(line.clone()),
                Item::Heading(_) => None,
            });
            vec![Effect::Copy { what: "record", text: all.collect::<Vec<_>>().join("\n") }]
        }
        (KeyCode::Char('d'), _) => {
            let cursor = detail.cursor;
            if let Some(Item::Field { value, token, .. }) = detail.items.get_mut(cursor) {
                *token = if token.is_some() { None } else { decoded(value) };
                if token.is_none() && !has_token(value) {
                    state.say(Level::Warn, "no token in this field");
                }
            }
            Vec::new()
        }
        (KeyCode::Char('o') | KeyCode::Enter, _) => match detail.frame() {
            Some(frame) => vec![Effect::OpenEditor { path: frame.path.into(), line: frame.line }],
            None if key.code == KeyCode::Enter => Vec::new(),
            None => {
                state.say(Level::Warn, "no file and line here");
                Vec::new()
            }
        },
        _ => return None,
    })
}

/// The filter with this value of this field, or without it; the detail makes room for what comes of it.
fn only(state: &mut State, name: &str, value: &str, not: &str) -> Vec<Effect> {
    let term = match name {
        "severity" => format!("{not}level={}", value.to_ascii_lowercase()),
        _ => format!("{not}{}", lists::term(name, value)),
    };
    match Filter::parse(&term) {
        Ok(term) => {
            state.view.overlays.pop();
            let filter = state.view.filter.and(&term);
            filtering::set_filter(state, filter)
        }
        Err(e) => {
            state.say(Level::Warn, format!("cannot filter by {name}: {e}"));
            Vec::new()
        }
    }
}
