//! A pattern that anybody could write is refused or reads any line: the pattern is the first line, a form of the time
//! the second, the rest is log.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use warroom::signals::logs::formats::user::UserFormat;
use warroom::signals::logs::formats::{Context, Format};
use warroom::timeline::Ts;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |c| *c == b'\n');
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default().to_owned();
    let (pattern, form) = (text(), text());
    let form = Some(form.as_str()).filter(|f| !f.is_empty());
    let Ok(format) = UserFormat::new("fuzz", &pattern, form, false) else { return };
    let cx = Context { zone: TimeZone::UTC, near: Ts::from_secs(1_795_190_000) };
    let rest = parts.next().unwrap_or_default();
    assert_eq!(format.head(rest, &cx).is_some(), format.parse(rest, &cx).is_some());
});
