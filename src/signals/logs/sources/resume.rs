//! Where a command that ended goes on: which lines came before, and from which time or cursor to ask again.
//!
//! Commands repeat themselves when they are started again (`tail -F` gives its last ten lines, `--since` has whole
//! seconds). Lines that came before are dropped by their hash, each as often as it had come; but only lines that carry a
//! time, what continues them, and lines of a command that was told where to go on: `panic: out of memory` that is
//! printed again by the next run is news.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};

use crate::timeline::Ts;

/// Lines remembered, and the most of them: a command is asked to repeat whole seconds, so those of the last two are kept
/// however many they are, up to that.
const REMEMBERED: usize = 20_000;
const MOST: usize = 500_000;

/// What is remembered of a command's lines.
#[derive(Debug, Default)]
pub struct Resume {
    last: Option<Ts>,
    cursor: Option<String>,
    recent: VecDeque<(u64, Option<Ts>)>,
    /// Whether older lines were forgotten.
    forgot: bool,
    /// Lines that came before and may come again; `None` once something new was seen.
    repeats: Option<BTreeMap<u64, u32>>,
    /// Whether the command was told where to go on.
    told: bool,
    /// Whether the newest line that carries a time was dropped.
    dropping: bool,
}

fn hash(line: &[u8]) -> u64 {
    let mut h = DefaultHasher::new();
    h.write(line);
    h.finish()
}

impl Resume {
    /// The command with its placeholders filled in; `start` is where a first run begins.
    pub fn command(&mut self, text: &str, start: Ts) -> String {
        let since = Ts::from_secs(self.last.unwrap_or(start).secs());
        let cursor = match &self.cursor {
            Some(c) => format!("--after-cursor='{}'", c.replace('\'', "")),
            None => format!("--since=@{}", since.secs()),
        };
        let text = match self.last.filter(|_| !text.contains(['{', '|', ';', '&', '<', '>'])) {
            Some(_) => format!("{text}{}", self.known_option(text, since)),
            None => text.to_owned(),
        };
        self.told = self.last.is_some() || self.cursor.is_some();
        self.told &= text.contains("{since") || text.contains("{cursor}") || text.contains("--since");
        // `tail` is known to give its last lines anew.
        self.told |= text.split_whitespace().any(|w| w == "tail");
        text.replace("{since}", &since.to_string())
            .replace("{since_epoch}", &since.secs().to_string())
            .replace("{cursor}", &cursor)
    }

    /// How commands that everybody uses are told to go on, where nothing in the text says so.
    fn known_option(&self, text: &str, since: Ts) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let says = |option: &str| words.iter().any(|w| w.starts_with(option));
        match words.as_slice() {
            ["journalctl", ..] if self.cursor.is_some() && !says("--after-cursor") && !says("--since") => {
                " {cursor}".to_owned()
            }
            ["kubectl", ..] if words.contains(&"logs") && !says("--since") => format!(" --since-time={since}"),
            ["docker" | "podman", "logs", ..] if !says("--since") => format!(" --since={since}"),
            _ => String::new(),
        }
    }

    /// The command starts again: from now on, what came before is dropped until something new comes.
    pub fn restart(&mut self) {
        let mut repeats = BTreeMap::new();
        for (h, _) in &self.recent {
            *repeats.entry(*h).or_insert(0) += 1;
        }
        self.dropping = false;
        self.repeats = (!self.recent.is_empty()).then_some(repeats);
    }

    /// Whether this line (without its end, with its event time) is new; remembers it if so.
    pub fn is_new(&mut self, line: &[u8], time: Option<Ts>) -> bool {
        let h = hash(line);
        if let Some(repeats) = &mut self.repeats {
            let known = time.is_some() || self.told || self.dropping;
            if let Some(n) = repeats.get_mut(&h).filter(|n| known && **n > 0) {
                *n -= 1;
                self.dropping |= time.is_some();
                return false;
            }
            self.dropping &= time.is_none();
            let oldest = self.recent.iter().find_map(|(_, t)| *t);
            match (time, self.last, oldest) {
                // Repeated from so long ago that its hash is forgotten.
                (Some(t), Some(_), Some(oldest)) if t < oldest && self.forgot => return false,
                (Some(t), Some(last), _) if t.secs() <= last.secs() => {}
                // What continues a record says nothing about the time.
                (None, Some(_), _) => {}
                _ => self.repeats = None,
            }
        }
        self.recent.push_back((h, time));
        self.last = self.last.max(time);
        let young = self.last.map_or(i64::MIN, |t| t.secs() - 1);
        while self.recent.len() > REMEMBERED
            && (self.recent.len() > MOST
                || self.recent.front().is_some_and(|(_, t)| t.is_none_or(|t| t.secs() < young)))
        {
            self.recent.pop_front();
            self.forgot = true;
        }
        if let Some(c) = cursor(line) {
            self.cursor = Some(c);
        }
        true
    }
}

/// `__CURSOR` of a journal entry in JSON.
fn cursor(line: &[u8]) -> Option<String> {
    let i = memchr::memmem::find(line, b"\"__CURSOR\"")? + 10;
    let rest = line.get(i..)?;
    let open = memchr::memchr(b'"', rest)? + 1;
    let len = memchr::memchr(b'"', rest.get(open..)?)?;
    Some(String::from_utf8_lossy(&rest[open..open + len]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_repeated_after_a_restart_are_dropped_and_equal_new_ones_are_not() {
        let mut r = Resume::default();
        let at = |s| Some(Ts::from_secs(s));
        assert!(r.is_new(b"a", at(1)) && r.is_new(b"b", at(2)) && r.is_new(b"b", at(2)));
        r.restart();
        assert!(!r.is_new(b"b", at(2)) && !r.is_new(b"b", at(2)), "both had come");
        assert!(r.is_new(b"b", at(2)), "a third one of the same second is new");
        assert!(r.is_new(b"c", at(3)));
        assert!(r.is_new(b"c", at(3)), "repetition is over");
        assert_eq!(r.command("x --since {since}", Ts(0)), "x --since 1970-01-01T00:00:03Z");
    }

    #[test]
    fn of_a_second_with_very_many_lines_none_is_doubled() {
        let mut r = Resume::default();
        let line = |n: u32| format!("line {n}");
        for n in 0..100_000 {
            assert!(r.is_new(line(n).as_bytes(), Some(Ts::from_secs(7 + i64::from(n / 50_000)))));
        }
        r.restart();
        for n in 0..100_000 {
            assert!(!r.is_new(line(n).as_bytes(), Some(Ts::from_secs(7 + i64::from(n / 50_000)))), "{n}");
        }
        assert!(r.is_new(b"line 100000", Some(Ts::from_secs(8))));
        for n in 0..60_000 {
            r.is_new(line(n).as_bytes(), Some(Ts::from_secs(100 + i64::from(n))));
        }
        assert_eq!(r.recent.len(), REMEMBERED, "of seconds that are over few are kept");
    }

    #[test]
    fn lines_without_times_of_a_command_that_starts_anew_are_news_every_time() {
        let mut r = Resume::default();
        assert!(r.is_new(b"panic: out of memory", None));
        r.restart();
        assert!(r.is_new(b"panic: out of memory", None), "the next run panicked, too");
    }

    #[test]
    fn what_continues_a_repeated_line_is_dropped_with_it() {
        let mut r = Resume::default();
        assert!(r.is_new(b"1 failed", Some(Ts::from_secs(1))) && r.is_new(b"  at main", None));
        r.restart();
        assert!(!r.is_new(b"1 failed", Some(Ts::from_secs(1))) && !r.is_new(b"  at main", None));
        assert!(r.is_new(b"2 failed", Some(Ts::from_secs(2))) && r.is_new(b"  at main", None));
    }

    #[test]
    fn commands_that_say_nothing_of_time_are_told_to_go_on_where_they_ended() {
        let mut r = Resume::default();
        assert_eq!(r.command("kubectl logs -f api", Ts(0)), "kubectl logs -f api");
        r.is_new(b"x", Some(Ts::from_secs(60)));
        assert_eq!(r.command("kubectl logs -f api", Ts(0)), "kubectl logs -f api --since-time=1970-01-01T00:01:00Z");
        assert_eq!(r.command("docker logs -f api | cat", Ts(0)), "docker logs -f api | cat");
    }

    #[test]
    fn the_journal_is_asked_again_from_its_cursor() {
        let mut r = Resume::default();
        assert_eq!(r.command("j {cursor}", Ts::from_secs(5)), "j --since=@5");
        r.is_new(br#"{"__CURSOR" : "s=1;i=2","MESSAGE":"x"}"#, None);
        assert_eq!(r.command("j {cursor}", Ts::from_secs(5)), "j --after-cursor='s=1;i=2'");
    }
}
