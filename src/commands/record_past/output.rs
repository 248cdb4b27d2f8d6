//! The recording that is being gathered.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::signals::Envelope;
use crate::signals::source::weight;
use crate::stream::recording::{Encoder, Segment, encode_fields, encode_segment};
use crate::timeline::Ts;

/// The recording being written: gone again unless it is finished.
pub struct Output {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    encoder: Encoder,
    waiting: Vec<Envelope>,
    bytes: u64,
}

impl Output {
    /// A new file; one that is there is left alone.
    pub fn create(path: &Path, redacted: bool) -> anyhow::Result<Output> {
        let mut options = File::options();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut out = Output {
            path: path.to_owned(),
            file: Some(BufWriter::new(file)),
            encoder: Encoder::default(),
            waiting: Vec::new(),
            bytes: 0,
        };
        let program = concat!("warroom ", env!("CARGO_PKG_VERSION"), " --past").into();
        out.write(&encode_segment(&Segment { format: 1, program, redacted }, Ts(0)))?;
        out.write(&encode_fields())?;
        Ok(out)
    }

    /// A name for something that is needed for a moment.
    pub fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.{what}", std::process::id()));
        self.path.with_file_name(name)
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.bytes += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(bytes).with_context(|| format!("cannot write {}", self.path.display())),
            None => Ok(()),
        }
    }

    /// Gathered into frames of some size, as the recorder gathers them.
    pub fn events(&mut self, envelopes: &[Envelope]) -> anyhow::Result<()> {
        self.waiting.extend_from_slice(envelopes);
        let size: usize = self.waiting.iter().map(|e| weight(&e.event)).sum();
        let spans = self.waiting.first().zip(self.waiting.last());
        if size > 128 << 10 || spans.is_some_and(|(a, b)| b.observed.since(a.observed) > Duration::from_secs(5)) {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        for frame in self.encoder.events(&waiting) {
            self.write(&frame.bytes)?;
        }
        Ok(())
    }

    /// On disk for good; its size.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        self.flush()?;
        if let Some(mut file) = self.file.take()
            && let Err(e) = file.flush().and_then(|()| file.get_ref().sync_all())
        {
            let _ = std::fs::remove_file(&self.path);
            return Err(e).with_context(|| format!("cannot write {}", self.path.display()));
        }
        Ok(self.bytes)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
