//! The post-mortem of an incident of six hours, out of its recording with fifty log lines a second: reading the recording,
//! counting requests in it, and writing the text.
//! `cargo bench --bench export`; `EXPORT_HOURS=1` makes it shorter, `EXPORT_LINES=200` its log denser.

#[path = "../tests/it/support/made.rs"]
#[allow(dead_code)]
mod made;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use divan::{Bencher, black_box};
use made::Made;
use warroom::runtime::postmortem::{self, Format};
use warroom::runtime::replay::{Input, fold};
use warroom::signals::incident::event::{IncidentEvent, Milestone, MilestoneKind, Opened, RecordId, Status};
use warroom::signals::incident::report::ReportOptions;
use warroom::signals::logs::store::{LogStore, StoreOptions};
use warroom::signals::{Event, Timeline};
use warroom::stream::recording::{Encoder, Segment, encode_segment};
use warroom::stream::replay::Part;
use warroom::timeline::Ts;

const BEGIN: i64 = 1_773_500_400;

fn asked(name: &str, benched: f64, tested: f64) -> f64 {
    // As a test it only shows that it runs.
    let whole = if std::env::args().any(|a| a == "--bench") { benched } else { tested };
    std::env::var(name).ok().and_then(|h| h.parse().ok()).unwrap_or(whole)
}

fn seconds() -> i64 {
    (asked("EXPORT_HOURS", 6.0, 0.2) * 3_600.0) as i64
}

/// As the recorder writes it; each line tells of a request, with path, status and duration.
fn write(path: &Path) -> u64 {
    let lines = asked("EXPORT_LINES", 50.0, 20.0) as u32;
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("a recording"));
    let segment = Segment { format: 1, program: "made".into(), redacted: true };
    out.write_all(&encode_segment(&segment, Ts(0))).expect("written");
    let (mut encoder, mut at, mut n) = (Encoder::default(), 0u64, 0u64);
    Made { lines, ..Made::new("web-1", 1, BEGIN, seconds()) }.each(|mut batch| {
        for e in &mut batch {
            let Event::Logs(warroom::signals::logs::event::LogEvent::Appended(a)) = &mut e.event else { continue };
            let text = String::from_utf8_lossy(a.bytes.as_deref().unwrap_or_default()).into_owned();
            let mut more = String::new();
            for line in text.lines() {
                n += 1;
                let path = ["orders", "carts", "users"][(n % 3) as usize];
                let request = format!("\"path\":\"/{path}/{}\",\"duration_ms\":{}.5,\"status\"", n % 9_000, 3 + n % 90);
                more.push_str(&line.replace("\"status\"", &request));
                more.push('\n');
            }
            (a.start, a.end) = (at, at + more.len() as u64);
            at = a.end;
            a.bytes = Some(more.into_bytes().into());
        }
        encoder.events(&batch).iter().for_each(|f| out.write_all(&f.bytes).expect("written"));
    });
    out.flush().expect("written");
    n
}

/// Written once.
fn recording() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("warroom-export-{}.wr", std::process::id()));
        let lines = write(&path);
        println!("{lines} log lines in {} kB", path.metadata().map_or(0, |m| m.len()) >> 10);
        path
    })
}

/// It lasted from the beginning to the end.
fn records() -> Vec<IncidentEvent> {
    let incident = RecordId::fresh();
    let opened = Opened {
        incident,
        title: "orders fail".into(),
        severity: None,
        status: Status::Investigating,
        at: Ts::from_secs(BEGIN + 60),
        author: "ada".into(),
        host: "web-1".into(),
        recording: None,
    };
    let milestone = |milestone, at: i64| {
        let (at, by, host) = (Ts::from_secs(BEGIN + at), "ada".into(), "web-1".into());
        let id = RecordId::fresh();
        IncidentEvent::Milestone(Milestone { id, incident, milestone, at, entered_at: at, by, host, deleted: false })
    };
    let milestones = [milestone(MilestoneKind::Started, 30), milestone(MilestoneKind::Mitigated, seconds() - 30)];
    [IncidentEvent::Opened(opened)].into_iter().chain(milestones).collect()
}

fn store_and_past(input: &Input) -> (LogStore, warroom::stream::past::Past) {
    let past = input.past();
    let options = StoreOptions { background: 0, recall: past.lines(), tape: true, ..StoreOptions::default() };
    (LogStore::new(Box::new(|_| {}), options), past)
}

fn read(input: &Input) -> (Timeline, LogStore) {
    let (store, past) = store_and_past(input);
    let mut timeline = Timeline::default();
    fold(input, &past, Part::Report, |e| {
        timeline.apply(e);
        if let Event::Logs(event) = &e.event {
            store.observe(e.source, "api", e.observed, event, true);
        }
    })
    .expect("a recording");
    (timeline, store)
}

fn main() {
    let path = recording().clone();
    divan::main();
    let _ = std::fs::remove_file(path);
}

/// All of it, as `warroom export --recording` does.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn export_of_the_whole_incident(bencher: Bencher) {
    let input = Input::new(Some(recording().clone()), Vec::new());
    bencher.bench_local(|| {
        let (timeline, store) = read(&input);
        let records = records();
        let id = records[0].incident();
        let seen = postmortem::gather(&timeline, &store, id, &records);
        let impact = seen.impact.as_ref().expect("requests were counted");
        assert!(impact.requests > 0 && !impact.cut, "{} requests", impact.requests);
        postmortem::text(Format::Md, id, &records, &seen, &ReportOptions::default()).expect("a text").len()
    });
}

/// The part of it that reads the recording.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn reading_the_recording(bencher: Bencher) {
    let input = Input::new(Some(recording().clone()), Vec::new());
    bencher.bench_local(|| black_box(read(&input).0.applied));
}
