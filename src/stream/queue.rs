//! The way from the stream to who folds it: bounded by bytes as well as by batches. Who sends waits; nothing is lost.

use std::sync::Arc;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Semaphore, mpsc};

use super::order::Batch;
use crate::signals::source::{kib, wait_for, weight};

/// Batches that may wait.
const BATCHES: usize = 64;
/// KiB that may wait. One batch that is larger than all of this goes alone.
const KIB: u32 = 16 << 10;

/// The end that sends.
#[derive(Clone, Debug)]
pub struct Sender {
    to: mpsc::Sender<Batch>,
    room: Arc<Semaphore>,
}

/// The end that receives.
#[derive(Debug)]
pub struct Receiver {
    from: mpsc::Receiver<Batch>,
    room: Arc<Semaphore>,
}

/// An empty queue.
pub fn queue() -> (Sender, Receiver) {
    let (to, from) = mpsc::channel(BATCHES);
    let room = Arc::new(Semaphore::new(KIB as usize));
    (Sender { to, room: Arc::clone(&room) }, Receiver { from, room })
}

fn size(batch: &Batch) -> u32 {
    kib(batch.iter().map(|e| weight(&e.event)).sum()).min(KIB)
}

impl Sender {
    /// Waits until there is room. False when nobody listens any more.
    pub async fn send(&self, batch: Batch) -> bool {
        let Ok(room) = self.room.acquire_many(size(&batch)).await else { return false };
        room.forget();
        self.to.send(batch).await.is_ok()
    }

    /// The same from a plain thread.
    pub fn blocking_send(&self, batch: Batch) -> bool {
        wait_for(&self.room, size(&batch)) && self.to.blocking_send(batch).is_ok()
    }
}

impl Receiver {
    /// The next batch; `None` when all has come.
    pub async fn recv(&mut self) -> Option<Batch> {
        let batch = self.from.recv().await?;
        self.room.add_permits(size(&batch) as usize);
        Some(batch)
    }

    /// The next batch, if it is there.
    pub fn try_recv(&mut self) -> Result<Batch, TryRecvError> {
        let batch = self.from.try_recv()?;
        self.room.add_permits(size(&batch) as usize);
        Ok(batch)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::event::{LogAppended, LogEvent};
    use crate::signals::{Envelope, Event};
    use crate::timeline::{OriginId, SourceId, Ts};

    fn batch(bytes: usize) -> Batch {
        let appended = LogAppended {
            end: bytes as u64,
            lines: 1,
            format: "text".into(),
            bytes: Some(vec![b'x'; bytes].into()),
            ..LogAppended::default()
        };
        let event = Event::Logs(LogEvent::Appended(appended));
        vec![Envelope { seq: 1, origin: OriginId(0), source: SourceId(1), observed: Ts(0), mono: 0, event }].into()
    }

    #[tokio::test]
    async fn batches_of_a_megabyte_wait_when_sixteen_are_under_way_and_none_is_lost() {
        let (to, mut from) = queue();
        let one = batch((1 << 20) - 512);
        for _ in 0..16 {
            assert!(to.send(one.clone()).await);
        }
        let next = to.send(one.clone());
        tokio::pin!(next);
        assert!(futures_util::FutureExt::now_or_never(&mut next).is_none(), "the seventeenth waits");
        assert!(from.recv().await.is_some());
        assert!(next.await, "and goes when there is room");
        for _ in 0..16 {
            assert!(from.try_recv().is_ok());
        }
        assert!(from.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_batch_that_is_larger_than_the_queue_goes_alone_and_who_waits_for_nobody_is_told() {
        let (to, mut from) = queue();
        assert!(to.send(batch(40 << 20)).await);
        let waits = std::thread::spawn({
            let to = to.clone();
            move || to.blocking_send(batch(1))
        });
        assert_eq!(from.recv().await.map(|b| b.len()), Some(1));
        assert!(waits.join().expect("it ends"));
        drop(from);
        assert!(!to.send(batch(1)).await && !to.blocking_send(batch(1)));
    }
}
