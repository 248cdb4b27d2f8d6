//! Two instants side by side: the pinned one and the playhead. Joins the figures the slices give; draws nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::State;
use crate::signals::{database, deploys, health, host, logs};
use crate::timeline::Ts;
use crate::timeline::figure::{Figure, Reading, Trouble, Unit};
use crate::timeline::time::short;

/// How a figure differs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Not more than noise.
    Hardly,
    /// It does, and that is no trouble.
    Plainly,
    /// Towards trouble.
    Worse,
    /// Away from trouble.
    Better,
}

/// One line of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is of.
    pub name: String,
    /// At the earlier instant; `None` where it is not known.
    pub before: Option<String>,
    /// At the later instant.
    pub after: Option<String>,
    /// The difference, in words: `+38`, `×4.2`, `new`, `gone`.
    pub change: String,
    /// Whether it matters.
    pub differs: Differs,
}

/// A heading with its lines, in the order of the slices.
pub type Group = (&'static str, Vec<Row>);

/// The two instants in order of time, and everything that is known at either of them.
pub fn compare(state: &State, pinned: Ts) -> (Ts, Ts, Vec<Group>) {
    let now = state.now();
    let (a, b) = (pinned.min(now), pinned.max(now));
    (a, b, join(figures(state, a), figures(state, b)))
}

fn figures(state: &State, at: Ts) -> Vec<Figure> {
    let t = state.seen_from(at);
    // What is short and tells most comes first.
    let mut out = deploys::figures::figures(&t.deploys, at);
    out.extend(logs::figures::figures(&t.logs, at, |s| t.source_name(s).to_owned()));
    out.extend(health::figures::figures(&t.health, at));
    out.extend(database::figures::figures(&t.database, at));
    out.extend(host::figures::figures(t.host_at(at).1, at));
    out
}

fn join(before: Vec<Figure>, after: Vec<Figure>) -> Vec<Group> {
    // A heading under which nothing was known then was not watched yet: that is no news.
    let watched = |figures: &[Figure], group: &str| figures.iter().any(|f| f.group == group);
    let groups_before: Vec<&'static str> = after.iter().map(|f| f.group).filter(|g| watched(&before, g)).collect();
    let groups_after: Vec<&'static str> = before.iter().map(|f| f.group).filter(|g| watched(&after, g)).collect();
    let mut old: BTreeMap<(&'static str, String), Figure> =
        before.into_iter().map(|f| ((f.group, f.name.clone()), f)).collect();
    let mut groups: Vec<Group> = Vec::new();
    let mut put = |group: &'static str, row: Row| match groups.iter_mut().find(|(g, _)| *g == group) {
        Some((_, rows)) => rows.push(row),
        None => groups.push((group, vec![row])),
    };
    for figure in after {
        let was = old.remove(&(figure.group, figure.name.clone()));
        let nothing = |f: &Figure| matches!(f.reading, Reading::Number(n, _) if n == 0.0);
        if !(nothing(&figure) && was.as_ref().is_none_or(nothing)) {
            let mut row = row(was.as_ref(), Some(&figure));
            one_sided(&mut row, &figure, groups_before.contains(&figure.group));
            put(figure.group, row);
        }
    }
    for ((group, _), figure) in &old {
        let mut row = row(Some(figure), None);
        one_sided(&mut row, figure, groups_after.contains(group));
        put(group, row);
    }
    groups
}

/// Says what a figure that is known at one instant only means: of a list of the first few, that it was not among them; of
/// what was not watched, nothing.
fn one_sided(row: &mut Row, figure: &Figure, watched: bool) {
    if row.before.is_some() && row.after.is_some() {
        return;
    }
    let list = ["Processes", "Statements"].iter().any(|g| figure.group.starts_with(g));
    (row.change, row.differs) = match (watched, list, row.before.is_none()) {
        (false, _, _) => ("not watched".into(), Differs::Hardly),
        (true, true, true) => ("into the top".into(), Differs::Plainly),
        (true, true, false) => ("off the top".into(), Differs::Plainly),
        (true, false, true) => ("new".into(), Differs::Plainly),
        (true, false, false) => ("gone".into(), Differs::Plainly),
    };
}

fn row(before: Option<&Figure>, after: Option<&Figure>) -> Row {
    let name = after.or(before).map_or(String::new(), |f| f.name.clone());
    let (change, differs) = match (before, after) {
        (Some(a), Some(b)) => change(a, b),
        (None, Some(_)) => ("new".to_owned(), Differs::Plainly),
        (Some(_), None) => ("gone".to_owned(), Differs::Plainly),
        (None, None) => (String::new(), Differs::Hardly),
    };
    Row { name, before: before.map(words), after: after.map(words), change, differs }
}

fn change(a: &Figure, b: &Figure) -> (String, Differs) {
    let (Reading::Number(x, unit), Reading::Number(y, _)) = (&a.reading, &b.reading) else {
        let same = a.reading == b.reading;
        let differs = match (&b.reading, b.trouble) {
            _ if same => Differs::Hardly,
            (_, Trouble::Neither) => Differs::Plainly,
            (Reading::Words(w), _) if w == "ok" => Differs::Better,
            _ => Differs::Worse,
        };
        return (if same { String::new() } else { "changed".into() }, differs);
    };
    let by = y - x;
    // Percentages and small counts as a difference; what grows by orders as a factor.
    let small = x.abs().min(y.abs());
    if by.abs() < b.noise {
        // 1 ms that became 5 is nothing to worry about, and not the same.
        let text = match unit {
            _ if by == 0.0 => "same".to_owned(),
            Unit::Millis if small > 0.0 && y / x >= 2.0 => format!("×{}", plain(y / x)),
            Unit::Millis if small > 0.0 && x / y >= 2.0 => format!("÷{}", plain(x / y)),
            _ => "about same".to_owned(),
        };
        return (text, Differs::Hardly);
    }
    let text = match unit {
        Unit::Percent | Unit::Count => signed(by, *unit),
        _ if small > 0.0 && (y / x >= 1.5 || x / y >= 1.5) => {
            if y > x {
                format!("×{}", plain(y / x))
            } else {
                format!("÷{}", plain(x / y))
            }
        }
        _ => signed(by, *unit),
    };
    let differs = match b.trouble {
        Trouble::Neither => Differs::Plainly,
        _ if (by > 0.0) == (b.trouble == Trouble::More) => Differs::Worse,
        _ => Differs::Better,
    };
    (text, differs)
}

fn signed(by: f64, unit: Unit) -> String {
    format!("{}{}", if by < 0.0 { '-' } else { '+' }, amount(by.abs(), unit))
}

fn words(figure: &Figure) -> String {
    match &figure.reading {
        Reading::Number(n, unit) => amount(*n, *unit),
        Reading::Words(w) => w.clone(),
    }
}

fn amount(n: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{} %", plain(n)),
        Unit::Count => plain(n),
        Unit::PerSecond => format!("{}/s", plain(n)),
        Unit::Bytes => host::amount::bytes(n.max(0.0) as u64),
        Unit::BytesPerSecond => format!("{}/s", host::amount::bytes(n.max(0.0) as u64)),
        Unit::Millis => short(Duration::from_secs_f64((n / 1e3).clamp(0.0, 1e9))),
    }
}

/// Three digits, no noise: `0`, `0.21`, `4.2`, `71`, `1204`.
fn plain(n: f64) -> String {
    match n.abs() {
        a if a == 0.0 || a >= 99.5 || (a >= 1.0 && (a - a.round()).abs() < 0.05) => format!("{n:.0}"),
        a if a >= 1.0 => format!("{n:.1}"),
        a if a >= 0.005 => format!("{n:.2}"),
        _ => "0".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: f64, unit: Unit) -> Figure {
        Figure::number("g", name, value, unit, 1.0)
    }

    #[test]
    fn figures_are_joined_by_name_and_what_is_known_at_one_instant_only_is_said_so() {
        let before = vec![of("a", 80.0, Unit::Millis), of("left", 1.0, Unit::Count)];
        let after = vec![of("a", 4_900.0, Unit::Millis), of("came", 2.0, Unit::Count)];
        let groups = join(before, after);
        let rows: Vec<_> = groups[0].1.iter().map(|r| (r.name.as_str(), r.change.as_str(), r.differs)).collect();
        assert_eq!(
            rows,
            [("a", "×61.2", Differs::Worse), ("came", "new", Differs::Plainly), ("left", "gone", Differs::Plainly)]
        );
        assert_eq!(groups[0].1[1].before, None, "not known is never shown as zero");
    }

    #[test]
    fn noise_is_no_difference_and_less_can_be_the_trouble() {
        let d = |x: f64, y: f64, trouble| {
            row(
                Some(&of("a", x, Unit::PerSecond).trouble(trouble)),
                Some(&of("a", y, Unit::PerSecond).trouble(trouble)),
            )
        };
        assert_eq!(d(10.0, 10.4, Trouble::More).differs, Differs::Hardly);
        assert_eq!(d(10.0, 40.0, Trouble::More).differs, Differs::Worse);
        assert_eq!(d(10.0, 40.0, Trouble::Less).differs, Differs::Better);
        assert_eq!(
            (d(40.0, 0.0, Trouble::Less).differs, d(40.0, 0.0, Trouble::Less).change),
            (Differs::Worse, "-40/s".into())
        );
        assert_eq!(d(1.0, 9.0, Trouble::Neither).differs, Differs::Plainly);
    }
}
