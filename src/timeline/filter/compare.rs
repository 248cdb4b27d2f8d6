//! Comparing what a record says with what a filter asks: text, numbers, durations, sizes, severities.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Op;
use crate::timeline::Severity;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    /// The text.
    pub(super) text: String,
    /// What it measures, when it is a number.
    measure: Option<Measure>,
    /// `500..503`: from the first to the second, both included.
    range: Option<(Box<Value>, Box<Value>)>,
}

/// A number with its unit worked out.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Measure {
    /// A bare number.
    Number(f64),
    /// Seconds.
    Time(f64),
    /// Bytes.
    Size(f64),
}

impl Value {
    pub(super) fn new(text: String) -> Value {
        let range = text.split_once("..").and_then(|(from, to)| {
            let end =
                |text: &str| measure(text).map(|m| Value { text: text.to_owned(), measure: Some(m), range: None });
            Some((Box::new(end(from)?), Box::new(end(to)?)))
        });
        Value { measure: measure(&text), text, range }
    }

    pub(super) fn is_number(&self) -> bool {
        self.measure.is_some()
    }

    /// Whether the field's text is this value.
    fn equals(&self, name: &str, found: &str) -> bool {
        if self.text == "*" {
            // A field that is there without a value is none.
            return found != "null";
        }
        if self.text.contains('*') {
            return glob(self.text.as_bytes(), found.as_bytes());
        }
        if self.text.eq_ignore_ascii_case(found) || self.text.to_lowercase() == found.to_lowercase() {
            return true;
        }
        if let Some((from, to)) = &self.range {
            return from.order(name, found).is_some_and(Ordering::is_ge)
                && to.order(name, found).is_some_and(Ordering::is_le);
        }
        self.order(name, found) == Some(Ordering::Equal)
    }

    /// How the field's value compares with this one.
    fn order(&self, name: &str, found: &str) -> Option<Ordering> {
        if let Some(order) = whole(&self.text).and_then(|b| Some(compare_whole(whole(found.trim())?, b))) {
            return Some(order);
        }
        let here = measure(found.trim())?;
        match (here, self.measure?) {
            (Measure::Number(a), Measure::Time(b)) => (a * unit_of(name, found)).partial_cmp(&b),
            (Measure::Number(a) | Measure::Size(a), Measure::Size(b)) => a.partial_cmp(&b),
            (Measure::Time(a), Measure::Time(b)) => a.partial_cmp(&b),
            (Measure::Number(a), Measure::Number(b)) => a.partial_cmp(&b),
            // `duration>500` of `4903ms`: the number as it is written.
            (_, Measure::Number(b)) => number(found.trim()).and_then(|(a, _)| a.partial_cmp(&b)),
            _ => None,
        }
    }
}

/// Sign and digits of a whole number, without the zeros before them. IDs have more digits than a float keeps.
fn whole(text: &str) -> Option<(bool, &str)> {
    let (minus, digits) = text.strip_prefix('-').map_or((false, text), |d| (true, d));
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let digits = digits.trim_start_matches('0');
    is_number.then_some((minus && !digits.is_empty(), digits))
}

fn compare_whole(a: (bool, &str), b: (bool, &str)) -> Ordering {
    let size = |a: &str, b: &str| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    match (a.0, b.0) {
        (false, false) => size(a.1, b.1),
        (true, true) => size(b.1, a.1),
        (minus, _) => {
            if minus {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
    }
}

/// The elements of a list, as text; nothing for what is no list.
pub(super) fn elements(found: &str) -> Vec<Cow<'static, str>> {
    if !found.starts_with('[') {
        return Vec::new();
    }
    match serde_json::from_str(found) {
        Ok(serde_json::Value::Array(all)) => all.into_iter().map(|v| Cow::Owned(super::field::text(v))).collect(),
        _ => Vec::new(),
    }
}

/// Whether a field (or its absence) passes. Of a list one element must, or for `!=` none be equal.
pub(super) fn field(name: &str, found: Option<&str>, op: Op, values: &[Value]) -> bool {
    if op == Op::NotEqual {
        return !field(name, found, Op::Equal, values);
    }
    one(name, found, op, values) || found.is_some_and(|f| elements(f).iter().any(|e| one(name, Some(e), op, values)))
}

fn one(name: &str, found: Option<&str>, op: Op, values: &[Value]) -> bool {
    use Ordering::{Equal, Greater, Less};
    let equal = || found.is_some_and(|f| values.iter().any(|v| v.equals(name, f)));
    let order = |ok: &[Ordering]| {
        found.is_some_and(|f| {
            values.iter().any(|v| {
                let order = if v.is_number() { v.order(name, f) } else { Some(f.cmp(v.text.as_str())) };
                order.is_some_and(|o| ok.contains(&o))
            })
        })
    };
    match op {
        Op::Equal => equal(),
        Op::NotEqual => !equal(),
        Op::Less => order(&[Less]),
        Op::LessEqual => order(&[Less, Equal]),
        Op::More => order(&[Greater]),
        Op::MoreEqual => order(&[Greater, Equal]),
    }
}

/// Whether a severity (or its absence) passes. A record without severity is neither above nor below any.
pub(super) fn severity(found: Option<Severity>, op: Op, values: &[Option<Severity>]) -> bool {
    let ordered =
        |ok: fn(&Severity, &Severity) -> bool| found.is_some_and(|f| values.iter().flatten().any(|v| ok(&f, v)));
    match op {
        Op::Equal => values.contains(&found),
        Op::NotEqual => !values.contains(&found),
        Op::Less => ordered(|a, b| a < b),
        Op::LessEqual => ordered(|a, b| a <= b),
        Op::More => ordered(|a, b| a > b),
        Op::MoreEqual => ordered(|a, b| a >= b),
    }
}

/// The number at the start of a text, and what stands behind it.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .char_indices()
        .find(|&(i, c)| !(c.is_ascii_digit() || c == '.' || (i == 0 && matches!(c, '-' | '+'))))
        .map_or(text.len(), |(i, _)| i);
    let (digits, unit) = text.split_at(end);
    if !digits.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(|n| (n, unit.trim_start()))
}

fn measure(text: &str) -> Option<Measure> {
    if let Ok(n) = text.parse::<f64>() {
        // Rust reads `inf` and `nan` as numbers.
        return text.bytes().any(|b| b.is_ascii_digit()).then_some(Measure::Number(n));
    }
    let (n, unit) = number(text)?;
    let time = |seconds: f64| Some(Measure::Time(n * seconds));
    let size = |bytes: f64| Some(Measure::Size(n * bytes));
    match unit {
        "" | "%" => Some(Measure::Number(n)),
        "ns" => time(1e-9),
        "us" | "µs" | "μs" => time(1e-6),
        "ms" => time(1e-3),
        "s" | "sec" | "secs" | "seconds" => time(1.0),
        "m" | "min" => time(60.0),
        "h" => time(3_600.0),
        "d" => time(86_400.0),
        _ => match unit.to_ascii_lowercase().as_str() {
            "b" | "bytes" => size(1.0),
            "kb" => size(1e3),
            "mb" => size(1e6),
            "gb" => size(1e9),
            "kib" => size(1_024.0),
            "mib" => size(1_048_576.0),
            "gib" => size(1_073_741_824.0),
            // `1m30s`, `1.5s/op`: durations of several parts, as Go writes them.
            _ => compound(text).map(Measure::Time),
        },
    }
}

/// Seconds of `1h2m3.5s`.
fn compound(mut text: &str) -> Option<f64> {
    let mut total = 0.0;
    while !text.is_empty() {
        let (n, rest) = number(text)?;
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += n * match &rest[..end] {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        text = &rest[end..];
    }
    Some(total)
}

/// Seconds in one unit of a field that says none: its name may tell (`duration_ms`, nginx's `request_time`); else a
/// number with a decimal point is in seconds and a whole one in milliseconds, as most frameworks write them.
fn unit_of(name: &str, found: &str) -> f64 {
    let name = name.to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|s| name.ends_with(s));
    match () {
        // ECS counts in nanoseconds, pino in milliseconds even where it has decimals.
        () if name == "event.duration" => 1e-9,
        () if name == "responsetime" => 1e-3,
        () if ends(&["ms", "millis", "milliseconds"]) => 1e-3,
        () if ends(&["_us", "micros", "microseconds"]) => 1e-6,
        () if ends(&["_ns", "nanos", "nanoseconds"]) => 1e-9,
        () if ends(&["_s", "latency.seconds", "seconds", "secs", "request_time", "upstream_response_time"]) => 1.0,
        () if found.contains('.') => 1.0,
        () => 1e-3,
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for anything; ASCII case is ignored.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| c.eq_ignore_ascii_case(&text[t])) {
            p += 1;
            t += 1;
        } else if let Some((sp, st)) = star {
            p = sp + 1;
            t = st + 1;
            star = Some((sp, st + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}
