//! Reads theme files; every mistake is told with its line and with what may be written there.

use std::ops::Range;

use ratatui::style::{Color, Modifier, Style};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::depth::ANSI;
use super::{ROLES, Role, Theme};

/// Why a theme could not be used: which file, which line, what may be written there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ThemeError {
    message: String,
}

impl ThemeError {
    pub(super) fn new(what: &str, message: &str) -> ThemeError {
        ThemeError { message: format!("{what}: {message}") }
    }

    pub(super) fn unknown_theme(name: &str) -> ThemeError {
        let names: Vec<_> = Theme::names().collect();
        ThemeError {
            message: format!("no theme `{name}`; there are {}, or give a path to a .toml file", names.join(", ")),
        }
    }

    pub(super) fn in_file(file: &str, text: &str, mistake: Mistake, parent: Option<ThemeError>) -> ThemeError {
        let line = text.get(..mistake.at.start).map_or(1, |before| before.matches('\n').count() + 1);
        let why = parent.map_or(mistake.message, |p| p.message);
        ThemeError { message: format!("{file}:{line}: {why}") }
    }
}

/// A mistake and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    message: String,
    at: Range<usize>,
}

fn mistake<T>(at: &Range<usize>, message: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { message: message.into(), at: at.clone() })
}

/// Finds the theme that another one inherits from; on failure the caller has kept the reason.
pub(super) type FindParent<'a> = &'a mut dyn FnMut(&str) -> Result<Theme, Vec<&'static str>>;

const SETTINGS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
];

const COLOURS: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

/// Reads the text of a theme. `name` is used when it gives none.
pub(super) fn theme(text: &str, name: &str, find: FindParent) -> Result<Theme, Mistake> {
    let document = match DeTable::parse(text) {
        Ok(d) => d,
        Err(e) => return mistake(&e.span().unwrap_or(0..0), e.message()),
    };
    let table = document.get_ref();
    for (key, _) in table {
        if !["name", "inherits", "roles"].contains(&key.get_ref().as_ref()) {
            return mistake(
                &key.span(),
                format!("unknown key `{}`; there are name, inherits and [roles]", key.get_ref()),
            );
        }
    }
    let mut out = match table.get("inherits") {
        None => Theme { name: String::new(), styles: [Style::new(); ROLES] },
        Some(v) => match v.get_ref().as_str() {
            Some(parent) => match find(parent) {
                Ok(t) => t,
                Err(known) => {
                    return mistake(
                        &v.span(),
                        format!("no theme `{parent}` to inherit from; there are {}", known.join(", ")),
                    );
                }
            },
            None => return mistake(&v.span(), "inherits is the name of a theme, in quotes"),
        },
    };
    out.name = match table.get("name").map(|v| (v.span(), v.get_ref().as_str())) {
        None => name.to_owned(),
        Some((_, Some(n))) => n.to_owned(),
        Some((at, None)) => return mistake(&at, "name is text, in quotes"),
    };
    let Some(roles) = table.get("roles") else { return Ok(out) };
    let Some(roles) = roles.get_ref().as_table() else {
        return mistake(&roles.span(), "[roles] is a table: role = { fg = \"yellow\", bold = true }");
    };
    for (key, value) in roles {
        let Some(role) = role(key.get_ref()) else {
            let known: Vec<_> = Role::ALL.iter().map(|(_, n)| *n).collect();
            return mistake(&key.span(), format!("unknown role `{}`; there are {}", key.get_ref(), known.join(", ")));
        };
        out.styles[role as usize] = style(value)?;
    }
    Ok(out)
}

fn role(name: &str) -> Option<Role> {
    let name = name.replace('-', "_");
    Role::ALL.iter().find(|(_, n)| *n == name).map(|(r, _)| *r)
}

fn style(value: &Spanned<DeValue>) -> Result<Style, Mistake> {
    let mut style = Style::new();
    let Some(table) = value.get_ref().as_table() else {
        return mistake(&value.span(), "a role is a table: { fg = \"yellow\", bold = true }");
    };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        match name {
            "fg" => style.fg = Some(colour(value)?),
            "bg" => style.bg = Some(colour(value)?),
            _ => {
                let Some((_, modifier)) = SETTINGS.iter().find(|(n, _)| *n == name) else {
                    let known: Vec<_> = SETTINGS.iter().map(|(n, _)| *n).collect();
                    return mistake(
                        &key.span(),
                        format!("unknown setting `{name}`; there are fg, bg, {}", known.join(", ")),
                    );
                };
                match value.get_ref().as_bool() {
                    Some(true) => style = style.add_modifier(*modifier),
                    Some(false) => {}
                    None => return mistake(&value.span(), format!("{name} is true or false")),
                }
            }
        }
    }
    Ok(style)
}

fn colour(value: &Spanned<DeValue>) -> Result<Color, Mistake> {
    let known = || format!("0 to 255, \"#rrggbb\", \"default\", {}", COLOURS.join(", "));
    if let Some(n) = value.get_ref().as_integer() {
        return match n.as_str().parse::<u8>() {
            Ok(n) => Ok(Color::Indexed(n)),
            Err(_) => mistake(&value.span(), format!("unknown colour `{}`; there are {}", n.as_str(), known())),
        };
    }
    let Some(text) = value.get_ref().as_str() else {
        return mistake(&value.span(), format!("a colour is one of {}", known()));
    };
    if text == "default" {
        return Ok(Color::Reset);
    }
    if let Some(i) = COLOURS.iter().position(|n| *n == text) {
        return Ok(ANSI[i]);
    }
    let hex = text.strip_prefix('#').filter(|h| h.len() == 6).and_then(|h| u32::from_str_radix(h, 16).ok());
    match hex {
        Some(v) => Ok(Color::Rgb((v >> 16) as u8, (v >> 8) as u8, v as u8)),
        None => mistake(&value.span(), format!("unknown colour `{text}`; there are {}", known())),
    }
}

/// The roles a theme file sets itself.
#[cfg(test)]
pub(super) fn roles_set(text: &str) -> std::collections::BTreeSet<Role> {
    let document = DeTable::parse(text).expect("valid TOML");
    let roles = document.get_ref().get("roles").and_then(|r| r.get_ref().as_table());
    roles.map(|t| t.keys().filter_map(|k| role(k.get_ref())).collect()).unwrap_or_default()
}

/// The theme it inherits from.
#[cfg(test)]
pub(super) fn parent(text: &str) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    document.get_ref().get("inherits").and_then(|v| v.get_ref().as_str()).map(str::to_owned)
}
