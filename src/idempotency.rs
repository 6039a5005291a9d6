//! `Idempotency-Key`: the same request within 24 hours gets the first answer again and changes nothing.
//!
//! The answer is kept in the transaction that made the change, so there is no moment in which one exists without the
//! other. Refusals are not kept: they changed nothing, and asking again is harmless.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    access::{self, Caller},
    error::{Error, Result},
    store::{
        Tx,
        idempotency::{self, IdempotentAnswer},
    },
};

/// How long an answer is kept.
const HOURS: i64 = 24;
/// The longest key a caller may choose, in characters.
pub const MAX_KEY_LENGTH: usize = 255;

/// A request that is to take effect once.
#[derive(Debug, Clone)]
pub struct Once {
    pub key: String,
    /// Keyed digest of path, query and body.
    pub fingerprint: String,
}

/// Runs `f`, or gives its first answer again.
pub fn once<T: Serialize + DeserializeOwned>(
    tx: &mut Tx<'_>,
    caller: &Caller,
    f: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    let Some(Once { key, fingerprint }) = &caller.once else { return f(tx) };
    access::identify(tx, caller)?;
    let place = [caller.tenant.as_str(), "idempotency", caller.id(), key];
    if let Some(kept) = idempotency::find(tx, &caller.tenant, caller.id(), key)? {
        if kept.fingerprint != *fingerprint {
            let message = "This Idempotency-Key was used for a different request; choose a new key.";
            return Err(Error::Unprocessable { message: message.into() });
        }
        let answer = tx.open(&place, &kept.sealed_answer)?;
        return serde_json::from_slice(secrecy::ExposeSecret::expose_secret(&answer)).map_err(Error::internal);
    }
    let answer = f(tx)?;
    let json = zeroize::Zeroizing::new(serde_json::to_vec(&answer).map_err(Error::internal)?);
    let kept = IdempotentAnswer {
        tenant_id: caller.tenant.clone(),
        caller_id: caller.id().to_owned(),
        idempotency_key: key.clone(),
        fingerprint: fingerprint.clone(),
        sealed_answer: tx.seal(&place, &json)?,
        expires_at: tx.now().plus_minutes(HOURS * 60),
    };
    idempotency::insert(tx, &kept)?;
    Ok(answer)
}
