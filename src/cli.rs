//! The command line, and nothing else.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::deploy::DeployArgs;
use crate::commands::export::ExportArgs;
use crate::commands::incident::IncidentArgs;
use crate::commands::note::NoteArgs;
use crate::commands::recording::RecordingArgs;

/// One screen for an outage: logs, host, database, deploys, health and notes on one time axis.
///
/// Without arguments warroom looks around this box, shows what it may read, and offers the rest. A log file named like a
/// subcommand is written with a path: ./demo
#[derive(Debug, Parser)]
#[command(name = "warroom", version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do; without it, live.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Live, with these log files.
    #[command(flatten)]
    pub live: LiveArgs,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 it failed, standard error says why; 2 the command line or the configuration is wrong; \
3 `check` found something to mend; 129 the terminal was lost; 143 ended by SIGTERM.";

/// An argument that could be parsed and yet makes no sense: a filter, a time, a zone, the name of a pane. Ends with the
/// exit code of any wrong command line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a small real backend break
    Demo(DemoArgs),
    /// Replay a recording, or raw log files when nobody recorded
    Replay(ReplayArgs),
    /// A second screen on a running warroom or recorder of this box
    Attach(AttachArgs),
    /// The same sources without a screen: a flight recorder
    Record(RecordArgs),
    /// Check, cut, join, redact and print recordings
    Recording(RecordingArgs),
    /// Print logs, host, db, deploys, health, notes or sources
    Query(QueryArgs),
    /// One frame of a recording as text
    Screen(ScreenArgs),
    /// Write a note into the incident log
    Note(NoteArgs),
    /// Append to the deploy log
    Deploy(DeployArgs),
    /// List, open and change incidents
    Incident(IncidentArgs),
    /// A post-mortem from the incident log
    Export(ExportArgs),
    /// List the themes
    Themes,
    /// List the actions with their keys
    Keys,
    /// Try every source once; say what is wrong and what a post-mortem would lack
    Check(CheckArgs),
    /// Print shell completions
    #[command(hide = true)]
    Completions {
        /// bash, zsh, fish, elvish, powershell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    #[command(hide = true)]
    Man,
    /// Pass bytes between standard input, a socket, and a server's socket; ends with either. Started by warroom itself
    #[command(hide = true)]
    RelayPeer {
        /// The server's socket
        socket: PathBuf,
    },
}

/// What all screens share.
#[derive(Args, Clone, Debug, Default)]
pub struct ScreenOptions {
    /// Configuration file
    #[arg(long, env = "WARROOM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Theme by name or path (see `warroom themes`)
    #[arg(long)]
    pub theme: Option<String>,
    /// Only ASCII on the screen
    #[arg(long)]
    pub ascii: bool,
    /// Zone times are shown in: UTC, local, or an IANA name
    #[arg(long)]
    pub zone: Option<String>,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
}

/// Live.
#[derive(Args, Clone, Debug, Default)]
pub struct LiveArgs {
    /// Log files to follow; - is standard input
    pub files: Vec<PathBuf>,
    /// Follow the output of a command: 'kubectl logs -f app'
    #[arg(long = "command", short = 'c', value_name = "COMMAND")]
    pub commands: Vec<String>,
    /// Record to this file from the start
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Start with this filter
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    pub filter: Option<String>,
    /// Megabytes that the index of log files may take: 1 to 256, and never over a quarter of what is available
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub index_memory: Option<u32>,
    /// Keep unpacked blocks of packed log files in this folder when they do not fit into memory; removed at the end
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Keep the index of log files in this folder for the next start; off by default
    #[arg(long, value_name = "DIR")]
    pub index_cache: Option<PathBuf>,
    /// Let a key end database sessions (cancel, terminate), each after it was typed out; without it nothing is ever ended
    #[arg(long)]
    pub allow_kill: bool,
    /// How it looks.
    #[command(flatten)]
    pub screen: ScreenOptions,
}

/// `warroom demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Without a screen
    #[arg(long, requires = "for_")]
    pub headless: bool,
    /// End after this long: 60s, 2m
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub for_: Option<std::time::Duration>,
    /// Roll back by itself after this long
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub rollback_at: Option<std::time::Duration>,
    /// Deploy the bad version after this long
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "20s")]
    pub deploy_at: std::time::Duration,
    /// Keep the recording in this file
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Over a throwaway PostgreSQL, where its binaries are found
    #[arg(long)]
    pub postgres: bool,
    /// How it looks.
    #[command(flatten)]
    pub screen: ScreenOptions,
}

/// `warroom replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// What is replayed.
    #[command(flatten)]
    pub replayed: ReplayedArgs,
    /// Stand at this time first
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Start with this filter
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    pub filter: Option<String>,
    /// Keep notes in a file beside the recording instead of the incident log
    #[arg(long)]
    pub sidecar: bool,
    /// How it looks.
    #[command(flatten)]
    pub screen: ScreenOptions,
}

/// A recording, or what is left where nobody recorded, and which part of that.
#[derive(Args, Clone, Debug, Default)]
pub struct ReplayedArgs {
    /// The recording: a file, or a folder of segments
    #[arg(required_unless_present_any = ["logs", "deploys", "sadf", "prometheus"])]
    pub recording: Option<PathBuf>,
    /// Raw log files instead; .gz and .zst are read too
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "recording")]
    pub logs: Vec<PathBuf>,
    /// Deploy logs: one JSON object a line, as `warroom deploy` writes them
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "recording")]
    pub deploys: Vec<PathBuf>,
    /// What sysstat kept: the output of `sadf -j FILE -- -A`
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "recording")]
    pub sadf: Vec<PathBuf>,
    /// Answers of Prometheus to range queries of node_exporter's metrics
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "recording")]
    pub prometheus: Vec<PathBuf>,
    /// Everything is counted and shown from this time on; log lines of before can still be scrolled to
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "recording")]
    pub from: Option<String>,
    /// Nothing of logs and exports from this time on
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "recording")]
    pub to: Option<String>,
    /// Zone of stamps that name none: Europe/Berlin; without it that of this box
    #[arg(long = "log-zone", alias = "stamps-zone", value_name = "ZONE", conflicts_with = "recording")]
    pub log_zone: Option<String>,
}

/// `warroom attach`.
#[derive(Args, Clone, Debug)]
pub struct AttachArgs {
    /// Process to attach to, when there are several
    pub pid: Option<u32>,
    /// How it looks.
    #[command(flatten)]
    pub screen: ScreenOptions,
}

/// `warroom record`.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// Write the recording here; refuses to overwrite. A folder (or a name that ends with /) gets segments, of which a
    /// day or 512 MB are kept
    #[arg(short, long = "output", value_name = "FILE")]
    pub output: PathBuf,
    /// Gather what the box still has of a past time, before rotation eats it: logs with their rotated siblings, the
    /// journal, sysstat, deploys
    #[arg(long, requires = "from", conflicts_with_all = ["for_", "commands"])]
    pub past: bool,
    /// Of the past, not before this time: 14:02, -3h, a stamp
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, requires = "past")]
    pub from: Option<String>,
    /// Of the past, before this time; without it up to now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, requires = "past")]
    pub to: Option<String>,
    /// Log files to follow
    pub files: Vec<PathBuf>,
    /// Follow the output of a command
    #[arg(long = "command", short = 'c', value_name = "COMMAND")]
    pub commands: Vec<String>,
    /// Configuration file
    #[arg(long, env = "WARROOM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// End after this long; without it on SIGTERM or Ctrl-C
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub for_: Option<std::time::Duration>,
}

/// What can be queried.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum What {
    Logs,
    Host,
    Db,
    Deploys,
    Health,
    Notes,
    Sources,
}

/// `warroom query`.
#[derive(Args, Clone, Debug)]
pub struct QueryArgs {
    /// What to print
    pub what: What,
    /// From a recording
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// From raw log files; - is standard input
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "recording")]
    pub logs: Vec<PathBuf>,
    /// Not before this time; relative ones count from the newest record that is not in the future
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Only what this filter lets through
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    pub filter: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Log records as they stand in the file; with --json as a field `raw`
    #[arg(long)]
    pub raw: bool,
    /// Configuration file, for a live look
    #[arg(long, env = "WARROOM_CONFIG", value_name = "CONFIG")]
    pub config: Option<PathBuf>,
}

/// `warroom screen`.
#[derive(Args, Clone, Debug)]
pub struct ScreenArgs {
    /// What it is of.
    #[command(flatten)]
    pub replayed: ReplayedArgs,
    /// The playhead; without it the end
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Columns x rows
    #[arg(long, default_value = "120x40", value_parser = size)]
    pub size: (u16, u16),
    /// Focus this pane, and zoom it
    #[arg(long)]
    pub pane: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    pub format: FrameFormat,
    /// Only what this filter lets through
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    pub filter: Option<String>,
    /// How it looks.
    #[command(flatten)]
    pub screen: ScreenOptions,
}

/// How a frame is printed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum FrameFormat {
    Text,
    Ansi,
    Svg,
}

/// `warroom check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Configuration file
    #[arg(long, env = "WARROOM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read the files with this format, a configured one or any other, and show what comes out
    #[arg(long, value_name = "NAME", requires = "files")]
    pub format: Option<String>,
    /// Log files to try as well
    pub files: Vec<PathBuf>,
}

impl Cli {
    /// Reads a command line. Options before a subcommand count as if they stood behind it.
    ///
    /// # Errors
    /// What is wrong with it, or what help there is, ready to be printed.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(subcommand_first(args.into_iter().collect()))
    }
}

/// The subcommand before the options that stand in front of it; without any, the words as they are.
fn subcommand_first(mut args: Vec<OsString>) -> Vec<OsString> {
    use clap::CommandFactory as _;
    let command = Cli::command();
    let takes_value = |is: &dyn Fn(&clap::Arg) -> bool| {
        command.get_arguments().find(|a| is(a)).is_some_and(|a| a.get_action().takes_values())
    };
    let mut at = 1;
    while let Some(word) = args.get(at).and_then(|w| w.to_str()) {
        let value_follows = match word.strip_prefix("--") {
            Some("" | "version") => break,
            Some(long) => !long.contains('=') && takes_value(&|a| a.get_long() == Some(long)),
            None if word == "-V" || word == "-" => break,
            None if word.starts_with('-') => {
                let mut letters = word.chars().skip(1);
                let first = letters.next();
                letters.next().is_none() && takes_value(&|a| a.get_short() == first)
            }
            None => {
                if at > 1 && command.find_subcommand(word).is_some() {
                    let subcommand = args.remove(at);
                    args.insert(1, subcommand);
                }
                break;
            }
        };
        at += if value_follows { 2 } else { 1 };
    }
    args
}

/// Names of all subcommands.
pub fn subcommands() -> Vec<String> {
    use clap::CommandFactory as _;
    Cli::command().get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect()
}

/// `90s`, `2m`, `1h`, `1m30s`.
fn span(text: &str) -> Result<std::time::Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a length of time; write 60s, 2m or 1m30s"))?;
    std::time::Duration::try_from(span).map_err(|_| format!("{text:?} is not a length of time that can be waited for"))
}

/// `120x40`.
fn size(text: &str) -> Result<(u16, u16), String> {
    let parts = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match parts {
        Some((w @ 1..=1000, h @ 1..=1000)) => Ok((w, h)),
        _ => Err(format!("{text:?} is not a size; write columns x rows, like 120x40")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn files_without_a_subcommand_are_live() {
        let cli = Cli::parse_from(["warroom", "app.log", "./demo"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.live.files.len(), 2);
    }

    fn read(words: &[&str]) -> Result<Cli, clap::Error> {
        Cli::read(["warroom"].iter().chain(words).map(OsString::from))
    }

    #[test]
    fn options_before_a_subcommand_are_as_good_as_behind_it() {
        for line in [
            ["--config", "w.toml", "check"].as_slice(),
            &["--config=w.toml", "check"],
            &["check", "--config", "w.toml"],
        ] {
            let Some(Command::Check(args)) = read(line).expect("is read").command else { panic!("{line:?}") };
            assert_eq!(args.config, Some("w.toml".into()), "{line:?}");
        }
        let cli = read(&["--config", "w.toml", "deploy", "api", "2.0.0", "--status", "start"]).expect("is read");
        let Some(Command::Deploy(args)) = cli.command else { panic!("{cli:?}") };
        assert_eq!((args.config, args.version.as_str()), (Some("w.toml".into()), "2.0.0"));
        let cli = read(&["--config", "w.toml", "incident", "list"]).expect("is read");
        let Some(Command::Incident(args)) = cli.command else { panic!("{cli:?}") };
        assert_eq!(args.log.config, Some("w.toml".into()));
        for line in [["replay", "a.wr"].as_slice(), &["attach"], &["screen", "a.wr"], &["demo"], &[]] {
            let line = [line, &["--config", "w.toml"]].concat();
            let cli = read(&line).expect("is read");
            let screen = match cli.command {
                Some(Command::Replay(args)) => args.screen,
                Some(Command::Attach(args)) => args.screen,
                Some(Command::Screen(args)) => args.screen,
                Some(Command::Demo(args)) => args.screen,
                None => cli.live.screen,
                Some(other) => panic!("{other:?}"),
            };
            assert_eq!(screen.config, Some("w.toml".into()), "{line:?}");
        }
        // One that the subcommand has not is refused, and no screen opens.
        let why = read(&["--record", "x", "themes"]).expect_err("is refused").to_string();
        assert!(why.contains("--record"), "{why}");
    }

    #[test]
    fn what_is_the_value_of_an_option_or_a_path_is_no_subcommand() {
        for line in
            [["--filter", "check", "app.log"].as_slice(), &["-c", "demo"], &["--", "check"], &["app.log", "check"]]
        {
            assert!(read(line).expect("is read").command.is_none(), "{line:?}");
        }
    }
}
