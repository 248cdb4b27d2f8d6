//! Log volume at an instant, to be compared with another: per severity and per source.

use super::history::LogsHistory;
use crate::timeline::figure::{Figure, MEAN_OVER, Trouble, Unit};
use crate::timeline::{Severity, SourceId, TimeRange, Ts};

/// Records a second over the minute before `now`. `name` gives a source its name.
pub fn figures(history: &LogsHistory, now: Ts, name: impl Fn(SourceId) -> String) -> Vec<Figure> {
    let minute = TimeRange::ending(now.floor(std::time::Duration::from_secs(1)), MEAN_OVER);
    let mut out = Vec::new();
    // Of a minute that is only partly known, the known part.
    let Some(from) = history.counted().map(|c| c.start.max(minute.start)).filter(|t| *t < minute.end) else {
        return out;
    };
    let seconds = minute.end.since(from).as_secs_f64();
    let all = history.sum(minute, now);
    let mut above = 0;
    for severity in Severity::ALL.into_iter().rev() {
        let at_least = all.at_least(severity);
        let n = (at_least - above) as f64 / seconds;
        above = at_least;
        let figure = Figure::number("Logs, records a second", severity.name().to_lowercase(), n, Unit::PerSecond, 0.2);
        out.push(if severity >= Severity::Warn { figure } else { figure.trouble(Trouble::Neither) });
    }
    for (source, lines) in history.sources() {
        let counts = lines.sum(minute, now);
        let rate = counts.total() as f64 / seconds;
        let errors = counts.at_least(Severity::Error) as f64 / seconds;
        // A source that has gone quiet is as telling as one that errs.
        let figure = Figure::number("Logs, records a second", name(source), rate, Unit::PerSecond, 1.0);
        out.push(figure.trouble(Trouble::Less));
        let of = format!("{}: errors", name(source));
        out.push(Figure::number("Logs, records a second", of, errors, Unit::PerSecond, 0.2));
    }
    out
}
