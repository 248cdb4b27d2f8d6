//! `warroom check --format NAME FILE`: how a format reads a file. How many lines fit, the first that does not, and the
//! first records as the screen would have them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::tz::TimeZone;

use crate::cli::UsageError;
use crate::signals::logs::formats::{self, Context, Format, Parsed};
use crate::timeline::{Severity, Ts};
use crate::ui::text::clean;

/// So much of a file is read.
const MOST: u64 = 64 << 20;
/// So many records are shown.
const SHOWN: usize = 5;

/// Prints what the format makes of the files; exit code 3 when a line did not fit.
pub fn run(name: &str, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let Some(format) = formats::by_name(name) else {
        let names = formats::names().join(", ");
        return Err(UsageError(format!("there is no format {name:?}; there are {names}")).into());
    };
    let mut out = std::io::stdout().lock();
    let mut all_fit = true;
    for path in files {
        all_fit &= check(format, path, &mut out)?;
    }
    Ok(if all_fit { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn check(format: &'static dyn Format, path: &Path, out: &mut impl Write) -> anyhow::Result<bool> {
    let shown = clean(&path.display().to_string()).into_owned();
    let cannot = |e: std::io::Error| anyhow::anyhow!("cannot read {shown}: {e}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let changed = file.metadata().and_then(|m| m.modified()).ok();
    let changed = changed.and_then(|t| jiff::Timestamp::try_from(t).ok());
    let near = Ts::from_jiff(changed.unwrap_or_else(jiff::Timestamp::now));
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(cannot)?;
    let cx = Context { zone: TimeZone::system(), near };
    let (mut lines, mut fit, mut records, mut at) = (0u64, 0u64, 0u64, 1u64);
    let (mut timed, mut severe, mut first) = (0u64, 0u64, None);
    for span in formats::records(&bytes, format, &cx) {
        let raw = &bytes[span.range.clone()];
        lines += u64::from(span.lines);
        match format.parse(raw, &cx) {
            Some(_) => {
                fit += u64::from(span.lines);
                records += 1;
                timed += u64::from(span.head.time.is_some());
                severe += u64::from(span.head.severity.is_some());
            }
            None if raw.trim_ascii().is_empty() => fit += u64::from(span.lines),
            None => first = first.or(Some((at, raw))),
        }
        at += u64::from(span.lines);
    }
    let share = if lines == 0 { 0.0 } else { fit as f64 * 100.0 / lines as f64 };
    writeln!(out, "{shown}: {fit} of {lines} lines fit {} ({share:.1} %)", clean(format.name()))?;
    writeln!(out, "  {records} records; {timed} with a time, {severe} with a severity")?;
    if bytes.len() as u64 == MOST {
        writeln!(out, "  only the first {} MiB were read", MOST >> 20)?;
    }
    let (found, _) = formats::detect(&bytes, &cx);
    if found.name() != format.name() {
        writeln!(out, "  by itself it would be read as {}", clean(found.name()))?;
    }
    if let Some((line, raw)) = first {
        let text = formats::lossy(raw.split(|c| *c == b'\n').next().unwrap_or_default()).into_owned();
        writeln!(out, "  the first that does not fit, line {line}:\n    {}", cut(&text))?;
    }
    let spans = formats::records(&bytes, format, &cx);
    let parsed = spans.filter_map(|s| Some((s.lines, format.parse(&bytes[s.range], &cx)?)));
    for (lines, parsed) in parsed.take(SHOWN) {
        show(lines, &parsed, out)?;
    }
    Ok(first.is_none() && records > 0)
}

/// One record: time, severity, request ID, message, then its fields.
fn show(lines: u32, p: &Parsed, out: &mut impl Write) -> std::io::Result<()> {
    let time = p.head.time.map_or_else(|| "no time".to_owned(), |t| t.to_string());
    let inferred = if p.head.inferred { " (year or zone inferred)" } else { "" };
    let severity = p.head.severity.map_or("no severity", Severity::name);
    let more = if lines > 1 { format!(" (+{} lines)", lines - 1) } else { String::new() };
    writeln!(out, "  {time}{inferred}  {severity}  {}{more}", cut(p.message.lines().next().unwrap_or_default()))?;
    if let Some(id) = &p.request_id {
        writeln!(out, "    request ID  {}", cut(&id.0))?;
    }
    for (name, value) in &p.fields {
        writeln!(out, "    {}  {}", cut(name), cut(&value.to_string()))?;
    }
    Ok(())
}

/// Foreign text, cleaned, of a length that can be read.
fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(240);
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", clean(&text[..end]))
}
