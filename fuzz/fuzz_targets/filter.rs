//! Any text is a filter or an error; what is a filter reads back as itself from its own text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use warroom::timeline::Filter;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(filter) = Filter::parse(text) {
        let shown = filter.to_string();
        let again = Filter::parse(&shown).expect("what is shown can be typed");
        assert_eq!(again.to_string(), shown);
        let _ = (filter.chips(), filter.could_match(data), filter.next_candidate(data, 0));
    }
});
