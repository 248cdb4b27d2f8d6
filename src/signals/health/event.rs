//! What can happen to health: one result of one probe.

use serde::{Deserialize, Serialize};

use crate::signals::tagged::tag_first;
use crate::timeline::Ts;

/// Facts about health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", tag = "what")]
pub enum HealthEvent {
    /// A dependency was asked.
    Probed(Probe),
}
tag_first!(HealthEvent, "what", { "probed" => Probed });

/// What one probe found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Event time: when it was sent.
    pub at: Ts,
    /// The probe's name; one history is kept for each.
    pub name: String,
    /// How it asks.
    pub kind: ProbeKind,
    /// Whom: a URL without user, password and query, or `host:port`.
    pub target: String,
    /// Whether the answer was the expected one.
    pub ok: bool,
    /// The HTTP status, where one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds from sending to the whole answer, or to the failure.
    pub latency_ms: f64,
    /// Where the time went, as far as is known.
    #[serde(default, skip_serializing_if = "Phases::is_empty")]
    pub phases: Phases,
    /// What is wrong, in a few words, when `ok` is false: `no answer in 2.0 s`, `connection refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the body held what was expected; `None` when nothing was expected of it or none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_match: Option<bool>,
    /// When the server's certificate ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_expires: Option<Ts>,
    /// Milliseconds between two probes: how old a result may be before it says nothing of now.
    pub interval_ms: u32,
}

impl Probe {
    /// Why it failed, in the fewest words: `503`, `connection refused`. Empty when it did not.
    pub fn reason(&self) -> String {
        match (self.ok, &self.error, self.status) {
            (true, ..) => String::new(),
            (false, Some(e), _) => e.clone(),
            (false, None, Some(s)) => s.to_string(),
            (false, None, None) => "failed".into(),
        }
    }
}

/// How a probe asks.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ProbeKind {
    #[default]
    Http,
    Tcp,
}

/// Where the time of a probe went, each in milliseconds from the end of the phase before.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// Finding the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<f64>,
    /// Connecting; with HTTP it is part of `first_byte`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<f64>,
    /// From the address to the head of the answer: connecting, TLS, the request, the waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<f64>,
    /// Reading the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<f64>,
}

impl Phases {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Phases::default()
    }
}
