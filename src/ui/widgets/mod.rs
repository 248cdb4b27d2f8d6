//! Small drawings that several panes share: column chart, bar, rule with a title, timeline strip, scrolling.
//!
//! All are pure and total: they draw in any rectangle, down to none, and know no signal.

pub mod bar;
pub mod rule;
pub mod scroll;
pub mod spark;
pub mod strip;

pub use bar::Bar;
pub use rule::Rule;
pub use spark::Spark;
pub use strip::Strip;
