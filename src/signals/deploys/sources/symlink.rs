//! The switch of a `current` symlink: the target's name is the version, the link's own time is when.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::event::{Change, ChangeKind};
use super::{label, rest, seed, shown, tail, tell, unreadable};
use crate::signals::{BoxFuture, Out, Source, SourceError};
use crate::timeline::{SourceState, Ts};

const POLL: Duration = Duration::from_millis(500);

/// Watches where one symlink points.
#[derive(Debug)]
pub struct Switch {
    link: PathBuf,
    target: Option<PathBuf>,
}

impl Switch {
    /// Of the symlink at `link`.
    pub fn new(link: &Path) -> Switch {
        Switch { link: link.to_owned(), target: None }
    }

    async fn watch(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        let mut ok = false;
        loop {
            let link = self.link.clone();
            let looked = tokio::task::spawn_blocking(move || look(&link)).await.map_err(std::io::Error::other);
            match looked.and_then(|r| r) {
                Ok((target, at)) => {
                    if !ok {
                        out.state(SourceState::Ok).await;
                        ok = true;
                    }
                    let before = self.target.replace(target.clone());
                    let change = change(&self.link, &target, before.as_deref(), at);
                    let through = match before {
                        None => seed(out, &shown(&self.link), vec![change]).await,
                        Some(before) if before != target => tell(out, change).await,
                        Some(_) => true,
                    };
                    if !through {
                        return Ok(());
                    }
                }
                // Between `rm` and `ln -s` there is no link for a moment; only a lasting absence is a trouble.
                Err(e) if ok && e.kind() == std::io::ErrorKind::NotFound => ok = false,
                Err(e) => return Err(SourceError::retry(unreadable(&self.link, &e))),
            }
            if !rest(&cancel, POLL).await {
                return Ok(());
            }
        }
    }
}

impl Source for Switch {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.watch(out, cancel))
    }
}

/// Where the link points and when it was made.
fn look(link: &Path) -> std::io::Result<(PathBuf, Ts)> {
    let target = fs::read_link(link)?;
    let at = fs::symlink_metadata(link)?.modified()?;
    Ok((target, tail::ts(at)))
}

/// What a link serves: `/srv/api/current` serves `api`; a link of another name serves its own.
pub fn service(link: &Path) -> String {
    let name = label(link);
    match (name.as_str(), link.parent().and_then(Path::file_name)) {
        ("current" | "live" | "latest" | "release", Some(parent)) => parent.to_string_lossy().into_owned(),
        _ => name,
    }
}

fn change(link: &Path, target: &Path, before: Option<&Path>, at: Ts) -> Change {
    let mut change = Change::new(at, ChangeKind::Deploy, service(link));
    change.version = label(target);
    change.previous = before.map(label);
    change.detail = Some("symlink switched".into());
    change.with_raw(&format!("{} -> {}", shown(link), shown(target)))
}
