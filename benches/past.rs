//! A recording of a day at one sample a second with a gigabyte of log lines: until the first frame is there, a seek to a
//! random time with its frame, a scrub by minutes, a page of log lines, and what all that takes of memory.
//! `cargo bench --bench past`; `PAST_HOURS=6` makes it shorter, `PAST_GB=5` its logs larger.

#[path = "../tests/it/support/made.rs"]
#[allow(dead_code)]
mod made;

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use divan::{Bencher, black_box};
use made::Made;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use warroom::app::playhead::{Player, Playhead};
use warroom::app::screen::screen;
use warroom::app::state::{Settings, State};
use warroom::app::windows::Window;
use warroom::signals::Event;
use warroom::signals::logs::store::{Anchor, Ask, LogQuery, LogStore, Slot, StoreOptions};
use warroom::signals::window::{BACK, Wanted};
use warroom::stream::past::{Book, Past};
use warroom::stream::recording::{Encoder, Segment, encode_fields, encode_segment};
use warroom::stream::replay::{read, read_noting};
use warroom::timeline::{Filter, TimeRange, Ts};
use warroom::ui::Theme;

#[global_allocator]
static MEMORY: divan::AllocProfiler = divan::AllocProfiler::system();

const BEGIN: i64 = 1_773_500_400;
const AREA: Rect = Rect { x: 0, y: 0, width: 160, height: 45 };
/// Bytes of a made line of log, about.
const LINE: f64 = 127.0;

fn asked(name: &str, benched: f64, tested: f64) -> f64 {
    // As a test it only shows that it runs.
    let whole = if std::env::args().any(|a| a == "--bench") { benched } else { tested };
    std::env::var(name).ok().and_then(|h| h.parse().ok()).unwrap_or(whole)
}

struct Day {
    state: State,
    past: Past,
    store: LogStore,
    path: PathBuf,
}

/// As the recorder writes it.
fn write(path: &Path) -> u64 {
    let seconds = (asked("PAST_HOURS", 24.0, 3.0) * 3_600.0) as i64;
    let lines = (asked("PAST_GB", 1.0, 0.02) * 1e9 / LINE / seconds as f64).max(1.0) as u32;
    let file = std::fs::File::create(path).expect("a recording");
    let mut out = std::io::BufWriter::new(file);
    let segment = Segment { format: 1, program: "made".into(), redacted: true };
    out.write_all(&encode_segment(&segment, Ts(0))).expect("written");
    out.write_all(&encode_fields()).expect("written");
    let (mut encoder, mut text) = (Encoder::default(), 0);
    Made { lines, ..Made::new("web-1", 1, BEGIN, seconds) }.each(|batch| {
        for e in &batch {
            if let Event::Logs(warroom::signals::logs::event::LogEvent::Appended(a)) = &e.event {
                text += a.end - a.start;
            }
        }
        encoder.events(&batch).iter().for_each(|f| out.write_all(&f.bytes).expect("written"));
    });
    out.flush().expect("written");
    text
}

/// Megabytes of this process: resident, and of that not backed by a file.
fn memory() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) >> 10
    };
    (of("VmRSS:"), of("RssAnon:"))
}

fn make() -> Day {
    let path = std::env::temp_dir().join(format!("warroom-past-{}.wr", std::process::id()));
    let text = write(&path);
    let size = path.metadata().map_or(0, |m| m.len());
    let before = memory();
    let book = Arc::new(Mutex::new(Book::default()));
    let past = Past::Book(Arc::clone(&book));
    let mut state = State::new(Player::replay(TimeRange::new(Ts(0), Ts(0)), None, Ts(0)), Settings::default());
    let options = StoreOptions { background: 0, recall: past.lines(), ..StoreOptions::default() };
    let store = LogStore::new(Box::new(|_| {}), options);
    let began = Instant::now();
    read_noting(&path, Some(&book), &mut |batch| {
        for e in &batch {
            state.apply(e);
            if let Event::Logs(event) = &e.event {
                store.observe(e.source, "api", e.observed, event, true);
            }
        }
        true
    })
    .expect("a recording");
    let took = began.elapsed();
    let (start, end) = state.timeline.span.expect("a span");
    state.player = Player::replay(TimeRange::new(start, end), Some(end), end);
    state.view.area = AREA;
    let after = memory();
    println!(
        "{} s in {} MB, {} MB of log lines in it: read whole in {took:?}; the book takes {} kB; resident {} MB, \
         {} of it anonymous (before it was read {} and {}); {} MB of lines held, {} lost",
        end.since(start).as_secs(),
        size >> 20,
        text >> 20,
        book.lock().expect("the book").size() >> 10,
        after.0,
        after.1,
        before.0,
        before.1,
        store.figures().held >> 20,
        store.figures().lost_lines,
    );
    Day { state, past, store, path }
}

thread_local! {
    static DAY: RefCell<Option<Day>> = const { RefCell::new(None) };
}

fn with_day<T>(f: impl FnOnce(&mut Day) -> T) -> T {
    DAY.with(|d| f(d.borrow_mut().get_or_insert_with(make)))
}

fn main() {
    let path = with_day(|d| d.path.clone());
    divan::main();
    println!("resident at the end {:?} MB", memory());
    let _ = std::fs::remove_file(path);
}

fn random(day: &Day, n: i64) -> Ts {
    let (first, last) = day.state.timeline.span.expect("a span");
    let seconds = (last.secs() - first.secs() - 7_200).max(1);
    Ts::from_secs(first.secs() + 2_400 + (n * 7_919) % seconds)
}

/// Moves the playhead as a key does, waits for what can be shown at once, and draws it.
fn stand(day: &mut Day, at: Ts, buffer: &mut Buffer, theme: &Theme) -> bool {
    day.state.player.head = Playhead::Still(at);
    let mut asked = false;
    if let Some(ask) = day.state.want_window() {
        asked = true;
        let early = day.past.early(&ask.wanted).expect("it is there");
        let window = Box::new(Window { timeline: early.timeline, for_: early.for_ });
        day.state.windows.arrive_early(ask.slot, ask.wanted.for_, window);
    }
    buffer.reset();
    day.state.view.layout = screen(&day.state, theme, AREA, buffer);
    asked
}

/// Whatever is loaded or on its way counts no more.
fn forget(day: &mut Day) {
    day.state.windows = Default::default();
}

fn theme() -> Theme {
    Theme::builtin("dark").expect("the built-in theme")
}

/// From the file to the first frame: its first seconds are read, the rest follows while the screen is there.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn open_to_the_first_frame(bencher: Bencher) {
    let path = with_day(|d| d.path.clone());
    let (theme, mut buffer) = (theme(), Buffer::empty(AREA));
    bencher.bench_local(|| {
        let mut first = None;
        let mut state = State::new(Player::replay(TimeRange::new(Ts(0), Ts(0)), None, Ts(0)), Settings::default());
        read(&path, &mut |batch| {
            batch.iter().for_each(|e| state.apply(e));
            first = first.or(state.timeline.span);
            first.is_none()
        })
        .expect("a recording");
        let (start, end) = first.expect("an event");
        state.player = Player::replay(TimeRange::new(start, end), None, end);
        buffer.reset();
        screen(&state, &theme, AREA, &mut buffer)
    });
}

/// From the key to the frame, at places all over the recording.
#[divan::bench(sample_count = 200, sample_size = 1)]
fn seek_to_the_frame(bencher: Bencher) {
    with_day(|day| {
        let (theme, mut buffer, mut n) = (theme(), Buffer::empty(AREA), 0);
        bencher.bench_local(|| {
            n += 1;
            forget(day);
            let at = random(day, n);
            assert!(stand(day, at, &mut buffer, &theme), "nothing was loaded for {at}");
        });
    });
}

/// Until all that panes look back on is there in full, too: half an hour by the second.
#[divan::bench(sample_count = 40, sample_size = 1)]
fn seek_until_all_is_by_the_second(bencher: Bencher) {
    with_day(|day| {
        let mut n = 0;
        bencher.bench_local(|| {
            n += 1;
            let at = random(day, n);
            let for_ = (at - Duration::from_secs(120), at + Duration::from_secs(60));
            let window = day.past.window(Wanted::new(&day.state.timeline, at, for_, BACK)).expect("a window");
            black_box(window.applied)
        });
    });
}

/// The part of a seek that the main loop does itself.
#[divan::bench(sample_count = 40, sample_size = 1)]
fn seek_on_the_main_loop(bencher: Bencher) {
    with_day(|day| {
        let mut n = 0;
        bencher.bench_local(|| {
            n += 1;
            let at = random(day, n);
            black_box(Wanted::new(&day.state.timeline, at, (at, at), BACK).for_)
        });
    });
}

/// The part of it that the loader does before the frame.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn seek_early_window(bencher: Bencher) {
    with_day(|day| {
        let mut n = 0;
        let ask = |n: i64| {
            let at = random(day, n);
            let for_ = (at - Duration::from_secs(120), at + Duration::from_secs(60));
            Wanted::new(&day.state.timeline, at, for_, BACK)
        };
        bencher
            .with_inputs(|| {
                n += 1;
                ask(n)
            })
            .bench_local_values(|wanted| day.past.early(&wanted).map(|e| e.timeline.applied));
    });
}

/// An hour backwards by minutes, a frame each, as a held key does it. Sixty steps.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn scrub_an_hour_by_minutes(bencher: Bencher) {
    with_day(|day| {
        let (theme, mut buffer, mut n) = (theme(), Buffer::empty(AREA), 0);
        bencher.bench_local(|| {
            n += 1;
            forget(day);
            let from = random(day, 7 * n) + Duration::from_secs(3_600);
            for minute in 0..60 {
                stand(day, from - Duration::from_secs(60 * minute), &mut buffer, &theme);
            }
        });
    });
}

/// A page of log lines of a random time: they are in the recording, and not in memory any more.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn page_of_log_lines(bencher: Bencher) {
    with_day(|day| {
        let mut n = 0;
        bencher.bench_local(|| {
            n += 1;
            let at = random(day, n);
            let query = LogQuery {
                request: 1,
                slot: Slot::View,
                filter: Filter::default(),
                sources: None,
                min_severity: None,
                visible_until: at,
                screen: 30,
                ask: Ask::Rows { anchor: Anchor::End, before: 120, after: 0 },
            };
            let rows = std::cell::Cell::new(0);
            day.store.answer(&query, &|a| rows.set(rows.get() + a.rows.len()));
            assert!(rows.get() >= 100, "{} rows at {at}", rows.get());
        });
    });
}
