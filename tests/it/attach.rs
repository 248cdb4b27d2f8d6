//! A second screen on a running warroom: the same picture, one log of the incident, no second set of sources.

use std::io::Write;

use rustix::process::Signal;

use crate::support::program::{Home, kill};
use crate::support::tty::Tty;

fn line(n: u32) -> String {
    format!("{{\"ts\":\"2026-03-14T10:00:{n:02}Z\",\"level\":\"info\",\"msg\":\"order {n} taken\"}}\n")
}

#[test]
fn a_second_responder_sees_and_notes_the_same_and_is_told_when_the_first_one_ends() {
    let home = Home::new();
    let log = home.file("api.log", &(0..20).map(line).collect::<String>());
    let mut first = Tty::start(&home, &["api.log"], (100, 30));
    first.wait_for("order 19 taken");
    let pid = first.pid().to_string();
    let mut second = Tty::start(&home, &["attach", &pid], (80, 24));
    second.wait_for("order 19 taken");
    // What is watched is watched by the first one alone.
    let watches = |pid: u32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
        fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).any(|to| to.ends_with("anon_inode:inotify"))
    };
    assert!(watches(first.pid()) && !watches(second.pid()));

    let mut file = std::fs::OpenOptions::new().append(true).open(&log).expect("the log");
    file.write_all(line(20).as_bytes()).expect("written");
    first.wait_for("order 20 taken");
    second.wait_for("order 20 taken");

    second.keys("a");
    second.wait_for("note: ");
    second.keys("seen by the second one\r");
    second.wait_for("note saved");
    first.keys("6");
    first.wait_for("seen by the second one");
    first.keys("aseen by the first one\r");
    second.keys("6");
    second.wait_for("seen by the first one");
    // Both are by whom the configuration says.
    let shown = home.run(&["incident", "show", "--json"]).good();
    let value: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let authors: Vec<_> = value["notes"].as_array().expect("notes").iter().map(|n| n["author"].clone()).collect();
    assert_eq!(authors, ["anna", "anna"]);

    kill(first.pid(), Signal::TERM);
    first.ended();
    second.wait_for("has ended; what is shown stands still");
    second.keys("q");
    assert_eq!(second.ended(), 0);
    second.is_given_back();
}
