//! Tests through the public interface, against real files, processes and servers. One crate, one module a subject.

mod incident;
