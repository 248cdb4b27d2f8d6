//! How often to look: slower when looking costs the server too much, faster again when it does not.

use std::collections::VecDeque;
use std::time::Duration;

/// Steps between looks; never below the configured interval.
const STEPS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10)];
/// Looks that are remembered for the 95th percentile.
const WINDOW: usize = 20;
/// Server milliseconds a look may take at the 95th percentile.
const P95_MS: f32 = 100.0;
/// Share of the time the server may work for us.
const DUTY: f32 = 0.02;
/// Good looks in a row that bring the interval back by one step.
const GOOD: u32 = 5;

/// The interval between looks, decided from what the last ones cost.
#[derive(Clone, Debug)]
pub struct Pace {
    base: Duration,
    step: usize,
    costs: VecDeque<f32>,
    good: u32,
}

impl Pace {
    /// Begins at `base`, clamped to 1 to 60 seconds.
    pub fn new(base: Duration) -> Pace {
        let base = base.clamp(Duration::from_secs(1), Duration::from_secs(60));
        Pace { base, step: 0, costs: VecDeque::new(), good: 0 }
    }

    /// The interval now.
    pub fn every(&self) -> Duration {
        self.base.max(STEPS[self.step])
    }

    /// Takes in what a look cost the server, in milliseconds.
    pub fn record(&mut self, server_ms: f32) {
        self.costs.push_back(server_ms);
        if self.costs.len() > WINDOW {
            self.costs.pop_front();
        }
        let mut sorted: Vec<f32> = self.costs.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        let p95 = sorted[(sorted.len() * 95).div_ceil(100).saturating_sub(1)];
        let mean = sorted.iter().sum::<f32>() / sorted.len() as f32;
        let duty = mean / 1e3 / self.every().as_secs_f32();
        // One expensive look may be chance, and old ones do not count against a cheap one.
        let now = server_ms > P95_MS || server_ms / 1e3 / self.every().as_secs_f32() > DUTY;
        if now && self.costs.len() >= 3 && (p95 > P95_MS || duty > DUTY) {
            if self.step + 1 < STEPS.len() {
                self.step += 1;
            }
            self.costs.clear();
            self.good = 0;
            return;
        }
        // Good enough for the faster step as well, or it would swing to and fro.
        let faster = self.step.checked_sub(1).map(|s| self.base.max(STEPS[s]));
        let good = faster.is_some_and(|f| server_ms <= P95_MS && server_ms / 1e3 / f.as_secs_f32() <= DUTY);
        self.good = if good { self.good + 1 } else { 0 };
        if self.good >= GOOD {
            self.step -= 1;
            self.good = 0;
            self.costs.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pace: &mut Pace, ms: f32, looks: usize) -> u64 {
        (0..looks).for_each(|_| pace.record(ms));
        pace.every().as_secs()
    }

    #[test]
    fn expensive_looks_become_rare_and_cheap_ones_frequent_again() {
        let mut p = Pace::new(Duration::from_secs(1));
        assert_eq!(after(&mut p, 5.0, 100), 1);
        assert_eq!(after(&mut p, 150.0, 3), 2);
        assert_eq!(after(&mut p, 150.0, 3), 5);
        assert_eq!(after(&mut p, 150.0, 30), 10);
        assert_eq!(after(&mut p, 5.0, 5), 5);
        assert_eq!(after(&mut p, 5.0, 10), 1);
    }

    #[test]
    fn a_duty_above_two_percent_slows_down_and_stays_slow_without_swinging() {
        let mut p = Pace::new(Duration::from_secs(1));
        assert_eq!(after(&mut p, 30.0, 3), 2);
        assert_eq!(after(&mut p, 30.0, 50), 2);
    }

    #[test]
    fn a_configured_interval_is_never_undercut() {
        let mut p = Pace::new(Duration::from_secs(5));
        assert_eq!(after(&mut p, 5.0, 50), 5);
        assert_eq!(Pace::new(Duration::ZERO).every().as_secs(), 1);
    }
}
