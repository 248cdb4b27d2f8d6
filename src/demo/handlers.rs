//! What the service does for each route, and how it fails.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::log::{Line, millis};
use super::release::{Release, Version};
use super::service::{Answer, Call};
use super::shop;
use super::store::{Lease, Row};
use super::thrown::Thrown;

/// From here on a statement is slow.
const SLOW_STATEMENT: Duration = Duration::from_millis(200);
/// From here on a wait for a connection is worth a line.
const SLOW_ACQUIRE: Duration = Duration::from_millis(500);
/// How long a health check waits for its query.
const HEALTH_DEADLINE: Duration = Duration::from_secs(1);

/// Where a request goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /orders?user=N`
    Orders(i64),
    /// `GET /orders/ID`
    Order(i64),
    /// `POST /carts?user=N`
    NewCart(i64),
    /// `GET /users/N/email`
    Email(i64),
    /// `GET /healthz`
    Health,
    /// `GET /metrics`
    Metrics,
    /// Everything else.
    Unknown,
}

impl Route {
    pub(super) fn of(method: &Method, path: &str, query: Option<&str>) -> Route {
        let user = || query?.split('&').find_map(|pair| pair.strip_prefix("user="))?.parse().ok();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let route = match (method.as_str(), parts.as_slice()) {
            ("GET", ["healthz"]) => Some(Route::Health),
            ("GET", ["metrics"]) => Some(Route::Metrics),
            ("GET", ["orders"]) => user().map(Route::Orders),
            ("GET", ["orders", id]) => id.parse().ok().map(Route::Order),
            ("GET", ["users", id, "email"]) => id.parse().ok().map(Route::Email),
            ("POST", ["carts"]) => user().map(Route::NewCart),
            _ => None,
        };
        route.unwrap_or(Route::Unknown)
    }

    /// The route without its numbers: the label of its metrics.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            Route::Orders(_) => "/orders",
            Route::Order(_) => "/orders/{id}",
            Route::NewCart(_) => "/carts",
            Route::Email(_) => "/users/{id}/email",
            Route::Health => "/healthz",
            Route::Metrics => "/metrics",
            Route::Unknown => "unknown",
        }
    }

    /// Whether it serves customers, not machines that watch: only those are in the service's own log.
    pub(super) fn is_business(self) -> bool {
        !matches!(self, Route::Health | Route::Metrics)
    }
}

/// How a request fails.
#[derive(Debug)]
pub(super) enum Failure {
    NotFound,
    /// No version runs just now.
    Restarting,
    /// The pool gave no connection in time.
    PoolTimedOut,
    /// The health check's query did not come back in time.
    Unhealthy,
    Database(sqlx::Error),
    /// The code met what it did not expect.
    Thrown(Thrown),
}

impl Failure {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Failure::NotFound => StatusCode::NOT_FOUND,
            Failure::Restarting | Failure::PoolTimedOut | Failure::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Database(_) | Failure::Thrown(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn body(&self) -> String {
        json!({ "error": self.to_string() }).to_string()
    }

    pub(super) fn stack(&self) -> Option<String> {
        match self {
            Failure::Thrown(thrown) => Some(thrown.stack()),
            _ => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::NotFound => f.write_str("not found"),
            Failure::Restarting => f.write_str("the service is being replaced"),
            Failure::PoolTimedOut => write!(f, "{}", sqlx::Error::PoolTimedOut),
            Failure::Unhealthy => write!(f, "no answer from the database within {} s", HEALTH_DEADLINE.as_secs()),
            Failure::Database(error) => write!(f, "{error}"),
            Failure::Thrown(thrown) => write!(f, "{thrown}"),
        }
    }
}

/// Does what `route` asks for, with the version that runs.
pub(super) async fn handle(call: &Call<'_>, route: Route, release: Option<&Release>) -> Result<Answer, Failure> {
    if route == Route::Metrics {
        let service = call.service;
        return Ok((StatusCode::OK, service.metrics.render(release, service.logs.lost())));
    }
    let release = release.ok_or(Failure::Restarting)?;
    let answer = async {
        match route {
            Route::Orders(user) => orders(call, release, user).await,
            Route::Order(id) => order(call, release, id).await,
            Route::NewCart(user) => new_cart(call, release, user).await,
            Route::Email(user) => email(call, release, user).await,
            Route::Health => health(call, release).await,
            Route::Metrics | Route::Unknown => Err(Failure::NotFound),
        }
    };
    match answer.await {
        // A statement stopped because its version is ended is no fault of the database.
        Err(Failure::Database(_)) if release.has_ended() => Err(Failure::Restarting),
        answer => answer,
    }
}

async fn orders(call: &Call<'_>, release: &Release, user: i64) -> Result<Answer, Failure> {
    let mut db = acquire(call, release).await?;
    let newest = run(call, &mut db, shop::NEWEST, user).await?;
    let totals = run(call, &mut db, shop::TOTALS, user).await?;
    let by_status = run(call, &mut db, shop::BY_STATUS, user).await?;
    drop(db);
    let newest: Vec<Value> = newest
        .iter()
        .map(|row| json!({ "id": row.int(0), "status": row.text(1), "total_cents": row.int(2), "at": row.int(3) }))
        .collect();
    let by_status: Vec<Value> = by_status.iter().map(|row| json!([row.text(0), row.int(1)])).collect();
    let (count, spent) = totals.first().map_or((0, 0), |row| (row.int(0), row.int(1)));
    ok(json!({ "user": user, "orders": count, "spent_cents": spent, "newest": newest, "by_status": by_status }))
}

async fn order(call: &Call<'_>, release: &Release, id: i64) -> Result<Answer, Failure> {
    let mut db = acquire(call, release).await?;
    let rows = run(call, &mut db, shop::ORDER, id).await?;
    let row = rows.first().ok_or(Failure::NotFound)?;
    ok(json!({ "id": row.int(0), "user": row.int(1), "status": row.text(2), "total_cents": row.int(3) }))
}

async fn new_cart(call: &Call<'_>, release: &Release, user: i64) -> Result<Answer, Failure> {
    let mut db = acquire(call, release).await?;
    let rows = run(call, &mut db, shop::NEW_CART, user).await?;
    let id = rows.first().map_or(0, |row| row.int(0));
    Ok((StatusCode::CREATED, json!({ "cart": id, "user": user }).to_string()))
}

async fn email(call: &Call<'_>, release: &Release, user: i64) -> Result<Answer, Failure> {
    let mut db = acquire(call, release).await?;
    let rows = run(call, &mut db, shop::EMAIL, user).await?;
    drop(db);
    let email = match release.version {
        Version::Good => rows.first().ok_or(Failure::NotFound)?.text(0).to_owned(),
        // 1.4.2 masks the address, and its author was sure that every user exists.
        Version::Bad => {
            masked_email(user, &rows).map_err(|thrown| Failure::Thrown(thrown.through("api::handlers::email")))?
        }
    };
    ok(json!({ "user": user, "email": email }))
}

async fn health(call: &Call<'_>, release: &Release) -> Result<Answer, Failure> {
    let ping = async {
        let mut db = release.acquire().await.0.map_err(|_| Failure::Unhealthy)?;
        run(call, &mut db, shop::PING, 1).await
    };
    tokio::time::timeout(HEALTH_DEADLINE, ping).await.map_err(|_| Failure::Unhealthy)??;
    ok(json!({ "status": "ok", "version": release.version.text() }))
}

fn masked_email(user: i64, rows: &[Row]) -> Result<String, Thrown> {
    let email = first_email(user, rows).map_err(|thrown| thrown.through("api::users::masked_email"))?;
    Ok(match email.split_once('@') {
        Some((name, host)) => format!("{}***@{host}", name.chars().next().unwrap_or('*')),
        None => email,
    })
}

fn first_email(user: i64, rows: &[Row]) -> Result<String, Thrown> {
    let row = row_of(user, rows).map_err(|thrown| thrown.through("api::users::first_email"))?;
    Ok(row.text(0).to_owned())
}

fn row_of(user: i64, rows: &[Row]) -> Result<&Row, Thrown> {
    rows.first().ok_or_else(|| Thrown::new("api::users::row_of", format!("KeyError: 'email': no row for user {user}")))
}

/// A connection of the version's pool; a long wait is a line in the log.
async fn acquire(call: &Call<'_>, release: &Release) -> Result<Lease, Failure> {
    let (result, waited) = release.acquire().await;
    if waited >= SLOW_ACQUIRE && result.is_ok() {
        let usage = release.usage();
        call.service.logs.write(
            Line::new("WARN", "api::pool", "acquire waited for a connection")
                .field("request_id", call.request_id)
                .field("waited_ms", millis(waited))
                .field("pool_used", usage.used)
                .field("pool_max", usage.max)
                .field("pool_waiting", usage.waiting),
        );
    }
    result.map_err(|error| match error {
        sqlx::Error::PoolTimedOut => Failure::PoolTimedOut,
        sqlx::Error::PoolClosed => Failure::Restarting,
        error => Failure::Database(error),
    })
}

/// Runs one statement; a slow one is a line in the log, worded and named as sqlx does it.
async fn run(call: &Call<'_>, db: &mut Lease, statement: &'static str, bind: i64) -> Result<Vec<Row>, Failure> {
    let begun = Instant::now();
    let result = db.run(statement, bind, call.request_id).await;
    let elapsed = begun.elapsed();
    if elapsed >= SLOW_STATEMENT {
        let summary: Vec<&str> = statement.split_whitespace().take(4).collect();
        call.service.logs.write(
            Line::new("WARN", "sqlx::query", "slow statement: execution time exceeded alert threshold")
                .field("request_id", call.request_id)
                .field("summary", format!("{} …", summary.join(" ")))
                .field("db.statement", statement)
                .field("rows_affected", 0)
                .field("rows_returned", result.as_ref().map_or(0, Vec::len))
                .field("elapsed", format!("{elapsed:.3?}"))
                .field("elapsed_secs", elapsed.as_secs_f64())
                .field("slow_threshold", format!("{SLOW_STATEMENT:?}")),
        );
    }
    result.map_err(Failure::Database)
}

fn ok(body: Value) -> Result<Answer, Failure> {
    Ok((StatusCode::OK, body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_found_and_nonsense_is_unknown() {
        let of = |method, path, query| Route::of(&method, path, query);
        assert_eq!(of(Method::GET, "/orders", Some("a=1&user=12")), Route::Orders(12));
        assert_eq!(of(Method::GET, "/orders/7", None), Route::Order(7));
        assert_eq!(of(Method::POST, "/carts", Some("user=3")), Route::NewCart(3));
        assert_eq!(of(Method::GET, "/users/9/email", None), Route::Email(9));
        for path in ["/orders", "/orders/x", "/users//email", "/", "/orders/1/2"] {
            assert_eq!(of(Method::GET, path, None), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn a_missing_user_is_thrown_with_every_place_it_passed() {
        let stack = masked_email(40_001, &[]).unwrap_err().through("api::handlers::email").stack();
        let lines: Vec<&str> = stack.lines().collect();
        assert_eq!(lines[0], "KeyError: 'email': no row for user 40001");
        assert_eq!(lines.len(), 5);
        assert!(lines[1].starts_with("    at api::users::row_of (src/demo/handlers.rs:"), "{stack}");
    }
}
