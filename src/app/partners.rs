//! Changes of a relationship: both its parties' audit logs tell of them.

use serde::{Serialize, de::DeserializeOwned};

use super::{App, Attempt};
use crate::{
    access::Caller,
    error::Result,
    partners::{self, Logs},
    store::Tx,
};

impl App {
    /// Runs a rule that changes the relationship `id`. Its parties are looked up first, because a transaction must say
    /// in the beginning whose logs it writes to; the rule finds out in the transaction whether they are still the same.
    pub async fn write_relationship<T, F>(&self, caller: Caller, attempt: Attempt, id: &str, f: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(&mut Tx<'_>, &Caller, &Logs) -> Result<T> + Send + 'static,
    {
        let id = id.to_owned();
        let parties = self.store.read(move |tx| partners::parties_of(tx, &id)).await?;
        let logs = Logs::new([caller.tenants(), parties.clone()].concat());
        self.write_across(caller, parties, attempt, move |tx, caller| f(tx, caller, &logs)).await
    }
}
