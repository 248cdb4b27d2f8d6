//! Card numbers: digits with the right beginning, the right length and the right check digit.

use std::ops::Range;

use crate::timeline::request_id::is_id_key;

/// Digits of the shortest and of the longest card numbers.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// Adds the ranges of card numbers in `text`.
///
/// Of as many bytes in a row as the shortest number has digits every number holds one, so only every thirteenth byte is
/// looked at where there are none.
pub(super) fn find(text: &[u8], out: &mut Vec<Range<usize>>) {
    // No run that begins before this reaches beyond it.
    let mut at = 0;
    while at + SHORTEST <= text.len() {
        let probe = at + SHORTEST - 1;
        if !in_run(text, probe) {
            at = probe + 1;
            continue;
        }
        let before = text[at..probe].iter().enumerate().rev().take_while(|(i, _)| in_run(text, at + i)).count();
        let start = probe - before;
        let end = run(text, start);
        at = end;
        let digits = text[start..end].iter().filter(|b| b.is_ascii_digit());
        if !(SHORTEST..=LONGEST).contains(&digits.clone().count()) {
            continue;
        }
        let digits: Vec<u8> = digits.map(|b| b - b'0').collect();
        if !joins(text, start.checked_sub(1))
            && !joins(text, Some(end))
            && is_grouped(&text[start..end])
            && is_issued(&digits)
            && luhn(&digits)
            && !is_named_id(text, start)
        {
            out.push(start..end);
        }
    }
}

/// Whether the byte at `at` is one of digits that are parted by at most one blank or dash each.
fn in_run(text: &[u8], at: usize) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
    match text[at] {
        b' ' | b'-' => digit(at.checked_sub(1)) && digit(at.checked_add(1)),
        b => b.is_ascii_digit(),
    }
}

/// The end of digits that are parted by at most one blank or dash each.
fn run(text: &[u8], mut at: usize) -> usize {
    while at < text.len() {
        let parted = matches!(text[at], b' ' | b'-') && text.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !text[at].is_ascii_digit() && !parted {
            break;
        }
        at += 1;
    }
    at
}

/// Whether the byte at `at` makes the digits part of something longer: a word, an ID, a decimal number.
fn joins(text: &[u8], at: Option<usize>) -> bool {
    let Some(i) = at else { return false };
    match text.get(i) {
        Some(b'.') => i > 0 && text[i - 1].is_ascii_digit() && text.get(i + 1).is_some_and(u8::is_ascii_digit),
        Some(b) => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'),
        None => false,
    }
}

/// Written in one piece or in groups as on cards: fours, or four-six-five.
fn is_grouped(run: &[u8]) -> bool {
    let groups: Vec<usize> = run.split(|b| matches!(b, b' ' | b'-')).map(<[u8]>::len).collect();
    let same = run.iter().filter(|b| !b.is_ascii_digit()).all(|b| Some(b) == run.iter().find(|b| !b.is_ascii_digit()));
    groups.len() == 1
        || (same
            && (groups == [4, 6, 5]
                || groups == [4, 6, 4]
                || (groups.len() >= 4
                    && groups[..groups.len() - 1].iter().all(|&g| g == 4)
                    && groups[groups.len() - 1] <= 4)))
}

/// Whether numbers that begin so are given out, and in this length.
fn is_issued(d: &[u8]) -> bool {
    let first = |n: usize| d[..n].iter().fold(0u32, |v, &x| v * 10 + u32::from(x));
    match d.len() {
        13 | 19 => d[0] == 4 || (d.len() == 19 && first(2) == 62),
        14 => matches!(first(2), 36 | 38 | 39) || (300..=305).contains(&first(3)),
        15 => matches!(first(2), 34 | 37),
        16 => {
            d[0] == 4
                || (51..=55).contains(&first(2))
                || (2221..=2720).contains(&first(4))
                || first(4) == 6011
                || matches!(first(2), 62 | 65)
                || (644..=649).contains(&first(3))
                || (3528..=3589).contains(&first(4))
        }
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| match u32::from(d) * (1 + i as u32 % 2) {
            v if v > 9 => v - 9,
            v => v,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether the digits are the value of a request ID: `dd.trace_id=4611…`.
fn is_named_id(text: &[u8], at: usize) -> bool {
    let before = &text[at.saturating_sub(64)..at];
    let trimmed =
        before.iter().rposition(|b| !matches!(b, b' ' | b'"' | b'\'' | b'=' | b':' | b'\\')).map_or(0, |i| i + 1);
    if trimmed == before.len() {
        return false;
    }
    let from = before[..trimmed]
        .iter()
        .rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')))
        .map_or(0, |i| i + 1);
    let name = std::str::from_utf8(&before[from..trimmed]).unwrap_or_default();
    is_id_key(name) || name.to_ascii_lowercase().ends_with("span_id") || name.to_ascii_lowercase().ends_with("spanid")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every run, looked at from its first digit on.
    fn plainly(text: &[u8]) -> Vec<Range<usize>> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < text.len() {
            if !text[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            let end = run(text, at);
            let digits: Vec<u8> = text[at..end].iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').collect();
            if (SHORTEST..=LONGEST).contains(&digits.len())
                && !joins(text, at.checked_sub(1))
                && !joins(text, Some(end))
                && is_grouped(&text[at..end])
                && is_issued(&digits)
                && luhn(&digits)
                && !is_named_id(text, at)
            {
                found.push(at..end);
            }
            at = end;
        }
        found
    }

    proptest! {
        #[test]
        fn what_is_passed_over_holds_no_card(pieces in proptest::collection::vec(
            prop_oneof![
                Just("4111111111111111".to_owned()),
                Just("4222222222222".to_owned()),
                Just("4111 1111 1111 1111".to_owned()),
                Just("3782-822463-10005".to_owned()),
                "[0-9]{1,20}",
                "[ -]{1,2}",
                "[a-z\".=:]{0,14}",
            ],
            0..12,
        )) {
            let text = pieces.concat();
            let mut found = Vec::new();
            find(text.as_bytes(), &mut found);
            prop_assert_eq!(found, plainly(text.as_bytes()), "{}", text);
        }
    }
}
