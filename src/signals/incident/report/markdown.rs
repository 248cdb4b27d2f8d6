//! The document as Markdown that a linter accepts: foreign words escaped, code quoted, secrets taken out, one blank line
//! round everything.

use super::chart::number;
use super::document::{Document, Part, Piece, Text};
use super::escape::{block, cell, prose, quoted};
use super::utc;

/// Columns of a chart in one line.
const SPARK: usize = 60;

/// Writes it.
pub fn write(document: &Document) -> String {
    let mut out = String::from("<!-- markdownlint-disable MD013 -->\n\n");
    let title = prose(&document.title);
    out.push_str(&format!("# {}\n", title.trim_end_matches(['.', ',', ';', ':', '!', '?', ' '])));
    for section in &document.sections {
        out.push_str(&format!("\n## {}\n", section.title));
        for part in &section.parts {
            out.push('\n');
            write_part(part, &mut out);
        }
    }
    out
}

fn write_part(part: &Part, out: &mut String) {
    match part {
        Part::Paragraph(text) => out.push_str(&format!("{}\n", line(text))),
        Part::List(items) => items.iter().for_each(|i| out.push_str(&format!("- {}\n", line(i)))),
        Part::Heading(text) => out.push_str(&format!("### {}\n", prose(text))),
        Part::Block(text) => out.push_str(&block(text)),
        Part::Table { head, rows } => {
            out.push_str(&format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len())));
            for row in rows {
                let cells: Vec<String> = row.iter().map(|c| cell(&line(c))).collect();
                out.push_str(&format!("| {} |\n", cells.join(" | ")));
            }
        }
        Part::Chart(chart) => {
            let peak = match chart.peak() {
                Some((at, v)) => format!("at most {} at {} UTC", number(v), utc(at)),
                None => "??".to_owned(),
            };
            let (from, to) = (utc(chart.range.start), utc(chart.range.end));
            out.push_str(&block(&format!("{}: {peak}\n{}\n{from} to {to} UTC", chart.title, chart.sparkline(SPARK))));
        }
    }
}

fn line(text: &Text) -> String {
    let mut out = String::new();
    for piece in text {
        let written = match piece {
            Piece::Words(w) if w.trim().is_empty() => String::new(),
            Piece::Words(w) => prose(w),
            Piece::Strong(w) => format!("**{}**", prose(w)),
            Piece::Code(w) => quoted(w),
        };
        // Pieces are joined as their own spaces say; at the ends none stays.
        let gap = |s: &str, at_end: bool| if at_end { s.ends_with(' ') } else { s.starts_with(' ') };
        let Piece::Words(raw) = piece else {
            out.push_str(&written);
            continue;
        };
        if gap(raw, false) && !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        out.push_str(&written);
        if gap(raw, true) && !written.is_empty() {
            out.push(' ');
        }
    }
    let out = out.trim().to_owned();
    if out.is_empty() { "??".into() } else { out }
}
