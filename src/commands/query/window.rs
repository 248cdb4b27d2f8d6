//! Puts lines in order of their time while they come, without holding all of them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::timeline::Ts;

/// So long after its time a line may come and still stand in its place.
pub const LATE: Duration = Duration::from_secs(60);
/// Lines held back at most, in bytes.
const MOST: usize = 16 << 20;

/// Lines that wait for earlier ones which may still come.
#[derive(Default)]
pub struct Window {
    /// By time; those of one time as they came.
    waiting: VecDeque<(Ts, Box<[u8]>)>,
    bytes: usize,
    /// Time of the newest line that was let go.
    gone: Option<Ts>,
    /// Lines that came too late for their place.
    pub late: u64,
}

impl Window {
    /// Takes in a line; `to` gets those whose turn has come by then, and that of a line that is too late at once.
    pub fn push(
        &mut self,
        ts: Ts,
        line: &[u8],
        to: &mut impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        if self.gone.is_some_and(|gone| ts < gone) {
            self.late += 1;
            return to(line);
        }
        let at = match self.waiting.back() {
            Some((last, _)) if ts < *last => self.waiting.partition_point(|(t, _)| *t <= ts),
            _ => self.waiting.len(),
        };
        self.waiting.insert(at, (ts, line.into()));
        self.bytes += line.len();
        while let Some((first, newest)) = self.waiting.front().map(|f| f.0).zip(self.waiting.back().map(|l| l.0)) {
            if newest.since(first) <= LATE && self.bytes <= MOST {
                break;
            }
            self.pop(to)?;
        }
        Ok(())
    }

    /// Lets go of everything.
    pub fn end(&mut self, to: &mut impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        while !self.waiting.is_empty() {
            self.pop(to)?;
        }
        Ok(())
    }

    fn pop(&mut self, to: &mut impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        let Some((ts, line)) = self.waiting.pop_front() else { return Ok(()) };
        self.bytes -= line.len();
        self.gone = Some(ts);
        to(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of lines that say their own second, in the order of their coming; how many were late.
    fn through(seconds: impl IntoIterator<Item = i64>) -> (Vec<i64>, u64) {
        let (mut window, mut out) = (Window::default(), Vec::new());
        let mut to = |line: &[u8]| {
            out.push(std::str::from_utf8(line).unwrap().trim().parse().unwrap());
            Ok(())
        };
        for s in seconds {
            window.push(Ts::from_secs(s), format!("{s}").as_bytes(), &mut to).unwrap();
        }
        window.end(&mut to).unwrap();
        (out, window.late)
    }

    #[test]
    fn lines_a_minute_late_stand_in_their_place_and_later_ones_are_counted() {
        assert_eq!(through([100, 160, 101, 130, 160, 99]), (vec![99, 100, 101, 130, 160, 160], 0));
        assert_eq!(through([100, 161, 99, 100, 102]), (vec![100, 99, 100, 102, 161], 1));
    }

    #[test]
    fn it_holds_no_more_than_its_minute_and_its_bytes() {
        let mut window = Window::default();
        let (mut most, mut told) = (0, 0);
        for s in 0..100_000 {
            let mut to = |_: &[u8]| {
                told += 1;
                Ok(())
            };
            window.push(Ts::from_secs(s), &[b'x'; 100], &mut to).unwrap();
            most = most.max(window.waiting.len());
        }
        assert_eq!((most, told), (61, 100_000 - 61));
        for _ in 0..100 {
            window.push(Ts::from_secs(100_000), &vec![b'x'; 1 << 20], &mut |_| Ok(())).unwrap();
            assert!(window.bytes <= MOST, "{}", window.bytes);
        }
    }
}
