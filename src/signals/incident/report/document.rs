//! A post-mortem before it is Markdown or HTML: sections of paragraphs, lists, tables, blocks and charts, made of pieces
//! of text that mean nothing but themselves. Whoever writes it out escapes and redacts; nothing here has markup.

use super::chart::Chart;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Words, maybe foreign ones.
    Words(String),
    /// A command, a name, an ID.
    Code(String),
    /// Words that stand out.
    Strong(String),
}

/// A line, or what stands in a cell.
pub type Text = Vec<Piece>;

/// Plain words as a line.
pub fn words(text: impl Into<String>) -> Text {
    vec![Piece::Words(text.into())]
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A paragraph.
    Paragraph(Text),
    /// A list.
    List(Vec<Text>),
    /// A table; every row is as wide as the head.
    Table {
        /// The first row.
        head: Vec<&'static str>,
        /// The others.
        rows: Vec<Vec<Text>>,
    },
    /// Lines as they are.
    Block(String),
    /// A heading below that of the section.
    Heading(String),
    /// A chart.
    Chart(Chart),
}

/// A section.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What stands in it.
    pub parts: Vec<Part>,
}

/// The whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its heading.
    pub title: String,
    /// Its sections.
    pub sections: Vec<Section>,
}
