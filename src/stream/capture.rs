//! What may be kept of an event: everything but secrets. Line boundaries, offsets and request IDs stay.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::signals::database::event::DatabaseEvent;
use crate::signals::deploys::event::DeployEvent;
use crate::signals::host::event::HostEvent;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::timeline::redact::{mask_bytes, redact};
use crate::timeline::source::Declaration;
use crate::timeline::{SourceKind, SourceState};

/// The envelope without secrets in log bytes, command lines, statements and reasons.
pub fn captured(e: &Envelope) -> Envelope {
    let mut e = e.clone();
    match &mut e.event {
        Event::Logs(LogEvent::Appended(a)) => {
            if let Some(bytes) = &a.bytes
                && let Some(masked) = mask_bytes(bytes)
            {
                a.bytes = Some(masked.into());
            }
        }
        Event::Logs(LogEvent::Seam { why, .. }) => clean(why),
        // The detail of the incident source is a path that `attach` writes to; a command line may hold a password.
        Event::Stream(Declaration::Source(d)) if d.kind != SourceKind::Incident => clean(&mut d.detail),
        Event::Stream(Declaration::State { state: SourceState::Failed { why, .. }, .. }) => clean(why),
        Event::Stream(Declaration::State { state: SourceState::Degraded { why }, .. }) => clean(why),
        Event::Host(HostEvent::Processes(table)) => {
            for row in &mut table.rows {
                if let Cow::Owned(clean) = redact(&row.command) {
                    row.command = CompactString::from(clean);
                }
            }
        }
        Event::Database(DatabaseEvent::Activity(a)) => a.sessions.iter_mut().for_each(|s| clean(&mut s.query)),
        Event::Database(DatabaseEvent::Deadlocks { sides, .. }) => sides.iter_mut().for_each(|s| clean(&mut s.query)),
        Event::Database(DatabaseEvent::Text { text, .. }) => clean(text),
        Event::Database(DatabaseEvent::SlowStatement(s)) => clean(&mut s.statement),
        Event::Deploys(DeployEvent::Change(c)) => {
            c.detail.iter_mut().for_each(clean);
            c.raw.iter_mut().for_each(clean);
        }
        _ => {}
    }
    e
}

fn clean(text: &mut String) {
    if let Cow::Owned(clean) = redact(text) {
        *text = clean;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_bytes_are_as_long_as_they_were_and_one_bad_byte_hides_no_secret() {
        let bytes = b"caf\xe9 password=hunter2secret\nnext Authorization: Bearer abcdef0123456789abcdef\n";
        let out = mask_bytes(bytes).expect("there are secrets");
        assert_eq!(out.len(), bytes.len());
        let text = String::from_utf8_lossy(&out);
        assert!(!text.contains("hunter2") && !text.contains("abcdef0123"), "{text}");
        assert_eq!(memchr::memchr_iter(b'\n', &out).count(), 2);
    }
}
