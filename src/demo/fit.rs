//! Fits rows and load to this machine, so that the same deploy breaks a fast laptop and leaves a slow box alive.
//!
//! The one core of the backend can do `1 / cost` order lists a second, where `cost` is the time of one list that reads
//! the whole table. Asking for [`OVERLOAD`] times that fills any pool and keeps it full. The wanted request rate
//! is moderate ([`RATE`], so that a log stays readable), which sets the wanted cost and with it the rows; what rows cannot
//! give (a limit of disk and of start time) the rate makes up.
//!
//! Costs are the least of several timings, not the median: a busy neighbour only ever adds, and a cost taken too high
//! would give a load too low to break anything once the neighbour has gone.

use std::time::{Duration, Instant};

use super::shop;
use super::store::Link;

/// Lists asked for without an index, over what one core can do.
const OVERLOAD: f64 = 2.0;
/// Wanted order lists a second.
const RATE: f64 = 12.0;
/// The rows that are timed first.
const FIRST_ROWS: u64 = 150_000;
const MIN_ROWS: u64 = 200_000;
const MAX_ROWS: u64 = 800_000;
/// What filling and indexing may take in all; PostgreSQL is slower at it.
const SQLITE_BUDGET: Duration = Duration::from_millis(1300);
const POSTGRES_BUDGET: Duration = Duration::from_millis(4000);

/// What was measured and chosen at the start.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Rows in `orders`.
    pub rows: u64,
    /// Order lists asked for each second.
    pub lists_per_second: f64,
    /// One order list with its index, alone on the core.
    pub indexed: Duration,
    /// One order list that reads the whole table, alone on the core (computed from fewer rows).
    pub scanned: Duration,
    /// Whether the backend is held to one core.
    pub one_core: bool,
}

impl Fitted {
    /// The share of one core that lists need with the index.
    pub fn healthy_load(&self) -> f64 {
        self.lists_per_second * self.indexed.as_secs_f64()
    }

    /// The share of one core that lists would need without the index; above 1 the pool runs dry.
    pub fn broken_load(&self) -> f64 {
        self.lists_per_second * self.scanned.as_secs_f64()
    }
}

/// Fills a database that has no orders yet, timing as it goes.
pub(super) async fn fill(link: &mut Link, one_core: bool) -> Result<Fitted, sqlx::Error> {
    let budget = match link {
        Link::Sqlite(_) => SQLITE_BUDGET,
        Link::Postgres(_) => POSTGRES_BUDGET,
    };
    let begun = Instant::now();
    shop::add_orders(link, 0, FIRST_ROWS).await?;
    let filling = begun.elapsed();
    let first = least_list(link, 3).await?;
    let (rows, lists_per_second, scanned) = choose(first, filling, budget, cores(one_core));
    shop::add_orders(link, FIRST_ROWS, rows).await?;
    shop::finish(link).await?;
    let indexed = least_list(link, 5).await?;
    Ok(Fitted { rows, lists_per_second, indexed, scanned, one_core })
}

/// Rows, lists a second and the cost of one list without index, from the time of one list over [`FIRST_ROWS`] and the
/// time it took to write those.
fn choose(first: Duration, filling: Duration, budget: Duration, cores: f64) -> (u64, f64, Duration) {
    let per_row = first.as_secs_f64().max(1e-6) / FIRST_ROWS as f64;
    let wanted = OVERLOAD * cores / RATE / per_row;
    // Indexing costs about half as much again as filling.
    let fill_per_row = filling.as_secs_f64().max(1e-6) / FIRST_ROWS as f64;
    let affordable = budget.as_secs_f64() / (1.5 * fill_per_row);
    let rows = (wanted.min(affordable) as u64).clamp(MIN_ROWS, MAX_ROWS);
    let scanned = rows as f64 * per_row;
    let rate = (OVERLOAD * cores / scanned).clamp(2.0, 60.0);
    (rows, rate, Duration::from_secs_f64(scanned))
}

/// How many cores the database can use: one when held to it, else as many as there are, up to the pool.
fn cores(one_core: bool) -> f64 {
    if one_core {
        return 1.0;
    }
    std::thread::available_parallelism().map_or(1, |n| n.get().min(super::release::POOL_SIZE as usize)) as f64
}

/// The least of `times` order lists of different users.
async fn least_list(link: &mut Link, times: i64) -> Result<Duration, sqlx::Error> {
    let mut least = Duration::MAX;
    for user in 1..=times {
        let begun = Instant::now();
        for statement in shop::LIST {
            link.run(statement, &[user * 997]).await?;
        }
        least = least.min(begun.elapsed());
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_machine_is_asked_for_twice_what_it_can_do_within_bounds() {
        for (first_ms, fill_ms) in [(8, 60), (20, 100), (60, 300), (150, 500), (400, 1500)] {
            let (rows, rate, cost) =
                choose(Duration::from_millis(first_ms), Duration::from_millis(fill_ms), SQLITE_BUDGET, 1.0);
            let load = rate * cost.as_secs_f64();
            assert!((1.6..=2.4).contains(&load), "{first_ms} ms: {rows} rows, {rate}/s, load {load}");
            assert!((MIN_ROWS..=MAX_ROWS).contains(&rows));
            assert!((2.0..=60.0).contains(&rate));
        }
    }
}
