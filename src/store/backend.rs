//! The two databases behind one connection type. The only file that asks which of them it talks to.
//!
//! * SQLite: one writer thread owns the one writing connection and groups commits: it drains the queue, runs each
//!   closure in a savepoint, commits once, and only then answers all. Readers have a pool of their own and run where
//!   they are called: a read takes microseconds, moving it to another thread takes longer.
//! * PostgreSQL: any number of processes. A writing transaction first takes its tenant's row lock (the audit head,
//!   which it will change anyway), so the writes of one tenant happen one after the other and every later statement
//!   sees what was committed before. That gives per-tenant serializability at READ COMMITTED, without retries.

mod migrations;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use diesel::{
    Connection, ConnectionError, PgConnection, QueryResult, RunQueryDsl, SqliteConnection,
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    prelude::*,
    r2d2::{ManageConnection, Pool, R2D2Connection},
    result::{DatabaseErrorKind, Error as DieselError},
};
use prometheus::{Histogram, core::Collector};
use tokio::sync::{mpsc, oneshot};

use super::{
    Context, Tx,
    schema::audit_heads,
    writer::{Job, WriteJob, Writer, group_sizes},
};
use crate::{
    config::DatabaseUrl,
    error::{Error, Result},
    id::TenantId,
};

/// How long a caller waits for a connection, the writer's queue or another process's lock before it gets a 503.
const PATIENCE: Duration = Duration::from_secs(5);
/// Writes that may wait for the SQLite writer; beyond that callers wait at the door.
const WRITE_QUEUE: usize = 1024;
/// Attempts of a PostgreSQL transaction that met another (deadlock or serialization failure).
const ATTEMPTS: usize = 5;
/// How long PostgreSQL may take over a statement, and wait for a lock.
const POSTGRES_PATIENCE: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'";
/// Connections per process.
const POSTGRES_CONNECTIONS: u32 = 24;

#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Runs one query on the connection inside the enum. Through the enum diesel must write a query's SQL anew each time to
/// find its prepared statement; a query in its own database's types is found by its type. For the hottest reads.
macro_rules! natively {
    ($conn:expr, |$inner:ident| $query:expr) => {
        match $conn {
            $crate::store::backend::AnyConnection::Postgres($inner) => $query,
            $crate::store::backend::AnyConnection::Sqlite($inner) => $query,
        }
    };
}
pub(super) use natively;

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// Opens connections for a pool, with the settings each database needs.
#[derive(Clone)]
pub(super) struct Manager {
    url: DatabaseUrl,
    access: Access,
}

impl Manager {
    pub(super) fn open(&self) -> Result<AnyConnection, ConnectionError> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
                let set = |conn: &mut SqliteConnection, text: &str| {
                    conn.batch_execute(text).map_err(ConnectionError::CouldntSetupConfiguration)
                };
                set(&mut conn, &format!("PRAGMA busy_timeout = {}", PATIENCE.as_millis()))?;
                set(&mut conn, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
                if matches!(self.access, Access::Read) {
                    set(&mut conn, "PRAGMA query_only = ON")?;
                }
                Ok(AnyConnection::Sqlite(conn))
            }
            DatabaseUrl::Postgres(url) => {
                let mut conn = PgConnection::establish(url)?;
                conn.batch_execute(POSTGRES_PATIENCE).map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(AnyConnection::Postgres(conn))
            }
        }
    }
}

impl ManageConnection for Manager {
    type Connection = AnyConnection;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<AnyConnection, Self::Error> {
        self.open().map_err(diesel::r2d2::Error::ConnectionError)
    }

    fn is_valid(&self, conn: &mut AnyConnection) -> Result<(), Self::Error> {
        conn.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut AnyConnection) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

/// The running database: either shape of it.
pub(super) enum Backend {
    Sqlite {
        readers: Pool<Manager>,
        writer: mpsc::Sender<Box<dyn Job>>,
        group_sizes: Histogram,
    },
    Postgres {
        pool: Pool<Manager>,
    },
    /// No database: every use answers that it is away. For printing the API's document.
    Detached,
}

impl Backend {
    /// Migrates the database and makes it ready. Blocks.
    pub fn open(url: &DatabaseUrl, context: Context) -> Result<Self> {
        let pool = |access, size: u32| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .test_on_check_out(matches!(url, DatabaseUrl::Postgres(_)))
                .connection_timeout(PATIENCE)
                .error_handler(Box::new(LogConnectionErrors))
                .build(Manager { url: url.clone(), access })
                .map_err(|error| Error::unavailable(format!("the database cannot be opened: {error}")))
        };
        match url {
            DatabaseUrl::Sqlite(_) => {
                let manager = Manager { url: url.clone(), access: Access::Write };
                let mut conn = manager.open().map_err(Error::unavailable)?;
                migrations::migrate(&mut conn, &context)?;
                // A read runs on the thread that asks, so there can never be more of them than threads.
                let threads = std::thread::available_parallelism().map_or(4, usize::from) as u32;
                let readers = pool(Access::Read, threads * 2 + 2)?;
                let (writer, jobs) = mpsc::channel(WRITE_QUEUE);
                let group_sizes = group_sizes()?;
                let sizes = group_sizes.clone();
                std::thread::Builder::new()
                    .name("sqlite-writer".into())
                    .spawn(move || Writer::new(manager, conn, context, sizes).run(jobs))
                    .map_err(Error::internal)?;
                Ok(Self::Sqlite { readers, writer, group_sizes })
            }
            DatabaseUrl::Postgres(_) => {
                let pool = pool(Access::Write, POSTGRES_CONNECTIONS)?;
                migrations::migrate(&mut *pool.get().map_err(Error::unavailable)?, &context)?;
                Ok(Self::Postgres { pool })
            }
        }
    }

    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        match self {
            Self::Sqlite { group_sizes, .. } => vec![Box::new(group_sizes.clone())],
            Self::Postgres { .. } | Self::Detached => vec![],
        }
    }

    /// Runs a closure over one consistent snapshot.
    pub async fn read<T, F>(&self, context: &Context, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        match self {
            Self::Sqlite { readers, .. } => {
                let mut conn = readers.get().map_err(Error::unavailable)?;
                snapshot(&mut conn, "BEGIN DEFERRED", context, f)
            }
            Self::Detached => Err(Error::unavailable("no database")),
            Self::Postgres { pool } => {
                let (pool, context) = (pool.clone(), context.clone());
                blocking(move || {
                    let mut conn = pool.get().map_err(Error::unavailable)?;
                    snapshot(&mut conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &context, f)
                })
                .await
            }
        }
    }

    /// Runs a closure in one durable transaction; it may run more than once, and only its last run counts.
    pub async fn write<T, F>(&self, context: &Context, tenants: &[TenantId], f: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        match self {
            Self::Sqlite { writer, .. } => {
                let (reply, answer) = oneshot::channel();
                let job = WriteJob::new(f, reply);
                writer
                    .send_timeout(Box::new(job), PATIENCE)
                    .await
                    .map_err(|_| Error::unavailable("the writer's queue is full"))?;
                answer.await.unwrap_or_else(|_| Err(Error::unavailable("the writer stopped")))
            }
            Self::Detached => Err(Error::unavailable("no database")),
            Self::Postgres { pool } => {
                let (pool, context, mut tenants) = (pool.clone(), context.clone(), tenants.to_vec());
                // One order for all, so that no two wait for each other.
                tenants.sort();
                tenants.dedup();
                blocking(move || write_postgres(&pool, &context, &tenants, &f)).await
            }
        }
    }
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f).await.unwrap_or_else(|error| Err(Error::internal(error)))
}

/// Begins with words of the database's own, on the connection inside the enum.
pub(super) fn begin(conn: &mut AnyConnection, sql: &str) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, sql),
        AnyConnection::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(conn, sql),
    }
}

type Transactions = <AnyConnection as Connection>::TransactionManager;

pub(super) fn commit(conn: &mut AnyConnection) -> QueryResult<()> {
    Transactions::commit_transaction(conn)
}

pub(super) fn rollback(conn: &mut AnyConnection) -> QueryResult<()> {
    Transactions::rollback_transaction(conn)
}

pub(super) fn begin_savepoint(conn: &mut AnyConnection) -> QueryResult<()> {
    Transactions::begin_transaction(conn)
}

/// Leaves whatever transaction a fault has left open.
pub(super) fn rollback_fully(conn: &mut AnyConnection) -> QueryResult<()> {
    while Transactions::transaction_manager_status_mut(conn).transaction_depth()?.is_some() {
        rollback(conn)?;
    }
    Ok(())
}

fn snapshot<T>(
    conn: &mut AnyConnection,
    begin_sql: &str,
    context: &Context,
    f: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    begin(conn, begin_sql)?;
    let outcome = guarded(|| f(&mut Tx::new(conn, context)));
    rollback(conn)?;
    outcome
}

/// A panic in a rule must neither kill the writer nor leave a transaction open.
pub(super) fn guarded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(Error::internal("a rule panicked")))
}

fn write_postgres<T>(
    pool: &Pool<Manager>,
    context: &Context,
    tenants: &[TenantId],
    f: &impl Fn(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut conn = pool.get().map_err(Error::unavailable)?;
        begin(&mut conn, "BEGIN ISOLATION LEVEL READ COMMITTED")?;
        let outcome = (tenants.iter())
            .try_for_each(|tenant| lock_tenant(&mut conn, tenant))
            .map_err(Error::from)
            .and_then(|()| guarded(|| f(&mut Tx::new(&mut conn, context))));
        let outcome = match outcome {
            Ok(value) => commit(&mut conn).map(|()| value).map_err(Error::from),
            Err(error) => {
                rollback(&mut conn)?;
                Err(error)
            }
        };
        match outcome {
            Err(Error::Contended) if attempt < ATTEMPTS => {}
            Err(Error::Contended) => return Err(Error::unavailable("transactions kept meeting each other")),
            other => return other,
        }
    }
}

/// Makes the writes of one tenant happen one after the other (see the head of this file).
fn lock_tenant(conn: &mut AnyConnection, tenant: &TenantId) -> QueryResult<()> {
    diesel::update(audit_heads::table.find(tenant))
        .set(audit_heads::sequence.eq(audit_heads::sequence))
        .execute(conn)
        .map(drop)
}

#[derive(Debug)]
struct LogConnectionErrors;

impl diesel::r2d2::HandleError<diesel::r2d2::Error> for LogConnectionErrors {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::warn!(%error, "the database does not answer");
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                Self::conflict("An object with the same identity already exists.")
            }
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Contended,
            DieselError::DatabaseError(_, info) if info.message().contains("deadlock detected") => Self::Contended,
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                info,
            ) => Self::unavailable(info.message()),
            DieselError::DatabaseError(_, info) if says_unavailable(info.message()) => {
                Self::unavailable(info.message())
            }
            DieselError::BrokenTransactionManager => Self::unavailable("the transaction broke"),
            DieselError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            other => Self::internal(other),
        }
    }
}

/// diesel passes neither SQLite's result codes nor PostgreSQL's SQLSTATE on, so their fixed English texts must do
/// (sqlite3_errstr; PostgreSQL classes 08, 53, 55P03, 57).
fn says_unavailable(message: &str) -> bool {
    [
        "database is locked",
        "database table is locked",
        "database or disk is full",
        "disk I/O error",
        "unable to open database file",
        "attempt to write a readonly database",
        "server closed the connection",
        "could not connect",
        "connection to server",
        "terminating connection",
        "the database system is",
        "too many clients",
        "remaining connection slots",
        "No space left on device",
        "canceling statement due to",
        "no connection to the server",
        "SSL connection has been closed",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// Shared by the readers of one process.
pub(super) type SharedBackend = Arc<Backend>;
