//! What stands inside a wrapper: the line that Docker, Kubernetes, the journal or syslog carry for somebody else.

use super::{
    Context, Format, Head, Parsed, access, apache_error, enrich, envoy, haproxy, json, logfmt, lossy, nginx_error,
    pairs, postgres, stack, stamped,
};
use crate::timeline::Severity;

/// The formats that are looked for inside; no wrappers, so that nesting ends.
static INNER: &[&dyn Format] = &[
    &json::Json,
    &access::Access,
    &envoy::Envoy,
    &haproxy::Haproxy,
    &nginx_error::NginxError,
    &apache_error::ApacheError,
    &postgres::Postgres,
    &logfmt::Logfmt,
    &stamped::Stamped,
];

/// Time and severity of a wrapped line; nothing known is an empty head.
pub(super) fn head(line: &[u8], cx: &Context) -> Head {
    INNER.iter().find_map(|f| f.head(line, cx)).unwrap_or_default()
}

/// Whether a wrapped line continues a trace that the wrapped line before it belongs to.
pub(super) fn continues(before: &[u8], line: &[u8], cx: &Context) -> bool {
    if stack::is_traceback(line) {
        return head(before, cx).severity.is_none_or(|s| s >= Severity::Warn);
    }
    if stack::follows(before, line) {
        return true;
    }
    if stack::starts_with_exception(line) {
        // an exception that stands alone is not explained by the next one
        let above = head(before, cx);
        return above.severity.is_some_and(|s| s >= Severity::Warn) && stack::crash(before).is_none();
    }
    false
}

/// The whole of a wrapped record, as text with its pairs when no format fits.
pub(super) fn parse(record: &[u8], cx: &Context) -> Parsed {
    if let Some(parsed) = INNER.iter().find_map(|f| f.head(record, cx).and_then(|_| f.parse(record, cx))) {
        return parsed;
    }
    let mut parsed = Parsed { message: lossy(record).into_owned(), ..Parsed::default() };
    parsed.fields = pairs::inside(record.split(|c| *c == b'\n').next().unwrap_or_default()).0;
    enrich::finish(&mut parsed);
    parsed
}
