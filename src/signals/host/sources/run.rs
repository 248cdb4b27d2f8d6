//! The two loops: figures and processes by the second, and what may hang on a thread of its own.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::deleted;
use super::mounts::{self, Mounts};
use super::oom::{self, OomWatch};
use super::own::Own;
use super::portable::Portable;
use super::processes::Processes;
use super::sampler::Sampler;
use super::throttle::Throttle;
use crate::signals::host::config::HostConfig;
use crate::signals::host::event::HostEvent;
use crate::signals::{Event, Out, Roots, SourceError};
use crate::timeline::SourceState;

/// Time between samples.
const TICK: Duration = Duration::from_secs(1);
/// Time between the first two looks, so that there are figures almost at once.
const FIRST: Duration = Duration::from_millis(250);
/// Time the search for deleted files may take.
const DESCRIPTORS: Duration = Duration::from_millis(200);

/// Tells both threads to stop when it is dropped.
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

/// What a thread waits with.
#[derive(Clone)]
pub struct Stopped(Arc<(Mutex<bool>, Condvar)>);

/// A way to stop, and what notices it.
pub fn stop_pair() -> (Stop, Stopped) {
    let shared = Arc::new((Mutex::new(false), Condvar::new()));
    (Stop(shared.clone()), Stopped(shared))
}

impl Drop for Stop {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

impl Stopped {
    /// Waits until `until`; true when it is time to stop.
    fn wait(&self, until: Instant) -> bool {
        let mut stop = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if *stop || left.is_zero() {
                return *stop;
            }
            stop = self.0.1.wait_timeout(stop, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn say(out: &Out, event: HostEvent) {
    out.sample(Event::Host(event));
}

/// Samples, processes, OOM kills and our own cost, until stopped. Fails when nothing can be read here at all.
pub fn figures(roots: &Roots, out: &Out, stopped: &Stopped) -> Result<(), SourceError> {
    let mut sampler = Sampler::new(roots);
    if let Err(why) = sampler.look(0.0) {
        // Only the machine we run on can be asked by other means.
        if *roots != Roots::default() {
            return Err(SourceError::retry(why));
        }
        return portable(out, stopped, &why);
    }
    let mut processes = Processes::new(roots);
    let mut own = Own::new(roots);
    let mut oom = OomWatch::new(&oom::kmsg_path(roots));
    let mut throttle = Throttle::default();
    let boot_s = sampler.boot_s();
    for kill in oom.look(None, boot_s) {
        say(out, HostEvent::OomKill(kill));
    }
    let _ = processes.look(0.0, boot_s);
    let _ = own.look(0.0, 0.0);
    out.state_blocking(SourceState::Ok);

    let (mut sampled, mut listed, mut weighed) = (Instant::now(), Instant::now(), Instant::now());
    let mut next = sampled + FIRST;
    let mut next_list = next;
    let mut longest = 0.0f64;
    while !stopped.wait(next) {
        let began = Instant::now();
        let seconds = began.duration_since(sampled).as_secs_f64();
        sampled = began;
        let mut psi_cpu = 0.0;
        let mut pace = None;
        if let Some(sample) = sampler.look(seconds).map_err(SourceError::retry)? {
            psi_cpu = sample.pressure.map_or(0.0, |p| p.cpu_some_pct);
            pace = throttle.sampled(psi_cpu, sample.pressure.and_then(|p| p.since_last).map(|s| s.cpu_some_pct));
            for kill in oom.look(sample.oom_kills_since_boot, boot_s) {
                say(out, HostEvent::OomKill(kill));
            }
            say(out, HostEvent::Sample(Box::new(sample)));
        }
        if began >= next_list {
            let table =
                processes.look(began.duration_since(listed).as_secs_f64(), boot_s).map_err(SourceError::retry)?;
            listed = began;
            say(out, HostEvent::Processes(Box::new(table)));
            pace = throttle.after(began.elapsed(), psi_cpu).or(pace);
            // A little early, so that a tick that comes a moment too soon is not one too late.
            next_list = began + Duration::from_secs(u64::from(throttle.seconds())) - Duration::from_millis(100);
        }
        if let Some(why) = pace {
            out.state_blocking(if why.is_empty() { SourceState::Ok } else { SourceState::Degraded { why } });
        }
        longest = longest.max(began.elapsed().as_secs_f64() * 1000.0);
        if began.duration_since(weighed) >= Duration::from_secs(5) {
            if let Some(cost) = own.look(began.duration_since(weighed).as_secs_f64(), longest) {
                say(out, HostEvent::OwnCost(cost));
            }
            (weighed, longest) = (began, 0.0);
        }
        next += TICK;
        if next <= Instant::now() {
            // Late by more than a tick (suspended, starved): do not catch up, the gap is shown as a gap.
            next = Instant::now() + TICK;
        }
    }
    Ok(())
}

/// Mounts and deleted files, until stopped.
pub fn slow_things(config: &HostConfig, roots: &Roots, out: &Out, stopped: &Stopped) {
    let mut mounts = Mounts::new(roots, &config.ignore_mounts, mounts::ask(), mounts::DEADLINE);
    let mut next = Instant::now();
    let mut rounds = 0u32;
    while !stopped.wait(next) {
        let table = mounts.look(out.now());
        if !table.is_empty() {
            say(out, HostEvent::Mounts { mounts: table });
        }
        if rounds.is_multiple_of(6) && roots.proc.join("self/fd").is_dir() {
            let (files, unreadable) = deleted::look(roots, Instant::now() + DESCRIPTORS);
            say(out, HostEvent::OpenDeleted { files, unreadable });
        }
        rounds = rounds.wrapping_add(1);
        next = (next + Duration::from_secs(10)).max(Instant::now() + Duration::from_secs(1));
    }
}

/// Where there is no procfs.
fn portable(out: &Out, stopped: &Stopped, why: &str) -> Result<(), SourceError> {
    let mut machine = Portable::new().map_err(|e| SourceError::fatal(format!("{why}; and sysinfo: {e}")))?;
    out.state_blocking(SourceState::Degraded {
        why: "no procfs: no pressure, no disk latency, no cgroups, no OOM victims".into(),
    });
    let mut before = Instant::now();
    let mut next = before + FIRST;
    let mut ticks = 0u32;
    while !stopped.wait(next) {
        let now = Instant::now();
        let seconds = now.duration_since(before).as_secs_f64();
        before = now;
        say(out, HostEvent::Sample(Box::new(machine.sample(seconds))));
        if ticks.is_multiple_of(2) {
            say(out, HostEvent::Processes(Box::new(machine.processes())));
        }
        ticks = ticks.wrapping_add(1);
        next = (next + TICK).max(now);
    }
    Ok(())
}
