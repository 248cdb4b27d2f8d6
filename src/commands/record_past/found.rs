//! What a box still has of a past time: logs and what they were rotated to, the journal, sysstat, deploy logs. What is not
//! there is said.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::cli::RecordArgs;
use crate::config::Config;
use crate::config::discover::look_around;
use crate::signals::logs::sources::glob;
use crate::signals::{Roots, deploys};
use crate::timeline::{TimeRange, Ts};

/// How long the box is looked at for logs.
const LOOK: Duration = Duration::from_secs(3);

/// Which source a file belongs to, and which of its generations it is, the oldest 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// By this name.
    pub source: String,
    /// The oldest is 0.
    pub generation: u32,
}

/// Log files with their rotated siblings, those that were last written to before the window left out.
pub fn logs(
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
pub fn journal(window: TimeRange, to: &Path) -> Result<(), String> {
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
pub fn sysstat(
    roots: &Roots,
    window: TimeRange,
    zone: &TimeZone,
    beside: impl Fn(&str) -> PathBuf,
    missing: &mut Vec<String>,
) -> Vec<PathBuf> {
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
        let to = beside(&format!("sadf{}", files.len()));
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

/// Where deploys are told of.
pub fn deploy_logs(config: &Config, roots: &Roots, missing: &mut Vec<String>) -> Vec<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
