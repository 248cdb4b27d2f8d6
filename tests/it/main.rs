//! Integration tests: real files, real servers, the real machine.

mod host;
