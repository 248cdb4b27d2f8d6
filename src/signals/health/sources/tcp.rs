//! Connects to a port and hangs up.

use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};

use super::super::event::Probe;
use super::{io_words, millis, told};

/// Connects to `address` (`host:port`), all its addresses in turn, within `deadline`; fills in what was found.
pub async fn ask(address: &str, probe: &mut Probe, deadline: Duration) {
    let phases = &mut probe.phases;
    let connected = tokio::time::timeout(deadline, async {
        let began = Instant::now();
        let found: Vec<_> = lookup_host(address).await.map_err(|e| format!("name not found: {e}"))?.collect();
        phases.dns = Some(millis(began.elapsed()));
        let began = Instant::now();
        let mut last = "name has no address".to_owned();
        for at in found {
            match TcpStream::connect(at).await {
                Ok(_) => {
                    phases.connect = Some(millis(began.elapsed()));
                    return Ok(());
                }
                Err(e) => last = io_words(&e).map_or_else(|| e.to_string(), str::to_owned),
            }
        }
        Err(last)
    })
    .await;
    probe.error = match connected {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(_) => Some(format!("no connection in {}", told(deadline))),
    };
    probe.ok = probe.error.is_none();
}
