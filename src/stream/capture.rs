//! What may be kept of an event: everything but secrets. Line boundaries and request IDs stay.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::signals::database::event::DatabaseEvent;
use crate::signals::host::event::HostEvent;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::timeline::redact::redact;

/// The envelope without secrets in log bytes, command lines and statements.
pub fn captured(e: &Envelope) -> Envelope {
    let mut e = e.clone();
    match &mut e.event {
        Event::Logs(LogEvent::Appended(a)) => {
            // Bytes that are not UTF-8 are kept as they are: nothing in them is recognised as a secret.
            if let Some(bytes) = &a.bytes
                && let Ok(text) = std::str::from_utf8(bytes)
                && let Cow::Owned(clean) = redact(text)
            {
                a.bytes = Some(clean.into_bytes().into());
            }
        }
        Event::Host(HostEvent::Processes(table)) => {
            for row in &mut table.rows {
                if let Cow::Owned(clean) = redact(&row.command) {
                    row.command = CompactString::from(clean);
                }
            }
        }
        Event::Database(DatabaseEvent::Activity(a)) => a.sessions.iter_mut().for_each(|s| clean(&mut s.query)),
        Event::Database(DatabaseEvent::Text { text, .. }) => clean(text),
        Event::Database(DatabaseEvent::SlowStatement(s)) => clean(&mut s.statement),
        _ => {}
    }
    e
}

fn clean(text: &mut String) {
    if let Cow::Owned(clean) = redact(text) {
        *text = clean;
    }
}
