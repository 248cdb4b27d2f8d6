//! Keys to actions. One key is one press: no key is the beginning of another, so nothing ever waits for a second press.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{ACTIONS, Action};

/// Where a key counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// On the panes.
    Panes,
    /// On the panes and in every overlay that shows a list.
    Lists,
    /// Only by name, in the palette.
    Typed,
}

/// One press.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which key.
    pub code: KeyCode,
    /// With Ctrl.
    pub ctrl: bool,
    /// With Alt.
    pub alt: bool,
}

impl Key {
    /// A key with nothing held.
    pub fn plain(code: KeyCode) -> Key {
        Key { code, ctrl: false, alt: false }
    }
}

impl From<KeyEvent> for Key {
    fn from(e: KeyEvent) -> Key {
        Key {
            code: e.code,
            ctrl: e.modifiers.contains(KeyModifiers::CONTROL),
            alt: e.modifiers.contains(KeyModifiers::ALT),
        }
    }
}

/// `a`, `ctrl-l`, `alt-x`, `space`, `enter`, `pgdn`, `f5`.
impl FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Key, String> {
        let mut key = Key::plain(KeyCode::Null);
        let mut rest = text;
        loop {
            if let Some(r) = rest.strip_prefix("ctrl-").filter(|r| !r.is_empty()) {
                (key.ctrl, rest) = (true, r);
            } else if let Some(r) = rest.strip_prefix("alt-").filter(|r| !r.is_empty()) {
                (key.alt, rest) = (true, r);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => match rest {
                "space" => KeyCode::Char(' '),
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "backtab" => KeyCode::BackTab,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "pgup" => KeyCode::PageUp,
                "pgdn" => KeyCode::PageDown,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "delete" => KeyCode::Delete,
                "insert" => KeyCode::Insert,
                "backspace" => KeyCode::Backspace,
                other => match other.strip_prefix('f').and_then(|n| n.parse().ok()) {
                    Some(n @ 1..=24) => KeyCode::F(n),
                    _ => {
                        return Err(format!(
                            "no key is called {text:?}; write one character, or ctrl-x, alt-x, space, enter, tab, backtab, up, down, left, right, pgup, pgdn, home, end, f1"
                        ));
                    }
                },
            },
        };
        Ok(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("^")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(c) => write!(f, "{}", if self.ctrl { c.to_ascii_uppercase() } else { c }),
            KeyCode::F(n) => write!(f, "f{n}"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("Shift-Tab"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Which key does what.
#[derive(Clone, Debug)]
pub struct Keymap {
    keys: Vec<(Key, Action)>,
}

impl Default for Keymap {
    fn default() -> Keymap {
        // The table's own keys are tested to parse and not to clash.
        Keymap::new(&BTreeMap::new()).unwrap_or(Keymap { keys: Vec::new() })
    }
}

impl Keymap {
    /// The default keys with some actions' keys replaced: action name → keys. Says what is wrong with a replacement.
    pub fn new(changed: &BTreeMap<String, Vec<String>>) -> Result<Keymap, String> {
        if let Some(unknown) = changed.keys().find(|name| Action::named(name).is_none()) {
            return Err(format!("[keys] has no action {unknown:?}; `warroom keys` lists them"));
        }
        let mut keys: Vec<(Key, Action)> = Vec::new();
        for row in ACTIONS {
            let own: Vec<&str> = match changed.get(row.name) {
                Some(list) => list.iter().map(String::as_str).collect(),
                None => row.keys.to_vec(),
            };
            for text in own {
                let key: Key = text.parse().map_err(|e| format!("[keys] {}: {e}", row.name))?;
                if let Some((_, other)) = keys.iter().find(|(k, _)| *k == key) {
                    return Err(format!(
                        "[keys] {text:?} is given to both {} and {}; give one of them another key",
                        other.row().name,
                        row.name
                    ));
                }
                keys.push((key, row.action));
            }
        }
        Ok(Keymap { keys })
    }

    /// What a key does on the panes.
    pub fn panes(&self, key: Key) -> Option<Action> {
        self.keys.iter().find(|(k, _)| *k == key).map(|(_, a)| *a)
    }

    /// What a key does in an overlay that shows a list.
    pub fn lists(&self, key: Key) -> Option<Action> {
        self.panes(key).filter(|a| a.row().context == Context::Lists)
    }

    /// The first key of an action, for hints.
    pub fn key_of(&self, action: Action) -> Option<Key> {
        self.keys.iter().find(|(_, a)| *a == action).map(|(k, _)| *k)
    }

    /// All keys of an action, for the help.
    pub fn keys_of(&self, action: Action) -> Vec<Key> {
        self.keys.iter().filter(|(_, a)| *a == action).map(|(k, _)| *k).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_keys_parse_and_no_key_has_two_meanings() {
        let map = Keymap::new(&BTreeMap::new()).expect("default keys");
        assert_eq!(map.panes(Key::plain(KeyCode::Char('a'))), Some(Action::Note));
    }

    #[test]
    fn nothing_is_bound_on_the_keys_that_terminals_and_tmux_take() {
        let map = Keymap::default();
        for c in ['b', 'a', 's', 'q'] {
            assert_eq!(map.panes(Key { code: KeyCode::Char(c), ctrl: true, alt: false }), None, "ctrl-{c}");
        }
    }

    #[test]
    fn a_changed_key_frees_the_old_one_and_a_clash_is_refused() {
        let changed = BTreeMap::from([("zoom".to_owned(), vec!["f5".to_owned()])]);
        let map = Keymap::new(&changed).expect("no clash");
        assert_eq!(map.panes(Key::plain(KeyCode::F(5))), Some(Action::Zoom));
        assert_eq!(map.panes(Key::plain(KeyCode::Char('z'))), None);
        let clash = BTreeMap::from([("zoom".to_owned(), vec!["a".to_owned()])]);
        assert!(Keymap::new(&clash).expect_err("clash").contains("both note and zoom"));
    }
}
