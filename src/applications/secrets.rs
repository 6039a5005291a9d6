//! Client secrets (Graph's passwordCredential). Only a digest is kept; the text is shown once.

use serde::{Deserialize, Serialize};

use super::{authorize_on, save};
use crate::{
    access::Caller,
    clock::Timestamp,
    directory,
    error::{Error, Result},
    store::{Tx, applications::ApplicationSecret},
    tokens,
};

/// Secrets that an application may have at once: enough to replace one without a pause.
const MAX_SECRETS: usize = 10;
/// How long a secret lives unless something else is asked for, in days, and at most.
const DAYS: i64 = 180;
const MAX_DAYS: i64 = 730;

/// What a caller may choose.
#[derive(Debug, Clone, Default)]
pub struct SecretRequest {
    pub display_name: Option<String>,
    pub start_date_time: Option<Timestamp>,
    pub end_date_time: Option<Timestamp>,
}

/// A secret in the one answer that shows it.
#[derive(Serialize, Deserialize)]
pub struct RevealedSecret {
    pub text: String,
    pub record: ApplicationSecret,
}

/// Makes a secret, and shows it this once.
pub fn make(tx: &mut Tx<'_>, caller: &Caller, id: &str, request: &SecretRequest) -> Result<RevealedSecret> {
    // Without the right nothing is said of what is wrong with the request.
    authorize_on(tx, caller, id)?;
    if let Some(name) = &request.display_name {
        directory::check_text("displayName", name, 256).map_err(Error::in_directory)?;
    }
    let now = tx.now();
    let start = request.start_date_time.unwrap_or(now).max(now);
    let end = request.end_date_time.unwrap_or(start.plus_minutes(DAYS * 24 * 60));
    if end <= start || end > now.plus_minutes(MAX_DAYS * 24 * 60) {
        let message = format!("endDateTime is after startDateTime and at most {MAX_DAYS} days ahead.");
        return Err(Error::invalid_user("endDateTime", message));
    }
    let (text, record) = tokens::new_secret(tx.entropy(), now, DAYS);
    let record = ApplicationSecret {
        start_date_time: start,
        end_date_time: end,
        display_name: request.display_name.clone(),
        ..record
    };
    add(tx, caller, id, &record)?;
    Ok(RevealedSecret { text: secrecy::ExposeSecret::expose_secret(&text).to_owned(), record })
}

/// Gives an application one more secret.
pub fn add(tx: &mut Tx<'_>, caller: &Caller, id: &str, secret: &ApplicationSecret) -> Result<()> {
    let (actor, mut application) = authorize_on(tx, caller, id)?;
    let now = tx.now();
    application.secrets.retain(|held| held.end_date_time > now);
    if application.secrets.len() >= MAX_SECRETS {
        return Err(Error::conflict(format!("An application has at most {MAX_SECRETS} secrets; remove one first.")));
    }
    application.secrets.push(secret.clone());
    save(tx, &actor, &application, |entry| entry.modified("Secrets", None::<()>, &secret.id))
}

/// Takes a secret away; every token that it obtained is void at once.
pub fn remove(tx: &mut Tx<'_>, caller: &Caller, id: &str, secret_id: &str) -> Result<()> {
    let (actor, mut application) = authorize_on(tx, caller, id)?;
    let before = application.secrets.len();
    application.secrets.retain(|held| held.id != secret_id);
    if application.secrets.len() == before {
        return Err(Error::user_not_found(secret_id));
    }
    save(tx, &actor, &application, |entry| entry.modified("Secrets", secret_id, None::<()>))
}
