//! What a query needs of a block, against what the directory knows of it.

use super::tokens::{self, Key};
use crate::timeline::filter::Needed;
use crate::timeline::{Severity, Ts};

/// A condition on blocks, compiled.
#[derive(Clone, Debug, Default)]
pub enum Rule {
    /// None.
    #[default]
    Nothing,
    /// A record of one of these severities.
    Severity([bool; 7]),
    /// A record placed from the first to the second of these.
    Time(Ts, Ts),
    /// All keys of one of these lists.
    Tokens(Vec<Vec<Key>>),
    /// All.
    All(Vec<Rule>),
    /// Any.
    Any(Vec<Rule>),
}

impl Rule {
    /// Compiles what is needed.
    pub fn new(needed: &Needed) -> Rule {
        match needed {
            Needed::Nothing => Rule::Nothing,
            Needed::Severity(s) => Rule::Severity(*s),
            Needed::Time(from, to) => Rule::Time(*from, *to),
            Needed::Token(spellings) => {
                let mut lists: Vec<Vec<Key>> = spellings.iter().map(|s| tokens::needed(s)).collect();
                // A spelling that the index says nothing about may be anywhere.
                if lists.iter().any(Vec::is_empty) {
                    return Rule::Nothing;
                }
                lists.sort();
                lists.dedup();
                Rule::Tokens(lists)
            }
            Needed::All(all) => Rule::both(all.iter().map(Rule::new)),
            Needed::Any(any) => {
                let any: Vec<Rule> = any.iter().map(Rule::new).collect();
                if any.iter().any(Rule::is_nothing) { Rule::Nothing } else { Rule::Any(any) }
            }
        }
    }

    /// All of them together.
    pub fn both(rules: impl Iterator<Item = Rule>) -> Rule {
        let rules: Vec<Rule> = rules.filter(|r| !r.is_nothing()).collect();
        if rules.is_empty() { Rule::Nothing } else { Rule::All(rules) }
    }

    /// A record of at least this severity.
    pub fn at_least(least: Severity) -> Rule {
        let mut passes = [false; 7];
        passes[least as usize + 1..].fill(true);
        Rule::Severity(passes)
    }

    /// Whether it rules nothing out.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Rule::Nothing)
    }
}
