//! Unpacks packed files, and fills their block directory on the way: what will not fit into memory is only passed once.
//!
//! One thread, the newest file first, at the priority of who asked: somebody waits for the rows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Shared;
use super::blocks::{Step, Walk};
use super::generation::Generation;
use super::index::Indexer;
use super::segment::Segment;

/// Blocks unpacked before they are indexed and somebody may say stop.
const TURN: usize = 8;
/// Between two times that the screen is told to look again.
const AGAIN: Duration = Duration::from_secs(1);

/// Starts the thread when there is something to unpack and it does not run yet.
pub(super) fn start(shared: &Arc<Shared>, generations: &[Arc<Generation>]) {
    let waits = |g: &&Arc<Generation>| g.found().is_some_and(|s| s.packed().is_some_and(|p| !p.is_claimed()));
    if !generations.iter().any(|g| waits(&g)) || shared.unpacking.swap(true, Ordering::AcqRel) {
        return;
    }
    let own = Arc::clone(shared);
    let work = move || {
        while let Some(next) = own.generations(None).iter().filter(waits).max_by_key(|g| g.context().near).cloned() {
            if let Some(segment) = next.found() {
                run(&own, &next, &segment);
            }
            if own.closed.load(Ordering::Relaxed) {
                break;
            }
        }
        own.unpacking.store(false, Ordering::Release);
    };
    if std::thread::Builder::new().name("log unpack".into()).spawn(work).is_err() {
        shared.unpacking.store(false, Ordering::Release);
    }
}

/// Unpacks one file to its end.
fn run(shared: &Shared, generation: &Arc<Generation>, segment: &Arc<dyn Segment>) {
    let Some(packed) = segment.packed().filter(|p| p.claim()) else { return };
    let (mut indexer, mut at, mut told) = (Indexer::default(), 0, Instant::now() - AGAIN);
    loop {
        let mut left = TURN;
        let more = packed.unpack(|| {
            left -= usize::from(left > 0);
            left > 0 && !shared.closed.load(Ordering::Relaxed)
        });
        if shared.closed.load(Ordering::Relaxed) {
            return;
        }
        // Without room the background makes some first.
        if shared.options.background > 0 && !shared.memory.is_over() {
            let walk = Walk::new(generation, generation.end());
            while let Some(Step::Block(range)) = walk.after(at).filter(|s| walk.settled(&s.range())) {
                indexer.block(generation, &walk, &range);
                at = range.end;
            }
        }
        if !more || told.elapsed() >= AGAIN {
            told = Instant::now();
            shared.content.fetch_add(1, Ordering::Relaxed);
        }
        if !more {
            return;
        }
    }
}
