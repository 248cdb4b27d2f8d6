//! Goes through all records of a time, on two threads: for exports, post-mortems and `query`.

use std::ops::ControlFlow;
use std::sync::mpsc::{TrySendError, sync_channel};

use super::LogStore;
use super::matcher::Matcher;
use super::merge::{Merge, Way, at};
use super::scan::{Hit, WHOLE};
use crate::signals::logs::requests::Request;
use crate::signals::logs::row::LogRow;
use crate::timeline::{Filter, TimeRange, Ts};

/// Records handed on at once while all are gone through.
const HITS: usize = 1_024;

/// Such records, or what was made of them already.
enum Found<T> {
    Hits(Vec<Hit>),
    Made(Vec<T>),
}

impl LogStore {
    /// Everything in `range` that passes, oldest first; ends when `f` breaks. `f` is called on this thread.
    pub fn scan_all(&self, filter: &Filter, range: TimeRange, f: &mut dyn FnMut(LogRow) -> ControlFlow<()>) {
        self.go_through(filter, range, |hit| hit.row_of(WHOLE), f);
    }

    /// As [`LogStore::requests`], out of the lines, a good deal faster than [`LogStore::scan_all`].
    pub(super) fn requests_of_lines(&self, range: TimeRange, f: &mut dyn FnMut(Option<Request>) -> ControlFlow<()>) {
        self.go_through(&Filter::default(), range, Hit::request, f);
    }

    fn go_through<T: Send>(
        &self,
        filter: &Filter,
        range: TimeRange,
        make: impl Fn(&Hit) -> T + Copy + Send,
        f: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) {
        let generations = self.shared.generations(None);
        let matcher = Matcher::new(filter, None, None);
        let from = (range.start > Ts::MIN).then(|| at(range.start));
        let walk = &|to: &mut dyn FnMut(Hit) -> ControlFlow<()>| {
            let mut merge = Merge::new(&generations, &matcher, Way::Forward, from, Ts::MAX);
            merge.stop_at(range.end);
            while let Ok(Some(hit)) = merge.next(&mut |_| false) {
                if hit.place.0 >= range.end || to(hit).is_break() {
                    return;
                }
            }
        };
        // Looking for records and making something of them take about as long: each has a thread where one can be had.
        std::thread::scope(|scope| {
            let (to, found) = sync_channel::<Found<T>>(2);
            let look = move || {
                let mut hits = Vec::with_capacity(HITS);
                // Where this thread is ahead of the other one, it does the other's work.
                let hand_on = |hits: Vec<Hit>| match to.try_send(Found::Hits(hits)) {
                    Err(TrySendError::Full(Found::Hits(hits))) => {
                        to.send(Found::Made(hits.iter().map(make).collect())).is_ok()
                    }
                    sent => sent.is_ok(),
                };
                walk(&mut |hit| {
                    hits.push(hit);
                    let full = hits.len() == HITS;
                    match full && !hand_on(std::mem::replace(&mut hits, Vec::with_capacity(HITS))) {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                });
                hand_on(hits);
            };
            match std::thread::Builder::new().name("scan".into()).spawn_scoped(scope, look) {
                Ok(_) => {
                    let _ = found.into_iter().try_for_each(|found| match found {
                        Found::Hits(hits) => hits.iter().try_for_each(|hit| f(make(hit))),
                        Found::Made(made) => made.into_iter().try_for_each(&mut *f),
                    });
                }
                Err(_) => walk(&mut |hit| f(make(&hit))),
            }
        });
    }
}
