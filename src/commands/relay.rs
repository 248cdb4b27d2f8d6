//! `warroom relay-peer SOCKET`: passes bytes between standard input, which is a socket, and a server's socket, and ends
//! as soon as either side does.
//!
//! The database source starts it under another user of the operating system (`sources::postgres::peer`). It holds one
//! connection, reads no configuration, writes no file, and cannot outlive who started it: the kernel closes the other end.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

/// One side that takes nothing for so long is gone or stopped: no server slot is held for it.
const STUCK: Duration = Duration::from_secs(5);

/// Runs until one side ends. What keeps the server from being reached goes to standard error, in one line.
pub fn run(socket: &Path) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let passed = runtime.and_then(|runtime| runtime.block_on(pass(socket)));
    match passed {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "warroom: {}: {e}", socket.display());
            ExitCode::FAILURE
        }
    }
}

async fn pass(socket: &Path) -> std::io::Result<()> {
    let ours = StdStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    ours.set_nonblocking(true)?;
    let (from_us, to_us) = UnixStream::from_std(ours)?.into_split();
    let (from_server, to_server) = UnixStream::connect(socket).await?.into_split();
    tokio::select! {
        ended = copy(from_us, to_server) => ended,
        ended = copy(from_server, to_us) => ended,
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut buffer = vec![0; 32 << 10];
    loop {
        // A side that is torn down is an end like any other.
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return Ok(()) };
        match tokio::time::timeout(STUCK, to.write_all(&buffer[..n])).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(()),
        }
    }
}
