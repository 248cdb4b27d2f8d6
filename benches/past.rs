//! A recording of a day at one sample a second: how long a seek into its far past takes, and what a window holds.
//! `cargo bench --bench past`; `PAST_HOURS=6` makes it shorter.

#[path = "../tests/it/support/made.rs"]
#[allow(dead_code)]
mod made;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use divan::{Bencher, black_box};
use made::Made;
use warroom::signals::Timeline;
use warroom::signals::window::{BACK, Wanted};
use warroom::stream::past::{Book, Past};
use warroom::stream::replay::read_noting;
use warroom::timeline::Ts;

#[global_allocator]
static MEMORY: divan::AllocProfiler = divan::AllocProfiler::system();

const BEGIN: i64 = 1_773_500_400;

fn hours() -> i64 {
    // As a test it only shows that it runs.
    let whole = if std::env::args().any(|a| a == "--bench") { 24 } else { 3 };
    std::env::var("PAST_HOURS").ok().and_then(|h| h.parse().ok()).unwrap_or(whole)
}

struct Day {
    present: Timeline,
    past: Past,
    path: PathBuf,
}

fn day() -> &'static Day {
    // A state is of one thread; so are these benches.
    thread_local!(static DAY: OnceCell<&'static Day> = const { OnceCell::new() });
    let make = || -> &'static Day {
        let path = std::env::temp_dir().join(format!("warroom-past-{}.wr", std::process::id()));
        Made::new("web-1", 1, BEGIN, hours() * 3_600).write(&path);
        let size = path.metadata().map_or(0, |m| m.len());
        let book = Arc::new(Mutex::new(Book::default()));
        let mut present = Timeline::default();
        let began = Instant::now();
        read_noting(&path, Some(&book), &mut |batch| {
            batch.iter().for_each(|e| present.apply(e));
            true
        })
        .expect("a recording");
        let index = book.lock().expect("the book").size();
        println!(
            "{} h in {} MB: read in {:?}; the book takes {} kB",
            hours(),
            size >> 20,
            began.elapsed(),
            index >> 10
        );
        Box::leak(Box::new(Day { present, past: Past::Book(book), path }))
    };
    DAY.with(|d| *d.get_or_init(make))
}

fn main() {
    let path = day().path.clone();
    divan::main();
    let _ = std::fs::remove_file(path);
}

fn at(day: &Day, n: i64) -> Ts {
    let (first, last) = day.present.span.expect("a span");
    let seconds = (last.secs() - first.secs() - 7_200).max(1);
    Ts::from_secs(first.secs() + 2_400 + (n * 7_919) % seconds)
}

/// From the key to the state that is drawn, at places all over the recording.
#[divan::bench(sample_count = 40, sample_size = 1)]
fn seek(bencher: Bencher) {
    let day = day();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        let at = at(day, n);
        let (from, to) = (at - Duration::from_secs(120), at + Duration::from_secs(60));
        let window = day.past.window(Wanted::new(&day.present, from, to, BACK)).expect("a window");
        black_box(window.applied)
    });
}

/// The part of it that the main loop does itself.
#[divan::bench(sample_count = 40, sample_size = 1)]
fn what_is_kept_for_long(bencher: Bencher) {
    let day = day();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        let at = at(day, n);
        black_box(Wanted::new(&day.present, at, at, BACK).base.applied)
    });
}
