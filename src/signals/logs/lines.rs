//! What stands on the lines of the log pane: rows, their folded and wrapped parts, and seams between them.

use std::time::Duration;

use super::history::LogsHistory;
use super::row::LogRow;
use super::store::scan::counted;
use super::view::{LogView, UNFOLDED};
use crate::timeline::TimeRange;
use crate::timeline::time::short;
use crate::ui::PaneCx;

/// From so long without a line on it is said where nothing was logged.
const SILENCE: Duration = Duration::from_secs(60);

/// A line of the screen.
pub enum Line {
    /// A row, by its number among the resident ones.
    Row(usize),
    /// A further line of it, where it is wrapped.
    Wrapped(usize, String),
    /// A folded line of it.
    More(usize, String),
    /// Between two groups of a hit and the rows round it.
    Break,
    /// Here a source broke, or nothing was logged for long.
    Seam(String),
}

/// Whether two rows that follow each other on the screen belong to different groups of context: one of them is there
/// only as context, and it does not stand beside the other in its source.
fn apart(view: &LogView, above: &LogRow, below: &LogRow) -> bool {
    let (a, b) = (&above.key, &below.key);
    let beside =
        (a.source, a.generation) == (b.source, b.generation) && b.offset <= a.offset + above.raw.len() as u64 + 2;
    (view.is_context(a) || view.is_context(b)) && !beside
}

/// What stands on the lines of a body `height` high.
pub fn lines(history: &LogsHistory, view: &LogView, cx: &PaneCx, height: usize) -> Vec<Line> {
    let shown = view.window(height);
    let rows = &view.rows()[shown.clone()];
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let until = if view.follows() { cx.now } else { last.placed };
    let range = TimeRange::new(first.placed, until + Duration::from_nanos(1));
    let mut seams = history.seams(range, cx.now).take(100).peekable();
    let said = |t: crate::timeline::Ts, seam: &super::history::Seam| {
        // A file is told by its name anyway.
        let name = history.declared(seam.source).filter(|name| !seam.why.contains(name));
        let of = name.map_or(String::new(), |name| format!("{name}: "));
        format!("{} {of}{}", t.hms(cx.zone), seam.why)
    };
    let mut out = Vec::new();
    if let Some(older) = view.older(&shown) {
        let files = if older.names.len() == 1 {
            "an older file".into()
        } else {
            counted(older.names.len() as u64, "older file")
        };
        out.push(Line::Seam(format!("{files} beside: {}; O takes them in", older.words())));
    }
    let mut cursor = 0;
    for (i, row) in rows.iter().enumerate() {
        let index = shown.start + i;
        while let Some((t, seam)) = seams.next_if(|(t, _)| *t < row.placed) {
            out.push(Line::Seam(said(t, seam)));
        }
        let before = i.checked_sub(1).map(|i| view.end_of(&rows[i]));
        let silent = before.map_or(Duration::ZERO, |t| row.placed.since(t));
        if silent >= SILENCE && view.shows_all() {
            out.push(Line::Seam(format!("{} without a line", short(silent))));
        }
        if i.checked_sub(1).is_some_and(|above| apart(view, &rows[above], row)) {
            out.push(Line::Break);
        }
        if Some(index) == view.cursor_index() {
            cursor = out.len();
        }
        out.push(Line::Row(index));
        if view.look.wrap {
            out.extend(view.wrapped(row).into_iter().skip(1).map(|l| Line::Wrapped(index, l)));
        }
        if view.is_unfolded(&row.key) {
            let raw = String::from_utf8_lossy(&row.raw);
            out.extend(raw.lines().skip(1).take(UNFOLDED).map(|l| Line::More(index, l.to_owned())));
        }
    }
    out.extend(seams.map(|(t, seam)| Line::Seam(said(t, seam))));
    // Seams take lines of their own: what no longer fits goes at the top while following, else below the cursor.
    let over = out.len().saturating_sub(height);
    let cut = if view.follows() { over.min(cursor) } else { (cursor + 1).saturating_sub(height) };
    out.drain(..cut);
    out.truncate(height);
    out
}
