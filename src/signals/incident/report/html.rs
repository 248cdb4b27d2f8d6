//! The document as one HTML file: style and charts inline, no script, nothing that is fetched. Foreign words are escaped
//! and secrets taken out.

use super::document::{Document, Part, Piece, Text};
use super::escape::is_override;
use crate::timeline::redact::redact;

const STYLE: &str = "
:root { color-scheme: light dark; --dim: #6b7280; --line: #d1d5db; --bar: #4b6584; --mark: #b45309; --code: #8881; }
@media (prefers-color-scheme: dark) { :root { --dim: #9ca3af; --line: #374151; --bar: #8fb3dd; --mark: #f59e0b; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .93em; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; }
td { overflow-wrap: anywhere; } td:first-child { white-space: nowrap; font-variant-numeric: tabular-nums; }
code, pre { font: .88em/1.45 ui-monospace, monospace; background: var(--code); border-radius: 3px; }
code { padding: 0 .25em; user-select: all; } pre { padding: .6rem; overflow-x: auto; }
figure { margin: 1rem 0; } figcaption { color: var(--dim); font-size: .88em; }
svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; fill: var(--dim); }
.axis { stroke: var(--line); } .bars { fill: var(--bar); } .mark path { stroke: var(--mark); stroke-dasharray: 3 2; }
@media print { body { max-width: none; margin: 0; } pre { white-space: pre-wrap; } }
";

/// Writes it.
pub fn write(document: &Document) -> String {
    let title = escape(&document.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for section in &document.sections {
        let id = section.title.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        out.push_str(&format!("<h2 id=\"{id}\">{}</h2>\n", escape(section.title)));
        section.parts.iter().for_each(|p| write_part(p, &mut out));
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn write_part(part: &Part, out: &mut String) {
    match part {
        Part::Paragraph(text) => out.push_str(&format!("<p>{}</p>\n", line(text))),
        Part::List(items) => {
            let items: String = items.iter().map(|i| format!("<li>{}</li>\n", line(i))).collect();
            out.push_str(&format!("<ul>\n{items}</ul>\n"));
        }
        Part::Heading(text) => out.push_str(&format!("<h3 id=\"{0}\">{0}</h3>\n", escape(text))),
        Part::Block(text) => out.push_str(&format!("<pre>{}</pre>\n", escape(text.trim_end()))),
        Part::Table { head, rows } => {
            let head: String = head.iter().map(|h| format!("<th>{}</th>", escape(h))).collect();
            out.push_str(&format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"));
            for row in rows {
                let cells: String = row.iter().map(|c| format!("<td>{}</td>", line(c))).collect();
                out.push_str(&format!("<tr>{cells}</tr>\n"));
            }
            out.push_str("</tbody>\n</table>\n");
        }
        Part::Chart(chart) => {
            let caption = match chart.peak() {
                Some((at, v)) => format!("at most {} at {} UTC", super::chart::number(v), super::utc(at)),
                None => "not known".to_owned(),
            };
            let svg = chart.svg(escape);
            let title = escape(&chart.title);
            out.push_str(&format!("<figure>\n{svg}<figcaption>{title}: {caption}</figcaption>\n</figure>\n"));
        }
    }
}

fn line(text: &Text) -> String {
    text.iter()
        .map(|piece| match piece {
            Piece::Words(w) => escape(w),
            Piece::Strong(w) => format!("<strong>{}</strong>", escape(w)),
            Piece::Code(w) => format!("<code>{}</code>", escape(w)),
        })
        .collect()
}

/// Foreign text inside HTML: redacted, without control characters, and meaning nothing but itself.
pub fn escape(text: &str) -> String {
    let text = redact(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || is_override(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_become_markup() {
        assert_eq!(
            escape("<img src=x onerror=\"a('&')\">"),
            "&lt;img src=x onerror=&quot;a(&#39;&amp;&#39;)&quot;&gt;"
        );
        assert_eq!(escape("a\u{1b}[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c\nd");
        assert!(!escape("password=hunter2secret").contains("hunter2"));
    }
}
