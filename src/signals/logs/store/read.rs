//! Reads whole log files as if their lines were observed when they happened: replay without a recording.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::packed::{self, MEMORY};
use super::segment::{self, Segment, Unpack};
use crate::signals::logs::event::{ALL, LogAppended, LogEvent, LogOpened};
use crate::signals::logs::formats::{self, Context, Format, Span};
use crate::timeline::counts::Counts;
use crate::timeline::{SourceDecl, SourceId, SourceKind, Ts};

/// Bytes read at once.
const READ: u64 = 1 << 20;
/// A piece in which no record begins but at its start is read whole up to so many bytes, and then cut.
const LONGEST: u64 = 64 << 20;

/// What reading log files gives, in order of time.
#[derive(Clone, Debug, PartialEq)]
pub enum LogFeed {
    /// A file will speak.
    Source(SourceDecl),
    /// It speaks: who, observed when, what.
    Event(SourceId, Ts, LogEvent),
}

/// Reads all of `paths` (packed ones, too) and tells their lines in batches of one second of event time, merged
/// by time. Sources are numbered from 1. An error names the file that cannot be read; nothing has been told then.
pub fn read_logs(paths: &[PathBuf], tell: &mut dyn FnMut(LogFeed)) -> Result<(), String> {
    read_logs_in(paths, &TimeZone::system(), tell)
}

/// As [`read_logs`]; stamps that name no zone are of `zone`.
pub fn read_logs_in(paths: &[PathBuf], zone: &TimeZone, tell: &mut dyn FnMut(LogFeed)) -> Result<(), String> {
    let mut files = Vec::new();
    for (decl, mut opened, near) in declare(paths)? {
        let path = PathBuf::from(opened.path.clone().unwrap_or_default());
        let segment = segment::open(open(&path)?.0, &Unpack { memory: MEMORY, spool: None, at_once: true });
        if let Some(packed) = segment.packed() {
            packed.unpack(|| true);
        }
        opened.size = 0;
        let cx = Context { zone: zone.clone(), near };
        let sample = segment.read_at(0..64 << 10).unwrap_or_default();
        let whole = memchr::memrchr(b'\n', &sample).map_or(sample.len(), |i| i + 1);
        let format = formats::detect(&sample[..whole], &cx).0;
        let source = decl.id;
        tell(LogFeed::Source(decl));
        let mut reader = Reader { segment, cx, format, at: 0, batches: Vec::new(), latest: None };
        let first = reader.next();
        let at = first.as_ref().map_or(near, |(t, _)| *t);
        tell(LogFeed::Event(source, at, LogEvent::Opened(opened)));
        files.push((source, reader, first));
    }
    loop {
        let next = files.iter().enumerate().filter_map(|(i, f)| f.2.as_ref().map(|(t, _)| (*t, i))).min();
        let Some((_, i)) = next else { return Ok(()) };
        let (source, reader, waiting) = &mut files[i];
        if let Some((observed, batch)) = waiting.take() {
            tell(LogFeed::Event(*source, observed, LogEvent::Appended(batch)));
        }
        *waiting = reader.next();
    }
}

/// Names and opens all of `paths`: declaration, opening with all of the file as content, time of last change.
pub fn declare(paths: &[PathBuf]) -> Result<Vec<(SourceDecl, LogOpened, Ts)>, String> {
    let mut out = Vec::new();
    let names = names(paths);
    for (i, path) in paths.iter().enumerate() {
        let (file, meta) = open(path)?;
        let (head, size) = head(path, &file, &meta)?;
        let id = SourceId(i as u32 + 1);
        let detail = path.to_string_lossy().into_owned();
        let decl = SourceDecl { id, kind: SourceKind::Logs, name: names[i].clone(), detail: detail.clone() };
        let opened = LogOpened {
            generation: 0,
            path: Some(detail),
            file: Some((meta.dev(), meta.ino())),
            size,
            head: (!head.is_empty()).then(|| (crc32c::crc32c(&head), head.len() as u32)),
            format: None,
            request_id: Vec::new(),
        };
        out.push((decl, opened, Ts::from_secs(meta.mtime())));
    }
    Ok(out)
}

/// The first bytes of a file, unpacked where it is packed, and its size as [`LogOpened`] has it.
pub fn head(path: &Path, file: &Arc<File>, meta: &Metadata) -> Result<(Vec<u8>, u64), String> {
    if packed::packing(file).is_some() {
        let head = packed::head(file, 4_096).map_err(|e| format!("cannot unpack {}: {e}", path.display()))?;
        return Ok((head, ALL));
    }
    let mut head = vec![0; 4_096.min(meta.len()) as usize];
    let n = file.read_at(&mut head, 0).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    head.truncate(n);
    Ok((head, meta.len()))
}

/// Stems, and where those are doubled the names with their folders.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let stem = |p: &Path| {
        let name = p.file_name().unwrap_or(p.as_os_str()).to_string_lossy().into_owned();
        let plain = packed::EXTENSIONS.iter().find_map(|e| name.strip_suffix(e)?.strip_suffix('.'));
        let name = plain.unwrap_or(&name).to_owned();
        [".log", ".jsonl"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name).to_owned()
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    paths.iter().for_each(|p| *count.entry(stem(p)).or_default() += 1);
    paths
        .iter()
        .map(|p| match (count[&stem(p)], p.parent().and_then(Path::file_name)) {
            (2.., Some(parent)) => format!("{}/{}", parent.to_string_lossy(), stem(p)),
            _ => stem(p),
        })
        .collect()
}

fn open(path: &Path) -> Result<(Arc<File>, Metadata), String> {
    let fail = |e: io::Error| format!("cannot read {}: {e}", path.display());
    let meta = path.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Err(irregular(path, &meta));
    }
    Ok((Arc::new(File::open(path).map_err(fail)?), meta))
}

/// What to do with what is no file.
pub fn irregular(path: &Path, meta: &Metadata) -> String {
    let path = path.display();
    match meta.file_type() {
        t if t.is_dir() => format!("{path} is a folder; give its files: '{path}/*.log'"),
        t if t.is_fifo() => format!("{path} is a pipe; read it with: warroom -c 'cat {path}'"),
        t if t.is_socket() => format!("{path} is a socket; give a file or a command"),
        _ => format!("{path} is not a regular file; give a file or a command"),
    }
}

struct Reader {
    segment: Arc<dyn Segment>,
    cx: Context,
    format: &'static dyn Format,
    at: u64,
    /// Ready, last one first.
    batches: Vec<(Ts, LogAppended)>,
    latest: Option<Ts>,
}

impl Reader {
    fn next(&mut self) -> Option<(Ts, LogAppended)> {
        while self.batches.is_empty() {
            self.fill()?;
        }
        self.batches.pop()
    }

    /// Reads the next piece; `None` at the end.
    fn fill(&mut self) -> Option<()> {
        let (at, format, cx) = (self.at, self.format, self.cx.clone());
        let mut size = READ;
        let mut out: Vec<(Ts, LogAppended)> = Vec::new();
        let (bytes, used) = loop {
            let bytes = self.segment.read_at(at..at + size).ok()?;
            if bytes.is_empty() {
                return None;
            }
            // The last record of the piece may go on behind it; it is left for the next one, but for that of the file.
            let mut last: Option<Span> = None;
            for span in formats::records(&bytes, format, &cx) {
                if let Some(whole) = last.replace(span) {
                    self.take(&whole, bytes.len(), &mut out);
                }
            }
            let begins = last.as_ref().map_or(0, |s| s.range.start);
            let ends = (bytes.len() as u64) < size;
            if ends || begins == 0 && size >= LONGEST {
                if let Some(last) = &last {
                    self.take(last, bytes.len(), &mut out);
                }
                let used = bytes.len();
                break (bytes, used);
            }
            if begins > 0 {
                break (bytes, begins);
            }
            size *= 4;
        };
        for (_, batch) in &mut out {
            let (from, to) = ((batch.start - at) as usize, (batch.end - at) as usize);
            batch.bytes = bytes.get(from..to).map(Into::into);
        }
        self.at += used as u64;
        out.reverse();
        self.batches = out;
        Some(())
    }

    /// Counts a record of the piece, which holds so many bytes, into the batch of its second.
    fn take(&mut self, s: &Span, piece: usize, out: &mut Vec<(Ts, LogAppended)>) {
        // Observed when the newest line so far happened, so that what is visible only ever grows.
        let t = s.head.time.or(self.latest).unwrap_or(self.cx.near);
        let observed = self.latest.map_or(t, |l| l.max(t));
        self.latest = Some(observed);
        let end = self.at + (s.range.end as u64 + 1).min(piece as u64);
        let fresh = out.last().is_none_or(|(o, _)| o.secs() != observed.secs());
        if fresh {
            let batch = LogAppended {
                generation: 0,
                start: self.at + s.range.start as u64,
                end,
                lines: 0,
                unknown: 0,
                counts: Vec::new(),
                span: None,
                format: self.format.name().into(),
                seed: false,
                bytes: None,
            };
            out.push((observed, batch));
        }
        let Some((o, batch)) = out.last_mut() else { return };
        *o = observed;
        batch.end = end;
        batch.lines += s.lines;
        batch.unknown += if s.known { 0 } else { s.lines };
        if let Some(t) = s.head.time {
            batch.span = Some(batch.span.map_or((t, t), |(a, b)| (a.min(t), b.max(t))));
        }
        let second = t.secs();
        let i = match batch.counts.binary_search_by_key(&second, |(s, _)| *s) {
            Ok(i) => i,
            Err(i) => {
                batch.counts.insert(i, (second, Counts::default()));
                i
            }
        };
        batch.counts[i].1.add(s.head.severity, 1);
    }
}
