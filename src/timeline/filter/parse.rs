//! Reads the filter language. Every error says where, and what to write.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::compare::Value;
use super::{Clock, FilterError, Op, Part, Pattern, Request, Term, Test, Words};
use crate::timeline::request_id::is_id_key;
use crate::timeline::{RequestId, Severity, Ts, time_text};

/// Longest filter and deepest nesting that are read.
const LONGEST: usize = 16 * 1024;
const DEEPEST: u32 = 16;
/// Most memory that one regular expression may take, compiled.
const REGEX_SIZE: usize = 1 << 20;

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    clock: Option<Clock<'a>>,
}

type Parsed<T> = Result<T, FilterError>;

/// What stands between a field and its value.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Sign {
    Compare(Op),
    Matches,
    NotMatches,
}

/// A piece of a value: its text, and whether it was quoted.
struct Piece {
    text: String,
    quoted: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, clock: Option<Clock<'a>>) -> Parser<'a> {
        Parser { text, at: 0, depth: 0, clock }
    }

    pub(super) fn filter(mut self) -> Parsed<Vec<Term>> {
        if self.text.len() > LONGEST {
            return self.fail(0, format!("the filter is longer than {LONGEST} bytes"));
        }
        let mut lists = self.lists()?;
        if self.peek() == Some(')') {
            return self.fail(self.at, "this `)` closes nothing; quote it to look for it: \")\"");
        }
        Ok(if lists.len() == 1 { lists.swap_remove(0) } else { vec![Term { negated: false, test: Test::Any(lists) }] })
    }

    fn fail<T>(&self, at: usize, message: impl Into<String>) -> Parsed<T> {
        let column = self.text.get(..at).map_or(1, |before| before.chars().count() + 1);
        Err(FilterError { message: message.into(), column })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Whether a term may end here.
    fn ends(&self, c: Option<char>) -> bool {
        c.is_none_or(|c| c.is_whitespace() || (c == ')' && self.depth > 0))
    }

    /// Takes a word in capitals that stands alone.
    fn keyword(&mut self, word: &str) -> bool {
        let is_here = self.rest().strip_prefix(word).is_some_and(|r| self.ends(r.chars().next()));
        if is_here {
            self.at += word.len();
        }
        is_here
    }

    /// Lists of terms parted by OR, up to the end or an unmatched `)`.
    fn lists(&mut self) -> Parsed<Vec<Vec<Term>>> {
        let mut lists = vec![Vec::new()];
        loop {
            self.skip_blanks();
            let start = self.at;
            if self.peek().is_none() || self.peek() == Some(')') {
                break;
            }
            if self.keyword("OR") {
                if lists.last().is_none_or(Vec::is_empty) {
                    return self.fail(start, "OR needs a term on both sides; to look for the word write \"OR\"");
                }
                lists.push(Vec::new());
            } else if self.keyword("AND") {
                // Terms side by side mean that already.
            } else {
                let term = self.term()?;
                if let Some(list) = lists.last_mut() {
                    list.push(term);
                }
            }
        }
        if lists.len() > 1 && lists.last().is_none_or(Vec::is_empty) {
            return self.fail(self.at, "OR needs a term on both sides; to look for the word write \"OR\"");
        }
        Ok(lists)
    }

    fn term(&mut self) -> Parsed<Term> {
        let start = self.at;
        let mut negated = false;
        loop {
            if self.peek() == Some('-') {
                self.at += 1;
            } else if self.keyword("NOT") {
                self.skip_blanks();
            } else {
                break;
            }
            negated = !negated;
        }
        if self.ends(self.peek()) {
            return self.fail(start, "`-` stands before what must not be there: -health; to look for it write \"-\"");
        }
        let (test, is_not) = self.test()?;
        Ok(Term { negated: negated != is_not, test })
    }

    /// A test, and whether its operator negates it.
    fn test(&mut self) -> Parsed<(Test, bool)> {
        match self.peek() {
            Some('(') => return Ok((self.group()?, false)),
            Some('/') => {
                if let Some(pattern) = self.pattern()? {
                    return Ok((Test::Pattern(pattern), false));
                }
            }
            Some('=' | '>' | '<' | '~' | '≥' | '≤' | '≠') => {
                return self.fail(self.at, "a comparison needs a field before it: status>=500");
            }
            _ => {}
        }
        if let Some((name, sign, length)) = self.field_and_sign() {
            let at = self.at;
            self.at += length;
            return self.comparison(name, sign, at);
        }
        let at = self.at;
        let pieces = self.pieces()?;
        if let [Piece { text, quoted: false }] = pieces.as_slice()
            && RequestId::has_shape(text)
            && let Some(id) = RequestId::parse_typed(text)
        {
            return Ok((Test::Request(vec![Request::new(id)]), false));
        }
        let words: Vec<String> = pieces.into_iter().map(|p| p.text).collect();
        if words.iter().any(String::is_empty) {
            return self.fail(at, "an empty text is in every record; write a word, or \"|\" to look for the sign");
        }
        Ok((self.words(words, at)?, false))
    }

    fn words(&self, words: Vec<String>, at: usize) -> Parsed<Test> {
        let source: Vec<String> = words.iter().map(|w| regex::escape(w)).collect();
        let ascii = words.iter().all(|w| w.is_ascii());
        match RegexBuilder::new(&source.join("|")).case_insensitive(true).unicode(!ascii).size_limit(REGEX_SIZE).build()
        {
            Ok(regex) => Ok(Test::Text(Words { words, regex: Arc::new(regex) })),
            Err(_) => self.fail(at, "this text is too long to look for"),
        }
    }

    fn group(&mut self) -> Parsed<Test> {
        let start = self.at;
        if self.depth >= DEEPEST {
            return self.fail(start, format!("groups may be nested {DEEPEST} deep"));
        }
        self.at += 1;
        self.depth += 1;
        let lists = self.lists()?;
        self.depth -= 1;
        if self.peek() != Some(')') {
            return self.fail(start, "this `(` is not closed; to look for it write \"(\"");
        }
        self.at += 1;
        if lists.iter().all(Vec::is_empty) {
            return self.fail(start, "an empty group; write (a OR b), or \"()\" to look for the signs");
        }
        Ok(Test::Any(lists))
    }

    /// `/…/` or `/…/i`; `None` when it is a path. A pattern ends at the first `/` behind which a term may end; what holds
    /// further slashes before a blank is a path.
    fn pattern(&mut self) -> Parsed<Option<Pattern>> {
        let start = self.at;
        let body = start + 1;
        let (mut escaped, mut slashes, mut blanks) = (false, false, false);
        for (i, c) in self.text[body..].char_indices() {
            let here = body + i;
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '/' => {
                    let after = &self.text[here + 1..];
                    let any_case = after.starts_with('i') && self.ends(after.chars().nth(1));
                    if here > body && (any_case || self.ends(after.chars().next())) {
                        self.at = here + 1 + usize::from(any_case);
                        let source = unescape_slashes(&self.text[body..here]);
                        return self.compile(source, any_case, start).map(Some);
                    }
                    slashes = true;
                    if blanks {
                        break;
                    }
                }
                c if c.is_whitespace() => {
                    blanks = true;
                    if slashes {
                        break;
                    }
                }
                _ => {}
            }
        }
        self.at = start;
        Ok(None)
    }

    fn compile(&self, source: String, any_case: bool, at: usize) -> Parsed<Pattern> {
        match regex(&source, any_case) {
            Ok(regex) => {
                let part = Part::new(&source, any_case);
                Ok(Pattern { source, any_case, regex: Arc::new(regex), part })
            }
            Err(e) => {
                // The last line of the message is the reason; the rest draws the pattern.
                let whole = e.to_string();
                let why = whole.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.fail(
                    at,
                    format!("the regular expression /{source}/ does not hold: {why}; quote it to look for the text"),
                )
            }
        }
    }

    /// The name and the sign at the start of a comparison, and their length.
    fn field_and_sign(&self) -> Option<(&'a str, Sign, usize)> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-@/".contains(c)))?;
        let name = &rest[..end];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@')
            || name.ends_with(['-', '/', '.'])
        {
            return None;
        }
        const SIGNS: [(&str, Sign); 13] = [
            (">=", Sign::Compare(Op::MoreEqual)),
            ("<=", Sign::Compare(Op::LessEqual)),
            ("!=", Sign::Compare(Op::NotEqual)),
            ("!~", Sign::NotMatches),
            ("=~", Sign::Matches),
            ("==", Sign::Compare(Op::Equal)),
            ("≥", Sign::Compare(Op::MoreEqual)),
            ("≤", Sign::Compare(Op::LessEqual)),
            ("≠", Sign::Compare(Op::NotEqual)),
            ("=", Sign::Compare(Op::Equal)),
            (">", Sign::Compare(Op::More)),
            ("<", Sign::Compare(Op::Less)),
            ("~", Sign::Matches),
        ];
        let (text, sign) = SIGNS.iter().find(|(text, _)| rest[end..].starts_with(text))?;
        Some((name, *sign, end + text.len()))
    }

    fn comparison(&mut self, name: &'a str, sign: Sign, start: usize) -> Parsed<(Test, bool)> {
        let at = self.at;
        if self.ends(self.peek()) {
            return self.fail(
                at,
                format!("`{name}` is compared with nothing; write a value behind it, or \"\" for an empty one"),
            );
        }
        let is_severity = ["level", "severity", "lvl"].iter().any(|n| name.eq_ignore_ascii_case(n));
        let is_request = is_id_key(name);
        let op = match sign {
            Sign::Compare(op) => op,
            _ if is_severity => return self.fail(start, "severity takes = != > >= < <=: level>=warn"),
            _ if is_request => return self.not_for_requests(name, start),
            _ => return Ok((self.field_pattern(name, at)?, sign == Sign::NotMatches)),
        };
        if op == Op::Equal && matches!(self.peek(), Some('>' | '<' | '≥' | '≤')) {
            let rest = self.raw_word();
            return self.fail(at, format!("two comparisons in a row; write {name}{rest}, or quote the value"));
        }
        if is_request && !matches!(op, Op::Equal | Op::NotEqual) {
            return self.not_for_requests(name, start);
        }
        let values: Vec<String> = self.pieces()?.into_iter().map(|p| p.text).collect();
        if is_severity {
            return Ok((self.severity(op, &values, at)?, false));
        }
        if is_request {
            return Ok((self.request(&values, at)?, op == Op::NotEqual));
        }
        let is_order = !matches!(op, Op::Equal | Op::NotEqual);
        if is_order && values.len() > 1 {
            return self.fail(at, "one value only behind < and >; for several write (a>1 OR b>2)");
        }
        if name.eq_ignore_ascii_case("time")
            && let [one] = values.as_slice()
            && let Some(test) = self.time(op, one, at)?
        {
            return Ok((test, false));
        }
        let values = values.into_iter().map(Value::new).collect();
        Ok((Test::Field { name: name.to_owned(), op, values }, false))
    }

    /// A comparison with a time, or `FROM..TO`. `None` is a field of that name that holds no such thing: it is compared
    /// like any other.
    fn time(&self, op: Op, value: &str, at: usize) -> Parsed<Option<Test>> {
        let is_order = !matches!(op, Op::Equal | Op::NotEqual);
        let one = |text: &str| {
            if let Ok(t) = text.parse::<jiff::Timestamp>() {
                return Ok(Ts::from_jiff(t));
            }
            match self.clock {
                Some(clock) => time_text::parse_near(text, clock.now, clock.zone),
                None => Err(format!("`{text}` is no time; write RFC 3339: 2026-11-20T14:02:00Z")),
            }
        };
        if op == Op::Equal
            && let Some((from, to)) = value.split_once("..")
        {
            let from = one(from).or_else(|why| self.fail(at, why))?;
            let to = one(to).or_else(|why| self.fail(at, why))?;
            let term = |op, at| Term { negated: false, test: Test::Time { op, at } };
            return Ok(Some(Test::Any(vec![vec![term(Op::MoreEqual, from), term(Op::Less, to)]])));
        }
        match one(value) {
            Ok(t) => Ok(Some(Test::Time { op, at: t })),
            Err(why) if is_order => self.fail(at, why),
            Err(_) => Ok(None),
        }
    }

    fn field_pattern(&mut self, name: &str, at: usize) -> Parsed<Test> {
        let pattern = if self.peek() == Some('/') { self.pattern()? } else { None };
        let pattern = match pattern {
            Some(p) => p,
            None => {
                let source = if self.peek() == Some('"') { self.quoted()? } else { self.raw_word() };
                self.compile(source, false, at)?
            }
        };
        if !self.ends(self.peek()) {
            return self.fail(self.at, "a blank is missing behind the pattern");
        }
        Ok(Test::FieldPattern { name: name.to_owned(), pattern })
    }

    fn not_for_requests<T>(&self, name: &str, at: usize) -> Parsed<T> {
        self.fail(at, format!("`{name}` takes = or !=: {name}=7f3a…; the ID is looked for in the whole record"))
    }

    fn severity(&self, op: Op, values: &[String], at: usize) -> Parsed<Test> {
        let mut out = Vec::new();
        for v in values {
            match v.parse::<Severity>() {
                Ok(s) => out.push(Some(s)),
                Err(()) if v.eq_ignore_ascii_case("none") => out.push(None),
                Err(()) => {
                    return self.fail(
                        at,
                        format!("`{v}` is no severity; there are trace, debug, info, warn, error, fatal and none"),
                    );
                }
            }
        }
        Ok(Test::Severity { op, values: out })
    }

    fn request(&self, values: &[String], at: usize) -> Parsed<Test> {
        let mut out = Vec::new();
        for v in values {
            match RequestId::parse_typed(v) {
                Some(id) => out.push(Request::new(id)),
                None => {
                    return self.fail(at, format!("`{v}` is no request ID; write letters and digits without blanks"));
                }
            }
        }
        Ok(Test::Request(out))
    }

    /// Values parted by `|`, each bare or quoted.
    fn pieces(&mut self) -> Parsed<Vec<Piece>> {
        let mut pieces = Vec::new();
        loop {
            let quoted = self.peek() == Some('"');
            let text = if quoted { self.quoted()? } else { self.word() };
            pieces.push(Piece { text, quoted });
            match self.peek() {
                Some('|') => self.at += 1,
                c if self.ends(c) => return Ok(pieces),
                _ => return self.fail(self.at, "a blank is missing behind the closing quote"),
            }
        }
    }

    /// A bare word, up to a blank or `|`.
    fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.char_indices().find(|&(_, c)| c == '|' || self.ends(Some(c))).map_or(rest.len(), |(i, _)| i);
        self.at += end;
        rest[..end].to_owned()
    }

    /// A bare word, up to a blank.
    fn raw_word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        // In a group a `)` that closes nothing in the word itself closes the group.
        let end = match rest[..end].rfind(|c| c != ')') {
            Some(_) if self.depth > 0 => {
                let word = &rest[..end];
                let mut open = 0i32;
                word.char_indices()
                    .find(|&(_, c)| {
                        open += i32::from(c == '(') - i32::from(c == ')');
                        open < 0
                    })
                    .map_or(end, |(i, _)| i)
            }
            _ => end,
        };
        self.at += end;
        rest[..end].to_owned()
    }

    fn quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + 1 + i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, c @ ('"' | '\\'))) => out.push(c),
                    Some((_, c)) => {
                        out.push('\\');
                        out.push(c);
                    }
                    None => break,
                },
                c => out.push(c),
            }
        }
        self.fail(start, "this quote is not closed; write \\\" to look for a quote")
    }
}

/// A pattern without the backslashes that only kept its slashes from ending it.
fn unescape_slashes(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('/') => out.push('/'),
            Some(next) => out.extend(['\\', next]),
            None => out.push('\\'),
        }
    }
    out
}

/// Compiles a regular expression of a filter, bounded in memory.
fn regex(source: &str, any_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source).case_insensitive(any_case).size_limit(REGEX_SIZE).dfa_size_limit(REGEX_SIZE).build()
}
