//! Deploy sources against real files, a real git repository, real symlinks and a script in place of `journalctl`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warroom::commands::deploy;
use warroom::signals::deploys::event::{Change, ChangeKind, ChangeStatus, DeployEvent};
use warroom::signals::deploys::history::DeploysHistory;
use warroom::signals::deploys::sources::{dpkg, jsonl, reflog, symlink as link, unit_journal, unit_proc, units};
use warroom::signals::source::{Lanes, Observation, StreamClock};
use warroom::signals::{Event, Out, Roots, Source};
use warroom::timeline::source::Declaration;
use warroom::timeline::{SourceId, SourceState, Ts};

/// A source that runs, and what it says.
struct Running {
    said: mpsc::Receiver<Observation>,
    cancel: CancellationToken,
    history: DeploysHistory,
    seq: u64,
}

impl Running {
    fn start(mut source: impl Source) -> Running {
        let (must, said) = mpsc::channel(1_000);
        let lanes = Lanes { must, sample: mpsc::channel(1).0, logs: mpsc::channel(1).0 };
        let out = Out::new(SourceId(1), StreamClock::start(), lanes);
        let cancel = CancellationToken::new();
        let inner = cancel.clone();
        tokio::spawn(async move { source.run(&out, inner).await });
        Running { said, cancel, history: DeploysHistory::default(), seq: 0 }
    }

    async fn next(&mut self) -> Observation {
        let next = tokio::time::timeout(Duration::from_secs(20), self.said.recv()).await;
        next.expect("the source said nothing for 20 s").expect("the source ended")
    }

    /// The next change; states and the like are taken in on the way.
    async fn change(&mut self) -> (Ts, Change) {
        loop {
            let said = self.next().await;
            if let Event::Deploys(event) = said.event {
                self.seq += 1;
                self.history.apply(self.seq, SourceId(1), said.observed, &event);
                if let DeployEvent::Change(change) = event {
                    return (said.observed, change);
                }
            }
        }
    }

    async fn state(&mut self) -> SourceState {
        loop {
            if let Event::Stream(Declaration::State { state, .. }) = self.next().await.event {
                return state;
            }
        }
    }

    /// Reads on until the source has said what was there at the start.
    async fn seeded(&mut self) {
        while !matches!(self.next().await.event, Event::Deploys(DeployEvent::Covers { .. })) {}
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn append(path: &Path, text: &str) {
    fs::File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn now() -> Ts {
    StreamClock::start().wall()
}

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}

fn told(service: &str, version: &str, at: Ts) -> Change {
    let mut change = Change::new(at, ChangeKind::Deploy, service);
    change.version = version.into();
    change
}

#[tokio::test]
async fn a_deploy_log_is_read_back_followed_across_rotation_and_a_bad_line_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deploys.jsonl");
    let start = now();
    deploy::append(&path, &told("api", "1.4.0", start - hours(30))).unwrap();
    deploy::append(&path, &told("api", "1.4.1", start - hours(1))).unwrap();
    let mut r = Running::start(jsonl::DeployLog::new(&path, true));

    let (observed, old) = r.change().await;
    assert_eq!((old.version.as_str(), old.at), ("1.4.0", start - hours(30)));
    assert!(observed >= start - hours(2), "what is older must not stretch the time axis");
    let (observed, recent) = r.change().await;
    assert_eq!((recent.version.as_str(), observed), ("1.4.1", start - hours(1)));
    r.seeded().await;

    let mut begun = told("api", "1.4.2", now());
    begun.status = ChangeStatus::Start;
    deploy::append(&path, &begun).unwrap();
    assert_eq!(r.change().await.1.status, ChangeStatus::Start);
    fs::rename(&path, dir.path().join("deploys.jsonl.1")).unwrap();
    deploy::append(&path, &told("api", "1.4.2", now())).unwrap();
    assert_eq!(r.change().await.1.status, ChangeStatus::Ok);
    let rows = r.history.rows(Ts::MAX);
    assert_eq!(rows.len(), 3, "the start and its end are one row");

    append(&path, "deployed by hand\n");
    loop {
        if let SourceState::Degraded { why } = r.state().await {
            assert!(why.contains("1 line of") && why.contains("JSON"), "{why}");
            break;
        }
    }
    deploy::append(&path, &told("api", "1.4.3", now())).unwrap();
    assert_eq!(r.change().await.1.version, "1.4.3");
}

fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=Ann Lee", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(status.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&status.stderr));
}

#[tokio::test]
async fn a_live_checkout_tells_when_another_commit_was_put_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let shop = dir.path().join("shop");
    fs::create_dir(&shop).unwrap();
    git(&shop, &["init", "-q", "-b", "main"]);
    git(&shop, &["commit", "-q", "--allow-empty", "-m", "first"]);
    let mut r = Running::start(reflog::Reflog::new(&shop));
    let (_, first) = r.change().await;
    assert_eq!((first.kind, first.service.as_str(), first.previous), (ChangeKind::Checkout, "shop", None));
    r.seeded().await;

    git(&shop, &["commit", "-q", "--allow-empty", "-m", "drop the index"]);
    let (_, second) = r.change().await;
    assert_eq!(second.detail.as_deref(), Some("commit: drop the index"));
    assert_eq!((second.previous, second.by.as_deref()), (Some(first.version.clone()), Some("Ann Lee")));

    git(&shop, &["reset", "-q", "--hard", "HEAD~1"]);
    let (_, back) = r.change().await;
    assert_eq!(back.version, first.version);
    // Written anew by git itself: nothing of it is told again.
    git(&shop, &["reflog", "expire", "--expire=all", "--all"]);
    git(&shop, &["commit", "-q", "--allow-empty", "-m", "mend"]);
    assert_eq!(r.change().await.1.detail.as_deref(), Some("commit: mend"));
}

#[tokio::test]
async fn the_switch_of_a_symlink_is_a_deploy_of_its_targets_name() {
    let dir = tempfile::tempdir().unwrap();
    let api = dir.path().join("api");
    for release in ["1.4.1", "1.4.2"] {
        fs::create_dir_all(api.join("releases").join(release)).unwrap();
    }
    let current = api.join("current");
    symlink("releases/1.4.1", &current).unwrap();
    let mut r = Running::start(link::Switch::new(&current));
    let (_, first) = r.change().await;
    assert_eq!((first.service.as_str(), first.version.as_str(), first.previous), ("api", "1.4.1", None));
    r.seeded().await;
    // As `ln -sfn` and deploy tools do it: a new link renamed over the old one.
    symlink("releases/1.4.2", api.join("next")).unwrap();
    fs::rename(api.join("next"), &current).unwrap();
    let (_, second) = r.change().await;
    assert_eq!((second.version.as_str(), second.previous.as_deref()), ("1.4.2", Some("1.4.1")));
    assert!(now().since(second.at) < Duration::from_secs(60));
}

#[tokio::test]
async fn packages_are_told_as_one_change_with_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dpkg.log");
    let zone = jiff::tz::TimeZone::UTC;
    let at = |ago: u64| (now() - Duration::from_secs(ago)).date_hms(&zone);
    append(
        &path,
        &format!("{} upgrade libc6:amd64 2.39-1 2.39-2\n{} status installed libc6:amd64 2.39-2\n", at(900), at(899)),
    );
    let mut r = Running::start(dpkg::DpkgLog::new(&path, zone.clone()));
    let (_, first) = r.change().await;
    assert_eq!(
        (first.service.as_str(), first.previous.as_deref(), first.version.as_str()),
        ("libc6", Some("2.39-1"), "2.39-2")
    );
    r.seeded().await;
    append(&path, &format!("{0} upgrade nginx:amd64 1.24 1.26\n{0} install curl:amd64 <none> 8.5\n", at(0)));
    assert_eq!(r.change().await.1.count, 2);
}

#[tokio::test]
async fn restarts_come_out_of_the_journal_from_before_and_after_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let entry = |id: &str, cursor: u32, more: &str| {
        let micros = now().0 / 1_000;
        format!(
            r#"{{"__CURSOR":"c{cursor}","__REALTIME_TIMESTAMP":"{micros}","MESSAGE_ID":"{id}","UNIT":"app.service"{more}}}"#
        )
    };
    const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
    const AGAIN: &str = "5eb03494b6584870a536b337290809b3";
    let script = dir.path().join("journalctl");
    // Asked to follow, it must go on after the last entry that was read.
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in\n*--follow*--after-cursor=c1*)\necho '{}'\necho '{}'\nsleep 60;;\n*--since*)\necho '{}';;\nesac\n",
        entry(AGAIN, 2, r#","N_RESTARTS":"4""#),
        entry(STARTED, 3, ""),
        entry(STARTED, 1, ""),
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let roots = Roots::under(dir.path());
    let reader = unit_journal::Reader::new(&roots);
    let mut r = Running::start(units::Units::new(&script, true, reader, unit_proc::Generations::new(&roots)));
    assert_eq!(r.state().await, SourceState::Ok);
    let (_, before) = r.change().await;
    assert_eq!((before.kind, before.service.as_str(), before.detail), (ChangeKind::Restart, "app.service", None));
    let (_, after) = r.change().await;
    assert_eq!(after.detail.as_deref(), Some("no. 4 by systemd after: its end"));
}

#[tokio::test]
async fn without_a_readable_journal_the_processes_tell_and_the_reason_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots::under(dir.path());
    let unit = roots.sys.join("fs/cgroup/system.slice/app.service");
    fs::create_dir_all(&unit).unwrap();
    for (pid, start) in [(10, 100), (11, 200)] {
        fs::create_dir_all(roots.proc.join(pid.to_string())).unwrap();
        let stat = format!("{pid} (app) S {}{start} 0", "0 ".repeat(18));
        fs::write(roots.proc.join(pid.to_string()).join("stat"), stat).unwrap();
    }
    fs::write(roots.proc.join("stat"), format!("btime {}\n", now().secs() - 600)).unwrap();
    fs::write(unit.join("cgroup.procs"), "10\n").unwrap();
    let reader = unit_journal::Reader::new(&roots);
    let none = dir.path().join("no-journalctl");
    let mut r = Running::start(units::Units::new(none, true, reader, unit_proc::Generations::new(&roots)));
    let SourceState::Degraded { why } = r.state().await else { panic!("a missing journal is worth saying") };
    assert!(why.contains("no-journalctl") && why.contains("/proc"), "{why}");
    assert_eq!(r.change().await.1.service, "app.service");
    fs::write(unit.join("cgroup.procs"), "11\n").unwrap();
    assert_eq!(r.change().await.1.detail.as_deref(), Some("process 10 gave way to 11"));
}

#[test]
fn events_survive_the_recording_and_an_older_one_with_fewer_fields_is_read() {
    let mut change = told("api", "1.4.2", now());
    change.kind = ChangeKind::Rollback;
    change.count = 3;
    let event = Event::Deploys(DeployEvent::Change(change));
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    let least = r#"{"signal":"deploys","event":{"what":"change","at":1,"kind":"deploy","service":"api"}}"#;
    let Event::Deploys(DeployEvent::Change(change)) = serde_json::from_str(least).unwrap() else { panic!("{least}") };
    assert_eq!((change.count, change.status), (1, ChangeStatus::Ok));
}
