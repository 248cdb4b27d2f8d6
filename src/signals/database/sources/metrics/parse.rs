//! Reads the Prometheus text format: names, labels, values; nothing else of it matters here.

use std::borrow::Cow;

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// Name and labels as they stand on the page: `x{a="b"}`.
    pub written: &'a str,
    /// Labels in the order of the page.
    pub labels: Labels<'a>,
    /// Its value; may be NaN or infinite.
    pub value: f64,
}

impl Sample<'_> {
    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_ref())
    }
}

/// Names and values of labels.
pub type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// The samples of a page; lines that are none are passed over.
pub fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    page.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let name_end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let name = &line[..name_end];
    let (labels, end) =
        if line[name_end..].starts_with('{') { labels(line, name_end + 1)? } else { (Vec::new(), name_end) };
    let value = line[end..].split_ascii_whitespace().next()?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        v => v.parse().ok()?,
    };
    (!name.is_empty()).then_some(Sample { name, written: &line[..end], labels, value })
}

/// Labels from just after the brace, and the offset after the closing one.
fn labels(line: &str, mut at: usize) -> Option<(Labels<'_>, usize)> {
    let mut out = Vec::new();
    loop {
        let rest = line.get(at..)?;
        let skip = rest.len() - rest.trim_start_matches([' ', '\t', ',']).len();
        at += skip;
        let rest = &line[at..];
        if rest.starts_with('}') {
            return Some((out, at + 1));
        }
        let eq = rest.find('=')?;
        let key = rest[..eq].trim();
        let quote = eq + 1 + rest[eq + 1..].find('"')?;
        let body = quote + 1;
        let mut end = body;
        let mut escaped = false;
        let bytes = rest.as_bytes();
        loop {
            match *bytes.get(end)? {
                b'\\' => {
                    escaped = true;
                    end += 2;
                }
                b'"' => break,
                _ => end += 1,
            }
        }
        let raw = rest.get(body..end)?;
        let value = if escaped {
            Cow::Owned(raw.replace("\\\\", "\u{0}").replace("\\\"", "\"").replace("\\n", "\n").replace('\u{0}', "\\"))
        } else {
            Cow::Borrowed(raw)
        };
        if out.len() < 32 {
            out.push((key, value));
        }
        at += end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_escapes_exponents_and_time_stamps_are_read() {
        let page = "# HELP x y\nx{a=\"b\\\"c\\\\d\", e = \"f}\"} 1.5e3 1395066363000\n\ny +Inf\nz 3 # {id=\"1\"} 2\nbroken{a=\"b 1\nno_value\n";
        let all: Vec<_> = samples(page).collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].label("a"), all[0].label("e"), all[0].value), (Some("b\"c\\d"), Some("f}"), 1500.0));
        assert_eq!((all[1].value, all[2].value), (f64::INFINITY, 3.0));
    }

    proptest::proptest! {
        #[test]
        fn no_page_can_make_it_panic(page in "[-a-z{}=\",\\\\ 0-9.#é\n]{0,200}") {
            samples(&page).count();
        }
    }
}
