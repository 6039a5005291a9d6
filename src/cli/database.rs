//! Which database a command works on, and with which key.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use crate::{
    app::App,
    clock::{Clock, Entropy},
    config::DatabaseUrl,
    error::{Error, Result},
    reports,
    seal::{KeySource, Sealer},
    store::{Context, Store},
};

#[derive(Debug, Args)]
pub struct Database {
    /// sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env = "REKEY_DATABASE", default_value = "sqlite:rekey.db", hide_env_values = true)]
    pub database: DatabaseUrl,
    /// The file with the keys that seal secrets at rest; made beside the database on first use
    #[arg(long, env = "REKEY_KEY_FILE")]
    pub key_file: Option<PathBuf>,
}

impl Database {
    /// Opens the database, migrated, with its sealing key made on first use.
    pub fn open(&self) -> Result<Store> {
        let entropy = Entropy::System;
        let sealer = Sealer::load(&self.key_source(), &entropy)?;
        self.open_with(sealer, entropy)
    }

    fn open_with(&self, sealer: Sealer, entropy: Entropy) -> Result<Store> {
        Store::open(&self.database, Context::new(Clock::System, entropy, sealer, reports::classify))
    }

    /// Opens the database to look at it: a missing key is no failure (nothing sealed can be opened then), and none is
    /// made, for a copy of a database must not get a key that never fits.
    pub fn open_without_key(&self) -> Result<Store> {
        let entropy = Entropy::System;
        let source = match self.key_source() {
            KeySource::FileOrNew(path) => KeySource::File(path),
            given => given,
        };
        let sealer = match &source {
            KeySource::File(path) if !path.exists() => Sealer::generate(&entropy)?,
            source => Sealer::load(source, &entropy)?,
        };
        self.open_with(sealer, entropy)
    }

    /// REKEY_KEY, else the key file named, else the one beside the database.
    fn key_source(&self) -> KeySource {
        if let Ok(keys) = std::env::var("REKEY_KEY") {
            return KeySource::Text(SecretString::from(keys));
        }
        KeySource::FileOrNew(self.key_file.clone().unwrap_or_else(|| self.database.default_key_file()))
    }

    /// The application, for commands that need no public URL of their own.
    pub fn app(&self, public_url: &str) -> Result<App> {
        Ok(App::new(self.open()?, public_url))
    }
}

/// A tenant as people name it, looked up.
pub async fn find_tenant(store: &Store, name: &str) -> Result<crate::id::TenantId> {
    let wanted = name.to_owned();
    let found = store.read(move |tx| crate::store::tenants::find_by_name(tx, &wanted)).await?;
    found.map(|tenant| tenant.tenant_id).ok_or_else(|| Error::user_not_found(name))
}
