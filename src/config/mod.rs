//! What a user may set: found, read, checked. Every section belongs to a slice; this file adds the screen, the keys and
//! the recorder.

pub mod discover;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::signals::{
    database::config::DatabaseConfig,
    deploys::config::DeploysConfig,
    health::config::HealthConfig,
    host::config::HostConfig,
    incident::config::IncidentConfig,
    logs::{config::LogsConfig, formats},
};

/// The whole configuration; what is absent has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The screen.
    pub screen: ScreenConfig,
    /// action name → keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// The recorder.
    pub recorder: RecorderConfig,
    /// Logs.
    pub logs: LogsConfig,
    /// The machine.
    pub host: HostConfig,
    /// Databases.
    pub database: DatabaseConfig,
    /// Deploys and changes.
    pub deploys: DeploysConfig,
    /// Health checks.
    pub health: HealthConfig,
    /// The incident log.
    pub incident: IncidentConfig,
}

/// `[screen]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScreenConfig {
    /// Theme by name, or a path to a TOML file.
    pub theme: String,
    /// `UTC`, `local`, or an IANA name.
    pub zone: String,
    /// Only ASCII on the screen.
    pub ascii: bool,
    /// Whether the mouse is used; without it the terminal's own selection works.
    pub mouse: bool,
    /// Minutes the strip shows when live.
    pub window_minutes: u32,
}

impl Default for ScreenConfig {
    fn default() -> ScreenConfig {
        ScreenConfig { theme: "dark".into(), zone: "UTC".into(), ascii: false, mouse: true, window_minutes: 15 }
    }
}

/// `[recorder]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecorderConfig {
    /// Megabytes of the newest events kept in memory.
    pub memory_mb: u32,
    /// Whether secrets are taken out at capture.
    pub redact: bool,
    /// Of a folder of segments: hours after which a segment is removed.
    pub keep_hours: u32,
    /// Of a folder of segments: megabytes of all of them; the oldest are removed.
    pub keep_mb: u32,
    /// Of a folder of segments: megabytes with every log line; older segments keep counts by second, and the lines round
    /// errors and notes.
    pub logs_mb: u32,
}

impl Default for RecorderConfig {
    fn default() -> RecorderConfig {
        RecorderConfig { memory_mb: 32, redact: true, keep_hours: 24, keep_mb: 512, logs_mb: 256 }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be; the message has the line.
    #[error("in the configuration {path}:\n{message}")]
    Parse {
        /// Which file.
        path: String,
        /// With line and caret.
        message: String,
    },
}

impl Config {
    /// Reads a configuration from text. `path` is for the message.
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text)
            .map_err(|first| ConfigError::Parse { path: path.display().to_string(), message: mistakes(text, first) })?;
        let checked = crate::app::keymap::Keymap::new(&config.keys).map(|_| ());
        if let Err(message) = checked.and_then(|()| config.logs.formats().map(|_| ())) {
            return Err(ConfigError::Parse { path: path.display().to_string(), message });
        }
        Ok(config)
    }

    /// The file given, else that of `WARROOM_CONFIG`, else the first that exists of [`places`], else the defaults. Returns
    /// where it came from.
    pub fn find(given: Option<&Path>) -> Result<(Config, Option<PathBuf>), ConfigError> {
        let path = match given {
            Some(p) => Some(p.to_owned()),
            None => named().or_else(|| places().into_iter().find(|p| p.exists())),
        };
        let Some(path) = path else { return Ok((Config::default(), None)) };
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::Read { path: path.display().to_string(), source })?;
        let config = Config::parse(&text, &path)?;
        formats::define(config.logs.formats().unwrap_or_default());
        Ok((config, Some(path)))
    }

    /// Whether no source is configured, so that the box is looked around.
    pub fn names_no_source(&self) -> bool {
        self.logs == LogsConfig::default()
            && self.database == DatabaseConfig::default()
            && self.health == HealthConfig::default()
    }
}

/// Mistakes told in one run; more of them are one mistake of another kind, such as the wrong file.
const MISTAKES: usize = 10;

/// What is wrong in `text`, each mistake with its line, so that a file is mended in one go and not line by line.
///
/// The line of a mistake is blanked and the rest read again. One that has no line of its own (a syntax error that
/// reaches on, a field that is missing) ends the search, because what follows would be guessed.
fn mistakes(text: &str, first: toml::de::Error) -> String {
    let mut rest = text.to_owned();
    let mut told = vec![first.to_string().trim_end().to_owned()];
    let mut last = first;
    while told.len() < MISTAKES {
        let Some(span) = last.span() else { break };
        let start = rest[..span.start.min(rest.len())].rfind('\n').map_or(0, |at| at + 1);
        let end = rest[start..].find('\n').map_or(rest.len(), |len| start + len);
        // A heading stays: without it the lines below would belong to another section.
        if span.end > end || start == end || rest[start..end].trim_start().starts_with('[') {
            break;
        }
        rest.replace_range(start..end, &" ".repeat(end - start));
        match toml::from_str::<Config>(&rest) {
            Ok(_) => break,
            Err(next) => {
                let message = next.to_string();
                let same_place = next.span() == last.span();
                last = next;
                if same_place {
                    break;
                }
                told.push(message.trim_end().to_owned());
            }
        }
    }
    told.join("\n\n")
}

/// Where a configuration is looked for, in order.
pub fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Ok(base) = etcetera::choose_base_strategy() {
        places.push(base.config_dir().join("warroom/config.toml"));
    }
    places.push(PathBuf::from("/etc/warroom/config.toml"));
    places
}

/// The file that the environment names.
fn named() -> Option<PathBuf> {
    std::env::var_os("WARROOM_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// The user's state folder: recordings saved on the way out, drafts.
pub fn state_folder() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.state_dir().unwrap_or_else(|| base.data_dir()).join("warroom"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_is_named_with_its_line() {
        let e = Config::parse("[screen]\ntheme = \"dark\"\ncolour = 1\n", Path::new("x.toml")).expect_err("unknown");
        let text = e.to_string();
        assert!(text.contains("colour") && text.contains('3'), "{text}");
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_at_once() {
        let text = "[screen]\ntheme = 3\ncolour = 1\n[recorder]\nmemory_mb = \"much\"\n";
        let e = Config::parse(text, Path::new("x.toml")).expect_err("three mistakes").to_string();
        for at in ["line 2", "line 3", "line 5"] {
            assert!(e.contains(at), "{e}");
        }
        let broken = Config::parse("[screen\ntheme = 3\n", Path::new("x.toml")).expect_err("syntax").to_string();
        assert_eq!(broken.matches("line ").count(), 1, "what follows a broken heading is not guessed at: {broken}");
    }

    const EXAMPLE: &str = include_str!("../../config.example.toml");

    #[test]
    fn the_example_is_the_defaults() {
        let example = Config::parse(EXAMPLE, Path::new("config.example.toml")).expect("the example parses");
        assert_eq!(example, Config::default());
        let all = toml::to_string(&Config::default()).expect("the defaults can be written");
        // A table of tables has no line of its own when empty.
        for line in all.lines().filter(|l| !l.is_empty() && *l != "[deploys.rollback]") {
            assert!(EXAMPLE.lines().any(|e| e == line), "config.example.toml lacks {line:?}");
        }
    }

    #[test]
    fn what_the_example_comments_out_parses_too() {
        // Prose lines begin with a lower-case word and a space; settings have ` = ` or are [[tables]].
        let setting = |l: &str| l.starts_with('[') || l.split_once(" = ").is_some_and(|(n, _)| !n.contains(' '));
        let text: String = EXAMPLE
            .lines()
            .map(|l| match l.strip_prefix("# ") {
                Some(s) if setting(s) => format!("{s}\n"),
                _ => format!("{l}\n"),
            })
            .collect();
        let config = Config::parse(&text, Path::new("config.example.toml")).expect("the commented settings parse");
        assert_eq!((config.database.postgres.len(), config.health.probes.len(), config.logs.sources.len()), (2, 2, 2));
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        let e = Config::parse("[keys]\nzoom = [\"a\"]\n", Path::new("x.toml")).expect_err("clash");
        assert!(e.to_string().contains("note"), "{e}");
    }
}
