//! The people who use the shop: requests at a fixed rate, whether or not the ones before were answered, and users who try
//! again when they get an error.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::fit::Fitted;
use super::rng::Rng;
use super::shop::USERS;

/// Requests that are no order lists, each second.
const OTHERS_PER_SECOND: f64 = 5.0;
/// Requests in flight, retries counted in; who comes on top of that goes away.
const IN_FLIGHT: usize = 80;
/// How often one user tries.
const TRIES: u32 = 3;
/// When a user gives up waiting.
const PATIENCE: Duration = Duration::from_secs(8);
const ANSWER_LIMIT: u64 = 64 << 10;

const AGENTS: [&str; 3] = ["Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "shop-app/7.2 (Android 16)", "curl/8.14.1"];

/// How many people come, in percent of what was fitted at the start.
pub(super) type Demand = Arc<AtomicU32>;

/// Sends requests until it is dropped.
pub(super) async fn load(address: SocketAddr, fitted: Fitted, seed: u64, demand: Demand) {
    let mut rng = Rng::new(seed);
    let total = fitted.lists_per_second + OTHERS_PER_SECOND;
    let lists = (fitted.lists_per_second / total * 1000.0) as u64;
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut next = Instant::now();
    loop {
        // After a pause (a suspended laptop) the load goes on; it does not make up for hours.
        next = next.max(Instant::now() - Duration::from_secs(1));
        sleep_until(next).await;
        let demand = f64::from(demand.load(Ordering::Relaxed).max(1)) / 100.0;
        next += Duration::from_secs_f64(1.0 / (total * demand));
        // Drawn before looking for room, so that the sequence depends on the seed alone.
        let request = request(&mut rng, lists, fitted.rows);
        let pause = Duration::from_millis(400 + rng.below(600));
        if let Ok(place) = room.clone().try_acquire_owned() {
            tokio::spawn(async move {
                user(address, &request, pause).await;
                drop(place);
            });
        }
    }
}

/// The text of one request, in the mix of an ordinary hour; `lists` in a thousand are order lists.
fn request(rng: &mut Rng, lists: u64, orders: u64) -> String {
    let user = rng.below(USERS) + 1;
    let (method, path) = match (rng.below(1000), rng.below(10)) {
        (n, _) if n < lists => ("GET", format!("/orders?user={user}")),
        (_, 0..=3) => ("GET", format!("/orders/{}", rng.below(orders) + 1)),
        (_, 4..=5) => ("POST", format!("/carts?user={user}")),
        // Half of these have closed the account since the link was made.
        (_, 6..=7) => ("GET", format!("/users/{}/email", USERS + user)),
        _ => ("GET", format!("/users/{user}/email")),
    };
    let id = match rng.below(10) {
        0..=5 => format!("x-request-id: {}\r\n", rng.uuid()),
        6..=8 => format!("traceparent: 00-{}-{:016x}-01\r\n", rng.hex32(), rng.next()),
        _ => String::new(),
    };
    let agent = AGENTS[rng.below(AGENTS.len() as u64) as usize];
    format!(
        "{method} {path} HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: {agent}\r\n{id}content-length: 0\r\n\
         connection: close\r\n\r\n"
    )
}

/// One user: tries again, with the same ID as a gateway would, while the service says it cannot just now.
async fn user(address: SocketAddr, request: &str, pause: Duration) {
    for attempt in 1..=TRIES {
        match timeout(PATIENCE, send(address, request)).await {
            Ok(Ok(503)) | Err(_) if attempt < TRIES => sleep(pause * attempt).await,
            _ => return,
        }
    }
}

/// Sends a request and reads the whole answer; its status.
async fn send(address: SocketAddr, request: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(4096);
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
    let status = answer.get(9..12).and_then(|s| std::str::from_utf8(s).ok()).and_then(|s| s.parse().ok());
    status.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_send_equal_requests() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..50).map(|_| request(&mut rng, 700, 1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
