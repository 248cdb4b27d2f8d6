//! Tests against real files, processes and servers.

mod logs;
