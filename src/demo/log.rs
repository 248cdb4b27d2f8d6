//! The files the service writes: `app.log` (JSON lines) and `access.log` (combined format).
//!
//! A full disk must not take the service down: a line that cannot be written is counted, and `/metrics` shows the count.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// The JSON lines.
pub(super) const APP_LOG: &str = "app.log";
/// The access log.
pub(super) const ACCESS_LOG: &str = "access.log";
/// A file that grows past this is renamed to `….1`, as logrotate does, in place of the one before.
const ROTATE_AT: u64 = 32 << 20;

/// Both files.
#[derive(Debug)]
pub(super) struct Logs {
    app: Appender,
    access: Appender,
    lost: AtomicU64,
}

impl Logs {
    pub(super) fn create(folder: &Path) -> io::Result<Logs> {
        Ok(Logs {
            app: Appender::create(folder.join(APP_LOG))?,
            access: Appender::create(folder.join(ACCESS_LOG))?,
            lost: AtomicU64::new(0),
        })
    }

    pub(super) fn write(&self, line: Line) {
        let mut text = line.0;
        text.push_str("}\n");
        self.count(self.app.append(&text));
    }

    /// One request in combined format, its ID at the end.
    pub(super) fn access(&self, request: &Access<'_>) {
        let time = jiff::Timestamp::now().strftime("%d/%b/%Y:%H:%M:%S +0000");
        let Access { peer, method, path, status, bytes, agent, request_id } = request;
        self.count(self.access.append(&format!(
            "{peer} - - [{time}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\" {request_id}\n"
        )));
    }

    /// Lines that could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn count(&self, result: io::Result<()>) {
        if result.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What an access line says.
#[derive(Debug)]
pub(super) struct Access<'a> {
    pub(super) peer: std::net::IpAddr,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) status: u16,
    pub(super) bytes: usize,
    pub(super) agent: &'a str,
    pub(super) request_id: &'a str,
}

/// One JSON object, its fields in the order they were added.
#[derive(Debug)]
pub(super) struct Line(String);

impl Line {
    /// `level` is the upper-case word, `target` the part of the program that speaks.
    pub(super) fn new(level: &str, target: &str, message: &str) -> Line {
        let mut line = Line(String::with_capacity(256));
        let _ = write!(line.0, "{{\"timestamp\":\"{:.6}\"", jiff::Timestamp::now());
        line.field("level", level).field("target", target).field("message", message)
    }

    pub(super) fn field(mut self, name: &str, value: impl Serialize) -> Line {
        if let Ok(value) = serde_json::to_string(&value) {
            let _ = write!(self.0, ",\"{name}\":{value}");
        }
        self
    }

    pub(super) fn maybe(self, name: &str, value: Option<impl Serialize>) -> Line {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }
}

#[derive(Debug)]
struct Appender {
    path: PathBuf,
    open: Mutex<(File, u64)>,
}

impl Appender {
    fn create(path: PathBuf) -> io::Result<Appender> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Appender { path, open: Mutex::new((file, 0)) })
    }

    fn append(&self, text: &str) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(|e| e.into_inner());
        if open.1 > ROTATE_AT {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *open = (OpenOptions::new().append(true).create(true).open(&self.path)?, 0);
        }
        open.0.write_all(text.as_bytes())?;
        open.1 += text.len() as u64;
        Ok(())
    }
}

/// Rounded to hundredths of a millisecond, as people read it.
pub(super) fn millis(d: std::time::Duration) -> f64 {
    (d.as_secs_f64() * 1e5).round() / 100.0
}
