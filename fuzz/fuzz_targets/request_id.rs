//! Every ID that is found in a line stands where it is said to stand, and is found again in the same line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use warroom::timeline::RequestId;
use warroom::timeline::request_id::find_ids;

fuzz_target!(|data: &[u8]| {
    for found in find_ids(data) {
        assert!(data[found.range.clone()].eq_ignore_ascii_case(found.id.0.as_bytes()));
        assert!(!found.id.variants().is_empty());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = RequestId::parse_typed(text);
    }
});
