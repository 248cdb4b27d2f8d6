//! The slots that a full server keeps back for whoever repairs it. Ours may be the role that gets one: then it looks once,
//! goes, and comes back rarely.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::signals::Out;
use crate::signals::database::event::Activity;
use crate::signals::database::plan::Question;
use crate::timeline::SourceState;

/// Time until the next look through such a slot.
pub const AGAIN: Duration = Duration::from_secs(60);

const TOLD: &str = "the server is full: looked through a slot that it keeps for whoever repairs it, and gave it back; \
     looks again every 60 s until there is room";

/// Whether our connection must go: it `may` stand in a slot that is kept back, and did not stand before (`first`) or
/// leaves nobody else one. Marks the look as the last for a while.
pub fn must_go(look: &mut Activity, may: bool, first: bool) -> bool {
    let all = look.counts.clients + 1;
    let free_to_all = look.max_connections.saturating_sub(look.reserved);
    // MySQL keeps one slot beyond those it tells of, PostgreSQL some of those it tells of.
    let door = look.max_connections + u32::from(look.reserved == 0);
    look.given_back = may && free_to_all > 0 && all > free_to_all && (first || all >= door);
    if look.given_back {
        look.every_ms = AGAIN.as_millis() as u32;
    }
    look.given_back
}

/// Waits for the next look; `false` when it was cancelled. Questions are answered with why nobody can be asked.
pub async fn wait(out: &Out, mut questions: Option<&mut mpsc::Receiver<Question>>, cancel: &CancellationToken) -> bool {
    out.state(SourceState::Degraded { why: TOLD.into() }).await;
    let next = tokio::time::Instant::now() + AGAIN;
    loop {
        tokio::select! {
            () = cancel.cancelled() => return false,
            () = tokio::time::sleep_until(next) => return true,
            Some(q) = asked(&mut questions) => q.refuse(&format!("not done: {TOLD}")),
        }
    }
}

async fn asked(questions: &mut Option<&mut mpsc::Receiver<Question>>) -> Option<Question> {
    questions.as_mut()?.recv().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::SessionCounts;

    #[test]
    fn only_a_connection_that_may_stand_in_a_slot_kept_back_goes() {
        let goes = |clients, max_connections, reserved, may, first| {
            let counts = SessionCounts { clients, ..SessionCounts::default() };
            let mut look = Activity { counts, max_connections, reserved, ..Activity::default() };
            must_go(&mut look, may, first)
        };
        // MySQL: 10 slots and one beyond them.
        assert!(goes(10, 10, 0, true, true) && goes(10, 10, 0, true, false));
        assert!(!goes(10, 10, 0, false, true) && !goes(9, 10, 0, true, true));
        // PostgreSQL: 3 of 10 kept back. Who was there before the others stays while one is left.
        assert!(goes(7, 10, 3, true, true) && !goes(7, 10, 3, true, false) && goes(9, 10, 3, true, false));
        assert!(!goes(6, 10, 3, true, true));
    }
}
