//! When to draw: at once for keys, seldom for data, never while the last frame is on its way, and no more bytes in the
//! long run than a poor link bears.
//!
//! A log that scrolls changes most of its rows, a kilobyte or three a frame; at fifteen frames a second that is more than
//! people can read and than a shared link should carry. So frames for data are paid from an allowance that fills by
//! `BYTES_A_SECOND`: single lines show at once, a flood shows about five times a second. Collection does not wait for
//! any of this.

use std::time::{Duration, Instant};

use crate::timeline::Ts;

/// Frames for keys, for what comes in answer to them, for data, and on a slow link, at most so many a second.
const KEY_FRAME: Duration = Duration::from_millis(12);
const ANSWER_FRAME: Duration = Duration::from_millis(33);
const DATA_FRAME: Duration = Duration::from_millis(66);
const SLOW_FRAME: Duration = Duration::from_millis(200);
/// A frame that takes longer than this to drain makes the link a slow one.
const SLOW_DRAIN: Duration = Duration::from_millis(200);
/// What frames for data may cost in the long run.
const BYTES_A_SECOND: f64 = 7_000.0;
/// What may be saved up of it, and how far it may be overdrawn: the longest wait for a frame is that over the rate.
const SAVED: f64 = 14_000.0;
const OWED: f64 = -5_000.0;
/// The first frames follow each other as frames for keys do: the first one is empty, the next has the newest lines.
const FIRST: u8 = 3;
/// What a frame shows is asked for so long before it is due: answers take some milliseconds, and what is asked for earlier
/// is out of date by then.
const LEAD: Duration = Duration::from_millis(20);
/// What comes so soon after a key is taken for its answer.
const ANSWER: Duration = Duration::from_millis(300);

/// Decides when the next frame is due. Knows no clock but what it is told.
#[derive(Debug)]
pub struct Pace {
    dirty: bool,
    from_key: bool,
    /// A key was pressed since the last frame.
    pressed: bool,
    /// Frames drawn, as far as [`FIRST`].
    frames: u8,
    last_key: Option<Instant>,
    last: Option<Instant>,
    sent: Option<Instant>,
    slow: bool,
    /// Bytes that may be sent, as of `last`.
    allowance: f64,
}

impl Default for Pace {
    fn default() -> Pace {
        let (dirty, from_key, pressed, frames) = (true, true, true, 0);
        Pace { dirty, from_key, pressed, frames, last_key: None, last: None, sent: None, slow: false, allowance: SAVED }
    }
}

impl Pace {
    /// The user did something: the next frame is due at once, and so is what comes in answer.
    pub fn key(&mut self, now: Instant) {
        (self.dirty, self.from_key, self.pressed) = (true, true, true);
        self.last_key = Some(now);
    }

    /// Something changed by itself.
    pub fn data(&mut self, now: Instant) {
        self.dirty = true;
        self.from_key |= self.last_key.is_some_and(|k| now.saturating_duration_since(k) < ANSWER);
    }

    /// A frame was drawn, and `bytes` of it are on their way.
    pub fn drawn(&mut self, now: Instant, bytes: usize) {
        self.allowance = (self.allowance(now) - bytes as f64).max(OWED);
        (self.dirty, self.from_key, self.pressed) = (false, false, false);
        self.frames = (self.frames + 1).min(FIRST);
        self.last = Some(now);
        self.sent = (bytes > 0).then_some(now);
    }

    /// The terminal has taken the last frame.
    pub fn drained(&mut self, now: Instant) {
        if let Some(sent) = self.sent.take() {
            self.slow = now.saturating_duration_since(sent) > SLOW_DRAIN;
        }
    }

    fn allowance(&self, now: Instant) -> f64 {
        let passed = self.last.map_or(0.0, |l| now.saturating_duration_since(l).as_secs_f64());
        (self.allowance + passed * BYTES_A_SECOND).min(SAVED)
    }

    /// How long until the next frame; `None` when none is due, or the last one is still on its way (`busy`). A replay
    /// that plays is looked at: it owes nothing.
    pub fn due(&self, now: Instant, busy: bool, playing: bool) -> Option<Duration> {
        (self.dirty && !busy).then(|| self.earliest(now, playing))
    }

    /// Whether a key was pressed since the last frame: it waits for nothing.
    pub fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// Whether what the next frame shows is to be asked for now: at once after a key, else right before the frame. In a
    /// flood more comes than there are frames.
    pub fn is_near(&self, now: Instant, playing: bool) -> bool {
        self.from_key || self.earliest(now, playing) <= LEAD
    }

    /// How long until a frame may be drawn, if there is anything to draw.
    fn earliest(&self, now: Instant, playing: bool) -> Duration {
        let Some(last) = self.last else { return Duration::ZERO };
        let gap = match (self.from_key, self.slow) {
            (_, slow) if self.pressed || self.frames < FIRST && !slow => KEY_FRAME,
            (true, _) => ANSWER_FRAME,
            (false, false) => DATA_FRAME,
            (false, true) => SLOW_FRAME,
        };
        let wait = gap.saturating_sub(now.saturating_duration_since(last));
        if self.from_key || playing {
            return wait;
        }
        wait.max(Duration::from_secs_f64((-self.allowance(now) / BYTES_A_SECOND).max(0.0)))
    }

    /// How long the loop may sleep: until what the next frame shows is to be asked for, to that frame, else to the next
    /// second of the clock.
    pub fn wait(&self, now: Instant, clock: Ts, busy: bool, playing: bool) -> Duration {
        if let Some(due) = self.due(now, busy, playing) {
            let due = if due > LEAD { due - LEAD } else { due };
            return due.max(Duration::from_millis(1));
        }
        if playing {
            return DATA_FRAME;
        }
        let second = 1_000_000_000;
        Duration::from_nanos((second - clock.0.rem_euclid(second)) as u64 + 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `seconds` of data that changes all the time, each frame `bytes` long; gives frames and bytes a second.
    fn flood(pace: &mut Pace, start: Instant, seconds: u32, bytes: usize) -> (f64, f64) {
        let (mut now, mut frames) = (start, 0u32);
        while now < start + Duration::from_secs(u64::from(seconds)) {
            pace.data(now);
            if pace.due(now, false, false).is_some_and(|d| d.is_zero()) {
                pace.drawn(now, bytes);
                pace.drained(now);
                frames += 1;
            }
            now += Duration::from_millis(1);
        }
        let per_second = f64::from(frames) / f64::from(seconds);
        (per_second, per_second * bytes as f64)
    }

    #[test]
    fn a_flood_costs_no_more_bytes_in_the_long_run_than_the_allowance() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        flood(&mut pace, start, 5, 1_500);
        let (frames, bytes) = flood(&mut pace, start + Duration::from_secs(5), 60, 1_500);
        assert!(bytes <= 7_100.0 && frames > 4.0, "{frames} frames, {bytes} bytes a second");
        let (frames, _) = flood(&mut Pace::default(), start, 60, 100);
        assert!(frames > 14.0, "small changes show fifteen times a second, not {frames}");
    }

    #[test]
    fn after_quiet_a_line_shows_at_once_and_a_key_never_waits_for_the_allowance() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        flood(&mut pace, start, 5, 3_000);
        let now = start + Duration::from_secs(5);
        pace.drawn(now, 3_000);
        pace.data(now);
        assert!(pace.due(now, false, false).unwrap() > Duration::from_millis(100), "owed");
        pace.key(now);
        assert!(pace.due(now, false, false).unwrap() <= KEY_FRAME);
        pace.drawn(now, 3_000);
        pace.data(now + Duration::from_millis(50));
        assert!(pace.due(now + Duration::from_millis(50), false, false).unwrap().is_zero(), "what a key asked for");
        let later = now + Duration::from_secs(3);
        pace.data(later);
        assert_eq!(pace.due(later, false, false), Some(Duration::ZERO));
    }

    #[test]
    fn no_frame_is_due_while_one_is_on_its_way_and_a_link_that_is_slow_to_take_it_gets_fewer() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.drawn(now, 100);
        pace.key(now);
        assert_eq!(pace.due(now, true, false), None);
        pace.drained(now + Duration::from_millis(900));
        pace.drawn(now + Duration::from_millis(900), 100);
        let after = now + Duration::from_millis(1_000);
        pace.data(after);
        assert_eq!(pace.due(after, false, false), Some(Duration::from_millis(100)));
    }

    #[test]
    fn the_newest_lines_follow_the_first_frame_at_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.drawn(now, 3_000);
        pace.data(now);
        assert_eq!(pace.due(now, false, false), Some(KEY_FRAME));
        for _ in 0..FIRST {
            pace.drawn(now, 3_000);
        }
        pace.data(now);
        assert!(pace.due(now, false, false).unwrap() >= DATA_FRAME);
    }

    #[test]
    fn rows_are_asked_for_right_before_a_frame_and_at_once_where_one_may_be_drawn() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!(pace.is_near(now, false), "nothing was drawn yet");
        for _ in 0..9 {
            pace.drawn(now, 2_000);
        }
        pace.data(now);
        let due = pace.due(now, false, false).unwrap();
        assert!(due > Duration::from_millis(500) && !pace.is_near(now, false), "owed: {due:?}");
        let wait = pace.wait(now, Ts(0), false, false);
        assert_eq!(wait, due - LEAD);
        let asked = now + wait + Duration::from_millis(1);
        assert!(pace.is_near(asked, false) && !pace.due(asked, false, false).unwrap().is_zero());
        assert!(pace.wait(asked, Ts(0), false, false) < LEAD);
        assert!(pace.is_near(now + DATA_FRAME, true), "a replay that plays owes nothing");
        pace.key(now);
        assert!(pace.is_near(now, false));
        let later = now + Duration::from_secs(4);
        assert!(pace.is_near(later, false));
    }

    #[test]
    fn nothing_to_draw_sleeps_to_the_next_second() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.drawn(now, 0);
        assert_eq!(pace.wait(now, Ts(5_250_000_000), false, false), Duration::from_millis(751));
    }
}
