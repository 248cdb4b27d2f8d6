//! Windows onto the far past: what the histories have let go of, folded again from the recording round one instant.
//!
//! A book of where which times stand is kept while a recording is read or written; it holds no envelope. A window is
//! what is kept for long of the present ([`Timeline::before`]) with the frames of half an hour folded behind it. It is
//! never mixed into the present. Memory is that of half an hour of facts, whatever the length of the recording.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lines::RecordedLines;
use super::recorder::Recorder;
use super::recording::{Decoder, Frame, Reader, Stream};
use super::runs::{Runs, Speaking};
use crate::signals::logs::store::Recall;
use crate::signals::window::Wanted;
use crate::signals::{Envelope, Event, Timeline};
use crate::timeline::Ts;

/// Observed time and bytes of one block of frames.
const BLOCK: (Duration, u64) = (Duration::from_secs(10), 1 << 20);
/// A block of a made-up time span must not make a window read everything: most bytes of frames that are folded.
const MOST: u64 = 256 << 20;

/// Frames that stand behind one another.
#[derive(Clone, Debug)]
struct Block {
    file: usize,
    bytes: Range<u64>,
    first: Ts,
    last: Ts,
    speaking: Arc<Speaking>,
    /// Its frames build on those before them of the same one; `None` where they build on none.
    generation: Option<u8>,
}

/// Where which times stand in a recording.
#[derive(Clone, Debug, Default)]
pub struct Book {
    files: Vec<PathBuf>,
    blocks: Vec<Block>,
    runs: Runs,
}

impl Book {
    /// From now on frames are of this file.
    pub fn file(&mut self, path: PathBuf) {
        self.files.push(path);
    }

    /// Notes a frame of the newest file with what it holds, and who spoke in it.
    pub fn note(&mut self, bytes: Range<u64>, generation: Option<u8>, envelopes: &[Envelope], runs: &Runs) {
        let observed = || envelopes.iter().map(|e| e.observed);
        let (Some(first), Some(last)) = (observed().min(), observed().max()) else { return };
        // What is known of the runs is needed to read parts again; it grows with declarations only.
        if envelopes.iter().any(|e| matches!(e.event, Event::Stream(_))) {
            self.runs.clone_from(runs);
        }
        let file = self.files.len().saturating_sub(1);
        if let Some(b) = self.blocks.last_mut()
            && b.file == file
            && b.bytes.end == bytes.start
            && bytes.end - b.bytes.start <= BLOCK.1
            && last.max(b.last).since(first.min(b.first)) <= BLOCK.0
            && (b.generation.is_none() || generation.is_none() || b.generation == generation)
            && *b.speaking == *runs.speaking()
        {
            b.bytes.end = bytes.end;
            b.generation = b.generation.or(generation);
            (b.first, b.last) = (b.first.min(first), b.last.max(last));
            return;
        }
        let same = self.blocks.last().filter(|b| *b.speaking == *runs.speaking()).map(|b| Arc::clone(&b.speaking));
        let speaking = same.unwrap_or_else(|| Arc::new(runs.speaking().clone()));
        self.blocks.push(Block { file, bytes, first, last, speaking, generation });
    }

    /// Bytes that the book itself takes in memory, about.
    pub fn size(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
    }

    /// The chains that the log lines of a time stand in, whole, in order.
    pub fn chains(&self, from: Ts, to: Ts) -> Vec<Chain> {
        let pieces = self.pieces(from, to);
        let mut out: Vec<Chain> = Vec::new();
        for piece in pieces.all {
            match out.last_mut() {
                Some(chain) if chain.goes_on_with(&piece) => chain.pieces.push(piece),
                _ => out.push(Chain { pieces: vec![piece], runs: pieces.runs.clone() }),
            }
        }
        out
    }

    fn pieces(&self, from: Ts, to: Ts) -> Pieces {
        let mut pieces = Pieces { runs: Some(self.runs.clone()), ..Pieces::default() };
        // Blocks before the first wanted one of a generation are needed to read it.
        let mut began = 0;
        let mut taken = 0;
        for (i, b) in self.blocks.iter().enumerate() {
            let goes_on = i > 0 && {
                let before = &self.blocks[i - 1];
                before.file == b.file && b.generation.is_some() && before.generation == b.generation
            };
            if !goes_on {
                began = i;
            }
            if b.first <= to && b.last >= from {
                for b in &self.blocks[taken.max(began)..=i] {
                    pieces.all.push(Piece {
                        bytes: Bytes::File(self.files[b.file].clone(), b.bytes.clone()),
                        speaking: Some(Arc::clone(&b.speaking)),
                        generation: b.generation.map(u64::from),
                    });
                }
                taken = i + 1;
            }
        }
        pieces
    }
}

/// Frames of a part of the past.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    all: Vec<Piece>,
    runs: Option<Runs>,
    /// The earliest instant from which on nothing is missing, where that is later than was asked for.
    pub since: Option<Ts>,
}

#[derive(Clone, Debug)]
struct Piece {
    bytes: Bytes,
    speaking: Option<Arc<Speaking>>,
    generation: Option<u64>,
}

#[derive(Clone, Debug)]
enum Bytes {
    File(PathBuf, Range<u64>),
    Memory(Arc<[u8]>),
}

impl Pieces {
    /// A part of a file, of one generation.
    pub fn push_file(&mut self, path: PathBuf, bytes: Range<u64>, generation: u64) {
        self.all.push(Piece { bytes: Bytes::File(path, bytes), speaking: None, generation: Some(generation) });
    }

    /// A frame in memory.
    pub fn push(&mut self, frame: Arc<[u8]>, generation: u64) {
        self.all.push(Piece { bytes: Bytes::Memory(frame), speaking: None, generation: Some(generation) });
    }

    /// Where the second half begins: between two generations.
    fn middle(&self) -> usize {
        let apart = |i: usize| {
            let (a, b) = (&self.all[i - 1], &self.all[i]);
            a.generation != b.generation || b.generation.is_none()
        };
        let half = self.all.len() / 2;
        (half.max(1)..self.all.len()).find(|&i| apart(i)).unwrap_or(self.all.len())
    }
}

/// Frames that build on one another, from their key on.
#[derive(Clone, Debug)]
pub struct Chain {
    pieces: Vec<Piece>,
    runs: Option<Runs>,
}

impl Chain {
    fn goes_on_with(&self, next: &Piece) -> bool {
        let Some(last) = self.pieces.last() else { return false };
        let file = |p: &Piece| match &p.bytes {
            Bytes::File(path, _) => Some(path.clone()),
            Bytes::Memory(_) => None,
        };
        last.generation.is_some() && last.generation == next.generation && file(last) == file(next)
    }

    /// Whether it stands at the same place, and is of the same length.
    pub fn is_same(&self, other: &Chain) -> bool {
        let place = |c: &Chain| {
            let bytes = |p: &Piece| match &p.bytes {
                Bytes::File(path, bytes) => Some((path.clone(), bytes.clone())),
                Bytes::Memory(_) => None,
            };
            (c.pieces.first().and_then(bytes), c.pieces.last().and_then(bytes))
        };
        place(self).0.is_some() && place(self) == place(other)
    }

    /// Every envelope of log lines in it.
    pub fn log_lines(&self) -> Result<Vec<Envelope>, PastError> {
        let lines = |text: &str| match memchr::memmem::find(text.as_bytes(), b"\"signal\":\"") {
            Some(at) => text.as_bytes()[at + 10..].starts_with(b"logs"),
            None => true,
        };
        let all = (Ts::MIN, Ts::MAX);
        let wants = Wants { streams: &[Stream::Logs], margin: Duration::ZERO, later: None };
        decode(&self.pieces, self.runs.clone(), all, wants, lines)
    }
}

/// Where the past is read from.
#[derive(Clone)]
pub enum Past {
    /// A recording that is replayed.
    Book(Arc<Mutex<Book>>),
    /// What the recorder of this run holds, on disk or in memory.
    Recorder(Recorder),
    /// Raw log files: their counts are kept, and nothing else is known of them.
    Nothing,
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The file is not readable any more.
    #[error("cannot read the past again from {path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The flight recorder does not reach back so far.
    #[error("the far past is known by the minute only: the recorder in memory reaches back to {since}")]
    Gone {
        /// From when on it is known.
        since: Ts,
    },
    /// The recorder does not answer.
    #[error("{0}")]
    Recorder(String),
}

/// A window in the making: what can be shown at once.
pub struct Early {
    /// It draws from this: the last seconds are right, what panes look back on is known by the minute.
    pub timeline: Timeline,
    /// First and last playhead that it is right for.
    pub for_: (Ts, Ts),
}

/// Playheads round the one asked for that an early window is right for, and what is folded before them: samples, mounts
/// and statements come at least this often.
const EARLY: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(12);
/// Process tables, the largest of all that is sampled, come more often, unless looking is dear.
const TABLE: Duration = Duration::from_secs(3);
/// What goes into one frame while things are recorded.
const GATHERED: Duration = Duration::from_secs(2);
/// What of process tables and mounts is folded before the first playhead of a window: only the newest one is shown.
const TABLES: Duration = Duration::from_secs(120);
/// A frame may begin any time before what is wanted and reach into it: whoever writes faster than the clock goes, from a
/// file or in a test, gathers more than half a second into one.
const FRAME: Duration = Duration::MAX;

/// Does both, the first on a thread of its own where one can be had; `None` of it when it panicked.
fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (Option<A>, B) {
    let first = Mutex::new(Some(first));
    let run = || {
        let first = first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        first.map(|first| first())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("decode".into()).spawn_scoped(scope, run);
        let second = second();
        (thread.map_or_else(|_| run(), |t| t.join().ok().flatten()), second)
    })
}

impl Past {
    /// Folds the window. Blocks for as long as reading takes.
    pub fn window(&self, ask: Wanted) -> Result<Timeline, PastError> {
        let Wanted { for_: (first, last), from, .. } = ask;
        if matches!(self, Past::Nothing) {
            return Ok(ask.packed().unpack());
        }
        let near = (first - TABLES).max(from);
        let back = self.pieces(from, near)?;
        let here = self.pieces(near, last)?;
        if let Some(since) = here.since.filter(|s| *s > first) {
            return Err(PastError::Gone { since });
        }
        // Decoding is most of the work, and can be done by two at a time.
        let (head, tail) = back.all.split_at(back.middle());
        let wants = |streams| Wants { streams, margin: FRAME, later: None };
        let lean = |pieces: &[Piece]| decode(pieces, back.runs.clone(), (from, Ts(near.0 - 1)), wants(LEAN), wanted);
        let newer = || Ok([lean(tail)?, decode(&here.all, here.runs.clone(), (near, last), wants(FULL), wanted)?]);
        let (newer, older) = both(newer, || lean(head));
        let [tail, here] = newer.unwrap_or_else(|| Ok(Default::default()))?;
        let mut base = ask.packed().unpack();
        older?.iter().chain(&tail).chain(&here).for_each(|e| base.apply_past(e));
        Ok(base)
    }

    /// What can be shown of the window while it is folded: the seconds round the playhead, on what the present keeps by the
    /// minute. `None` where that is not known.
    pub fn early(&self, ask: &Wanted) -> Option<Early> {
        if matches!(self, Past::Nothing) {
            return None;
        }
        let for_ = ((ask.at - EARLY).max(ask.for_.0), (ask.at + EARLY).min(ask.for_.1));
        let from = (for_.0 - LATEST).max(ask.from);
        let pieces = self.pieces(from, for_.1).ok()?;
        if pieces.since.is_some_and(|since| since > for_.0) {
            return None;
        }
        let read = |part: Wants| decode(&pieces.all, pieces.runs.clone(), (from, for_.1), part, wanted);
        let facts = || {
            let tables = Some((Stream::Processes, (for_.0 - TABLE).max(from) - GATHERED));
            let mut found = read(Wants { streams: FULL, margin: GATHERED, later: tables })?;
            // What is not found so near is looked for further back: frames may be longer, and tables rarer.
            let is_table = |e: &Envelope| Stream::of(&e.event) == Some(Stream::Processes);
            for (streams, tables) in [(LEAN, false), (TABLES_ONLY, true)] {
                if !found.iter().any(|e| is_table(e) == tables) {
                    found.extend(read(Wants { streams, margin: LATEST, later: None })?);
                }
            }
            Ok::<_, PastError>(found)
        };
        // Decoding takes longer, and is not what waits for a thread to begin.
        let base = ask.packed();
        let (timeline, facts) = both(move || base.unpack(), facts);
        let mut timeline = timeline?;
        facts.ok()?.iter().for_each(|e| timeline.apply_past(e));
        Some(Early { timeline, for_ })
    }

    /// Where log lines are read again that the store does not hold.
    pub fn lines(&self) -> Option<Arc<dyn Recall>> {
        match self {
            Past::Book(book) => Some(Arc::new(RecordedLines::new(Arc::clone(book)))),
            Past::Recorder(_) | Past::Nothing => None,
        }
    }

    fn pieces(&self, from: Ts, to: Ts) -> Result<Pieces, PastError> {
        match self {
            Past::Book(book) => Ok(book.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pieces(from, to)),
            Past::Recorder(recorder) => recorder.past(from, to).map_err(PastError::Recorder),
            Past::Nothing => Ok(Pieces::default()),
        }
    }
}

/// What is folded of the time just before and at the playhead, and of the time that is only looked back on.
const FULL: &[Stream] = &[Stream::Machine, Stream::Processes, Stream::Services];
const LEAN: &[Stream] = &[Stream::Machine, Stream::Services];
const TABLES_ONLY: &[Stream] = &[Stream::Processes];

/// Only what [`Timeline::apply_past`] takes in; a text in which that cannot be seen is decoded to be sure.
fn wanted(text: &str) -> bool {
    let head = &text.as_bytes()[..text.len().min(256)];
    match memchr::memmem::find(head, b"\"signal\":\"") {
        Some(at) => [&b"host"[..], b"database", b"health"].iter().any(|s| head[at + 10..].starts_with(s)),
        None => true,
    }
}

/// Which part of frames is wanted.
struct Wants {
    streams: &'static [Stream],
    /// How long before the time that is wanted a frame may begin that reaches into it.
    margin: Duration,
    /// Frames of this stream only if they begin no earlier.
    later: Option<(Stream, Ts)>,
}

/// Envelopes from the first to the second of `span`.
fn decode(
    pieces: &[Piece],
    runs: Option<Runs>,
    span: (Ts, Ts),
    wants: Wants,
    wanted: fn(&str) -> bool,
) -> Result<Vec<Envelope>, PastError> {
    let (from, to) = span;
    let streams = wants.streams;
    let mut runs = runs.unwrap_or_default();
    let mut out = Vec::new();
    let mut open: Option<(PathBuf, File)> = None;
    let mut buffer = Vec::new();
    let mut total = 0;
    let mut chains = Decoder::default();
    for piece in pieces {
        buffer.clear();
        match &piece.bytes {
            Bytes::Memory(frame) => buffer.extend_from_slice(frame),
            Bytes::File(path, range) => {
                let fail = |source| PastError::Io { path: path.display().to_string(), source };
                let file = match &mut open {
                    Some((of, file)) if of == path => file,
                    other => &mut other.insert((path.clone(), File::open(path).map_err(fail)?)).1,
                };
                file.seek(SeekFrom::Start(range.start)).map_err(fail)?;
                file.take(range.end - range.start).read_to_end(&mut buffer).map_err(fail)?;
            }
        }
        total += buffer.len() as u64;
        if total > MOST {
            break;
        }
        if let Some(speaking) = &piece.speaking {
            runs.resume(speaking);
        }
        let reader = Reader::over(buffer).only(wanted).streams(streams).between(from - wants.margin, to);
        let mut reader = reader.resume(std::mem::take(&mut chains));
        if let Some((stream, first)) = wants.later {
            reader = reader.later(stream, first);
        }
        while let Ok(Some(frame)) = reader.next_frame() {
            if let Frame::Events(mut envelopes) = frame {
                if piece.speaking.is_some() {
                    runs.place(&mut envelopes);
                }
                // A frame that is of no stream may hold any of them.
                let asked = |e: &Envelope| match Stream::of(&e.event) {
                    Some(stream) => streams.contains(&stream),
                    None => streams != TABLES_ONLY,
                };
                out.extend(envelopes.into_iter().filter(|e| e.observed >= from && e.observed <= to && asked(e)));
            }
        }
        (chains, buffer) = reader.into_parts();
    }
    Ok(out)
}
