//! First, do no harm: when looking at processes is dear, or CPU is short, we look less often, and say so.

use std::time::Duration;

/// A look that takes longer is dear.
const DEAR: Duration = Duration::from_millis(50);
/// A look that takes less is cheap.
const CHEAP: Duration = Duration::from_millis(20);
/// CPU pressure in percent above which we hold back.
const PRESSED: f32 = 50.0;
/// Cheap looks in a row before we look more often again.
const CALM: u32 = 12;
/// Seconds between looks at processes.
const STEPS: [u32; 3] = [2, 5, 10];

/// Seconds without pressure after which the CPU is no longer short, whatever the mean of ten seconds remembers.
const EASED: u32 = 3;

/// Decides how often processes are looked at, and says why as it is when it is read: a reason outlives its cause by the
/// looks it takes to come back to the normal pace.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    step: usize,
    dear: u32,
    calm: u32,
    /// Seconds in a row without pressure.
    eased: u32,
    why: Why,
    over: bool,
}

/// Why the pace is slower than normal.
#[derive(Copy, Clone, Debug, Default)]
enum Why {
    #[default]
    Pressed,
    Dear(Duration),
}

impl Throttle {
    /// Seconds between looks.
    pub fn seconds(&self) -> u32 {
        STEPS[self.step]
    }

    /// Takes in the CPU pressure of a sample: the mean of ten seconds, and that since the sample before where it is known.
    /// Returns what to say when that has become something else.
    pub fn sampled(&mut self, mean: f32, since_last: Option<f32>) -> Option<String> {
        self.eased = if mean.min(since_last.unwrap_or(mean)) < PRESSED / 2.0 { self.eased + 1 } else { 0 };
        let over = self.step > 0 && !self.over && matches!(self.why, Why::Pressed) && self.eased >= EASED;
        over.then(|| {
            self.over = true;
            self.words()
        })
    }

    /// Takes in how long a look took and how pressed the CPU is; returns what to say when that has become something else:
    /// a sentence when the pace is slower than normal, an empty one when it is normal again.
    pub fn after(&mut self, took: Duration, psi_cpu: f32) -> Option<String> {
        let dear = took > DEAR || (psi_cpu > PRESSED && self.eased < EASED);
        let cheap = took < CHEAP && (psi_cpu < PRESSED / 2.0 || self.eased >= EASED);
        self.dear = if dear { self.dear + 1 } else { 0 };
        self.calm = if cheap { self.calm + 1 } else { 0 };
        let before = (self.step, self.over);
        if self.dear >= 2 && self.step + 1 < STEPS.len() {
            self.step += 1;
            (self.dear, self.calm) = (0, 0);
        } else if self.calm >= CALM && self.step > 0 {
            self.step -= 1;
            (self.dear, self.calm) = (0, 0);
        }
        if dear {
            self.why = if took > DEAR { Why::Dear(took) } else { Why::Pressed };
        }
        self.over = !dear && (cheap || self.over);
        let changed = before != (self.step, self.over) && (before.0 > 0 || self.step > 0);
        changed.then(|| self.words())
    }

    fn words(&self) -> String {
        let Some(next) = self.step.checked_sub(1).map(|i| STEPS[i]) else { return String::new() };
        let soon = if self.over { format!(", soon {next} s again") } else { String::new() };
        let why = match (self.why, self.over) {
            (Why::Dear(took), _) => format!("one look took {} ms", took.as_millis()),
            (Why::Pressed, false) => "CPU is short".into(),
            (Why::Pressed, true) => "CPU was short".into(),
        };
        format!("processes every {} s{soon}: {why}", self.seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dear_looks_slow_us_down_and_a_calm_while_brings_us_back() {
        let (dear, cheap) = (Duration::from_millis(72), Duration::from_millis(5));
        let mut t = Throttle::default();
        assert_eq!(t.after(dear, 0.0), None, "once is chance");
        assert_eq!(t.after(dear, 0.0).as_deref(), Some("processes every 5 s: one look took 72 ms"));
        t.after(dear, 0.0);
        t.after(dear, 0.0);
        assert_eq!(t.seconds(), 10);
        t.after(dear, 0.0);
        assert_eq!((t.after(dear, 0.0), t.seconds()), (None, 10), "ten is the slowest");
        let said: Vec<String> = (0..2 * CALM).filter_map(|_| t.after(cheap, 0.0)).collect();
        assert_eq!((t.seconds(), said.last().map(String::as_str)), (2, Some("")));
    }

    #[test]
    fn a_pressed_cpu_slows_us_down_however_quick_we_are() {
        let mut t = Throttle::default();
        t.after(Duration::ZERO, 61.0);
        assert_eq!(t.after(Duration::ZERO, 61.0).as_deref(), Some("processes every 5 s: CPU is short"));
    }

    #[test]
    fn a_reason_that_has_ended_is_told_as_one_that_was_until_the_pace_is_normal() {
        let quick = Duration::from_millis(5);
        let mut t = Throttle::default();
        for _ in 0..4 {
            t.sampled(86.0, Some(90.0));
            t.after(quick, 86.0);
        }
        assert_eq!(t.seconds(), 10);
        // The mean of ten seconds is still high when the shortage has ended: three seconds say so.
        let said: Vec<_> = (0..5).map(|_| t.sampled(60.0, Some(2.0))).collect();
        let was = "processes every 10 s, soon 5 s again: CPU was short";
        assert_eq!(said, [None, None, Some(was.to_owned()), None, None]);
        assert_eq!(t.after(quick, 55.0), None, "and a look adds nothing");
        // It is short again, and says so; another second of it says no more.
        assert_eq!(t.sampled(70.0, Some(95.0)), None);
        assert_eq!(t.after(quick, 70.0).as_deref(), Some("processes every 10 s: CPU is short"));
        assert_eq!(t.after(quick, 72.0), None);
        // On the way back each step says what is true of it.
        let mut said: Vec<String> = (0..3).filter_map(|_| t.sampled(3.0, Some(0.0))).collect();
        said.extend((0..2 * CALM).filter_map(|_| t.after(quick, 3.0)));
        assert_eq!(said, [was, "processes every 5 s, soon 2 s again: CPU was short", ""]);
    }

    #[test]
    fn a_look_that_was_dear_once_is_told_as_such_while_looks_are_cheap_again() {
        let (dear, cheap) = (Duration::from_millis(72), Duration::from_millis(5));
        let mut t = Throttle::default();
        t.after(dear, 0.0);
        t.after(dear, 0.0);
        assert_eq!(t.after(cheap, 0.0).as_deref(), Some("processes every 5 s, soon 2 s again: one look took 72 ms"));
        assert!((0..60).all(|_| t.sampled(0.0, Some(0.0)).is_none()), "pressure has nothing to do with it");
    }
}
