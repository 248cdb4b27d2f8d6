//! The comparison of the pinned instant with the playhead, as lines of a box.

use crate::app::compare::{Differs, Row, compare};
use crate::app::state::State;
use crate::timeline::time::short;
use crate::ui::{PaneCx, Role, text};

/// Columns of a figure and of a difference.
const FIGURE: usize = 12;

/// Title and lines for a box that is `width` wide inside. The two headings stay the first lines.
pub fn lines(state: &State, cx: &PaneCx, width: usize) -> (String, Vec<Vec<(Role, String)>>) {
    let Some(pinned) = state.view.pinned else {
        return (
            "Compare".into(),
            vec![vec![(Role::Dim, "nothing is pinned; c pins the instant on the screen".into())]],
        );
    };
    let (before, after, groups) = compare(state, pinned);
    let of = |at| {
        if at == pinned {
            "pinned"
        } else if cx.live {
            "now"
        } else {
            "playhead"
        }
    };
    let title = if before == after {
        "Compare: the playhead is on the pin; move through time and the difference shows".to_owned()
    } else {
        format!("Compare: {} apart", short(after.since(before)))
    };
    let name_width = width.saturating_sub(3 * (FIGURE + 1)).max(8);
    let line = |name: &str, cells: [(Role, &str); 3], role: Role| {
        let mut line = vec![(role, pad(name, name_width))];
        line.extend(cells.map(|(role, cell)| (role, format!(" {}", pad_left(cell, FIGURE)))));
        line
    };
    let heading = |a: &str, b: &str, c: &str| line("", [(Role::Dim, a), (Role::Dim, b), (Role::Dim, c)], Role::Dim);
    let mut lines =
        vec![heading(of(before), of(after), ""), heading(&before.hms(cx.zone), &after.hms(cx.zone), "difference")];
    for (group, rows) in &groups {
        lines.push(vec![(Role::TitleFocused, (*group).to_owned())]);
        for Row { name, before, after, change, differs } in rows {
            let unknown = cx.glyphs.gap;
            let (role, mark) = match differs {
                Differs::Worse => (Role::Warn, " !"),
                Differs::Better => (Role::Calm, ""),
                Differs::Plainly => (Role::Text, ""),
                Differs::Hardly => (Role::Dim, ""),
            };
            let change = format!("{change}{mark}");
            let known = if *differs == Differs::Hardly { Role::Dim } else { Role::Text };
            lines.push(line(
                &format!(" {name}"),
                [
                    (known, before.as_deref().unwrap_or(unknown)),
                    (known, after.as_deref().unwrap_or(unknown)),
                    (role, &change),
                ],
                known,
            ));
        }
    }
    if groups.is_empty() {
        lines.push(vec![(Role::Dim, "nothing is known at either instant".into())]);
    }
    (title, lines)
}

fn pad(name: &str, width: usize) -> String {
    let clean = text::clean(name);
    let fitted = text::fit(&clean, width, "…");
    format!("{fitted}{}", " ".repeat(width.saturating_sub(text::width(&fitted))))
}

fn pad_left(cell: &str, width: usize) -> String {
    let clean = text::clean(cell);
    let fitted = text::fit(&clean, width, "…");
    format!("{}{fitted}", " ".repeat(width.saturating_sub(text::width(&fitted))))
}
