//! Between the sources and the histories.

pub mod derive;
