//! A terminal that is not read: frames stop, collection goes on, and the way out stays open.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use warroom::signals::Event;
use warroom::signals::host::event::HostEvent;
use warroom::signals::logs::event::LogEvent;
use warroom::stream::recording::{Frame, Reader};

/// How long nobody reads, unless a test says otherwise.
const STALL: Duration = Duration::from_secs(5);

/// warroom in a terminal whose reading can be stopped.
struct Screen {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    _master: Box<dyn MasterPty + Send>,
    read: Arc<AtomicBool>,
    bytes: Arc<AtomicUsize>,
    seen: Arc<Mutex<vt100::Parser>>,
    log: PathBuf,
    recording: PathBuf,
    _dir: tempfile::TempDir,
}

impl Screen {
    fn start() -> Screen {
        let dir = tempfile::tempdir().unwrap();
        let (log, recording) = (dir.path().join("app.log"), dir.path().join("out.wr"));
        std::fs::write(&log, line(0)).unwrap();
        let size = PtySize { rows: 45, cols: 160, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_warroom"));
        command.args([Path::new("--record"), &recording, &log]);
        command.cwd(dir.path());
        command.env("HOME", dir.path());
        command.env("TERM", "xterm-256color");
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "WARROOM_CONFIG"] {
            command.env_remove(name);
        }
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let read = Arc::new(AtomicBool::new(true));
        let bytes = Arc::new(AtomicUsize::new(0));
        let sides = [45, 160].map(|n| NonZero::new(n).unwrap());
        let seen = Arc::new(Mutex::new(vt100::Parser::new(sides[0], sides[1], 0)));
        let mut reader = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let (r, b, s) = (Arc::clone(&read), Arc::clone(&bytes), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            loop {
                while !r.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                match reader.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(n) => {
                        b.fetch_add(n, Ordering::Relaxed);
                        s.lock().unwrap().process(&buffer[..n]);
                    }
                }
            }
        });
        Screen { child, keys, _master: pty.master, read, bytes, seen, log, recording, _dir: dir }
    }

    fn until(&mut self, what: &str, mut is: impl FnMut(&mut Screen) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "no {what}; the screen holds:\n{}",
                self.seen.lock().unwrap().screen().contents()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn shows(&mut self, text: &str) {
        self.until(text, |s| s.seen.lock().unwrap().screen().contents().contains(text));
    }

    /// Stops reading and writes log lines until the time is over; whole frames are asked for, so that the pseudo-terminal is
    /// full after a moment. Gives the lines written.
    fn stall(&mut self, time: Duration) -> u64 {
        self.read.store(false, Ordering::Relaxed);
        let mut log = std::fs::OpenOptions::new().append(true).open(&self.log).unwrap();
        let (began, mut lines) = (Instant::now(), 0);
        while began.elapsed() < time {
            for _ in 0..20 {
                lines += 1;
                log.write_all(line(lines).as_bytes()).unwrap();
            }
            self.keys.write_all(b"\x0c").unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        lines
    }

    fn ended(&mut self) -> Option<u32> {
        self.child.try_wait().unwrap().map(|s| s.exit_code())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.read.store(true, Ordering::Relaxed);
        let _ = self.child.wait();
    }
}

fn line(i: u64) -> String {
    let now = jiff::Timestamp::now();
    format!("{{\"ts\":\"{now}\",\"level\":\"info\",\"message\":\"line number {i} of a terminal that nobody reads\"}}\n")
}

/// Seconds between host samples, longest first, and log lines that came after the start.
fn recorded(path: &Path) -> (Vec<f64>, u64) {
    let mut reader = Reader::new(std::fs::File::open(path).unwrap());
    let (mut samples, mut lines) = (Vec::new(), 0);
    while let Some(frame) = reader.next_frame().unwrap() {
        match frame {
            Frame::Events(events) => {
                for e in events {
                    match e.event {
                        Event::Host(HostEvent::Sample(_)) => samples.push(e.observed),
                        Event::Logs(LogEvent::Appended(a)) if !a.seed => lines += u64::from(a.lines),
                        _ => {}
                    }
                }
            }
            Frame::Gap(gap) => panic!("the recording has a gap: {gap:?}"),
            _ => {}
        }
    }
    let mut gaps: Vec<f64> = samples.windows(2).map(|w| w[1].signed_secs(w[0])).collect();
    gaps.sort_by(|a, b| b.total_cmp(a));
    (gaps, lines)
}

#[test]
fn a_terminal_that_nobody_reads_stops_frames_and_nothing_else() {
    unread_for(STALL);
}

#[test]
#[ignore = "a minute: ./test --machine runs it"]
fn nor_does_one_that_nobody_reads_for_a_minute() {
    unread_for(Duration::from_secs(60));
}

fn unread_for(time: Duration) {
    let mut s = Screen::start();
    s.shows("line number 0");
    let lines = s.stall(time);
    let taken = s.bytes.load(Ordering::Relaxed);
    s.read.store(true, Ordering::Relaxed);
    s.shows(&format!("line number {lines} "));
    let missed = s.bytes.load(Ordering::Relaxed) - taken;
    assert!(missed < 60_000, "frames were queued up while nobody read: {missed} bytes");
    s.keys.write_all(b"q").unwrap();
    s.until("end", |s| s.ended().is_some());
    assert_eq!(s.ended(), Some(0));
    let (gaps, recorded) = recorded(&s.recording);
    let expected = time.as_secs() as usize - 1;
    assert!(gaps.len() >= expected && gaps[0] < 2.5, "host samples were late by {gaps:?}");
    assert_eq!(recorded, lines, "every line was counted");
}

#[test]
fn a_terminal_that_nobody_reads_holds_nobody_up_who_ends_the_program() {
    let mut s = Screen::start();
    s.shows("line number 0");
    s.stall(STALL);
    let asked = Instant::now();
    let pid = rustix::process::Pid::from_raw(s.child.process_id().unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    s.until("end", |s| s.ended().is_some());
    assert!(asked.elapsed() < Duration::from_secs(4), "it took {:?}", asked.elapsed());
    assert!(recorded(&s.recording).1 > 0);
}
