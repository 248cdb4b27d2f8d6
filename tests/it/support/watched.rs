//! A database source that runs for real, and the pane as it looks over what the source has said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use warroom::signals::database::history::DatabaseHistory;
use warroom::signals::database::pane;
use warroom::signals::{Envelope, Event, Source};
use warroom::stream::recorder::{Recorder, RecorderOptions};
use warroom::timeline::facts::Facts;
use warroom::timeline::source::Declaration;
use warroom::timeline::{OriginId, SourceId, SourceState, Ts};
use warroom::ui::{Glyphs, PaneCx, Theme};

use super::out::{self, Run};

/// How long anything may take to be seen.
pub const LIMIT: Duration = Duration::from_secs(20);

pub struct Watched {
    pub run: Run,
    pub history: DatabaseHistory,
    /// What the source last said of itself.
    pub state: Option<SourceState>,
    now: Ts,
    seq: u64,
    /// What came, as a recorder gets it.
    events: Vec<Envelope>,
    /// Seconds that our clock is ahead of the server's.
    pub ahead: i64,
}

impl Watched {
    pub fn start(source: Box<dyn Source>) -> Watched {
        Watched::over(out::start(source))
    }

    /// One that is run again after a failure that may pass.
    pub fn start_again(source: Box<dyn Source>) -> Watched {
        Watched::over(out::start_again(source))
    }

    fn over(run: Run) -> Watched {
        let (history, events) = (DatabaseHistory::default(), Vec::new());
        Watched { run, history, state: None, now: Ts(0), seq: 0, events, ahead: 0 }
    }

    /// The pane that a recording of all this shows, with no server: it must be the same one.
    pub fn replays_the_same(&self) {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("scenario.wr");
        let recorder = Recorder::start(RecorderOptions::default()).expect("a recorder");
        for batch in self.events.chunks(64) {
            recorder.offer(&Arc::from(batch));
        }
        recorder.save(path.clone(), false).expect("saved");
        recorder.finish(Duration::from_secs(5));
        let mut history = DatabaseHistory::default();
        let summary = warroom::stream::replay::read(&path, &mut |batch| {
            for e in batch {
                if let Event::Database(event) = &e.event {
                    history.apply(e.seq, e.source, e.observed, event);
                }
            }
            true
        });
        assert_eq!(summary.expect("a recording").missing, 0);
        assert_eq!(shown(&history, self.now), self.pane());
    }

    fn take(&mut self, o: warroom::signals::source::Observation) {
        self.now = Ts(o.observed.0 + self.ahead * 1_000_000_000);
        self.seq += 1;
        match &o.event {
            Event::Database(e) => self.history.apply(self.seq, SourceId(1), self.now, e),
            Event::Stream(Declaration::State { state, .. }) => self.state = Some(state.clone()),
            _ => {}
        }
        let (seq, observed) = (self.seq, self.now);
        self.events.push(Envelope {
            seq,
            origin: OriginId(0),
            source: SourceId(1),
            observed,
            mono: o.mono,
            event: o.event,
        });
    }

    /// The pane now, its verdict first.
    pub fn pane(&self) -> String {
        shown(&self.history, self.now)
    }

    /// The pane's first row below the bars: what the eye falls on after the verdict.
    pub fn first_row(&self) -> String {
        let pane = self.pane();
        let mut rows = pane.lines().skip(1).map(str::trim);
        let row = rows.find(|l| !l.is_empty() && !l.starts_with("slots ") && !l.starts_with("used "));
        row.unwrap_or_default().to_owned()
    }

    /// Asks the pane about the row that has `words`.
    pub fn on_row<T>(&self, words: &str, ask: impl Fn(&DatabaseHistory, &PaneCx) -> T) -> T {
        let found = self.with(0, |history, cx| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 40));
            let frame = pane::draw(history, cx, buffer.area, &mut buffer);
            let text = warroom::ui::frame::to_text(&buffer);
            let lines: Vec<&str> = text.lines().collect();
            frame.rows.iter().find(|r| lines[usize::from(r.area.y)].contains(words)).map(|r| r.index)
        });
        self.with(found.unwrap_or_else(|| panic!("no row {words}\n{}", self.pane())), ask)
    }

    fn with<T>(&self, cursor: usize, ask: impl Fn(&DatabaseHistory, &PaneCx) -> T) -> T {
        with(&self.history, self.now, cursor, ask)
    }

    /// Takes in what the source says until `ok`; gives the pane as it is then.
    pub async fn until(&mut self, what: &str, mut ok: impl FnMut(&Watched, &str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let pane = self.pane();
            if ok(self, &pane) {
                return pane;
            }
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.run.seen.recv()).await {
                Ok(Some(o)) => self.take(o),
                Ok(None) => panic!("the source ended before {what}; the pane was\n{pane}"),
                Err(_) => panic!("no {what} within {LIMIT:?}; {:?}, the pane was\n{pane}", self.state),
            }
        }
    }

    /// Until the verdict, the pane's first line, has `words`.
    pub async fn verdict(&mut self, words: &str) -> String {
        let pane = self.until(words, |_, pane| pane.lines().next().is_some_and(|v| v.contains(words))).await;
        pane.lines().next().unwrap_or_default().trim().to_owned()
    }

    /// Until the source says of itself that it sees less than it should, in these words.
    pub async fn degraded(&mut self, words: &str) {
        let lacks = |w: &Watched| matches!(&w.state, Some(SourceState::Degraded { why }) if why.contains(words));
        self.until(words, |w, _| lacks(w)).await;
    }
}

/// The pane over a history at an instant, its verdict first.
fn shown(history: &DatabaseHistory, now: Ts) -> String {
    with(history, now, 0, |history, cx| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 16));
        pane::draw(history, cx, buffer.area, &mut buffer);
        warroom::ui::frame::to_text(&buffer)
    })
}

fn with<T>(history: &DatabaseHistory, now: Ts, cursor: usize, ask: impl Fn(&DatabaseHistory, &PaneCx) -> T) -> T {
    let theme = Theme::monochrome();
    let facts = Facts::default();
    let cx = PaneCx {
        theme: &theme,
        glyphs: &Glyphs::UNICODE,
        now,
        zone: &jiff::tz::TimeZone::UTC,
        facts: &facts,
        focused: false,
        zoomed: false,
        cursor,
        live: true,
    };
    ask(history, &cx)
}
