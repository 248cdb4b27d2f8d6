//! Watches the machine: one thread for figures and processes, one for what may hang (mounts, descriptors).
//!
//! Reads files below [`Roots`] and nothing else; where there is no procfs it asks the operating system through `sysinfo`.

pub mod cgroup;
pub mod cpu;
pub mod deleted;
pub mod disk;
pub mod memory;
pub mod mounts;
pub mod network;
pub mod oom;
pub mod own;
pub mod portable;
pub mod pressure;
pub mod processes;
pub mod read;
pub mod run;
pub mod sampler;
pub mod throttle;
pub mod unit;

#[cfg(test)]
mod fixture;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::config::HostConfig;
use crate::signals::{BoxFuture, Declared, Out, Roots, Source, SourceError};
use crate::timeline::{SourceDecl, SourceId, SourceKind};

/// The machine as a source.
pub struct HostSource {
    config: HostConfig,
    roots: Roots,
}

/// The host source with its declaration; `None` when it is switched off.
pub fn declared(config: &HostConfig, roots: &Roots) -> Option<Declared> {
    config.enabled.then(|| Declared {
        decl: SourceDecl {
            id: SourceId(0),
            kind: SourceKind::Host,
            name: "host".into(),
            detail: roots.proc.display().to_string(),
        },
        source: Box::new(HostSource { config: config.clone(), roots: roots.clone() }),
    })
}

impl Source for HostSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            // Dropping `stop` wakes both threads; a thread stuck in a dead file server is left behind, and holds nothing.
            let (stop, stopped) = run::stop_pair();
            let (done, ended) = oneshot::channel();
            let (config, roots, told) = (self.config.clone(), self.roots.clone(), out.clone());
            let slow = stopped.clone();
            spawn("host-slow", {
                let (config, roots, out) = (config.clone(), roots.clone(), out.clone());
                move || run::slow_things(&config, &roots, &out, &slow)
            })?;
            spawn("host-sampler", move || {
                let result = run::figures(&roots, &told, &stopped);
                let _ = done.send(result);
            })?;
            let result = tokio::select! {
                () = cancel.cancelled() => Ok(()),
                r = ended => r.unwrap_or_else(|_| Err(SourceError::retry("the host sampler ended unexpectedly"))),
            };
            drop(stop);
            result
        })
    }
}

fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> Result<(), SourceError> {
    match std::thread::Builder::new().name(name.into()).stack_size(512 * 1024).spawn(f) {
        Ok(_) => Ok(()),
        Err(e) => Err(SourceError::retry(format!("no thread for {name}: {e}; the box is out of processes or memory"))),
    }
}
