//! The log store: files are their own store.
