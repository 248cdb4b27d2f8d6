//! Regular expressions of the filter language: where one ends, and its compiling within bounds.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::{Parsed, Parser};
use crate::timeline::filter::{Part, Pattern, Test};

/// Most memory that one regular expression may take, compiled.
pub(super) const REGEX_SIZE: usize = 1 << 20;

impl Parser<'_> {
    /// `/…/` or `/…/i`; `None` when it is a path. A pattern ends at the first `/` behind which a term may end; what holds
    /// further slashes before a blank is a path.
    pub(super) fn pattern(&mut self) -> Parsed<Option<Pattern>> {
        let start = self.at;
        let body = start + 1;
        let (mut escaped, mut slashes, mut blanks) = (false, false, false);
        for (i, c) in self.text[body..].char_indices() {
            let here = body + i;
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '/' => {
                    let after = &self.text[here + 1..];
                    let any_case = after.starts_with('i') && self.ends(after.chars().nth(1));
                    if here > body && (any_case || self.ends(after.chars().next())) {
                        self.at = here + 1 + usize::from(any_case);
                        let source = unescape_slashes(&self.text[body..here]);
                        return self.compile(source, any_case, start).map(Some);
                    }
                    slashes = true;
                    if blanks {
                        break;
                    }
                }
                c if c.is_whitespace() => {
                    blanks = true;
                    if slashes {
                        break;
                    }
                }
                _ => {}
            }
        }
        self.at = start;
        Ok(None)
    }

    pub(super) fn compile(&self, source: String, any_case: bool, at: usize) -> Parsed<Pattern> {
        match regex(&source, any_case) {
            Ok(regex) => {
                let part = Part::new(&source, any_case);
                Ok(Pattern { source, any_case, regex: Arc::new(regex), part })
            }
            Err(e) => {
                // The last line of the message is the reason; the rest draws the pattern.
                let whole = e.to_string();
                let why = whole.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.fail(
                    at,
                    format!("the regular expression /{source}/ does not hold: {why}; quote it to look for the text"),
                )
            }
        }
    }

    pub(super) fn field_pattern(&mut self, name: &str, at: usize) -> Parsed<Test> {
        let pattern = if self.peek() == Some('/') { self.pattern()? } else { None };
        let pattern = match pattern {
            Some(p) => p,
            None => {
                let source = if self.peek() == Some('"') { self.quoted()? } else { self.raw_word() };
                self.compile(source, false, at)?
            }
        };
        if !self.ends(self.peek()) {
            return self.fail(self.at, "a blank is missing behind the pattern");
        }
        Ok(Test::FieldPattern { name: name.to_owned(), pattern })
    }
}

/// A pattern without the backslashes that only kept its slashes from ending it.
fn unescape_slashes(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('/') => out.push('/'),
            Some(next) => out.extend(['\\', next]),
            None => out.push('\\'),
        }
    }
    out
}

/// Compiles a regular expression of a filter, bounded in memory.
fn regex(source: &str, any_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source).case_insensitive(any_case).size_limit(REGEX_SIZE).dfa_size_limit(REGEX_SIZE).build()
}
