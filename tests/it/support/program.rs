//! The real program, run in a home of its own: nothing of the machine's configuration, incident log or deploy log is
//! read or written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A home folder for the program, gone when dropped.
pub struct Home {
    dir: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Longest a run without a screen may take: what hangs must fail, not stall everything.
const PATIENCE: Duration = Duration::from_secs(60);

impl Home {
    /// With a configuration that watches nothing by itself.
    pub fn new() -> Home {
        let dir = tempfile::Builder::new().prefix("warroom-home-").tempdir().expect("a temp folder");
        let home = Home { dir };
        std::fs::create_dir_all(home.path("tmp")).expect("a folder");
        home.configure("");
        home
    }

    /// Writes the configuration: the quiet one and `more`.
    pub fn configure(&self, more: &str) {
        let path = self.path("config/warroom/config.toml");
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        let quiet = format!(
            "[host]\nenabled = false\n[deploys]\ndiscover = false\nunits = false\npackages = false\nlog = {:?}\n\
             [incident]\npath = {:?}\nauthor = \"anna\"\n{more}\n",
            self.path("deploys.jsonl"),
            self.path("incidents.db"),
        );
        std::fs::write(path, quiet).expect("the configuration is written");
    }

    /// A path in this home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of this home.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file is written");
        path
    }

    /// The variables that every run has, and no others.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.path(name).display().to_string();
        vec![
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", path("")),
            ("XDG_CONFIG_HOME", path("config")),
            ("XDG_STATE_HOME", path("state")),
            ("XDG_RUNTIME_DIR", path("tmp")),
            ("TMPDIR", path("tmp")),
            ("TZ", "UTC".into()),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "xterm-256color".into()),
        ]
    }

    /// The program, to be started in this home.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
        command.env_clear().envs(self.variables()).current_dir(self.dir.path()).args(args);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Done {
        self.feed(args, "")
    }

    /// Runs it to its end with something on standard input.
    pub fn feed(&self, args: &[&str], input: &str) -> Done {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // One that does not read its input has closed the pipe: no fault of the test's.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let pid = child.id();
        let (tell, ended) = std::sync::mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let output: Output = child.wait_with_output().expect("it can be waited for");
            let _ = tell.send(());
            output
        });
        if ended.recv_timeout(PATIENCE).is_err() {
            kill(pid, rustix::process::Signal::KILL);
            panic!("warroom {args:?} did not end within {PATIENCE:?}: {:?}", waiter.join());
        }
        let output = waiter.join().expect("the waiter ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8 comes out");
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Done {
    /// Its standard output, after a run that went well.
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.err, self.out);
        self.out
    }

    /// Its standard output as one JSON object a line, after a run that went well.
    pub fn objects(self) -> Vec<Value> {
        objects(&self.good())
    }

    /// Its standard error, after a run that ended with `code` and printed no data.
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.err, self.out);
        assert_eq!(self.out, "", "nothing but data goes to standard output");
        self.err
    }
}

/// One JSON object a line, `ts` first in each.
pub fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| {
            assert!(line.starts_with("{\"ts\":"), "ts comes first: {line}");
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
        })
        .collect()
}

/// Sends a signal.
pub fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process number");
    let _ = rustix::process::kill_process(pid, signal);
}

/// Waits until a started process has ended.
pub fn ended(child: &mut Child, within: Duration) -> ExitStatus {
    let mut status = None;
    until("the process has ended", within, || {
        status = child.try_wait().expect("it can be asked");
        status.is_some()
    });
    status.expect("it has ended")
}

/// Asks until the answer is yes; fails after `within`.
pub fn until(what: &str, within: Duration, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + within;
    while !is() {
        assert!(Instant::now() < end, "within {within:?} this did not come about: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What lies in a folder, by name.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}
