//! Takes secrets out of text before it is kept or shown to others.
//!
//! Passwords, tokens, cookies, keys, card numbers and mail addresses are replaced; names of fields, line breaks and
//! request IDs stay, because a post-mortem needs them. What is a secret is decided by shape (a JWT, an AWS key) or by the
//! name it stands under (`password=`). Two things it cannot do: know a secret that looks like a word and stands alone, and
//! join a key block whose first line was redacted elsewhere.
//!
//! Most text holds nothing to redact and is borrowed after one pass that looks for the words that begin every rule.

mod cards;
mod key_block;
mod rules;

use std::borrow::Cow;
use std::ops::Range;

use rules::TRIGGERS;

/// What stands in place of a secret.
pub const REDACTED: &str = "‹redacted›";

/// The text with secrets replaced by `‹redacted›`; line boundaries and request IDs stay.
pub fn redact(text: &str) -> Cow<'_, str> {
    let secrets = secrets(text);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for secret in secrets {
        // Inside one that is gone already, or a part of it.
        let start = secret.start.max(at);
        if start >= secret.end {
            continue;
        }
        out.push_str(&text[at..start]);
        if !(out.ends_with(REDACTED) && start == at) {
            replace(&text[start..secret.end], &mut out);
        }
        at = secret.end;
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// The text with every byte of a secret replaced by `*`: as long as it was, so that offsets into it stay true.
pub fn mask(text: &str) -> Cow<'_, str> {
    let secrets = secrets(text);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.as_bytes().to_vec();
    for secret in secrets {
        for b in &mut bytes[secret] {
            if !matches!(b, b'\r' | b'\n') {
                *b = b'*';
            }
        }
    }
    // Ranges of secrets begin and end between characters, so this cannot fail; if it did, nothing may be kept.
    Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len())))
}

/// The bytes with their secrets masked; `None` where there are none. As long as they were, since rows are known by their
/// offset. What is not UTF-8 stays, what stands between is looked through.
pub fn mask_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return match mask(text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked.into_bytes()),
        };
    }
    let mut out: Option<Vec<u8>> = None;
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        if let Cow::Owned(text) = mask(chunk.valid()) {
            let out = out.get_or_insert_with(|| bytes.to_vec());
            out[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
    out
}

/// Where secrets are, by start; they may overlap.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut secrets: Vec<Range<usize>> = Vec::new();
    let mut wanted = 0u64;
    if let Some(triggers) = TRIGGERS.as_ref() {
        triggers.each(text.as_bytes(), |word, _| wanted |= rules::of_trigger(word));
    }
    rules::apply(text, wanted, &mut secrets);
    cards::find(text.as_bytes(), &mut secrets);
    secrets.sort_by_key(|r| (r.start, std::cmp::Reverse(r.end)));
    secrets
}

/// One mark for each line that a secret spans, so that no line is lost.
fn replace(secret: &str, out: &mut String) {
    for (i, line) in secret.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if !line.trim().is_empty() {
            out.push_str(REDACTED);
        }
        if line.ends_with('\r') {
            out.push('\r');
        }
    }
}

#[cfg(test)]
mod tests;
