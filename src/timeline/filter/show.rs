//! A filter as text that reads back as the same filter.

use std::fmt::{self, Write as _};

use super::compare::Value;
use super::{Filter, Op, Pattern, RequestId, Term, Test};

/// Reads back as the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        side_by_side(f, &self.terms)
    }
}

fn side_by_side(f: &mut fmt::Formatter<'_>, terms: &[Term]) -> fmt::Result {
    for (i, term) in terms.iter().enumerate() {
        if i > 0 {
            f.write_char(' ')?;
        }
        write!(f, "{term}")?;
    }
    Ok(())
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_char('-')?;
        }
        match &self.test {
            Test::Text(words) => {
                let lonely = words.words.len() == 1;
                alternatives(f, &words.words, |f, w| quoted_unless(f, w, is_bare_word(w, lonely)))
            }
            Test::Pattern(p) => write!(f, "{p}"),
            Test::FieldPattern { name, pattern } => write!(f, "{name}~{pattern}"),
            Test::Field { name, op, values } => {
                write!(f, "{name}{op}")?;
                alternatives(f, values, |f, Value { text, .. }| quoted_unless(f, text, is_bare_value(text)))
            }
            Test::Time { op, at } => write!(f, "time{op}{at}"),
            Test::Severity { op, values } => {
                write!(f, "level{op}")?;
                alternatives(f, values, |f, v| match v {
                    Some(s) => f.write_str(&s.name().to_ascii_lowercase()),
                    None => f.write_str("none"),
                })
            }
            Test::Request(ids) => {
                f.write_str("request_id=")?;
                alternatives(f, ids, |f, r| quoted_unless(f, &r.id.0, is_bare_value(&r.id.0)))
            }
            Test::Any(lists) => {
                f.write_char('(')?;
                for (i, terms) in lists.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" OR ")?;
                    }
                    side_by_side(f, terms)?;
                }
                f.write_char(')')
            }
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::More => ">",
            Op::MoreEqual => ">=",
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('/')?;
        let mut escaped = false;
        for c in self.source.chars() {
            if c == '/' && !escaped {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
            escaped = c == '\\' && !escaped;
        }
        f.write_str(if self.any_case { "/i" } else { "/" })
    }
}

fn alternatives<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_char('|')?;
        }
        one(f, item)?;
    }
    Ok(())
}

/// A value as it stands behind an operator.
pub(super) fn quoted(text: &str) -> String {
    struct Shown<'a>(&'a str);
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            quoted_unless(f, self.0, is_bare_value(self.0))
        }
    }
    Shown(text).to_string()
}

fn quoted_unless(f: &mut fmt::Formatter<'_>, text: &str, bare: bool) -> fmt::Result {
    if bare {
        return f.write_str(text);
    }
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Whether a value can stand without quotes behind an operator.
fn is_bare_value(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(['=', '~', '<', '>', '≤', '≥'])
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '|' | '(' | ')'))
}

/// Whether a text can stand without quotes as a term and still be that text.
fn is_bare_word(text: &str, lonely: bool) -> bool {
    let is_sign = |c: char| matches!(c, '=' | '<' | '>' | '~' | '≥' | '≤' | '≠');
    // With two slashes it is a path; with one it could become a pattern together with what follows.
    let is_path = text.starts_with('/') && text[1..].contains('/') && !text.ends_with('/') && !text.ends_with("/i");
    is_bare_value(text)
        && !text.contains(is_sign)
        && !text.starts_with('-')
        && (!text.starts_with('/') || is_path)
        && !matches!(text, "OR" | "AND" | "NOT")
        && !(lonely && RequestId::has_shape(text))
}
