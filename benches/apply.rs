//! Envelopes a second through the one `apply`, by what they carry, and what each batch of log lines costs before and
//! behind it: read and counted, searched for what it tells other panes, redacted and encoded for the recording.
//! `cargo bench --bench apply`

mod busy;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use warroom::signals::logs::event::LogEvent;
use warroom::signals::logs::sources::batch::Batcher;
use warroom::signals::logs::sources::lines::Piece;
use warroom::signals::{Envelope, Event, Timeline};
use warroom::stream::capture::captured;
use warroom::stream::derive::Derive;
use warroom::stream::recording::encode_events;
use warroom::timeline::{OriginId, SourceId, Ts};

/// Tells what the folded histories hold in memory, too.
#[global_allocator]
static MEMORY: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

fn folded(bencher: Bencher, n: usize, make: impl Fn(i64) -> Event) {
    let mut s = busy::Stream::default();
    busy::declarations(&mut s);
    for i in 0..n as i64 {
        s.say(1, i / 4, make(i / 4));
    }
    bencher.counter(ItemsCount::new(n)).with_inputs(Timeline::default).bench_refs(|t| {
        for e in &s.all {
            t.apply(e);
        }
        black_box(t.applied)
    });
}

#[divan::bench(sample_count = 20)]
fn host_samples(bencher: Bencher) {
    folded(bencher, 8_000, busy::host_sample);
}

#[divan::bench(sample_count = 20)]
fn process_tables(bencher: Bencher) {
    folded(bencher, 4_000, busy::processes);
}

#[divan::bench(sample_count = 20)]
fn log_batches(bencher: Bencher) {
    folded(bencher, 20_000, |second| busy::log_batch(second, second as u64 * 20_000, 100, None));
}

#[divan::bench(sample_count = 20)]
fn database_activity(bencher: Bencher) {
    folded(bencher, 2_000, busy::activity);
}

#[divan::bench(sample_count = 20)]
fn slow_statements(bencher: Bencher) {
    folded(bencher, 8_000, |second| busy::slow(second, second as u64));
}

/// All of two hours, as a replay folds it before its first frame.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn two_hours(bencher: Bencher) {
    let all = busy::afternoon(true);
    bencher.counter(ItemsCount::new(all.len())).with_inputs(Timeline::default).bench_refs(|t| {
        for e in &all {
            t.apply(e);
        }
        black_box(t.applied)
    });
}

/// A quarter of a second at 5,000 lines/s, as the follower of a file reads it.
const LINES: u64 = 1_250;

fn bytes() -> Vec<u8> {
    (0..LINES).flat_map(|i| busy::line(i, 5_000).into_bytes()).collect()
}

fn appended() -> Envelope {
    let piece = Piece { start: 0, bytes: bytes(), mid_line: false };
    let event =
        Event::Logs(LogEvent::Appended(Batcher::new(Some("json")).appended(0, piece, Ts::from_secs(busy::START))));
    Envelope { seq: 1, origin: OriginId(0), source: SourceId(1), observed: Ts::from_secs(busy::START), mono: 0, event }
}

#[divan::bench]
fn log_lines_counted(bencher: Bencher) {
    let bytes = bytes();
    bencher
        .counter(ItemsCount::new(LINES))
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| (Batcher::new(Some("json")), Piece { start: 0, bytes: bytes.clone(), mid_line: false }))
        .bench_values(|(mut b, piece)| b.appended(0, piece, Ts::from_secs(busy::START)));
}

#[divan::bench]
fn log_lines_derived(bencher: Bencher) {
    let e = appended();
    let Event::Logs(event) = &e.event else { return };
    let mut derive = Derive::new();
    bencher
        .counter(ItemsCount::new(LINES))
        .counter(BytesCount::new(bytes().len()))
        .bench_local(|| derive.derive(SourceId(1), "app", black_box(event)).len());
}

#[divan::bench]
fn log_lines_redacted(bencher: Bencher) {
    let e = appended();
    bencher
        .counter(ItemsCount::new(LINES))
        .counter(BytesCount::new(bytes().len()))
        .bench_local(|| captured(black_box(&e)));
}

#[divan::bench]
fn log_lines_encoded(bencher: Bencher) {
    let e = [captured(&appended())];
    bencher
        .counter(ItemsCount::new(LINES))
        .counter(BytesCount::new(bytes().len()))
        .bench_local(|| encode_events(black_box(&e)).len());
}
