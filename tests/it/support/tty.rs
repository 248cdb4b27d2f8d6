//! A real pseudo-terminal with the program in it, and an emulator that says what a person would see.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};

use super::program::Home;

/// Longest wait for something to show: generous, because the machine may be busy; a test that passes waits for none of it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal and what runs in it.
pub struct Tty {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    // Held, so that its settings can still be asked for when the program has ended.
    _slave: Box<dyn SlavePty + Send>,
    seen: Arc<Mutex<Seen>>,
    before: String,
}

struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

impl Tty {
    /// The program with these arguments, in a terminal of `size` columns and rows.
    pub fn start(home: &Home, args: &[&str], size: (u16, u16)) -> Tty {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_warroom"));
        command.args(args);
        Tty::run(home, command, size)
    }

    /// An interactive shell, where `$W` is the program.
    pub fn shell(home: &Home, size: (u16, u16)) -> Tty {
        let mut command = CommandBuilder::new("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        command.env("PS1", "ready> ");
        let mut tty = Tty::run(home, command, size);
        tty.wait_for("ready>");
        tty
    }

    fn run(home: &Home, mut command: CommandBuilder, size: (u16, u16)) -> Tty {
        let prompt = command.get_env("PS1").map(ToOwned::to_owned);
        command.env_clear();
        for (name, value) in home.variables() {
            command.env(name, value);
        }
        if let Some(prompt) = prompt {
            command.env("PS1", prompt);
        }
        command.env("COLORTERM", "truecolor");
        command.env("W", env!("CARGO_BIN_EXE_warroom"));
        command.cwd(home.path(""));
        let pty = native_pty_system().openpty(pty_size(size)).expect("a pseudo-terminal");
        let before = settings(&*pty.master);
        let child = pty.slave.spawn_command(command).expect("the program starts");
        let (cols, rows) = size;
        let parser = vt100::Parser::new(side(rows), side(cols), 0);
        let seen = Arc::new(Mutex::new(Seen { parser, raw: Vec::new() }));
        let mut output = pty.master.try_clone_reader().expect("a reader");
        let keys = pty.master.take_writer().expect("a writer");
        let to = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 16_384];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                let mut seen = to.lock().expect("the emulator");
                seen.parser.process(&buffer[..n]);
                seen.raw.extend_from_slice(&buffer[..n]);
            }
        });
        Tty { child, keys, master: pty.master, _slave: pty.slave, seen, before }
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("the terminal takes keys");
    }

    /// What a terminal sends for pasted text when it was asked to mark it.
    pub fn paste(&mut self, text: &str) {
        self.keys(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// The screen as text, a line per row, without spaces at their ends.
    pub fn text(&self) -> String {
        let seen = self.seen.lock().expect("the emulator");
        let (_, cols) = seen.parser.screen().size();
        seen.parser.screen().rows(0, cols.get()).map(|row| format!("{}\n", row.trim_end())).collect()
    }

    /// Every byte that was sent to the terminal.
    pub fn raw(&self) -> Vec<u8> {
        self.seen.lock().expect("the emulator").raw.clone()
    }

    /// Asks the emulator.
    pub fn screen<T>(&self, ask: impl FnOnce(&vt100::Screen) -> T) -> T {
        ask(self.seen.lock().expect("the emulator").parser.screen())
    }

    /// Waits until the screen is so; gives its text.
    #[track_caller]
    pub fn wait(&mut self, what: &str, mut is: impl FnMut(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            let ended = self.child.try_wait().ok().flatten();
            assert!(Instant::now() < end, "within {PATIENCE:?} not on the screen: {what} (ended: {ended:?})\n{text}");
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// Waits until this is on the screen.
    #[track_caller]
    pub fn wait_for(&mut self, part: &str) -> String {
        self.wait(part, |text| text.contains(part))
    }

    /// Waits until this is no longer on the screen.
    #[track_caller]
    pub fn wait_gone(&mut self, part: &str) -> String {
        self.wait(&format!("no {part}"), |text| !text.contains(part))
    }

    /// Another size, as when a window is dragged.
    pub fn resize(&mut self, size: (u16, u16)) {
        let (cols, rows) = size;
        self.seen.lock().expect("the emulator").parser.screen_mut().set_size(side(rows), side(cols));
        self.master.resize(pty_size(size)).expect("the terminal is resized");
    }

    /// The process number of what was started in it.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a process number")
    }

    /// Waits for its end; gives its exit code.
    #[track_caller]
    pub fn ended(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status.exit_code();
            }
            assert!(Instant::now() < end, "it did not end within {PATIENCE:?}:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// The terminal is as it was before: no alternate screen, cursor shown, no mouse, no marked pastes, line discipline
    /// as it was.
    #[track_caller]
    pub fn is_given_back(&mut self) {
        self.wait("the shell's screen", |_| true);
        let end = Instant::now() + PATIENCE;
        loop {
            let wrong = self.screen(|s| {
                [
                    ("alternate screen", s.alternate_screen()),
                    ("hidden cursor", s.hide_cursor()),
                    ("marked pastes", s.bracketed_paste()),
                    ("mouse", s.mouse_protocol_mode() != vt100::MouseProtocolMode::None),
                    ("raw mode", settings(&*self.master) != self.before),
                ]
                .into_iter()
                .filter_map(|(what, is)| is.then_some(what))
                .collect::<Vec<_>>()
            });
            if wrong.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "left behind: {wrong:?}\n{}", self.text());
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// Whether it is in the alternate screen with the line discipline off.
    pub fn is_taken(&self) -> bool {
        self.screen(vt100::Screen::alternate_screen) && settings(&*self.master) != self.before
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn side(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("a size")
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// The line discipline, as text to compare.
fn settings(master: &dyn MasterPty) -> String {
    let t = master.get_termios().expect("its settings");
    format!("{:?} {:?} {:?} {:?}", t.input_flags, t.output_flags, t.local_flags, t.control_chars)
}

/// The state letter of a process: `T` is stopped.
pub fn process_state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Processes of this program that run in `home`.
pub fn running_in(home: &Home) -> Vec<u32> {
    let tmp = format!("TMPDIR={}", home.path("tmp").display());
    let program = Path::new(env!("CARGO_BIN_EXE_warroom"));
    let is = |pid: &u32| {
        let proc = Path::new("/proc").join(pid.to_string());
        let environ = std::fs::read(proc.join("environ")).unwrap_or_default();
        std::fs::read_link(proc.join("exe")).is_ok_and(|exe| exe == program)
            && environ.split(|b| *b == 0).any(|v| v == tmp.as_bytes())
    };
    super::program::names(Path::new("/proc")).iter().filter_map(|n| n.parse().ok()).filter(is).collect()
}
