//! From configuration, command line and environment to what the screen is set to.

use jiff::tz::TimeZone;

use crate::app::keymap::Keymap;
use crate::app::state::Settings;
use crate::cli::{ScreenOptions, UsageError};
use crate::config::Config;
use crate::signals::incident::checklist::{self, Checklist};
use crate::ui::theme::ColorDepth;
use crate::ui::{Glyphs, Theme};

/// The settings, and the theme in the colours that the terminal has.
pub fn settings(config: &Config, options: &ScreenOptions) -> anyhow::Result<(Settings, Theme)> {
    let keymap = Keymap::new(&config.keys).map_err(anyhow::Error::msg)?;
    let local_zone = TimeZone::system();
    let wanted = options.zone.as_deref().unwrap_or(&config.screen.zone);
    let (zone, zone_name) = match wanted {
        "UTC" | "utc" => (TimeZone::UTC, "UTC".to_owned()),
        "local" => (local_zone.clone(), "local".to_owned()),
        name => (
            TimeZone::get(name).map_err(|_| {
                UsageError(format!("{name:?} is no time zone; write UTC, local, or a name like Europe/Berlin"))
            })?,
            name.to_owned(),
        ),
    };
    let ascii = options.ascii || config.screen.ascii || !utf8();
    let name = options.theme.as_deref().unwrap_or(&config.screen.theme);
    let theme = load(name, ColorDepth::detect(|k| std::env::var(k).ok())).map_err(|e| UsageError(e.to_string()))?;
    let settings = Settings {
        keymap,
        glyphs: if ascii { Glyphs::ASCII } else { Glyphs::UNICODE },
        zone,
        zone_name,
        local_zone,
        checklists: checklists(),
        calm: std::time::Duration::from_secs(u64::from(config.incident.calm_minutes.max(1)) * 60),
        deploys: config.deploys.clone(),
        theme: theme.name.clone(),
        window_secs: u64::from(config.screen.window_minutes.clamp(1, 1_440)) * 60,
        // A filter that cannot be read is told of when it is used; a broken file must not keep anybody from the box.
        filters: super::filters::path().and_then(|p| super::filters::load(&p).ok()).unwrap_or_default(),
        demo: false,
        allow_kill: false,
    };
    Ok((settings, theme))
}

/// A theme by name or path, in at most `depth` colours.
pub fn load(name: &str, depth: ColorDepth) -> anyhow::Result<Theme> {
    let own = crate::config::places().first().and_then(|p| p.parent().map(|d| d.join("themes")));
    let theme = Theme::load(name, own.as_deref(), &|path| std::fs::read_to_string(path))?;
    Ok(theme.down_to(depth))
}

/// Whether the locale says UTF-8; the first of LC_ALL, LC_CTYPE and LANG that is set counts. With none set the terminal
/// is taken to know UTF-8, as terminals do.
fn utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|k| std::env::var(k).ok().filter(|v| !v.is_empty()));
    set.is_none_or(|v| {
        let v = v.to_ascii_lowercase();
        v.contains("utf-8") || v.contains("utf8") || v == "c" || v == "posix"
    })
}

/// The built-in checklists and the user's own.
pub fn checklists() -> Vec<Checklist> {
    checklist::all(&own_checklists())
}

/// Name and text of the user's own checklists: `checklists/*.md` beside the configuration, in the order of their names.
fn own_checklists() -> Vec<(String, String)> {
    let Some(dir) = crate::config::places().first().and_then(|p| p.parent().map(|d| d.join("checklists"))) else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "md"));
    paths.sort();
    let read = |p: std::path::PathBuf| Some((p.file_stem()?.to_str()?.to_owned(), std::fs::read_to_string(&p).ok()?));
    paths.into_iter().filter_map(read).collect()
}
