//! From sources to the one ordered stream, and from there to disk and back.
//!
//! `supervisor` runs sources, `order` numbers what they say, `derive` adds what log lines tell other panes, `recorder`
//! taps the stream, `capture` takes secrets out of what it keeps, `recording` is the file format, `replay` feeds a recording into the same stream again,
//! `past` and `lines` read parts of it once more.

pub mod capture;
pub mod derive;
pub mod lines;
pub mod order;
pub mod past;
pub mod queue;
pub mod recorder;
pub mod recording;
pub mod replay;
pub mod runs;
pub mod supervisor;
