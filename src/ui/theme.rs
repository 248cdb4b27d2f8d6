//! Themes map meanings to styles. No other file names a colour.
//!
//! A theme is a TOML file: a name, perhaps one it inherits from, and a table of roles. Six are built in; a user's own
//! stand in a folder and are found by name. Reading files is the caller's: [`Theme::load`] is handed a reader.

mod depth;
mod read;

use std::io;
use std::path::{Path, PathBuf};

use ratatui::style::{Color, Modifier, Style};

pub use depth::ColorDepth;
pub(crate) use depth::{ANSI, indexed_rgb};
pub use read::ThemeError;

/// What a piece of the screen means.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
#[allow(missing_docs)]
pub enum Role {
    /// Ordinary text, in the terminal's own colour.
    Text,
    /// Labels, units, what is old.
    Dim,
    /// A pane's title, and the rule beside it.
    Title,
    TitleFocused,
    Rule,
    Header,
    /// The header in replay and while paused: nobody mistakes the past for now.
    HeaderPast,
    HeaderAlert,
    /// Verdicts and states.
    Calm,
    Warn,
    Bad,
    Unknown,
    /// Row under the cursor.
    Cursor,
    /// A search hit inside a row.
    Match,
    /// The request everything is filtered by.
    Request,
    Chip,
    Key,
    KeyHint,
    Input,
    Playhead,
    /// Severities.
    Trace,
    Debug,
    Info,
    WarnLine,
    Error,
    Fatal,
    /// Marks on the axis.
    MarkDeploy,
    MarkAlert,
    MarkProbe,
    MarkNote,
    MarkRestart,
    MarkUser,
    /// Charts.
    Chart,
    ChartHot,
    Gap,
    /// Text made harmless: a visible escape.
    Escape,
    Overlay,
}

/// How many roles there are.
pub const ROLES: usize = Role::Overlay as usize + 1;

impl Role {
    /// Every role with its name in theme files, in order of declaration.
    pub const ALL: [(Role, &'static str); ROLES] = [
        (Role::Text, "text"),
        (Role::Dim, "dim"),
        (Role::Title, "title"),
        (Role::TitleFocused, "title_focused"),
        (Role::Rule, "rule"),
        (Role::Header, "header"),
        (Role::HeaderPast, "header_past"),
        (Role::HeaderAlert, "header_alert"),
        (Role::Calm, "calm"),
        (Role::Warn, "warn"),
        (Role::Bad, "bad"),
        (Role::Unknown, "unknown"),
        (Role::Cursor, "cursor"),
        (Role::Match, "match"),
        (Role::Request, "request"),
        (Role::Chip, "chip"),
        (Role::Key, "key"),
        (Role::KeyHint, "key_hint"),
        (Role::Input, "input"),
        (Role::Playhead, "playhead"),
        (Role::Trace, "trace"),
        (Role::Debug, "debug"),
        (Role::Info, "info"),
        (Role::WarnLine, "warn_line"),
        (Role::Error, "error"),
        (Role::Fatal, "fatal"),
        (Role::MarkDeploy, "mark_deploy"),
        (Role::MarkAlert, "mark_alert"),
        (Role::MarkProbe, "mark_probe"),
        (Role::MarkNote, "mark_note"),
        (Role::MarkRestart, "mark_restart"),
        (Role::MarkUser, "mark_user"),
        (Role::Chart, "chart"),
        (Role::ChartHot, "chart_hot"),
        (Role::Gap, "gap"),
        (Role::Escape, "escape"),
        (Role::Overlay, "overlay"),
    ];
}

/// A style for every role.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// As it is called in the configuration.
    pub name: String,
    styles: [Style; ROLES],
}

/// The themes that come with the program: name and file.
const BUILTIN: [(&str, &str); 6] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("monochrome", include_str!("../../themes/monochrome.toml")),
    ("night", include_str!("../../themes/night.toml")),
    ("paper", include_str!("../../themes/paper.toml")),
];

/// Reads a whole file; `std::fs::read_to_string` outside tests.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

impl Theme {
    /// The style for a role. Fill the screen with `Role::Text` first: themes may have a background of their own.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// Readable with no colour at all.
    pub fn monochrome() -> Theme {
        Theme::builtin("monochrome")
            .unwrap_or_else(|| Theme { name: "monochrome".into(), styles: [Style::new(); ROLES] })
    }

    /// One of the themes that come with the program.
    pub fn builtin(name: &str) -> Option<Theme> {
        let (name, text) = BUILTIN.iter().find(|(n, _)| *n == name)?;
        read::theme(text, name, &mut |parent| Theme::builtin(parent).ok_or_else(Vec::new)).ok()
    }

    /// Names of the built-in themes, the default first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(n, _)| *n)
    }

    /// A theme by name or path. What holds a `/` or ends in `.toml` is a path; a name is looked for in `user_dir` and then
    /// among the built-in ones. A theme may inherit from one found the same way.
    pub fn load(what: &str, user_dir: Option<&Path>, read: ReadFile) -> Result<Theme, ThemeError> {
        Theme::load_below(what, user_dir, read, 0)
    }

    fn load_below(what: &str, user_dir: Option<&Path>, read: ReadFile, depth: u32) -> Result<Theme, ThemeError> {
        if depth > 8 {
            return Err(ThemeError::new(what, "themes inherit from each other in a circle"));
        }
        let is_path = what.contains('/') || what.ends_with(".toml");
        let path = if is_path { Some(PathBuf::from(what)) } else { user_dir.map(|d| d.join(format!("{what}.toml"))) };
        if let Some(path) = path {
            match read(&path) {
                Ok(text) => {
                    let shown = path.display().to_string();
                    let name = path.file_stem().map_or_else(|| what.into(), |s| s.to_string_lossy().into_owned());
                    let mut failed = None;
                    let mut parent = |parent: &str| {
                        // A user's "dark" that inherits from "dark" means the built-in one.
                        let found = if parent == name {
                            Theme::builtin(parent).ok_or_else(|| ThemeError::unknown_theme(parent))
                        } else {
                            Theme::load_below(parent, user_dir, read, depth + 1)
                        };
                        found.map_err(|e| {
                            let known = Theme::names().collect();
                            failed = Some(e);
                            known
                        })
                    };
                    return read::theme(&text, &name, &mut parent)
                        .map_err(|e| ThemeError::in_file(&shown, &text, e, failed.take()));
                }
                Err(e) if is_path || e.kind() != io::ErrorKind::NotFound => {
                    return Err(ThemeError::new(&path.display().to_string(), &format!("cannot read the theme: {e}")));
                }
                Err(_) => {}
            }
        }
        Theme::builtin(what).ok_or_else(|| ThemeError::unknown_theme(what))
    }

    /// The same theme for a terminal that shows fewer colours; without any, modifiers stay, and what stood out by its
    /// background stands out by being reversed.
    pub fn down_to(mut self, depth: ColorDepth) -> Theme {
        let ground = depth.style(self.style(Role::Text)).bg;
        for (role, _) in Role::ALL {
            let style = &mut self.styles[role as usize];
            let filled = style.bg.is_some_and(|c| c != Color::Reset);
            *style = depth.style(*style);
            let is_ground = matches!(role, Role::Text | Role::Header | Role::Overlay);
            let lost = match depth {
                ColorDepth::None => true,
                // Nearest to a subtle background may be the background itself.
                ColorDepth::Ansi16 => match style.bg {
                    Some(bg) => ground.map_or(bg == Color::Black || bg == Color::White, |g| g == bg),
                    None => false,
                },
                _ => false,
            };
            if filled && lost && !is_ground {
                style.bg = None;
                *style = style.add_modifier(Modifier::REVERSED);
            }
            if depth == ColorDepth::Ansi16 && style.fg.is_some() && style.fg == style.bg.or(ground) {
                style.fg = Some(Color::DarkGray);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_files(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn every_builtin_theme_parses_and_gives_every_role() {
        for (name, text) in BUILTIN {
            let theme = read::theme(text, name, &mut |p| Theme::builtin(p).ok_or_else(Vec::new)).expect(name);
            assert_eq!(theme.name, name);
            let mut roles = read::roles_set(text);
            let mut at = text;
            while let Some(parent) = read::parent(at) {
                at = BUILTIN.iter().find(|(n, _)| *n == parent).expect("a built-in parent").1;
                roles.extend(read::roles_set(at));
            }
            for (role, role_name) in Role::ALL {
                assert!(roles.contains(&role), "{name} does not set {role_name}");
            }
        }
    }

    #[test]
    fn the_role_table_is_in_order_of_declaration() {
        for (i, (role, _)) in Role::ALL.iter().enumerate() {
            assert_eq!(*role as usize, i);
        }
    }

    #[test]
    fn without_colours_what_matters_is_still_told_apart() {
        for name in Theme::names() {
            let theme = Theme::builtin(name).unwrap().down_to(ColorDepth::None);
            for (role, role_name) in Role::ALL {
                let s = theme.style(role);
                assert!(
                    s.fg.is_none_or(|c| c == Color::Reset) && s.bg.is_none_or(|c| c == Color::Reset),
                    "{role_name}"
                );
            }
            let of = |r| theme.style(r).add_modifier;
            assert_ne!(of(Role::Cursor), of(Role::Text), "{name}: cursor");
            assert_ne!(of(Role::Bad), of(Role::Calm), "{name}: bad");
            assert_ne!(of(Role::HeaderPast), of(Role::Header), "{name}: header of the past");
            assert_ne!(of(Role::Error), of(Role::Info), "{name}: error");
            assert_ne!(of(Role::ChartHot), of(Role::Chart), "{name}: hot chart");
            assert_ne!(of(Role::Match), of(Role::Text), "{name}: match");
        }
    }

    #[test]
    fn with_sixteen_colours_nothing_is_drawn_in_the_colour_of_its_ground() {
        for name in Theme::names() {
            let theme = Theme::builtin(name).unwrap().down_to(ColorDepth::Ansi16);
            let ground = theme.style(Role::Text).bg;
            for (role, role_name) in Role::ALL {
                let s = theme.style(role);
                assert!(s.fg.is_none() || s.fg != s.bg.or(ground), "{name}: {role_name} {s:?}");
            }
            let cursor = theme.style(Role::Cursor);
            assert!(cursor.bg.is_some() || cursor.add_modifier.contains(Modifier::REVERSED), "{name}");
        }
    }

    #[test]
    fn the_dark_theme_is_calm() {
        let dark = Theme::builtin("dark").unwrap();
        for role in [Role::Text, Role::Calm, Role::Info, Role::Title, Role::Dim, Role::Header] {
            assert_eq!((dark.style(role).fg, dark.style(role).bg), (None, None), "{role:?}");
        }
    }

    #[test]
    fn a_users_theme_is_found_by_name_and_may_inherit() {
        let read = |p: &Path| match p.to_str() {
            Some("/cfg/mine.toml") => {
                Ok("inherits = \"night\"\n[roles]\nwarn = { fg = \"#ff0000\", underline = true }\n".to_owned())
            }
            Some("/cfg/dark.toml") => Ok("inherits = \"dark\"\n[roles]\nbad = { fg = 201 }".to_owned()),
            _ => no_files(p),
        };
        let t = Theme::load("mine", Some(Path::new("/cfg")), &read).unwrap();
        assert_eq!(t.name, "mine");
        assert_eq!(t.style(Role::Warn), Style::new().fg(Color::Rgb(255, 0, 0)).add_modifier(Modifier::UNDERLINED));
        assert_eq!(t.style(Role::Error), Theme::builtin("night").unwrap().style(Role::Error));
        let own_dark = Theme::load("dark", Some(Path::new("/cfg")), &read).unwrap();
        assert_eq!(own_dark.style(Role::Bad).fg, Some(Color::Indexed(201)));
        assert_eq!(Theme::load("dark", None, &no_files).unwrap(), Theme::builtin("dark").unwrap());
    }

    #[test]
    fn a_mistake_in_a_theme_names_file_line_and_what_may_be_written() {
        let of = |text: &str| {
            let text = text.to_owned();
            let read = move |_: &Path| Ok(text.clone());
            Theme::load("/t/x.toml", None, &read).unwrap_err().to_string()
        };
        let e = of("name = \"x\"\n\n[roles]\nwarning = { fg = \"red\" }\n");
        assert!(e.starts_with("/t/x.toml:4: unknown role `warning`") && e.contains("warn_line"), "{e}");
        let e = of("[roles]\nwarn = { fg = \"redd\" }\n");
        assert!(e.starts_with("/t/x.toml:2: unknown colour `redd`") && e.contains("#rrggbb"), "{e}");
        let e = of("[roles]\nwarn = { blink = true }\n");
        assert!(e.starts_with("/t/x.toml:2: unknown setting `blink`") && e.contains("reverse"), "{e}");
        let e = of("inherits = \"nope\"\n");
        assert!(e.starts_with("/t/x.toml:1: ") && e.contains("`nope`") && e.contains("high-contrast"), "{e}");
        let e = of("[roles\n");
        assert!(e.starts_with("/t/x.toml:1: "), "{e}");
        let e = Theme::load("nope", None, &no_files).unwrap_err().to_string();
        assert!(e.contains("no theme `nope`") && e.contains("dark"), "{e}");
    }

    #[test]
    fn a_theme_that_inherits_in_a_circle_is_an_error_and_no_endless_loop() {
        let read = |p: &Path| match p.to_str() {
            Some("/c/a.toml") => Ok("inherits = \"b\"".to_owned()),
            Some("/c/b.toml") => Ok("inherits = \"a\"".to_owned()),
            _ => no_files(p),
        };
        assert!(Theme::load("a", Some(Path::new("/c")), &read).unwrap_err().to_string().contains("circle"));
    }
}
