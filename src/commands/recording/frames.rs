//! The frames of recordings, and what of them is damaged.

use std::fs::File;
use std::path::Path;

use anyhow::Context;

use crate::stream::recording::{Damage, Frame, Gap, Reader, RecordingError};
use crate::stream::replay;

/// Hands every frame on, of a folder those of its segments; gives what could not be read, or an error when nothing could.
pub fn frames(path: &Path, mut to: impl FnMut(Frame) -> anyhow::Result<()>) -> anyhow::Result<Damage> {
    each(path, |frame, _| frame.map_or(Ok(()), &mut to))
}

/// The same for whoever writes another recording: what is damaged here is a gap there, or nobody would know of it.
pub fn frames_and_losses(path: &Path, mut to: impl FnMut(Frame) -> anyhow::Result<()>) -> anyhow::Result<Damage> {
    let mut lost = Lost::default();
    each(path, |frame, damage| {
        lost.since(damage).map_or(Ok(()), |gap| to(Frame::Gap(gap)))?;
        match frame {
            Some(frame) => to(frame),
            None => {
                lost = Lost::default();
                Ok(())
            }
        }
    })
}

/// Every frame with the damage of its file so far; nothing stands for the end of a file.
fn each(path: &Path, mut to: impl FnMut(Option<Frame>, &Damage) -> anyhow::Result<()>) -> anyhow::Result<Damage> {
    let (mut damage, mut size, mut any) = (Damage::default(), 0, false);
    for file in replay::files(path)? {
        let input = File::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
        size += input.metadata().map(|m| m.len()).unwrap_or(0);
        let mut reader = Reader::new(input);
        while let Some(frame) = reader.next_frame().with_context(|| format!("cannot read {}", file.display()))? {
            any = true;
            to(Some(frame), reader.damage())?;
        }
        to(None, reader.damage())?;
        damage.add(reader.damage());
    }
    if !any {
        return Err(RecordingError::NotARecording { path: path.display().to_string(), size }.into());
    }
    Ok(damage)
}

/// How much of the damage was told.
#[derive(Default)]
pub struct Lost {
    bytes: u64,
    events: u64,
}

impl Lost {
    /// What is lost beyond that.
    pub fn since(&mut self, damage: &Damage) -> Option<Gap> {
        let (bytes, events) = (damage.bytes - self.bytes, damage.orphans - self.events);
        (self.bytes, self.events) = (damage.bytes, damage.orphans);
        let why = match bytes {
            0 => "they build on what was damaged in the recording that this was made of".to_owned(),
            n => format!("{n} bytes of the recording that this was made of were damaged, and what builds on them"),
        };
        (bytes > 0 || events > 0).then_some(Gap { envelopes: events, why })
    }
}

/// Says on standard error what is damaged.
pub fn tell(path: &Path, damage: &Damage) {
    if damage.bytes > 0 {
        let lost = match damage.orphans {
            0 => String::new(),
            n => format!(", and {n} events lost that build on them"),
        };
        eprintln!("warroom: {}: {} damaged bytes stepped over{lost}", path.display(), damage.bytes);
    }
}
