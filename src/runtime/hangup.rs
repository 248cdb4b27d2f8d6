//! Tells when the terminal is gone, without a signal.
//!
//! SIGHUP goes to the session whose terminal it was. Under `sudo`, `su`, `setsid` or in a container there may be no such
//! session, and the library that reads keys then reads the end of the file as fast as it can, for ever.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// Told once the terminal that keys come from is gone: standard input, or the controlling terminal where that is something
/// else. Never told where it cannot be watched.
pub async fn hangup() {
    let (tell, told) = oneshot::channel::<()>();
    let watch = move || {
        if terminal().and_then(|t| wait(&t)).is_ok() {
            let _ = tell.send(());
        }
    };
    let watched = std::thread::Builder::new().name("hangup".into()).stack_size(64 << 10).spawn(watch);
    if watched.is_err() || told.await.is_err() {
        std::future::pending().await
    }
}

fn terminal() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { Ok(File::open("/dev/tty")?.into()) }
}

/// Sleeps until it is gone: of keys it is not told.
fn wait(terminal: &OwnedFd) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(terminal, PollFlags::empty())];
        match poll(&mut fds, None) {
            Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}
