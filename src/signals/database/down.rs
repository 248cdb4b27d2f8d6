//! Whether a server was down, as its log tells: stopped, crashed, recovered, ready again; and for how long.
//!
//! It is down from the last sign of life on, not from the moment it starts again: recovery is the smaller part of it.

use std::time::Duration;

use super::event::{Told, What};
use super::history::DatabaseHistory;
use super::troubles;
use crate::timeline::time::short;
use crate::timeline::{TimeRange, Ts};
use crate::ui::{Level, Verdict};

/// How far back a beginning is looked for.
const REACHES: Duration = Duration::from_secs(3_600);
/// Something that did not end is told for so long after its last word.
const STANDS: Duration = Duration::from_secs(300);
/// What is over is told for so long.
const TOLD: Duration = Duration::from_secs(60);

/// A time in which a server was down.
struct Down<'a> {
    /// The first that was told of it.
    first: (Ts, &'a Told),
    /// When it began to put its data in order.
    recovering: Option<Ts>,
    /// What the server says of when it was last up.
    last_up: Option<Ts>,
    /// When it took connections again.
    ready: Option<Ts>,
}

/// The newest one, while it lasts and for a minute after.
pub fn verdict(history: &DatabaseHistory, now: Ts) -> Option<Verdict> {
    let d = newest(history, now)?;
    let what = d.what();
    let Some(ready) = d.ready else {
        let last = d.recovering.unwrap_or(d.first.0).max(d.first.0);
        return (now.since(last) < STANDS).then(|| match (&d.first.1.what, d.recovering) {
            (What::Stopping { .. }, None) => {
                Verdict::new(Level::Bad, format!("{what}, for {}", short(now.since(d.first.0))))
            }
            (_, since) => {
                let since = since.filter(|_| matches!(d.first.1.what, What::Stopping { .. })).unwrap_or(d.first.0);
                Verdict::new(Level::Bad, format!("{what}; in recovery for {}", short(now.since(since))))
            }
        });
    };
    if now.since(ready) >= TOLD {
        return None;
    }
    let recovery = d.recovering.map(|r| ready.since(r)).filter(|r| !r.is_zero());
    let back = match (d.since(history), recovery) {
        (None, Some(r)) => format!("back after a recovery of {}", short(r)),
        (None, None) => "back".to_owned(),
        (Some((since, exact)), recovery) => {
            let took = ready.since(since);
            let most = if exact { "" } else { " at most" };
            let recovery = recovery.filter(|r| *r < took).map(|r| format!(" (recovery {})", short(r)));
            match took.is_zero() {
                true => "back at once".to_owned(),
                false => format!("back after {}{most}{}", short(took), recovery.unwrap_or_default()),
            }
        }
    };
    let level = if d.is_clean() { Level::Warn } else { Level::Bad };
    Some(Verdict::new(level, format!("{what}; {back}, {} ago", short(now.since(ready)))))
}

fn newest(history: &DatabaseHistory, now: Ts) -> Option<Down<'_>> {
    let mut down: Option<Down> = None;
    for e in history.told.within(TimeRange::ending(now + Duration::from_nanos(1), REACHES), now) {
        let t = &e.value;
        let begins = matches!(t.what, What::Stopping { .. } | What::Crashed { .. } | What::Recovering { .. });
        if begins && down.as_ref().is_none_or(|d| d.ready.is_some()) {
            down = Some(Down { first: (e.at, t), recovering: None, last_up: None, ready: None });
        }
        let Some(d) = &mut down else { continue };
        match &t.what {
            What::Recovering { last_up } => {
                d.recovering = d.recovering.or(Some(e.at));
                d.last_up = d.last_up.or(*last_up);
            }
            What::Ready => d.ready = d.ready.or(Some(e.at)),
            _ => {}
        }
    }
    down
}

impl Down<'_> {
    /// Stopped as it should be: nothing had to be put in order.
    fn is_clean(&self) -> bool {
        matches!(self.first.1.what, What::Stopping { .. }) && self.recovering.is_none()
    }

    fn what(&self) -> String {
        match &self.first.1.what {
            What::Crashed { why } => troubles::crash(why, &self.first.1.statement),
            What::Stopping { why } if self.recovering.is_some() => {
                format!("server was not shut down cleanly ({why})")
            }
            What::Stopping { why } if self.ready.is_some() => format!("server was restarted ({why})"),
            What::Stopping { why } => format!("server was shut down ({why})"),
            _ => "server was not shut down cleanly".to_owned(),
        }
    }

    /// Since when it was down, and whether that is its end or only the last sign of life that was seen.
    fn since(&self, history: &DatabaseHistory) -> Option<(Ts, bool)> {
        let (at, told) = self.first;
        if !matches!(told.what, What::Recovering { .. }) {
            return Some((at, true));
        }
        // Which server writes the log is known only where there is no other.
        let mut servers = history.servers.values();
        let server = servers.next().filter(|_| servers.next().is_none());
        let look = server.and_then(|s| s.look(at)).map(|l| l.at);
        let wrote = history.told.upto(at).find(|e| e.at < at && e.value.from.source == told.from.source).map(|e| e.at);
        let slow = history.slow.upto(at).find(|e| e.value.from.source == told.from.source).map(|e| e.at);
        let last = [self.last_up, look, wrote, slow].into_iter().flatten().max()?;
        Some((last.min(at), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::{Activity, DatabaseEvent};
    use crate::timeline::SourceId;

    fn history(events: &[(i64, What)], look: Option<i64>) -> DatabaseHistory {
        let mut h = DatabaseHistory::default();
        if let Some(ms) = look {
            h.apply(1, SourceId(1), at(ms), &DatabaseEvent::Activity(Activity::default()));
        }
        for (i, (ms, what)) in events.iter().enumerate() {
            let told = Told { at: Some(at(*ms)), what: what.clone(), ..Told::default() };
            h.apply(i as u64 + 2, SourceId(3), at(*ms), &DatabaseEvent::Told(told));
        }
        h
    }

    fn at(ms: i64) -> Ts {
        Ts(1_700_000_000_000_000_000 + ms * 1_000_000)
    }

    fn stopping(why: &str) -> What {
        What::Stopping { why: why.into() }
    }

    fn recovering(last_up: Option<i64>) -> What {
        What::Recovering { last_up: last_up.map(at) }
    }

    #[test]
    fn it_was_down_from_the_last_sign_of_life_on_and_not_only_while_it_recovered() {
        let says = |events: &[(i64, What)], look, ms| verdict(&history(events, look), at(ms)).map(|v| v.text);
        let run = [
            (4_878, stopping("immediate shutdown request")),
            (25_100, recovering(Some(1_000))),
            (25_120, recovering(None)),
            (26_381, What::Ready),
        ];
        let said = |t| says(&run, Some(4_000), t).unwrap();
        assert_eq!(said(10_000), "server was shut down (immediate shutdown request), for 5.1 s");
        let unclean = "server was not shut down cleanly (immediate shutdown request)";
        assert_eq!(said(26_000), format!("{unclean}; in recovery for 900 ms"));
        assert_eq!(said(30_381), format!("{unclean}; back after 21 s (recovery 1.3 s), 4.0 s ago"));
        assert_eq!(says(&run, None, 90_000), None);
        // Killed: nobody told of its end.
        let plain = "server was not shut down cleanly; back after";
        let back = |look| says(&run[1..], look, 27_381).unwrap();
        assert_eq!(back(Some(5_000)), format!("{plain} 21 s at most (recovery 1.3 s), 1.0 s ago"));
        assert_eq!(back(None), format!("{plain} 25 s at most (recovery 1.3 s), 1.0 s ago"));
        let bare = [(25_100, recovering(None)), (26_381, What::Ready)];
        assert_eq!(says(&bare, None, 27_381).unwrap(), format!("{plain} a recovery of 1.3 s, 1.0 s ago"));
    }

    #[test]
    fn a_clean_restart_after_a_crash_is_the_one_that_counts() {
        let events = [
            (0, What::Crashed { why: "signal 9".into() }),
            (1_000, recovering(None)),
            (4_000, What::Ready),
            (20_000, stopping("fast shutdown request")),
            (22_000, What::Ready),
        ];
        let says = |ms| verdict(&history(&events, None), at(ms)).unwrap();
        let crashed = "server crashed: signal 9; back after 4.0 s (recovery 3.0 s), 1.0 s ago";
        assert_eq!(says(5_000), Verdict::new(Level::Bad, crashed));
        let restarted = "server was restarted (fast shutdown request); back after 2.0 s, 1.0 s ago";
        assert_eq!(says(23_000), Verdict::new(Level::Warn, restarted));
    }
}
