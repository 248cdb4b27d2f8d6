//! Detection says something about any bytes, and a share between 0 and 1.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use warroom::signals::logs::formats::{self, Context};
use warroom::timeline::Ts;

fuzz_target!(|data: &[u8]| {
    let cx = Context { zone: TimeZone::UTC, near: Ts::from_secs(1_795_190_000) };
    let (format, share) = formats::detect(data, &cx);
    assert!((0.0..=1.0).contains(&share));
    assert!(formats::by_name(format.name()).is_some());
    let _ = formats::detect_file(data.get(..64).unwrap_or(data), data, &cx);
});
