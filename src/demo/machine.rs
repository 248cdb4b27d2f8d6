//! The small machine the backend runs on: one core, at low priority.
//!
//! Both are inherited by the threads that the calling thread starts, which is how the database's threads get them.

/// Puts the calling thread, and all it will start, on the core it runs on now, below the screen in priority.
///
/// Returns whether it is held to one core; elsewhere than on Linux, or where that is refused, only the pool
/// size bounds what a broken backend takes.
pub(super) fn make_small() -> bool {
    // On Linux a nice value belongs to the thread, elsewhere to the process, which must not be slowed down.
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::nice(5);
        let mut one = rustix::thread::CpuSet::new();
        one.set(rustix::thread::sched_getcpu());
        rustix::thread::sched_setaffinity(None, &one).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    false
}
