//! A box with many processes: what the recorder sees of them, and what it takes itself. In a PID namespace of its own, so that
//! their number is known.

use std::process::Command;

use warroom::signals::Event;
use warroom::signals::host::event::{HostEvent, OwnCost, ProcessTable};
use warroom::stream::recording::{Frame, Reader};
use warroom::timeline::SourceState;
use warroom::timeline::source::Declaration;

use crate::support::program::Home;

/// Resident memory the recorder may take, however many processes there are; much of it is the program itself.
const MOST_RSS: u64 = 64 << 20;
/// What of that thousands of processes may cost.
const MOST_GROWTH: u64 = 8 << 20;
/// Bytes that a table of processes may take in a recording before it is packed: thirty rows and some units.
const MOST_BYTES: usize = 16 << 10;
/// A look longer than this is dear; two of them in a row slow the looks down.
const DEAR_MS: f32 = 50.0;

/// What a recording tells of one run.
#[derive(Default)]
struct Seen {
    tables: Vec<ProcessTable>,
    bytes: usize,
    costs: Vec<OwnCost>,
    /// Why the source of the host looked less often.
    slower: Vec<String>,
}

/// Records for a while as the first process of a namespace in which so many others sleep.
fn recorded_among(sleeping: u32) -> Seen {
    let home = Home::new();
    let config = home.file("host.toml", "[deploys]\ndiscover = false\nunits = false\npackages = false\n");
    home.file("app.log", "2026-03-14T13:55:58Z INFO one line\n");
    // Shells that wait for a pipe nobody writes to; they share their memory and go with the namespace.
    let inside = "mkfifo hold; i=0; while [ $i -lt \"$N\" ]; do read x < hold & i=$((i+1)); done; exec \"$W\" \"$@\"";
    let alone =
        "unshare --pid --fork true 2>/dev/null && U= || U=-r; exec unshare $U --pid --fork --kill-child --mount-proc";
    let done = Command::new("sh")
        .args(["-c", &format!("{alone} sh -c '{inside}' sh \"$@\""), "sh"])
        .args(["record", "-o", "out.wr", "--for", "24s", "--config"])
        .arg(&config)
        .arg("app.log")
        .current_dir(home.path(""))
        .env_clear()
        .envs(home.variables())
        .env("N", sleeping.to_string())
        .env("W", env!("CARGO_BIN_EXE_warroom"))
        .output()
        .expect("a shell starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let mut seen = Seen::default();
    let mut reader = Reader::new(std::fs::File::open(home.path("out.wr")).expect("a recording"));
    while let Some(frame) = reader.next_frame().expect("it reads") {
        let Frame::Events(events) = frame else { continue };
        for e in events {
            match e.event {
                Event::Host(HostEvent::Processes(table)) => {
                    seen.bytes = seen.bytes.max(serde_json::to_string(&table).expect("JSON").len());
                    seen.tables.push(*table);
                }
                Event::Host(HostEvent::OwnCost(cost)) => seen.costs.push(cost),
                Event::Stream(Declaration::State { state: SourceState::Degraded { why }, .. })
                    if why.starts_with("processes every") =>
                {
                    seen.slower.push(why);
                }
                _ => {}
            }
        }
    }
    seen
}

#[test]
#[ignore = "needs a PID namespace"]
fn however_many_processes_there_are_all_are_counted_and_looking_at_them_stays_bounded() {
    let mut least_rss = u64::MAX;
    for sleeping in [50, 600, 5_000] {
        let seen = recorded_among(sleeping);
        let rss = seen.costs.iter().map(|c| c.rss_bytes).max().expect("its own cost");
        let cpu = seen.costs.iter().map(|c| c.cpu_pct_of_one_core).fold(0.0, f32::max);
        let longest = seen.costs.iter().map(|c| c.longest_look_ms).fold(0.0, f32::max);
        println!(
            "{sleeping} processes: {} tables, at most {} bytes each, {:.1} MiB resident, at most {cpu} % of a core, longest \
             look {longest} ms, {:?}",
            seen.tables.len(),
            seen.bytes,
            rss as f64 / f64::from(1 << 20),
            seen.slower,
        );
        // Those that sleep, the recorder, and what it may have started.
        for table in &seen.tables {
            assert!((sleeping + 1..sleeping + 20).contains(&table.total), "{} of {sleeping}", table.total);
            assert!(table.rows.len() <= 30 && table.rows.iter().any(|r| r.pid == 1), "{:?}", table.rows);
        }
        assert!(seen.tables.len() >= 2, "{} tables", seen.tables.len());
        assert!(seen.bytes <= MOST_BYTES, "{} bytes", seen.bytes);
        least_rss = least_rss.min(rss);
        assert!(rss <= MOST_RSS && rss <= least_rss + MOST_GROWTH, "{rss} bytes resident, {least_rss} with fewer");
        // Looks at processes are five seconds apart or fewer, so that two spans of five seconds hold two of them in a row.
        let dear = seen.costs.windows(3).any(|w| w.iter().all(|c| c.longest_look_ms > DEAR_MS));
        assert!(!dear || !seen.slower.is_empty(), "looks of {longest} ms, and it went on as before");
    }
}
