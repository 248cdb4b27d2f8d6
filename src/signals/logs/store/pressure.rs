//! Whether others wait for what the background would take: the kernel's pressure figures, less what it causes itself.

use std::time::{Duration, Instant};

/// Share of time, in percent, in which somebody waited for a processor, from which on the box is short of it.
pub const HIGH_CPU: f64 = 60.0;
const HIGH_IO: f64 = 15.0;
const HIGH_MEMORY: f64 = 10.0;
/// The kernel's average goes over about so long.
const AVERAGE: f64 = 10.0;

/// Percent of the last ten seconds in which some task waited; zero where the kernel does not say.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Pressure {
    /// For a processor.
    pub cpu: f64,
    /// For storage.
    pub io: f64,
    /// For memory.
    pub memory: f64,
}

/// As it is now.
pub fn read() -> Pressure {
    let of = |what| {
        std::fs::read_to_string(format!("/proc/pressure/{what}")).ok().and_then(|t| some_avg10(&t)).unwrap_or(0.0)
    };
    Pressure { cpu: of("cpu"), io: of("io"), memory: of("memory") }
}

/// `some avg10=1.23 avg60=…`
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|l| l.strip_prefix("some "))?;
    line.split_ascii_whitespace().find_map(|w| w.strip_prefix("avg10="))?.parse().ok()
}

/// How the background's own reading weighs in those figures.
#[derive(Debug)]
pub struct Own {
    /// Share of time spent waiting for storage, averaged as the kernel does.
    waiting: f64,
    at: Instant,
}

impl Own {
    /// Nothing read so far.
    pub fn new(now: Instant) -> Own {
        Own { waiting: 0.0, at: now }
    }

    /// Of the time since the last call `waited` went into waiting for storage.
    pub fn waited(&mut self, waited: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        if passed > 0.0 {
            let old = (-passed / AVERAGE).exp();
            self.waiting = self.waiting * old + (waited.as_secs_f64() / passed).min(1.0) * (1.0 - old);
            self.at = now;
        }
    }

    /// Whether others suffer. Processors are yielded to anybody by priority; being short of them altogether is told by a
    /// higher figure.
    pub fn others_suffer(&self, p: Pressure) -> bool {
        p.cpu > HIGH_CPU || p.io - self.waiting * 100.0 > HIGH_IO || p.memory > HIGH_MEMORY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_of_its_own_is_no_reason_to_pause_that_of_others_is() {
        assert_eq!(some_avg10("some avg10=12.50 avg60=3.00 avg300=1.00 total=9\nfull avg10=0.00"), Some(12.5));
        let began = Instant::now();
        let mut own = Own::new(began);
        for s in 1..=60 {
            own.waited(Duration::from_millis(500), began + Duration::from_secs(s));
        }
        let io = |io| Pressure { io, ..Pressure::default() };
        assert!(!own.others_suffer(io(50.0)));
        assert!(own.others_suffer(io(90.0)));
        own.waited(Duration::ZERO, began + Duration::from_secs(120));
        assert!(own.others_suffer(io(50.0)), "it rests, so it is somebody else");
        assert!(own.others_suffer(Pressure { cpu: 80.0, ..Pressure::default() }));
    }
}
