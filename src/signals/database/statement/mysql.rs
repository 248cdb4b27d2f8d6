//! The same for MySQL and MariaDB, whose strings, names and comments are written otherwise.
//!
//! It assumes that `sql_mode` has neither `NO_BACKSLASH_ESCAPES` nor `ANSI_QUOTES`, which a source takes out of its own
//! session. Comments that a server executes (`/*! … */`) are refused.

use super::{CUT, Reading, judge};

/// Takes a statement apart; the error is a sentence that says why it is not explained.
pub fn reading(sql: &str) -> Result<Reading, String> {
    let b = sql.as_bytes();
    let mut words: Vec<String> = Vec::new();
    let (mut i, mut parameters, mut end) = (0, 0, None);
    while i < b.len() {
        let rest = &b[i..];
        let dashes =
            rest.starts_with(b"--") && rest.get(2).is_none_or(|c| c.is_ascii_whitespace() || c.is_ascii_control());
        i = match rest[0] {
            c if c.is_ascii_whitespace() => i + 1,
            b'#' => i + line(rest),
            b'-' if dashes => i + line(rest),
            b'/' if rest.starts_with(b"/*") => {
                if matches!(rest.get(2), Some(b'!' | b'M' | b'+')) {
                    return Err("it has a comment that the server executes in it; it is not explained".into());
                }
                i + 4 + rest.get(2..).and_then(|r| r.windows(2).position(|w| w == b"*/")).ok_or(CUT)?
            }
            b';' => {
                end.get_or_insert(i);
                i + 1
            }
            _ if end.is_some() => return Err("these are several statements; only a single one is explained".into()),
            q @ (b'\'' | b'"') => i + quoted(rest, q, true).ok_or(CUT)?,
            b'`' => {
                let n = quoted(rest, b'`', false).ok_or(CUT)?;
                words.push(String::from_utf8_lossy(&rest[1..n - 1]).replace("``", "`"));
                i + n
            }
            b'?' => {
                parameters += 1;
                i + 1
            }
            c if c.is_ascii_alphabetic() || matches!(c, b'_' | b'$') || c >= 0x80 => {
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
    let sql = sql[..end.unwrap_or(sql.len())].trim().to_owned();
    if sql.ends_with('…') || sql.ends_with("...") {
        return Err(CUT.into());
    }
    Ok(Reading { sql, parameters, words })
}

fn line(b: &[u8]) -> usize {
    b.iter().position(|c| *c == b'\n').unwrap_or(b.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_names_and_comments_of_mysql_are_told_apart() {
        let r =
            reading("SELECT \"a;b\", 'it\\'s; DROP', `Odd;Name` FROM shop.orders # ; x\nWHERE a = 1 -- y\n;").unwrap();
        assert!(r.names("orders") && r.names("Odd;Name") && r.parameters == 0, "{r:?}");
        assert_eq!(reading("SELECT `a` FROM `t` WHERE `id` = ?").unwrap().parameters, 1);
        // Two dashes without a blank are two minus signs.
        assert!(reading("SELECT 1--1").unwrap().sql.ends_with("--1"));
    }

    #[test]
    fn what_writes_what_is_several_what_is_executed_in_comments_and_what_is_cut_is_refused() {
        for (sql, why) in [
            ("UPDATE a SET b = 1", "UPDATE writes"),
            ("SELECT 1; DROP TABLE a", "several"),
            ("SELECT 'a\\\\'; DROP TABLE a; -- '", "several"),
            ("SELECT 1 /*! INTO OUTFILE 'x' */", "executes"),
            ("SELECT 1 /*M!100100 + 1 */", "executes"),
            ("SELECT a INTO OUTFILE '/tmp/x' FROM b", "INTO in it"),
            ("SELECT 'abc", "cut off"),
            ("SELECT a FROM b WHERE c IN (1, 2...", "cut off"),
            ("DO SLEEP(1)", "no plan"),
            ("", "no statement"),
        ] {
            let said = reading(sql).expect_err(sql);
            assert!(said.contains(why), "{sql}: {said}");
        }
    }
}
