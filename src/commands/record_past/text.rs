//! The bytes of a log file, for the recording.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// A log file, read in order: packed ones are unpacked on the way.
pub struct Text {
    from: Box<dyn Read>,
    at: u64,
}

impl Text {
    /// From its beginning.
    pub fn open(path: &Path) -> std::io::Result<Text> {
        let file = BufReader::with_capacity(1 << 16, File::open(path)?);
        let from: Box<dyn Read> = match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Some("zst") => Box::new(zstd::Decoder::with_buffer(file)?),
            _ => Box::new(file),
        };
        Ok(Text { from, at: 0 })
    }

    /// The bytes from `start` to `end`; what lies before them is read over.
    pub fn bytes(&mut self, start: u64, end: u64) -> Option<Vec<u8>> {
        let skip = start.checked_sub(self.at)?;
        std::io::copy(&mut self.from.by_ref().take(skip), &mut std::io::sink()).ok()?;
        let mut bytes = Vec::new();
        self.from.by_ref().take(end - start).read_to_end(&mut bytes).ok()?;
        self.at = start + bytes.len() as u64;
        (bytes.len() as u64 == end - start).then_some(bytes)
    }
}
