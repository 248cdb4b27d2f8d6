//! One file per subcommand that is not the screen.

pub mod check;
pub mod check_format;
pub mod demo;
pub mod deploy;
pub mod export;
pub mod incident;
pub mod note;
pub mod query;
pub mod record;
pub mod record_past;
pub mod recording;
pub mod relay;
pub mod screen;
pub mod texts;
