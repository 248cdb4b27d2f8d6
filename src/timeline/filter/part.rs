//! A part of a regular expression that stands in every text the expression matches, and that can be looked for in bytes
//! which are not records yet: no anchors, no borders of words, never longer than so many bytes.
//!
//! Errs on one side only: where the part is not, the expression does not match; where it is, it may match.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind, Repetition};

/// Longer parts are cut: pieces of a file are read with an overlap of as much.
const LONGEST: usize = 4 << 10;
/// Bytes that the compiled part may take.
const SIZE: usize = 1 << 20;

/// The part, compiled. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Part {
    regex: Arc<Regex>,
    reach: usize,
    literal: usize,
}

impl Part {
    /// The most telling part of an expression in the syntax of the `regex` crate; `None` when there is none that would
    /// leave out anything.
    pub fn new(source: &str, any_case: bool) -> Option<Part> {
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).case_insensitive(any_case).build();
        let part = part(&parser.parse(source).ok()?);
        let (least, most) = (part.properties().minimum_len()?, part.properties().maximum_len()?);
        if least == 0 || most > LONGEST {
            return None;
        }
        let regex = RegexBuilder::new(&part.to_string()).size_limit(SIZE).dfa_size_limit(SIZE).build().ok()?;
        Some(Part { regex: Arc::new(regex), reach: most, literal: telling(&part) })
    }

    /// Where in `bytes`, at or after `from`, it stands first.
    #[inline]
    pub fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        self.regex.find_at(bytes, from).map(|m| m.start())
    }

    /// The most bytes that it takes.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// Bytes of plain text that it begins with, at the least; 0 when it begins with a choice of too many.
    pub fn literal(&self) -> usize {
        self.literal
    }
}

/// The same without what looks round itself: matches wherever the expression does. `None` when it has no longest match.
fn bare(hir: &Hir) -> Option<Hir> {
    hir.properties().maximum_len().filter(|most| *most <= LONGEST)?;
    Some(match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Literal(l) => Hir::literal(l.0.clone()),
        HirKind::Class(c) => Hir::class(c.clone()),
        HirKind::Repetition(r) => Hir::repetition(Repetition { sub: Box::new(bare(&r.sub)?), ..r.clone() }),
        HirKind::Capture(c) => bare(&c.sub)?,
        HirKind::Concat(all) => Hir::concat(all.iter().map(bare).collect::<Option<_>>()?),
        HirKind::Alternation(all) => Hir::alternation(all.iter().map(bare).collect::<Option<_>>()?),
    })
}

/// Something with a longest match that stands in every match of the expression; empty when there is nothing.
fn part(hir: &Hir) -> Hir {
    if let Some(whole) = bare(hir) {
        return match whole.kind() {
            // Of neighbours some may tell nothing, and some more than all together.
            HirKind::Concat(all) => best(runs(all)),
            _ => whole,
        };
    }
    match hir.kind() {
        HirKind::Capture(c) => part(&c.sub),
        HirKind::Repetition(r) if r.min > 0 => part(&r.sub),
        HirKind::Alternation(all) => Hir::alternation(all.iter().map(part).collect()),
        HirKind::Concat(all) => {
            let mut parts: Vec<Hir> = Vec::new();
            let mut run: Vec<Hir> = Vec::new();
            for sub in all {
                match bare(sub) {
                    Some(sub) => run.push(sub),
                    None => {
                        parts.extend(runs(&std::mem::take(&mut run)));
                        parts.push(part(sub));
                    }
                }
            }
            parts.extend(runs(&run));
            best(parts)
        }
        _ => Hir::empty(),
    }
}

/// All of a row of neighbours, and what is left of it from each one on.
fn runs(all: &[Hir]) -> Vec<Hir> {
    let short = |hir: &Hir| hir.properties().maximum_len().is_some_and(|most| most <= LONGEST);
    (0..all.len().min(32)).map(|from| Hir::concat(all[from..].to_vec())).filter(short).collect()
}

fn best(parts: Vec<Hir>) -> Hir {
    // The first of those that are equally good: it is the longest.
    let mut best = (0, Hir::empty());
    for part in parts {
        let least = part.properties().minimum_len().unwrap_or(0);
        let worth = telling(&part) * 64 + least.min(63);
        if worth > best.0 {
            best = (worth, part);
        }
    }
    best.1
}

/// Bytes of plain text that every match begins with, at the least.
fn telling(hir: &Hir) -> usize {
    Extractor::new().extract(hir).min_literal_len().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_most_telling_part_is_taken_and_what_looks_round_is_left_out() {
        for (source, found, not) in [
            (r"time(d )?out", "x timed out y", "timer out"),
            (r"^\d+ ms took$", "abc 1 ms took.", "12 took"),
            (r"\w+Error.*timed out", "a b timed out", "FooError"),
            (r"\bfoo\b", "xfoox", "fo o"),
            (r"(a|b)*user=(\d+|none) gone", "my user=x", "users"),
            (r"id=[0-9a-f]{32} [a-z]+", "id=0123456789abcdef0123456789abcdef x", "id=0123 x"),
            (r"(?i)Deadlock", "DEADLOCK", "dead lock"),
        ] {
            let part = Part::new(source, false).unwrap_or_else(|| panic!("{source}"));
            assert!(
                part.regex.is_match(found.as_bytes()) && !part.regex.is_match(not.as_bytes()),
                "{source}: {part:?}"
            );
        }
        for source in [r".*", r"^$", r"a?", r"(x|)", r"\b"] {
            assert!(Part::new(source, false).is_none(), "{source}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn a_part_stands_in_every_match_and_is_no_longer_than_it_says(
            source in "([ab.]|\\(a\\|b[ab]\\)|\\[ab\\]|\\\\b|\\^|\\$|a\\+|b\\*|\\(ab\\)\\{1,3\\}|\\(\\?i\\)b|\\\\d|c\\?){1,8}",
            text in "[ab1cA \n]{0,24}",
            any_case in any::<bool>(),
        ) {
            let Ok(regex) = RegexBuilder::new(&source).case_insensitive(any_case).build() else { return Ok(()) };
            let Some(part) = Part::new(&source, any_case) else { return Ok(()) };
            if let Some(m) = regex.find(text.as_bytes()) {
                let around = [b"b\na", text.as_bytes(), b"a1"].concat();
                let there = part.regex.find_iter(&around).any(|p| p.start() >= 3 && p.start() < 3 + m.end());
                let first = part.find(&around, 3).is_some_and(|at| at < 3 + m.end().max(1));
                prop_assert!(there || first, "{source} in {text:?}: {part:?}");
            }
            for m in part.regex.find_iter(text.as_bytes()) {
                prop_assert!(m.len() <= part.reach());
            }
        }
    }
}
