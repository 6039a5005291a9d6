//! The only way to the database: `Store::read` and `Store::write` run a closure over a transaction.
//!
//! One file per noun holds its row structs and queries; the tenant's id comes first in every signature. Rules never
//! see diesel: they call these functions with the [`Tx`] they were given.

mod backend;
pub mod columns;
mod conditions;
pub mod filter;
mod schema;
mod writer;

pub mod applications;
pub mod audit;
pub mod challenges;
pub mod devices;
pub mod guesses;
pub mod idempotency;
pub mod keys;
pub mod messages;
pub mod methods;
pub mod mfa_resets;
pub mod operations;
pub mod policies;
pub mod registrations;
pub mod relationships;
pub mod roles;
pub mod send_counts;
pub mod sessions;
pub mod sign_ins;
pub mod tenants;
pub mod trusted_issuers;
pub mod used_assertions;
pub mod users;

use std::{collections::BTreeSet, sync::Arc};

use prometheus::core::Collector;
use secrecy::SecretSlice;

use crate::{
    clock::{Clock, Entropy, Timestamp},
    config::DatabaseUrl,
    error::Result,
    id::{TenantId, UserId},
    seal::Sealer,
};
use backend::{AnyConnection, Backend, SharedBackend};
use keys::Keyring;
use registrations::Classify;

/// What a transaction needs beside the database. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub clock: Clock,
    pub entropy: Entropy,
    pub sealer: Sealer,
    pub(crate) keyring: Arc<Keyring>,
    /// What makes registration classes of users' rows.
    classify: Classify,
}

impl Context {
    pub fn new(clock: Clock, entropy: Entropy, sealer: Sealer, classify: Classify) -> Self {
        Self { clock, entropy, sealer, keyring: Arc::default(), classify }
    }
}

#[derive(Clone)]
pub struct Store {
    backend: SharedBackend,
    context: Context,
}

impl Store {
    /// Opens the database and brings its tables up to date. Blocks; call it before serving.
    pub fn open(url: &DatabaseUrl, context: Context) -> Result<Self> {
        Ok(Self { backend: Arc::new(Backend::open(url, context.clone())?), context })
    }

    /// A store without a database, for printing the API's document.
    pub fn detached(context: Context) -> Self {
        Self { backend: Arc::new(Backend::Detached), context }
    }

    /// Runs `f` over one consistent snapshot of the database.
    pub async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.backend.read(&self.context, f).await
    }

    /// Runs `f` in one durable transaction on behalf of `tenant`, after every earlier write of that tenant and before
    /// every later one. An error undoes everything. `f` may run more than once, and only its last run counts, so it
    /// must have no effect but on `tx`.
    pub async fn write<T, F>(&self, tenant: &TenantId, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.write_for(std::slice::from_ref(tenant), f).await
    }

    /// The same on behalf of several tenants, whose audit logs it may write to.
    pub async fn write_for<T, F>(&self, tenants: &[TenantId], f: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let settled = move |tx: &mut Tx<'_>| {
            let done = f(tx)?;
            registrations::settle(tx)?;
            Ok(done)
        };
        self.backend.write(&self.context, tenants, settled).await
    }

    /// What the store counts about itself, for whoever collects numbers.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        self.backend.collectors()
    }

    pub fn context(&self) -> &Context {
        &self.context
    }
}

/// One transaction: a connection, and a "now" that does not move while it lasts.
pub struct Tx<'a> {
    conn: &'a mut AnyConnection,
    context: &'a Context,
    now: Timestamp,
    /// Users whose registration class may have changed.
    touched: BTreeSet<(TenantId, UserId)>,
}

impl<'a> Tx<'a> {
    fn new(conn: &'a mut AnyConnection, context: &'a Context) -> Self {
        Self { conn, context, now: context.clock.now(), touched: BTreeSet::new() }
    }

    /// Something that reports count by has changed about the user; it is counted anew when the transaction ends.
    fn touch(&mut self, tenant: &TenantId, user: &UserId) {
        self.touched.insert((tenant.clone(), user.clone()));
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn entropy(&self) -> &Entropy {
        &self.context.entropy
    }

    /// A fresh random GUID.
    pub fn guid(&self) -> String {
        self.context.entropy.guid()
    }

    /// A GUID that sorts by the moment it was made, for rows that come in great numbers: their index grows at one end.
    pub fn time_ordered_guid(&self) -> String {
        self.context.entropy.time_ordered_guid(self.now)
    }

    /// A keyed digest: finds a secret again without keeping it.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> String {
        self.context.sealer.fingerprint(parts)
    }

    /// Seals a secret for the row that `place` names.
    pub fn seal(&self, place: &[&str], secret: &[u8]) -> Result<String> {
        self.context.sealer.seal(&self.context.entropy, place, secret)
    }

    /// Opens a secret that was sealed for the same place.
    pub fn open(&self, place: &[&str], sealed: &str) -> Result<SecretSlice<u8>> {
        self.context.sealer.open(place, sealed)
    }
}
