//! Reads the filter language. Every error says where, and what to write.

mod pattern;
mod words;

use std::sync::Arc;

use regex::bytes::RegexBuilder;

use self::pattern::REGEX_SIZE;
use super::compare::Value;
use super::{Clock, FilterError, Op, Request, Term, Test, Words, field, mistakes};
use crate::timeline::request_id::is_id_key;
use crate::timeline::{RequestId, Severity, Ts, time_text};

/// Longest filter and deepest nesting that are read.
const LONGEST: usize = 16 * 1024;
const DEEPEST: u32 = 16;

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
                self.foreign_word(start, lists.last().and_then(|list| list.last()))?;
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

    /// Refuses `or`, `and`, `not` beside a comparison, and `status IN (500,503)`: as text they would find nothing.
    fn foreign_word(&mut self, start: usize, before: Option<&Term>) -> Parsed<()> {
        let rest = self.rest();
        let word = &rest[..rest.find(|c| self.ends(Some(c))).unwrap_or(rest.len())];
        let next = rest[word.len()..].trim_start();
        let compares = |at: usize| Parser { at, ..Parser::new(self.text, None) }.field_and_sign().is_some();
        let behind = compares(self.text.len() - next.len());
        let beside = behind || before.is_some_and(|t| !matches!(t.test, Test::Text(_) | Test::Pattern(_)));
        let message = match word {
            "or" | "Or" if beside => "write OR in capitals; quoted \"or\" is a text",
            "and" | "And" if beside => {
                "terms side by side must all hold; write AND, or quote \"and\" to look for the text"
            }
            "not" | "Not" if behind => "write - or NOT before what must not be; quoted \"not\" is a text",
            "in" | "In" | "IN" if next.starts_with('(') => match before.map(|t| &t.test) {
                Some(Test::Text(w)) if word == "IN" || w.words.iter().all(|w| field::is_known(w)) => {
                    let name = w.words.first().map_or("status", String::as_str);
                    return self.fail(start, format!("there is no IN; write {name}=A|B for one value or the other"));
                }
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        self.fail(start, message)
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
                let rest = &self.rest()[1..];
                let word = rest.split_whitespace().next().unwrap_or_default();
                if !rest.contains('/') && word.contains(['(', '[', '{', '*', '+', '?', '^', '$', '\\']) {
                    let why = "this regular expression is not closed: write /…/, or quote it to look for the text";
                    return self.fail(self.at, why);
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
        self.no_apostrophes(&pieces, at)?;
        if let Some(why) = pieces.iter().filter(|p| !p.quoted).find_map(|p| mistakes::word(&p.text)) {
            return self.fail(at, why);
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
        let pieces = self.pieces()?;
        self.no_apostrophes(&pieces, at)?;
        if matches!(op, Op::Equal | Op::NotEqual)
            && let Some(why) = pieces.iter().filter(|p| !p.quoted).find_map(|p| mistakes::value(name, &p.text))
        {
            return self.fail(at, why);
        }
        let values: Vec<String> = pieces.into_iter().map(|p| p.text).collect();
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
        let values: Vec<Value> = values.into_iter().map(Value::new).collect();
        if is_order
            && field::is_number(name)
            && let Some(v) = values.iter().find(|v| !v.is_number())
        {
            let example = if name.contains("status") { "status>=500" } else { "duration>500ms" };
            return self.fail(at, format!("`{}` is no number; write a number: {example}", v.text));
        }
        Ok((Test::Field { name: name.to_owned(), op, values }, false))
    }

    /// Refuses texts in apostrophes: they would be looked for with them.
    fn no_apostrophes(&self, pieces: &[Piece], at: usize) -> Parsed<()> {
        let wrong = |p: &&Piece| !p.quoted && mistakes::apostrophes(&p.text, self.rest());
        match pieces.iter().find(wrong) {
            Some(p) => {
                let (inner, more) = (p.text.trim_matches('\''), if p.text.ends_with('\'') { "" } else { "…" });
                self.fail(at, format!("texts are quoted with \", not with an apostrophe: \"{inner}{more}\""))
            }
            None => Ok(()),
        }
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
}
