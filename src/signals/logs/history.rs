//! All that is known of logs, as of any playhead: counts by second and severity, what was opened, where sources broke.
//!
//! Holds no lines: they are the store's.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;

use super::episodes::{Episode, Stage};
use super::event::{LogAppended, LogEvent};
use super::quiet::{LastWords, Quiet, is_rotated};
use super::usual::UsualErrors;
use crate::timeline::counts::{CountSeries, Counts};
use crate::timeline::{History, Seq, Severity, SourceId, TimeRange, Ts};

/// Seams and openings remembered.
const SEAMS: usize = 1_000;
/// Changes of format remembered per source.
const FORMATS: usize = 16;
/// Span that rates are taken over.
const RATE: Duration = Duration::from_secs(10);
/// The shortest time there is.
const INSTANT: Duration = Duration::from_nanos(1);

/// A place where a source broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seam {
    /// Which source.
    pub source: SourceId,
    /// The generation that ended.
    pub generation: u32,
    /// What happened, in words.
    pub why: String,
}

/// A generation that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedAt {
    /// Which source.
    pub source: SourceId,
    /// Its number.
    pub generation: u32,
    /// Its path, when it is a file.
    pub path: Option<String>,
}

/// What one source said.
#[derive(Clone, Debug, Default)]
pub struct SourceLines {
    counts: CountSeries,
    words: LastWords,
    /// Format from when on.
    formats: Vec<(Ts, CompactString)>,
    /// When the run that followed it ended: silence from then on says nothing.
    ended: Option<Ts>,
    /// Whether it is a file that was rotated away: nobody writes it any more.
    past: bool,
    /// Lines observed since the start.
    pub lines: u64,
    /// Of these, lines that no format knew.
    pub unknown: u64,
}

/// The history of logs.
#[derive(Clone, Debug)]
pub struct LogsHistory {
    all: CountSeries,
    sources: BTreeMap<SourceId, SourceLines>,
    names: BTreeMap<SourceId, CompactString>,
    seams: History<Seam>,
    opened: History<OpenedAt>,
    lines: u64,
    errors: u64,
    usual: UsualErrors,
}

impl Default for LogsHistory {
    fn default() -> LogsHistory {
        LogsHistory {
            all: CountSeries::default(),
            sources: BTreeMap::new(),
            names: BTreeMap::new(),
            seams: History::new(SEAMS),
            opened: History::new(SEAMS),
            lines: 0,
            errors: 0,
            usual: UsualErrors::default(),
        }
    }
}

impl LogsHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &LogEvent) {
        match event {
            LogEvent::Opened(o) => {
                let past = o.path.as_deref().is_some_and(is_rotated);
                self.sources.entry(source).or_default().past = past;
                let opened = OpenedAt { source, generation: o.generation, path: o.path.clone() };
                self.opened.push(observed, observed, seq, opened);
            }
            LogEvent::Seam { generation, why } => {
                let seam = Seam { source, generation: *generation, why: why.clone() };
                self.seams.push(observed, observed, seq, seam);
            }
            LogEvent::Appended(a) => self.appended(source, observed, a),
        }
    }

    fn appended(&mut self, source: SourceId, observed: Ts, a: &LogAppended) {
        let s = self.sources.entry(source).or_default();
        for (second, counts) in &a.counts {
            // Of before the start every second is as of itself: an event holds ten, and those that are not over yet must
            // not look like silence.
            let observed = if a.seed { Ts::from_secs(*second) } else { observed };
            self.all.add(*second, observed, counts);
            self.usual.add(*second, observed, counts);
            s.counts.add(*second, observed, counts);
            s.words.changed(*second);
        }
        if s.formats.last().is_none_or(|(_, f)| *f != a.format) {
            s.formats.push((observed, a.format.clone()));
            if s.formats.len() > FORMATS {
                s.formats.remove(0);
            }
        }
        if a.seed {
            return;
        }
        s.lines += u64::from(a.lines);
        s.unknown += u64::from(a.unknown);
        self.lines += u64::from(a.lines);
        self.errors += a.counts.iter().map(|(_, c)| c.at_least(Severity::Error)).sum::<u64>();
    }

    /// The run that followed `source` has ended.
    pub fn ended(&mut self, source: SourceId, at: Ts) {
        if let Some(s) = self.sources.get_mut(&source) {
            s.ended = Some(at);
        }
    }

    /// What [`LogsHistory::around`] needs for the same times: cheap, because what is packed is shared.
    pub fn upto(&self, from: Ts, to: Ts) -> LogsHistory {
        self.recounted(self.usual.before(from.secs()).0, |counts| counts.upto(to))
    }

    /// The same as seen from further back: counts by the second from `from`, the beginning of a minute, to `to`, and by
    /// the minute before.
    pub fn around(&self, from: Ts, to: Ts) -> LogsHistory {
        // An outage that began before `from` is still the same one.
        let (usual, anew) = self.usual.before(from.secs());
        let mut out = self.recounted(usual, |counts| counts.around(from, to));
        // What was unpacked just now is not unpacked again.
        let full = out.all.full_from().is_some_and(|first| first <= anew);
        out.usual.fill(if full { &out.all } else { &self.all }, anew, to);
        out
    }

    /// The same with other counts.
    fn recounted(&self, usual: UsualErrors, counts: impl Fn(&CountSeries) -> CountSeries) -> LogsHistory {
        let source = |s: &SourceLines| SourceLines {
            counts: counts(&s.counts),
            words: LastWords::default(),
            formats: s.formats.clone(),
            ended: s.ended,
            past: s.past,
            lines: s.lines,
            unknown: s.unknown,
        };
        LogsHistory {
            all: counts(&self.all),
            sources: self.sources.iter().map(|(id, s)| (*id, source(s))).collect(),
            names: self.names.clone(),
            seams: self.seams.clone(),
            opened: self.opened.clone(),
            lines: self.lines,
            errors: self.errors,
            usual,
        }
    }

    /// Up to when counts are held by the minute only.
    pub fn let_go_upto(&self) -> Option<Ts> {
        self.all.packed_upto()
    }

    /// Lines and errors observed since the start, whatever the playhead.
    pub fn totals(&self) -> (u64, u64) {
        (self.lines, self.errors)
    }

    /// Lines that no format knew, since the start.
    pub fn unknown(&self) -> u64 {
        self.sources.values().map(|s| s.unknown).sum()
    }

    /// Sources that ever said or opened something, in order of their numbers.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &SourceLines)> {
        self.sources.iter().map(|(id, s)| (*id, s))
    }

    /// Records in each of `parts` equal pieces of `window`, as visible at `now`.
    pub fn columns(&self, window: TimeRange, parts: usize, now: Ts) -> Vec<Counts> {
        self.all.columns(window, parts, now)
    }

    /// Records in `range`, as visible at `now`.
    pub fn sum(&self, range: TimeRange, now: Ts) -> Counts {
        self.all.sum(range, now)
    }

    /// From the first to the last second that any line was counted in.
    pub fn counted(&self) -> Option<TimeRange> {
        self.all.span()
    }

    /// Places where sources broke, inside `range`, visible at `now`, oldest first.
    pub fn seams(&self, range: TimeRange, now: Ts) -> impl Iterator<Item = (Ts, &Seam)> {
        self.seams.within(range, now).map(|e| (e.at, &e.value))
    }

    /// Generations opened by `now`, newest first.
    pub fn opened(&self, now: Ts) -> impl Iterator<Item = (Ts, &OpenedAt)> {
        self.opened.upto(now).map(|e| (e.at, &e.value))
    }

    /// Records per second over the last ten full seconds.
    pub fn line_rate(&self, now: Ts) -> f64 {
        self.all.sum(last_seconds(now), now).total() as f64 / RATE.as_secs_f64()
    }

    /// Errors per second over the last ten full seconds.
    pub fn error_rate(&self, now: Ts) -> f64 {
        self.all.sum(last_seconds(now), now).at_least(Severity::Error) as f64 / RATE.as_secs_f64()
    }

    /// Errors per second while nothing is wrong: of the calm part of the last two hours. Trouble, however long it lasts,
    /// does not count towards it. 0 where no calm part is known.
    pub fn error_baseline(&self, now: Ts) -> f64 {
        self.usual.rate(now).unwrap_or(0.0)
    }

    /// When errors left their usual rate, where they are above it and were not calm for half a minute since; what was
    /// answered once stays. See [`episodes`](super::episodes).
    pub fn errors_since(&self, now: Ts) -> Option<Ts> {
        self.outage(now).map(|e| e.since)
    }

    /// The outage that goes on, or may be over but is not yet surely.
    pub fn outage(&self, now: Ts) -> Option<Episode> {
        self.usual.newest(now).filter(|e| e.stage != Stage::Over)
    }

    /// The newest outage, over or not.
    pub fn last_outage(&self, now: Ts) -> Option<Episode> {
        self.usual.newest(now)
    }

    /// All outages that are remembered, oldest first, as known at `now`.
    pub fn outages(&self, now: Ts) -> Vec<Episode> {
        self.usual.episodes(now)
    }

    /// Since when something is known, as of `now`: the first second that was counted, if it was by then.
    pub fn known_since(&self, now: Ts) -> Option<Ts> {
        self.counted().map(|c| c.start).filter(|start| *start < now)
    }

    /// Sources that had a steady stream of lines and have said nothing for long against it, by name; see
    /// [`quiet`](super::quiet).
    pub fn quiet(&self, now: Ts) -> Vec<Quiet> {
        let quiet = |(id, s): (&SourceId, &SourceLines)| {
            let (since, rate) = s.quiet(now)?;
            Some(Quiet { source: *id, name: self.name(*id), since, rate })
        };
        self.sources.iter().filter(|(_, s)| s.ended.is_none_or(|at| at > now)).filter_map(quiet).collect()
    }

    /// A source has a name from now on.
    pub fn declare(&mut self, source: SourceId, name: &str) {
        self.names.insert(source, name.into());
    }

    /// What a source was declared as.
    pub fn declared(&self, source: SourceId) -> Option<&str> {
        self.names.get(&source).map(CompactString::as_str)
    }

    /// What a source is called, or its number.
    pub fn name(&self, source: SourceId) -> CompactString {
        self.names.get(&source).cloned().unwrap_or_else(|| format!("source {}", source.0).into())
    }
}

impl SourceLines {
    /// The format its lines were read with at `now`.
    pub fn format(&self, now: Ts) -> Option<&str> {
        self.formats.iter().rev().find(|(t, _)| *t <= now).map(|(_, f)| f.as_str())
    }

    /// Records per second over the last ten full seconds.
    pub fn line_rate(&self, now: Ts) -> f64 {
        self.counts.sum(last_seconds(now), now).total() as f64 / RATE.as_secs_f64()
    }

    /// Errors per second over the last ten full seconds.
    pub fn error_rate(&self, now: Ts) -> f64 {
        self.counts.sum(last_seconds(now), now).at_least(Severity::Error) as f64 / RATE.as_secs_f64()
    }

    /// Records in `range`, as visible at `now`.
    pub fn sum(&self, range: TimeRange, now: Ts) -> Counts {
        self.counts.sum(range, now)
    }

    /// Records in each of `parts` equal pieces of `window`, as visible at `now`.
    pub fn columns(&self, window: TimeRange, parts: usize, now: Ts) -> Vec<Counts> {
        self.counts.columns(window, parts, now)
    }

    /// The first second that anything was counted in.
    pub fn first(&self) -> Option<Ts> {
        self.counts.span().map(|s| s.start)
    }

    /// Since when it is quiet at `now`, if it is, and its lines per second before. Never one that said nothing since it
    /// was opened (it was over before), and no rotated file.
    pub fn quiet(&self, now: Ts) -> Option<(Ts, f64)> {
        if self.past || self.lines == 0 {
            return None;
        }
        self.words.quiet(&self.counts, now)
    }
}

/// The last ten full seconds. Sums take in the second that holds the end of a range, so it ends just before.
fn last_seconds(now: Ts) -> TimeRange {
    let end = now.floor(Duration::from_secs(1));
    TimeRange::new(end - RATE, end - INSTANT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::event::LogOpened;

    /// `errors` and one hundred other records in each second of `seconds`.
    fn fill(h: &mut LogsHistory, source: u32, seconds: std::ops::Range<i64>, errors: u32) {
        for s in seconds {
            let mut c = Counts::default();
            c.add(Some(Severity::Error), errors);
            c.add(Some(Severity::Info), 100);
            let a = LogAppended {
                start: s as u64,
                end: s as u64 + 1,
                lines: 100 + errors,
                counts: vec![(s, c)],
                format: "json".into(),
                ..LogAppended::default()
            };
            h.apply(s as u64, SourceId(source), Ts::from_secs(s), &LogEvent::Appended(a));
        }
    }

    #[test]
    fn lines_that_come_late_change_what_was_already_answered() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..600, 0);
        let now = Ts::from_secs(600);
        assert_eq!((h.errors_since(now), h.errors_since(now)), (None, None));
        fill(&mut h, 2, 560..599, 40);
        assert_eq!(h.errors_since(now), Some(Ts::from_secs(560)));
        assert_eq!(h.errors_since(Ts::from_secs(550)), None, "and as of before, all was calm");
        assert_eq!(h.errors_since(now), Some(Ts::from_secs(560)));
    }

    #[test]
    fn trouble_begins_in_the_second_in_which_errors_left_their_usual_rate() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..1_000, 0);
        fill(&mut h, 1, 1_000..1_400, 40);
        assert_eq!(h.errors_since(Ts::from_secs(1_000)), None, "not visible yet");
        assert_eq!(h.errors_since(Ts::from_secs(1_002)), Some(Ts::from_secs(1_000)));
        assert_eq!(h.errors_since(Ts::from_secs(1_400)), Some(Ts::from_secs(1_000)));
        assert_eq!(h.error_rate(Ts::from_secs(1_400)), 40.0);
        assert_eq!(h.error_baseline(Ts::from_secs(1_400)), 0.0);
        fill(&mut h, 1, 1_400..1_500, 0);
        assert_eq!(h.errors_since(Ts::from_secs(1_500)), None, "over");
    }

    #[test]
    fn an_outage_never_becomes_its_own_baseline() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..20, 0);
        fill(&mut h, 1, 20..6_000, 15);
        for now in [30, 100, 125, 160, 600, 1_900, 3_000, 6_000] {
            let now = Ts::from_secs(now);
            assert_eq!(h.errors_since(now), Some(Ts::from_secs(20)), "at {now}");
            assert_eq!(h.error_baseline(now), 0.0, "at {now}");
        }
        fill(&mut h, 1, 6_000..6_060, 0);
        assert_eq!(h.errors_since(Ts::from_secs(6_060)), None, "over");
    }

    #[test]
    fn an_outage_is_told_against_the_errors_that_are_usual() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..600, 1);
        fill(&mut h, 1, 600..4_000, 15);
        assert_eq!(h.errors_since(Ts::from_secs(4_000)), Some(Ts::from_secs(600)));
        assert_eq!(h.error_baseline(Ts::from_secs(4_000)), 1.0);
    }

    #[test]
    fn a_log_that_is_mostly_errors_from_its_first_line_on_is_trouble() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..900, 80);
        assert_eq!(h.errors_since(Ts::from_secs(900)), Some(Ts::from_secs(0)));
    }

    #[test]
    fn a_steady_rate_of_errors_is_no_trouble() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..1_000, 2);
        assert_eq!(h.errors_since(Ts::from_secs(1_000)), None);
        assert_eq!(h.error_baseline(Ts::from_secs(1_000)), 2.0);
    }

    #[test]
    fn a_source_that_stops_logging_is_noticed_against_its_own_rate() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..1_000, 0);
        fill(&mut h, 2, 0..900, 0);
        h.declare(SourceId(2), "nginx");
        let quiet = h.quiet(Ts::from_secs(1_000));
        let said: Vec<_> = quiet.iter().map(|q| (q.name.as_str(), q.since, q.rate)).collect();
        assert_eq!(said, [("nginx", Ts::from_secs(900), 100.0)]);
        assert!(h.quiet(Ts::from_secs(910)).is_empty());
        assert!(h.quiet(Ts::from_secs(600)).is_empty(), "as of before, it still spoke");
        fill(&mut h, 2, 990..999, 0);
        assert!(h.quiet(Ts::from_secs(1_000)).is_empty(), "it speaks again");
    }

    #[test]
    fn the_half_hour_before_the_start_is_true_at_every_second() {
        // Counts of ten seconds in one event, as the seed is told, and the same as they would have come live.
        let (mut seeded, mut live) = (LogsHistory::default(), LogsHistory::default());
        let errors = |s: i64| if (1_033..1_086).contains(&s) { 3 + (s % 3) as u32 } else { 0 };
        for s in 0..1_090 {
            fill(&mut live, 1, s..s + 1, errors(s));
        }
        for from in (0..1_090).step_by(10) {
            let counts = (from..from + 10).map(|s| {
                let mut c = Counts::default();
                c.add(Some(Severity::Error), errors(s));
                c.add(Some(Severity::Info), 100);
                (s, c)
            });
            let a = LogAppended {
                start: from as u64,
                end: from as u64 + 1,
                lines: 1_000,
                counts: counts.collect(),
                format: "json".into(),
                seed: true,
                ..LogAppended::default()
            };
            seeded.apply(from as u64, SourceId(1), Ts::from_secs(from + 9), &LogEvent::Appended(a));
        }
        for now in (600..1_090).map(Ts::from_secs) {
            let of = |h: &LogsHistory| (h.outages(now), h.line_rate(now), h.error_rate(now), h.error_baseline(now));
            assert_eq!(of(&seeded), of(&live), "at {now}");
        }
        assert_eq!(seeded.errors_since(Ts::from_secs(1_060)), Some(Ts::from_secs(1_033)));
    }

    #[test]
    fn an_outage_that_lasts_for_hours_keeps_its_beginning_in_windows_onto_the_past_too() {
        let mut h = LogsHistory::default();
        fill(&mut h, 1, 0..1_000, 0);
        fill(&mut h, 1, 1_000..20_000, 40);
        for now in [1_010, 9_000, 19_999].map(Ts::from_secs) {
            let seen = match h.let_go_upto() {
                Some(gone) if gone >= now - Duration::from_secs(1_800) => {
                    let from = (now - Duration::from_secs(1_800)).floor(Duration::from_secs(60));
                    h.upto(from, now).around(from, now)
                }
                _ => h.clone(),
            };
            assert_eq!(seen.errors_since(now), Some(Ts::from_secs(1_000)), "at {now}");
            assert_eq!(seen.error_baseline(now), 0.0);
        }
    }

    #[test]
    fn files_that_were_over_before_the_start_and_rotated_ones_are_not_called_quiet() {
        let mut h = LogsHistory::default();
        for (source, path, seed) in [(1, "app.log", false), (2, "old.log", true), (3, "app.log.1", false)] {
            let opened = LogOpened {
                generation: 0,
                path: Some(format!("/var/log/{path}")),
                file: None,
                size: 0,
                head: None,
                format: None,
                request_id: Vec::new(),
            };
            h.apply(Seq::default(), SourceId(source), Ts::from_secs(0), &LogEvent::Opened(opened));
            for s in 0..600 {
                let mut c = Counts::default();
                c.add(Some(Severity::Info), 10);
                let a = LogAppended {
                    start: s as u64,
                    end: s as u64 + 1,
                    lines: 10,
                    counts: vec![(s, c)],
                    format: "text".into(),
                    seed,
                    ..LogAppended::default()
                };
                h.apply(Seq::default(), SourceId(source), Ts::from_secs(s), &LogEvent::Appended(a));
            }
        }
        let quiet: Vec<_> = h.quiet(Ts::from_secs(700)).into_iter().map(|q| q.source).collect();
        assert_eq!(quiet, [SourceId(1)]);
        let (_, old) = h.sources().nth(1).expect("the one that was over");
        assert_eq!(old.format(Ts::from_secs(700)), Some("text"), "how it is read is known at once");
    }
}
