//! Whether a statement may be explained: one statement, that only reads, and whole.
//!
//! This is the only guard where a statement with `$n` must go by the simple protocol, so it refuses what it does not
//! understand. It assumes `standard_conforming_strings = on`, which is set wherever its verdict is used.

pub mod mysql;
pub mod writing;

/// A statement that may be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Without a final semicolon.
    pub sql: String,
    /// The highest `$n`; 0 for a statement with its values.
    pub parameters: u32,
    /// Its words outside of strings and comments, in small letters; names in quotes as they are.
    pub words: Vec<String>,
}

impl Reading {
    /// Names that are called as functions, or may be: those right before a bracket.
    pub fn called(&self) -> Vec<String> {
        let b = self.sql.as_bytes();
        let mut out: Vec<String> = Vec::new();
        for (i, _) in b.iter().enumerate().filter(|(_, c)| **c == b'(') {
            let before = self.sql[..i].trim_end();
            let from = before
                .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
                .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
            let name = before[from..].to_lowercase();
            if !name.is_empty() && !out.contains(&name) {
                out.push(name);
            }
        }
        // A name in quotes may be called as well.
        out.extend(self.words.iter().filter(|w| self.sql.contains(&format!("\"{w}\""))).cloned());
        out
    }

    /// Whether it names a table, with or without its schema.
    pub fn names(&self, table: &str) -> bool {
        self.words.iter().any(|w| w == table)
    }
}

/// Words that write, or that do something else than read, wherever they stand.
const WRITES: [&str; 12] =
    ["insert", "delete", "merge", "into", "create", "drop", "alter", "truncate", "copy", "call", "do", "execute"];

/// Takes a statement apart; the error is a sentence that says why it is not explained.
pub fn reading(sql: &str) -> Result<Reading, String> {
    let b = sql.as_bytes();
    let mut words: Vec<String> = Vec::new();
    let (mut i, mut parameters, mut end) = (0, 0, None);
    while i < b.len() {
        let rest = &b[i..];
        let from = i;
        i = match rest[0] {
            c if c.is_ascii_whitespace() => i + 1,
            b'-' if rest.starts_with(b"--") => i + rest.iter().position(|c| *c == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => i + comment(rest).ok_or(CUT)?,
            b';' => {
                end.get_or_insert(i);
                i + 1
            }
            _ if end.is_some() => return Err("these are several statements; only a single one is explained".into()),
            b'\'' => {
                // E'…' has escapes with backslashes.
                let escapes = from > 0 && matches!(b[from - 1], b'e' | b'E') && words.last().is_some_and(|w| w == "e");
                i + quoted(rest, b'\'', escapes).ok_or(CUT)?
            }
            b'"' => {
                let n = quoted(rest, b'"', false).ok_or(CUT)?;
                words.push(String::from_utf8_lossy(&rest[1..n - 1]).replace("\"\"", "\""));
                i + n
            }
            b'$' if rest.get(1).is_some_and(u8::is_ascii_digit) => {
                let n = rest[1..].iter().take_while(|c| c.is_ascii_digit()).count();
                let number: u32 = String::from_utf8_lossy(&rest[1..=n]).parse().map_err(|_| CUT)?;
                parameters = parameters.max(number);
                i + 1 + n
            }
            b'$' => match tagged(rest) {
                Some(n) => i + n.ok_or(CUT)?,
                None => i + 1,
            },
            c if c.is_ascii_alphabetic() || c == b'_' || c >= 0x80 => {
                let part = |c: &&u8| c.is_ascii_alphanumeric() || matches!(**c, b'_' | b'$') || **c >= 0x80;
                let n = rest.iter().take_while(part).count();
                words.push(String::from_utf8_lossy(&rest[..n]).to_lowercase());
                i + n
            }
            b'0'..=b'9' => i + rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == b'.').count(),
            b'\\' => return Err("it holds a backslash outside of a string; it is not explained".into()),
            _ => i + 1,
        };
    }
    judge(&words)?;
    if parameters > 200 {
        return Err("it has more than 200 parameters".into());
    }
    let sql = sql[..end.unwrap_or(sql.len())].trim().to_owned();
    if sql.ends_with('…') {
        return Err(CUT.into());
    }
    Ok(Reading { sql, parameters, words })
}

/// Whether words outside of strings and comments are those of a statement that only reads.
fn judge(words: &[String]) -> Result<(), String> {
    let first = words.first().map_or("", String::as_str);
    if !matches!(first, "select" | "with" | "values" | "table") {
        return Err(match first {
            "" => "there is no statement to explain".into(),
            "update" | "insert" | "delete" | "merge" => {
                format!("{} writes; only statements that read are explained", first.to_uppercase())
            }
            other => format!("{} has no plan to show", other.to_uppercase()),
        });
    }
    if let Some(word) = words.iter().find(|w| WRITES.contains(&w.as_str())) {
        return Err(format!(
            "it has {} in it and may write; only statements that read are explained",
            word.to_uppercase()
        ));
    }
    // UPDATE stands after FOR, or NO KEY, where rows are locked; elsewhere it writes.
    for (n, _) in words.iter().enumerate().filter(|(_, w)| *w == "update") {
        if !n.checked_sub(1).is_some_and(|n| matches!(words[n].as_str(), "for" | "key")) {
            return Err("it has UPDATE in it and writes; only statements that read are explained".into());
        }
    }
    Ok(())
}

const CUT: &str = "its text is cut off, so it cannot be explained; raise track_activity_query_size on the server";

/// Bytes of a comment, which may hold further ones.
fn comment(b: &[u8]) -> Option<usize> {
    let (mut depth, mut i) = (0, 0);
    while i < b.len() {
        if b[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if b[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return Some(i);
            }
        } else {
            i += 1;
        }
    }
    None
}

/// Bytes of a string or a name in quotes, both quotes included.
fn quoted(b: &[u8], quote: u8, escapes: bool) -> Option<usize> {
    let mut i = 1;
    while i < b.len() {
        match b[i] {
            b'\\' if escapes => i += 2,
            c if c == quote && b.get(i + 1) == Some(&quote) => i += 2,
            c if c == quote => return Some(i + 1),
            _ => i += 1,
        }
    }
    None
}

/// Bytes of `$tag$…$tag$`; the outer `None` says that it is none.
fn tagged(b: &[u8]) -> Option<Option<usize>> {
    let tag = 1 + b[1..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == b'_').count();
    if b.get(tag) != Some(&b'$') {
        return None;
    }
    let mark = &b[..=tag];
    let ends = b[tag + 1..].windows(mark.len()).position(|w| w == mark);
    Some(ends.map(|n| tag + 1 + n + mark.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads_is_let_through_whatever_its_strings_and_comments_say() {
        let r = reading("/* a; /* b */ */ SELECT 'DROP; ''x', \"Odd Name\", $2, $tag$;delete$tag$ FROM shop.Orders WHERE a = $1; -- x")
            .unwrap();
        assert_eq!(r.parameters, 2);
        assert!(r.names("orders") && r.names("Odd Name") && r.sql.ends_with("a = $1"), "{r:?}");
        assert!(reading("SELECT * FROM a FOR NO KEY UPDATE").is_ok());
        assert!(reading(r"SELECT E'it\'s; fine'").is_ok());
        assert!(reading("WITH x AS (SELECT 1) TABLE x").is_ok());
    }

    #[test]
    fn what_is_called_is_named_whatever_stands_between_it_and_its_bracket() {
        let r = reading("SELECT count (*), pg_catalog.Pg_Sleep(1), \"Odd\"(2) FROM a WHERE b IN (1)").unwrap();
        assert_eq!(r.called(), ["count", "pg_sleep", "in", "Odd"]);
    }

    #[test]
    fn what_writes_what_is_several_and_what_is_cut_is_refused_with_the_reason() {
        for (sql, why) in [
            ("UPDATE a SET b = 1", "UPDATE writes"),
            ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "DELETE in it"),
            ("WITH x AS (UPDATE a SET b = 1 RETURNING *) SELECT * FROM x", "UPDATE in it"),
            ("SELECT 1 INTO t", "INTO in it"),
            ("SELECT 1; DROP TABLE a", "several"),
            ("SELECT 1; COMMIT", "several"),
            (r"SELECT 'a\'; DROP TABLE a; --'", "several"),
            ("SELECT 'abc", "cut off"),
            ("SELECT a FROM b WHERE c IN (1, 2…", "cut off"),
            ("VACUUM", "VACUUM has no plan"),
            ("", "no statement"),
        ] {
            let said = reading(sql).expect_err(sql);
            assert!(said.contains(why), "{sql}: {said}");
        }
    }
}
