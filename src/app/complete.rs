//! What the word under the cursor of the filter line could become: names of fields, then values that were seen.
//!
//! Everything comes from what is already in memory: rows that were resident, the sources, the answer to one question about
//! fields. Completing never reads a file.

use std::collections::BTreeMap;

use super::state::State;
use crate::signals::logs::row::LogRow;
use crate::timeline::{Filter, Severity};

/// Candidates offered at most.
const MOST: usize = 12;
/// Values longer than this are no use in a filter.
const LONGEST: usize = 120;

/// Names that every record answers to.
const NAMES: [(&str, &str); 6] = [
    ("level", "severity"),
    ("source", "where the line comes from"),
    ("format", "how it was read"),
    ("time", "14:02, -15m, 14:02..14:05"),
    ("request_id", "the ID anywhere in the record"),
    ("status", "HTTP status under any of its names"),
];

/// What could stand there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// Where the piece begins that is replaced, in characters.
    pub from: usize,
    /// What it could become, best first.
    pub items: Vec<Item>,
    /// The one that stands there now, while Tab goes through them.
    pub at: Option<usize>,
}

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is put into the line.
    pub text: String,
    /// What is known of it: a count, a meaning.
    pub note: String,
}

/// Candidates for the word that ends at `cursor`, in characters.
///
/// `sample` is what was on the screen when the line was opened: while it is typed, half a value lets nothing through.
pub fn complete(state: &State, sample: &[LogRow], text: &str, cursor: usize) -> Completion {
    let before: Vec<char> = text.chars().take(cursor).collect();
    let start = before.iter().rposition(|c| c.is_whitespace() || *c == '(').map_or(0, |i| i + 1);
    let start = start + before[start..].iter().take_while(|c| **c == '-').count();
    let word: String = before[start..].iter().collect();
    if let Some(name) = word.strip_prefix('@') {
        let items = saved(state, name);
        return Completion { from: start, items, at: None };
    }
    let is_sign = |c: char| matches!(c, '=' | '<' | '>' | '~' | '!' | '≥' | '≤' | '≠');
    let Some(sign) = word.find(is_sign) else {
        let items = if word.is_empty() { Vec::new() } else { names(state, sample, &word) };
        return Completion { from: start, items, at: None };
    };
    let behind = word[sign..].find(|c| !is_sign(c)).map_or(word.len(), |i| sign + i);
    // Of `502|50` the last alternative is being written.
    let piece = word[behind..].rfind('|').map_or(behind, |i| behind + i + 1);
    let from = start + word[..piece].chars().count();
    Completion { from, items: values(state, sample, &word[..sign], word[piece..].trim_start_matches('"')), at: None }
}

/// What begins with the typed text before what holds it, each in the order given.
fn fitting(typed: &str, all: impl IntoIterator<Item = (String, String)>, end: &str) -> Vec<Item> {
    let typed = typed.to_lowercase();
    let (mut first, mut then) = (Vec::new(), Vec::new());
    for (text, note) in all {
        let lower = text.to_lowercase();
        let list = if lower.starts_with(&typed) { &mut first } else { &mut then };
        if lower != typed && lower.contains(&typed) && !list.iter().any(|i: &Item| i.text == format!("{text}{end}")) {
            list.push(Item { text: format!("{text}{end}"), note });
        }
    }
    first.extend(then);
    first.truncate(MOST);
    first
}

fn names(state: &State, sample: &[LogRow], typed: &str) -> Vec<Item> {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for row in sample {
        for (name, _) in &row.fields {
            *seen.entry(name.to_string()).or_default() += 1;
        }
    }
    for (name, n) in &state.view.fields {
        seen.insert(name.clone(), *n);
    }
    let mut seen: Vec<(String, u64)> = seen.into_iter().collect();
    seen.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let builtin = NAMES.iter().map(|(name, note)| ((*name).to_owned(), (*note).to_owned()));
    fitting(typed, builtin.chain(seen.into_iter().map(|(name, n)| (name, format!("{n}")))), "=")
}

fn values(state: &State, sample: &[LogRow], name: &str, typed: &str) -> Vec<Item> {
    let plain = |words: &[&str]| words.iter().map(|w| ((*w).to_owned(), String::new())).collect::<Vec<_>>();
    match name.to_ascii_lowercase().as_str() {
        "level" | "severity" | "lvl" => {
            let mut words: Vec<String> = Severity::ALL.iter().rev().map(|s| s.name().to_ascii_lowercase()).collect();
            words.push("none".into());
            return fitting(typed, words.into_iter().map(|w| (w, String::new())), "");
        }
        "source" => {
            let logs = crate::timeline::SourceKind::Logs;
            let sources = state.timeline.sources.values().filter(|s| s.decl.kind == logs);
            let found = sources.map(|s| (Filter::quoted(&s.decl.name), s.decl.detail.clone()));
            return fitting(typed, found, "");
        }
        "time" => return fitting(typed, plain(&["-15m", "-1h"]), ""),
        _ => {}
    }
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for row in sample {
        let value = if name.eq_ignore_ascii_case("request_id") {
            row.request_id.as_ref().map(|id| id.0.to_string().into())
        } else {
            Filter::value_of(row, name)
        };
        if let Some(value) = value.filter(|v| v.len() <= LONGEST) {
            *seen.entry(value.into_owned()).or_default() += 1;
        }
    }
    let mut seen: Vec<(String, u64)> = seen.into_iter().collect();
    seen.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    fitting(typed, seen.into_iter().map(|(value, n)| (Filter::quoted(&value), format!("{n}"))), "")
}

fn saved(state: &State, typed: &str) -> Vec<Item> {
    let typed = typed.to_lowercase();
    let found = state.settings.filters.iter().filter(|(name, _)| name.to_lowercase().contains(&typed));
    found.take(MOST).map(|(name, text)| Item { text: text.clone(), note: format!("@{name}") }).collect()
}
