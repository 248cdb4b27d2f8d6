//! Envelopes, ticks and answers, folded into the state.

use std::sync::Arc;
use std::time::Duration;

use super::arrival::{Arrival, SavedRow};
use super::effect::Effect;
use super::overlays::Overlay;
use super::state::State;
use super::{counting, notes};
use crate::app::travel;
use crate::signals::database::ending::Ending;
use crate::signals::incident::event::{IncidentEvent, Ran};
use crate::signals::logs::event::LogEvent;
use crate::signals::logs::store::{LogArrival, Slot};
use crate::signals::{Envelope, Event};
use crate::timeline::time::short;
use crate::timeline::{TimeRange, Ts};
use crate::ui::Level;

impl State {
    /// One envelope of the stream.
    pub fn apply(&mut self, envelope: &Envelope) {
        self.timeline.apply(envelope);
        if let Event::Logs(event) = &envelope.event {
            match event {
                LogEvent::Appended(a) if a.seed => {}
                LogEvent::Opened(o) if o.size > 0 => self.logs.opened(),
                _ => self.logs.data_changed(),
            }
        }
    }

    /// Records of the incident log that came on no stream.
    pub fn noted(&mut self, records: &[IncidentEvent]) {
        for record in records {
            Arc::make_mut(&mut self.timeline.incident).add(record);
        }
        self.windows.share(&self.timeline.incident);
    }

    /// The clock moved on.
    pub fn tick(&mut self, clock: Ts) {
        let before = self.now();
        self.player.tick(clock);
        if self.player.is_replay() && self.now() != before {
            travel::follow_playhead(self);
        }
    }

    /// Log lines and errors that came since the pause.
    pub fn since_pause(&self) -> (u64, u64) {
        let Some((lines, errors)) = self.view.paused_at else { return (0, 0) };
        let (l, e) = self.timeline.logs.totals();
        (l.saturating_sub(lines), e.saturating_sub(errors))
    }

    /// Up to when facts may be looked for: the clock, or the end of the recording.
    pub fn horizon(&self) -> Ts {
        self.player.recorded.map_or(self.player.clock, |span| span.end)
    }
}

/// One answer.
pub fn arrive(state: &mut State, arrival: Arrival) -> Vec<Effect> {
    match arrival {
        Arrival::Logs(answer) => return logs(state, *answer),
        Arrival::NoteSaved { number, redacted } => return notes::saved(state, number, redacted),
        Arrival::NoteRefused { number, why } => notes::refused(state, number, &why),
        Arrival::NoteFailed { why } => notes::failed(state, why),
        Arrival::Exported(text) => {
            state.view.exported = state.view.written;
            state.say(Level::Calm, text);
        }
        Arrival::Say(level, text) => state.say(level, text),
        Arrival::Recorder(status) => state.own.recorder = status,
        Arrival::Ran { name, command, code, took, output } => {
            return notes::ran(state, &name, Ran { command, code, took_ms: took.as_millis() as u64, output });
        }
        Arrival::Noted(records) => state.noted(&records),
        Arrival::Explained(Ok(plan)) => {
            state.view.message = None;
            // One that was run to measure takes the place of the one that was planned.
            if matches!(state.view.overlays.last(), Some(Overlay::Plan { .. })) {
                state.view.overlays.pop();
            }
            state.view.overlays.push(Overlay::Plan { plan, top: 0, sure: false });
        }
        Arrival::Ended { ending, said, took } => return ended(state, &ending, said, took),
        Arrival::Explained(Err(why)) => state.say(Level::Warn, why),
        Arrival::Found { offers, cannot_see, watched } => {
            state.own.offers = offers;
            state.own.cannot_see = cannot_see;
            state.own.watched = watched;
        }
        Arrival::Window { slot, for_, window } => {
            if let Err(why) = &window {
                state.say(Level::Warn, why.clone());
            }
            state.windows.arrive(slot, for_, window.ok());
        }
        Arrival::EarlyWindow { slot, for_, window } => state.windows.arrive_early(slot, for_, window),
        Arrival::Recordings(rows) => recordings(state, rows),
        Arrival::DraftFound(text) => {
            state.say(Level::Warn, "an unfinished note of an earlier run is back; Enter saves it, Esc drops it");
            let mut effects = notes::begin(state, &text);
            // The file it came from is gone: until it is saved it is a draft of this run.
            effects.push(Effect::KeepDraft(Some(text)));
            return effects;
        }
        Arrival::Loading(share) => state.own.loading = (share < 1.0).then_some(share),
    }
    Vec::new()
}

fn logs(state: &mut State, answer: LogArrival) -> Vec<Effect> {
    match answer.slot {
        Slot::View => state.logs.arrive(answer),
        Slot::Span => {
            // The store names the first and the last record; a range ends before its end.
            let whole = |r: TimeRange| TimeRange::new(r.start, Ts(r.end.0.saturating_add(1)));
            state.view.request_span = answer.span.map(|s| whole(s.range));
        }
        Slot::Top => {
            if let Some(Overlay::Top(top)) = state.view.overlays.last_mut()
                && top.request == answer.request
            {
                top.arrive(answer);
            } else if matches!(state.view.overlays.last(), Some(Overlay::Filter(_)))
                && answer.request == state.view.requests
            {
                state.view.fields = answer.fields;
            }
        }
        Slot::Passed => {
            let now = state.now();
            state.logs.passed(&answer, now);
        }
        Slot::Kinds => state.logs.kinds_came(&answer),
        Slot::Count => counting::arrive(state, &answer),
        Slot::Passing => counting::passing(state, &answer),
        Slot::Find if answer.request != state.view.requests || !answer.done => {}
        Slot::Find => {
            let word = state.view.finding.take().unwrap_or("hit");
            match answer.found {
                Some(row) => {
                    // A stamp of whole seconds is older than the moment in which its line was read.
                    if !state.player.is_live() && row.visible > state.now() {
                        state.player.go_to(row.visible);
                        travel::follow_playhead(state);
                    }
                    let from = state.logs.selected().map(|r| r.key);
                    state.logs.show(row.clone());
                    if word == "hit" {
                        return counting::hit(state, from, &row);
                    }
                }
                None => {
                    state.say(Level::Warn, format!("no further {word}"));
                    if word == "hit" {
                        return counting::beyond(state);
                    }
                }
            }
        }
    }
    Vec::new()
}

/// Earlier runs left recordings behind: the newest is pointed out, `s` lists them all.
fn recordings(state: &mut State, rows: Vec<SavedRow>) {
    let fresh: Vec<&SavedRow> = rows.iter().filter(|r| r.fresh).collect();
    if let Some(newest) = fresh.first() {
        let ago = short(state.player.clock.since(newest.at));
        let more = if fresh.len() > 1 { format!(" ({} more: s)", fresh.len() - 1) } else { String::new() };
        let text = format!("a run ended {ago} ago and was saved: warroom replay {}{more}", newest.path.display());
        state.say(Level::Warn, text);
    }
    state.own.recordings = rows;
}

/// A session was ended, or was not: it is said, and it is in the incident log; what was done as an action and a line of the
/// restore record, what was not done as something seen.
fn ended(state: &mut State, ending: &Ending, said: Result<String, String>, took: Duration) -> Vec<Effect> {
    let what: String = ending.what.chars().take(400).collect();
    let command = format!("{} of {}", ending.phrase(ending.how), ending.server);
    match said {
        Ok(done) => {
            state.say(Level::Warn, done.clone());
            let ran = Ran { command, code: Some(0), took_ms: took.as_millis() as u64, output: String::new() };
            notes::save_told(state, &format!("! {done} ({what})"), Some(ran))
        }
        Err(why) => {
            let text = format!("{command}: {why}");
            state.say(Level::Bad, text.clone());
            notes::save_told(state, &format!("> {text} ({what})"), None)
        }
    }
}
