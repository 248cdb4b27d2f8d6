//! Every format reads any bytes into records without gap or overlap, and head and record agree. The first byte chooses
//! the format.
#![no_main]

use jiff::tz::{Offset, TimeZone};
use libfuzzer_sys::fuzz_target;
use warroom::signals::logs::formats::{self, Context, FORMATS, Format};
use warroom::timeline::Ts;

fuzz_target!(|data: &[u8]| {
    let Some((choice, block)) = data.split_first() else { return };
    let header = formats::by_name("csv(time,level,message)");
    let all: Vec<&'static dyn Format> = FORMATS.iter().copied().chain(header).collect();
    let format = all[*choice as usize % all.len()];
    let cx = Context { zone: TimeZone::fixed(Offset::constant(2)), near: Ts::from_secs(1_795_190_000) };
    let mut at = 0;
    for span in formats::records(block, format, &cx) {
        assert_eq!(span.range.start, at);
        let raw = &block[span.range.clone()];
        let (_, parsed) = formats::parse(raw, format, &cx);
        if span.known {
            assert_eq!(parsed.head, span.head);
        }
        at = span.range.end + 1;
    }
    assert_eq!(at, block.len() + usize::from(!block.is_empty() && !block.ends_with(b"\n")));
    assert!(formats::split_tail(block, format, &cx) <= block.len());
});
