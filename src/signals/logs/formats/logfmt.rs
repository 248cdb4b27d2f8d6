//! logfmt: `time=… level=… msg="…" key=value`, as of logrus, slog's text handler, go-kit, Heroku's router.

use super::pairs::{self, Words};
use super::roles::Found;
use super::{Context, Format, Head, Parsed, enrich, keys, time, words};

/// Lines made of `key=value` pairs.
#[derive(Debug)]
pub struct Logfmt;

impl Format for Logfmt {
    fn name(&self) -> &'static str {
        "logfmt"
    }

    fn head(&self, line: &[u8], cx: &Context) -> Option<Head> {
        quick(line, cx).or_else(|| found(line, cx).map(|f| f.head))
    }

    fn begins_by_time(&self) -> bool {
        true
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn may_begin(&self, first: u8) -> bool {
        matches!(first, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'@')
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let found = found(record, cx)?;
        let first_end = memchr::memchr(b'\n', record).unwrap_or(record.len());
        let mut parsed = Parsed { head: found.head, ..Parsed::default() };
        let mut bare = String::new();
        for word in Words::new(&record[..first_end], 0) {
            let Some(raw) = word.value else {
                if !bare.is_empty() {
                    bare.push(' ');
                }
                bare.push_str(&super::lossy(word.key));
                continue;
            };
            let name = super::lossy(word.key);
            if found.time_key.holds(&name) {
                continue;
            }
            if found.level_key.holds(&name) {
                parsed.severity_text = Some(pairs::text(raw).as_ref().into());
                continue;
            }
            parsed.fields.push((name.as_ref().into(), pairs::value(raw)));
        }
        let message = keys::take_message(&mut parsed.fields).map(|(_, m)| m);
        let flags = || bare.split(' ').filter(|word| !word.is_empty());
        // Beside a message a word without a value is a flag; else the words are the message.
        if message.is_some() && flags().all(|word| pairs::is_key(word.as_bytes())) {
            let flags = flags().map(|word| (word.into(), serde_json::Value::Bool(true)));
            parsed.fields.extend(flags.collect::<Vec<_>>());
            bare.clear();
        }
        parsed.message = message.unwrap_or_default();
        if !bare.is_empty() {
            if !parsed.message.is_empty() {
                parsed.message.push(' ');
            }
            parsed.message.push_str(&bare);
        }
        parsed.message.push_str(&super::lossy(&record[first_end..]));
        enrich::finish(&mut parsed);
        Some(parsed)
    }
}

/// The head of a line that begins with a time and a level under their best names, as most writers begin it: what [`found`]
/// would say, without cutting words.
#[inline]
fn quick(line: &[u8], cx: &Context) -> Option<Head> {
    let rest = line.strip_prefix(b"time=").or_else(|| line.strip_prefix(b"ts="))?;
    let value = &rest[..memchr::memchr(b' ', &rest[..rest.len().min(48)])?];
    // Nothing of the value is left over, so there is no blank of another kind in it.
    let stamp = time::stamp(value, cx).filter(|s| s.len == value.len())?;
    let level = rest[value.len() + 1..].strip_prefix(b"level=")?;
    let len = level.iter().take(16).position(|c| !c.is_ascii_alphabetic()).filter(|len| level[*len] == b' ')?;
    let severity = Some(words::telling(&level[..len])?);
    Some(Head { time: Some(stamp.time), inferred: stamp.inferred, severity })
}

/// Words that are looked at for the head.
const MOST: usize = 64;

/// A line is logfmt when it begins with a pair and more than half of its words are pairs, at least two of them; or when
/// it begins with the time or the level.
fn found<'a>(line: &'a [u8], cx: &Context) -> Option<Found<'a>> {
    if !matches!(line.first()?, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'@') {
        return None;
    }
    let mut found = Found::new();
    let (mut pairs, mut bare) = (0, 0);
    for word in Words::new(line, 0).take(MOST) {
        let Some(raw) = word.value else {
            bare += 1;
            if pairs == 0 {
                return None;
            }
            continue;
        };
        if pairs == 0 && !pairs::is_key(word.key) {
            return None;
        }
        pairs += 1;
        let text = super::scan::unquoted(raw);
        found.take(word.key, text, cx);
        // Heroku's router names its level so
        if word.key == b"at"
            && found.wants_level(1)
            && let Some(severity) = words::telling(text)
        {
            found.level(word.key, text, 1, severity);
        }
        if found.complete() {
            return Some(found);
        }
    }
    if found.head.severity.is_none() {
        found.head.severity = found.status_severity();
    }
    (pairs >= 2 && pairs > bare || pairs == 1 && bare == 0 && found.telling()).then_some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::cx;
    use super::*;

    #[test]
    fn a_word_without_a_value_beside_a_message_is_a_flag_and_does_not_touch_the_message() {
        let line = br#"time=2026-11-20T14:02:31Z level=info msg="job \"x=0\" done" flag"#;
        let parsed = Logfmt.parse(line, &cx()).unwrap();
        assert_eq!(parsed.message, r#"job "x=0" done"#);
        assert_eq!(parsed.fields, [("flag".into(), serde_json::Value::Bool(true))]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_quick_look_at_a_head_says_what_the_whole_look_says(
            key in prop::sample::select(vec!["time=", "ts=", "time=\"", "t="]),
            stamp in prop::sample::select(vec![
                "2026-11-20T14:02:31.123456Z", "2026-11-20T14:02:31", "2026-11-20T14:02:31,5+02:00", "1795183351.25",
                "2026-11-20T14:02:61Z", "14:02:31", "20/Nov/2026:14:02:31", "x", "",
            ]),
            between in prop::sample::select(vec![" ", "\" ", "\t", " +0200 ", "  ", "\n", " UTC "]),
            level in "(level|lvl)=\"?(info|WARN|fatal|inf|x|error2|exception|5)\"?",
            rest in "[ \t\r\n]?( at=warn| level=error| a=1)?",
        ) {
            let line = format!("{key}{stamp}{between}{level}{rest}");
            if let Some(head) = quick(line.as_bytes(), &cx()) {
                prop_assert_eq!(Some(head), found(line.as_bytes(), &cx()).map(|f| f.head), "{:?}", line);
            }
        }
    }
}
