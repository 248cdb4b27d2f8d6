//! Every log source in one line: rates, a small chart, since when it is quiet, how it is read.

use crossterm::event::KeyCode;

use super::{BoxLine, Overlay};
use crate::app::effect::Effect;
use crate::app::filtering;
use crate::app::keymap::Key;
use crate::app::state::State;
use crate::signals::logs::rates::{LOOK, SourceRate, chart, rates};
use crate::timeline::Filter;
use crate::timeline::time::short;
use crate::ui::{PaneCx, Role, RowKey, text};

/// Columns of the small chart.
const CHART: usize = 20;

/// What each line stands for: a source, whatever it is called.
pub fn keys(state: &State) -> Vec<RowKey> {
    let all = rates(&state.shown().logs, state.now());
    all.iter().map(|r| RowKey(r.source.0.to_string().into())).collect()
}

/// The source under the cursor.
pub fn chosen(state: &State, row: usize) -> Option<SourceRate> {
    rates(&state.shown().logs, state.now()).into_iter().nth(row)
}

/// Title and lines of the box, the first line the names of its columns. Charts are drawn for what can be seen only:
/// `height` lines round the cursor.
pub fn lines(state: &State, cx: &PaneCx, cursor: usize, height: usize, width: usize) -> (String, Vec<BoxLine>) {
    let history = &state.shown().logs;
    let all = rates(history, cx.now);
    let quiet = all.iter().filter(|r| r.quiet.is_some()).count();
    let mut title = format!("Log sources: {}", all.len());
    if quiet > 0 {
        title.push_str(&format!(", {quiet} quiet"));
    }
    title.push_str(&format!(" · chart of {} · Enter: only this one", short(LOOK)));
    let name = all.iter().map(|r| text::width(&r.name)).max().unwrap_or(4).clamp(4, (width / 4).clamp(4, 24));
    let charted = width >= name + 22 + CHART;
    let mut lines: Vec<BoxLine> = vec![vec![(
        Role::Dim,
        format!(
            "{:name$} {:>8} {:>8}  {}{}",
            "source",
            "lines/s",
            "errors/s",
            if charted { format!("{:CHART$}  ", "lines") } else { String::new() },
            "read as"
        ),
    )]];
    for (i, r) in all.iter().enumerate() {
        let shown = text::middle(&r.name, name);
        let pad = " ".repeat(name.saturating_sub(text::width(&shown)));
        let mut line: BoxLine = vec![
            (Role::Text, format!("{shown}{pad} ")),
            (if r.lines > 0.0 { Role::Text } else { Role::Dim }, format!("{:>8} ", figure(r.lines))),
            (if r.errors > 0.0 { Role::Error } else { Role::Dim }, format!("{:>8}  ", figure(r.errors))),
        ];
        if charted {
            if i.abs_diff(cursor) <= height {
                line.extend(spark(state, cx, r));
            } else {
                line.push((Role::Dim, " ".repeat(CHART)));
            }
            line.push((Role::Text, "  ".into()));
        }
        if let Some((since, rate)) = r.quiet {
            let silent = short(cx.now.since(since));
            let at = since.hms(cx.zone);
            line.push((Role::Warn, format!("QUIET since {at} ({silent}), {} lines/s before  ", figure(rate))));
        }
        line.push((
            Role::Dim,
            r.format.as_deref().or_else(|| state.logs.format_of(r.source)).unwrap_or("no row read yet").to_owned(),
        ));
        if r.unfitting > 0 {
            let share = r.unfitting as f64 * 100.0 / r.seen.max(1) as f64;
            line.push((Role::Warn, format!(", {} of {} lines did not fit ({share:.0} %)", r.unfitting, r.seen)));
        }
        if let Some(by) = state.view.moved.get(&r.source) {
            line.push((Role::Warn, format!(", clock corrected by {} (c takes it back)", signed(*by))));
        } else if let Some(s) = state.view.skews.iter().find(|s| s.source == r.source) {
            let word = if s.ahead > 0 { "ahead of" } else { "behind" };
            let (by, against) = (s.ahead.unsigned_abs() as f64 / 1e9, history.name(s.against));
            let said = format!("clock {by:.1} s {word} {against} ({} shared requests), c corrects  ", s.shared);
            // Before the format: a clock that is off matters more, and is not cut.
            line.insert(line.len() - 1 - usize::from(r.unfitting > 0), (Role::Warn, said));
        }
        let harmless = state.logs.neutralised_of(r.source);
        if harmless > 0 {
            line.push((Role::Escape, format!(", {harmless} control characters made harmless in the rows at hand")));
        }
        lines.push(line);
    }
    if all.is_empty() {
        lines.push(vec![(Role::Dim, "no logs watched; s says what could be".into())]);
    }
    (title, lines)
}

/// One column a piece, hot where most of it was errors.
fn spark(state: &State, cx: &PaneCx, rate: &SourceRate) -> BoxLine {
    let (values, hot) = chart(&state.shown().logs, rate.source, CHART, cx.now);
    let max = values.iter().flatten().copied().fold(1.0, f64::max);
    let mut out: BoxLine = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let (glyph, role) = match value {
            None => (cx.glyphs.gap, Role::Gap),
            Some(0.0) => (" ", Role::Dim),
            Some(v) => {
                let step = ((v / max * 8.0).ceil() as usize).clamp(1, 8);
                let role = if hot.get(i) == Some(&true) { Role::ChartHot } else { Role::Chart };
                (cx.glyphs.spark[step - 1], role)
            }
        };
        match out.last_mut() {
            Some((last, piece)) if *last == role => piece.push_str(glyph),
            _ => out.push((role, glyph.to_owned())),
        }
    }
    out
}

/// `+4.2 s`, `-137.3 s`.
pub fn signed(nanoseconds: i64) -> String {
    format!("{:+.1} s", nanoseconds as f64 / 1e9)
}

/// `c`: rows of the source under the cursor are placed where its clock would have put them if it were right, or where
/// they say again.
pub fn press(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    let Some(Overlay::Rates { .. }) = state.view.overlays.last() else { return None };
    if key != Key::plain(KeyCode::Char('c')) {
        return None;
    }
    let Some(rate) = super::lists::row(state).and_then(|row| chosen(state, row)) else { return Some(Vec::new()) };
    let by = match (state.view.moved.remove(&rate.source), state.view.skews.iter().find(|s| s.source == rate.source)) {
        (Some(_), _) => 0,
        (None, Some(skew)) => -skew.ahead,
        (None, None) => return Some(Vec::new()),
    };
    if by != 0 {
        state.view.moved.insert(rate.source, by);
    }
    state.logs.moved();
    Some(vec![Effect::PlaceLater(rate.source, by)])
}

fn figure(n: f64) -> String {
    match n {
        n if n >= 9.95 => format!("{n:.0}"),
        n if n >= 0.05 => format!("{n:.1}"),
        _ => "0".to_owned(),
    }
}

/// Enter: only the lines of this source.
pub fn open(state: &mut State, row: usize) -> Vec<Effect> {
    let Some(rate) = chosen(state, row) else { return Vec::new() };
    state.view.overlays.retain(|o| !matches!(o, Overlay::Rates { .. }));
    match Filter::parse(&super::lists::term("source", &rate.name)) {
        Ok(term) => {
            let filter = state.view.filter.and(&term);
            filtering::set_filter(state, filter)
        }
        Err(_) => Vec::new(),
    }
}
