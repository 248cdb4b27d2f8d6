//! Text lines of databases, drivers and frameworks.

use super::Slow;
use crate::signals::database::event::PoolFigures;

/// PostgreSQL's words in a line that no format knows as its own: `duration: 5012.345 ms  statement: …`.
pub fn duration(text: &str) -> Option<Slow> {
    let at = text.find("duration: ")?;
    let mut slow = super::server::duration(&text[at + "duration: ".len()..])?;
    // In the CSV log the message is a quoted field, in which quotes are doubled.
    if text[..at].ends_with('"') {
        slow.statement = csv_field(&slow.statement);
    }
    Some(slow)
}

fn csv_field(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '"' && chars.next_if_eq(&'"').is_none() {
            break;
        }
        out.push(c);
    }
    out
}

/// sqlx through a text formatter: `… summary="…" db.statement="…" rows_returned=1 elapsed=5.2s elapsed_secs=5.2`.
pub fn sqlx(text: &str) -> Option<Slow> {
    let statement =
        value(text, "db.statement=").filter(|s| !s.trim().is_empty()).or_else(|| value(text, "summary="))?;
    let duration_ms = match value(text, "elapsed_secs=").and_then(|s| s.parse::<f64>().ok()) {
        Some(s) => s * 1e3,
        None => milliseconds(&value(text, "elapsed=")?)?,
    };
    let rows = value(text, "rows_returned=").and_then(|s| s.parse().ok());
    Some(Slow { duration_ms, statement, rows, ..Slow::default() })
}

/// The value after `key` (which ends in `=`): a word, or quoted with escapes.
fn value(text: &str, key: &str) -> Option<String> {
    let at = text.match_indices(key).find(|(i, _)| *i == 0 || text[..*i].ends_with([' ', ',', '{', ':', '\t']))?.0;
    let rest = &text[at + key.len()..];
    let Some(quoted) = rest.strip_prefix('"') else {
        return Some(rest.split([' ', ',', '}', '\n']).next().unwrap_or_default().to_owned());
    };
    let mut out = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => {}
                Some(c) => out.push(c),
                None => break,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

/// `5.2s`, `812.3ms`, `40µs`, `1m30s` as milliseconds.
pub fn milliseconds(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let factor = match tail[..unit].trim() {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" | "milliseconds" | "millis" => 1.0,
            "s" | "sec" | "seconds" => 1e3,
            "m" | "min" => 60e3,
            "h" => 3_600e3,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * factor;
        rest = &tail[unit..];
    }
    (!text.trim().is_empty()).then_some(sum)
}

/// Hibernate: `SlowQuery: 123 milliseconds. SQL: '…'`, later `Slow query took 123 milliseconds [sql]`.
pub fn hibernate(text: &str) -> Option<Slow> {
    let at = ["SlowQuery: ", "Slow query took "].iter().find_map(|n| text.find(n).map(|i| i + n.len()))?;
    let (number, rest) = text[at..].split_once(" milliseconds")?;
    let statement = match rest.split_once("SQL: '") {
        Some((_, s)) => s.trim_end().trim_end_matches('\''),
        None => rest.split_once('[')?.1.trim_end().trim_end_matches(']'),
    };
    Some(Slow { duration_ms: number.trim().parse().ok()?, statement: statement.to_owned(), ..Slow::default() })
}

/// Rails: `Order Load (1234.5ms)  SELECT …`.
pub fn rails(text: &str) -> Option<Slow> {
    let end = text.find("ms)  ")?;
    let start = text[..end].rfind('(')?;
    let statement = &text[end + "ms)  ".len()..];
    Some(Slow { duration_ms: text[start + 1..end].parse().ok()?, statement: statement.to_owned(), ..Slow::default() })
}

/// Django: `(1.234) SELECT …; args=(…); alias=default`.
pub fn django(text: &str) -> Option<Slow> {
    let end = text.find("; args=(")?;
    let head = &text[..end];
    // The first parenthesis that holds a number and nothing else.
    let (seconds, statement) = head.match_indices('(').find_map(|(i, _)| {
        let (number, rest) = head[i + 1..].split_once(") ")?;
        Some((number.parse::<f64>().ok()?, rest))
    })?;
    Some(Slow { duration_ms: seconds * 1e3, statement: statement.to_owned(), ..Slow::default() })
}

/// HikariCP: `HikariPool-1 - Pool stats (total=10/10, active=10, idle=0, waiting=7)`, and its time-out line.
pub fn hikari(text: &str) -> Option<PoolFigures> {
    let (head, tail, timeouts) = match text.split_once(" - Connection is not available") {
        Some((h, t)) => (h, t, Some(1)),
        None => {
            let (h, t) = text.split_once(" - Pool stats")?;
            (h, t, None)
        }
    };
    let pool = head.rsplit(|c: char| c.is_whitespace() || c == '"').next().unwrap_or_default();
    let inside = tail.split_once('(').and_then(|(_, t)| t.split_once(')')).map_or("", |(t, _)| t);
    let mut figures = PoolFigures { pool: pool.into(), timeouts, ..PoolFigures::default() };
    for part in inside.split(',') {
        let Some((key, number)) = part.trim().split_once('=') else { continue };
        let (number, most) = number.split_once('/').map_or((number, None), |(n, m)| (n, Some(m)));
        let number: Option<u32> = number.trim().parse().ok();
        match key {
            "total" => figures.max = most.and_then(|m| m.parse().ok()).or(number),
            "active" => figures.used = number,
            "idle" => figures.idle = number,
            "waiting" => figures.waiting = number,
            _ => {}
        }
    }
    // "Total" is what is open; it is the limit only when somebody waits for more.
    if !inside.contains('/') && timeouts.is_none() && figures.waiting.unwrap_or(0) == 0 {
        figures.max = None;
    }
    Some(figures)
}

/// SQLAlchemy: `QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00`.
pub fn queue_pool(text: &str) -> Option<PoolFigures> {
    let rest = text.split_once("QueuePool limit of size ")?.1;
    let mut words = rest.split_ascii_whitespace();
    let size: u32 = words.next()?.parse().ok()?;
    let overflow: u32 = words.nth(1).and_then(|w| w.parse().ok()).unwrap_or(0);
    let max = size.saturating_add(overflow);
    Some(PoolFigures { max: Some(max), used: Some(max), timeouts: Some(1), ..PoolFigures::default() })
}
