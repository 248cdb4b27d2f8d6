//! Where facts about databases come from: servers (one folder per engine) and metrics pages.

pub mod clients;
pub mod connected;
pub mod counters;
pub mod metrics;
pub mod mysql;
pub mod pace;
pub mod pgbouncer;
pub mod postgres;
pub mod reserved;
pub mod secret;
pub mod shape;
pub mod sqlite;
pub mod titles;

use super::config::DatabaseConfig;
use crate::signals::{Declared, Roots};
use crate::timeline::{SourceDecl, SourceId, SourceKind};

/// The sources that the configuration asks for, servers first, then pages, then what is seen without a connection.
pub fn sources(config: &DatabaseConfig, roots: &Roots) -> Vec<Declared> {
    if !config.enabled {
        return Vec::new();
    }
    let decl =
        |name: String, detail: String| SourceDecl { id: SourceId::default(), kind: SourceKind::Database, name, detail };
    let servers = config.postgres.iter().map(|c| {
        let name = c.name.clone().unwrap_or_else(|| c.url.short());
        let source = postgres::PostgresSource::new(&name, c.clone(), roots);
        Declared { decl: decl(name, c.url.shown()), source: Box::new(source) }
    });
    let mysql = config.mysql.iter().map(|c| {
        let name = c.name.clone().unwrap_or_else(|| c.url.short());
        let source = mysql::MysqlSource::new(&name, c.clone(), roots);
        Declared { decl: decl(name, c.url.shown()), source: Box::new(source) }
    });
    let poolers = config.pgbouncer.iter().map(|c| {
        let name = c.name.clone().unwrap_or_else(|| c.url.short());
        Declared { decl: decl(name, c.url.shown()), source: Box::new(pgbouncer::PgbouncerSource::new(c.clone())) }
    });
    let pages = config.metrics.iter().map(|c| Declared {
        decl: decl(c.name.clone(), c.url.shown()),
        source: Box::new(metrics::MetricsSource::new(c.clone())),
    });
    let files = config.sqlite.iter().map(|c| Declared {
        decl: decl(c.short(), c.path.display().to_string()),
        source: Box::new(sqlite::SqliteSource::new(&c.short(), c.clone())),
    });
    let mut all: Vec<Declared> = servers.chain(mysql).chain(poolers).chain(pages).chain(files).collect();
    // What refuses a connection can still be looked at from outside.
    if config.postgres.iter().any(|c| c.url.is_local()) {
        all.push(titles::declared(roots));
    }
    all
}
