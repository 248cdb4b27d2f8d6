//! `warroom record --past`: what a box still has of a past time, in one recording, before rotation eats it.
//!
//! Owns what is looked for and the report of what was not there. Reading it is `runtime::left`'s part.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::tz::TimeZone;

use crate::cli::{RecordArgs, UsageError};
use crate::config::Config;
use crate::config::discover::look_around;
use crate::runtime::left::Left;
use crate::runtime::left::coverage::Coverage;
use crate::signals::logs::event::LogEvent;
use crate::signals::logs::sources::glob;
use crate::signals::logs::store::LogFeed;
use crate::signals::source::StreamClock;
use crate::signals::{Envelope, Event, Roots, deploys};
use crate::stream::capture::captured;
use crate::stream::recording::{Encoder, Segment, encode_fields, encode_segment};
use crate::timeline::source::Declaration;
use crate::timeline::{SourceId, TimeRange, Ts, time_text};

/// How long the box is looked at for logs.
const LOOK: Duration = Duration::from_secs(3);

/// Gathers, writes, and says what was there and what was not.
pub fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let (config, _) = Config::find(args.config.as_deref())?;
    let roots = Roots::default();
    let now = StreamClock::start().wall();
    let zone = TimeZone::system();
    let window = window(args, now, &zone)?;
    let mut missing: Vec<String> = Vec::new();
    let mut out = Output::create(&args.output, config.recorder.redact)?;
    eprintln!("warroom: gathering {} to {}", window.start, window.end);

    let logs = logs(args, &config, &roots, window, &mut missing);
    let temporary = out.beside("journal");
    let mut left = Left { window: Some(window), zone: Some(zone.clone()), with_bytes: true, ..Left::default() };
    let mut sources = logs;
    if args.files.is_empty() {
        match journal(window, &temporary) {
            Ok(()) => sources.push((temporary.clone(), Role { source: "journal".into(), generation: 0 })),
            Err(why) => missing.push(format!("the journal: {why}")),
        }
        left.sadf = sysstat(&roots, window, &zone, &out, &mut missing);
        left.deploys = deploy_logs(&config, &roots, &mut missing);
    }
    left.logs = sources.iter().map(|(p, _)| p.clone()).collect();
    let gathered = gather(&left, &sources, config.recorder.redact, &mut out);
    for path in left.sadf.iter().chain([&temporary]) {
        let _ = std::fs::remove_file(path);
    }
    let (coverage, events) = gathered?;
    let bytes = out.finish()?;
    for line in coverage.lines(Some(window), &zone) {
        eprintln!("  {line}");
    }
    for line in &missing {
        eprintln!("  not there: {line}");
    }
    anyhow::ensure!(
        events > 0,
        "nothing of that time was found on this box; {} holds no event: choose another --from and --to",
        args.output.display()
    );
    eprintln!(
        "warroom: {events} events, {bytes} bytes, secrets {}: warroom replay {}",
        if config.recorder.redact { "taken out" } else { "NOT taken out" },
        args.output.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn window(args: &RecordArgs, now: Ts, zone: &TimeZone) -> anyhow::Result<TimeRange> {
    let at = |text: &Option<String>, none: Ts| match text {
        Some(text) => time_text::parse(text, now, zone).map_err(UsageError),
        None => Ok(none),
    };
    let start = at(&args.from, now)?;
    let mut end = at(&args.to, now)?;
    // An end that lies a little ahead is that of today, and nothing is known beyond now; not that of yesterday.
    if end <= start
        && let Some(ahead) = args.to.as_ref().and_then(|text| time_text::parse_near(text, now, zone).ok())
        && ahead > start
    {
        end = ahead.min(now);
    }
    let range = TimeRange { start, end };
    if range.start >= range.end {
        anyhow::bail!(UsageError(format!(
            "nothing lies from {} to {}: the first must be earlier",
            range.start, range.end
        )));
    }
    Ok(range)
}

/// Which source a file belongs to, and which of its generations it is, the oldest 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Role {
    source: String,
    generation: u32,
}

/// Log files with their rotated siblings, those that were last written to before the window left out.
fn logs(
    args: &RecordArgs,
    config: &Config,
    roots: &Roots,
    window: TimeRange,
    missing: &mut Vec<String>,
) -> Vec<(PathBuf, Role)> {
    let mut files = args.files.clone();
    if files.is_empty() {
        files.extend(config.logs.files.iter().flat_map(|p| glob::expand(p)));
        let named = config.logs.sources.iter().filter_map(|s| s.path.as_deref());
        files.extend(named.flat_map(glob::expand));
    }
    if files.is_empty() {
        let found = look_around(roots, Instant::now() + LOOK);
        for log in found.logs {
            match log.readable {
                true => files.push(log.path),
                false => missing.push(format!("{}: no right to read it; run as root", log.path.display())),
            }
        }
    }
    let mut out = Vec::new();
    for file in files {
        let mut all = siblings(&file);
        if all.is_empty() {
            missing.push(format!("{}: no such file", file.display()));
        }
        all.retain(|path| {
            let Ok(meta) = path.metadata() else { return false };
            let written = meta.modified().ok().and_then(|m| jiff::Timestamp::try_from(m).ok()).map(Ts::from_jiff);
            if written.is_some_and(|w| w < window.start) {
                return false;
            }
            if let Some(kind) = ["xz", "bz2", "lz4"].iter().find(|x| path.extension().is_some_and(|e| e == **x)) {
                missing
                    .push(format!("{}: packed with {kind}, which is not read; unpack it and name it", path.display()));
                return false;
            }
            if let Err(e) = File::open(path) {
                missing.push(format!("{}: {e}", path.display()));
                return false;
            }
            meta.len() > 0
        });
        let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let source = [".log", ".jsonl"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name).to_owned();
        let source = match out.iter().any(|(p, r): &(PathBuf, Role)| r.source == source && base(p) != base(&file)) {
            true => file.display().to_string(),
            false => source,
        };
        for (i, path) in all.into_iter().enumerate() {
            if !out.iter().any(|(p, _)| *p == path) {
                out.push((path, Role { source: source.clone(), generation: i as u32 }));
            }
        }
    }
    out
}

/// The path without what rotation adds to a name: `.1`, `-20260314`, `.2026-03-14`, `.gz`.
fn base(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    for packed in [".gz", ".zst", ".xz", ".bz2", ".lz4"] {
        name = name.strip_suffix(packed).unwrap_or(&name).to_owned();
    }
    if let Some(i) = name.rfind(['.', '-']).filter(|&i| i > 0) {
        let rest = &name[i + 1..];
        if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
            // A date with dashes has three parts.
            let dated = rest.len() == 2 && name[..i].len() > 8 && name.is_char_boundary(i - 8);
            let date = if dated { name[i - 8..i].strip_prefix(['.', '-']) } else { None };
            let cut = match date {
                Some(d)
                    if d.len() == 7
                        && d.bytes().enumerate().all(|(n, b)| if n == 4 { b == b'-' } else { b.is_ascii_digit() }) =>
                {
                    i - 8
                }
                _ => i,
            };
            name.truncate(cut);
        }
    }
    path.with_file_name(name)
}

/// A log file and what it was rotated to, the oldest first.
fn siblings(file: &Path) -> Vec<PathBuf> {
    let folder = match file.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
        _ => PathBuf::from("."),
    };
    let named = file.file_name().map(|n| folder.join(n));
    let mut all: Vec<(std::time::SystemTime, PathBuf)> = std::fs::read_dir(&folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|e| e.path())
                .filter(|p| Some(base(p)) == named || Some(p) == named.as_ref())
                .filter_map(|p| Some((p.metadata().ok().filter(std::fs::Metadata::is_file)?.modified().ok()?, p)))
                .collect()
        })
        .unwrap_or_default();
    all.sort();
    all.into_iter().map(|(_, p)| p).collect()
}

/// The journal of the window, the kernel's with it, as JSON into a file.
fn journal(window: TimeRange, to: &Path) -> Result<(), String> {
    let at = |t: Ts| format!("@{}.{:06}", t.secs(), (t.0.rem_euclid(1_000_000_000)) / 1_000);
    let mut options = File::options();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(to).map_err(|e| format!("cannot write {}: {e}", to.display()))?;
    let done = Command::new("journalctl")
        .args(["--quiet", "--no-pager", "--output=json", "--all"])
        .arg(format!("--since={}", at(window.start)))
        .arg(format!("--until={}", at(window.end)))
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::piped())
        .output();
    let fail = match done {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "journalctl is not on this box".to_owned(),
        Err(e) => format!("journalctl: {e}"),
        Ok(out) if !out.status.success() => {
            format!("journalctl: {}", String::from_utf8_lossy(&out.stderr).lines().next().unwrap_or("failed"))
        }
        Ok(_) if to.metadata().is_ok_and(|m| m.len() > 0) => return Ok(()),
        Ok(_) => "it has nothing of that time, or this user may not read it (group systemd-journal)".to_owned(),
    };
    let _ = std::fs::remove_file(to);
    Err(fail)
}

/// What sysstat kept of the days of the window, as JSON files beside the recording.
fn sysstat(roots: &Roots, window: TimeRange, zone: &TimeZone, out: &Output, missing: &mut Vec<String>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut looked = Vec::new();
    let mut day = window.start;
    while day < window.end + Duration::from_secs(86_400) && looked.len() < 40 {
        let date = day.jiff().to_zoned(zone.clone()).date();
        looked.push(date);
        day = day + Duration::from_secs(86_400);
        if Ts::from_jiff(date.to_zoned(zone.clone()).map(|z| z.timestamp()).unwrap_or_default()) >= window.end {
            break;
        }
        let names = [format!("sa{:02}", date.day()), format!("sa{}", date.strftime("%Y%m%d"))];
        let folders = [roots.var_log.join("sysstat"), roots.var_log.join("sa")];
        let found = folders.iter().flat_map(|f| names.iter().map(move |n| f.join(n))).find(|p| p.is_file());
        let Some(found) = found else {
            missing.push(format!("sysstat of {date}: no file sa{:02} in {}", date.day(), folders[0].display()));
            continue;
        };
        let to = out.beside(&format!("sadf{}", files.len()));
        let done = Command::new("sadf").arg("-j").arg(&found).args(["--", "-A"]).stdin(Stdio::null()).output();
        match done {
            Err(e) => missing.push(format!("sysstat: {} is there, but sadf is not: {e}", found.display())),
            Ok(o) if !o.status.success() => missing.push(format!("sysstat: sadf cannot read {}", found.display())),
            Ok(o) => match std::fs::write(&to, &o.stdout) {
                Ok(()) => files.push(to),
                Err(e) => missing.push(format!("sysstat: cannot write {}: {e}", to.display())),
            },
        }
    }
    files
}

fn deploy_logs(config: &Config, roots: &Roots, missing: &mut Vec<String>) -> Vec<PathBuf> {
    let all = match &config.deploys.log {
        Some(path) => vec![path.clone()],
        None => deploys::sources::default_logs(roots),
    };
    let there: Vec<PathBuf> = all.iter().filter(|p| p.is_file()).cloned().collect();
    if there.is_empty() {
        let names: Vec<String> = all.iter().map(|p| p.display().to_string()).collect();
        missing.push(format!("a deploy log: none at {}; `warroom deploy` writes one", names.join(", ")));
    }
    there
}

/// A log file, read in order: packed ones are unpacked on the way.
struct Text {
    from: Box<dyn Read>,
    at: u64,
}

impl Text {
    fn open(path: &Path) -> std::io::Result<Text> {
        let file = BufReader::with_capacity(1 << 16, File::open(path)?);
        let from: Box<dyn Read> = match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Some("zst") => Box::new(zstd::Decoder::with_buffer(file)?),
            _ => Box::new(file),
        };
        Ok(Text { from, at: 0 })
    }

    /// The bytes from `start` to `end`; what lies before them is read over.
    fn bytes(&mut self, start: u64, end: u64) -> Option<Vec<u8>> {
        let skip = start.checked_sub(self.at)?;
        std::io::copy(&mut self.from.by_ref().take(skip), &mut std::io::sink()).ok()?;
        let mut bytes = Vec::new();
        self.from.by_ref().take(end - start).read_to_end(&mut bytes).ok()?;
        self.at = start + bytes.len() as u64;
        (bytes.len() as u64 == end - start).then_some(bytes)
    }
}

/// Everything, in order of time, into the recording.
fn gather(left: &Left, files: &[(PathBuf, Role)], redact: bool, out: &mut Output) -> anyhow::Result<(Coverage, u64)> {
    let mut texts: BTreeMap<SourceId, Text> = BTreeMap::new();
    // Generations of one log are one source, under the number of its first.
    let mut ids: BTreeMap<&str, SourceId> = BTreeMap::new();
    for (i, (_, role)) in files.iter().enumerate() {
        ids.entry(&role.source).or_insert(SourceId(i as u32 + 1));
    }
    let role = |id: SourceId| files.get(id.0 as usize - 1).map(|(_, r)| r);
    let mut coverage = Coverage::default();
    let (mut events, mut said, mut failed) = (0u64, Instant::now(), None);
    let mut change = |feed: LogFeed| match feed {
        LogFeed::Source(mut decl) => {
            let role = role(decl.id)?;
            if ids.get(role.source.as_str()) != Some(&decl.id) {
                return None;
            }
            decl.name.clone_from(&role.source);
            if role.source == "journal" {
                decl.detail = "journalctl".into();
            }
            Some(LogFeed::Source(decl))
        }
        LogFeed::Event(id, at, mut event) => {
            let role = role(id)?;
            match &mut event {
                LogEvent::Opened(o) => {
                    o.generation = role.generation;
                    // The lines are in the recording; the file will be gone, or another.
                    (o.path, o.file, o.head) = (None, None, None);
                }
                LogEvent::Appended(a) => {
                    a.generation = role.generation;
                    let inside = left.window.is_none_or(|w| w.contains(at));
                    if inside {
                        if let std::collections::btree_map::Entry::Vacant(v) = texts.entry(id)
                            && let Some((path, _)) = files.get(id.0 as usize - 1)
                            && let Ok(text) = Text::open(path)
                        {
                            v.insert(text);
                        }
                        a.bytes = texts.get_mut(&id).and_then(|t| t.bytes(a.start, a.end)).map(Into::into);
                    }
                }
                LogEvent::Seam { generation, .. } => *generation = role.generation,
            }
            Some(LogFeed::Event(*ids.get(role.source.as_str())?, at, event))
        }
    };
    left.read_with(&mut change, &mut |mut batch| {
        for e in &mut batch {
            if let Event::Stream(Declaration::Origin { host, run, zone, .. }) = &mut e.event {
                *host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
                *zone = TimeZone::system().iana_name().unwrap_or("UTC").to_owned();
                *run = u64::try_from(StreamClock::start().wall().0).unwrap_or(1);
            }
            if redact {
                *e = captured(e);
            }
        }
        coverage.take(&batch);
        events += batch.iter().filter(|e| e.event.kind().is_some()).count() as u64;
        if said.elapsed() > Duration::from_secs(1) {
            said = Instant::now();
            let at = batch.last().map_or(Ts(0), |e| e.observed);
            eprintln!("warroom: {events} events, up to {at}");
        }
        failed = out.events(&batch).err();
        failed.is_none()
    })?;
    match failed {
        Some(e) => Err(e),
        None => Ok((coverage, events)),
    }
}

/// The recording being written: gone again unless it is finished.
struct Output {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    encoder: Encoder,
    waiting: Vec<Envelope>,
    bytes: u64,
}

impl Output {
    fn create(path: &Path, redacted: bool) -> anyhow::Result<Output> {
        let mut options = File::options();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut out = Output {
            path: path.to_owned(),
            file: Some(BufWriter::new(file)),
            encoder: Encoder::default(),
            waiting: Vec::new(),
            bytes: 0,
        };
        let program = concat!("warroom ", env!("CARGO_PKG_VERSION"), " --past").into();
        out.write(&encode_segment(&Segment { format: 1, program, redacted }, Ts(0)))?;
        out.write(&encode_fields())?;
        Ok(out)
    }

    /// A name for something that is needed for a moment.
    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.{what}", std::process::id()));
        self.path.with_file_name(name)
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.bytes += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(bytes).with_context(|| format!("cannot write {}", self.path.display())),
            None => Ok(()),
        }
    }

    /// Gathered into frames of some size, as the recorder gathers them.
    fn events(&mut self, envelopes: &[Envelope]) -> anyhow::Result<()> {
        self.waiting.extend_from_slice(envelopes);
        let size: usize = self.waiting.iter().map(|e| crate::signals::source::weight(&e.event)).sum();
        let spans = self.waiting.first().zip(self.waiting.last());
        if size > 128 << 10 || spans.is_some_and(|(a, b)| b.observed.since(a.observed) > Duration::from_secs(5)) {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        for frame in self.encoder.events(&waiting) {
            self.write(&frame.bytes)?;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<u64> {
        self.flush()?;
        if let Some(mut file) = self.file.take()
            && let Err(e) = file.flush().and_then(|()| file.get_ref().sync_all())
        {
            let _ = std::fs::remove_file(&self.path);
            return Err(e).with_context(|| format!("cannot write {}", self.path.display()));
        }
        Ok(self.bytes)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    #[test]
    fn an_end_a_little_ahead_is_now_and_not_the_one_of_yesterday() {
        let now = Ts::from_jiff("2026-11-21T23:37:00Z".parse().unwrap());
        let of = |from: &str, to: &str| {
            let line = ["warroom", "record", "-o", "x.wr", "--past", "--from", from, "--to", to];
            let Some(Command::Record(args)) = Cli::try_parse_from(line).unwrap().command else { panic!("no record") };
            window(&args, now, &TimeZone::UTC).map(|r| format!("{} {}", r.start, r.end)).map_err(|e| e.to_string())
        };
        assert_eq!(of("23:30", "23:40").as_deref(), Ok("2026-11-21T23:30:00Z 2026-11-21T23:37:00Z"));
        assert_eq!(of("23:30", "23:35").as_deref(), Ok("2026-11-21T23:30:00Z 2026-11-21T23:35:00Z"));
        assert_eq!(of("yesterday 23:30", "23:50").as_deref(), Ok("2026-11-20T23:30:00Z 2026-11-20T23:50:00Z"));
        assert!(of("23:30", "23:20").unwrap_err().contains("nothing lies from"));
    }

    #[test]
    fn what_rotation_adds_to_a_name_is_known() {
        let of = |p: &str| base(Path::new(p)).display().to_string();
        for name in [
            "a/app.log",
            "a/app.log.1",
            "a/app.log.12.gz",
            "a/app.log-20260314.zst",
            "a/app.log.2026-03-14",
            "a/app.log-2026-03-14.gz",
        ] {
            assert_eq!(of(name), "a/app.log", "{name}");
        }
        assert_eq!(of("a/error.log"), "a/error.log");
        assert_eq!(of("a/node-2.log"), "a/node-2.log");
    }
}
