//! The playhead: which instant the screen shows.

use std::time::Duration;

use crate::timeline::{TimeRange, Ts};

/// Slowest and fastest replay; between them by doubling, the last step to a day in under two and a half minutes.
pub const SPEEDS: (f64, f64) = (0.25, 600.0);

/// Where the playhead is and what moves it.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Playhead {
    /// Follows the clock.
    Live,
    /// Stands still while events go on arriving.
    Still(Ts),
    /// Moves by itself through a recording.
    Playing {
        /// Where it is.
        at: Ts,
        /// Recorded seconds per second.
        speed: f64,
    },
}

/// The playhead and the span it may move in.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Player {
    /// Where it is.
    pub head: Playhead,
    /// The clock as last told.
    pub clock: Ts,
    /// Span of the recording; `None` when live.
    pub recorded: Option<TimeRange>,
    /// More of the recording is still being read: its end so far is not the end, and playing goes on there.
    pub growing: bool,
    speed: f64,
}

impl Player {
    /// Following the clock.
    pub fn live(clock: Ts) -> Player {
        Player { head: Playhead::Live, clock, recorded: None, growing: false, speed: 1.0 }
    }

    /// At the start of a recording, playing.
    pub fn replay(span: TimeRange, at: Option<Ts>, clock: Ts) -> Player {
        let start = at.unwrap_or(span.start).clamp(span.start, span.end);
        let head = if at.is_some() { Playhead::Still(start) } else { Playhead::Playing { at: start, speed: 1.0 } };
        Player { head, clock, recorded: Some(span), growing: false, speed: 1.0 }
    }

    /// The instant on the screen.
    pub fn now(&self) -> Ts {
        match self.head {
            Playhead::Live => self.clock,
            Playhead::Still(at) | Playhead::Playing { at, .. } => at,
        }
    }

    /// More of the recording has been read.
    pub fn extend(&mut self, span: TimeRange) {
        if let Some(r) = &mut self.recorded {
            // Whoever stands at the end stands at the end still when more is read.
            let at_end = self.head == Playhead::Still(r.end) && r.end > r.start;
            *r = TimeRange::new(r.start.min(span.start), r.end.max(span.end));
            if at_end {
                self.head = Playhead::Still(r.end);
            }
        }
    }

    /// Whether it follows the clock.
    pub fn is_live(&self) -> bool {
        self.head == Playhead::Live
    }

    /// Whether this is a replay.
    pub fn is_replay(&self) -> bool {
        self.recorded.is_some()
    }

    /// The clock moved on.
    pub fn tick(&mut self, clock: Ts) {
        let passed = clock.since(self.clock);
        self.clock = clock;
        if let (Playhead::Playing { at, speed }, Some(span)) = (self.head, self.recorded) {
            let next = at + passed.mul_f64(speed);
            self.head = match next >= span.end {
                false => Playhead::Playing { at: next, speed },
                true if self.growing => Playhead::Playing { at: span.end, speed },
                true => Playhead::Still(span.end),
            };
        }
    }

    /// Space: pause and go on.
    pub fn toggle(&mut self) {
        self.head = match (self.head, self.recorded) {
            (Playhead::Live, _) => Playhead::Still(self.clock),
            (Playhead::Playing { at, .. }, _) => Playhead::Still(at),
            (Playhead::Still(_), None) => Playhead::Live,
            (Playhead::Still(at), Some(span)) => {
                // At the end there is nothing left to play: begin again.
                let at = if at >= span.end { span.start } else { at };
                Playhead::Playing { at, speed: self.speed }
            }
        };
    }

    /// Back to live, or to the end of the recording.
    pub fn go_live(&mut self) {
        self.head = match self.recorded {
            None => Playhead::Live,
            Some(span) => Playhead::Still(span.end),
        };
    }

    /// To an instant, standing still there; never past the clock or out of the recording.
    pub fn go_to(&mut self, at: Ts) {
        let at = match self.recorded {
            Some(span) => at.clamp(span.start, span.end),
            None => at.min(self.clock),
        };
        self.head = match self.head {
            Playhead::Playing { speed, .. } => Playhead::Playing { at, speed },
            _ => Playhead::Still(at),
        };
    }

    /// By a signed number of seconds.
    pub fn step(&mut self, seconds: i64) {
        let now = self.now();
        let d = Duration::from_secs(seconds.unsigned_abs());
        self.go_to(if seconds < 0 { now - d } else { now + d });
    }

    /// Twice or half as fast.
    pub fn change_speed(&mut self, faster: bool) {
        // From the fastest back to a power of two.
        let half = if self.speed > 512.0 { 512.0 } else { self.speed * 0.5 };
        self.speed = if faster { self.speed * 2.0 } else { half }.clamp(SPEEDS.0, SPEEDS.1);
        if let Playhead::Playing { speed, .. } = &mut self.head {
            *speed = self.speed;
        }
    }

    /// Recorded seconds per second while playing.
    pub fn speed(&self) -> f64 {
        self.speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> TimeRange {
        TimeRange::new(Ts::from_secs(100), Ts::from_secs(200))
    }

    #[test]
    fn a_replay_plays_at_its_speed_and_stops_at_the_end() {
        let mut p = Player::replay(span(), None, Ts::from_secs(1_000));
        p.change_speed(true);
        p.tick(Ts::from_secs(1_010));
        assert_eq!(p.now(), Ts::from_secs(120));
        p.tick(Ts::from_secs(2_000));
        assert_eq!(p.head, Playhead::Still(Ts::from_secs(200)));
        p.toggle();
        assert_eq!(p.now(), Ts::from_secs(100), "playing at the end begins again");
    }

    #[test]
    fn a_replay_that_has_caught_up_with_what_is_read_waits_and_plays_on() {
        let start = Ts::from_secs(100);
        let mut p = Player::replay(TimeRange::new(start, start), None, Ts::from_secs(1_000));
        p.growing = true;
        p.tick(Ts::from_secs(1_001));
        assert_eq!(p.now(), start);
        p.extend(span());
        p.growing = false;
        p.tick(Ts::from_secs(1_003));
        assert_eq!(p.head, Playhead::Playing { at: Ts::from_secs(102), speed: 1.0 });
    }

    #[test]
    fn at_the_end_while_the_recording_is_still_read_means_at_its_end() {
        let mut p = Player::replay(span(), None, Ts::from_secs(1_000));
        p.go_live();
        p.extend(TimeRange::new(Ts::from_secs(100), Ts::from_secs(300)));
        assert_eq!(p.now(), Ts::from_secs(300));
    }

    #[test]
    fn paused_live_stands_still_and_never_passes_the_clock() {
        let mut p = Player::live(Ts::from_secs(50));
        p.toggle();
        p.tick(Ts::from_secs(60));
        assert_eq!(p.now(), Ts::from_secs(50));
        p.step(600);
        assert_eq!(p.now(), Ts::from_secs(60));
        p.go_live();
        assert!(p.is_live());
    }
}
