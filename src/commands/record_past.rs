//! `warroom record --past`: what a box still has of a past time, in one recording, before rotation eats it.
//!
//! Owns the window, the order and the report. Reading it is `runtime::left`'s part.

mod found;
mod output;
mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use self::found::{Role, deploy_logs, journal, logs, sysstat};
use self::output::Output;
use self::text::Text;
use crate::cli::{RecordArgs, UsageError};
use crate::config::Config;
use crate::runtime::left::Left;
use crate::runtime::left::coverage::Coverage;
use crate::signals::logs::event::LogEvent;
use crate::signals::logs::store::LogFeed;
use crate::signals::source::StreamClock;
use crate::signals::{Event, Roots};
use crate::stream::capture::captured;
use crate::timeline::source::Declaration;
use crate::timeline::{SourceId, TimeRange, Ts, time_text};

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
        left.sadf = sysstat(&roots, window, &zone, |what| out.beside(what), &mut missing);
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
}
