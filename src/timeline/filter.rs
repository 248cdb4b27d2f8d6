//! The one filter: parsed once, evaluated on anything that can answer as a [`Record`].

use std::borrow::Cow;
use std::fmt;

use super::{RequestId, Severity, Ts};

/// What a filter can ask of a record.
pub trait Record {
    /// Event time.
    fn time(&self) -> Option<Ts>;
    /// Severity, where it has one.
    fn severity(&self) -> Option<Severity>;
    /// Name of its source.
    fn source(&self) -> &str;
    /// Everything of it, as it stood in the source.
    fn text(&self) -> &[u8];
    /// A field by name; nested ones joined by dots.
    fn field(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// A filter; the default lets everything through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    terms: Vec<String>,
}

/// Why a filter could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at column {column})")]
pub struct FilterError {
    /// What is wrong and what to write.
    pub message: String,
    /// Where, counted in characters from 1.
    pub column: usize,
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Ok(Filter { terms: text.split_whitespace().map(str::to_owned).collect() })
    }

    /// The filter for one request.
    pub fn request(id: &RequestId) -> Filter {
        Filter { terms: vec![format!("request_id={id}")] }
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether `record` passes.
    pub fn matches(&self, record: &dyn Record) -> bool {
        let _ = record;
        true
    }

    /// The request it filters by, if it does.
    pub fn request_id(&self) -> Option<&RequestId> {
        None
    }

    /// Each term as text, for the chips in the header.
    pub fn chips(&self) -> Vec<String> {
        self.terms.clone()
    }

    /// The same filter without its newest term.
    pub fn without_newest(&self) -> Filter {
        let mut terms = self.terms.clone();
        terms.pop();
        Filter { terms }
    }

    /// The same filter with the terms of `other` added.
    pub fn and(&self, other: &Filter) -> Filter {
        let mut terms = self.terms.clone();
        terms.extend(other.terms.iter().cloned());
        Filter { terms }
    }

    /// Byte strings of which one of each inner set must occur in any record that passes; for skipping blocks unread.
    pub fn needles(&self) -> Vec<Vec<Vec<u8>>> {
        Vec::new()
    }
}

/// Reads back as the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.terms.join(" "))
    }
}
