//! Looking for a filter's hits in bytes that are not yet records, so that most of a log is never parsed.
//!
//! Whatever is said here errs on one side only: a place may be named where no record passes, never the other way round.

use super::{Filter, Pattern, Term, Test};

impl Filter {
    /// Byte strings of which one of each inner set must occur in any record that passes; for skipping blocks unread.
    ///
    /// The strings are exact, case included, so only tests that look for exact bytes give any: request IDs (all their
    /// spellings), patterns without special signs, and of texts in any case the longest piece without letters (three
    /// bytes or more). An empty list says nothing: every block may hold a hit.
    pub fn needles(&self) -> Vec<Vec<Vec<u8>>> {
        self.terms.iter().filter_map(needles).collect()
    }

    /// The offset, at or after `from`, of the next place in `block` near which a record can pass: a byte of a hit of the
    /// most telling test on raw text. The record around it (from the last record start at or before the offset) must be
    /// parsed and asked. `None` when no record in `block[from..]` can pass; `from` itself when no test looks at raw text.
    /// A hit never spans two records unless the text looked for holds a line break.
    pub fn next_candidate(&self, block: &[u8], from: usize) -> Option<usize> {
        if from >= block.len() {
            return None;
        }
        match self.terms.iter().filter(|t| rank(t) > 0).max_by_key(|t| rank(t)) {
            Some(term) => candidate(term, block, from),
            None => Some(from),
        }
    }

    /// The most bytes of a hit that [`Filter::next_candidate`] finds, so that a reader in pieces lets them overlap by as
    /// much. `None` when it finds nothing of its own, or when a hit may span two records.
    pub fn reach(&self) -> Option<usize> {
        reach(self.terms.iter().filter(|t| rank(t) > 0).max_by_key(|t| rank(t))?)
    }

    /// Whether any record in `block` can pass, judged by its bytes alone. May say yes where none does.
    pub fn could_match(&self, block: &[u8]) -> bool {
        self.terms.iter().all(|t| rank(t) == 0 || candidate(t, block, 0).is_some())
    }
}

/// How telling a term is for raw bytes; 0 when it says nothing about them.
fn rank(term: &Term) -> usize {
    if term.negated {
        return 0;
    }
    match &term.test {
        Test::Request(_) => 1_000,
        Test::Text(w) => 10 + w.words.iter().map(String::len).min().unwrap_or(0).min(500),
        Test::Any(lists) => {
            lists.iter().map(|terms| terms.iter().map(rank).max().unwrap_or(0)).min().map_or(0, |r| r.min(9))
        }
        Test::Pattern(p) => p.part.as_ref().map_or(0, |p| 10 + p.literal().min(500)),
        Test::Field { .. } | Test::FieldPattern { .. } | Test::Severity { .. } | Test::Time { .. } => 0,
    }
}

fn reach(term: &Term) -> Option<usize> {
    match &term.test {
        // What stands round a spelling is looked at, too.
        Test::Request(ids) => ids.iter().flat_map(|r| r.matcher.spellings()).map(|s| s.len() + 8).max(),
        // In another case a letter may take up to three times its bytes.
        Test::Text(w) => w.words.iter().try_fold(0, |most, w| (!w.contains('\n')).then_some(most.max(w.len() * 3 + 8))),
        Test::Any(lists) => lists
            .iter()
            .map(|terms| terms.iter().filter(|t| rank(t) > 0).max_by_key(|t| rank(t)).and_then(reach))
            .try_fold(0, |most, r| Some(most.max(r?))),
        Test::Pattern(p) => p.part.as_ref().map(super::Part::reach),
        _ => None,
    }
}

fn candidate(term: &Term, block: &[u8], from: usize) -> Option<usize> {
    match &term.test {
        Test::Request(ids) => {
            // A few bytes earlier, so that what stands before the ID is seen; the hit itself must not begin there.
            let start = from.saturating_sub(4);
            let first = |r: &super::Request| {
                let mut at = start;
                loop {
                    let hit = r.matcher.find(&block[at..])?;
                    if at + hit.start >= from {
                        return Some(at + hit.start);
                    }
                    at += hit.start + 1;
                }
            };
            ids.iter().filter_map(first).min()
        }
        Test::Text(words) => words.regex.find_at(block, from).map(|m| m.start()),
        // Not the pattern itself: it may ask for the beginning or end of the record, which a block does not show.
        Test::Pattern(Pattern { part: Some(part), .. }) => part.find(block, from),
        Test::Any(lists) => lists
            .iter()
            .filter_map(|terms| match terms.iter().filter(|t| rank(t) > 0).max_by_key(|t| rank(t)) {
                Some(t) => candidate(t, block, from),
                None => Some(from),
            })
            .min(),
        _ => Some(from),
    }
}

fn needles(term: &Term) -> Option<Vec<Vec<u8>>> {
    if term.negated {
        return None;
    }
    match &term.test {
        Test::Request(ids) => {
            Some(ids.iter().flat_map(|r| r.matcher.spellings()).map(|s| s.as_bytes().to_vec()).collect())
        }
        Test::Text(words) => words.words.iter().map(|w| without_letters(w)).collect(),
        Test::Pattern(p) if !p.any_case && !p.source.is_empty() && regex::escape(&p.source) == p.source => {
            Some(vec![p.source.as_bytes().to_vec()])
        }
        // Each alternative gives one set; any of all of them must occur.
        Test::Any(lists) => {
            let sets: Option<Vec<_>> = lists.iter().map(|terms| terms.iter().find_map(needles)).collect();
            sets.map(|s| s.concat())
        }
        _ => None,
    }
}

/// The longest piece of a text that is the same in any case.
fn without_letters(text: &str) -> Option<Vec<u8>> {
    let piece = text.split(|c: char| !c.is_ascii() || c.is_ascii_alphabetic()).max_by_key(|p| p.len())?;
    (piece.len() >= 3).then(|| piece.as_bytes().to_vec())
}
