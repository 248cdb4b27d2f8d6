//! What a user may set for health: which dependencies are asked, how often, and what they must answer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The `[health]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
    /// The probes, `[[health.probe]]` each.
    #[serde(rename = "probe", skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeConfig>,
}

impl Default for HealthConfig {
    fn default() -> HealthConfig {
        HealthConfig { enabled: true, probes: Vec::new() }
    }
}

/// One `[[health.probe]]`: exactly one of `url` and `tcp`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// How it is called on the screen; by default the target without its scheme.
    pub name: String,
    /// `http://…` or `https://…`, asked with GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `host:port`, only connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// Statuses that are right: `200`, `[200, 204]`, `"2xx"`. By default any 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_status: Option<ExpectStatus>,
    /// Text that the first 64 KiB of the body must hold; `/…/` is a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// Certificates (PEM) trusted besides those of the system, for a company's own authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Sent with every request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Between two probes: `"5s"` or a number of seconds.
    pub interval: Interval,
    /// After this the answer counts as none.
    pub timeout: Timeout,
}

/// Which statuses are right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExpectStatus {
    /// This one.
    One(u16),
    /// One of these.
    Of(Vec<u16>),
    /// A class: `2xx`, or a range: `200-399`.
    Class(String),
}

impl ExpectStatus {
    /// The statuses as ranges, both ends included; the error says what to write.
    pub fn ranges(&self) -> Result<Vec<(u16, u16)>, String> {
        match self {
            ExpectStatus::One(s) => Ok(vec![(*s, *s)]),
            ExpectStatus::Of(all) => Ok(all.iter().map(|s| (*s, *s)).collect()),
            ExpectStatus::Class(text) => text.split(',').map(range).collect(),
        }
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let text = text.trim().to_ascii_lowercase();
    let wrong = || format!("expect_status {text:?} is not a status; write 200, [200, 204], \"2xx\" or \"200-399\"");
    if let Some(class) = text.strip_suffix("xx") {
        let n: u16 = class.parse().ok().filter(|n| (1..=5).contains(n)).ok_or_else(wrong)?;
        return Ok((n * 100, n * 100 + 99));
    }
    let (from, to) = text.split_once('-').unwrap_or((&text, &text));
    Ok((from.trim().parse().map_err(|_| wrong())?, to.trim().parse().map_err(|_| wrong())?))
}

macro_rules! duration {
    ($name:ident, $default:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub Duration);

        impl Default for $name {
            fn default() -> $name {
                $name($default)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&written(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                d.deserialize_any(Span).map($name)
            }
        }
    };
}

duration!(Interval, Duration::from_secs(5), "Time between two probes, at least 100 ms.");
duration!(Timeout, Duration::from_secs(2), "Time that an answer may take, at least 100 ms.");

fn written(d: Duration) -> String {
    if d.subsec_nanos() == 0 { format!("{}s", d.as_secs()) } else { format!("{}ms", d.as_millis()) }
}

struct Span;

impl serde::de::Visitor<'_> for Span {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time: \"500ms\", \"5s\", \"2m\" or a number of seconds, at least 100 ms")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        let text = text.trim();
        let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor = match unit.trim() {
            "ms" => 0.001,
            "s" | "" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            _ => return Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        };
        match number.trim().parse::<f64>() {
            Ok(n) => self.visit_f64(n * factor),
            Err(_) => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, secs: f64) -> Result<Duration, E> {
        // Below a tenth of a second a probe would be a load; above a day it would not be a check.
        if (0.1..=86_400.0).contains(&secs) {
            Ok(Duration::from_secs_f64(secs))
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Float(secs), &self))
        }
    }

    fn visit_i64<E: serde::de::Error>(self, secs: i64) -> Result<Duration, E> {
        self.visit_f64(secs as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, secs: u64) -> Result<Duration, E> {
        self.visit_f64(secs as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_read_with_its_defaults_and_written_back_the_same() {
        let text = "[[probe]]\nname = \"api\"\nurl = \"http://localhost/healthz\"\nexpect_status = \"2xx\"\n\
                    [[probe]]\ntcp = \"db:5432\"\ninterval = \"500ms\"\ntimeout = 1\n";
        let config: HealthConfig = toml::from_str(text).unwrap();
        assert_eq!(config.probes[0].interval.0, Duration::from_secs(5));
        assert_eq!(config.probes[1].interval.0, Duration::from_millis(500));
        assert_eq!(config.probes[1].timeout.0, Duration::from_secs(1));
        assert_eq!(toml::from_str::<HealthConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn a_time_or_status_that_makes_no_sense_is_refused_with_what_to_write() {
        let bad = toml::from_str::<HealthConfig>("[[probe]]\nurl = \"http://x\"\ninterval = \"soon\"\n").unwrap_err();
        assert!(bad.to_string().contains("500ms"), "{bad}");
        assert!(toml::from_str::<HealthConfig>("[[probe]]\ninterval = 0\n").is_err());
        assert!(ExpectStatus::Class("9xx".into()).ranges().unwrap_err().contains("200-399"));
        assert_eq!(ExpectStatus::Class("2xx, 301".into()).ranges().unwrap(), [(200, 299), (301, 301)]);
    }
}
