//! Requests, taken down while their lines come in, on a thread of its own.
//!
//! A report counts every request of hours. Where it began to count when the last line was read, lines that memory does not
//! hold would be decoded a second time. What is taken down is what a walk through the same blocks tells: only blocks that
//! no further line changes are looked at before the end.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};

use super::blocks::{Step, Walk};
use super::generation::Generation;
use super::matcher::Matcher;
use super::scan::scan;
use super::{LogStore, Shared};
use crate::signals::logs::requests::Request;
use crate::timeline::{Filter, SourceId, TimeRange, Ts};

/// Requests taken down, about 40 bytes each, and routes told apart. Beyond that it gives up, and whoever asks goes through
/// the lines.
const MOST: usize = 2_000_000;
const ROUTES: usize = 50_000;
/// Bytes of lines after which it looks again, and how many such looks may be due before lines wait for it: what it has not
/// looked at is still in memory then.
const LOOK: u64 = 4 << 20;
const DUE: usize = 8;

enum Order {
    Look,
    Give(SyncSender<Option<Arc<Taken>>>),
}

/// The end that the store has.
pub(super) struct Tape {
    orders: SyncSender<Order>,
    came: AtomicU64,
}

impl Tape {
    /// Starts the thread and gives back its end for [`run`].
    pub(super) fn new() -> (Tape, impl FnOnce(&Weak<Shared>) + Send) {
        let (orders, inbox) = sync_channel(DUE);
        (Tape { orders, came: AtomicU64::new(0) }, move |shared: &Weak<Shared>| run(shared, &inbox))
    }

    /// So many bytes of lines came. Waits where it is far behind.
    pub(super) fn came(&self, bytes: u64) {
        let before = self.came.fetch_add(bytes, Ordering::Relaxed);
        if before / LOOK != (before + bytes) / LOOK {
            let _ = self.orders.send(Order::Look);
        }
    }

    /// What was taken down of all there is; `None` where it gave up.
    fn taken(&self) -> Option<Arc<Taken>> {
        let (to, answer) = sync_channel(1);
        self.orders.send(Order::Give(to)).ok()?;
        answer.recv().ok()?
    }
}

/// One request, small.
struct Brief {
    placed: Ts,
    source: SourceId,
    route: u32,
    status: u16,
    format: u16,
    /// Not a number where it is not known.
    duration_ms: f64,
    id: Option<u64>,
}

/// Up to where a generation was looked at, and as which format.
struct Upto {
    generation: Weak<Generation>,
    at: u64,
    format: &'static str,
}

/// What was taken down.
#[derive(Default)]
struct Taken {
    requests: Vec<Brief>,
    routes: Vec<Arc<str>>,
    formats: Vec<&'static str>,
}

#[derive(Default)]
struct Taking {
    taken: Taken,
    known: HashMap<Arc<str>, u32>,
    upto: BTreeMap<(SourceId, u32), Upto>,
    given_up: bool,
}

fn run(shared: &Weak<Shared>, inbox: &Receiver<Order>) {
    let mut taking = Taking::default();
    let mut given: Option<Arc<Taken>> = None;
    while let Ok(order) = inbox.recv() {
        let Some(shared) = shared.upgrade() else { return };
        match order {
            Order::Look if given.is_some() => {}
            Order::Look => taking.look(&shared.generations(None), false),
            Order::Give(to) => {
                let generations = shared.generations(None);
                if given.is_some() {
                    // Whoever counts asks when all lines are there: later ones are not taken down.
                    taking.given_up |= !taking.is_all(&generations);
                } else {
                    taking.look(&generations, true);
                    let mut taken = std::mem::take(&mut taking.taken);
                    taken.requests.sort_by_key(|r| (r.placed, r.source));
                    given = Some(Arc::new(taken));
                }
                let _ = to.send(given.clone().filter(|_| !taking.given_up));
            }
        }
        if taking.given_up {
            taking.taken = Taken::default();
            taking.known = HashMap::new();
        }
    }
}

impl Taking {
    /// Whether no line came since the last look.
    fn is_all(&self, generations: &[Arc<Generation>]) -> bool {
        let upto = |g: &Generation| self.upto.get(&(g.source, g.opened.generation)).map_or(0, |upto| upto.at);
        generations.iter().all(|g| Walk::new(g, g.visible_end(Ts::MAX)).end() <= upto(g))
    }

    /// Looks at what came since; at blocks that may still grow only in the `last` look.
    fn look(&mut self, generations: &[Arc<Generation>], last: bool) {
        let matcher = Matcher::new(&Filter::default(), None, None);
        let mut buf = Vec::new();
        for generation in generations {
            let walk = Walk::new(generation, generation.visible_end(Ts::MAX));
            let id = (generation.source, generation.opened.generation);
            let fresh = || Upto { generation: Arc::downgrade(generation), at: 0, format: generation.format().name() };
            let upto = self.upto.entry(id).or_insert_with(fresh);
            // It turned out to be something else than it was taken for.
            self.given_up |= !std::ptr::eq(upto.generation.as_ptr(), Arc::as_ptr(generation));
            let mut at = upto.at;
            while !self.given_up
                && let Some(step) = walk.after(at)
            {
                let range = step.range();
                if !last && !walk.settled(&range) {
                    break;
                }
                at = range.end;
                if let Step::Block(_) = step {
                    let found = scan(generation, &walk, &step, &matcher, &mut buf);
                    found.hits.iter().filter_map(|hit| hit.request()).for_each(|r| self.taken.put(&mut self.known, r));
                    self.given_up |= self.taken.requests.len() > MOST || self.taken.routes.len() > ROUTES;
                }
            }
            upto.at = at;
            self.given_up |= at > 0 && upto.format != generation.format().name();
        }
    }
}

impl Taken {
    fn put(&mut self, known: &mut HashMap<Arc<str>, u32>, r: Request) {
        let route = match known.get(&r.route) {
            Some(route) => *route,
            None => {
                let route = self.routes.len() as u32;
                known.insert(Arc::clone(&r.route), route);
                self.routes.push(r.route);
                route
            }
        };
        let format = self.formats.iter().position(|f| *f == r.format).unwrap_or_else(|| {
            self.formats.push(r.format);
            self.formats.len() - 1
        });
        let (status, duration_ms) = (r.status, r.duration_ms.unwrap_or(f64::NAN));
        let (placed, source, id, format) = (r.placed, r.source, r.id, format as u16);
        self.requests.push(Brief { placed, source, route, status, format, duration_ms, id });
    }

    fn request(&self, r: &Brief) -> Option<Request> {
        Some(Request {
            placed: r.placed,
            source: r.source,
            format: self.formats.get(usize::from(r.format))?,
            status: r.status,
            route: Arc::clone(self.routes.get(r.route as usize)?),
            duration_ms: Some(r.duration_ms).filter(|ms| !ms.is_nan()),
            id: r.id,
        })
    }
}

impl LogStore {
    /// Every record in `range` that tells of a request, oldest first; ends when `f` breaks. `None` stands for a record that
    /// tells of none, as far as those are met at all.
    pub fn requests(&self, range: TimeRange, f: &mut dyn FnMut(Option<Request>) -> ControlFlow<()>) {
        match self.shared.tape.as_ref().and_then(Tape::taken) {
            Some(taken) => {
                let from = taken.requests.partition_point(|r| r.placed < range.start);
                let inside = taken.requests[from..].iter().take_while(|r| r.placed < range.end);
                let _ = inside.map(|r| taken.request(r)).try_for_each(f);
            }
            None => self.requests_of_lines(range, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::signals::logs::event::{LogAppended, LogEvent, LogOpened};
    use crate::signals::logs::store::StoreOptions;

    /// Lines of three sources, a second of each at a time: JSON with times in disorder and traces between, an access log,
    /// logfmt.
    fn lines(source: u32, second: i64) -> String {
        let mut out = String::new();
        for n in 0..40i64 {
            let at = Ts::from_secs(1_773_500_400 + second) + Duration::from_millis((n * 617 % 1_000) as u64);
            let status = if n % 9 == 0 { 503 } else { 200 };
            out += &match source {
                1 => format!(
                    "{{\"ts\":\"{at}\",\"path\":\"/orders/{n}\",\"status\":{status},\"duration_ms\":{n}.5,\"request_id\":\"r-{second}-{n}\"}}\n{}",
                    if n % 7 == 0 { "java.lang.Error: x\n\tat a.b(C.java:1)\n" } else { "" }
                ),
                2 => {
                    let stamp = at.jiff().strftime("%d/%b/%Y:%H:%M:%S +0000");
                    format!("10.0.0.{n} - - [{stamp}] \"GET /carts/{n}?a=1 HTTP/1.1\" {status} 17 \"-\" \"curl/8\"\n")
                }
                _ => format!("time={at} level=info msg=\"done\" path=/users/{n} status={status}\n"),
            };
        }
        out
    }

    fn told(store: &LogStore, seconds: std::ops::Range<i64>, at: &mut [u64; 4]) {
        for second in seconds {
            for source in 1..=3u32 {
                let (text, start) = (lines(source, second), at[source as usize]);
                at[source as usize] = start + text.len() as u64;
                let appended = LogAppended {
                    start,
                    end: at[source as usize],
                    lines: text.lines().count() as u32,
                    format: ["json", "access", "logfmt"][source as usize - 1].into(),
                    bytes: Some(text.into_bytes().into()),
                    ..LogAppended::default()
                };
                let observed = Ts::from_secs(1_773_500_400 + second);
                let name = format!("log{source}");
                if start == 0 {
                    let opened = LogEvent::Opened(LogOpened::default());
                    store.observe(SourceId(source), &name, observed, &opened, true);
                }
                store.observe(SourceId(source), &name, observed, &LogEvent::Appended(appended), true);
            }
        }
    }

    fn all(ask: impl FnOnce(&mut dyn FnMut(Option<Request>) -> ControlFlow<()>)) -> Vec<Request> {
        let mut all = Vec::new();
        ask(&mut |r| {
            all.extend(r);
            ControlFlow::Continue(())
        });
        all.sort_by(|a, b| (a.placed, a.source, &a.route).cmp(&(b.placed, b.source, &b.route)));
        all
    }

    #[test]
    fn what_was_taken_down_is_what_the_lines_tell() {
        let store =
            LogStore::new(Box::new(|_| {}), StoreOptions { background: 0, tape: true, ..StoreOptions::default() });
        // Enough for several looks before the end.
        let mut at = [0; 4];
        told(&store, 0..300, &mut at);
        let (whole, begin) = (TimeRange::new(Ts::MIN, Ts::MAX), Ts::from_secs(1_773_500_400));
        assert_eq!(all(|f| store.requests(whole, f)).len(), 300 * 3 * 40);
        let part = TimeRange::new(begin + Duration::from_secs(100), begin + Duration::from_secs(130));
        for range in [whole, part] {
            let (tape, lines) = (all(|f| store.requests(range, f)), all(|f| store.requests_of_lines(range, f)));
            assert_eq!(tape.len(), lines.len());
            assert!(tape == lines, "{:?}", tape.iter().zip(&lines).find(|(a, b)| a != b));
        }
        // Lines that come after that are in the lines, and the tape says that it does not know them.
        told(&store, 300..310, &mut at);
        assert_eq!(all(|f| store.requests(whole, f)).len(), 310 * 3 * 40);
    }
}
