//! `rekey receipt ...`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use jsonwebtoken::{DecodingKey, jwk::JwkSet};
use serde::{Serialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::{database::Database, print};
use crate::{
    error::{Error, Result},
    mfa_resets::receipt::verify::{Contents, Unverified, decoding_key},
    store::keys,
};

#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Check that a receipt is genuine and print what it says; ends non-zero when it is not.
    ///
    /// With --jwks it needs neither the database nor the server: whoever saved the tenant's keys at the time can check
    /// its receipts forever.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub struct Verify {
    /// The receipt, as GET /mfaResets/{id}/receipts/{tenant} answered
    file: PathBuf,
    /// The keys of the tenant whose users were reset, saved from /{tenant}/discovery/v2.0/keys; without it they are
    /// looked up in the database
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Also print every user who was reset
    #[arg(long)]
    users: bool,
    #[command(flatten)]
    database: Database,
}

/// What a genuine receipt says, as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    #[serde(flatten)]
    particulars: Map<String, Value>,
    /// How many the receipt names.
    user_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<Value>>,
}

impl ReceiptCommand {
    pub async fn run(self) -> Result<ExitCode> {
        let Self::Verify(command) = self;
        command.run().await
    }
}

impl Verify {
    async fn run(self) -> Result<ExitCode> {
        let text = read(&self.file)?;
        let receipt = Unverified::read(&text).map_err(|why| refused(&self.file, &why))?;
        let key = match &self.jwks {
            Some(path) => saved_key(path, &receipt)?,
            None => self.kept_key(&receipt).await?,
        };
        let view = if self.users {
            let Contents::<Value> { particulars, users } = self.verified(&receipt, &key)?;
            View { particulars, user_count: users.len(), users: Some(users) }
        } else {
            let Contents::<IgnoredAny> { particulars, users } = self.verified(&receipt, &key)?;
            View { particulars, user_count: users.len(), users: None }
        };
        print(&view)
    }

    fn verified<U: serde::de::DeserializeOwned>(
        &self,
        receipt: &Unverified<'_>,
        key: &DecodingKey,
    ) -> Result<Contents<U>> {
        receipt.verify(key).map_err(|why| refused(&self.file, &why))
    }

    /// The key in the database, be it retired. It is looked for among the keys of the tenant that the receipt names, so
    /// no tenant's key can vouch for another's users.
    async fn kept_key(&self, receipt: &Unverified<'_>) -> Result<DecodingKey> {
        let store = self.database.open_without_key()?;
        let (tenant, key_id) = (receipt.tenant.clone(), receipt.key_id.clone());
        let key = store.read(move |tx| keys::find_public(tx, &tenant, &key_id)).await?.ok_or_else(|| {
            let why = format!(
                "The tenant that it names, {}, has no key {} in this database: the receipt was made elsewhere (give \
                 that tenant's keys with --jwks), or it is forged.",
                receipt.tenant, receipt.key_id
            );
            refused(&self.file, &why)
        })?;
        decoding_key(&key)
    }
}

/// The key in a JWKS (RFC 7517 section 5) that was saved earlier.
fn saved_key(path: &Path, receipt: &Unverified<'_>) -> Result<DecodingKey> {
    let unusable = |why: String| Error::invalid("--jwks", format!("{}: {why}", path.display()));
    let keys: JwkSet = serde_json::from_str(&read(path)?)
        .map_err(|error| unusable(format!("This is no JWKS, as /{{tenant}}/discovery/v2.0/keys answers: {error}.")))?;
    let key = keys.find(&receipt.key_id).ok_or_else(|| {
        unusable(format!(
            "None of the {} keys in it is the one that the receipt names, {}: fetch the keys of the tenant {} again, \
             or the receipt is forged.",
            keys.keys.len(),
            receipt.key_id,
            receipt.tenant
        ))
    })?;
    DecodingKey::from_jwk(key).map_err(|error| unusable(format!("The key {} is damaged: {error}.", receipt.key_id)))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::invalid("file", format!("{}: {error}", path.display())))
}

fn refused(path: &Path, why: &str) -> Error {
    Error::invalid("receipt", format!("{}: {why}", path.display()))
}
