//! The cap on memory that all block directories share.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::idset::{COARSE, FINE};

/// The cap on what all directories take, and how far they are from it.
#[derive(Debug)]
pub struct IndexMemory {
    cap: u64,
    used: AtomicU64,
    bits: AtomicU8,
}

impl IndexMemory {
    /// At most `cap` bytes.
    pub fn new(cap: u64) -> IndexMemory {
        IndexMemory { cap, used: AtomicU64::new(0), bits: AtomicU8::new(FINE) }
    }

    /// Bytes taken.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be taken.
    pub fn cap(&self) -> u64 {
        self.cap
    }

    /// Bits of a key that are kept now.
    pub fn bits(&self) -> u8 {
        self.bits.load(Ordering::Relaxed)
    }

    /// Whether more is taken than may be.
    pub fn is_over(&self) -> bool {
        self.used() > self.cap
    }

    /// Makes sets coarser from now on; `None` when they are as coarse as they get.
    pub fn coarser(&self) -> Option<u8> {
        let bits = self.bits().checked_sub(2).filter(|b| *b >= COARSE)?;
        self.bits.store(bits, Ordering::Relaxed);
        Some(bits)
    }

    pub(super) fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
