//! ID-like tokens in raw bytes: what the block index remembers of a block's text.
//!
//! A token is a run of ASCII letters and digits that stands between other bytes. Which runs are remembered follows from
//! the run (and from the bytes round it that make it part of a UUID), never from the name in front of it: a filter for a
//! request finds its ID anywhere in a record, under any name or none, so an index of named values alone would rule out
//! records that pass. Names and formats need not be known, hence, nor learnt.
//!
//! Of a run only its last eight bytes count, in lower case. So one key stands for a UUID with and without dashes, for the
//! 16 digits that some tracers keep of it, for its X-Ray form and for either case.

use std::ops::Range;

/// What is remembered of a token.
pub type Key = u32;

/// Bytes of a run from which on it is looked at: shorter ones are found by reading.
const LEAST: usize = 8;
/// Runs longer than this are data (base64), not names of requests.
const MOST: usize = 64;

/// Whether a run of letters and digits is remembered: one with a digit and a letter in it, or a long number. Not a number
/// with its unit (`4903122ms`, the fraction in `22.123456789Z`), not a time in micro- or nanoseconds.
fn is_like(run: &[u8]) -> bool {
    if !(LEAST..=MOST).contains(&run.len()) {
        return false;
    }
    let digits = run.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == run.len() {
        return is_long_number(run);
    }
    let letters = run.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
    digits > 0 && !(letters <= 2 && digits + letters == run.len())
}

/// Whether digits are those of a 64-bit ID: neither a count nor a time of the years 2020 to 2033.
fn is_long_number(run: &[u8]) -> bool {
    let is_time = matches!(run.len(), 16 | 19) && run[0] == b'1' && run[1] >= b'6';
    (15..=20).contains(&run.len()) && !is_time
}

/// Versions of UUIDs whose last group tells them apart; of the others (1, 2, 6: made from time and machine) the first
/// group is remembered, too.
fn is_random_version(b: u8) -> bool {
    matches!(b, b'3' | b'4' | b'5' | b'7' | b'8')
}

/// Where dashes stand in a UUID that begins at 0.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// Whether the run of eight at `start` opens a UUID, of which the last group is remembered instead.
fn opens_uuid(text: &[u8], start: usize) -> bool {
    text.get(start + DASHES[3]).is_some()
        && DASHES.iter().all(|d| text[start + d] == b'-')
        && is_random_version(text[start + 14])
}

/// Whether a run is the last group of a UUID: it is remembered even if it is digits alone, for it stands for the whole. Runs
/// of letters alone are never looked at: such a UUID (one in 100,000) is found by reading.
fn closes_uuid(text: &[u8], run: &Range<usize>) -> bool {
    run.len() == 12
        && run.start >= 24
        && DASHES.iter().all(|d| text[run.start - 24 + d] == b'-')
        && text[run.clone()].iter().any(u8::is_ascii_digit)
}

fn key(last: [u8; 8]) -> Key {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    // The bit that makes letters small is set in digits.
    let word = u64::from_le_bytes(last) | 0x2020_2020_2020_2020;
    let h = word.wrapping_mul(MIX);
    // Zero is left for empty slots.
    (((h ^ (h >> 32)).wrapping_mul(MIX) >> 32) as Key).max(1)
}

fn last8(text: &[u8], end: usize) -> Option<[u8; 8]> {
    text.get(end.checked_sub(8)?..end)?.try_into().ok()
}

/// Of each byte: bit 0 when it is a letter or a digit, bit 1 when it is a digit.
///
/// A loop that compilers turn into vector instructions.
#[inline]
fn classes(bytes: &[u8; 64]) -> [u8; 64] {
    let mut kinds = [0u8; 64];
    for (kind, b) in kinds.iter_mut().zip(bytes) {
        let digit = b.wrapping_sub(b'0') < 10;
        let letter = (b | 0x20).wrapping_sub(b'a') < 26;
        *kind = (u8::from(digit) * 3) | u8::from(letter);
    }
    kinds
}

/// The two bits of each of 64 bytes as two words, the first byte's lowest: letters and digits, and digits alone.
///
/// Eight rows of eight bytes lie on top of each other, each row one bit further, and are then turned round; cheaper than
/// gathering the bits of each row.
#[inline]
fn packed(kinds: &[u8; 64]) -> (u64, u64) {
    let (mut alnum, mut digits) = ([0u8; 16], [0u8; 16]);
    for j in 0..16 {
        let (a, b, c, d) = (kinds[j], kinds[16 + j], kinds[32 + j], kinds[48 + j]);
        alnum[j] = a & 1 | (b & 1) << 2 | (c & 1) << 4 | (d & 1) << 6;
        digits[j] = (a & 2) >> 1 | (b & 2) << 1 | (c & 2) << 3 | (d & 2) << 5;
    }
    // Rows 0, 2, 4, 6 lie in the first half, 1, 3, 5, 7 in the second.
    let word = |rows: &[u8; 16]| {
        let (halves, _) = rows.as_chunks::<8>();
        turned(u64::from_le_bytes(halves[0]) | u64::from_le_bytes(halves[1]) << 1)
    };
    (word(&alnum), word(&digits))
}

/// Eight rows of eight bits turned round: bit `i` of byte `j` becomes bit `j` of byte `i` (Hacker's Delight, 7-3).
#[inline]
fn turned(mut x: u64) -> u64 {
    for (shift, mask) in [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)] {
        let swap = (x ^ x >> shift) & mask;
        x ^= swap ^ swap << shift;
    }
    x
}

/// Bits below `n`, which is less than 64.
#[inline]
fn below(n: u32) -> u64 {
    (1 << n) - 1
}

/// Tells the key of every token in `bytes` that is remembered, in order; one that occurs twice twice.
pub fn each(bytes: &[u8], mut tell: impl FnMut(Key)) {
    // Of the word before: its letters and digits, and the ends of two, four and eight of them in a row.
    let (mut before, mut twos, mut fours, mut eights) = (0u64, 0u64, 0u64, 0u64);
    // Whether the run that reaches the end of it has a digit.
    let mut carry = 0;
    // Where the run began that reaches the start of the word.
    let mut open = 0;
    let mut base = 0;
    // One word more than there are bytes, so that the last run ends.
    while base <= bytes.len() {
        let rest = &bytes[base..];
        let kinds = match rest.first_chunk::<64>() {
            Some(chunk) => classes(chunk),
            None => {
                let mut chunk = [0; 64];
                chunk[..rest.len()].copy_from_slice(rest);
                classes(&chunk)
            }
        };
        let (alnum, digits) = packed(&kinds);
        if before >> 63 == 0 {
            open = base;
        }
        let two = alnum & (alnum << 1 | before >> 63);
        let four = two & (two << 2 | twos >> 62);
        let eight = four & (four << 4 | fours >> 60);
        // A digit added to its run makes it overflow into the bit behind it: only runs with a digit end in `sum`.
        let (sum, over) = alnum.overflowing_add(digits);
        let (sum, again) = sum.overflowing_add(carry);
        carry = u64::from(over | again);
        let mut ends = !alnum & sum & (eight << 1 | eights >> 63);
        while ends != 0 {
            let end = ends.trailing_zeros();
            ends &= ends - 1;
            let gaps = !alnum & below(end);
            let run = if gaps == 0 {
                open..base + end as usize
            } else {
                base + 64 - gaps.leading_zeros() as usize..base + end as usize
            };
            let like = if run.start >= base {
                let mask = below(end) & !below((run.start - base) as u32);
                let letters = mask & !digits;
                if letters == 0 {
                    is_long_number(&bytes[run.clone()])
                } else {
                    // Anything but digits with one or two letters behind them.
                    letters != 1 << (end - 1) && letters != 3 << (end - 2)
                }
            } else {
                is_like(&bytes[run.clone()])
            };
            if (like || is_escaped(bytes, &run) || closes_uuid(bytes, &run))
                && !(run.len() == LEAST && opens_uuid(bytes, run.start))
                && let Some(last) = last8(bytes, run.end)
            {
                tell(key(last));
            }
        }
        if alnum >> 63 == 1 && alnum != u64::MAX {
            open = base + 64 - (!alnum).leading_zeros() as usize;
        }
        (before, twos, fours, eights) = (alnum, two, four, eight);
        base += 64;
    }
}

/// Whether the run is a token behind `\n`, `\t` or `\r` as JSON writes them: the letter is none of the token's.
fn is_escaped(bytes: &[u8], run: &Range<usize>) -> bool {
    run.start > 0
        && bytes[run.start - 1] == b'\\'
        && matches!(bytes[run.start], b'n' | b't' | b'r')
        && is_like(&bytes[run.start + 1..run.end])
}

/// Keys that all are among those of any text in which `spelling` stands at token boundaries. None: the index says nothing
/// about this spelling.
pub fn needed(spelling: &str) -> Vec<Key> {
    let text = spelling.as_bytes();
    let mut keys = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let len = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let run = at..at + len;
        at = run.end + 1;
        if (is_like(&text[run.clone()]) || closes_uuid(text, &run))
            && !could_open_uuid(text, &run)
            && let Some(last) = last8(text, run.end)
        {
            let key = key(last);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// Whether a run of a spelling may open a UUID in the text round the spelling, as far as the spelling shows.
fn could_open_uuid(text: &[u8], run: &Range<usize>) -> bool {
    // Short spellings are not found in front of a dash.
    if run.len() != LEAST || run.end == text.len() && text.len() < 16 {
        return false;
    }
    DASHES.iter().all(|d| text.get(run.start + d).is_none_or(|b| *b == b'-'))
        && text.get(run.start + 14).is_none_or(|b| is_random_version(*b))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::timeline::RequestId;

    fn keys(text: &str) -> BTreeSet<Key> {
        let mut out = BTreeSet::new();
        each(text.as_bytes(), |k| {
            out.insert(k);
        });
        out
    }

    #[test]
    fn one_key_stands_for_all_spellings_of_a_long_id() {
        let all = [
            "550e8400-e29b-41d4-a716-446655440abc",
            "550e8400e29b41d4a716446655440abc",
            "550E8400E29B41D4A716446655440ABC",
            "a716446655440abc",
            "1-550e8400-e29b41d4a716446655440abc",
        ];
        let one = keys(all[0]);
        assert_eq!(one.len(), 1);
        for text in all {
            assert!(keys(&format!("x={text},")).is_superset(&one), "{text}");
            assert!(keys(&format!("traceparent: 00-{text}-01")).is_superset(&one), "{text}");
        }
    }

    #[test]
    fn a_uuid_whose_last_group_is_a_number_is_remembered_too() {
        for id in ["550e8400-e29b-41d4-a716-446655440123", "550e8400-e29b-41d4-a716-44665544012f"] {
            assert_eq!(needed(id).len(), 1, "{id}");
            assert_eq!(keys(&format!("x={id},")).into_iter().collect::<Vec<_>>(), needed(id));
            assert_eq!(needed(&id.replace('-', "")), needed(id));
        }
    }

    #[test]
    fn a_uuid_whose_last_group_is_letters_alone_is_found_by_reading() {
        let id = "0aa00a0a-a0aa-4a0a-8aa0-aaaaaaaaaaaa";
        assert!(needed(id).is_empty());
        assert!(keys(&format!("x={id},")).is_empty());
    }

    #[test]
    fn what_every_line_has_anew_but_no_request_is_called_is_not_remembered() {
        for text in [
            "2026-11-20T14:03:22.123456789Z",
            "ts=1795183402123 at 1795183402123456 or 1795183402123456789",
            "took 12.345678ms, 1234567890 bytes, 12345678us",
            "connection refused by checkoutservice",
            "10.0.0.1:54321",
        ] {
            assert_eq!(keys(text).len(), 0, "{text}");
        }
        for text in ["id 11803532876627986230", "req 5f9ab3c1", "pod shop-7d9f8b6c5d"] {
            assert_eq!(keys(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn every_byte_is_classed_as_what_it_is() {
        let all: Vec<u8> = (0..=255).collect();
        for chunk in all.chunks(64) {
            let (alnum, digits) = packed(&classes(chunk.try_into().unwrap()));
            for (i, b) in chunk.iter().enumerate() {
                assert_eq!(alnum >> i & 1 == 1, b.is_ascii_alphanumeric(), "{b}");
                assert_eq!(digits >> i & 1 == 1, b.is_ascii_digit(), "{b}");
            }
        }
    }

    fn id() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            "[0-9a-f]{32}",
            "[0-9A-F]{16}",
            "[0-9]{15,20}",
            "1-[0-9a-f]{8}-[0-9a-f]{24}",
            "0[0-9A-HJKMNP-TV-Z]{25}",
            "(req|REQ)[-_][0-9a-zA-Z]{4,20}",
            "[a-zA-Z0-9._/+=-]{1,70}",
            "[ntr]?[0-9a-f]{6,12}(-[0-9a-f]{4,12}){0,4}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn a_spelling_that_is_found_in_a_text_has_all_its_keys_there(
            id in id(),
            pick in 0usize..16,
            before in "(\\\\[ntr]|[ -~]{0,3}|[0-9a-f]{8}-[0-9a-f]{4}-|[a-z ]{0,70})",
            after in "[ -~]{0,3}|-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|[a-z ]{0,70}",
            cut in 0usize..40,
        ) {
            let id = RequestId(id.as_str().into());
            let variants = id.variants();
            let text = format!("{before}{}{after}", variants[pick % variants.len()]);
            // Also parts of it, as somebody may paste them.
            let asked = [id.clone(), RequestId(id.0.chars().skip(cut).collect::<String>().as_str().into())];
            for asked in asked.iter().filter(|a| !a.0.is_empty()) {
                if asked.occurs_in(text.as_bytes()) {
                    let there = keys(&text);
                    let found = asked.variants().iter().any(|s| needed(s).iter().all(|k| there.contains(k)));
                    prop_assert!(found, "{asked} in {text}");
                }
            }
        }
    }
}
