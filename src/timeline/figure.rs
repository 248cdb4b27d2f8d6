//! A figure of a signal as of an instant, in a shape that two instants can be compared in.
//!
//! Slices give lists of them from their histories; `app::compare` puts two lists side by side. A figure that is not known
//! at an instant is left out of the list: nothing is never shown as zero.

use std::time::Duration;

/// What a number counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Percent of a whole.
    Percent,
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Milliseconds.
    Millis,
}

/// What a figure says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A number.
    Number(f64, Unit),
    /// A state or a version, in a word.
    Words(String),
}

/// Which way trouble lies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// More is worse.
    More,
    /// Less is worse.
    Less,
    /// Neither: a difference is only a difference.
    Neither,
}

/// One figure at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Heading it stands under; figures of a heading stand together.
    pub group: &'static str,
    /// What it is of. Unique within its group: two instants are joined by it.
    pub name: String,
    /// What it says.
    pub reading: Reading,
    /// Which way trouble lies.
    pub trouble: Trouble,
    /// A difference below this is noise and never coloured, in the figure's own unit.
    pub noise: f64,
}

impl Figure {
    /// A number; `noise` is the difference that means nothing.
    pub fn number(group: &'static str, name: impl Into<String>, value: f64, unit: Unit, noise: f64) -> Figure {
        Figure { group, name: name.into(), reading: Reading::Number(value, unit), trouble: Trouble::More, noise }
    }

    /// A state or a version.
    pub fn words(group: &'static str, name: impl Into<String>, words: impl Into<String>) -> Figure {
        let reading = Reading::Words(words.into());
        Figure { group, name: name.into(), reading, trouble: Trouble::More, noise: 0.0 }
    }

    /// The same with trouble in another direction.
    pub fn trouble(mut self, trouble: Trouble) -> Figure {
        self.trouble = trouble;
        self
    }
}

/// The span that means of a comparison are taken over: the minute that ends with an instant, the instant included.
pub const MEAN_OVER: Duration = Duration::from_secs(60);
