//! Brings a database up to date: its tables, what its planner and its collations must know, and rows of older versions.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{AnyConnection, POSTGRES_PATIENCE, begin, commit, rollback};
use crate::{
    error::{Error, Result},
    store::{Context, Tx, registrations, users},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();
/// Run after migrations.
const SQLITE_STATISTICS: &str = include_str!("../sqlite_statistics.sql");
/// Run at every start.
const POSTGRES_COLLATION: &str = include_str!("../postgres_collation.sql");
/// "rekey" in ASCII: the advisory lock that lets replicas start together and migrate once.
const MIGRATION_LOCK: i64 = 0x72_65_6b_65_79;
/// Users of older versions that are completed in one transaction.
const FILLED_AT_ONCE: i64 = 500;

/// Brings the tables up to date, and the rows in them. Blocks.
pub(super) fn migrate(conn: &mut AnyConnection, context: &Context) -> Result<()> {
    migrate_tables(conn)?;
    while fill_in(conn, context)? {}
    Ok(())
}

fn migrate_tables(conn: &mut AnyConnection) -> Result<()> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::unavailable(format!("migration: {error}"));
    match conn {
        AnyConnection::Sqlite(conn) => {
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?;
            let done = conn.run_pending_migrations(MIGRATIONS).map(|applied| !applied.is_empty()).map_err(failed);
            let done = done.and_then(|changed| {
                if changed {
                    conn.batch_execute(SQLITE_STATISTICS)?;
                }
                Ok(())
            });
            match done {
                Ok(()) => AnsiTransactionManager::commit_transaction(conn)?,
                Err(error) => {
                    AnsiTransactionManager::rollback_transaction(conn)?;
                    return Err(error);
                }
            }
        }
        AnyConnection::Postgres(conn) => {
            // An index over a big table takes as long as it takes, and so does waiting for another replica.
            conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
            conn.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))?;
            let done = conn.run_pending_migrations(MIGRATIONS).map(drop).map_err(failed);
            let done = done.and_then(|()| Ok(conn.batch_execute(POSTGRES_COLLATION)?));
            conn.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})"))?;
            conn.batch_execute(POSTGRES_PATIENCE)?;
            done?;
        }
    }
    Ok(())
}

/// Completes some rows of older versions; true when there may be more.
fn fill_in(conn: &mut AnyConnection, context: &Context) -> Result<bool> {
    begin(conn, "BEGIN")?;
    if let AnyConnection::Postgres(conn) = conn {
        conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))?;
    }
    let mut tx = Tx::new(conn, context);
    let more = users::fill_in(&mut tx, FILLED_AT_ONCE).and_then(|more| registrations::settle(&mut tx).map(|()| more));
    match more {
        Ok(more) => {
            commit(conn)?;
            Ok(more)
        }
        Err(error) => {
            rollback(conn)?;
            Err(error)
        }
    }
}
