//! `warroom query`: what is known, one line or one JSON object a record, oldest first. Data on standard output and
//! nothing else there. What raw logs tell is printed while they are read: a record that comes more than a minute behind
//! later ones stands where it was read, and is told on standard error.
//!
//! Every object begins with `ts` (RFC 3339, UTC, full precision) and has `source`, a name. Times are RFC 3339,
//! fingerprints are hexadecimal and a server's numbers of statements decimal text. Log records have `severity`, `line`,
//! `offset`, `format`, `request_id`, `message` and `fields`, `raw` where that was asked for, and where a record is
//! larger than 16 MiB `truncated` with its size in `bytes`; the others have the fields of their event, documented at
//! the event types.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use compact_str::CompactString;
use serde::Serialize;
use serde_json::Value;

use crate::cli::{QueryArgs, UsageError, What};
use crate::config::Config;
use crate::runtime::live::parse_filter_at;
use crate::runtime::replay::{Input, fold};
use crate::runtime::session::Session;
use crate::signals::logs::beside::beside;
use crate::signals::logs::look::Look;
use crate::signals::logs::row::LogRow;
use crate::signals::logs::store::scan::ABSENT;
use crate::signals::logs::store::{Anchor, Ask, LogQuery, LogStore, Slot, StoreOptions};
use crate::signals::{Envelope, Event, Roots, Timeline};
use crate::stream::past::Past;
use crate::stream::replay::Part;
use crate::timeline::filter::Clock;
use crate::timeline::source::Declaration;
use crate::timeline::{Filter, Record as _, Severity, SourceId, TimeRange, Ts, time_text};
use crate::ui::text::{clean, json_safe};

mod events;
mod window;

use events::{Lines, placed, source, wanted};
use window::Window;

/// How long a live look listens to the sources.
const LOOK: Duration = Duration::from_millis(2_500);

/// Nanoseconds that a record may be ahead of the last write of its file.
const SLACK: i64 = 60_000_000_000;
/// Records that are looked at for the names of their fields, and most names that are kept.
const LOOKED_AT: usize = 200_000;
const NAMES: usize = 2_000;
/// Bytes of output written at once.
const PIECE: usize = 1 << 18;
/// Columns for the fields beside a message.
const BESIDE: usize = 160;

/// Prints what was asked for.
pub async fn run(mut args: QueryArgs) -> anyhow::Result<ExitCode> {
    let now = Ts::from_jiff(jiff::Timestamp::now());
    // Mistakes are told before anything is read.
    filter(&args, now)?;
    let _piped = Piped::take(&mut args.logs)?;
    let live = args.recording.is_none() && args.logs.is_empty();
    let input = Input::new(args.recording.clone(), args.logs.clone());
    let past = if live { Past::Nothing } else { input.past() };
    let mut gathered = Gathered::new(&past);
    if live {
        gathered.look(&args).await?;
    } else if args.recording.is_none() && args.what != What::Logs {
        tokio::task::block_in_place(|| gathered.tell(&args, &input, now))?;
        return Ok(ExitCode::SUCCESS);
    } else if args.recording.is_none() {
        // Files hold their own lines: nothing need be folded to search them.
        tokio::task::block_in_place(|| gathered.open(&args.logs))?;
    } else {
        let summary =
            tokio::task::block_in_place(|| fold(&input, &past, Part::All, |e| gathered.take(e, args.what, true)))?;
        if let Some(trouble) = summary.trouble() {
            eprintln!("warroom: {trouble}");
        }
    }
    // A record whose clock is ahead does not move what relative times count from.
    let end = if live { now } else { gathered.timeline.span.map_or(now, |(_, end)| end.min(now)) };
    let filter = filter(&args, end)?;
    let range = range(&args, end)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    tokio::task::block_in_place(|| match args.what {
        What::Logs => {
            let printed = gathered.logs(&mut out, &filter, range, (args.json, args.raw))?;
            if printed == 0 {
                gathered.unknown_fields(&filter, range).iter().for_each(|said| eprintln!("warroom: {said}"));
            }
            Ok(())
        }
        _ => gathered.events(&mut out, &filter, range, args.json),
    })?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn filter(args: &QueryArgs, now: Ts) -> anyhow::Result<Filter> {
    parse_filter_at(args.filter.as_deref(), Some(Clock { now, zone: &jiff::tz::TimeZone::UTC }))
}

/// Standard input in a file of its own, so that it is read like any other; gone when this is.
struct Piped(PathBuf);

impl Piped {
    /// Puts it in the place of `-`.
    fn take(files: &mut [PathBuf]) -> anyhow::Result<Option<Piped>> {
        let Some(dash) = files.iter_mut().find(|f| f.as_os_str() == "-") else { return Ok(None) };
        let folder = std::env::temp_dir().join(format!("warroom-query-{}", std::process::id()));
        // Nobody else may read it; a folder that is there already is somebody else's.
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(&folder)
            .with_context(|| format!("cannot keep standard input in {}", folder.display()))?;
        let piped = Piped(folder);
        let path = piped.0.join("stdin");
        let mut file = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        std::io::copy(&mut std::io::stdin().lock(), &mut file).context("cannot read standard input")?;
        *dash = path;
        Ok(Some(piped))
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The window that was asked for; where it was not given as instants, it is said on standard error.
fn range(args: &QueryArgs, end: Ts) -> anyhow::Result<TimeRange> {
    let zone = jiff::tz::TimeZone::UTC;
    let parse = |text: &Option<String>, default: Ts| match text {
        Some(t) => time_text::parse_near(t, end, &zone).map_err(UsageError),
        None => Ok(default),
    };
    let range = TimeRange { start: parse(&args.from, Ts::MIN)?, end: parse(&args.to, Ts::MAX)? };
    if range.start >= range.end {
        let (from, to) = (range.start, range.end);
        anyhow::bail!(UsageError(format!("nothing lies from {from} to {to}: the first must be earlier")));
    }
    let given = [(&args.from, "from", range.start), (&args.to, "to", range.end)];
    if given.iter().any(|(text, _, _)| text.as_ref().is_some_and(|t| t.parse::<jiff::Timestamp>().is_err())) {
        let said = given.iter().filter(|(text, _, _)| text.is_some()).map(|(_, word, t)| format!("{word} {t}"));
        eprintln!("warroom: {}", said.collect::<Vec<_>>().join(" "));
    }
    Ok(range)
}

/// Everything that was read.
struct Gathered {
    timeline: Timeline,
    store: LogStore,
    events: Vec<Envelope>,
}

impl Gathered {
    /// Lines of a recording that the store does not hold are read again from `past`.
    fn new(past: &Past) -> Gathered {
        let options = StoreOptions { background: 0, recall: past.lines(), ..StoreOptions::default() };
        let store = LogStore::new(Box::new(|_| {}), options);
        Gathered { timeline: Timeline::default(), store, events: Vec::new() }
    }

    fn take(&mut self, e: &Envelope, what: What, replay: bool) {
        let repeated = self.timeline.repeated;
        self.timeline.apply(e);
        if self.timeline.repeated > repeated {
            return;
        }
        if let Event::Logs(event) = &e.event
            && what == What::Logs
        {
            let name = self.timeline.source_name(e.source);
            self.store.observe(e.source, name, e.observed, event, replay);
        }
        if wanted(what, &e.event) {
            self.events.push(e.clone());
        }
    }

    /// Takes log files as they stand; their end, which typed times are relative to, is the time of their last record
    /// that is no later than now and than the last write: a clock that is ahead tells nothing.
    fn open(&mut self, files: &[PathBuf]) -> anyhow::Result<()> {
        let now = Ts::from_jiff(jiff::Timestamp::now());
        let written = files.iter().filter_map(|f| std::fs::metadata(f).ok()?.modified().ok());
        let written = written.max().and_then(|t| jiff::Timestamp::try_from(t).ok()).map_or(now, Ts::from_jiff);
        let written = now.min(Ts(written.0.saturating_add(SLACK)));
        self.store.open_files(files).map_err(anyhow::Error::msg)?;
        let last = Cell::new(None);
        let query = LogQuery {
            request: 0,
            slot: Slot::View,
            filter: Filter::default(),
            sources: None,
            min_severity: None,
            visible_until: written,
            screen: 0,
            ask: Ask::Rows { anchor: Anchor::End, before: 1, after: 0 },
        };
        self.store.answer(&query, &|a| last.set(a.rows.last().map(|r| r.placed).or(last.get())));
        let end = last.into_inner().unwrap_or(written);
        self.timeline.span = Some((end, end));
        Ok(())
    }

    /// Runs the sources for a moment.
    async fn look(&mut self, args: &QueryArgs) -> anyhow::Result<()> {
        let (config, _) = Config::find(args.config.as_deref())?;
        let roots = Roots::default();
        let mut session = Session::start(&config, &roots, None)?;
        let sources = session.configured(&config, &roots, &[], &[]);
        session.add(sources);
        if config.names_no_source() {
            let found = crate::runtime::discovery::Offers::default();
            let sources = tokio::task::spawn_blocking(move || found.look(&config)).await?;
            session.add(sources);
        }
        let until = tokio::time::Instant::now() + LOOK;
        while let Ok(Some(batch)) = tokio::time::timeout_at(until, session.stream.recv()).await {
            for e in batch.iter() {
                self.take(e, args.what, false);
            }
        }
        session.supervisor.stop();
        Ok(())
    }

    /// Prints what passes, as (JSON, raw) says; how many records that were.
    fn logs(&self, out: &mut impl Write, filter: &Filter, range: TimeRange, form: (bool, bool)) -> anyhow::Result<u64> {
        let (mut failed, mut printed) = (None, 0);
        self.store.scan_all(filter, range, &mut |row| {
            // Stands for lines that are not here: no data, but nothing to keep silent about either.
            if row.format == ABSENT {
                eprintln!("warroom: {}: {}", clean(&row.source), clean(&row.message));
                return ControlFlow::Continue(());
            }
            printed += 1;
            if row.cut > 0 && !form.0 {
                eprintln!("warroom: {}: a record is cut, {} bytes more", clean(&row.source), row.cut);
            }
            match print_row(out, &row, form) {
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    failed = Some(e);
                    ControlFlow::Break(())
                }
            }
        });
        failed.map_or(Ok(printed), |e| Err(e.into()))
    }

    /// Names in `filter` that no record has, in words, with what was meant.
    fn unknown_fields(&self, filter: &Filter, range: TimeRange) -> Vec<String> {
        let mut unknown = filter.fields();
        let (mut seen, mut looked_at) = (BTreeSet::<CompactString>::new(), 0);
        if !unknown.is_empty() {
            self.store.scan_all(&Filter::default(), range, &mut |row| {
                unknown.retain(|name| Filter::value_of(&row, name).is_none() && !row.has_within(name));
                for (name, _) in &row.fields {
                    if seen.len() < NAMES && !seen.contains(name) {
                        seen.insert(name.clone());
                    }
                }
                looked_at += 1;
                if unknown.is_empty() || looked_at >= LOOKED_AT {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
        }
        if looked_at == 0 {
            return Vec::new();
        }
        let said = |name: &&str| match Filter::nearest_field(name, seen.iter().map(CompactString::as_str)) {
            Some(near) => format!("no record has a field `{name}`; did you mean {}?", clean(near)),
            None => format!("no record has a field `{name}`"),
        };
        unknown.iter().map(said).collect()
    }

    /// Prints what raw logs tell while they are read: a log in which every line tells something would not fit into memory.
    fn tell(&mut self, args: &QueryArgs, input: &Input, now: Ts) -> anyhow::Result<()> {
        let mut end = now;
        if args.filter.is_some() || args.from.is_some() || args.to.is_some() {
            self.open(&args.logs)?;
            end = self.timeline.span.map_or(now, |(_, end)| end.min(now));
        }
        let (filter, range) = (filter(args, end)?, range(args, end)?);
        let mut lines = Lines::new(&filter, range, args.json);
        let mut out = BufWriter::with_capacity(PIECE, std::io::stdout().lock());
        let mut print = |line: &[u8]| out.write_all(line);
        let (mut names, mut window) = (BTreeMap::<SourceId, String>::new(), Window::default());
        let mut failed = None;
        input.read(&mut |batch| {
            for e in &batch {
                if let Event::Stream(Declaration::Source(decl)) = &e.event {
                    names.insert(decl.id, decl.name.clone());
                }
                if !wanted(args.what, &e.event) {
                    continue;
                }
                let (ts, name) = (placed(e), source(e, |id| names.get(&id).map_or("?", String::as_str)));
                let done = lines.of(ts, name, &e.event).and_then(|line| match line {
                    Some(line) => Ok(window.push(ts, line, &mut print)?),
                    None => Ok(()),
                });
                if let Err(e) = done {
                    failed = Some(e);
                    return false;
                }
            }
            true
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        window.end(&mut print)?;
        out.flush()?;
        if window.late > 0 {
            let (n, was) = (window.late, if window.late == 1 { "was" } else { "were" });
            eprintln!("warroom: {n} of these {was} more than a minute late and not put in order");
        }
        Ok(())
    }

    fn events(&mut self, out: &mut impl Write, filter: &Filter, range: TimeRange, json: bool) -> anyhow::Result<()> {
        // In the stream a note comes when it was written and a deploy when it was read: by their own times they are
        // out of order.
        self.events.sort_by_key(placed);
        let mut lines = Lines::new(filter, range, json);
        for e in &self.events {
            if let Some(line) = lines.of(placed(e), source(e, |id| self.timeline.source_name(id)), &e.event)? {
                out.write_all(line)?;
            }
        }
        Ok(())
    }
}

/// A time as text.
#[derive(Clone, Copy)]
struct Shown(Ts);

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

/// A log record in JSON, in the documented order.
#[derive(Serialize)]
struct LogLine<'a> {
    ts: Option<Shown>,
    severity: Option<Severity>,
    source: &'a str,
    line: Option<u64>,
    offset: u64,
    format: &'a str,
    request_id: Option<&'a str>,
    message: &'a str,
    fields: Fields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

struct Fields<'a>(&'a [(CompactString, Value)]);

impl Serialize for Fields<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

fn print_row(out: &mut impl Write, row: &LogRow, (json, raw): (bool, bool)) -> std::io::Result<()> {
    if raw && !json {
        out.write_all(&row.raw)?;
        return out.write_all(b"\n");
    }
    if !json {
        let time = row.time.map_or_else(|| "-".to_owned(), |t| t.to_string());
        let severity = row.severity.map_or("-", Severity::name);
        let id = row.request_id.as_ref().map_or(String::new(), |id| format!("{}  ", clean(&id.0)));
        write!(out, "{time}  {severity:<5}  {}  {id}{}", clean(&row.source), clean(&row.message))?;
        let fields = beside(row, &row.message, &Look::default(), BESIDE);
        return if fields.is_empty() { writeln!(out) } else { writeln!(out, "  {}", clean(&fields)) };
    }
    write_record(out, row, raw)
}

/// One record as JSON on a line of its own.
pub(crate) fn write_json(out: &mut impl Write, row: &LogRow) -> std::io::Result<()> {
    write_record(out, row, false)
}

fn write_record(out: &mut impl Write, row: &LogRow, raw: bool) -> std::io::Result<()> {
    let line = LogLine {
        ts: row.time.map(Shown),
        severity: row.severity,
        source: &row.source,
        line: row.line,
        offset: row.key.offset,
        format: row.format,
        request_id: row.request_id.as_ref().map(|id| id.0.as_str()),
        message: &row.message,
        fields: Fields(&row.fields),
        raw: raw.then(|| String::from_utf8_lossy(&row.raw)),
        truncated: row.cut > 0,
        bytes: (row.cut > 0).then(|| row.raw.len() as u64 + row.cut),
    };
    out.write_all(json_safe(&serde_json::to_string(&line)?).as_bytes())?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_that_another_process_wrote_while_it_was_recorded_are_in_the_golden_recording() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/outage.wr");
        let mut gathered = Gathered::new(&Past::Nothing);
        fold(&Input::new(Some(path.into()), Vec::new()), &Past::Nothing, Part::All, |e| {
            gathered.take(e, What::Notes, true)
        })
        .unwrap();
        let mut out = Vec::new();
        gathered.events(&mut out, &Filter::default(), TimeRange { start: Ts::MIN, end: Ts::MAX }, true).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.lines().filter(|l| l.contains(r#""record":"note""#)).count(), 3, "{out}");
    }
}
