//! Tells statements of one shape: the same text but for literals, spaces, comments and the length of lists.
//!
//! A scanner of tokens, not a parser: it knows quotes (`''`, `E''`, `$tag$`, `""`, backticks), comments (`--`, nested
//! `/* */`), numbers and placeholders. Tags in comments (sqlcommenter, marginalia) are read before comments are dropped.
//! Reads at most [`LIMIT`] bytes, one pass, no backtracking.

use std::borrow::Cow;

use crate::timeline::RequestId;

/// Bytes of a statement that are looked at.
pub const LIMIT: usize = 10_240;

/// The shape of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// 64-bit hash of `shape`.
    pub hash: u64,
    /// The statement with `?` for every literal and one space between tokens.
    pub shape: String,
    /// Tags out of comments, name and value, in order of appearance.
    pub tags: Vec<(String, String)>,
}

impl Fingerprint {
    /// The request that the tags name, if they do: `request_id`, `x_request_id`, `correlation_id`, `trace_id`, or the
    /// trace part of a `traceparent`.
    pub fn request_id(&self) -> Option<RequestId> {
        let find = |names: &[&str]| {
            self.tags.iter().find(|(k, v)| !v.is_empty() && names.iter().any(|n| k.eq_ignore_ascii_case(n)))
        };
        if let Some((_, v)) = find(&["request_id", "x_request_id", "x-request-id", "correlation_id", "trace_id"]) {
            return Some(RequestId(v.as_str().into()));
        }
        let (_, parent) = find(&["traceparent"])?;
        let trace = parent.split('-').nth(1).unwrap_or(parent);
        Some(RequestId(trace.into()))
    }
}

/// The shape of `sql`.
pub fn fingerprint(sql: &str) -> Fingerprint {
    let mut out = Scan::new(sql);
    out.run();
    let mut shape = out.shape;
    while shape.ends_with([';', ' ']) {
        shape.pop();
    }
    Fingerprint { hash: hash(shape.as_bytes()), shape, tags: out.tags }
}

/// FNV-1a with a final mix; the same on every machine and in every version, because recordings hold it.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325u64;
    for &b in bytes {
        h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    h ^= h >> 32;
    h = h.wrapping_mul(0xd6e8_feb8_6659_fd93);
    h ^ (h >> 32)
}

struct Scan<'a> {
    sql: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Names stand in backticks, so what stands in double quotes is text.
    mysql: bool,
    shape: String,
    tags: Vec<(String, String)>,
}

impl<'a> Scan<'a> {
    fn new(sql: &'a str) -> Scan<'a> {
        let mut end = sql.len().min(LIMIT);
        while !sql.is_char_boundary(end) {
            end -= 1;
        }
        let sql = &sql[..end];
        Scan {
            sql,
            bytes: sql.as_bytes(),
            at: 0,
            mysql: memchr::memchr(b'`', sql.as_bytes()).is_some(),
            shape: String::with_capacity(end.min(512)),
            tags: Vec::new(),
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) {
        while self.at < self.bytes.len() {
            let b = self.bytes[self.at];
            match b {
                _ if b.is_ascii_whitespace() => self.at += 1,
                b'-' if self.peek(1) == b'-' => self.line_comment(),
                b'/' if self.peek(1) == b'*' => self.block_comment(),
                // MySQL's comment; `#>` and the like are PostgreSQL's operators.
                b'#' if self.shape.is_empty() || self.peek(1) == b' ' => self.line_comment(),
                b'\'' => {
                    self.quoted(b'\'', false);
                    self.literal();
                }
                b'"' if self.mysql => {
                    self.quoted(b'"', true);
                    self.literal();
                }
                b'"' | b'`' => {
                    let start = self.at;
                    self.quoted(b, false);
                    let name = self.sql[start..self.at].trim_matches(b as char).to_owned();
                    self.word(&name);
                }
                b'$' => self.dollar(),
                b'?' => {
                    self.at += 1;
                    self.literal();
                }
                b':' if self.peek(1).is_ascii_alphabetic()
                    && self.bytes.get(self.at.wrapping_sub(1)) != Some(&b':') =>
                {
                    self.at += 1;
                    self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
                    self.literal();
                }
                b'0'..=b'9' => self.number(),
                b'.' if self.peek(1).is_ascii_digit() && !self.shape.ends_with(|c: char| c.is_alphanumeric()) => {
                    self.number();
                }
                _ if b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 => self.identifier(),
                _ => self.symbol(b),
            }
        }
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.at < self.bytes.len() && keep(self.bytes[self.at]) {
            self.at += 1;
        }
        self.sql.get(start..self.at).unwrap_or_default()
    }

    fn identifier(&mut self) {
        let b = self.bytes[self.at];
        if matches!(b, b'e' | b'E' | b'x' | b'X' | b'b' | b'B' | b'n' | b'N') && self.peek(1) == b'\'' {
            self.at += 1;
            self.quoted(b'\'', matches!(b, b'e' | b'E'));
            return self.literal();
        }
        let word = self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80);
        let is_value =
            matches!(word.len(), 4 | 5) && ["null", "true", "false"].iter().any(|v| word.eq_ignore_ascii_case(v));
        if is_value && !self.shape.ends_with(" is") && !self.shape.ends_with(" not") {
            self.literal();
        } else if word.is_ascii() {
            let at = self.word(word);
            self.shape[at..].make_ascii_lowercase();
        } else {
            self.word(&word.to_lowercase());
        }
    }

    fn number(&mut self) {
        self.take_while(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
        if matches!(self.bytes.get(self.at - 1), Some(b'e' | b'E')) && matches!(self.peek(0), b'+' | b'-') {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
        }
        self.literal();
    }

    /// Skips a quoted piece; the quote doubled (or, with `escapes`, after a backslash) does not end it.
    /// Where it is not known whether backslashes escape (MySQL: yes, PostgreSQL: no), `\'` before a letter does, and then
    /// all of that piece do.
    fn quoted(&mut self, quote: u8, mut escapes: bool) {
        self.at += 1;
        while self.at < self.bytes.len() {
            let b = self.bytes[self.at];
            if b == b'\\' && quote == b'\'' && self.peek(1) == quote && self.peek(2).is_ascii_alphanumeric() {
                escapes = true;
            }
            if escapes && b == b'\\' {
                self.at = (self.at + 2).min(self.bytes.len());
            } else if b == quote {
                self.at += 1;
                if self.peek(0) != quote {
                    return;
                }
                self.at += 1;
            } else {
                self.at += 1;
            }
        }
    }

    /// `$1`, or `$tag$ … $tag$`.
    fn dollar(&mut self) {
        let start = self.at;
        self.at += 1;
        let tag = self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80);
        if tag.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            return self.literal();
        }
        if self.peek(0) != b'$' {
            return self.symbol_text("$");
        }
        self.at += 1;
        let fence = &self.bytes[start..self.at];
        self.at =
            memchr::memmem::find(&self.bytes[self.at..], fence).map_or(self.bytes.len(), |i| self.at + i + fence.len());
        self.literal();
    }

    fn line_comment(&mut self) {
        let start = self.at;
        self.at = memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |i| start + i);
        let text = self.sql.get(start..self.at).unwrap_or_default();
        self.read_tags(text.trim_start_matches(['-', '#']));
    }

    fn block_comment(&mut self) {
        let start = self.at + 2;
        self.at = start;
        let mut depth = 1;
        while self.at < self.bytes.len() {
            match (self.bytes[self.at], self.peek(1)) {
                (b'*', b'/') => {
                    self.at += 2;
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                (b'/', b'*') => {
                    self.at += 2;
                    depth += 1;
                }
                _ => self.at += 1,
            }
        }
        let end = if depth == 0 { self.at - 2 } else { self.bytes.len() };
        let text = self.sql.get(start..end.max(start)).unwrap_or_default();
        self.read_tags(text);
    }

    /// `key='value',key2='value2'` (values URL-encoded) or `key:value,key2:value2`.
    fn read_tags(&mut self, comment: &str) {
        for part in comment.split([',', ';']) {
            let Some((key, value)) = part.split_once(['=', ':']) else { continue };
            let (key, value) = (key.trim(), value.trim().trim_matches('\''));
            let plain = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.%".contains(&b));
            if !key.is_empty() && key.len() <= 64 && plain(key) && self.tags.len() < 16 {
                self.tags.push((decode(key).into_owned(), decode(value).into_owned()));
            }
        }
    }

    /// The last byte so far.
    fn last(&self) -> Option<u8> {
        self.shape.as_bytes().last().copied()
    }

    fn space(&mut self) {
        if !matches!(self.last(), None | Some(b'(' | b'.' | b' ')) {
            self.shape.push(' ');
        }
    }

    /// Adds a word; gives back where it begins.
    fn word(&mut self, word: &str) -> usize {
        if self.last() != Some(b'.') {
            self.space();
        }
        self.shape.push_str(word);
        self.shape.len() - word.len()
    }

    /// A literal; a list of them, or a list of rows of them, becomes one.
    fn literal(&mut self) {
        // A sign belongs to its number where nothing stands before it that could be subtracted from.
        if let Some(before) = self.shape.strip_suffix('-').map(str::trim_end)
            && before.ends_with(['=', '<', '>', '(', ',', '+', '*', '/'])
        {
            self.shape.truncate(before.len());
        }
        if self.shape.ends_with("?,") {
            self.shape.pop();
            return;
        }
        self.space();
        self.shape.push('?');
    }

    fn symbol(&mut self, b: u8) {
        self.at += 1;
        match b {
            b',' | b')' | b';' => {
                while self.shape.ends_with(' ') {
                    self.shape.pop();
                }
                self.shape.push(b as char);
                if b == b')' {
                    self.same_row();
                }
            }
            b'.' => self.shape.push('.'),
            b'(' => {
                self.space();
                self.shape.push('(');
            }
            _ => {
                self.symbol_text((b as char).encode_utf8(&mut [0; 4]));
            }
        }
    }

    /// A row in parentheses that looks like the one right before it is dropped: `VALUES (?, now()), (?, now())`.
    fn same_row(&mut self) {
        let bytes = self.shape.as_bytes();
        let mut depth = 0;
        let from = bytes.len().saturating_sub(2_048);
        let open = bytes[from..].iter().rposition(|c| {
            depth += i32::from(*c == b')') - i32::from(*c == b'(');
            depth == 0
        });
        let Some(open) = open.map(|i| from + i) else { return };
        let (before, row) = self.shape.split_at(open);
        if let Some(before) = before.strip_suffix(", ").filter(|b| b.ends_with(row)) {
            self.shape.truncate(before.len());
        }
    }

    fn symbol_text(&mut self, text: &str) {
        const OPERATOR: &[u8] = b"=<>!|&:-+*/%@#~^";
        // Characters of one operator stand together, whatever the spaces in the source.
        if !self.last().is_some_and(|b| OPERATOR.contains(&b)) {
            self.space();
        }
        self.shape.push_str(text);
    }
}

/// URL-decoding, as sqlcommenter writes values.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%')
            .then(|| bytes.get(i + 1..i + 3))
            .flatten()
            .and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        match hex {
            Some(b) => {
                out.push(b);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_one_shape_have_one_fingerprint() {
        let families: &[&[&str]] = &[
            &[
                "SELECT * FROM orders WHERE user_id = 123",
                "select *  from orders where user_id=$1",
                "SELECT * FROM \"orders\" WHERE user_id = 'it''s' -- note",
                "SELECT * FROM orders WHERE user_id = E'a\\'b'; ",
                "SELECT * FROM orders /* a /* nested */ one */ WHERE user_id = $tag$ it's $tag$",
                "SELECT * FROM `orders` WHERE user_id = ?",
                "SELECT * FROM orders WHERE user_id = :id",
                "SELECT * FROM orders WHERE user_id = -5",
            ],
            &[
                "SELECT 1 FROM t WHERE a IN (1)",
                "SELECT 2 FROM t WHERE a IN (1, 2,3)",
                "SELECT $1 FROM t WHERE a IN ($2,$3)",
            ],
            &["INSERT INTO t (a, b) VALUES (1, 'x')", "insert into t (a,b) values ($1,$2), ($3, $4), (5,6)"],
            &["UPDATE t SET a = 1.5e-3, b = x'ff'", "update t set a = .5, b = null"],
        ];
        let mut seen = Vec::new();
        for family in families {
            let first = fingerprint(family[0]);
            for sql in *family {
                let f = fingerprint(sql);
                assert_eq!(f.shape, first.shape, "{sql}");
                assert_eq!(f.hash, first.hash, "{sql}");
            }
            assert!(!seen.contains(&first.hash));
            seen.push(first.hash);
        }
    }

    #[test]
    fn what_differs_in_nothing_but_values_is_one_and_what_differs_in_more_is_not() {
        // Each line is a family; families differ from each other.
        let families: &[&[&str]] = &[
            // lists of values, of rows, of rows with calls in them
            &[
                "INSERT INTO t VALUES (1, now()), (2, now())",
                "insert into t values (9,now())",
                "INSERT INTO t VALUES (1, now()), (2, now()), (3, now()), (4, now())",
            ],
            &["SELECT a FROM t WHERE (b, c) IN ((1,2),(3,4))", "SELECT a FROM t WHERE (b, c) IN ((1,2))"],
            &["SELECT a FROM t WHERE b IN ('x','y''z', E'\\'')", "SELECT a FROM t WHERE b IN ('x')"],
            // quotes with escapes of both kinds
            &[r"SELECT a FROM q WHERE n = 'it\'s' AND m = 1", "SELECT a FROM q WHERE n = 'its' AND m = 2"],
            &[r"SELECT a FROM q2 WHERE n = 'say \'hi\' now' AND m = 1", "SELECT a FROM q2 WHERE n = '' AND m = 2"],
            &[r"SELECT a FROM w WHERE p = 'C:\' AND m = 1", "SELECT a FROM w WHERE p = 'D' AND m = 1"],
            &[
                "SELECT `a` FROM `d` WHERE `n` = \"bob\"",
                "SELECT `a` FROM `d` WHERE `n` = \"O\\\"Neil\"",
                "select a from d where n = 'x'",
            ],
            // numbers of all kinds, and names that hold some
            &[
                "SELECT a FROM h WHERE b = 0xDEADBEEF",
                "SELECT a FROM h WHERE b = X'ff'",
                "SELECT a FROM h WHERE b = -1.5e+10",
            ],
            &["SELECT a1 FROM h WHERE b2 = 1"],
            &["SELECT a FROM t_2024_01 WHERE b = 1"],
            &["SELECT a FROM t_2024_02 WHERE b = 1"],
            // nothing, and whether there is nothing
            &["UPDATE n SET a = NULL WHERE b = TRUE", "update n set a = 5 where b = 'x'"],
            &["SELECT a FROM n WHERE b IS NULL"],
            &["SELECT a FROM n WHERE b IS NOT NULL"],
            // white space and comments
            &[
                "SELECT a\n\t FROM\r\n c -- trailing 'quote\n WHERE b=1",
                "/* head */ SELECT a FROM c WHERE b = 2 # tail",
                "SELECT/**/a FROM c WHERE b /* it's */ = 3;",
            ],
            // dollar quotes, with quotes of other kinds inside
            &["SELECT f($$it's$$, $q$a $$ b$q$) FROM e", "SELECT f('x') FROM e"],
            // operators that look like comments or placeholders
            &["SELECT j #>> '{a,b}' FROM e WHERE k = 1", "SELECT j #>> '{c}' FROM e WHERE k = 2"],
            &["SELECT a FROM l LIMIT 10", "SELECT a FROM l LIMIT 500"],
            &["SELECT a FROM l LIMIT 10 OFFSET 20", "SELECT a FROM l LIMIT 1 OFFSET 2"],
        ];
        let mut seen: Vec<(u64, String)> = Vec::new();
        for family in families {
            let first = fingerprint(family[0]);
            for sql in *family {
                assert_eq!(fingerprint(sql).shape, first.shape, "{sql}");
            }
            assert!(!seen.iter().any(|(h, _)| *h == first.hash), "{} is like another", first.shape);
            seen.push((first.hash, first.shape));
        }
    }

    #[test]
    fn names_that_hold_digits_and_casts_stay() {
        assert_eq!(fingerprint("SELECT t1.col2::text FROM s.t1").shape, "select t1.col2 :: text from s.t1");
        assert_ne!(fingerprint("SELECT a FROM t1").hash, fingerprint("SELECT a FROM t2").hash);
        assert_eq!(fingerprint("SELECT a IS NULL").shape, "select a is null");
    }

    #[test]
    fn tags_in_comments_name_the_request_wherever_they_stand() {
        let f =
            fingerprint("SELECT 1 /*controller='orders',traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f0-01'*/");
        assert_eq!(f.request_id().unwrap().0, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(fingerprint("/*request_id='a%2Db'*/ SELECT 1").request_id().unwrap().0, "a-b");
        assert_eq!(fingerprint("SELECT 1 -- request_id:7f3a,app:web").request_id().unwrap().0, "7f3a");
        assert_eq!(f.hash, fingerprint("SELECT 2").hash);
    }

    proptest::proptest! {
        #[test]
        fn no_text_can_make_it_panic_or_loop(text in "\\PC{0,200}") {
            let f = fingerprint(&text);
            proptest::prop_assert!(f.shape.len() <= text.len() * 3 + 8);
        }
        #[test]
        fn no_sql_like_text_either(text in "[-'\"$`/*?:;()., \n#a-eE0-9é]{0,120}") {
            fingerprint(&text);
        }
    }
}
