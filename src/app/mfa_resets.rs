//! Creating a reset of many users from lines of CSV, for the API's uploads and the command line alike: stored batch by
//! batch while they are read, so that a million lines take no more memory than one batch.

use std::io::Read;

use super::{App, Attempt};
use crate::{
    access::Caller,
    error::{Error, Result},
    id::MfaResetId,
    idempotency::Once,
    mfa_resets::{
        MfaReset, Plan,
        targets::{self, BATCH, CsvTargets},
    },
    store::Tx,
};

impl App {
    /// Creates the reset: nothing of it is seen before the last line was read and found good, and nothing of it is left
    /// when one is not. `lines` is waited for only when the caller may create resets at all; it brings the key under
    /// which the whole is to take effect once, if there is one.
    pub async fn create_mfa_reset<R, F>(
        &self,
        caller: Caller,
        attempt: Attempt,
        plan: Plan,
        lines: F,
    ) -> Result<MfaReset>
    where
        R: Read + Send + 'static,
        F: Future<Output = Result<(CsvTargets<R>, Option<Once>)>>,
    {
        // A key belongs to the whole, not to its steps.
        let caller = Caller { once: None, ..caller };
        let open = move |tx: &mut Tx<'_>, caller: &Caller| targets::open(tx, caller, &plan);
        let id = self.write(caller.clone(), attempt.clone(), open).await?;
        let outcome = match lines.await {
            Ok((lines, once)) => self.fill_mfa_reset(&caller, &attempt, &id, lines, once).await,
            Err(error) => Err(error),
        };
        // It is another one when the key had taken effect before.
        if !outcome.as_ref().is_ok_and(|reset| reset.id == id) {
            let abandon = move |tx: &mut Tx<'_>, caller: &Caller| targets::abandon(tx, caller, &id);
            // If even that fails, the clean-up removes it all the same.
            if let Err(error) = self.write(caller, attempt, abandon).await {
                tracing::warn!(%error, "an upload that came to nothing was left to the clean-up");
            }
        }
        outcome
    }

    async fn fill_mfa_reset<R: Read + Send + 'static>(
        &self,
        caller: &Caller,
        attempt: &Attempt,
        id: &MfaResetId,
        mut lines: CsvTargets<R>,
        once: Option<Once>,
    ) -> Result<MfaReset> {
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let batch = lines.batch(BATCH);
                (lines, batch)
            });
            let (rest, batch) = read.await.map_err(Error::internal)?;
            let batch = batch?;
            lines = rest;
            if batch.is_empty() {
                break;
            }
            let reset = id.clone();
            let add = move |tx: &mut Tx<'_>, caller: &Caller| targets::add(tx, caller, &reset, &batch);
            self.write(caller.clone(), attempt.clone(), add).await?;
        }
        let reset = id.clone();
        let complete = move |tx: &mut Tx<'_>, caller: &Caller| targets::complete(tx, caller, &reset);
        self.write(Caller { once, ..caller.clone() }, attempt.clone(), complete).await
    }
}
