//! Filtered log lines on their way to a file: as text, as JSON lines, or as they stand. Secrets are taken out unless it
//! was asked for in so many words that they stay. Never overwrites.

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use crate::app::effect::WriteAs;
use crate::commands::query::write_json;
use crate::signals::logs::row::LogRow;
use crate::signals::logs::store::LogStore;
use crate::signals::logs::store::scan::{counted, thousands};
use crate::timeline::redact::redact;
use crate::timeline::{Filter, TimeRange, Ts};
use crate::ui::Level;

/// What was written.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records in the file.
    pub records: u64,
    /// Lines in the file.
    pub lines: u64,
    /// Records that pass the filter and are muted.
    pub muted: u64,
    /// Records that pass the filter and were observed after the playhead.
    pub later: u64,
}

/// Writes every record that passes `filter` and was observed by `until`; one of `all` that is not among them is counted
/// as left out. Where nothing passes there is no file. An error may leave the part that was written before it.
pub fn write(
    store: &LogStore,
    path: &Path,
    filter: &Filter,
    all: &Filter,
    until: Ts,
    how: WriteAs,
) -> io::Result<Written> {
    let mut file = Sheet { path, out: None, written: Written::default() };
    let mut failed = None;
    store.scan_all(all, TimeRange::new(Ts::MIN, Ts::MAX), &mut |row| {
        if row.visible > until {
            file.written.later += 1;
        } else if !filter.matches(&row) {
            file.written.muted += 1;
        } else if let Err(e) = file.put(&row, how) {
            failed = Some(e);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    failed.map_or_else(|| file.end(), Err)
}

/// Writes these rows.
pub fn write_rows(path: &Path, rows: &[LogRow], how: WriteAs) -> io::Result<Written> {
    let mut file = Sheet { path, out: None, written: Written::default() };
    rows.iter().try_for_each(|row| file.put(row, how))?;
    file.end()
}

/// The words for it: `280 of 588 records, 301 lines, written to …; 308 after the playhead left out`.
pub fn said(written: io::Result<Written>, path: &Path) -> (Level, String) {
    let path = path.display();
    let w = match written {
        Ok(w) => w,
        Err(e) => return (Level::Bad, format!("cannot write lines to {path}: {e}")),
    };
    let left: Vec<String> = [(w.muted, "muted"), (w.later, "after the playhead")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, why)| format!("{} {why}", thousands(n)))
        .collect();
    let left = if left.is_empty() { String::new() } else { format!("; left out: {}", left.join(", ")) };
    let all = w.records + w.muted + w.later;
    if w.records == 0 {
        return (Level::Warn, format!("nothing passes the filter: 0 records, no file written{left}"));
    }
    let records = if all == w.records {
        counted(w.records, "record")
    } else {
        format!("{} of {}", thousands(w.records), counted(all, "record"))
    };
    let lines = if w.lines == w.records { String::new() } else { format!(", {}", counted(w.lines, "line")) };
    (Level::Calm, format!("{records}{lines} written to {path}{left}"))
}

/// The file, made when the first record comes.
struct Sheet<'a> {
    path: &'a Path,
    out: Option<io::BufWriter<std::fs::File>>,
    written: Written,
}

impl Sheet<'_> {
    fn put(&mut self, row: &LogRow, how: WriteAs) -> io::Result<()> {
        let out = match &mut self.out {
            Some(out) => out,
            none => none.insert(io::BufWriter::new(super::effects::private(self.path)?)),
        };
        let mut record = Vec::new();
        one(&mut record, row, how)?;
        self.written.records += 1;
        self.written.lines += memchr::memchr_iter(b'\n', &record).count() as u64;
        out.write_all(&record)
    }

    fn end(self) -> io::Result<Written> {
        self.out.map_or(Ok(()), |mut out| out.flush())?;
        Ok(self.written)
    }
}

fn one(out: &mut impl Write, row: &LogRow, how: WriteAs) -> io::Result<()> {
    match how {
        WriteAs::AsItStands => {
            out.write_all(&row.raw)?;
            out.write_all(b"\n")
        }
        WriteAs::Text => {
            let text = String::from_utf8_lossy(&row.raw);
            out.write_all(redact(&text).as_bytes())?;
            out.write_all(b"\n")
        }
        WriteAs::Json => {
            let json = |row: &LogRow| {
                let mut line = Vec::new();
                write_json(&mut line, row).map(|()| String::from_utf8_lossy(&line).into_owned())
            };
            let line = json(row)?;
            let safe = redact(&line);
            // A rule that took a sign of JSON with it is applied to each value instead.
            let whole = serde_json::from_str::<serde::de::IgnoredAny>(&safe).is_ok();
            let line = if whole { safe.into_owned() } else { json(&redacted(row))? };
            out.write_all(line.as_bytes())
        }
    }
}

/// The row with the secrets of each value taken out, known by its name or by its shape.
fn redacted(row: &LogRow) -> LogRow {
    let mut safe = row.clone();
    safe.message = redact(&row.message).into_owned();
    for (name, value) in &mut safe.fields {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let named = format!("{name}={text}");
        if let Cow::Owned(clean) = redact(&named) {
            let clean = clean.strip_prefix(&format!("{name}=")).unwrap_or(&clean);
            *value = serde_json::Value::String(clean.to_owned());
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::store::StoreOptions;

    #[test]
    fn secrets_stay_out_of_text_and_json_and_are_written_only_when_asked_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("app.log");
        let lines = "{\"ts\":\"2026-03-14T14:00:00Z\",\"level\":\"info\",\"msg\":\"login\",\"password\":\"hunter2x\",\"user\":\"a\"}\n\
                     {\"ts\":\"2026-03-14T14:00:01Z\",\"level\":\"info\",\"msg\":\"password=hunter2x, then more\"}\n";
        std::fs::write(&log, lines).expect("written");
        let store = LogStore::new(Box::new(|_| {}), StoreOptions::default());
        store.open_files(&[log]).expect("opened");
        let all = Filter::default();
        for (how, name, secret) in
            [(WriteAs::Text, "text", false), (WriteAs::Json, "json", false), (WriteAs::AsItStands, "raw", true)]
        {
            let path = dir.path().join(name);
            assert_eq!(write(&store, &path, &all, &all, Ts::MAX, how).expect("written").records, 2);
            let text = std::fs::read_to_string(&path).expect("read");
            assert_eq!(text.lines().count(), 2, "{text}");
            assert_eq!(text.contains("hunter2x"), secret, "{text}");
            for line in text.lines() {
                let value: serde_json::Value = serde_json::from_str(line).expect("still JSON");
                if how == WriteAs::Json {
                    assert_eq!(value["source"], "app", "{line}");
                }
            }
            assert!(write(&store, &path, &all, &all, Ts::MAX, how).is_err(), "nothing is overwritten");
        }
    }

    #[test]
    fn all_that_passes_is_written_however_old_with_records_and_lines_counted_and_no_empty_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("app.log");
        let line = |d: u32, level: &str, said: &str| format!("2026-03-{d:02} 14:00:00 {level} {said}\n");
        let text =
            line(1, "ERROR", "first\n    at a\n    at b") + &line(2, "INFO", "calm") + &line(14, "ERROR", "last");
        std::fs::write(&log, text).expect("written");
        let store = LogStore::new(Box::new(|_| {}), StoreOptions::default());
        store.open_files(&[log]).expect("opened");
        let (errors, none) =
            (Filter::parse("level=error").expect("a filter"), Filter::parse("nothing").expect("a filter"));
        let path = dir.path().join("out");
        let written = write(&store, &path, &errors, &errors, Ts::MAX, WriteAs::AsItStands);
        assert_eq!(said(written, Path::new("out")).1, "2 records, 4 lines written to out");
        let path = dir.path().join("muted");
        let written = write(&store, &path, &errors, &Filter::default(), Ts::MAX, WriteAs::Text);
        assert_eq!(said(written, Path::new("out")).1, "2 of 3 records, 4 lines written to out; left out: 1 muted");
        let path = dir.path().join("none");
        let written = write(&store, &path, &none, &none, Ts::MAX, WriteAs::Text);
        assert_eq!(said(written, Path::new("out")).1, "nothing passes the filter: 0 records, no file written");
        assert!(!path.exists());
    }
}
