//! What a user may set for logs.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::formats::{self, user::UserFormat};

/// The `[logs]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
    /// Files to follow: paths and patterns with `*`, `?` and `[a-z]`. A name with none of these is taken as it stands.
    pub files: Vec<String>,
    /// How much of the past is counted at the start, as `30m`, `90s`, `2h`.
    #[serde(with = "span_text")]
    pub seed: Duration,
    /// Megabytes that the index of log files may take; above that it becomes coarser. Never over 256, a quarter of the
    /// control group's limit, or a quarter of what is available.
    pub index_memory_mb: u32,
    /// Folder where unpacked blocks of packed files are kept when they do not fit into memory: a file without a name, gone
    /// with the program. Nothing is written without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool: Option<PathBuf>,
    /// Folder where the index of log files is kept for the next start. Nothing is written without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_cache: Option<PathBuf>,
    /// Sources that need more than a path: `[[logs.source]]`.
    #[serde(rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<LogSourceConfig>,
    /// Formats of the user's own: `[[logs.format]]`.
    #[serde(rename = "format", skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<LogFormatConfig>,
}

impl LogsConfig {
    /// The user's formats, compiled. An error names the format or the source, and says what to try.
    pub fn formats(&self) -> Result<Vec<UserFormat>, String> {
        let made: Result<Vec<_>, _> = self
            .formats
            .iter()
            .map(|f| UserFormat::new(&f.name, &f.pattern, f.time.as_deref(), f.multiline).map_err(|e| e.to_string()))
            .collect();
        let made = made?;
        for name in self.sources.iter().filter_map(|s| s.format.as_deref()) {
            if !self.formats.iter().any(|f| f.name == name) && formats::by_name(name).is_none() {
                return Err(format!(
                    "[[logs.source]] format = {name:?}: there is no such format; it can be one of {}",
                    formats::names().join(", ")
                ));
            }
        }
        Ok(made)
    }
}

/// One `[[logs.format]]`: how the lines of a program look. Tried with `warroom check --format NAME FILE`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogFormatConfig {
    /// Its name, for `format = "…"` of a source.
    pub name: String,
    /// A regular expression from the start of the line, with the groups `time`, `level`, `message`, and any others,
    /// which become fields.
    pub pattern: String,
    /// The form of the time as of `strptime`, as `%d.%m.%Y %H:%M:%S%.f`; any usual form when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Whether a line that does not fit continues the record before it.
    pub multiline: bool,
}

impl Default for LogsConfig {
    fn default() -> LogsConfig {
        LogsConfig {
            enabled: true,
            files: Vec::new(),
            seed: Duration::from_secs(30 * 60),
            index_memory_mb: 64,
            spool: None,
            index_cache: None,
            sources: Vec::new(),
            formats: Vec::new(),
        }
    }
}

/// One `[[logs.source]]`: a path or a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSourceConfig {
    /// Name on the screen and in `source=`; made from the path or the command when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A file, or a pattern. Either this or `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A command whose output is followed, run by `sh -c`. `{since}` becomes the RFC 3339 time of the last line seen,
    /// `{since_epoch}` the same in seconds, `{cursor}` becomes `--after-cursor=…` of the last journal entry seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Format by name; found from the lines when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Fields that hold the request ID, besides the usual names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_id: Vec<String>,
}

/// `90s`, `30m`, `2h`, `1d`; a bare number is seconds.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 =
        text[..digits].parse().map_err(|_| format!("`{text}` is no length of time; write 90s, 30m, 2h or 1d"))?;
    let unit = match text[digits..].trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        other => return Err(format!("`{other}` is no unit of time; write s, m, h or d")),
    };
    Ok(Duration::from_secs(number.saturating_mul(unit)))
}

mod span_text {
    use super::*;

    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        let n = d.as_secs();
        let text = match n {
            0 => "0s".to_owned(),
            n if n % 3_600 == 0 => format!("{}h", n / 3_600),
            n if n % 60 == 0 => format!("{}m", n / 60),
            n => format!("{n}s"),
        };
        text.serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        parse_span(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_does_not_exist_or_cannot_work_is_refused() {
        let refused = |text: &str| toml::from_str::<LogsConfig>(text).unwrap().formats().unwrap_err();
        assert!(refused("[[source]]\npath = 'a'\nformat = 'jsno'\n").contains("json, "));
        assert!(refused("[[format]]\nname = 'a'\npattern = '('\n").contains("cannot be used"));
        let own = "[[source]]\npath = 'a'\nformat = 'own'\n[[format]]\nname = 'own'\npattern = '(?P<message>.*)'\n";
        assert_eq!(toml::from_str::<LogsConfig>(own).unwrap().formats().unwrap().len(), 1);
    }

    #[test]
    fn a_section_with_files_and_sources_reads_back_as_it_was_written() {
        let text =
            "files = ['/var/log/nginx/*.log']\nseed = '10m'\n[[source]]\nname = 'pod'\ncommand = 'kubectl logs -f x'\n";
        let config: LogsConfig = toml::from_str(text).unwrap();
        assert_eq!(config.seed, Duration::from_secs(600));
        assert_eq!(config.sources[0].name, "pod");
        let again: LogsConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
        assert!(toml::from_str::<LogsConfig>("seed = '10 moons'").unwrap_err().to_string().contains("unit of time"));
    }
}
