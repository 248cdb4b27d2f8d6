//! The envelope round every event: who, in which order, seen when.

use serde::{Deserialize, Serialize};

use super::{SourceId, Ts};

/// Position in the one ordered stream of an origin; starts at 1.
pub type Seq = u64;

/// Number of a host in a recording; 0 is the one that recorded.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OriginId(pub u16);

/// One event with its identity `(origin, seq)` and the two times at which it was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<E> {
    /// Order in the stream; unique per origin.
    pub seq: Seq,
    /// The host.
    #[serde(default)]
    pub origin: OriginId,
    /// The source on that host.
    pub source: SourceId,
    /// Wall clock when it was observed.
    pub observed: Ts,
    /// Nanoseconds of the monotonic clock since the stream began; orders what a clock step would not.
    pub mono: u64,
    /// What happened.
    pub event: E,
}
