//! `warroom recording`: look at a recording file, take a part of it, put several together, take secrets out. The file
//! that is read is never touched.

mod frames;
mod join;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use self::frames::{frames, frames_and_losses, tell};
use crate::cli::UsageError;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::stream::capture::captured;
use crate::stream::recording::{ClockStep, Damage, Encoder, Frame, Gap, Segment};
use crate::stream::recording::{encode_clock, encode_events, encode_fields, encode_gap, encode_segment};
use crate::stream::replay;
use crate::timeline::source::Declaration;
use crate::timeline::time::short;
use crate::timeline::{OriginId, SourceId, TimeRange, Ts, time_text};
use crate::ui::text::{clean, json_safe};

/// Check, cut, join, redact and print recordings
#[derive(Clone, Debug, clap::Args)]
pub struct RecordingArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with a recording.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum What {
    /// Say what is in it and what is damaged; exit code 3 where something is missing
    Check {
        /// Recordings: files, or folders of segments
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print its events, one JSON object a line, as docs/recording.md describes them
    Cat {
        /// The recording: a file, or a folder of segments
        file: PathBuf,
        /// Only these: stream, logs, host, database, deploys, health, incident
        #[arg(long, value_name = "SIGNAL")]
        signal: Vec<String>,
        /// Which part
        #[command(flatten)]
        part: Part,
    },
    /// Write the part between two times as a recording of its own, with the incident, the deploys and what the sources
    /// were before it
    Cut {
        /// The recording: a file, or a folder of segments
        file: PathBuf,
        /// Which part
        #[command(flatten)]
        part: Part,
        /// Where to; refuses to overwrite
        #[arg(short, long = "output", value_name = "FILE")]
        output: PathBuf,
    },
    /// Write several recordings, of one host or of many, as one; what stands in two of them is written once
    Join {
        /// Recordings: files, or folders of segments
        #[arg(required = true, num_args = 1..)]
        files: Vec<PathBuf>,
        /// Where to; refuses to overwrite
        #[arg(short, long = "output", value_name = "FILE")]
        output: PathBuf,
    },
    /// Write it without secrets
    Redact {
        /// The recording: a file, or a folder of segments
        file: PathBuf,
        /// Where to; refuses to overwrite
        #[arg(short, long = "output", value_name = "FILE")]
        output: PathBuf,
    },
}

/// A span of time.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Part {
    /// Not before this time; 14:02, -15m (before its end), a stamp
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
}

/// Does it.
pub fn run(args: RecordingArgs) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Check { files } => check(&files),
        What::Cat { file, signal, part } => cat(&file, &signal, &part),
        What::Cut { file, part, output } => cut(&file, &part, &output),
        What::Join { files, output } => {
            let parts: Vec<Vec<PathBuf>> = files.iter().map(|f| replay::files(f)).collect::<Result<_, _>>()?;
            join::join(&parts.concat(), &output)
        }
        What::Redact { file, output } => redact(&file, &output),
    }
}

/// What a recording holds.
#[derive(Default)]
struct Contents {
    segments: u64,
    redacted: u64,
    frames: u64,
    envelopes: u64,
    missing: Vec<Gap>,
    steps: Vec<ClockStep>,
    signals: BTreeMap<&'static str, u64>,
    runs: Vec<String>,
    span: Option<(Ts, Ts)>,
    damage: Damage,
}

fn signal(event: &Event) -> &'static str {
    match event {
        Event::Stream(_) => "stream",
        Event::Logs(_) => "logs",
        Event::Host(_) => "host",
        Event::Database(_) => "database",
        Event::Deploys(_) => "deploys",
        Event::Health(_) => "health",
        Event::Incident(_) => "incident",
    }
}

/// Whether it tells of the time in which it was observed: not what was read of hours before the start, and not what a part
/// keeps of the time before it.
fn is_seen(event: &Event) -> bool {
    match event {
        Event::Logs(LogEvent::Appended(a)) => !a.seed,
        Event::Logs(_) | Event::Stream(_) | Event::Deploys(_) | Event::Incident(_) => false,
        Event::Host(_) | Event::Database(_) | Event::Health(_) => true,
    }
}

const SIGNALS: [&str; 7] = ["stream", "logs", "host", "database", "deploys", "health", "incident"];

fn contents(path: &Path) -> anyhow::Result<Contents> {
    let mut c = Contents::default();
    let (mut began, mut any) = (BTreeMap::new(), None);
    let damage = frames(path, |frame| {
        c.frames += 1;
        match frame {
            Frame::Segment(s) => {
                c.segments += 1;
                c.redacted += u64::from(s.redacted);
            }
            Frame::Gap(gap) => c.missing.push(gap),
            Frame::Clock(step) => c.steps.push(step),
            Frame::Events(envelopes) => {
                for e in &envelopes {
                    c.envelopes += 1;
                    *c.signals.entry(signal(&e.event)).or_default() += 1;
                    if let Event::Stream(Declaration::Origin { .. }) = &e.event {
                        began.insert(e.origin, e.observed);
                    }
                    let at = e.observed;
                    let seen = is_seen(&e.event) && began.get(&e.origin).is_none_or(|began| at >= *began);
                    for span in [&mut any].into_iter().chain(seen.then_some(&mut c.span)) {
                        *span = Some(span.map_or((at, at), |(a, b)| (a.min(at), b.max(at))));
                    }
                    if let Event::Stream(Declaration::Origin { host, version, .. }) = &e.event {
                        let run = format!("{host} (warroom {version})");
                        // A segment repeats who speaks in it.
                        if c.runs.last() != Some(&run) {
                            c.runs.push(run);
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    c.damage = damage;
    c.span = c.span.or(any);
    Ok(c)
}

fn check(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut whole = true;
    for path in files {
        let c = contents(path)?;
        let name = path.display().to_string();
        writeln!(out, "{}", clean(&name))?;
        if let Some((from, to)) = c.span {
            writeln!(out, "  from {from} to {to}, {}", short(to.since(from)))?;
        }
        let signals: Vec<String> = c.signals.iter().map(|(s, n)| format!("{n} {s}")).collect();
        writeln!(out, "  {} frames, {} events: {}", c.frames, c.envelopes, signals.join(", "))?;
        writeln!(out, "  recorded on {}", clean(&c.runs.join(", then ")))?;
        let plain = c.segments - c.redacted;
        match plain {
            0 => writeln!(out, "  secrets were taken out at capture")?,
            n => writeln!(
                out,
                "  NOT redacted: {n} of {} segments; `warroom recording redact` takes secrets out",
                c.segments
            )?,
        }
        for gap in &c.missing {
            writeln!(out, "  MISSING {} events: {}", gap.envelopes, clean(&gap.why))?;
        }
        for step in &c.steps {
            writeln!(out, "  CLOCK   {} at {}; order is that of the sequence", step.text(), step.expected)?;
        }
        let d = &c.damage;
        for (n, what) in [
            (d.bytes, "bytes belong to no good frame (an unfinished end, or damage): stepped over"),
            (d.orphans, "events build on a frame that is damaged: lost with it"),
            (d.unknown_frames, "frames are of a newer version: stepped over"),
            (d.unknown_events, "events are of a newer version: stepped over"),
        ] {
            if n > 0 {
                writeln!(out, "  DAMAGE  {n} {what}")?;
            }
        }
        for place in &d.places {
            let when = place.text();
            writeln!(out, "  DAMAGE  at byte {}{when}", place.at)?;
        }
        whole &= c.missing.is_empty() && c.damage == Damage::default();
    }
    out.flush()?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// The part that is asked for; times are seen from the end of the recording, in UTC.
fn range(part: &Part, path: &Path) -> anyhow::Result<TimeRange> {
    let mut range = TimeRange { start: Ts::MIN, end: Ts::MAX };
    if part.from.is_none() && part.to.is_none() {
        return Ok(range);
    }
    let end = contents(path)?.span.map_or(Ts(0), |(_, end)| end);
    let parse = |text: &str| time_text::parse_near(text, end, &jiff::tz::TimeZone::UTC).map_err(UsageError);
    if let Some(text) = &part.from {
        range.start = parse(text)?;
    }
    if let Some(text) = &part.to {
        range.end = parse(text)?;
    }
    if range.start >= range.end {
        bail!(UsageError(format!("nothing lies from {} to {}: the first must be earlier", range.start, range.end)));
    }
    Ok(range)
}

fn cat(path: &Path, signals: &[String], part: &Part) -> anyhow::Result<ExitCode> {
    if let Some(unknown) = signals.iter().find(|s| !SIGNALS.contains(&s.as_str())) {
        bail!(UsageError(format!("{unknown:?} is no signal; there are {}", SIGNALS.join(", "))));
    }
    let range = range(part, path)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let damage = frames(path, |frame| {
        let Frame::Events(envelopes) = frame else { return Ok(()) };
        let wanted = |e: &&Envelope| {
            range.contains(e.observed) && (signals.is_empty() || signals.iter().any(|s| s == signal(&e.event)))
        };
        for e in envelopes.iter().filter(wanted) {
            out.write_all(json_safe(&serde_json::to_string(e)?).as_bytes())?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    out.flush()?;
    tell(path, &damage);
    Ok(ExitCode::SUCCESS)
}

/// What must be known at the beginning of a part: who recorded, the sources with their last state, open logs, the
/// incident and the deploys.
#[derive(Default)]
struct Before {
    states: BTreeMap<(OriginId, SourceId), Envelope>,
    opened: BTreeMap<(OriginId, SourceId, u32), Envelope>,
    kept: Vec<Envelope>,
}

impl Before {
    fn take(&mut self, e: Envelope) {
        match &e.event {
            Event::Stream(Declaration::State { source, .. }) => {
                self.states.insert((e.origin, *source), e);
            }
            Event::Logs(LogEvent::Opened(o)) => {
                self.opened.insert((e.origin, e.source, o.generation), e);
            }
            Event::Stream(_) | Event::Incident(_) | Event::Deploys(_) => self.kept.push(e),
            _ => {}
        }
    }

    fn envelopes(self) -> Vec<Envelope> {
        let mut all: Vec<Envelope> =
            self.kept.into_iter().chain(self.states.into_values()).chain(self.opened.into_values()).collect();
        all.sort_by_key(|e| (e.origin, e.seq));
        all
    }
}

fn cut(path: &Path, part: &Part, output: &Path) -> anyhow::Result<ExitCode> {
    let range = range(part, path)?;
    let mut out = Output::create(output)?;
    let mut before = Some(Before::default());
    let (mut count, mut over) = (0u64, false);
    let damage = frames_and_losses(path, |frame| match frame {
        Frame::Segment(segment) => {
            // Of segments before the part nothing but what was kept of them is written, under the first one's name.
            if out.is_empty() || before.is_none() { out.segment(&segment, range.start.max(Ts(0))) } else { Ok(()) }
        }
        Frame::Gap(_) | Frame::Clock(_) if before.is_some() || over => Ok(()),
        Frame::Gap(gap) => out.write(&encode_gap(&gap, 0, range.start.max(Ts(0)))),
        Frame::Clock(step) => out.write(&encode_clock(&step, 0)),
        Frame::Events(envelopes) => {
            let mut inside = Vec::new();
            for e in envelopes {
                if range.contains(e.observed) {
                    inside.push(e);
                } else if e.observed < range.start {
                    match &mut before {
                        Some(b) => b.take(e),
                        // What was seen late and placed earlier belongs to the part all the same.
                        None => inside.push(e),
                    }
                }
            }
            over = inside.is_empty();
            if !inside.is_empty() {
                if let Some(b) = before.take() {
                    out.write(&encode_events(&b.envelopes()))?;
                }
                count += inside.len() as u64;
                out.events(&inside)?;
            }
            Ok(())
        }
    })?;
    if count == 0 {
        bail!("{} holds nothing in that time; `warroom recording check` says what it holds", path.display());
    }
    tell(path, &damage);
    out.finish(count)
}

fn redact(path: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let mut out = Output::create(output)?;
    let mut count = 0u64;
    let damage = frames_and_losses(path, |frame| match frame {
        Frame::Segment(segment) => out.segment(&Segment { redacted: true, ..segment }, Ts(0)),
        Frame::Events(envelopes) => {
            count += envelopes.len() as u64;
            let clean: Vec<Envelope> = envelopes.iter().map(captured).collect();
            out.events(&clean)
        }
        gap => out.frame(&gap),
    })?;
    tell(path, &damage);
    out.finish(count)
}

/// A recording being written: gone again unless it is finished.
struct Output {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    bytes: u64,
    encoder: Encoder,
}

impl Output {
    fn create(path: &Path) -> anyhow::Result<Output> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Output { path: path.to_owned(), file: Some(BufWriter::new(file)), bytes: 0, encoder: Encoder::default() })
    }

    fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.bytes += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(bytes).with_context(|| format!("cannot write {}", self.path.display())),
            None => Ok(()),
        }
    }

    fn segment(&mut self, segment: &Segment, at: Ts) -> anyhow::Result<()> {
        self.encoder.restart();
        self.write(&encode_segment(segment, at))?;
        self.write(&encode_fields())
    }

    fn events(&mut self, envelopes: &[Envelope]) -> anyhow::Result<()> {
        for frame in self.encoder.events(envelopes) {
            self.write(&frame.bytes)?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame) -> anyhow::Result<()> {
        match frame {
            Frame::Segment(s) => self.segment(s, Ts(0)),
            Frame::Events(e) => self.events(e),
            Frame::Gap(g) => self.write(&encode_gap(g, 0, Ts(0))),
            Frame::Clock(c) => self.write(&encode_clock(c, 0)),
        }
    }

    fn finish(mut self, events: u64) -> anyhow::Result<ExitCode> {
        if let Some(mut file) = self.file.take() {
            let done = file.flush().and_then(|()| file.get_ref().sync_all());
            if let Err(e) = done {
                let _ = std::fs::remove_file(&self.path);
                return Err(e).with_context(|| format!("cannot write {}", self.path.display()));
            }
        }
        eprintln!("warroom: {} events, {} bytes: {}", events, self.bytes, self.path.display());
        Ok(ExitCode::SUCCESS)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
