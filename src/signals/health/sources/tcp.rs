//! Connects to a port without being let in: what listens there never hears of it.
//!
//! A connection that is opened and closed is not free for everybody: MySQL and MariaDB write each one into their log,
//! count it as an error of our host, and after `max_connect_errors` of them (100) let nobody of that host in any more. So
//! our side of the handshake is held back and the connection reset instead: the server's kernel drops it before a program
//! could take it.
//!
//! Only the first connection to a port is a whole one, to read what a server says first: of one that speaks MySQL's
//! protocol these words tell whether it lets anybody in (`first_words`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::super::event::Probe;
use super::first_words::{self, Words};
use super::{io_words, millis, told};

/// Linux holds an acknowledgement back for 200 ms at most: of a connection that took so much longer than the quickest one
/// it may have gone, because we were not given the processor in time.
const HELD_BACK: Duration = Duration::from_millis(150);
/// How soon words are read again after an error among them, and after a greeting.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// One port.
#[derive(Debug)]
pub struct Tcp {
    address: String,
    /// Whether it may speak MySQL's protocol: not known before words were read once.
    speaks: Option<bool>,
    words_after: Option<Instant>,
    /// The quickest connection so far: what the way there takes.
    quickest: Option<Duration>,
    /// The error that the server said instead of a greeting.
    refuses: Option<String>,
}

impl Tcp {
    /// Prepares to ask `address` (`host:port`).
    pub fn new(address: &str) -> Tcp {
        Tcp { address: address.to_owned(), speaks: None, words_after: None, quickest: None, refuses: None }
    }

    /// Connects, to all addresses in turn, within `deadline`; fills in what was found. The latency is that of connecting.
    pub async fn ask(&mut self, probe: &mut Probe, deadline: Duration) {
        let began = Instant::now();
        let connected = tokio::time::timeout(deadline, connect(&self.address, probe)).await;
        probe.latency_ms = millis(began.elapsed());
        probe.error = match connected {
            Ok(Ok(open)) => {
                self.read(open).await;
                self.refuses.clone()
            }
            Ok(Err(why)) => Some(why),
            Err(_) => Some(format!("no connection in {}", told(deadline))),
        };
        if probe.phases.connect.is_none() {
            // What answers next may be another server, or the same after a restart.
            (self.words_after, self.refuses) = (None, None);
        }
        probe.ok = probe.error.is_none();
    }

    /// Lets go of the connection unheard, or reads the first words where that is due.
    async fn read(&mut self, open: Open) {
        let due = self.words_after.is_none_or(|t| Instant::now() >= t);
        let quickest = self.quickest.map_or(open.took, |t| t.min(open.took));
        self.quickest = Some(quickest);
        let heard = !open.unheard || open.took - quickest >= HELD_BACK;
        let words = match self.speaks {
            Some(false) => return,
            // Let in by mistake: a whole conversation is no error, an end without one is.
            _ if heard => first_words::read(open.stream).await,
            _ if due => {
                drop(open.stream);
                let Ok(Ok(stream)) = tokio::time::timeout(HELD_BACK * 2 + open.took, TcpStream::connect(open.at)).await
                else {
                    return;
                };
                first_words::read(stream).await
            }
            _ => return,
        };
        let again = if matches!(words, Words::Refused(_)) { AGAIN.0 } else { AGAIN.1 };
        self.words_after = Some(Instant::now() + again);
        self.speaks = Some(!matches!(words, Words::Other) || self.speaks == Some(true));
        self.refuses = match words {
            Words::Refused(why) => Some(why),
            Words::Greeting | Words::Other => None,
        };
    }
}

/// A connection that stands, as our side sees it.
struct Open {
    stream: TcpStream,
    at: SocketAddr,
    took: Duration,
    /// Whether the server's side does not know yet that it stands.
    unheard: bool,
}

async fn connect(address: &str, probe: &mut Probe) -> Result<Open, String> {
    let began = Instant::now();
    let found: Vec<_> = lookup_host(address).await.map_err(|e| format!("name not found: {e}"))?.collect();
    probe.phases.dns = Some(millis(began.elapsed()));
    let all = Instant::now();
    let mut last = "name has no address".to_owned();
    for at in found {
        let began = Instant::now();
        match unheard(at).await {
            Ok((stream, unheard)) => {
                probe.phases.connect = Some(millis(all.elapsed()));
                return Ok(Open { stream, at, took: began.elapsed(), unheard });
            }
            Err(e) => last = io_words(&e).map_or_else(|| e.to_string(), str::to_owned),
        }
    }
    Err(last)
}

/// Connects with our acknowledgement held back, and so that letting go resets; `false` where the system cannot do that.
async fn unheard(at: SocketAddr) -> std::io::Result<(TcpStream, bool)> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let held = hold_back(&socket) && socket.set_zero_linger().is_ok();
    Ok((socket.connect(at).await?, held))
}

#[cfg(target_os = "linux")]
fn hold_back(socket: &TcpSocket) -> bool {
    rustix::net::sockopt::set_tcp_quickack(socket, false).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn hold_back(_: &TcpSocket) -> bool {
    false
}
