//! The spellings of one ID, and the search for them at token boundaries.

use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use memchr::memmem::Finder;

use super::RequestId;

/// All spellings of an ID, the ID as it is first.
pub(super) fn variants(id: &str) -> Vec<CompactString> {
    let mut out: Vec<CompactString> = vec![id.into()];
    let lower = id.to_ascii_lowercase();
    let mut forms: Vec<CompactString> = Vec::new();
    let is_hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    let plain: String = lower.chars().filter(|&c| c != '-').collect();
    if plain.len() == 32 && is_hex(&plain) {
        // UUID, trace ID or X-Ray root: 128 bits in hexadecimal.
        forms.push(plain.as_str().into());
        forms.push(format_compact!(
            "{}-{}-{}-{}-{}",
            &plain[..8],
            &plain[8..12],
            &plain[12..16],
            &plain[16..20],
            &plain[20..]
        ));
        forms.push(format_compact!("1-{}-{}", &plain[..8], &plain[8..]));
        halves(&plain[16..], &mut forms);
    } else if let Some(root) = xray(&lower) {
        forms.push(lower.as_str().into());
        forms.push(root);
    } else if lower.len() == 16 && is_hex(&lower) && lower.bytes().any(|b| b.is_ascii_alphabetic()) {
        forms.push(lower.as_str().into());
        halves(&lower, &mut forms);
    } else if (15..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) {
        // A 64-bit ID in decimal; its hexadecimal form, padded as most write it.
        if let Ok(n) = id.parse::<u64>() {
            forms.push(format_compact!("{n:016x}"));
        }
    } else if is_hex(id) || id.len() == 26 {
        forms.push(lower.as_str().into());
    }
    for form in forms {
        let upper = form.to_ascii_uppercase();
        for spelled in [form, upper] {
            if !out.contains(&spelled) {
                out.push(spelled);
            }
        }
    }
    out
}

/// The 64-bit ID in `hex`, as hexadecimal and as decimal (which some tracers log).
fn halves(hex: &str, forms: &mut Vec<CompactString>) {
    if let Ok(n) = u64::from_str_radix(hex, 16) {
        // A small number would be found everywhere.
        if n > u64::from(u32::MAX) {
            forms.push(hex.into());
            forms.push(format_compact!("{n}"));
        }
    }
}

/// `1-5759e988-bd862e3fe1be46a994272793` without its version and dashes.
fn xray(lower: &str) -> Option<CompactString> {
    let (time, random) = lower.strip_prefix("1-")?.split_once('-')?;
    let is_one =
        time.len() == 8 && random.len() == 24 && time.bytes().chain(random.bytes()).all(|b| b.is_ascii_hexdigit());
    is_one.then(|| format_compact!("{time}{random}"))
}

/// The spellings of one ID, compiled. Cheap to clone.
///
/// One search per spelling: each looks for the two rarest bytes of its own at once, some gigabytes a second, where an
/// automaton over all of them goes from one hex digit to the next in every line.
#[derive(Clone, Debug)]
pub struct IdMatcher {
    spellings: Arc<[CompactString]>,
    finders: Arc<[Finder<'static>]>,
}

impl IdMatcher {
    pub(super) fn new(id: &RequestId) -> IdMatcher {
        let spellings: Arc<[CompactString]> = variants(&id.0).into();
        let finders = spellings.iter().map(|s| Finder::new(s.as_bytes()).into_owned()).collect();
        IdMatcher { spellings, finders }
    }

    /// The spellings; one of them stands in every text that holds the ID.
    pub fn spellings(&self) -> &[CompactString] {
        &self.spellings
    }

    /// Whether one of the spellings stands in `text` at token boundaries.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// Where the first one stands.
    pub fn find(&self, text: &[u8]) -> Option<std::ops::Range<usize>> {
        let mut first: Option<std::ops::Range<usize>> = None;
        for (finder, len) in self.finders.iter().zip(self.spellings.iter().map(|s| s.len())) {
            let (mut at, end) = (0, first.as_ref().map_or(text.len(), |f| f.end));
            while let Some(i) = text.get(at..end).and_then(|t| finder.find(t)) {
                let range = at + i..at + i + len;
                if is_token(text, &range) {
                    if first.as_ref().is_none_or(|f| range.start < f.start) {
                        first = Some(range);
                    }
                    break;
                }
                at = range.start + 1;
            }
        }
        first
    }
}

/// Whether the bytes around `range` end a token. Long IDs may stand inside composed ones (`traceparent`, `prefix_…`);
/// short ones may not, else `12` would be found in every date.
fn is_token(text: &[u8], range: &std::ops::Range<usize>) -> bool {
    let mut before = range.start.checked_sub(1).map(|i| text[i]);
    let after = text.get(range.end).copied();
    if after.is_some_and(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    if before.is_some_and(|b| b.is_ascii_alphanumeric()) {
        // `\n` or `\t` in front, as JSON writes them, is no part of a token.
        let escaped = range.start >= 2 && text[range.start - 2] == b'\\' && matches!(before, Some(b'n' | b't' | b'r'));
        if !escaped {
            return false;
        }
        before = None;
    }
    if range.len() >= 16 {
        return true;
    }
    let joins = |b: u8| matches!(b, b'-' | b'_');
    let is_prefixed = range.start >= 4
        && text[range.start - 4..range.start - 1].eq_ignore_ascii_case(b"req")
        && before.is_some_and(joins);
    let dotted =
        |dot: Option<u8>, beyond: Option<&u8>| dot == Some(b'.') && beyond.is_some_and(u8::is_ascii_alphanumeric);
    (is_prefixed || !before.is_some_and(joins))
        && !after.is_some_and(joins)
        && !dotted(before, range.start.checked_sub(2).and_then(|i| text.get(i)))
        && !dotted(after, text.get(range.end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurs(id: &str, text: &str) -> bool {
        RequestId(id.into()).occurs_in(text.as_bytes())
    }

    #[test]
    fn one_id_is_found_under_all_its_spellings() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for text in [
            "trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
            "TRACE=4BF92F3577B34DA6A3CE929D0E0E4736",
            "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
            "traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'",
            "X-Amzn-Trace-Id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Sampled=1",
            "dd.trace_id=11803532876627986230 dd.span_id=1",
            "b3: a3ce929d0e0e4736-05e3ac9a4f6e3b90-1",
            "\\n4bf92f3577b34da6a3ce929d0e0e4736",
        ] {
            assert!(occurs(trace, text), "{text}");
        }
        assert!(occurs("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "id 4bf92f3577b34da6a3ce929d0e0e4736."));
        assert!(occurs("1-4bf92f35-77b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(occurs("11803532876627986230", "x-b3-traceid: a3ce929d0e0e4736"));
        assert!(occurs("abc12345", "[REQ-abc12345] done"));
        assert!(!occurs("4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e47361"));
    }

    #[test]
    fn a_short_id_is_only_found_as_a_token_of_its_own() {
        for text in ["req=12 ok", "[12]", "12", "id:12,", "done 12."] {
            assert!(occurs("12", text), "{text}");
        }
        for text in ["2026-12-01", "x12", "1.12", "12.5", "a_12", "12-b", "112", "\\n12-b"] {
            assert!(!occurs("12", text), "{text}");
        }
    }

    #[test]
    fn there_are_few_variants_and_none_twice() {
        for id in [
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "4BF92F35-77b3-4da6-a3ce-929d0e0e4736",
            "12",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        ] {
            let mut v = RequestId(id.into()).variants();
            assert_eq!(v[0], id);
            let n = v.len();
            assert!(n <= 16, "{v:?}");
            v.sort();
            v.dedup();
            assert_eq!(v.len(), n);
        }
    }
}
