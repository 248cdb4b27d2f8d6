//! The program in a real terminal: keys in, screen out, and the terminal given back as it was.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use warroom::timeline::Ts;

use crate::demo_backend::ONE_AT_A_TIME;
use crate::support::program::{Home, kill, names, until};
use crate::support::tty::{PATIENCE, Tty, process_state, running_in};

const ONE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "aaaabbbbccccddddeeeeffff00001111";

/// A time so many seconds ago, as log lines have it.
fn ago(seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Ts::from_millis(now.as_millis() as i64 - seconds * 1_000).to_string()
}

fn line(seconds: i64, level: &str, id: &str, message: &str) -> String {
    format!("{{\"ts\":\"{}\",\"level\":\"{level}\",\"request_id\":\"{id}\",\"msg\":\"{message}\"}}\n", ago(seconds))
}

/// Twelve lines of two requests; the last one belongs to [`ONE`].
fn lines() -> String {
    let all = (0..6).map(|n| {
        line(60 - n, "info", OTHER, &format!("calm {n}")) + &line(60 - n, "error", ONE, &format!("broken {n}"))
    });
    all.collect()
}

fn append(path: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().append(true).open(path);
    file.and_then(|mut f| f.write_all(text.as_bytes())).expect("appended");
}

#[test]
fn a_log_file_is_on_the_screen_new_lines_come_and_q_gives_the_terminal_back() {
    let home = Home::new();
    let log = home.file("api.log", &lines());
    let mut tty = Tty::start(&home, &["api.log"], (80, 24));
    let text = tty.wait_for("broken 5");
    assert!(tty.is_taken());
    assert!(text.lines().next().is_some_and(|l| l.contains("warroom") && l.contains("LIVE")), "{text}");
    assert!(text.contains("calm 0") && text.contains("─ 1 Logs ─"), "{text}");
    append(&log, &line(0, "warn", OTHER, "just now"));
    tty.wait_for("just now");
    // A name like a subcommand's is only a name here.
    tty.keys("q");
    assert_eq!(tty.ended(), 0);
    tty.is_given_back();
    assert_eq!(names(&home.path("state")), [""; 0], "nobody asked for anything to be written");
}

#[test]
fn paused_the_screen_stands_still_counts_what_comes_and_l_goes_back_to_live() {
    let home = Home::new();
    let log = home.file("api.log", &lines());
    let mut tty = Tty::start(&home, &["api.log"], (100, 24));
    tty.wait_for("broken 5");
    tty.keys(" ");
    tty.wait_for("PAUSED");
    append(&log, &(line(0, "error", ONE, "later one") + &line(0, "info", ONE, "later two")));
    let text = tty.wait_for("since pausing 2 lines, 1 errors");
    assert!(!text.contains("later one"), "{text}");
    tty.keys("L");
    let text = tty.wait_for("later two");
    assert!(text.contains("LIVE") && text.contains("later one"), "{text}");
}

#[test]
fn f_filters_by_the_rows_request_and_a_note_saves_it_with_what_was_looked_at() {
    let home = Home::new();
    home.file("api.log", &lines());
    let mut tty = Tty::start(&home, &["api.log"], (80, 24));
    tty.wait_for("broken 5");
    tty.keys("f");
    let text = tty.wait_gone("calm");
    assert!(text.contains("req 4bf9…4736 ×") && text.contains("broken 0"), "{text}");
    tty.keys("kka");
    tty.wait_for("note: ");
    tty.keys("? the pool is too small");
    tty.wait_for("note: ? the pool is too small");
    tty.keys("\r");
    tty.wait_for("note saved");
    // Saved means: whoever asks now gets it.
    let notes = home.run(&["query", "notes", "--json", "--filter", "record=note"]).objects();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let (note, evidence) = (&notes[0], &notes[0]["evidence"][0]);
    assert_eq!((&note["kind"], &note["text"]), (&"hypothesis".into(), &"the pool is too small".into()));
    assert!(evidence["text"].as_str().is_some_and(|t| t.contains("broken 3")), "{note}");
    assert_eq!((&evidence["request_id"], &evidence["source"]), (&ONE.into(), &"api:8".into()));
    assert!(evidence["filter"].as_str().is_some_and(|f| f.contains(ONE)), "{note}");
    assert!(note["ts"].as_str().is_some_and(|t| t > ago(30).as_str()), "a guess is made now: {note}");
    // Esc takes the filter away again.
    tty.keys("\x1b");
    let text = tty.wait_for("calm");
    assert!(!text.contains("4bf9…4736 ×"), "{text}");
}

#[test]
fn a_pasted_traceparent_filters_by_its_trace_and_a_fast_paste_without_marks_is_no_keys() {
    let home = Home::new();
    home.file("api.log", &lines());
    let mut tty = Tty::start(&home, &["api.log"], (100, 30));
    tty.wait_for("broken 5");
    tty.paste(&format!("00-{ONE}-00f067aa0ba902b7-01"));
    let text = tty.wait_gone("calm");
    assert!(text.contains("req 4bf9…4736 ×") && text.contains("broken 5"), "{text}");
    tty.keys("F");
    tty.wait_for("calm");
    // A terminal that does not mark pastes: not one letter of it may count as a key.
    tty.keys(&format!("00-{OTHER}-00f067aa0ba902b7-01"));
    let text = tty.wait_gone("broken");
    assert!(text.contains("req aaaa…1111 ×") && text.contains("calm 5"), "{text}");
}

#[test]
fn a_filter_acts_while_it_is_typed_and_esc_brings_the_old_one_back() {
    let home = Home::new();
    home.file("api.log", &lines());
    let mut tty = Tty::start(&home, &["api.log"], (100, 30));
    tty.wait_for("broken 5");
    tty.keys("&");
    tty.wait_for("filter: ");
    tty.keys("level>=err");
    tty.wait_gone("calm");
    tty.keys("\x1b");
    tty.wait_for("calm");
    tty.keys("&calm\r");
    tty.wait_gone("broken");
    tty.keys("/calm 3\r");
    tty.wait_for("calm 3");
    tty.keys("\x03");
    assert_eq!(tty.ended(), 0, "Ctrl-C leaves when nothing lies over the panes");
    tty.is_given_back();
}

#[test]
fn panes_are_focused_by_number_and_tab_at_every_size_and_help_lies_over_them() {
    let home = Home::new();
    home.file("api.log", &lines());
    let mut tty = Tty::start(&home, &["api.log"], (80, 24));
    tty.wait_for("broken 5");
    for (key, title) in [("3", "─ 3 Database"), ("\t", "─ 4 Deploys"), ("\x1b[Z", "─ 3 Database"), ("1", "─ 1 Logs")]
    {
        tty.keys(key);
        tty.wait_for(title);
    }
    tty.resize((160, 45));
    let text = tty.wait("every pane", |text| {
        ["1 Logs", "2 Host", "3 Database", "4 Deploys", "5 Health", "6 Incident"].iter().all(|p| text.contains(p))
    });
    assert_eq!(text.lines().count(), 45);
    assert!(text.lines().next().is_some_and(|l| l.contains("LIVE")), "{text}");
    tty.keys("z");
    tty.wait_gone("─ 2 Host");
    tty.keys("\x1b");
    tty.wait_for("─ 2 Host");
    tty.resize((40, 12));
    let text = tty.wait("a single column", |text| {
        // What the terminal itself has cut off may look like it: the last row is drawn last.
        text.contains("broken 5") && !text.contains("2 Host") && text.lines().last().is_some_and(|l| l.contains('?'))
    });
    assert_eq!(text.lines().count(), 12);
    assert!(text.contains('?'), "the way out is on the screen:\n{text}");
    tty.keys("?");
    tty.wait_for("add a note");
    tty.keys("\x1b");
    tty.wait_gone("add a note");
    tty.keys(":quit\r");
    assert_eq!(tty.ended(), 0);
    tty.is_given_back();
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_the_screen_back() {
    let home = Home::new();
    let log = home.file("api.log", &lines());
    let mut tty = Tty::shell(&home, (100, 30));
    tty.keys("$W api.log\r");
    tty.wait_for("broken 5");
    let [pid] = running_in(&home)[..] else { panic!("one warroom runs: {:?}", running_in(&home)) };
    for round in 1..=2 {
        tty.keys("\x1a");
        tty.wait_for("Stopped");
        until("it is stopped", PATIENCE, || process_state(pid) == Some('T'));
        assert!(tty.screen(|s| !s.alternate_screen() && !s.hide_cursor()), "{}", tty.text());
        tty.keys(&format!("echo alive $((40 + {round}))\r"));
        tty.wait_for(&format!("alive {}", 40 + round));
        append(&log, &line(0, "info", ONE, &format!("while stopped {round}")));
        tty.keys("fg\r");
        let text = tty.wait_for(&format!("while stopped {round}"));
        assert!(text.contains("LIVE"), "{text}");
        assert!(tty.is_taken() && process_state(pid) != Some('T'));
    }
    tty.keys("q");
    tty.wait("the shell", |text| text.contains("ready>") && !text.contains("LIVE"));
    tty.keys("echo rc=$?\r");
    tty.wait_for("rc=0");
}

#[test]
fn logs_come_through_standard_input_while_keys_come_from_the_terminal() {
    let home = Home::new();
    home.file("api.log", &lines());
    let mut tty = Tty::shell(&home, (100, 30));
    tty.keys("cat api.log | $W -\r");
    tty.wait_for("broken 5");
    tty.keys("f");
    tty.wait_gone("calm");
    tty.keys("q");
    tty.wait("the shell", |text| text.contains("ready>") && !text.contains("LIVE"));
    tty.keys("echo rc=$?\r");
    tty.wait_for("rc=0");
}

#[test]
fn sigterm_and_a_lost_terminal_save_the_recording_and_give_the_terminal_back() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let home = Home::new();
        home.file("api.log", &lines());
        let mut tty = Tty::start(&home, &["api.log"], (100, 30));
        tty.wait_for("broken 5");
        append(&home.path("api.log"), &line(0, "info", ONE, "the last words"));
        tty.wait_for("the last words");
        kill(tty.pid(), signal);
        assert_eq!(tty.ended(), code);
        tty.is_given_back();
        let text = tty.wait_for("the recording so far is saved");
        let folder = home.path("state/warroom/recordings");
        let [name] = &names(&folder)[..] else { panic!("one recording: {:?}\n{text}", names(&folder)) };
        let recording = folder.join(name);
        let words = home.run(&["query", "logs", "--recording", recording.to_str().expect("UTF-8"), "--json"]);
        assert!(words.out.contains("the last words"), "{words:?}");
    }
}

#[test]
fn a_terminal_that_goes_without_a_signal_ends_it_too_and_is_not_read_for_ever() {
    let home = Home::new();
    home.file("api.log", &lines());
    // A session of its own, as under sudo or in a container: no SIGHUP when the terminal goes.
    let program = env!("CARGO_BIN_EXE_warroom");
    let mut script = std::process::Command::new("script")
        .args(["-q", "-c", &format!("stty rows 30 cols 100; setsid {program} api.log"), "/dev/null"])
        .env_clear()
        .envs(home.variables())
        .current_dir(home.path(""))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("script starts");
    until("it runs", PATIENCE, || running_in(&home).len() == 1);
    let frames = format!("/proc/{}/io", running_in(&home)[0]);
    let written = || std::fs::read_to_string(&frames).unwrap_or_default();
    let drawn = |io: &str| {
        io.lines().any(|l| l.strip_prefix("wchar: ").is_some_and(|n| n.parse::<u64>().is_ok_and(|n| n > 2_000)))
    };
    until("it draws", PATIENCE, || drawn(&written()));
    script.kill().expect("killed");
    script.wait().expect("ended");
    until("it ends", PATIENCE, || running_in(&home).is_empty());
    assert_eq!(names(&home.path("state/warroom/recordings")).len(), 1, "what was seen is saved");
}

#[test]
fn a_hostile_line_puts_nothing_but_text_on_the_screen() {
    let home = Home::new();
    let hostile = [
        "\x1b]52;c;ZXZpbA==\x07 clipboard",
        "\x1b]0;owned\x1b\\ title",
        "\x1b[2J\x1b[H\x1b[31m red \x1b[?1049l\x1b[?25h",
        "\u{9b}31m c1 \u{9d}52;c;ZXZpbA==\u{9c} \u{90}q#0\u{9c}",
        "\u{202e}drawkcab\u{2066} bidi \u{200b}\u{feff}",
        "tab\tcarriage\rback\x08\x08\x08bell\x07 null\0 shift\x0e del\x7f",
        "wide 日本語 family 👨‍👩‍👧‍👦 combining e\u{301}\u{301}\u{301}\u{301} flag 🇩🇪",
        "\x1bP+q544e\x1b\\ \x1b_apc\x1b\\ \x1b^pm\x1b\\ end of strings",
    ];
    let text: String = hostile.iter().map(|h| format!("{} ERROR {h}\n", ago(5))).collect();
    home.file("evil.log", &(text + &format!("{} INFO last line\n", ago(4))));
    let mut tty = Tty::start(&home, &["evil.log"], (160, 30));
    tty.wait_for("last line");
    tty.keys("z");
    let text = tty.wait_for("end of strings");
    for word in ["clipboard", "title", "red", "c1", "drawkcab", "bell", "family", "end of strings"] {
        assert!(text.contains(word), "{word}:\n{text}");
    }
    assert!(tty.is_taken() && tty.screen(vt100::Screen::hide_cursor), "its own modes are untouched");
    // The row itself, opened, is as harmless.
    tty.keys("kk\r");
    tty.wait_for("severity  ERROR");
    // Esc and a letter in one go would be Alt and that letter.
    tty.keys("\x1b");
    tty.wait_gone("severity  ERROR");
    // All of what was sent: only sequences of the screen's own drawing.
    let raw = String::from_utf8(tty.raw()).expect("UTF-8 is sent");
    for wrong in ["\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x07", "\0", "\x0e", "\x08", "\x7f"] {
        assert!(!raw.contains(wrong), "{wrong:?} was sent");
    }
    let wrong = |c: char| ('\u{80}'..='\u{9f}').contains(&c) || "\u{202e}\u{2066}\u{200b}\u{feff}".contains(c);
    assert_eq!(raw.chars().find(|c| wrong(*c)), None);
    let clears = raw.matches("\x1b[2J").count();
    assert!(clears <= 2, "cleared {clears} times by somebody else");
    tty.keys("q");
    assert_eq!(tty.ended(), 0);
    tty.is_given_back();
}

#[test]
fn a_replay_in_a_terminal_plays_pauses_and_goes_to_a_time() {
    let home = Home::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/outage.wr");
    let mut tty = Tty::start(&home, &["replay", golden.to_str().expect("UTF-8")], (120, 36));
    let header = |tty: &mut Tty, what: &str, is: &dyn Fn(&str) -> bool| {
        let text = tty.wait(what, |t| t.lines().next().is_some_and(is));
        text.lines().next().unwrap_or_default().to_owned()
    };
    let first = header(&mut tty, "it plays by itself", &|h| h.contains("REPLAY") && h.ends_with("1x"));
    header(&mut tty, "it moves", &|h| h.ends_with("1x") && h != first);
    tty.keys("]]");
    header(&mut tty, "four times as fast", &|h| h.ends_with("4x"));
    tty.keys(" ");
    header(&mut tty, "a pause", &|h| h.ends_with("paused"));
    tty.keys("L");
    let end = header(&mut tty, "the end", &|h| h.contains("-0 "));
    tty.keys("D");
    header(&mut tty, "an earlier change", &|h| h.ends_with("paused") && h != end);
    tty.keys("g-10s\r");
    header(&mut tty, "ten seconds before that", &|h| h.ends_with("paused") && h != end);
    tty.keys("a");
    tty.wait_for("note: ");
    tty.keys("\x1b");
    tty.wait_gone("note: ");
    tty.keys("q");
    assert_eq!(tty.ended(), 0);
    tty.is_given_back();
}

/// Started by the test below in a terminal of its own, as a process that panics on its main thread with the screen taken.
#[test]
fn panics_with_the_terminal_taken_when_asked_to() {
    if std::env::var_os("WARROOM_TEST_PANIC").is_none() {
        return;
    }
    let _terminal = warroom::runtime::terminal::Terminal::take(true).expect("a terminal");
    panic!("a fault on purpose");
}

#[test]
fn a_panic_gives_the_terminal_back_and_its_message_is_on_the_normal_screen() {
    let home = Home::new();
    let mut tty = Tty::shell(&home, (100, 30));
    let test = std::env::current_exe().expect("this program");
    let name = "terminal::panics_with_the_terminal_taken_when_asked_to";
    tty.keys(&format!("WARROOM_TEST_PANIC=1 RUST_BACKTRACE=0 '{}' --exact {name} --nocapture\r", test.display()));
    let text = tty.wait_for("a fault on purpose");
    assert!(tty.raw().windows(8).any(|w| w == b"\x1b[?1049h"), "the screen had been taken:\n{text}");
    tty.wait("the shell", |text| text.trim_end().ends_with("ready>"));
    assert!(tty.screen(|s| !s.alternate_screen()
        && !s.hide_cursor()
        && s.mouse_protocol_mode() == vt100::MouseProtocolMode::None));
    tty.keys("echo typed and seen\r");
    tty.wait("an echo and an answer", |text| text.matches("typed and seen").count() == 2);
}

/// Started by the test below: a live screen whose main thread panics when a file appears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_live_and_panics_when_asked_to() {
    let Some(sign) = std::env::var_os("WARROOM_TEST_PANIC_LIVE") else { return };
    let (config, _) = warroom::config::Config::find(None).expect("a configuration");
    let live = warroom::runtime::live::Live {
        allow_kill: false,
        config,
        files: vec!["api.log".into()],
        commands: Vec::new(),
        discover: false,
        record: None,
        filter: warroom::timeline::Filter::default(),
        screen: Default::default(),
        demo: false,
    };
    let fault = async {
        while !Path::new(&sign).exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a fault on purpose");
    };
    tokio::select! {
        _ = warroom::runtime::live::run(live) => {}
        () = fault => {}
    }
}

#[test]
fn a_panic_saves_the_recording_and_the_next_start_offers_it() {
    let home = Home::new();
    let log = home.file("api.log", &lines());
    let mut tty = Tty::shell(&home, (110, 30));
    let test = std::env::current_exe().expect("this program");
    let name = "terminal::runs_live_and_panics_when_asked_to";
    tty.keys(&format!(
        "clear; WARROOM_TEST_PANIC_LIVE=now RUST_BACKTRACE=0 '{}' --exact {name} --nocapture\r",
        test.display()
    ));
    tty.wait_for("broken 5");
    append(&log, &line(0, "error", ONE, "the last words"));
    tty.wait_for("the last words");
    home.file("now", "");
    let text = tty.wait_for("the recording so far is saved");
    assert!(text.contains("a fault on purpose"), "{text}");
    tty.wait("the shell", |text| text.trim_end().ends_with("ready>"));
    assert!(tty.screen(|s| !s.alternate_screen() && !s.hide_cursor()));
    let folder = home.path("state/warroom/recordings");
    let [name] = &names(&folder)[..] else { panic!("one recording: {:?}\n{text}", names(&folder)) };
    let recording = folder.join(name);
    let mode = std::os::unix::fs::PermissionsExt::mode(&recording.metadata().expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let path = recording.to_str().expect("UTF-8");
    let frame = home.run(&["screen", path, "--size", "100x30"]).good();
    assert!(frame.contains("REPLAY") && frame.contains("the last words"), "{frame}");

    // The next start points it out, lists it among the sources, and so does `check`.
    let mut next = Tty::start(&home, &["api.log"], (160, 30));
    next.wait_for("broken 5");
    next.wait_for("ago and was saved: warroom replay");
    next.keys("s");
    let text = next.wait_for("saved  ");
    assert!(text.contains(name.as_str()), "{text}");
    next.keys("\x1b");
    next.wait_gone("saved  ");
    next.keys("q");
    assert_eq!(next.ended(), 0);
    let check = home.run(&["check", "api.log"]);
    assert!(check.out.contains("saved recording") && check.out.contains(name.as_str()), "{check:?}");
}

#[test]
fn sigterm_right_after_the_terminal_was_taken_is_not_lost() {
    let home = Home::new();
    home.file("api.log", &lines());
    let mut tty = Tty::start(&home, &["api.log"], (100, 30));
    let taken = b"\x1b[?1049h";
    until("the terminal is taken", PATIENCE, || tty.raw().windows(taken.len()).any(|w| w == taken));
    kill(tty.pid(), Signal::TERM);
    assert_eq!(tty.ended(), 143);
    tty.is_given_back();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_breaks_on_the_screen_and_the_typed_rollback_heals_it_and_is_noted() {
    let _alone = ONE_AT_A_TIME.lock().await;
    tokio::task::block_in_place(|| {
        let home = Home::new();
        let mut tty = Tty::start(&home, &["demo", "--deploy-at", "1s"], (130, 40));
        tty.wait_for("▲ api 1.4.2");
        tty.wait("the pool at its limit", |t| t.contains("10/10"));
        tty.wait("people who were turned away", |t| t.contains("503"));
        tty.keys(":rollback\r");
        tty.wait_for("type api to run");
        tty.keys("something else\r");
        tty.wait_for("not run");
        tty.keys(":rollback\r");
        tty.wait_for("type api to run");
        tty.keys("api\r");
        let text = tty.wait_for("back to 1.4.1");
        assert!(!text.contains("FAILED"), "{text}");
        tty.wait("the incident log has the action", |t| t.contains("! ") && t.contains("rollback api done"));
        tty.keys("q");
        assert_eq!(tty.ended(), 0);
        tty.is_given_back();
        until("nothing of it is left", Duration::from_secs(5), || names(&home.path("tmp")).is_empty());
    });
}
