//! Many words looked for in one pass, at several places of the text at once.
//!
//! An automaton waits at each byte for the row of its table, so one alone is no faster than that wait. Here some go through
//! parts of the text side by side, and wait together.

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, Input, Match, MatchKind, StartKind};

/// Parts that are gone through side by side.
const LANES: usize = 4;
/// Texts shorter than this are gone through in one part.
const SHORT: usize = 1 << 10;

/// The words, each known by its number.
#[derive(Clone, Debug)]
pub struct Words {
    dfa: DFA,
    start: StateID,
    longest: usize,
}

impl Words {
    /// For these words, in this case or in any; `None` where there are too many for a table.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>, any_case: bool) -> Option<Words> {
        let words: Vec<&str> = words.into_iter().collect();
        let longest = words.iter().map(|w| w.len()).max().unwrap_or(0);
        // Of words that begin alike or lie within one another each is told.
        let dfa = DFA::builder()
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .ascii_case_insensitive(any_case)
            .prefilter(false)
            .build(&words)
            .ok()?;
        let start = dfa.start_state(Anchored::No).ok()?;
        Some(Words { dfa, start, longest })
    }

    /// Tells the number of every word in `text` and where it ends, in no order; some of them twice.
    pub fn each(&self, text: &[u8], mut tell: impl FnMut(usize, usize)) {
        self.scan(text, &mut |word, end| {
            tell(word, end);
            false
        });
    }

    /// Whether any of them is in `text`.
    pub fn any(&self, text: &[u8]) -> bool {
        self.scan(text, &mut |_, _| true)
    }

    /// The first one that ends in what is searched.
    pub fn find(&self, input: &Input) -> Option<Match> {
        self.dfa.try_find(input).ok().flatten()
    }

    /// Whether `enough` said so of one of the words.
    fn scan(&self, text: &[u8], enough: &mut impl FnMut(usize, usize) -> bool) -> bool {
        let part = text.len() / LANES;
        if text.len() < SHORT || part < self.longest {
            return self.run(self.start, text, 0, enough);
        }
        let (a, rest) = text.split_at(part);
        let (b, rest) = rest.split_at(part);
        let (c, d) = rest.split_at(part);
        // Four names and no array: in memory they would wait for each other.
        let (mut p, mut q, mut r, mut s) = (self.start, self.start, self.start, self.start);
        for (i, (((a, b), c), d)) in a.iter().zip(b).zip(c).zip(d).enumerate() {
            p = self.dfa.next_state(Anchored::No, p, *a);
            q = self.dfa.next_state(Anchored::No, q, *b);
            r = self.dfa.next_state(Anchored::No, r, *c);
            s = self.dfa.next_state(Anchored::No, s, *d);
            let special =
                self.dfa.is_special(p) | self.dfa.is_special(q) | self.dfa.is_special(r) | self.dfa.is_special(s);
            if special && self.told_by_one([p, q, r, s], part, i + 1, enough) {
                return true;
            }
        }
        // Each part goes on into the next one, as far as a word that begins in it may reach; the last to the end.
        [p, q, r, s].into_iter().enumerate().any(|(lane, at)| {
            let end = (lane + 1) * part;
            let upto = if lane + 1 == LANES { text.len() } else { end + self.longest };
            self.run(at, &text[..upto], end, enough)
        })
    }

    /// Tells the words that end where the lanes stand: `done` bytes into their parts.
    #[cold]
    #[inline(never)]
    fn told_by_one(
        &self,
        lanes: [StateID; LANES],
        part: usize,
        done: usize,
        enough: &mut impl FnMut(usize, usize) -> bool,
    ) -> bool {
        lanes.into_iter().enumerate().any(|(lane, at)| self.told(at, lane * part + done, enough))
    }

    /// Goes on through `text` from `from` on; whether it was enough.
    fn run(&self, mut at: StateID, text: &[u8], from: usize, enough: &mut impl FnMut(usize, usize) -> bool) -> bool {
        text.iter().enumerate().skip(from).any(|(i, byte)| {
            at = self.dfa.next_state(Anchored::No, at, *byte);
            self.dfa.is_special(at) && self.told(at, i + 1, enough)
        })
    }

    /// Tells the words that end here, until it is enough.
    fn told(&self, at: StateID, end: usize, enough: &mut impl FnMut(usize, usize) -> bool) -> bool {
        self.dfa.is_match(at)
            && (0..self.dfa.match_len(at)).any(|i| enough(self.dfa.match_pattern(at, i).as_usize(), end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const WORDS: [&str; 5] = ["token", "tok", "sig=", "@", "authorization"];

    proptest! {
        #[test]
        fn every_word_is_found_wherever_a_part_ends(
            fill in "[a-z. ]{0,40}",
            times in 0usize..120,
            at in proptest::collection::vec((0usize..4_000, 0usize..5), 0..4),
        ) {
            let mut text = fill.repeat(times);
            for (at, word) in at {
                let mut at = at.min(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                text.insert_str(at, &WORDS[word].to_uppercase());
            }
            let words = Words::new(WORDS, true).expect("few words");
            let mut found = BTreeSet::new();
            words.each(text.as_bytes(), |word, end| {
                found.insert((word, end));
            });
            let small = &text.to_lowercase();
            let ends = |i: usize| (0..small.len()).filter(move |at| small[*at..].starts_with(WORDS[i])).map(move |at| (i, at + WORDS[i].len()));
            let there: BTreeSet<(usize, usize)> = (0..WORDS.len()).flat_map(ends).collect();
            prop_assert_eq!(words.any(text.as_bytes()), !there.is_empty());
            prop_assert_eq!(found, there);
        }
    }

    #[test]
    fn in_their_own_case_only_that_is_found() {
        let words = Words::new(["Slow query"], false).expect("one word");
        assert!(words.any(b"a Slow query") && !words.any(b"a slow query"));
        assert_eq!(words.find(&Input::new(b"a Slow query")).map(|m| m.range()), Some(2..12));
    }
}
