//! An error of the service's code that carries the places it passed on its way up.
//!
//! Not a native backtrace: what people copy to a sick box is stripped, and there a backtrace is a list of `<unknown>`.
//! The places are the compiler's own (`Location::caller`), so they are true in every build.

use std::fmt;
use std::panic::Location;

/// Something the code did not expect, with its stack, innermost first.
#[derive(Debug)]
pub(super) struct Thrown {
    error: String,
    frames: Vec<(&'static str, &'static Location<'static>)>,
}

impl Thrown {
    /// Thrown here, inside `function`.
    #[track_caller]
    pub(super) fn new(function: &'static str, error: impl Into<String>) -> Thrown {
        Thrown { error: error.into(), frames: vec![(function, Location::caller())] }
    }

    /// Passed on here, out of `function`.
    #[track_caller]
    pub(super) fn through(mut self, function: &'static str) -> Thrown {
        self.frames.push((function, Location::caller()));
        self
    }

    /// The error and one line for each place.
    pub(super) fn stack(&self) -> String {
        let mut out = self.error.clone();
        for (function, at) in &self.frames {
            out.push_str(&format!("\n    at {function} ({}:{}:{})", at.file(), at.line(), at.column()));
        }
        out
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}
