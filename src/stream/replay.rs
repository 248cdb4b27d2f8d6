//! A recording, read back into the same stream.

use std::fs::File;
use std::path::Path;

use super::recording::{Damage, Frame, Reader, RecordingError};
use crate::signals::Envelope;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Envelopes handed on.
    pub envelopes: u64,
    /// Envelopes the recorder had lost.
    pub missing: u64,
    /// What could not be read.
    pub damage: Damage,
}

impl Summary {
    /// What is wrong with the recording, in words; `None` when nothing is.
    pub fn trouble(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.damage.bytes > 0 {
            parts.push(format!("{} damaged bytes stepped over", self.damage.bytes));
        }
        if self.missing > 0 {
            parts.push(format!("{} events were lost while recording", self.missing));
        }
        let unknown = self.damage.unknown_frames + self.damage.unknown_events;
        if unknown > 0 {
            parts.push(format!("{unknown} parts come from a newer version"));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Reads a recording (one file, or a folder of segments) and hands each frame's envelopes to `to`, which returns false
/// to stop.
pub fn read(path: &Path, to: &mut dyn FnMut(Vec<Envelope>) -> bool) -> Result<Summary, RecordingError> {
    let io = |what, path: &Path| {
        let path = path.display().to_string();
        move |source| RecordingError::Io { what, path, source }
    };
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = std::fs::read_dir(path)
            .map_err(io("cannot list", path))?
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "wr"))
            .collect();
        files.sort();
    }
    let mut summary = Summary::default();
    let mut size = 0;
    let mut frames = 0u64;
    for file in &files {
        let input = File::open(file).map_err(io("cannot open", file))?;
        size += input.metadata().map(|m| m.len()).unwrap_or(0);
        let mut reader = Reader::new(input);
        while let Some(frame) = reader.next_frame().map_err(io("cannot read", file))? {
            frames += 1;
            match frame {
                Frame::Segment(_) => {}
                Frame::Gap(gap) => summary.missing += gap.envelopes,
                Frame::Events(envelopes) => {
                    summary.envelopes += envelopes.len() as u64;
                    if !to(envelopes) {
                        return Ok(summary);
                    }
                }
            }
        }
        let d = reader.damage();
        summary.damage.bytes += d.bytes;
        summary.damage.unknown_frames += d.unknown_frames;
        summary.damage.unknown_events += d.unknown_events;
    }
    if frames == 0 {
        return Err(RecordingError::NotARecording { path: path.display().to_string(), size });
    }
    Ok(summary)
}
