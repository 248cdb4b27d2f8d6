//! A recording, read back into the same stream.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::past::Book;
use super::recording::{Damage, Frame, Place, Reader, RecordingError, Stream};
use super::runs::Runs;
use crate::signals::Envelope;
use crate::timeline::Ts;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Envelopes handed on.
    pub envelopes: u64,
    /// Envelopes the recorder had lost.
    pub missing: u64,
    /// How often the wall clock was set while it was recorded.
    pub clock_steps: u64,
    /// What could not be read.
    pub damage: Damage,
}

impl Summary {
    /// What is wrong with the recording, in words; `None` when nothing is.
    pub fn trouble(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.damage.bytes > 0 {
            let place = self.damage.places.first().map(Place::text).unwrap_or_default();
            parts.push(format!("{} damaged bytes stepped over{place}", self.damage.bytes));
        }
        if self.damage.orphans > 0 {
            parts.push(format!("{} events lost with them", self.damage.orphans));
        }
        if self.clock_steps > 0 {
            let times = if self.clock_steps == 1 { "once".into() } else { format!("{} times", self.clock_steps) };
            parts.push(format!("the clock of the box was set {times}"));
        }
        if self.missing > 0 {
            parts.push(format!("{} events were lost while recording", self.missing));
        }
        let unknown = self.damage.unknown_frames + self.damage.unknown_events;
        if unknown > 0 {
            parts.push(format!("{unknown} parts come from a newer version"));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Reads a recording (one file, or a folder of segments) and hands each frame's envelopes to `to`, which returns false
/// to stop.
pub fn read(path: &Path, to: &mut dyn FnMut(Vec<Envelope>) -> bool) -> Result<Summary, RecordingError> {
    read_noting(path, None, to)
}

/// As [`read`], noting in `book` where which times stand.
pub fn read_noting(
    path: &Path,
    book: Option<&Mutex<Book>>,
    to: &mut dyn FnMut(Vec<Envelope>) -> bool,
) -> Result<Summary, RecordingError> {
    read_part(path, book, Part::All, to)
}

/// What of a recording is read.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    All,
    /// What a report is made of: no process tables, sessions and statements, which are half of the work.
    Report,
}

impl Part {
    /// The reader of it.
    fn of<R: Read>(self, reader: Reader<R>) -> Reader<R> {
        match self {
            Part::All => reader,
            Part::Report => {
                reader.part_of(&[Stream::Machine, Stream::Services, Stream::Logs], Stream::Services, |text| {
                    let head = &text.as_bytes()[..text.len().min(256)];
                    let of = memchr::memmem::find(head, b"\"signal\":\"").map(|at| &head[at + 10..]);
                    of.is_none_or(|signal| !signal.starts_with(b"database\""))
                })
            }
        }
    }
}

/// As [`read_noting`], of a part of what is recorded. `book` knows all of it all the same.
pub fn read_part(
    path: &Path,
    book: Option<&Mutex<Book>>,
    part: Part,
    to: &mut dyn FnMut(Vec<Envelope>) -> bool,
) -> Result<Summary, RecordingError> {
    let note = |f: &mut dyn FnMut(&mut Book)| {
        if let Some(book) = book {
            f(&mut book.lock().unwrap_or_else(PoisonError::into_inner));
        }
    };
    let io = |what, path: &Path| {
        let path = path.display().to_string();
        move |source| RecordingError::Io { what, path, source }
    };
    let files = files(path)?;
    let mut summary = Summary::default();
    let mut size = 0;
    let mut frames = 0u64;
    let mut runs = Runs::default();
    for file in &files {
        let input = File::open(file).map_err(io("cannot open", file))?;
        size += input.metadata().map(|m| m.len()).unwrap_or(0);
        let mut reader = part.of(Reader::new(input));
        let mut noted = 0;
        runs.segment();
        note(&mut |b| b.file(file.clone()));
        while let Some(frame) = reader.next_frame().map_err(io("cannot read", file))? {
            frames += 1;
            match frame {
                Frame::Segment(_) => runs.segment(),
                Frame::Gap(gap) => summary.missing += gap.envelopes,
                Frame::Clock(_) => summary.clock_steps += 1,
                Frame::Events(mut envelopes) => {
                    runs.place(&mut envelopes);
                    // What was stepped over lies between, and others may want it.
                    let frame = reader.last_frame();
                    let bytes = if part == Part::All { frame.clone() } else { noted..frame.end };
                    noted = frame.end;
                    note(&mut |b| b.note(bytes.clone(), reader.generation(), &envelopes, &runs));
                    summary.envelopes += envelopes.len() as u64;
                    if !to(envelopes) {
                        return Ok(summary);
                    }
                }
            }
        }
        summary.damage.add(reader.damage());
    }
    if frames == 0 {
        return Err(RecordingError::NotARecording { path: path.display().to_string(), size });
    }
    Ok(summary)
}

/// The files of a recording: itself, or the segments in a folder in the order in which they began, whatever they are
/// called.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, RecordingError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let listed = std::fs::read_dir(path).map_err(|source| RecordingError::Io {
        what: "cannot list",
        path: path.display().to_string(),
        source,
    })?;
    let all = listed.filter_map(|e| e.ok().map(|e| e.path()));
    let mut files: Vec<PathBuf> = all.filter(|p| p.extension().is_some_and(|e| e == "wr")).collect();
    files.sort_by_cached_key(|f| (began(f), f.clone()));
    Ok(files)
}

/// Observed time of the first envelope; of what cannot be read, the earliest there is.
fn began(file: &Path) -> Ts {
    let Ok(input) = File::open(file) else { return Ts::MIN };
    let mut reader = Reader::new(input.take(4 << 20));
    while let Ok(Some(frame)) = reader.next_frame() {
        if let Frame::Events(envelopes) = frame
            && let Some(first) = envelopes.first()
        {
            return first.observed;
        }
    }
    Ts::MIN
}
