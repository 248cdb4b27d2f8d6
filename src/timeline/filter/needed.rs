//! What a filter needs of a block of records, so that blocks of which enough is known are not read at all.
//!
//! Errs on one side only, as `scan` does: a block that has what is needed may hold no record that passes; one that has
//! not holds none.

use compact_str::CompactString;

use super::{Filter, Op, Term, Test, compare};
use crate::timeline::{Severity, Ts};

/// What must be so of a block that holds a record that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// It may be any block.
    Nothing,
    /// It has a record of one of these severities: index 0 is none, then TRACE to FATAL.
    Severity([bool; 7]),
    /// It has a record with an event time from the first to the second of these, both included.
    Time(Ts, Ts),
    /// One of these texts stands in it, with no letter and no digit directly before or behind it (but for the `n`, `t`
    /// or `r` of an escaped blank). Short ones (below 16 bytes) have no dash behind them either.
    Token(Vec<CompactString>),
    /// All of these.
    All(Vec<Needed>),
    /// At least one of these.
    Any(Vec<Needed>),
}

impl Filter {
    /// What a block must have to hold a record that passes.
    pub fn needed(&self) -> Needed {
        all(&self.terms)
    }
}

fn all(terms: &[Term]) -> Needed {
    let mut needed: Vec<Needed> = terms.iter().map(of_term).filter(|n| *n != Needed::Nothing).collect();
    match needed.len() {
        0 => Needed::Nothing,
        1 => needed.remove(0),
        _ => Needed::All(needed),
    }
}

fn of_term(term: &Term) -> Needed {
    match &term.test {
        Test::Severity { op, values } => {
            let holds = |s: Option<Severity>| compare::severity(s, *op, values) != term.negated;
            let mut passes = [holds(None); 7];
            Severity::ALL.into_iter().zip(&mut passes[1..]).for_each(|(s, p)| *p = holds(Some(s)));
            Needed::Severity(passes)
        }
        _ if term.negated => Needed::Nothing,
        Test::Time { op, at } => match op {
            Op::Equal => Needed::Time(*at, *at),
            Op::NotEqual => Needed::Nothing,
            Op::Less => Needed::Time(Ts::MIN, Ts(at.0.saturating_sub(1))),
            Op::LessEqual => Needed::Time(Ts::MIN, *at),
            Op::More => Needed::Time(Ts(at.0.saturating_add(1)), Ts::MAX),
            Op::MoreEqual => Needed::Time(*at, Ts::MAX),
        },
        Test::Request(ids) => Needed::Token(ids.iter().flat_map(|r| r.matcher.spellings().iter().cloned()).collect()),
        Test::Any(lists) => {
            let lists: Vec<Needed> = lists.iter().map(|terms| all(terms)).collect();
            if lists.contains(&Needed::Nothing) { Needed::Nothing } else { Needed::Any(lists) }
        }
        Test::Text(_) | Test::Pattern(_) | Test::Field { .. } | Test::FieldPattern { .. } => Needed::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(text: &str) -> Needed {
        Filter::parse(text).unwrap().needed()
    }

    #[test]
    fn a_filter_says_what_a_block_must_have() {
        let grave = Needed::Severity([false, false, false, false, false, true, true]);
        assert_eq!(needed("level>=error timeout -health"), grave);
        assert_eq!(needed("-level<error"), Needed::Severity([true, false, false, false, false, true, true]));
        assert_eq!(needed("request_id=r-17"), Needed::Token(vec!["r-17".into()]));
        assert_eq!(needed("-request_id=r-17"), Needed::Nothing);
        assert_eq!(
            needed("(level>=error OR request_id=r-17)"),
            Needed::Any(vec![grave.clone(), needed("request_id=r-17")])
        );
        assert_eq!(needed("(level>=error OR timeout)"), Needed::Nothing);
        let t = Ts::from_secs(10);
        assert_eq!(
            needed("time>1970-01-01T00:00:10Z level>=error"),
            Needed::All(vec![Needed::Time(Ts(t.0 + 1), Ts::MAX), grave])
        );
    }
}
