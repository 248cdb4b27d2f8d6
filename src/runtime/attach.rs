//! A second screen on a running warroom: frames of the recording format over a socket that leaves no file.
//!
//! The socket is an abstract one, named after the user and the process; only the same user and root are let in.

use crate::app::travel;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use jiff::tz::TimeZone;
use tokio::sync::{RwLock, mpsc};

use super::discovery::Offers;
use super::effects::{Shell, keep_drafts, last_words};
use super::event_loop::Loop;
use super::live::store;
use super::settings::settings;
use super::signals::Signals;
use super::terminal::Terminal;
use crate::app::arrival::Arrival;
use crate::app::playhead::Player;
use crate::app::state::State;
use crate::cli::AttachArgs;
use crate::config::Config;
use crate::signals::incident::sources::place::log_path;
use crate::signals::incident::sources::store::{IncidentStore, login_name};
use crate::signals::source::StreamClock;
use crate::signals::{Event, Roots};
use crate::stream::queue;
use crate::stream::recorder::{self, Recorder};
use crate::stream::recording::{Frame, Reader};
use crate::timeline::source::Declaration;
use crate::timeline::{SourceKind, Ts};
use crate::ui::Level;
use crate::ui::text::clean;

fn name(uid: u32, pid: u32) -> String {
    format!("warroom-{uid}-{pid}")
}

/// Lets other screens of the same user attach to this process. Without abstract sockets nobody can, and nothing else
/// changes.
pub fn offer(recorder: Recorder) {
    let uid = rustix::process::getuid().as_raw();
    let bound = SocketAddr::from_abstract_name(name(uid, std::process::id()))
        .and_then(|a| std::os::unix::net::UnixListener::bind_addr(&a))
        .and_then(|l| l.set_nonblocking(true).map(|()| l))
        .and_then(tokio::net::UnixListener::from_std);
    let Ok(listener) = bound else { return };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let allowed = stream.peer_cred().is_ok_and(|c| c.uid() == uid || c.uid() == 0);
            if !allowed {
                continue;
            }
            let Ok(mut stream) = stream.into_std().and_then(|s| s.set_nonblocking(false).map(|()| s)) else { continue };
            let recorder = recorder.clone();
            let _ = std::thread::Builder::new().name("listener".into()).spawn(move || {
                let (to, frames) = recorder::listener();
                std::thread::scope(|scope| {
                    scope.spawn(|| recorder.listen(to));
                    for frame in frames.flatten() {
                        if stream.write_all(&frame).is_err() {
                            return;
                        }
                    }
                });
            });
        }
    });
}

/// Processes of this user that can be attached to.
fn running(uid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let prefix = format!("@warroom-{uid}-");
    let mut pids: Vec<u32> =
        list.lines().filter_map(|l| l.rsplit(' ').next()?.strip_prefix(&prefix)?.parse().ok()).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// One that can be attached to, so that it is known again: `4121  anna  since 14:02  warroom record -o night.wr`.
fn told(pid: u32) -> String {
    let process = Path::new("/proc").join(pid.to_string());
    let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|b| *b == 0).filter(|w| !w.is_empty()).map(String::from_utf8_lossy).collect();
    let words =
        words.iter().enumerate().map(|(i, w)| if i == 0 { w.rsplit('/').next().unwrap_or(w) } else { w.as_ref() });
    let words = clean(&words.collect::<Vec<_>>().join(" ")).into_owned();
    let about = std::fs::metadata(&process).ok();
    let user = about.as_ref().map(|m| login_name(m.uid()).unwrap_or_else(|| m.uid().to_string()));
    let user = user.unwrap_or_else(|| "?".into());
    // The folder of a process bears the time it was first looked at by somebody; its start stands in `stat`.
    let zone = TimeZone::system();
    let since = started(&process).map_or("?".into(), |t| t.date_hms(&zone));
    format!("{pid:>7}  {user}  since {since}  {}", if words.is_empty() { "?" } else { &words })
}

/// When a process began: ticks since the kernel's start, of which there are a hundred a second for programs.
fn started(process: &Path) -> Option<Ts> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let ticks: i64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: i64 = boot.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Ts::from_secs(boot + ticks / 100))
}

/// `warroom attach`.
pub async fn run(args: AttachArgs) -> anyhow::Result<ExitCode> {
    let uid = rustix::process::getuid().as_raw();
    let pids = running(uid);
    let pid = match (args.pid, pids.as_slice()) {
        (Some(pid), _) => pid,
        (None, [pid]) => *pid,
        (None, []) => anyhow::bail!(
            "no warroom of this user runs on this box; start one with `warroom`, or `warroom record -o FILE`"
        ),
        (None, many) => {
            let told: String = many.iter().map(|pid| format!("\n  {}", told(*pid))).collect();
            anyhow::bail!("several run; name one: warroom attach {}{told}", many[0])
        }
    };
    let address = SocketAddr::from_abstract_name(name(uid, pid))?;
    let stream = UnixStream::connect_addr(&address).with_context(|| format!("cannot attach to process {pid}"))?;
    // Anybody may take a name: what is shown, and where notes go, is believed only of the process that was chosen.
    let peer = rustix::net::sockopt::socket_peercred(&stream).context("cannot tell who is at the other end")?;
    let owner = peer.uid.as_raw();
    anyhow::ensure!(
        (owner == uid || owner == 0) && peer.pid.as_raw_pid() as u32 == pid,
        "process {pid} is not the warroom of this user that it says it is"
    );
    let (config, _) = Config::find(args.screen.config.as_deref())?;
    let (settings, theme) = settings(&config, &args.screen)?;
    let signals = Signals::listen()?;
    let terminal = Terminal::take(config.screen.mouse && !args.screen.no_mouse)?;
    let clock = StreamClock::start();
    let (answers_to, answers) = mpsc::channel(256);
    let (to, batches) = queue::queue();
    let said = answers_to.clone();
    let path = log_path(&config.incident, &Roots::default())?;
    let author = config.incident.author.clone();
    let signed = move |path: &Path| Arc::new(IncidentStore::open(path).signed(author.as_deref()));
    let incident = Arc::new(RwLock::new(signed(&path)));
    let log = Arc::clone(&incident);
    std::thread::Builder::new().name("attached".into()).spawn(move || {
        let mut reader = Reader::new(Patient(stream));
        while let Ok(Some(frame)) = reader.next_frame() {
            let Frame::Events(envelopes) = frame else { continue };
            // Notes go where the other screen's notes go, wherever that is.
            for e in &envelopes {
                if let Event::Stream(Declaration::Source(decl)) = &e.event
                    && decl.kind == SourceKind::Incident
                    && decl.name == "incident"
                {
                    *log.blocking_write() = signed(Path::new(&decl.detail));
                }
            }
            if !to.blocking_send(envelopes.into()) {
                return;
            }
        }
        let _ = said
            .blocking_send(Arrival::Say(Level::Bad, format!("process {pid} has ended; what is shown stands still")));
    })?;
    let store = store(&answers_to, &config.logs);
    let mut state = State::new(Player::live(clock.wall()), settings);
    travel::follow_playhead(&mut state);
    let shell = Shell {
        answers: answers_to,
        drafts: keep_drafts(Some(Arc::clone(&incident))),
        incident: Some(Arc::clone(&incident)),
        recorder: None,
        replay: None,
        supervisor: None,
        store: store.clone(),
        offers: Offers::default(),
        allow_kill: false,
    };
    let mut the_loop = Loop {
        state,
        theme,
        terminal,
        stream: Some(batches),
        answers,
        shell,
        store,
        past: None,
        clock,
        signals,
        editor: None,
    };
    let ending = the_loop.run().await;
    the_loop.terminal.give_back();
    let unsaved = std::mem::take(&mut the_loop.state.unsaved);
    drop(the_loop);
    last_words(Some(incident), None, unsaved).await;
    ending.map(|_| ExitCode::SUCCESS)
}

/// Reads what there is instead of waiting for a full buffer.
struct Patient(UnixStream);

impl Read for Patient {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}
