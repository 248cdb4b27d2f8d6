//! A packed log file as a source: all its lines are content of the store, none is news.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::tail::TailOptions;
use crate::signals::logs::event::{LogEvent, LogOpened};
use crate::signals::logs::store::{held, packed, read};
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// Tells of one packed file; the store reads it.
pub struct PackedSource {
    path: PathBuf,
    options: TailOptions,
    /// Kept, so that it stays readable when it is removed before the store has opened it.
    file: Option<Arc<File>>,
}

/// Whether there is a packed file at `path` now.
pub fn is_packed(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file()) && File::open(path).is_ok_and(|f| packed::packing(&f).is_some())
}

impl PackedSource {
    /// For the packed file at `path`.
    pub fn new(path: PathBuf, options: TailOptions) -> PackedSource {
        PackedSource { path, options, file: None }
    }

    fn open(&mut self) -> Result<LogOpened, String> {
        let fail = |e: std::io::Error| format!("cannot read {}: {e}", self.path.display());
        let file = Arc::new(File::open(&self.path).map_err(fail)?);
        let meta = file.metadata().map_err(fail)?;
        let (head, size) = read::head(&self.path, &file, &meta)?;
        let id = (meta.dev(), meta.ino());
        held::announce(id, &file);
        self.file = Some(file);
        Ok(LogOpened {
            generation: 0,
            path: Some(self.path.to_string_lossy().into_owned()),
            file: Some(id),
            size,
            head: (!head.is_empty()).then(|| (crc32c::crc32c(&head), head.len() as u32)),
            format: self.options.format.as_deref().map(Into::into),
            request_id: self.options.request_id.clone(),
        })
    }
}

impl Source for PackedSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            if self.file.is_none() {
                let opened = self.open().map_err(SourceError::fatal)?;
                out.log(Event::Logs(LogEvent::Opened(opened))).await;
            }
            out.state(SourceState::Ended).await;
            cancel.cancelled().await;
            Ok(())
        })
    }
}
