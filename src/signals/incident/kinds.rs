//! What a typed line means: its prefix says the kind of note, the rest is the text.

use super::event::NoteKind;

impl NoteKind {
    /// The prefix as it is typed and shown.
    pub const fn prefix(self) -> &'static str {
        match self {
            NoteKind::Observation => ">",
            NoteKind::Hypothesis => "?",
            NoteKind::Action => "!",
            NoteKind::Decision => "=",
            NoteKind::Report => "@",
            NoteKind::FollowUp => "TODO",
            NoteKind::Step => "[x]",
        }
    }
}

/// Kind and text of a typed line. Without a prefix it is an observation.
///
/// `?`, `!` and `@` may touch the text (`?maybe`); `>`, `=` and `TODO` need a space (or `TODO:`), so that `>5 s` and
/// `TODO-list is slow` and `!= null` stay what they say.
pub fn parse(line: &str) -> (NoteKind, &str) {
    let line = line.trim();
    for &kind in NoteKind::ALL {
        let Some(rest) = line.strip_prefix(kind.prefix()) else { continue };
        let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
        let fits = match kind {
            NoteKind::Hypothesis | NoteKind::Report => true,
            NoteKind::Action => !rest.starts_with('='),
            NoteKind::FollowUp => spaced || rest.starts_with(':'),
            NoteKind::Observation | NoteKind::Decision | NoteKind::Step => spaced,
        };
        if fits {
            let rest = if kind == NoteKind::FollowUp { rest.strip_prefix(':').unwrap_or(rest) } else { rest };
            return (kind, rest.trim_start());
        }
    }
    (NoteKind::Observation, line)
}

/// The line that [`parse`] reads back as this kind and text; an observation gets its prefix only where it needs one.
pub fn typed(kind: NoteKind, text: &str) -> String {
    let text = text.trim();
    if kind == NoteKind::Observation && parse(text) == (kind, text) {
        return text.to_owned();
    }
    format!("{} {text}", kind.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_says_the_kind() {
        use NoteKind::*;
        for (line, kind, text) in [
            ("> saw it", Observation, "saw it"),
            ("? maybe", Hypothesis, "maybe"),
            ("?maybe", Hypothesis, "maybe"),
            ("! did", Action, "did"),
            ("= decided", Decision, "decided"),
            ("@ user says", Report, "user says"),
            ("@anna cannot log in", Report, "anna cannot log in"),
            ("TODO x", FollowUp, "x"),
            ("TODO: x", FollowUp, "x"),
            ("[x] looked at the deploys", Step, "looked at the deploys"),
            ("  plain words ", Observation, "plain words"),
            (">5 s since the deploy", Observation, ">5 s since the deploy"),
            ("!= null in the code", Observation, "!= null in the code"),
            ("=1 of 3 nodes", Observation, "=1 of 3 nodes"),
            ("TODO-list page is slow", Observation, "TODO-list page is slow"),
            ("two\nlines", Observation, "two\nlines"),
            ("?", Hypothesis, ""),
            ("", Observation, ""),
        ] {
            assert_eq!(parse(line), (kind, text), "{line:?}");
        }
    }

    #[test]
    fn what_is_shown_for_editing_reads_back_as_the_same_note() {
        for &kind in NoteKind::ALL {
            for text in
                ["plain", "? looks like a question", "> quoted", "TODO in the text", "!= 3", ": colon", "ümlaut\nb"]
            {
                let line = typed(kind, text);
                assert_eq!(parse(&line), (kind, text), "{line:?}");
            }
        }
        assert_eq!(typed(NoteKind::Observation, "plain"), "plain");
    }
}
