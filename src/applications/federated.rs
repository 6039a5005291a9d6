//! Graph's federatedIdentityCredential: subjects of outside issuers who may speak for an application, without a secret.

use super::{authorize_on, find, save};
use crate::{
    access::{self, Action, Caller},
    directory,
    error::{Error, Result},
    store::{
        Tx,
        applications::{Application, FederatedCredential},
    },
    trusted_issuers::{Surroundings, check_issuer},
};

/// Credentials that an application may have (Graph's number).
const MAX_CREDENTIALS: usize = 20;
/// The longest name, in characters (Graph's number), and the longest issuer, subject, audience and description.
const MAX_NAME: usize = 120;
const MAX_TEXT: usize = 600;

/// What shall be otherwise; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub audiences: Option<Vec<String>>,
    pub description: Option<Option<String>>,
}

/// All credentials of an application; a handful.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Vec<FederatedCredential>> {
    access::authorize(tx, caller, Action::ReadApplications, None)?;
    Ok(find(tx, caller, id)?.federated_credentials)
}

/// A credential by its id or name.
pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str, credential: &str) -> Result<FederatedCredential> {
    let all = list(tx, caller, id)?;
    all.into_iter().find(|held| is(held, credential)).ok_or_else(|| Error::user_not_found(credential))
}

fn is(held: &FederatedCredential, id_or_name: &str) -> bool {
    held.id == id_or_name || held.name == id_or_name
}

/// Adds a credential; its id is chosen here.
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    new: &FederatedCredential,
    around: &Surroundings,
) -> Result<FederatedCredential> {
    let (actor, mut application) = authorize_on(tx, caller, id)?;
    if application.federated_credentials.len() >= MAX_CREDENTIALS {
        let message = format!("An application has at most {MAX_CREDENTIALS} federated identity credentials.");
        return Err(Error::conflict(message));
    }
    let new = FederatedCredential { id: tx.guid(), ..new.clone() };
    check(&application, &new, around)?;
    application.federated_credentials.push(new.clone());
    save(tx, &actor, &application, |entry| entry.modified("FederatedIdentityCredentials", None::<()>, &new))?;
    Ok(new)
}

/// Changes a credential; tokens that were obtained with it as it was are void at once.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    credential: &str,
    change: &Change,
    around: &Surroundings,
) -> Result<()> {
    let (actor, mut application) = authorize_on(tx, caller, id)?;
    let place = application.federated_credentials.iter().position(|held| is(held, credential));
    let old = application.federated_credentials.remove(place.ok_or_else(|| Error::user_not_found(credential))?);
    let new = FederatedCredential {
        issuer: change.issuer.clone().unwrap_or_else(|| old.issuer.clone()),
        subject: change.subject.clone().unwrap_or_else(|| old.subject.clone()),
        audiences: change.audiences.clone().unwrap_or_else(|| old.audiences.clone()),
        description: change.description.clone().unwrap_or_else(|| old.description.clone()),
        ..old.clone()
    };
    check(&application, &new, around)?;
    application.federated_credentials.push(new.clone());
    save(tx, &actor, &application, |entry| entry.modified("FederatedIdentityCredentials", &old, &new))
}

/// Removes a credential; tokens that were obtained with it are void at once.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str, credential: &str) -> Result<()> {
    let (actor, mut application) = authorize_on(tx, caller, id)?;
    let place = application.federated_credentials.iter().position(|held| is(held, credential));
    let old = application.federated_credentials.remove(place.ok_or_else(|| Error::user_not_found(credential))?);
    save(tx, &actor, &application, |entry| entry.modified("FederatedIdentityCredentials", &old, None::<()>))
}

/// `application` without the credential in question.
fn check(application: &Application, credential: &FederatedCredential, around: &Surroundings) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let name = credential.name.as_bytes();
    if name.is_empty() || name.len() > MAX_NAME || !name.iter().all(|byte| is_plain(*byte)) {
        let message = format!("name is 1 to {MAX_NAME} letters, digits, '-' and '_'.");
        return Err(Error::invalid_user("name", message));
    }
    check_issuer("issuer", &credential.issuer, around)?;
    check_text("subject", &credential.subject)?;
    let [audience] = &credential.audiences[..] else {
        return Err(Error::invalid_user("audiences", "audiences holds one audience, like api://AzureADTokenExchange."));
    };
    check_text("audiences", audience)?;
    if let Some(description) = &credential.description {
        directory::check_text("description", description, MAX_TEXT).map_err(Error::in_directory)?;
    }
    for held in &application.federated_credentials {
        if held.name == credential.name {
            return Err(Error::conflict("The application has a federated identity credential of this name already."));
        }
        if held.issuer == credential.issuer && held.subject == credential.subject {
            let message = "The application has a federated identity credential of this issuer and subject already.";
            return Err(Error::conflict(message));
        }
    }
    Ok(())
}

fn check_text(target: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid_user(target, format!("{target} must not be empty.")));
    }
    directory::check_text(target, text, MAX_TEXT).map_err(Error::in_directory)
}
