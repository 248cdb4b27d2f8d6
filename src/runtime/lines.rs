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
use crate::timeline::redact::redact;
use crate::timeline::{Filter, TimeRange};

/// Writes the records that pass; gives back how many lines of the log those were.
pub fn write(store: &LogStore, path: &Path, filter: &Filter, range: TimeRange, how: WriteAs) -> io::Result<u64> {
    let file = super::effects::private(path)?;
    let mut out = io::BufWriter::new(file);
    let mut lines = 0;
    let mut failed = None;
    store.scan_all(filter, range, &mut |row| match one(&mut out, &row, how) {
        Ok(()) => {
            lines += u64::from(row.folded) + 1;
            ControlFlow::Continue(())
        }
        Err(e) => {
            failed = Some(e);
            ControlFlow::Break(())
        }
    });
    match failed {
        Some(e) => Err(e),
        None => out.flush().map(|()| lines),
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
    use crate::timeline::Ts;

    #[test]
    fn secrets_stay_out_of_text_and_json_and_are_written_only_when_asked_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("app.log");
        let lines = "{\"ts\":\"2026-03-14T14:00:00Z\",\"level\":\"info\",\"msg\":\"login\",\"password\":\"hunter2x\",\"user\":\"a\"}\n\
                     {\"ts\":\"2026-03-14T14:00:01Z\",\"level\":\"info\",\"msg\":\"password=hunter2x, then more\"}\n";
        std::fs::write(&log, lines).expect("written");
        let store = LogStore::new(Box::new(|_| {}), StoreOptions::default());
        store.open_files(&[log]).expect("opened");
        let range = TimeRange::new(Ts::MIN, Ts::MAX);
        for (how, name, secret) in
            [(WriteAs::Text, "text", false), (WriteAs::Json, "json", false), (WriteAs::AsItStands, "raw", true)]
        {
            let path = dir.path().join(name);
            assert_eq!(write(&store, &path, &Filter::default(), range, how).expect("written"), 2);
            let text = std::fs::read_to_string(&path).expect("read");
            assert_eq!(text.lines().count(), 2, "{text}");
            assert_eq!(text.contains("hunter2x"), secret, "{text}");
            for line in text.lines() {
                let value: serde_json::Value = serde_json::from_str(line).expect("still JSON");
                if how == WriteAs::Json {
                    assert_eq!(value["source"], "app", "{line}");
                }
            }
            assert!(write(&store, &path, &Filter::default(), range, how).is_err(), "nothing is overwritten");
        }
    }
}
