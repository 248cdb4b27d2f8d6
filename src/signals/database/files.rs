//! SQLite files as of a playhead: how large, how they grow, and whether a reader keeps the WAL from being put away.

use std::time::Duration;

use compact_str::CompactString;

use super::event::SqliteFile;
use super::history::{DatabaseHistory, minute};
use super::words::bytes;
use crate::timeline::{SourceId, Ts};
use crate::ui::{Level, Verdict};

/// A WAL of so many bytes that is not put away is worth a word; by itself SQLite puts it away at about 4 MB.
const LARGE: u64 = 64 << 20;
/// Older figures are not of now.
const FRESH: Duration = Duration::from_secs(30);

/// One file at a playhead.
#[derive(Clone, Debug)]
pub struct FileNow<'a> {
    /// Its source.
    pub source: SourceId,
    /// Its name.
    pub name: &'a CompactString,
    /// When it was looked at.
    pub at: Ts,
    /// What was seen.
    pub file: &'a SqliteFile,
    /// Bytes by which the WAL grew in the last minute.
    pub grown: u64,
    /// Whether frames came and none was put away for as long as is known, up to a minute, and the WAL is large.
    pub pinned: bool,
    /// Whether that is too old to be of now.
    pub stale: bool,
}

impl FileNow<'_> {
    /// `12.3 MB, WAL 4.1 MB (12 of 1,000 frames checkpointed), 2 % free`.
    pub fn told(&self) -> String {
        let f = self.file;
        let mut text = bytes(f.bytes);
        if f.journal == "wal" {
            text += &format!(", WAL {}", bytes(f.wal_bytes));
            if f.frames > 0 {
                text += &format!(" ({} of {} frames checkpointed)", f.checkpointed, f.frames);
            }
            if self.grown > 0 {
                text += &format!(", +{} in 60 s", bytes(self.grown));
            }
        } else {
            text += &format!(", {} journal", f.journal);
        }
        let free = u64::from(f.free_pages) * 100 / u64::from(f.pages.max(1));
        if free > 0 {
            text += &format!(", {free} % free");
        }
        text
    }
}

/// The files at `now`.
pub fn files(history: &DatabaseHistory, now: Ts) -> Vec<FileNow<'_>> {
    history
        .files
        .iter()
        .filter_map(|(source, (name, seen))| {
            let last = seen.latest(now)?;
            let first = seen.within(minute(now), now).next().unwrap_or(last);
            let (old, file) = (&first.value, &last.value);
            let stuck =
                file.frames > old.frames && file.checkpointed == old.checkpointed && file.checkpointed < file.frames;
            Some(FileNow {
                source: *source,
                name,
                at: last.at,
                file,
                grown: file.wal_bytes.saturating_sub(old.wal_bytes),
                pinned: stuck && file.wal_bytes >= LARGE,
                stale: now.since(last.at) > FRESH,
            })
        })
        .collect()
}

/// A WAL that grows and is not put away.
pub fn verdict(files: &[FileNow]) -> Option<Verdict> {
    let f = files.iter().find(|f| f.pinned && !f.stale)?;
    let text = format!(
        "{}: WAL {} and growing, checkpoint stands at frame {} of {}: a reader holds it back",
        f.name,
        bytes(f.file.wal_bytes),
        f.file.checkpointed,
        f.file.frames
    );
    Some(Verdict::new(Level::Warn, text))
}

/// What is so when nothing is wrong and there is no server.
pub fn calm(files: &[FileNow]) -> Option<Verdict> {
    let f = files.iter().find(|f| !f.stale)?;
    Some(Verdict::new(Level::Calm, format!("{} {}, nothing slow", f.name, f.told())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::DatabaseEvent;

    #[test]
    fn a_wal_that_grows_and_is_not_put_away_is_told_and_one_that_is_put_away_is_not() {
        let seen = |history: &mut DatabaseHistory, t: i64, frames: u32, checkpointed: u32| {
            let file = SqliteFile {
                bytes: 12_300_000,
                page_size: 4_096,
                pages: 3_000,
                journal: "wal".into(),
                wal_bytes: u64::from(frames) * 4_120,
                frames,
                checkpointed,
                ..SqliteFile::default()
            };
            let event = DatabaseEvent::Sqlite { name: "shop.sqlite".into(), file };
            history.apply(t as u64, SourceId(1), Ts::from_secs(t), &event);
        };
        let mut h = DatabaseHistory::default();
        seen(&mut h, 10, 1_000, 1_000);
        seen(&mut h, 20, 20_000, 1_000);
        let at = |h: &DatabaseHistory, t| {
            let files = files(h, Ts::from_secs(t));
            (verdict(&files).map(|v| v.text), calm(&files).map(|v| v.text))
        };
        let told = at(&h, 21).0.unwrap();
        assert_eq!(
            told,
            "shop.sqlite: WAL 82.4 MB and growing, checkpoint stands at frame 1000 of 20000: a reader holds it back"
        );
        seen(&mut h, 30, 21_000, 21_000);
        assert_eq!(at(&h, 31).0, None);
        assert_eq!(at(&h, 90).1, None, "too old to be of now");
        assert!(
            at(&h, 11).1.unwrap().starts_with("shop.sqlite 12.3 MB, WAL 4.1 MB (1000 of 1000 frames checkpointed)")
        );
    }
}
