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

/// Decides how often processes are looked at.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    step: usize,
    dear: u32,
    calm: u32,
}

impl Throttle {
    /// Seconds between looks.
    pub fn seconds(&self) -> u32 {
        STEPS[self.step]
    }

    /// Takes in how long a look took and how pressed the CPU is; returns what to say when the pace changed: a sentence
    /// when it is slower than normal, an empty one when it is normal again.
    pub fn after(&mut self, took: Duration, psi_cpu: f32) -> Option<String> {
        let dear = took > DEAR || psi_cpu > PRESSED;
        let cheap = took < CHEAP && psi_cpu < PRESSED / 2.0;
        self.dear = if dear { self.dear + 1 } else { 0 };
        self.calm = if cheap { self.calm + 1 } else { 0 };
        if self.dear >= 2 && self.step + 1 < STEPS.len() {
            self.step += 1;
        } else if self.calm >= CALM && self.step > 0 {
            self.step -= 1;
        } else {
            return None;
        }
        (self.dear, self.calm) = (0, 0);
        Some(match (self.step, took > DEAR) {
            (0, _) => String::new(),
            (_, true) => format!("processes every {} s: one look took {} ms", self.seconds(), took.as_millis()),
            (_, false) => format!("processes every {} s: CPU is short ({psi_cpu:.0} % pressure)", self.seconds()),
        })
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
        assert_eq!(t.after(Duration::ZERO, 61.0).as_deref(), Some("processes every 5 s: CPU is short (61 % pressure)"));
    }
}
