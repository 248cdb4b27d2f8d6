//! Where time stamp, level and message stand in a line of free text.
//!
//! One pass over the first words; no word is looked at twice. Prose must not be taken for a level: the further right a
//! word stands, the more it must look like one.

use std::ops::Range;

use super::{Context, stack, time, words};
use crate::timeline::Severity;

/// Positions in one line.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    pub stamp: Option<time::Stamp>,
    pub severity: Option<Severity>,
    /// The level as written; empty when there is none.
    pub level: Range<usize>,
    /// What stands before the time and is no level.
    pub before: Range<usize>,
    /// What stands between time and level.
    pub between: Range<usize>,
    /// Where the rest begins.
    pub message: usize,
}

impl Layout {
    /// Whether nothing stands between time and level.
    pub fn spare(&self) -> bool {
        self.between.is_empty()
    }
}

/// After the colour sequence at `at`, if there is one.
pub(super) fn colour_end(b: &[u8], at: usize) -> Option<usize> {
    if b.get(at) != Some(&0x1b) || b.get(at + 1) != Some(&b'[') {
        return None;
    }
    let params = b[at + 2..].iter().take(24).take_while(|c| c.is_ascii_digit() || matches!(c, b';' | b':')).count();
    (b.get(at + 2 + params) == Some(&b'm')).then_some(at + 3 + params)
}

/// Steps over one colour.
fn after_colour(b: &[u8], at: usize) -> usize {
    colour_end(b, at).unwrap_or(at)
}

/// Steps over blanks and colours.
#[inline]
fn blanks(b: &[u8], mut at: usize) -> usize {
    loop {
        match b.get(at) {
            Some(b' ' | b'\t') => at += 1,
            Some(0x1b) => match colour_end(b, at) {
                Some(end) => at = end,
                None => return at,
            },
            _ => return at,
        }
    }
}

/// How long the word at `at` is: letters, digits and what names hold.
fn word_len(b: &[u8], at: usize) -> usize {
    b.get(at..).map_or(0, |r| {
        r.iter()
            .take(100)
            .take_while(|c| {
                c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-' | b'/' | b'$' | b'@' | b'#' | b'+')
            })
            .count()
    })
}

fn closer(open: u8) -> u8 {
    match open {
        b'[' => b']',
        b'(' => b')',
        b'<' => b'>',
        b'{' => b'}',
        b'*' => b'*',
        _ => b'|',
    }
}

/// Words that may stand before a time stamp, such as the service that `docker compose` puts there.
const BEFORE: usize = 3;

/// Time, level and message; `None` where neither a time nor a telling level begins the line.
#[inline]
pub(super) fn layout(b: &[u8], cx: &Context) -> Option<Layout> {
    let start = blanks(b, 0);
    if start > 2 && b[0] != 0x1b {
        return None;
    }
    let first = *b.get(start)?;
    if first.is_ascii_digit()
        && let Some(stamp) = time::stamp(&b[start..], cx)
    {
        return Some(after_stamp(b, start, stamp, Layout::default()));
    }
    if !(first.is_ascii_alphanumeric() || matches!(first, b'[' | b'(' | b'<' | b'|' | b'#' | b'=')) {
        return None;
    }
    if first == b'<'
        && b.get(start + 2) == Some(&b'>')
        && let Some(n @ b'0'..=b'7') = b.get(start + 1)
    {
        // the prefix that systemd takes off what services print
        let l = Layout { message: start + 3, between: start + 3..start + 3, ..Layout::default() };
        return Some(Layout { severity: Some(Severity::from_syslog(n - b'0')), level: start + 1..start + 2, ..l });
    }
    if first == b'=' {
        return erlang_report(b, start, cx);
    }
    if first.is_ascii_uppercase() {
        if let Some(stamp) = time::klog(&b[start..], cx) {
            // `   1234 file.go:12] message`
            let end = start + stamp.len;
            let bracket = memchr::memmem::find(&b[end..b.len().min(end + 160)], b"] ");
            return Some(Layout {
                stamp: Some(stamp),
                severity: words::letter(first),
                level: start..start + 1,
                before: start..start,
                between: end..bracket.map_or(end, |i| end + i),
                message: bracket.map_or(end, |i| end + i + 2),
            });
        }
        if let Some(stamp) = time::stamp(&b[start..], cx) {
            return Some(after_stamp(b, start, stamp, Layout::default()));
        }
    }
    before_stamp(b, start, cx)
}

/// `=ERROR REPORT==== 20-Nov-2026::14:02:35 ===` of Erlang's older releases.
fn erlang_report(b: &[u8], start: usize, cx: &Context) -> Option<Layout> {
    let len = word_len(b, start + 1);
    let level = start + 1..start + 1 + len;
    let severity = words::telling(&b[level.clone()])?;
    let rest = b.get(level.end..)?.strip_prefix(b" REPORT==== ")?;
    let at = b.len() - rest.len();
    let stamp = time::stamp(rest, cx)?;
    let end = at + stamp.len;
    let message = end + b[end..].iter().take_while(|c| matches!(c, b' ' | b'=')).count();
    Some(Layout {
        stamp: Some(stamp),
        severity: Some(severity),
        level,
        before: start..start,
        between: end..end,
        message,
    })
}

/// The line begins with something that is no time: brackets, a level, the name of a service.
fn before_stamp(b: &[u8], start: usize, cx: &Context) -> Option<Layout> {
    if let Some(severity) = stack::crash(&b[start..]) {
        let message = start;
        return Some(Layout { severity: Some(severity), message, between: start..start, ..Layout::default() });
    }
    let mut l = Layout::default();
    let mut at = start;
    let mut without_time = None;
    let mut ruby = false;
    let mut bracketed = false;
    for index in 0..=BEFORE {
        at = blanks(b, at);
        let Some(&c) = b.get(at) else { break };
        let open = matches!(c, b'[' | b'(' | b'<' | b'|');
        let inside = if open { blanks(b, at + 1) } else { at };
        if let Some(stamp) = b.get(inside..).and_then(|r| time::stamp(r, cx))
            && (index > 0 || open)
            && stamp.len >= 8
        {
            if l.level.is_empty() && !ruby {
                l.before = start..at;
            }
            return Some(after_stamp(b, inside, stamp, l));
        }
        if c == b'#' {
            break;
        }
        // a bracket, or a word with what follows it
        let len = word_len(b, inside);
        let word = &b[inside..inside + len];
        let mut end = inside + len;
        let level = (l.level.is_empty() && len > 0).then(|| first_word(word)).flatten();
        let next = b.get(after_colour(b, end)).copied();
        if let Some(severity) = level {
            let closed = open && blanks(b, end) < b.len() && b[blanks(b, end)] == closer(c);
            let upper = word.iter().all(u8::is_ascii_uppercase);
            let logrus = next == Some(b'[') && upper;
            let plain = match next {
                Some(b':') => upper || word.iter().all(u8::is_ascii_lowercase),
                Some(b' ' | b'\t' | b'|' | 0x1b) | None => upper && len >= 4,
                _ => false,
            };
            if closed || logrus || plain && index == 0 || plain && !open {
                l.severity = Some(severity);
                l.level = inside..end;
                end = if closed { blanks(b, end) + 1 } else { end };
                if logrus {
                    // `INFO[0000] text` or `INFO[2026-11-20T…] text`
                    if let Some(stamp) = b.get(end + 1..).and_then(|r| time::stamp(r, cx)).filter(|s| s.len > 8) {
                        return Some(after_stamp(b, end + 1, stamp, l));
                    }
                    let digits = b[end + 1..].iter().take(8).take_while(|c| c.is_ascii_digit()).count();
                    if digits < 4 || b.get(end + 1 + digits) != Some(&b']') {
                        return None;
                    }
                    l.message = blanks(b, end + 2 + digits);
                    return Some(l);
                }
                let mut m = after_colour(b, end);
                while matches!(b.get(m), Some(b':' | b']' | b')' | b'|')) {
                    m += 1;
                }
                l.message = m;
                l.between = m..m;
                l.before = start..l.level.start.min(at);
                while b.get(m..m + 3) == Some(b" : ") {
                    m += 3;
                }
                l.message = m;
                // `INFO : text`, and `[main] INFO com.acme.Main - text`
                if index == 0 || index == 1 && bracketed {
                    without_time = Some(l.clone());
                }
                at = m;
                continue;
            }
        }
        if index == 0 && len == 1 && next == Some(b',') && !open {
            // Ruby: `E, [2026-11-20T14:02:31.123 #99] ERROR -- : text`; the letter says what the word says again
            at = end + 1;
            ruby = true;
            continue;
        }
        if open {
            let far = b.len().min(at + 64);
            let close = memchr::memchr(closer(c), &b[at + 1..far]);
            match close {
                Some(i) => at += i + 2,
                None => break,
            }
            bracketed = c == b'[';
            continue;
        }
        // `web-1  | 2026-…`, `app: 2026-…`, `1:M 20 Nov 2026 …`
        let after = blanks(b, end);
        match b.get(after) {
            Some(b'|') if len > 0 => at = after + 1,
            Some(b':') if len > 0 && after == end => {
                at = end + 1;
                if matches!(b.get(at), Some(b'A'..=b'Z')) && b.get(at + 1) == Some(&b' ') {
                    at += 1;
                }
            }
            Some(b'[' | b'-') if len > 0 && !l.level.is_empty() => at = after + usize::from(b[after] == b'-'),
            _ => break,
        }
    }
    without_time
}

/// A level at the very beginning; .NET's console writes `fail:` there.
fn first_word(word: &[u8]) -> Option<Severity> {
    if word == b"fail" { Some(Severity::Error) } else { words::telling(word) }
}

/// Words after the time that are looked at, and how many that are no level may stand in between.
const AFTER: usize = 9;
const PLAIN: usize = 3;

/// The stamp stands at `at`; looks for the level behind it, unless `l` has one already.
fn after_stamp(b: &[u8], at: usize, stamp: time::Stamp, mut l: Layout) -> Layout {
    l.stamp = Some(stamp);
    let mut end = at + stamp.len;
    if at > 0 && b[at - 1] == b'[' && b.get(end) == Some(&b' ') {
        end = zone_name(b, end);
    }
    if l.before.len() > 2
        && let Some(sign @ (b'*' | b'#' | b'-' | b'.')) = b.get(end + 1)
        && b.get(end + 2) == Some(&b' ')
    {
        // Redis marks its levels with one sign
        l.severity = Some(match sign {
            b'*' => Severity::Info,
            b'#' => Severity::Warn,
            _ => Severity::Debug,
        });
        (l.level, l.between, l.message) = (end + 1..end + 2, end..end, end + 3);
        return l;
    }
    let begin = punctuation(b, end);
    l.between = end..end;
    l.message = begin;
    let mut at = begin;
    let mut plain = 0;
    let mut numbers_only = true;
    let mut known = l.severity.is_some();
    if known && !repeats_level(b, begin) {
        return l;
    }
    if b.get(begin..begin + 4) == Some(b"PHP ") {
        l.severity = stack::crash(&b[begin..]);
        return l;
    }
    let mut pairs = false;
    for index in 0..AFTER {
        at = punctuation_inside(b, at);
        let Some(&c) = b.get(at) else { break };
        let open = matches!(c, b'[' | b'(' | b'<' | b'|' | b'*');
        let inside = if open { blanks(b, at + 1) } else { at };
        let len = word_len(b, inside);
        let word = &b[inside..inside + len];
        let next = b.get(inside + len).copied();
        if !open
            && next == Some(b':')
            && let Some(dot) = memchr::memrchr(b'.', word)
            && word[dot + 1..].iter().all(u8::is_ascii_uppercase)
            && let Some(severity) = words::telling(&word[dot + 1..])
        {
            // Monolog: `channel.LEVEL: text`
            l.severity = Some(severity);
            (l.level, l.between) = (inside + dot + 1..inside + len, end..inside + dot);
            l.message = punctuation(b, inside + len);
            return l;
        }
        if plain == 0
            && let Some(slash) = memchr::memchr(b'/', word)
            && word[..slash].iter().all(u8::is_ascii_uppercase)
            && let Some(severity) = match &word[..slash] {
                [letter] => words::letter(*letter),
                word => words::telling(word),
            }
        {
            // Celery: `ERROR/ForkPoolWorker-1] text`; Android: `E/Tag: text`
            l.severity = Some(severity);
            (l.level, l.between) = (inside..inside + slash, inside + slash + 1..inside + len);
            l.message = punctuation(b, inside + len);
            return l;
        }
        let follows = blanks(b, inside + len);
        let closed = open && b.get(follows) == Some(&closer(c));
        if pairs && !(closed || next == Some(b':') && word.iter().all(u8::is_ascii_uppercase)) && next != Some(b'=') {
            break;
        }
        let boxed = closed || at > end && preceded_by_bar(b, at) && b.get(follows) == Some(&b'|');
        // `E [9:main] text`
        let boxed = boxed || len == 1 && index == 0 && b[inside + 1..].starts_with(b" [");
        if let Some(severity) = level_at(word, boxed, next, plain, index, numbers_only) {
            l.severity = Some(severity);
            l.level = inside..inside + len;
            if !known {
                l.between = end..at.max(end);
            }
            l.message = punctuation(b, if closed { follows + 1 } else { inside + len });
            // `level=error` behind a stamp, and a key that is called like a level, are pairs
            if next == Some(b'=') {
                l = Layout { level: 0..0, severity: None, message: begin, between: end..end, ..l };
                break;
            }
            return l;
        }
        if next == Some(b'=') && !open {
            if matches!(word, b"level" | b"lvl" | b"severity") {
                let from = inside + len + 1;
                let from = from + usize::from(b.get(from) == Some(&b'"'));
                l.severity = words::severity(&b[from.min(b.len())..(from + word_len(b, from)).min(b.len())]);
                break;
            }
            // Sidekiq and Elixir write pairs before the level
            pairs = true;
            at = inside + len + 1;
            at += b[at..].iter().take(200).take_while(|c| !matches!(c, b' ' | b'"' | b'\n')).count();
            if matches!(b.get(at), Some(b' ')) {
                continue;
            }
            break;
        }
        known = false;
        if open {
            let far = b.len().min(at + 100);
            match memchr::memchr(closer(c), &b[at + 1..far]) {
                Some(i) => at += i + 2,
                None => break,
            }
            continue;
        }
        if len == 0 || matches!(c, b'"' | b'{') {
            break;
        }
        if !word.iter().all(u8::is_ascii_digit) {
            numbers_only = false;
            plain += 1;
            if plain > PLAIN {
                break;
            }
        }
        at = inside + len;
        // `a::b`, `x.py:12`, `host:port`: the rest of the word
        while matches!(b.get(at), Some(b':')) && b.get(at + 1).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b':')
        {
            if words::telling(&b[at + 1..at + 1 + word_len(b, at + 1)]).is_some() {
                break;
            }
            at += 1 + word_len(b, at + 1);
        }
    }
    l
}

/// After ` Europe/Berlin` before a closing bracket.
fn zone_name(b: &[u8], at: usize) -> usize {
    let len = b[at + 1..].iter().take(40).take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'/' | b'_')).count();
    let name = &b[at + 1..at + 1 + len];
    let fits = b.get(at + 1 + len) == Some(&b']') && memchr::memchr(b'/', name).is_some();
    if fits { at + 1 + len } else { at }
}

/// Whether a level that stood before the time stands behind it once more, as in Ruby's logger.
fn repeats_level(b: &[u8], at: usize) -> bool {
    let near = &b[at.min(b.len())..b.len().min(at + 24)];
    memchr::memmem::find(near, b" -- ").is_some()
}

fn preceded_by_bar(b: &[u8], at: usize) -> bool {
    b[..at].iter().rev().find(|c| **c != b' ') == Some(&b'|')
}

/// Whether a word is a level where it stands.
#[inline]
fn level_at(word: &[u8], boxed: bool, next: Option<u8>, plain: usize, index: usize, numbers: bool) -> Option<Severity> {
    if word.len() == 1 {
        let c = word[0];
        let ends = matches!(next, Some(b' ' | b'/'));
        return (boxed || ends && index > 0 && numbers || next == Some(b'/') && plain == 0)
            .then(|| words::letter(c))
            .flatten();
    }
    // the everyday words of MySQL, loguru and log4js
    if boxed && matches!(word, b"Note" | b"System" | b"SUCCESS" | b"MARK") {
        return Some(Severity::Info);
    }
    let severity = words::telling(word)?;
    let upper = word.iter().all(u8::is_ascii_uppercase);
    let ends = matches!(
        next,
        None | Some(b' ' | b'\t' | b':' | b']' | b')' | b'>' | b'|' | b',' | b'-' | b'\r' | 0x1b | b'[' | b'=' | b'/')
    );
    let fits = boxed || upper && ends || ends && (plain == 0 || next == Some(b':') && plain <= 1 && next != Some(b'-'));
    fits.then_some(severity)
}

/// Steps over what separates time, level and message: blanks, colours, closing brackets, dashes, bars, colons.
#[inline]
fn punctuation(b: &[u8], mut at: usize) -> usize {
    loop {
        at = blanks(b, at);
        match b.get(at) {
            Some(b']' | b')' | b'>' | b'|' | b':' | b',' | b'}') => at += 1,
            Some(b'-') if b.get(at + 1) == Some(&b' ') => at += 1,
            _ => return at,
        }
    }
}

/// As [`punctuation`], and over dashes that stand alone in any number.
#[inline]
fn punctuation_inside(b: &[u8], at: usize) -> usize {
    let mut at = punctuation(b, at);
    while b.get(at) == Some(&b'-') {
        let dashes = b[at..].iter().take(4).take_while(|c| **c == b'-').count();
        if b.get(at + dashes) != Some(&b' ') {
            return at;
        }
        at = punctuation(b, at + dashes);
    }
    at
}
