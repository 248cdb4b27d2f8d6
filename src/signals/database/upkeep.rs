//! Small warnings of what a server does besides its statements, said only when they matter.

use std::time::Duration;

use super::history::{Server, minute};
use crate::timeline::Ts;
use crate::timeline::time::short;
use crate::ui::Level;

/// Bytes of temporary files in a minute that are worth a word.
const TEMP_BYTES: u64 = 100 << 20;
/// Checkpoints forced in a minute that are worth a word.
const FORCED: u64 = 2;
/// Age of a database in transactions that is worth a word, and from which the server itself drops everything else for it.
const XIDS: (u64, u64) = (1_000_000_000, 1_600_000_000);
/// Transactions at which it stops taking writes.
const XIDS_END: u64 = 2_147_000_000;
/// Log kept by an unused slot that is worth a word.
const SLOT_BYTES: u64 = 1 << 30;
/// How far a standby may be behind before it is said, in milliseconds and bytes.
const BEHIND: (u64, u64) = (30_000, 256 << 20);
/// Older than this it says nothing of now.
const FRESH: Duration = Duration::from_secs(120);

/// What is to be said at `now`, gravest first.
pub fn warnings(server: &Server, now: Ts) -> Vec<(Level, String)> {
    let mut out = Vec::new();
    let Some(last) = server.upkeep.latest(now).filter(|e| now.since(e.at) < FRESH) else { return out };
    let u = &last.value;
    if u.oldest_xids >= XIDS.0 {
        let level = if u.oldest_xids >= XIDS.1 { Level::Bad } else { Level::Warn };
        let left = XIDS_END.saturating_sub(u.oldest_xids) / 1_000_000;
        out.push((
            level,
            format!(
                "wraparound: {} is {} M transactions old, {left} M before writes stop: find what holds vacuum back \
                 (old transactions, prepared ones, slots)",
                u.oldest_db,
                u.oldest_xids / 1_000_000
            ),
        ));
    }
    for s in &u.standbys {
        let late = s.behind_ms.filter(|ms| *ms >= BEHIND.0);
        let long = s.behind_bytes.filter(|b| *b >= BEHIND.1);
        if late.is_none() && long.is_none() {
            continue;
        }
        let by = [late.map(|ms| short(Duration::from_millis(ms))), long.or(s.behind_bytes).map(bytes)];
        let by: Vec<String> = by.into_iter().flatten().collect();
        out.push((Level::Warn, format!("standby {} is {} behind ({})", s.name, by.join(", "), s.state)));
    }
    if u.slot_bytes >= SLOT_BYTES {
        out.push((
            Level::Warn,
            format!("replication slot {} is unused and keeps {} of log on disk", u.slot, bytes(u.slot_bytes)),
        ));
    }
    let (mut temp, mut forced) = (0, 0);
    for e in server.upkeep.within(minute(now), now) {
        temp += e.value.temp_bytes;
        forced += e.value.checkpoints_forced;
    }
    if temp >= TEMP_BYTES {
        out.push((
            Level::Warn,
            format!("{} of temporary files in 60 s: sorts and hashes do not fit work_mem", bytes(temp)),
        ));
    }
    if forced >= FORCED {
        let text = format!("{forced} checkpoints forced in 60 s: so much is written that max_wal_size is reached");
        out.push((Level::Warn, text));
    }
    let (busy, of) = u.vacuums;
    if of > 0 && busy >= of {
        out.push((Level::Warn, format!("all {of} autovacuum workers are busy")));
    }
    out.sort_by_key(|(level, _)| *level != Level::Bad);
    out
}

fn bytes(n: u64) -> String {
    match n {
        n if n >= 10 << 30 => format!("{} GB", n >> 30),
        n if n >= 1 << 30 => format!("{:.1} GB", n as f64 / f64::from(1u32 << 30)),
        n => format!("{} MB", n >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::{DatabaseEvent, Standby, Upkeep};
    use crate::signals::database::history::DatabaseHistory;
    use crate::timeline::SourceId;

    fn said(looks: &[Upkeep]) -> Vec<String> {
        let mut h = DatabaseHistory::default();
        for (i, u) in looks.iter().enumerate() {
            let at = Ts::from_secs(100 + 10 * i as i64);
            h.apply(i as u64 + 1, SourceId(1), at, &DatabaseEvent::Upkeep(u.clone()));
        }
        let now = Ts::from_secs(100 + 10 * looks.len() as i64);
        warnings(&h.servers[&SourceId(1)], now).into_iter().map(|w| w.1).collect()
    }

    #[test]
    fn a_server_that_is_well_is_not_spoken_of() {
        let well = Upkeep {
            interval_ms: 10_000,
            oldest_xids: 190_000_000,
            freeze_at: 200_000_000,
            vacuums: (2, 3),
            temp_bytes: 1 << 20,
            checkpoints_timed: 1,
            standbys: vec![Standby { name: "b".into(), behind_ms: Some(900), ..Standby::default() }],
            ..Upkeep::default()
        };
        assert_eq!(said(&[well.clone(), well]), [""; 0]);
    }

    #[test]
    fn each_thing_that_matters_is_said_with_its_figure_and_the_gravest_first() {
        let bad = Upkeep {
            oldest_xids: 1_700_000_000,
            oldest_db: "orders".into(),
            vacuums: (3, 3),
            temp_bytes: 80 << 20,
            checkpoints_forced: 1,
            slot: "old".into(),
            slot_bytes: 3 << 30,
            standbys: vec![Standby {
                name: "b".into(),
                state: "catchup".into(),
                behind_ms: Some(45_000),
                behind_bytes: Some(300 << 20),
            }],
            ..Upkeep::default()
        };
        let told = said(&[bad.clone(), bad]);
        assert!(
            told[0].starts_with("wraparound: orders is 1700 M transactions old, 447 M before writes stop"),
            "{told:?}"
        );
        assert_eq!(
            told[1..],
            [
                "standby b is 45 s behind (catchup)".replace("45 s", "45 s, 300 MB"),
                "replication slot old is unused and keeps 3.0 GB of log on disk".to_owned(),
                "160 MB of temporary files in 60 s: sorts and hashes do not fit work_mem".to_owned(),
                "2 checkpoints forced in 60 s: so much is written that max_wal_size is reached".to_owned(),
                "all 3 autovacuum workers are busy".to_owned(),
            ]
        );
    }
}
