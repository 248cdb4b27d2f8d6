//! What records tell of requests: status, route, duration, request ID. Names of fields are those of access logs, of
//! OpenTelemetry and of common homemade JSON; where a record has several of one kind the first one in the list counts.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use super::formats::shallow::{Shallow, Written};
use super::row::LogRow;
use crate::timeline::{RequestId, SourceId, Ts};

/// Fields that hold the status.
const STATUS: &[&str] = &["status", "status_code", "http.status_code", "http.response.status_code", "statusCode"];

/// Fields that hold the path of a whole request.
const PATH: &[&str] = &["path", "uri", "url", "request_uri", "http.target", "url.path", "route", "http.route"];

/// Fields that hold a duration, and what one unit of theirs is in milliseconds.
const DURATION: &[(&str, f64)] = &[
    ("duration_ms", 1.0),
    ("elapsed_ms", 1.0),
    ("latency_ms", 1.0),
    ("took_ms", 1.0),
    ("response_time_ms", 1.0),
    ("responseTime", 1.0),
    ("duration", 1_000.0),
    ("elapsed", 1_000.0),
    ("latency", 1_000.0),
    ("took", 1_000.0),
    ("request_time", 1_000.0),
    ("upstream_response_time", 1_000.0),
    ("duration_s", 1_000.0),
    ("duration_us", 0.001),
    ("duration_ns", 0.000_001),
];

/// By the first byte of a name, the lengths that any of the names above has with it: most fields are none of them, and a
/// million records have a dozen fields each.
const LENGTHS: [u32; 256] = {
    let mut lengths = [0u32; 256];
    let mut i = 0;
    while i < STATUS.len() + PATH.len() + DURATION.len() {
        let name = if i < STATUS.len() {
            STATUS[i]
        } else if i < STATUS.len() + PATH.len() {
            PATH[i - STATUS.len()]
        } else {
            DURATION[i - STATUS.len() - PATH.len()].0
        };
        lengths[name.as_bytes()[0] as usize] |= 1 << name.len();
        i += 1;
    }
    lengths
};

/// Whether a name may be one of those above.
fn is_likely(name: &str) -> bool {
    name.len() < 32 && name.bytes().next().is_some_and(|first| LENGTHS[usize::from(first)] >> name.len() & 1 == 1)
}

/// One request, as one record tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Where its record is placed.
    pub placed: Ts,
    /// Source of the record.
    pub source: SourceId,
    /// Format of the record.
    pub format: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Path with `:id` for what names one object; see [`route`].
    pub route: Arc<str>,
    /// Milliseconds it took, where the record says so.
    pub duration_ms: Option<f64>,
    /// Hash of its request ID, where it has one.
    pub id: Option<u64>,
}

/// A value of a field.
enum Said<'a> {
    Number(f64),
    Text(Cow<'a, str>),
}

impl<'a> Said<'a> {
    fn of_value(value: &'a Value) -> Said<'a> {
        match value {
            Value::Number(n) if n.as_f64().is_some() => Said::Number(n.as_f64().unwrap_or_default()),
            Value::String(s) => Said::Text(Cow::Borrowed(s)),
            other => Said::Text(Cow::Owned(other.to_string())),
        }
    }

    fn of_written(value: Written<'a>) -> Option<Said<'a>> {
        match value.number() {
            Some(n) => Some(Said::Number(n)),
            None => value.text().map(Said::Text),
        }
    }

    fn status(self) -> Option<u16> {
        let status = match self {
            Said::Number(n) if n.fract() == 0.0 && (0.0..65_536.0).contains(&n) => n as u16,
            Said::Number(_) => return None,
            Said::Text(text) => text.trim().parse().ok()?,
        };
        (100..600).contains(&status).then_some(status)
    }

    fn duration_ms(self, unit: f64) -> Option<f64> {
        let text = match &self {
            Said::Number(n) => return (*n >= 0.0).then_some(n * unit),
            Said::Text(text) => text.trim(),
        };
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..digits].parse().ok()?;
        Some(match text[digits..].trim() {
            "ms" => number,
            "s" => number * 1_000.0,
            "us" | "µs" => number / 1_000.0,
            "ns" => number / 1_000_000.0,
            "m" => number * 60_000.0,
            "" => number * unit,
            _ => return None,
        })
    }
}

/// What was found so far, each with its place in its list.
#[derive(Default)]
struct Reading<'a> {
    status: Option<(usize, u16)>,
    path: Option<(usize, Cow<'a, str>)>,
    duration: Option<(usize, f64)>,
}

/// Whether something at this place of its list counts for more than what was found.
fn better<T>(found: &Option<(usize, T)>, rank: usize) -> bool {
    found.as_ref().is_none_or(|(r, _)| rank < *r)
}

impl<'a> Reading<'a> {
    fn take(&mut self, name: &str, said: impl FnOnce() -> Option<Said<'a>>) {
        if !is_likely(name) {
            return;
        }
        let at = |list: &[&str]| list.iter().position(|n| *n == name);
        if let Some(rank) = at(STATUS).filter(|rank| better(&self.status, *rank)) {
            self.status = said().and_then(Said::status).map(|s| (rank, s)).or(self.status.take());
        } else if let Some(rank) = at(PATH).filter(|rank| better(&self.path, *rank)) {
            let path = said().map(|said| match said {
                Said::Text(path) => path,
                Said::Number(n) => Cow::Owned(n.to_string()),
            });
            self.path = path.map(|path| (rank, path)).or(self.path.take());
        } else if let Some(rank) =
            DURATION.iter().position(|(n, _)| *n == name).filter(|rank| better(&self.duration, *rank))
        {
            let found = said().and_then(|said| said.duration_ms(DURATION[rank].1));
            self.duration = found.map(|ms| (rank, ms)).or(self.duration.take());
        }
    }

    /// The request, where status and path tell of one. `id` is asked for only then.
    fn request(
        self,
        (placed, source): (Ts, SourceId),
        format: &'static str,
        id: impl FnOnce() -> Option<RequestId>,
    ) -> Option<Request> {
        let ((_, status), (_, path)) = (self.status?, self.path?);
        let hash = |id: RequestId| {
            let mut hasher = DefaultHasher::new();
            id.0.hash(&mut hasher);
            hasher.finish()
        };
        let (route, duration_ms, id) = (route(&path).into(), self.duration.map(|(_, ms)| ms), id().map(hash));
        Some(Request { placed, source, format, status, route, duration_ms, id })
    }
}

/// The request that a row tells of.
pub fn of_row(row: &LogRow) -> Option<Request> {
    let mut reading = Reading::default();
    row.fields.iter().for_each(|(name, value)| reading.take(name, || Some(Said::of_value(value))));
    reading.request((row.placed, row.key.source), row.format, || row.request_id.clone())
}

/// The request that a record tells of whose fields were not built; `id` is its ID.
pub fn of_shallow(
    record: &Shallow,
    place: (Ts, SourceId),
    format: &'static str,
    id: impl FnOnce() -> Option<RequestId>,
) -> Option<Request> {
    let mut reading = Reading::default();
    record.fields().for_each(|(name, value)| reading.take(name, || Said::of_written(value)));
    reading.request(place, format, id)
}

/// How long the request of a record took, in milliseconds, where it says so.
pub fn duration_ms(row: &LogRow) -> Option<f64> {
    let mut reading = Reading::default();
    row.fields.iter().for_each(|(name, value)| reading.take(name, || Some(Said::of_value(value))));
    reading.duration.map(|(_, ms)| ms)
}

/// Fields of which the values are paths, and are counted as routes.
const PATHS: &[&str] =
    &["path", "uri", "url", "route", "request_uri", "http.path", "http.target", "http.route", "url.path"];

/// Whether values of this field are counted as routes; the caller says so beside them.
pub fn is_path(field: &str) -> bool {
    PATHS.iter().any(|p| p.eq_ignore_ascii_case(field))
}

/// A path without its query and with numbers, UUIDs and long hexadecimal names as `:id`: `/orders/17?page=2` is
/// `/orders/:id`.
pub fn route(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // The name of a host is none of an object.
    let host = if path.starts_with('/') { None } else { path.split_once("://") };
    let (head, rest) = match host {
        Some((_, after)) => path.split_at(path.len() - after.len() + after.find('/').unwrap_or(after.len())),
        None => ("", path),
    };
    let mut route = String::with_capacity(path.len() + 8);
    route.push_str(head);
    for (i, part) in rest.split('/').enumerate() {
        if i > 0 {
            route.push('/');
        }
        route.push_str(if is_id(part) { ":id" } else { part });
    }
    route
}

/// Last parts of the paths that health checks ask for.
const HEALTH: &[&str] = &[
    "healthz",
    "health",
    "healthcheck",
    "health-check",
    "health_check",
    "livez",
    "readyz",
    "liveness",
    "readiness",
    "ping",
];

/// Whether a route is one that only health checks ask for: `/healthz`, `/actuator/health`, `/-/healthy`.
pub fn is_health_check(route: &str) -> bool {
    let last = route.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    HEALTH.contains(&last) || route.ends_with("/-/healthy") || route.ends_with("/-/ready")
}

fn is_id(part: &str) -> bool {
    let hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    match part.len() {
        0 => false,
        n if n == digits => true,
        // Of letters alone it is a word, such as `feedface`.
        n if n >= 8 && digits > 0 && hex(part) => true,
        36 => part.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && part.split('-').all(hex),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_likely_one() {
        let names = STATUS.iter().chain(PATH).chain(DURATION.iter().map(|(name, _)| name));
        names.for_each(|name| assert!(is_likely(name), "{name}"));
        assert!(!is_likely("") && !is_likely("message") && !is_likely("request_id"));
    }

    #[test]
    fn requests_of_one_route_are_counted_together_whatever_they_ask_for() {
        for (path, of) in [
            ("/orders?user=34", "/orders"),
            ("/orders/17", "/orders/:id"),
            ("/orders/95601feb-05b5-4fb6-b758-0753ee773be4/items", "/orders/:id/items"),
            ("/objects/5f2b8c9e1d", "/objects/:id"),
            ("/v2/feedback/feedface", "/v2/feedback/feedface"),
            ("https://10.0.0.1:8080/a/1?b", "https://10.0.0.1:8080/a/:id"),
            ("https://example.org", "https://example.org"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(route(path), of);
        }
        for of_checks in ["/healthz", "/actuator/health", "/-/healthy", "/readyz/"] {
            assert!(is_health_check(of_checks), "{of_checks}");
        }
        assert!(!is_health_check("/healthz/report") && !is_health_check("/health-plans") && !is_health_check("/"));
        assert!(is_path("http.path") && is_path("Path") && !is_path("message"));
    }
}
