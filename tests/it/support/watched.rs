//! A database source that runs for real, and the pane as it looks over what the source has said.

use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use warroom::signals::database::history::DatabaseHistory;
use warroom::signals::database::pane;
use warroom::signals::{Event, Source};
use warroom::timeline::facts::Facts;
use warroom::timeline::source::Declaration;
use warroom::timeline::{SourceId, SourceState, Ts};
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
}

impl Watched {
    pub fn start(source: Box<dyn Source>) -> Watched {
        Watched { run: out::start(source), history: DatabaseHistory::default(), state: None, now: Ts(0), seq: 0 }
    }

    /// The pane now, its verdict first.
    pub fn pane(&self) -> String {
        self.with(0, |history, cx| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 16));
            pane::draw(history, cx, buffer.area, &mut buffer);
            warroom::ui::frame::to_text(&buffer)
        })
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
        let theme = Theme::monochrome();
        let facts = Facts::default();
        let cx = PaneCx {
            theme: &theme,
            glyphs: &Glyphs::UNICODE,
            now: self.now,
            zone: &jiff::tz::TimeZone::UTC,
            facts: &facts,
            focused: false,
            zoomed: false,
            cursor,
            live: true,
        };
        ask(&self.history, &cx)
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
                Ok(Some(o)) => {
                    self.now = o.observed;
                    self.seq += 1;
                    match &o.event {
                        Event::Database(e) => self.history.apply(self.seq, SourceId(1), o.observed, e),
                        Event::Stream(Declaration::State { state, .. }) => self.state = Some(state.clone()),
                        _ => {}
                    }
                }
                Ok(None) => panic!("the source ended before {what}; the pane was\n{pane}"),
                Err(_) => panic!("no {what} within {LIMIT:?}; {:?}, the pane was\n{pane}", self.state),
            }
        }
    }

    /// Until the verdict, the pane's first line, has `words`.
    pub async fn verdict(&mut self, words: &str) -> String {
        let pane = self.until(words, |_, pane| pane.lines().next().is_some_and(|v| v.contains(words))).await;
        pane.lines().next().unwrap_or_default().to_owned()
    }

    /// Until the source says of itself that it sees less than it should, in these words.
    pub async fn degraded(&mut self, words: &str) {
        let lacks = |w: &Watched| matches!(&w.state, Some(SourceState::Degraded { why }) if why.contains(words));
        self.until(words, |w, _| lacks(w)).await;
    }
}
