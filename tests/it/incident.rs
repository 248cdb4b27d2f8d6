//! The incident log between processes: two that write at once, and one that is killed in the middle.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use warroom::signals::incident::sources::draft::NoteDraft;
use warroom::signals::incident::sources::store::{IncidentStore, StoreError};

const LOG: &str = "WARROOM_TEST_INCIDENT_LOG";
const COUNT: &str = "WARROOM_TEST_INCIDENT_NOTES";

/// Not a test of its own: what the processes of the other tests run. Prints the ID of each note once it is saved.
#[tokio::test]
async fn writer_process() {
    let Ok(log) = std::env::var(LOG) else { return };
    let count: u64 = std::env::var(COUNT).ok().and_then(|c| c.parse().ok()).unwrap_or(u64::MAX);
    let store = IncidentStore::open(log);
    for n in 0..count {
        let saved = store.add_note(NoteDraft::typed(&format!("note {n} of {}", std::process::id()))).await.unwrap();
        println!("\nsaved {}", saved.note.id);
    }
}

fn writer(log: &Path, count: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "incident::writer_process", "--nocapture", "--test-threads=1"]).env(LOG, log);
    if let Some(count) = count {
        command.env(COUNT, count.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn saved(line: std::io::Result<String>) -> Option<String> {
    line.ok()?.strip_prefix("saved ").map(str::to_owned)
}

async fn ids(log: &Path) -> (usize, BTreeSet<String>) {
    let store = IncidentStore::open(log);
    let incidents = store.list().await.unwrap();
    let mut ids = BTreeSet::new();
    for incident in &incidents {
        ids.extend(store.notes(incident.id).await.unwrap().iter().map(|n| n.id.to_string()));
    }
    (incidents.len(), ids)
}

#[tokio::test]
async fn two_processes_write_to_the_same_new_log_at_once_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("incidents.db");
    let writers = [writer(&log, Some(40)), writer(&log, Some(40))];
    let mut told = BTreeSet::new();
    for mut w in writers {
        told.extend(BufReader::new(w.stdout.take().unwrap()).lines().filter_map(saved));
        assert!(w.wait().unwrap().success());
    }
    let (incidents, there) = ids(&log).await;
    assert_eq!((incidents, told.len()), (1, 80));
    assert_eq!(there, told);
}

#[tokio::test]
async fn a_writer_that_is_killed_loses_no_note_it_said_was_saved() {
    killed(30).await;
}

#[tokio::test]
#[ignore = "machine: 500 kills take minutes"]
async fn a_writer_that_is_killed_500_times_loses_no_note_it_said_was_saved() {
    killed(500).await;
}

async fn killed(rounds: usize) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("incidents.db");
    let mut told = BTreeSet::new();
    for round in 0..rounds {
        let mut w = writer(&log, None);
        let mut lines = BufReader::new(w.stdout.take().unwrap()).lines();
        // Another number of notes each time, so that the kill falls on another moment of the write.
        told.extend(lines.by_ref().filter_map(saved).take(1 + round % 4));
        w.kill().unwrap();
        w.wait().unwrap();
        told.extend(lines.filter_map(saved)); // said before it died, read after
        let (_, there) = ids(&log).await;
        let lost: Vec<_> = told.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
    }
    assert!(told.len() >= rounds);
}

/// A file system of 400 kB that ends with the test.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Small {
        let dir = tempfile::tempdir().unwrap();
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=400k", "tmpfs"])
            .arg(dir.path())
            .status()
            .expect("mount can be run");
        assert!(status.success(), "this machine does not allow mounting: run ./test without --machine");
        Small(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
#[ignore = "machine: mounts a small file system"]
async fn on_a_full_disk_a_note_is_refused_in_words_and_none_that_was_saved_is_lost() {
    let disk = Small::mount();
    let path = disk.0.path().join("incidents.db");
    let store = IncidentStore::open(&path);
    let mut saved = 0;
    let why = loop {
        let text = format!("note {saved} {}", "x".repeat(8_000));
        match store.add_note(NoteDraft::typed(&text)).await {
            Ok(_) => saved += 1,
            Err(why) => break why,
        }
        assert!(saved < 1_000, "400 kB never end");
    };
    assert!(matches!(why, StoreError::Full { .. }) && why.may_pass(), "{why}");
    assert!(why.to_string().contains("no space left"), "{why}");
    drop(store);
    let again = IncidentStore::open(&path);
    let incident = again.current().await.unwrap().expect("the incident that the first note opened");
    assert_eq!(again.notes(incident.id).await.unwrap().len(), saved);
}
