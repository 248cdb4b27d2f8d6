//! What the titles of PostgreSQL's processes say: `postgres: 14/main: shop orders 10.0.0.4(51234) UPDATE waiting`.
//!
//! They are there for everybody on the box, without a connection, also on the night when the server gives none. Reading
//! them is `sources::titles`; what is counted here is the same for the pane and for what is found on an unconfigured box.

use super::event::SessionCounts;

/// A client's session as its title tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Title<'a> {
    /// Role.
    pub user: &'a str,
    /// Database.
    pub db: &'a str,
    /// Address without its port, or `[local]`.
    pub client: &'a str,
    /// `idle`, `idle in transaction`, else the command: `SELECT`, `UPDATE waiting`; empty while it starts.
    pub state: &'a str,
}

/// Reads a title; `None` for what is no client's session: the server itself, its background processes, its replicas.
pub fn parse(title: &str) -> Option<Title<'_>> {
    let rest = title.strip_prefix("postgres: ")?;
    // A cluster's name stands before the role, with a colon.
    let rest = match rest.split_once(": ") {
        Some((cluster, rest)) if !cluster.contains(' ') => rest,
        _ => rest,
    };
    let mut at = 0;
    // The client is what marks a session: `[local]`, or an address with its port.
    let (client, end) = loop {
        let word = rest.get(at..)?.split(' ').next()?;
        let remote = word.ends_with(')') && word.find('(').is_some_and(|i| i > 0);
        if word == "[local]" || remote {
            break (word, at + word.len());
        }
        at += word.len() + 1;
    };
    // Role and database may hold blanks: the last word is taken for the database.
    let (user, db) = rest.get(..at)?.trim_end().rsplit_once(' ')?;
    if user == "walsender" || user.starts_with("walsender ") {
        return None;
    }
    let state = rest.get(end..)?.trim();
    let state = if matches!(state, "startup" | "authentication" | "initializing") { "" } else { state };
    Some(Title { user, db, client: client.split('(').next().unwrap_or(client), state })
}

/// Adds one session to the counts; one that starts is counted as hidden.
pub fn count(counts: &mut SessionCounts, state: &str) {
    counts.clients += 1;
    match state {
        "" => counts.hidden += 1,
        "idle" => counts.idle += 1,
        "idle in transaction" => counts.idle_in_tx += 1,
        s if s.starts_with("idle in transaction") => counts.aborted += 1,
        s => {
            counts.active += 1;
            counts.waiting += u32::from(s.ends_with(" waiting"));
        }
    }
}

/// `97 backends, 31 idle in transaction, 4 waiting for a lock, 12 active`.
pub fn told(counts: &SessionCounts) -> String {
    let mut text = format!("{} backend{}", counts.clients, if counts.clients == 1 { "" } else { "s" });
    for (n, word) in [
        (counts.idle_in_tx + counts.aborted, "idle in transaction"),
        (counts.waiting, "waiting for a lock"),
        (counts.active, "active"),
        (counts.hidden, "starting"),
    ] {
        if n > 0 {
            text += &format!(", {n} {word}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_from_what_the_server_runs_for_itself_in_every_form_of_title() {
        for title in [
            "postgres: 14/main: checkpointer ",
            "postgres: 14/main: walsender repl 10.0.0.9(4000) streaming 0/1",
            "postgres: walsender repl orders 10.0.0.9(4000) idle",
            "postgres: parallel worker for PID 4121 ",
            "postgres: autovacuum worker orders",
            "/usr/lib/postgresql/14/bin/postgres -D /var/lib/postgresql/14/main",
            "postgres: ",
            "postgres: é",
        ] {
            assert_eq!(parse(title), None, "{title}");
        }
        let t = parse("postgres: 14/main: shop orders 10.0.0.4(51234) idle in transaction (aborted)").unwrap();
        assert_eq!(t, Title { user: "shop", db: "orders", client: "10.0.0.4", state: "idle in transaction (aborted)" });
        let t = parse("postgres: my shop orders ::1(5) UPDATE waiting").unwrap();
        assert_eq!((t.user, t.db, t.client, t.state), ("my shop", "orders", "::1", "UPDATE waiting"));
        assert_eq!(parse("postgres: shop orders [local] startup").unwrap().state, "");
    }
}
