//! The SQLite writer: one thread owns the one writing connection and groups commits.

use prometheus::{Histogram, HistogramOpts};
use tokio::sync::{mpsc, oneshot};

use super::{
    Context, Tx,
    backend::{AnyConnection, Manager, begin, begin_savepoint, commit, guarded, rollback, rollback_fully},
};
use crate::error::{Error, Result};

/// Writes in one grouped commit: enough to share the disk's flush, few enough to keep the first one's wait short.
const WRITE_GROUP: usize = 64;

pub(super) fn group_sizes() -> Result<Histogram> {
    let opts = HistogramOpts::new("rekey_sqlite_writes_per_commit", "Writes that shared one commit.");
    let buckets = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, WRITE_GROUP as f64];
    Histogram::with_opts(opts.buckets(buckets)).map_err(Error::internal)
}

/// One write that waits for the SQLite writer.
pub(super) trait Job: Send {
    /// Runs the closure and keeps its outcome. False when the outcome is an error.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool>;
    /// Answers the caller: with the outcome, or with `failure` when the commit did not happen.
    fn finish(self: Box<Self>, failure: Option<Error>);
}

pub(super) struct WriteJob<T, F> {
    f: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> WriteJob<T, F> {
    pub(super) fn new(f: F, reply: oneshot::Sender<Result<T>>) -> Self {
        Self { f, outcome: None, reply }
    }
}

impl<T, F> Job for WriteJob<T, F>
where
    T: Send,
    F: Fn(&mut Tx<'_>) -> Result<T> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool> {
        match guarded(|| (self.f)(tx)) {
            Err(fault) if fault.is_fault() => Err(fault),
            outcome => {
                let changed = outcome.is_ok();
                self.outcome = Some(outcome);
                Ok(changed)
            }
        }
    }

    fn finish(self: Box<Self>, failure: Option<Error>) {
        let outcome = match (failure, self.outcome) {
            (Some(failure), _) => Err(failure),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(Error::internal("a write was answered before it ran")),
        };
        // A caller who has gone away does not need the answer.
        let _ = self.reply.send(outcome);
    }
}

/// The SQLite writer: lives on its own thread until the store is dropped.
pub(super) struct Writer {
    manager: Manager,
    conn: Option<AnyConnection>,
    context: Context,
    /// How many writes each commit held.
    sizes: Histogram,
}

impl Writer {
    pub(super) fn new(manager: Manager, conn: AnyConnection, context: Context, sizes: Histogram) -> Self {
        Self { manager, conn: Some(conn), context, sizes }
    }

    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            while group.len() < WRITE_GROUP
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            self.sizes.observe(group.len() as f64);
            self.run_group(group);
        }
    }

    /// Commits the whole group or, when the database itself fails in the middle, tries each job alone: a fault must
    /// not take its neighbours with it, and no job may be answered before its own commit.
    fn run_group(&mut self, mut group: Vec<Box<dyn Job>>) {
        match self.try_group(&mut group) {
            Ok(()) => group.into_iter().for_each(|job| job.finish(None)),
            Err(error) if group.len() == 1 => group.into_iter().for_each(|job| job.finish(Some(error.clone()))),
            Err(error) => {
                tracing::warn!(error = %error, jobs = group.len(), "a grouped commit failed; trying each write alone");
                group.into_iter().for_each(|job| self.run_group(vec![job]));
            }
        }
    }

    fn try_group(&mut self, group: &mut [Box<dyn Job>]) -> Result<()> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.manager.open().map_err(Error::unavailable)?,
        };
        let done = Self::transact(&mut conn, &self.context, group);
        match (&done, rollback_fully(&mut conn)) {
            // After a fault that cannot be undone cleanly the next group gets a fresh connection.
            (Err(_), Err(_)) => {}
            _ => self.conn = Some(conn),
        }
        done
    }

    fn transact(conn: &mut AnyConnection, context: &Context, group: &mut [Box<dyn Job>]) -> Result<()> {
        begin(conn, "BEGIN IMMEDIATE")?;
        for job in group {
            begin_savepoint(conn)?;
            if job.run(&mut Tx::new(conn, context))? {
                commit(conn)?;
            } else {
                rollback(conn)?;
            }
        }
        commit(conn)?;
        Ok(())
    }
}
