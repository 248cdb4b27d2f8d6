//! The plan of a statement as lines: what stands out first, then the tree, then the statement.

use super::BoxLine;
use crate::signals::database::plan::{Plan, thousands};
use crate::signals::database::words::millis;
use crate::ui::Role;

/// The lines at a width of so many cells.
pub fn lines(plan: &Plan, width: usize) -> Vec<BoxLine> {
    let mut out: Vec<BoxLine> = Vec::new();
    for finding in &plan.findings {
        out.extend(wrapped(finding, width).into_iter().map(|l| vec![(Role::Warn, l)]));
    }
    if let Some(sql) = &plan.copy {
        out.extend(wrapped(sql, width).into_iter().map(|l| vec![(Role::Text, l)]));
        out.push(vec![(Role::Key, "y".into()), (Role::Dim, " copies it; nothing is run".into())]);
    }
    if !out.is_empty() {
        out.push(Vec::new());
    }
    out.push(vec![(Role::Dim, format!("{:>6} {:>14} {:>12}  node", "own", "cost", "rows"))]);
    for n in &plan.nodes {
        let role = if n.costliest { Role::Bad } else { Role::Text };
        let mark = if n.costliest { "  <- costs most" } else { "" };
        let share = format!("{:.0} %", n.share * 100.0);
        let indent = "  ".repeat(n.depth.min(20));
        out.push(vec![
            (role, format!("{share:>6} ")),
            (Role::Dim, format!("{:>14} {:>12}  ", thousands(n.cost), thousands(n.rows))),
            (role, format!("{indent}{}{mark}", n.what)),
            (
                Role::Text,
                n.measured
                    .map(|(rows, ms)| format!("  took {} for {} rows", millis(ms), thousands(rows)))
                    .unwrap_or_default(),
            ),
        ]);
        for detail in &n.details {
            let room = width.saturating_sub(39 + indent.len()).max(20);
            let cut: String = detail.chars().take(room * 3).collect();
            for line in wrapped(&cut, room) {
                out.push(vec![(Role::Dim, format!("{:37}{indent}{line}", ""))]);
            }
        }
    }
    out.push(Vec::new());
    for line in plan.about.iter().flat_map(|a| wrapped(a, width)) {
        out.push(vec![(Role::Dim, line)]);
    }
    for line in plan.statement.lines().flat_map(|l| wrapped(l, width)) {
        out.push(vec![(Role::Text, line)]);
    }
    out
}

/// Broken at blanks where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut out = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let last = out.last().map_or(0, |l| l.chars().count());
        if last > 0 && last + 1 + word.len() > width {
            out.push(String::new());
        } else if last > 0 {
            out.last_mut().into_iter().for_each(|l| l.push(' '));
        }
        while word.len() > width {
            let rest = word.split_off(width);
            out.last_mut().into_iter().for_each(|l| l.extend(&word));
            out.push(String::new());
            word = rest;
        }
        out.last_mut().into_iter().for_each(|l| l.extend(&word));
    }
    out
}
