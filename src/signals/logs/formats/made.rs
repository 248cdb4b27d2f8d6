//! Formats that are in no table: those the user describes in the configuration, and those that a header line describes.
//!
//! A format is known by its name in the whole process, from a source's thread to the record view, and in a recording
//! that is opened on another box. What a header says is therefore all in the name (see [`super::delimited`]): whoever
//! has the name can make the format. User formats are defined once, when the configuration is read.

use std::sync::{PoisonError, RwLock};

use super::{Format, delimited};

/// So many are kept; headers beyond that leave their files plain text.
const MOST: usize = 256;

static USER: RwLock<Vec<&'static dyn Format>> = RwLock::new(Vec::new());
static HEADERS: RwLock<Vec<&'static dyn Format>> = RwLock::new(Vec::new());

fn find(list: &RwLock<Vec<&'static dyn Format>>, name: &str) -> Option<&'static dyn Format> {
    list.read().unwrap_or_else(PoisonError::into_inner).iter().copied().find(|f| f.name() == name)
}

/// A format that was defined, or that its name describes.
pub(super) fn by_name(name: &str) -> Option<&'static dyn Format> {
    find(&USER, name).or_else(|| find(&HEADERS, name)).or_else(|| delimited::Delimited::named(name).and_then(keep))
}

/// Keeps what a header describes; the one there is where there is one already.
pub(super) fn keep(format: delimited::Delimited) -> Option<&'static dyn Format> {
    if let Some(known) = find(&HEADERS, format.name()) {
        return Some(known);
    }
    let mut all = HEADERS.write().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MOST {
        return None;
    }
    let format: &'static dyn Format = Box::leak(Box::new(format));
    all.push(format);
    Some(format)
}

/// A name that lives as long as the process: the one of a header that is kept, else a new one while there is room.
pub(super) fn name(name: String) -> Option<&'static str> {
    static NAMES: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());
    let mut all = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.iter().find(|n| **n == name) {
        return Some(known);
    }
    (all.len() < MOST).then(|| {
        let name: &'static str = Box::leak(name.into_boxed_str());
        all.push(name);
        name
    })
}

/// Defines the user's formats, in their order; one of a name that is defined already takes its place.
pub(super) fn define(formats: Vec<super::user::UserFormat>) {
    let mut all = USER.write().unwrap_or_else(PoisonError::into_inner);
    for format in formats.into_iter().take(MOST) {
        let format: &'static dyn Format = Box::leak(Box::new(format));
        match all.iter_mut().find(|f| f.name() == format.name()) {
            Some(place) => *place = format,
            None => all.push(format),
        }
    }
}

/// The user's formats.
pub(super) fn defined() -> Vec<&'static dyn Format> {
    USER.read().unwrap_or_else(PoisonError::into_inner).clone()
}
