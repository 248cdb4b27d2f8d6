//! Puts a post-mortem together: the records, what the histories tell, requests from the logs; and writes it out.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::impact;
use crate::app::postmortem;
use crate::signals::Timeline;
use crate::signals::incident::checklist::{self, Checklist};
use crate::signals::incident::event::{IncidentEvent, Ledger, RecordId};
use crate::signals::incident::metrics::{end, onset};
use crate::signals::incident::report::window::{Seen, window};
use crate::signals::incident::report::{Report, ReportOptions};
use crate::signals::logs::store::LogStore;
use crate::timeline::TimeRange;

/// What an export can be written as.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Markdown.
    Md,
    /// One HTML file with charts, without anything that is fetched.
    Html,
    /// One JSON object.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Md, Format::Html, Format::Json];

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Md => "md",
            Format::Html => "html",
            Format::Json => "json",
        }
    }
}

/// What the histories and the logs tell of an incident; nothing where there are none.
pub fn gather(timeline: &Timeline, store: &LogStore, id: RecordId, records: &[IncidentEvent]) -> Seen {
    let mut seen = from_histories(timeline, id, records);
    count(store, id, records, &mut seen);
    if seen.impact.is_none() {
        seen.elsewhere = impact::span(store);
    }
    seen
}

/// What the histories tell.
pub fn from_histories(timeline: &Timeline, id: RecordId, records: &[IncidentEvent]) -> Seen {
    let ledger = Ledger::fold(records);
    let Some(incident) = ledger.incidents.get(&ledger.home(id)) else { return Seen::default() };
    postmortem::seen(timeline, incident, window(incident, &ledger.notes_of(incident.id)))
}

/// Steps that are left of the checklists that were begun.
pub fn unticked(lists: &[Checklist], id: RecordId, records: &[IncidentEvent]) -> Vec<String> {
    let ledger = Ledger::fold(records);
    let notes = ledger.notes_of(ledger.home(id));
    checklist::unticked(lists, notes.iter().map(|n| (n.note.kind, n.note.text.as_str())))
}

/// Adds what the logs tell of requests.
pub fn count(store: &LogStore, id: RecordId, records: &[IncidentEvent], seen: &mut Seen) {
    let ledger = Ledger::fold(records);
    let (Some(incident), Some(range)) = (ledger.incidents.get(&ledger.home(id)), seen.range) else { return };
    let from = onset(incident, &seen.clues).unwrap_or(incident.since());
    let to = end(incident).or(seen.over).unwrap_or(range.end);
    // A record of the second in which the impact ended belongs to it.
    let to = to.max(from + std::time::Duration::from_secs(1));
    impact::add(store, TimeRange::new(from, to), seen);
}

/// The text of an export; `None` when the incident is not among the records.
pub fn text(
    format: Format,
    id: RecordId,
    records: &[IncidentEvent],
    seen: &Seen,
    options: &ReportOptions,
) -> Option<String> {
    let report = Report::new(id, records, seen, options)?;
    Some(match format {
        Format::Md => report.markdown(),
        Format::Html => report.html(),
        Format::Json => format!("{:#}\n", report.json()),
    })
}

/// Size and checksum of a recording, so that a reader knows that he has the one that is meant.
pub fn fingerprint(path: &Path) -> Option<String> {
    let mut files: Vec<PathBuf> = vec![path.to_owned()];
    if path.is_dir() {
        files = std::fs::read_dir(path).ok()?.filter_map(|e| e.ok().map(|e| e.path())).collect();
        files.sort();
    }
    let (mut sum, mut size, mut buffer) = (0u32, 0u64, vec![0; 64 << 10]);
    for file in files {
        let mut file = File::open(file).ok()?;
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                n => {
                    sum = crc32c::crc32c_append(sum, &buffer[..n]);
                    size += n as u64;
                }
            }
        }
    }
    Some(format!("{size} bytes, CRC32C {sum:08x}"))
}
