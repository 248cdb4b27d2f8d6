//! The terminal: taken over, given back clean, and written to by a thread of its own, so that a stalled link stops frames
//! and nothing else.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, queue};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tokio::sync::Notify;

use super::tty;

/// Whether the terminal is ours now; read by the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether bytes are on their way to it.
static BUSY: AtomicBool = AtomicBool::new(false);

/// The taken-over terminal.
pub struct Terminal {
    shown: Buffer,
    fresh: bool,
    mouse: bool,
    writer: SyncSender<Vec<u8>>,
    /// Told when the writer has drained a frame.
    pub drained: Arc<Notify>,
    written: Arc<AtomicU64>,
    cursor: Option<Position>,
}

/// Why there is no screen.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// Standard output is no terminal.
    #[error(
        "standard output is not a terminal, so there is no screen to draw on; use `warroom query`, `warroom screen` or `warroom record`"
    )]
    NoTerminal,
    /// The terminal cannot be drawn on.
    #[error("TERM={0} cannot place text on the screen; use `warroom query`, `warroom screen` or `warroom record`")]
    Dumb(String),
    /// The system said no.
    #[error("cannot use the terminal: {0}")]
    Io(#[from] io::Error),
}

impl Terminal {
    /// Takes the terminal. No query is sent: what does not answer cannot hold up the first frame.
    pub fn take(mouse: bool) -> Result<Terminal, TerminalError> {
        if !io::stdout().is_terminal() {
            return Err(TerminalError::NoTerminal);
        }
        match std::env::var("TERM") {
            Ok(term) if term == "dumb" => return Err(TerminalError::Dumb(term)),
            _ => {}
        }
        // NO_COLOR is the theme's business; the library's own handling resets bold and reverse.
        crossterm::style::force_color_output(true);
        restore_on_panic();
        enter(mouse)?;
        let (writer, frames) = sync_channel::<Vec<u8>>(1);
        let drained = Arc::new(Notify::new());
        let written = Arc::new(AtomicU64::new(0));
        let (d, w) = (Arc::clone(&drained), Arc::clone(&written));
        std::thread::Builder::new().name("terminal".into()).spawn(move || {
            for frame in frames {
                let _ = tty::put(&frame);
                w.fetch_add(frame.len() as u64, Ordering::Relaxed);
                BUSY.store(false, Ordering::Release);
                d.notify_one();
            }
        })?;
        Ok(Terminal { shown: Buffer::empty(Rect::ZERO), fresh: true, mouse, writer, drained, written, cursor: None })
    }

    /// Size in columns and rows.
    pub fn size(&self) -> Rect {
        let (width, height) = crossterm::terminal::size().unwrap_or((80, 24));
        Rect { x: 0, y: 0, width, height }
    }

    /// Whether the last frame is still on its way.
    pub fn is_busy(&self) -> bool {
        BUSY.load(Ordering::Acquire)
    }

    /// Bytes sent so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Draws everything at the next frame.
    pub fn forget(&mut self) {
        self.fresh = true;
    }

    /// Sends what changed, in one write, inside a synchronised update. Returns the bytes.
    pub fn show(&mut self, next: &Buffer, cursor: Option<Position>) -> io::Result<usize> {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend_from_slice(b"\x1b[?2026h");
        let before = bytes.len();
        {
            let mut backend = CrosstermBackend::new(&mut bytes);
            if self.fresh || self.shown.area != next.area {
                backend.clear()?;
                self.shown = Buffer::empty(next.area);
                self.fresh = false;
            }
            let changes = self.shown.diff(next);
            if !changes.is_empty() {
                backend.draw(changes.into_iter())?;
            }
            if cursor != self.cursor || cursor.is_some() {
                match cursor {
                    Some(at) => {
                        backend.set_cursor_position(at)?;
                        backend.show_cursor()?;
                    }
                    None => backend.hide_cursor()?,
                }
                self.cursor = cursor;
            }
        }
        // They are of one size by now: in place, not all of it anew.
        self.shown.content.clone_from_slice(&next.content);
        if bytes.len() == before {
            return Ok(0);
        }
        bytes.extend_from_slice(b"\x1b[?2026l");
        self.send(bytes)
    }

    /// Sends bytes that are no frame, like a clipboard text.
    pub fn send(&mut self, bytes: Vec<u8>) -> io::Result<usize> {
        let n = bytes.len();
        BUSY.store(true, Ordering::Release);
        self.writer.send(bytes).map_err(|_| io::Error::other("the terminal's thread has ended"))?;
        Ok(n)
    }

    /// Gives the terminal back, for a while or for good.
    pub fn give_back(&mut self) {
        leave();
    }

    /// Takes it again after [`Terminal::give_back`].
    pub fn take_again(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.cursor = None;
        self.fresh = true;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    tty::begin();
    let mut out = Vec::new();
    queue!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse {
        queue!(out, EnableMouseCapture)?;
    }
    tty::put(&out).map(|_| ())
}

/// How long a frame that is on its way may take when we leave.
const PATIENCE: Duration = Duration::from_millis(500);

/// Waits for the frame that is on its way, because it would land in the shell. One that nobody reads is given up: who ends
/// us must not wait for a stalled link.
fn drain() {
    let began = Instant::now();
    while BUSY.load(Ordering::Acquire) {
        if began.elapsed() > PATIENCE {
            return tty::give_up();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Back to how it was. Safe to call any number of times.
pub fn leave() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    drain();
    // The end of an update first, whatever a frame that was given up left open.
    let mut out = b"\x1b[?2026l\x1b[0m".to_vec();
    let _ = queue!(out, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = tty::put(&out);
    let _ = disable_raw_mode();
}

/// What is still done when the main thread panics.
type LastWords = Box<dyn FnOnce() + Send>;
static LAST_WORDS: Mutex<Option<LastWords>> = Mutex::new(None);

/// Done once, by the panic hook of the thread that took the terminal, when the terminal is given back and the panic is
/// told. A later call replaces an earlier one.
pub fn after_a_panic(last: impl FnOnce() + Send + 'static) {
    if let Ok(mut words) = LAST_WORDS.lock() {
        *words = Some(Box::new(last));
    }
}

/// A panic on the main thread gives the terminal back before the message. Panics of sources and panes are caught
/// elsewhere and must not touch the screen.
fn restore_on_panic() {
    let main = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == main {
            leave();
            before(info);
            let last = LAST_WORDS.lock().ok().and_then(|mut l| l.take());
            if let Some(last) = last {
                last();
            }
        } else {
            tracing::error!("{info}");
        }
    }));
}
