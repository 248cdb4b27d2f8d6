//! What is muted: sources, and kinds of lines. Muting is a part of every question to the store, so that a muted flood
//! costs no more than a filter; how much is muted is always said.

use compact_str::CompactString;

use super::kinds::status;
use super::repeats::mask;
use super::row::LogRow;
use crate::timeline::Filter;

/// Things muted at a time.
const MOST: usize = 20;

/// One thing that is muted.
#[derive(Clone, Debug, PartialEq)]
pub struct Mute {
    /// What it is, in a few words.
    pub label: String,
    /// The source, when it is one.
    pub source: Option<CompactString>,
    /// What it lets through is what is muted.
    pub term: Filter,
    /// Records that it hides, once they were counted; true when there are more.
    pub records: Option<(u64, bool)>,
    not: Filter,
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

impl Mute {
    fn new(label: String, source: Option<CompactString>, term: &str) -> Option<Mute> {
        let not = Filter::parse(&format!("-({term})")).ok()?;
        Some(Mute { label, source, term: Filter::parse(term).ok()?, records: None, not })
    }

    /// All lines of a source.
    pub fn source(name: &str) -> Option<Mute> {
        Mute::new(format!("source {name}"), Some(name.into()), &format!("source=\"{}\"", quoted(name)))
    }

    /// Lines like this one: the same words but for numbers and IDs, the same status, the same route, the same source.
    pub fn kind(row: &LogRow) -> Option<Mute> {
        let message = row.message.lines().next().unwrap_or_default();
        let raw = String::from_utf8_lossy(row.raw.split(|b| *b == b'\n').next().unwrap_or_default()).into_owned();
        let mut fields = format!("source=\"{}\"", quoted(&row.source));
        let mut label = String::new();
        let named = |names: &[&str]| row.fields.iter().find(|(n, v)| names.contains(&n.as_str()) && v.is_string());
        if let Some(status) = status(row) {
            fields.push_str(&format!(" status={status}"));
            label.push_str(&format!(" {status}"));
        }
        if let Some((name, value)) = named(&["path", "uri", "url", "route", "target"])
            && let Some(path) = value.as_str().filter(|p| p.starts_with('/'))
        {
            let route = mask(path.split('?').next().unwrap_or_default());
            fields.push_str(&format!(" {name}~\"^{}([?].*)?$\"", quoted(&pattern(&route))));
            label.push_str(&format!(" {route}"));
        }
        let words = |text: &str| format!("{fields} /{}/", pattern(&mask(text)).replace('/', "\\/"));
        let choices = [(message, words(message)), ("", fields.clone()), (raw.as_str(), words(&raw))];
        choices.into_iter().find_map(|(said, term)| {
            // What a format makes of a line need not stand in it; a bare source is not a kind of line.
            if said.trim().is_empty() && (label.is_empty() || term != fields) {
                return None;
            }
            let label = format!("{}{label}", mask(said).chars().take(60).collect::<String>());
            Mute::new(label.trim().to_owned(), None, &term).filter(|m| m.term.matches(row))
        })
    }
}

/// A regular expression for a masked text, with blanks of any kind and quotes escaped or not.
fn pattern(masked: &str) -> String {
    let mut out = String::new();
    for c in masked.chars() {
        match c {
            '#' => out.push_str("[0-9A-Za-z_#-]+"),
            // In JSON they stand escaped.
            '"' => out.push_str("\\\\*\""),
            '\\' => out.push_str("\\\\+"),
            c if c.is_whitespace() => out.push_str(r"\s+"),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// All that is muted, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mutes(Vec<Mute>);

impl Mutes {
    /// Mutes one more thing, or lets it be heard again when it is muted already; whether it is muted now.
    pub fn toggle(&mut self, mute: Mute) -> bool {
        if let Some(i) = self.0.iter().position(|m| m.term == mute.term) {
            self.0.remove(i);
            return false;
        }
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(mute);
        true
    }

    /// What is muted.
    pub fn all(&self) -> &[Mute] {
        &self.0
    }

    /// Takes in a count of what the `index`-th hides.
    pub fn counted(&mut self, index: usize, records: u64, more: bool) {
        if let Some(m) = self.0.get_mut(index) {
            m.records = Some((records, more));
        }
    }

    /// `filter` without what is muted.
    pub fn under(&self, filter: &Filter) -> Filter {
        self.0.iter().fold(filter.clone(), |f, m| f.and(&m.not))
    }

    /// For the title: `muted: source nginx, GET /healthz 200 (12,304)`.
    pub fn words(&self) -> Option<String> {
        let said = |m: &Mute| match m.records {
            Some((n, more)) => format!("{} ({n}{})", m.label, if more { "+" } else { "" }),
            None => m.label.clone(),
        };
        match self.0.as_slice() {
            [] => None,
            [one] => Some(format!("muted: {}", said(one))),
            all => {
                let sum = all.iter().filter_map(|m| m.records).fold((0, false), |(n, p), (m, q)| (n + m, p || q));
                Some(format!("{} muted ({}{})", all.len(), sum.0, if sum.1 { "+" } else { "" }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::view::tests::row;

    fn said(message: &str, raw: &str, fields: serde_json::Value) -> LogRow {
        let fields = fields.as_object().into_iter().flatten().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        LogRow { message: message.into(), raw: raw.as_bytes().into(), fields, ..row(1) }
    }

    #[test]
    fn a_kind_of_line_is_the_same_words_status_and_route_and_nothing_else() {
        let finished = |status: u64, path: &str| {
            let raw =
                format!("{{\"msg\":\"request \\\"x\\\" finished in 12 ms\",\"status\":{status},\"path\":\"{path}\"}}");
            let fields = serde_json::json!({"status": status, "path": path});
            said("request \"x\" finished in 12 ms", &raw, fields)
        };
        let mute = Mute::kind(&finished(200, "/orders/17?user=1")).expect("a kind");
        assert_eq!(mute.label, "request \"x\" finished in # ms 200 /orders/#");
        assert!(mute.term.matches(&finished(200, "/orders/99")));
        assert!(!mute.term.matches(&finished(503, "/orders/17")), "an error is not muted with what went well");
        assert!(!mute.term.matches(&finished(200, "/carts/17")));
        assert!(!Mutes(vec![mute]).under(&Filter::default()).matches(&finished(200, "/orders/1")));
    }

    #[test]
    fn a_line_whose_message_does_not_stand_in_it_is_still_muted() {
        let raw = r#"10.0.0.1 - - [14/Mar/2026:14:03:21 +0100] "GET /healthz HTTP/1.1" 200 12 "-" "kube-probe""#;
        let fields = serde_json::json!({"status": 200, "path": "/healthz", "method": "GET"});
        let mute = Mute::kind(&said("GET /healthz → 200", raw, fields.clone())).expect("a kind");
        assert!(mute.term.matches(&said("", raw, fields)));
        let plain = "odd (line) with [signs] / \\ and \"quotes\" 17";
        assert!(Mute::kind(&said(plain, plain, serde_json::json!({}))).is_some());
        assert!(Mute::kind(&said("", "", serde_json::json!({}))).is_none());
    }

    #[test]
    fn the_same_key_takes_a_mute_back() {
        let mut mutes = Mutes::default();
        assert!(mutes.toggle(Mute::source("nginx").expect("a mute")));
        mutes.counted(0, 12_304, true);
        assert_eq!(mutes.words().as_deref(), Some("muted: source nginx (12304+)"));
        assert!(!mutes.toggle(Mute::source("nginx").expect("a mute")));
        assert_eq!(mutes.words(), None);
    }
}
