//! What a statement that writes would read: the rows an `UPDATE` or `DELETE` changes, as a `SELECT`.
//!
//! Only the `SELECT` is ever sent, and it goes through the same guard as any other. What is not understood gives nothing.

use super::{comment, quoted, tagged};

/// A word outside of strings, comments and quotes.
struct Word {
    at: usize,
    end: usize,
    /// In small letters.
    text: String,
    /// Brackets it stands in.
    depth: usize,
}

/// `SELECT 1 FROM …` over the rows that `sql` would change, its `$n` numbered anew from 1.
pub fn rows_of(sql: &str) -> Option<String> {
    let (words, ends) = words(sql)?;
    let sql = &sql[..ends];
    let outer: Vec<&Word> = words.iter().filter(|w| w.depth == 0).collect();
    let find = |text: &str| outer.iter().position(|w| w.text == text);
    let end_of = |places: &[Option<usize>]| places.iter().flatten().map(|n| outer[*n].at).min().unwrap_or(sql.len());
    let (filter, returns) = (find("where"), find("returning"));
    let (target, others) = match (outer.first()?.text.as_str(), outer.get(1)?.text.as_str()) {
        ("update", _) => {
            let set = find("set")?;
            let from = find("from").filter(|n| *n > set);
            let others = from.map(|n| &sql[outer[n].end..end_of(&[filter, returns])]);
            (&sql[outer[0].end..outer[set].at], others)
        }
        ("delete", "from") => {
            let using = find("using");
            let others = using.map(|n| &sql[outer[n].end..end_of(&[filter, returns])]);
            (&sql[outer[1].end..end_of(&[using, filter, returns])], others)
        }
        _ => return None,
    };
    let others = others.map(|o| format!(", {}", o.trim())).unwrap_or_default();
    let filter = filter.map(|n| format!(" WHERE {}", sql[outer[n].end..end_of(&[returns])].trim())).unwrap_or_default();
    Some(renumbered(&format!("SELECT 1 FROM {}{others}{filter}", target.trim())))
}

/// The words, and where the statement ends; nothing of several statements, or of one that is cut.
fn words(sql: &str) -> Option<(Vec<Word>, usize)> {
    let b = sql.as_bytes();
    let (mut out, mut i, mut depth) = (Vec::new(), 0, 0usize);
    while i < b.len() {
        let rest = &b[i..];
        i = match rest[0] {
            b';' => return sql[i + 1..].trim().is_empty().then_some((out, i)),
            b'(' => {
                depth += 1;
                i + 1
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                i + 1
            }
            c if c.is_ascii_alphabetic() || c == b'_' || c >= 0x80 => {
                let part = |c: &&u8| c.is_ascii_alphanumeric() || matches!(**c, b'_' | b'$') || **c >= 0x80;
                let end = i + rest.iter().take_while(part).count();
                // E'…' has escapes with backslashes: not read here.
                if b.get(end) == Some(&b'\'') {
                    return None;
                }
                out.push(Word { at: i, end, text: sql[i..end].to_lowercase(), depth });
                end
            }
            _ => i + skip(rest)?,
        };
    }
    (depth == 0).then_some((out, b.len()))
}

/// Bytes of what is no word: a string, a name in quotes, a comment, or one byte.
fn skip(rest: &[u8]) -> Option<usize> {
    match rest[0] {
        b'-' if rest.starts_with(b"--") => Some(rest.iter().position(|c| *c == b'\n').unwrap_or(rest.len())),
        b'/' if rest.starts_with(b"/*") => comment(rest),
        quote @ (b'\'' | b'"') => quoted(rest, quote, false),
        b'$' => tagged(rest).unwrap_or(Some(1)),
        _ => Some(1),
    }
}

/// `$3 … $7 … $3` as `$1 … $2 … $1`.
fn renumbered(sql: &str) -> String {
    let b = sql.as_bytes();
    let (mut out, mut i, mut seen): (String, usize, Vec<&str>) = (String::with_capacity(sql.len()), 0, Vec::new());
    while i < b.len() {
        let digits = b[i + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
        if b[i] == b'$' && digits > 0 {
            let number = &sql[i + 1..=i + digits];
            let at = seen.iter().position(|n| *n == number).unwrap_or_else(|| {
                seen.push(number);
                seen.len() - 1
            });
            out += &format!("${}", at + 1);
            i += 1 + digits;
            continue;
        }
        let n = skip(&b[i..]).unwrap_or(1).max(1);
        // Strings and the like as they are; never into the middle of a character.
        let mut end = (i + n).min(b.len());
        while !sql.is_char_boundary(end) {
            end += 1;
        }
        out += &sql[i..end];
        i = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::reading;
    use super::*;

    #[test]
    fn the_rows_that_would_change_are_a_statement_that_only_reads() {
        for (sql, rows) in [
            ("UPDATE orders SET n = $1, at = now() WHERE user_id = $2;", "SELECT 1 FROM orders WHERE user_id = $1"),
            (
                "update only shop.orders AS o set n = (select 1 from b where x = $3) where o.id in ($7, $4) returning *",
                "SELECT 1 FROM only shop.orders AS o WHERE o.id in ($1, $2)",
            ),
            ("UPDATE a SET n = b.n FROM b, c WHERE a.id = b.id", "SELECT 1 FROM a, b, c WHERE a.id = b.id"),
            (
                "DELETE FROM \"a where\" USING b WHERE b.x = 'set é' /* where */",
                "SELECT 1 FROM \"a where\", b WHERE b.x = 'set é' /* where */",
            ),
            ("DELETE FROM a", "SELECT 1 FROM a"),
        ] {
            assert_eq!(rows_of(sql).as_deref(), Some(rows), "{sql}");
            assert!(reading(rows).is_ok(), "{rows}");
        }
    }

    #[test]
    fn what_is_not_understood_gives_nothing() {
        for sql in [
            "INSERT INTO a VALUES (1)",
            "UPDATE a SET b = 1; DROP TABLE a",
            "DELETE a FROM a JOIN b",
            "UPDATE a SET b = E'\\''",
            "UPDATE a SET b = 'cut",
            "SELECT 1",
            "",
            "UPDATE",
            "UPDATE a SET b = (1",
        ] {
            assert_eq!(rows_of(sql), None, "{sql}");
        }
    }
}
