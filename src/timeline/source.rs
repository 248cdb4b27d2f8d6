//! Who says something: origins (hosts) and sources, declared on the stream before they speak.

use serde::{Deserialize, Serialize};

use super::Ts;

/// What a source says of itself while the user has it give its connection back.
pub const GIVEN_BACK: &str = "its connection was given back; B takes it again";

/// Number of a source inside one origin; 0 is the program itself.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u32);

/// Which pane a source belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum SourceKind {
    Logs,
    Host,
    Database,
    Deploys,
    Health,
    Incident,
}

/// What is known of a source before it has said anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDecl {
    /// Its number; assigned by the supervisor, so sources write 0.
    pub id: SourceId,
    /// Its pane.
    pub kind: SourceKind,
    /// Short name for the screen and for `source=` in a filter: `api`, `nginx`, `orders@db-1`.
    pub name: String,
    /// Where it comes from: a path, a command line, an address. No passwords.
    pub detail: String,
}

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum SourceState {
    /// Asked to start, has not answered.
    Starting,
    /// Working.
    Ok,
    /// Working with less than it should: says what is missing.
    Degraded {
        /// One sentence.
        why: String,
    },
    /// Not working: why, and when it is tried again.
    Failed {
        /// What failed, on what, what to try.
        why: String,
        /// When the next try comes, if one comes.
        next_try: Option<Ts>,
    },
    /// Ended by itself and is not tried again (standard input at its end).
    Ended,
}

/// Facts about the stream itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "declared")]
pub enum Declaration {
    /// The host that speaks.
    Origin {
        /// Host name.
        host: String,
        /// Kernel boot id, so that two boots of a host are told apart.
        boot_id: String,
        /// IANA name of the host's time zone, or an offset.
        zone: String,
        /// The version of warroom that observed it.
        version: String,
        /// Number of this run, unlike that of any other on the host; 0 in recordings from before runs had one.
        #[serde(default)]
        run: u64,
    },
    /// A source that will speak.
    Source(SourceDecl),
    /// A source changed its state.
    State {
        /// Which source.
        source: SourceId,
        /// Its state from now on.
        state: SourceState,
    },
    /// Something was lost between a source and the stream, and how much.
    Dropped {
        /// Which source.
        source: SourceId,
        /// How many items.
        items: u64,
        /// Why, in words.
        why: String,
    },
}
