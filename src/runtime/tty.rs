//! The way to the terminal that cannot hold us: written to without blocking, so that a link nobody reads can be given up.
//!
//! A write that blocks inside the kernel can be neither cut short nor overtaken, and whoever ends us would wait for the
//! link. The terminal is opened once more, because whether writes block belongs to the opening, and the shell shares the
//! one that we were given. Where that is not allowed (after `su`, say), standard output is used, and blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::OFlags;

static OWN: OnceLock<Option<File>> = OnceLock::new();
/// Set when what is on its way is not worth waiting for any more.
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

fn own() -> Option<&'static File> {
    let open = || {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        OpenOptions::new().write(true).custom_flags(i32::try_from(flags).ok()?).open("/proc/self/fd/1").ok()
    };
    OWN.get_or_init(open).as_ref()
}

/// Writes all of `bytes`, waiting while the terminal takes none, unless it is given up. False: it was given up.
pub fn put(bytes: &[u8]) -> io::Result<bool> {
    let Some(mut file) = own() else {
        let mut out = io::stdout();
        return out.write_all(bytes).and_then(|()| out.flush()).map(|()| true);
    };
    let (mut left, mut wait) = (bytes, Duration::from_micros(500));
    while !left.is_empty() {
        match file.write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => (left, wait) = (&left[n..], Duration::from_micros(500)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if GIVEN_UP.load(Ordering::Acquire) {
                    return Ok(false);
                }
                std::thread::sleep(wait);
                wait = (wait * 2).min(Duration::from_millis(10));
            }
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

/// Lets go of what is on its way, and throws away what the line holds, so that the few bytes which give the terminal
/// back have room.
pub fn give_up() {
    GIVEN_UP.store(true, Ordering::Release);
    // As long as a waiting write sleeps, and a bit.
    std::thread::sleep(Duration::from_millis(20));
    let _ = rustix::termios::tcflush(io::stdout(), rustix::termios::QueueSelector::OFlush);
}

/// Waits for the terminal again, after [`give_up`].
pub fn begin() {
    GIVEN_UP.store(false, Ordering::Release);
}
