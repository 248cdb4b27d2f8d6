//! What goes to disk of a note: no secrets, nothing endless, never nothing.

use super::{MAX_EVIDENCE, MAX_TEXT, StoreError};
use crate::signals::incident::event::{Evidence, Ran, Screen};
use crate::timeline::redact::redact;

/// A note without its secrets.
pub(super) struct Cleaned {
    pub(super) text: String,
    pub(super) evidence: Vec<Evidence>,
    /// Something was taken out.
    pub(super) redacted: bool,
}

pub(super) fn clean_note(text: &str, evidence: &[Evidence]) -> Result<Cleaned, StoreError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(StoreError::Refused("the note is empty: write what you saw".into()));
    }
    if text.len() > MAX_TEXT {
        return Err(StoreError::Refused(format!(
            "the note is {} KiB long, at most {} KiB fit: put the text in a file and note its path",
            text.len() / 1024,
            MAX_TEXT / 1024
        )));
    }
    let clean = redact(text);
    let (evidence, in_evidence) = clean_evidence(evidence);
    Ok(Cleaned { redacted: in_evidence || clean != text, text: clean.into_owned(), evidence })
}

/// Evidence without its secrets, and whether there were any.
pub(in super::super) fn clean_evidence(evidence: &[Evidence]) -> (Vec<Evidence>, bool) {
    let mut found = false;
    let mut clean = |text: &str| {
        let out = redact(text);
        found |= out != text;
        out.into_owned()
    };
    let evidence = evidence
        .iter()
        .map(|e| {
            let mut text = clean(&e.text);
            if text.len() > MAX_EVIDENCE {
                let cut = text.floor_char_boundary(MAX_EVIDENCE);
                let lost = text.len() - cut;
                text.truncate(cut);
                text.push_str(&format!("… ({lost} bytes cut)"));
            }
            Evidence { text, source: clean(&e.source), filter: clean(&e.filter), ..e.clone() }
        })
        .collect();
    (evidence, found)
}

pub(super) fn cleaned_screen(screen: Option<&Screen>) -> Option<Screen> {
    screen.map(|s| Screen { filter: redact(&s.filter).into_owned(), ..s.clone() })
}

pub(super) fn cleaned_run(ran: Option<&Ran>) -> Option<Ran> {
    let r = ran?;
    let mut output = redact(&r.output).into_owned();
    output.truncate(output.floor_char_boundary(MAX_EVIDENCE));
    Some(Ran { command: redact(&r.command).into_owned(), output, ..r.clone() })
}
