//! Descriptors of log files that somebody in this program holds, by device and inode.
//!
//! A source opens a file the moment it sees it; the store looks for it a little later, when it may have been renamed twice
//! or be deleted. So it asks here first. Nothing is kept open by this: only what others keep is found.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError, Weak};

static HELD: Mutex<BTreeMap<(u64, u64), Weak<File>>> = Mutex::new(BTreeMap::new());

/// Says that `file` (device, inode) is open, for as long as somebody keeps it.
pub fn announce(id: (u64, u64), file: &Arc<File>) {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.retain(|_, f| f.strong_count() > 0);
    held.insert(id, Arc::downgrade(file));
}

/// The file, when somebody still holds it. An inode is not used again while it is open, so it is the same one.
pub fn open(id: (u64, u64)) -> Option<Arc<File>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).get(&id)?.upgrade()
}
