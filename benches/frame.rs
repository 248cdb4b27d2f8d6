//! What a frame costs at 200x60 over two hours of everything and a million log lines, and what is called in it; and what
//! a page from the end of a gigabyte costs. `cargo bench --bench frame`; FRAME_GB=0.1 makes the large file smaller.

mod busy;

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use divan::{Bencher, black_box};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use warroom::app::arrival::Arrival;
use warroom::app::arrive::arrive;
use warroom::app::facts::facts;
use warroom::app::pane::Pane;
use warroom::app::playhead::Player;
use warroom::app::screen::screen;
use warroom::app::state::{Settings, State};
use warroom::app::travel;
use warroom::signals::logs::event::{LogEvent, LogOpened};
use warroom::signals::logs::store::{Anchor, Ask, LogArrival, LogQuery, LogStore, Slot, StoreOptions};
use warroom::signals::{deploys, health, host, incident, logs};
use warroom::timeline::{Filter, SourceId, Ts};
use warroom::ui::glyphs::Glyphs;
use warroom::ui::{PaneCx, Theme};

const AREA: Rect = Rect { x: 0, y: 0, width: 200, height: 60 };
const MILLION: u64 = 1_000_000;

fn main() {
    divan::main();
    if let Some(dir) = DIR.get() {
        let _ = std::fs::remove_dir_all(dir.path());
    }
}

static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();

fn dir() -> &'static std::path::Path {
    DIR.get_or_init(|| tempfile::tempdir().expect("a temp folder")).path()
}

/// A file of a million lines, two hours long; written once.
fn million() -> &'static (std::path::PathBuf, u64) {
    static FILE: OnceLock<(std::path::PathBuf, u64)> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = dir().join("million.log");
        let per_second = MILLION / busy::LONG as u64 + 1;
        let mean = busy::line(MILLION / 2, per_second).len() as u64;
        let (_, size) = busy::write_log(&path, mean * MILLION, per_second);
        (path, size)
    })
}

/// A file of a gigabyte; written once.
fn gigabyte() -> &'static std::path::PathBuf {
    static FILE: OnceLock<std::path::PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = dir().join("gigabyte.log");
        let size = std::env::var("FRAME_GB").ok().and_then(|s| s.parse::<f64>().ok()).unwrap_or(1.0) * 1e9;
        busy::write_log(&path, size as u64, 700);
        path
    })
}

fn store() -> (LogStore, Receiver<LogArrival>) {
    let (to, answers) = channel();
    let deliver = Box::new(move |a| {
        let _ = to.send(a);
    });
    (LogStore::new(deliver, StoreOptions { background: 0, ..StoreOptions::default() }), answers)
}

fn opened(path: &std::path::Path, size: u64) -> LogEvent {
    LogEvent::Opened(LogOpened {
        generation: 0,
        path: Some(path.to_string_lossy().into_owned()),
        file: None,
        size,
        head: {
            let bytes = &std::fs::read(path).map(|b| b[..4_096.min(b.len())].to_vec()).unwrap_or_default();
            Some((crc32c::crc32c(bytes), bytes.len() as u32))
        },
        format: None,
        request_id: Vec::new(),
    })
}

/// The state at the end of the afternoon, rows of the log resident.
fn afternoon() -> State {
    let end = Ts::from_secs(busy::START + busy::LONG) + Duration::from_millis(300);
    let mut state = State::new(Player::live(end), Settings::default());
    for e in busy::afternoon(true) {
        state.apply(&e);
    }
    state.view.area = AREA;
    travel::follow_playhead(&mut state);
    let (path, size) = million();
    let (store, answers) = store();
    store.observe(SourceId(1), "app", end, &opened(path, *size), false);
    for _ in 0..3 {
        let mut buffer = Buffer::empty(AREA);
        state.view.layout = screen(&state, &theme(), AREA, &mut buffer);
        let Some(query) = state.logs.wants(state.view.layout.log_height as usize) else { break };
        store.ask(query);
        while let Ok(answer) = answers.recv_timeout(Duration::from_secs(20)) {
            let done = answer.done;
            arrive(&mut state, Arrival::Logs(Box::new(answer)));
            if done {
                break;
            }
        }
    }
    assert!(state.logs.selected().is_some(), "no rows of the log are resident");
    state
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// With the one state, made once.
fn with_state(f: impl FnOnce(&mut State)) {
    STATE.with(|s| f(s.borrow_mut().get_or_insert_with(afternoon)));
}

fn theme() -> Theme {
    Theme::builtin("dark").expect("the built-in theme")
}

fn drawn(bencher: Bencher, area: Rect, prepare: impl FnOnce(&mut State)) {
    with_state(|state| {
        let (focus, zoom) = (state.view.focus, state.view.zoom);
        prepare(state);
        let theme = theme();
        let mut buffer = Buffer::empty(area);
        let state_ref = &*state;
        bencher.bench_local(|| {
            buffer.reset();
            screen(black_box(state_ref), &theme, area, &mut buffer)
        });
        (state.view.focus, state.view.zoom) = (focus, zoom);
        state.view.filter = Filter::default();
    });
}

#[divan::bench]
fn frame_200x60(bencher: Bencher) {
    drawn(bencher, AREA, |_| {});
}

#[divan::bench]
fn frame_80x24(bencher: Bencher) {
    drawn(bencher, Rect::new(0, 0, 80, 24), |_| {});
}

#[divan::bench]
fn frame_filtered_by_request(bencher: Bencher) {
    drawn(bencher, AREA, |state| {
        state.view.filter = Filter::parse(&format!("request_id={}", busy::id(7_000))).expect("a filter");
    });
}

#[divan::bench(args = [Pane::Logs, Pane::Host, Pane::Database, Pane::Deploys, Pane::Health, Pane::Incident])]
fn zoomed(bencher: Bencher, pane: &Pane) {
    drawn(bencher, AREA, |state| (state.view.focus, state.view.zoom) = (*pane, true));
}

/// A blocked chain in which `waiting` sessions wait behind one, as the source lists it: those at the head of the queue,
/// and the nearest before each. The screen a minute into it.
fn blocked(waiting: i32) -> State {
    let mut s = busy::Stream::default();
    busy::declarations(&mut s);
    for second in 0..60 {
        s.say(3, second, busy::chain(second, waiting));
        if second % 5 == 0 {
            s.say(3, second, busy::statements(second));
        }
    }
    let end = Ts::from_secs(busy::START + 59) + Duration::from_millis(300);
    let mut state = State::new(Player::live(end), Settings::default());
    s.all.iter().for_each(|e| state.apply(e));
    travel::follow_playhead(&mut state);
    state
}

/// A frame with 200 sessions behind one row, of the pane among the others and of the pane alone.
#[divan::bench(args = [(200, false), (200, true), (99, true), (10, true)])]
fn blocked_160x45(bencher: Bencher, (waiting, zoom): (i32, bool)) {
    let mut state = blocked(waiting);
    (state.view.focus, state.view.zoom) = (Pane::Database, zoom);
    let (theme, area) = (theme(), Rect::new(0, 0, 160, 45));
    let mut buffer = Buffer::empty(area);
    screen(&state, &theme, area, &mut buffer);
    let text: String = buffer.content().iter().map(|c| c.symbol()).collect();
    assert!(text.contains(&format!("{waiting} sessions wait")), "{text}");
    bencher.bench_local(|| {
        buffer.reset();
        screen(black_box(&state), &theme, area, &mut buffer)
    });
}

/// Difference of two frames and the bytes for it, where one second has passed and the log has scrolled.
#[divan::bench]
fn bytes_of_a_scrolled_frame(bencher: Bencher) {
    with_state(|state| {
        let theme = theme();
        let (mut before, mut after) = (Buffer::empty(AREA), Buffer::empty(AREA));
        screen(state, &theme, AREA, &mut before);
        state.logs.move_by(-30);
        screen(state, &theme, AREA, &mut after);
        state.logs.end();
        bencher.bench_local(|| black_box(&before).diff(black_box(&after)).len());
    });
}

#[divan::bench]
fn the_facts(bencher: Bencher) {
    with_state(|state| {
        let state = &*state;
        bencher.bench_local(|| facts(black_box(state), AREA.width));
    });
}

#[derive(Copy, Clone, Debug)]
enum Part {
    ErrorRate,
    ErrorBaseline,
    ErrorsSince,
    DeployMarks,
    LastDeploy,
    HealthMarks,
    IncidentMarks,
    IncidentCurrent,
    IncidentHeader,
    OomKills,
    OwnCost,
    HostLatest,
    HostProcesses,
    HostMounts,
    SlowList,
    PoolsNow,
    DatabaseIsSilent,
    StripColumns,
}
use Part::*;

/// Each thing that a frame asks of a history.
#[divan::bench(args = [ErrorRate, ErrorBaseline, ErrorsSince, DeployMarks, LastDeploy, HealthMarks, IncidentMarks,
    IncidentCurrent, IncidentHeader, OomKills, OwnCost, HostLatest, HostProcesses, HostMounts, SlowList, PoolsNow,
    DatabaseIsSilent, StripColumns])]
fn asked(bencher: Bencher, part: &Part) {
    with_state(|state| {
        let t = &state.timeline;
        let now = state.now();
        let facts = facts(state, AREA.width);
        let window = facts.window.expect("a window");
        let theme = theme();
        let zone = jiff::tz::TimeZone::UTC;
        let cx = PaneCx {
            theme: &theme,
            glyphs: &Glyphs::UNICODE,
            now,
            zone: &zone,
            facts: &facts,
            focused: false,
            zoomed: false,
            cursor: 0,
            live: true,
        };
        use warroom::signals::database::{pools, slow};
        bencher.bench_local(|| match part {
            ErrorRate => {
                black_box(t.logs.error_rate(now));
            }
            ErrorBaseline => {
                black_box(t.logs.error_baseline(now));
            }
            ErrorsSince => {
                black_box(t.logs.errors_since(now));
            }
            DeployMarks => {
                black_box(t.deploys.marks(window, now));
            }
            LastDeploy => {
                black_box(t.deploys.last_deploy(now));
            }
            HealthMarks => {
                black_box(t.health.marks(window, now));
            }
            IncidentMarks => {
                black_box(t.incident.marks(now));
            }
            IncidentCurrent => {
                black_box(t.incident.current(now));
            }
            IncidentHeader => {
                black_box(incident::pane::header(&t.incident, &cx, 60));
            }
            OomKills => {
                black_box(t.host.oom_kills(window, now).count());
            }
            OwnCost => {
                black_box(t.host.own_cost(now));
            }
            HostLatest => {
                black_box(t.host.latest(now));
            }
            HostProcesses => {
                black_box(t.host.processes(now));
            }
            HostMounts => {
                black_box(t.host.mounts(now));
            }
            SlowList => {
                black_box(slow::list(&t.database, now, slow::Ask::default()));
            }
            PoolsNow => {
                black_box(pools::pools(&t.database, now));
            }
            DatabaseIsSilent => {
                black_box(t.database.is_silent(now));
            }
            StripColumns => {
                black_box(t.logs.columns(window, 180, now));
            }
        });
    });
}

/// Every pane in a few words, as the narrow screen shows them.
#[divan::bench]
fn glances(bencher: Bencher) {
    with_state(|state| {
        let facts = facts(state, 80);
        let theme = theme();
        let zone = jiff::tz::TimeZone::UTC;
        let cx = PaneCx {
            theme: &theme,
            glyphs: &Glyphs::UNICODE,
            now: state.now(),
            zone: &zone,
            facts: &facts,
            focused: false,
            zoomed: false,
            cursor: 0,
            live: true,
        };
        let t = &state.timeline;
        bencher.bench_local(|| {
            black_box((
                logs::pane::glance(&t.logs, &cx),
                host::pane::glance(&t.host, &cx),
                deploys::pane::glance(&t.deploys, &cx),
                health::pane::glance(&t.health, &cx),
                incident::pane::glance(&t.incident, &cx),
            ))
        });
    });
}

fn rows(filter: &str, anchor: Anchor) -> LogQuery {
    LogQuery {
        request: 1,
        slot: Slot::View,
        filter: Filter::parse(filter).expect("a filter"),
        sources: None,
        min_severity: None,
        visible_until: Ts::MAX,
        screen: 56,
        ask: Ask::Rows { anchor, before: 224, after: 0 },
    }
}

/// A store that has just been opened, asked for the last 224 records of a gigabyte.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn page_from_the_end_of_a_gigabyte(bencher: Bencher) {
    let path = gigabyte();
    bencher.with_inputs(|| store().0).bench_values(|store| {
        store.open_files(std::slice::from_ref(path)).expect("the file is there");
        let n = RefCell::new(0);
        store.answer(&rows("", Anchor::End), &|a| *n.borrow_mut() += a.rows.len());
        assert!(n.into_inner() >= 200);
    });
}

/// The same by time, in the middle of it.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn page_from_the_middle_of_a_gigabyte(bencher: Bencher) {
    let path = gigabyte();
    bencher.with_inputs(|| store().0).bench_values(|store| {
        store.open_files(std::slice::from_ref(path)).expect("the file is there");
        let n = RefCell::new(0);
        let at = Anchor::At(Ts::from_secs(busy::START + 3_000));
        store.answer(&rows("", at), &|a| *n.borrow_mut() += a.rows.len());
        assert!(n.into_inner() >= 200);
    });
}

/// All records of one request, of which there are six near the start: everything is read.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn one_request_in_a_gigabyte(bencher: Bencher) {
    let path = gigabyte();
    bencher.with_inputs(|| store().0).bench_values(|store| {
        store.open_files(std::slice::from_ref(path)).expect("the file is there");
        let n = RefCell::new(0);
        let query = rows(&format!("request_id={}", busy::id(70)), Anchor::End);
        store.answer(&query, &|a| *n.borrow_mut() += a.rows.len());
        assert_eq!(n.into_inner(), 6);
    });
}
