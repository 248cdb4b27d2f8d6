//! Which pane stands where, from the size of the terminal alone.

use ratatui::layout::Rect;

use crate::app::pane::Pane;

/// Rectangles of one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// First line.
    pub header: Rect,
    /// Timeline strip; empty when there is no room.
    pub strip: Rect,
    /// What deviates on an unconfigured box; empty when the box is configured.
    pub summary: Rect,
    /// The hidden panes in one line; empty when all panes are shown.
    pub facts: Rect,
    /// Each shown pane with its title row included.
    pub panes: Vec<(Pane, Rect)>,
    /// Last line: keys, message or input.
    pub bottom: Rect,
}

/// The grid from this size on.
const GRID: (u16, u16) = (100, 28);

/// Divides `area`. `focus` is the pane that is shown where only one is; `zoom` shows it alone anywhere.
///
/// `summary` keeps a line for what was found on an unconfigured box; `incident` says that the incident log has rows to
/// show: while it has none, the lines belong to the logs. Whether it has any, and not how many, so that the panes move
/// once, at the first note, and not with each.
pub fn places(area: Rect, focus: Pane, zoom: bool, summary: bool, incident: bool) -> Places {
    let mut rest = area;
    let mut p = Places { header: take_top(&mut rest, 1), ..Places::default() };
    p.bottom = take_bottom(&mut rest, 1);
    let strip = match area.height {
        ..=7 => 0,
        8..=13 => 1,
        14..=39 => 2,
        _ => 3,
    };
    p.strip = take_top(&mut rest, strip);
    if summary && area.height >= 14 {
        p.summary = take_top(&mut rest, 1);
    }
    if zoom || area.width < GRID.0 || area.height < GRID.1 {
        if area.height >= 6 {
            p.facts = take_top(&mut rest, 1);
        }
        p.panes.push((focus, rest));
        return p;
    }
    // The grid: logs | host over database, deploys | health, incident below.
    let incident = match (incident, area.height) {
        (false, _) => 3,
        (true, 40..) => 7,
        (true, _) => 4,
    };
    let incident = take_bottom(&mut rest, incident);
    let low = take_bottom(&mut rest, if area.height >= 40 { 9 } else { 6 });
    let left = (area.width as u32 * 56 / 100) as u16;
    let (logs, right) = split(rest, left);
    let host_height = (right.height * 9 / 20).clamp(5, 22);
    let mut right_rest = right;
    let host = take_top(&mut right_rest, host_height);
    let (deploys, health) = split(low, left);
    p.panes = vec![
        (Pane::Logs, logs),
        (Pane::Host, host),
        (Pane::Database, right_rest),
        (Pane::Deploys, deploys),
        (Pane::Health, health),
        (Pane::Incident, incident),
    ];
    p
}

fn take_top(rest: &mut Rect, height: u16) -> Rect {
    let h = height.min(rest.height);
    let taken = Rect { height: h, ..*rest };
    rest.y += h;
    rest.height -= h;
    taken
}

fn take_bottom(rest: &mut Rect, height: u16) -> Rect {
    let h = height.min(rest.height);
    rest.height -= h;
    Rect { y: rest.y + rest.height, height: h, ..*rest }
}

/// Left part, one column for the vertical rule, right part.
fn split(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    let right = (left + 1).min(area.width);
    (Rect { width: left, ..area }, Rect { x: area.x + right, width: area.width - right, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps_and_nothing_leaves_the_screen_at_any_size() {
        for width in 0..200 {
            for height in 0..60 {
                for zoom in [false, true] {
                    let area = Rect { x: 0, y: 0, width, height };
                    let p = places(area, Pane::Host, zoom, zoom, zoom);
                    let mut all = vec![p.header, p.strip, p.summary, p.facts, p.bottom];
                    all.extend(p.panes.iter().map(|(_, r)| *r));
                    all.retain(|r| !r.is_empty());
                    for (i, a) in all.iter().enumerate() {
                        assert!(a.right() <= width && a.bottom() <= height, "{a:?} leaves {width}x{height}");
                        for b in &all[i + 1..] {
                            assert!(!a.intersects(*b), "{a:?} and {b:?} overlap in {width}x{height}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_incident_log_leaves_its_lines_to_the_logs() {
        let logs = |incident| places(Rect::new(0, 0, 160, 45), Pane::Logs, false, false, incident).panes[0].1.height;
        assert_eq!(logs(false), logs(true) + 4);
    }

    #[test]
    fn the_wide_screen_shows_all_panes_and_the_small_one_the_focused_pane() {
        assert_eq!(places(Rect::new(0, 0, 160, 45), Pane::Logs, false, false, true).panes.len(), 6);
        let small = places(Rect::new(0, 0, 80, 24), Pane::Database, false, false, false);
        assert_eq!(small.panes.iter().map(|(p, _)| *p).collect::<Vec<_>>(), [Pane::Database]);
    }
}
