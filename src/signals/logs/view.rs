//! stub
use super::row::LogRow;
use super::store::*;
use crate::timeline::{Filter, TimeRange, Ts};
/// stub
#[derive(Clone, Debug, Default)]
pub struct LogView {}
#[allow(missing_docs, unused_variables)]
impl LogView {
    pub fn new() -> LogView { LogView {} }
    pub fn set_filter(&mut self, f: Filter) {}
    pub fn set_playhead(&mut self, now: Ts, live: bool) {}
    pub fn data_changed(&mut self) {}
    pub fn wants(&mut self, height: usize) -> Option<LogQuery> { None }
    pub fn arrive(&mut self, a: LogArrival) {}
    pub fn move_by(&mut self, by: isize) {}
    pub fn end(&mut self) {}
    pub fn go_to(&mut self, at: Ts) {}
    pub fn set_search(&mut self, text: &str) {}
    pub fn search_pattern(&self) -> Option<Pattern> { None }
    pub fn show(&mut self, row: LogRow) {}
    pub fn select_index(&mut self, i: usize) {}
    pub fn change_context(&mut self, by: i32) {}
    pub fn selected(&self) -> Option<&LogRow> { None }
}
