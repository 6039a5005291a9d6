//! Applications: who may call, with which permissions, proven by which secrets and keys.

mod authority;
pub mod federated;
pub mod key_credentials;
pub mod secrets;

use crate::{
    access::{self, Action, Actor, Caller, Who},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Error, Result},
    id::ApplicationId,
    store::{
        Tx,
        applications::{self, Application, ApplicationSecret, KeyCredential},
    },
};
use key_credentials::KeyInput;

/// Applications that a tenant may have.
pub const MAX_APPLICATIONS: i64 = 999;

#[derive(Debug, Clone)]
pub struct NewApplication {
    pub application_id: ApplicationId,
    pub display_name: String,
    pub permissions: Vec<String>,
    pub is_enabled: bool,
    pub secret: Option<ApplicationSecret>,
    pub keys: Vec<KeyInput>,
}

/// What shall be otherwise; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub display_name: Option<String>,
    pub permissions: Option<Vec<String>>,
    pub is_enabled: Option<bool>,
    /// All keys from now on.
    pub keys: Option<Vec<KeyInput>>,
}

/// A page of the tenant's applications.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, after: Option<&str>, limit: i64) -> Result<Vec<Application>> {
    access::authorize(tx, caller, Action::ReadApplications, None)?;
    applications::page(tx, &caller.tenant, after.map(ApplicationId::new).as_ref(), limit)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Application> {
    access::authorize(tx, caller, Action::ReadApplications, None)?;
    find(tx, caller, id)
}

pub fn create(tx: &mut Tx<'_>, caller: &Caller, new: &NewApplication) -> Result<Application> {
    let actor = access::authorize(tx, caller, Action::WriteApplications, None)?;
    check_name(&new.display_name)?;
    check_permissions(&new.permissions)?;
    if applications::count(tx, &caller.tenant)? >= MAX_APPLICATIONS {
        return Err(Error::conflict(format!(
            "A tenant has at most {MAX_APPLICATIONS} applications; delete one first."
        )));
    }
    let application = Application {
        tenant_id: caller.tenant.clone(),
        application_id: new.application_id.clone(),
        display_name: new.display_name.clone(),
        permissions: new.permissions.clone(),
        secrets: new.secret.clone().into_iter().collect(),
        is_enabled: new.is_enabled,
        created_at: tx.now(),
        key_credentials: key_credentials::resolve(tx, &[], &new.keys)?,
        federated_credentials: vec![],
    };
    authority::check(tx, &actor, &application)?;
    applications::insert(tx, &application)?;
    let entry = Entry::success(Activity::CREATE_APPLICATION, target(&application))
        .modified("Permissions", None::<()>, &application.permissions)
        .modified("KeyCredentials", None::<()>, ids(&application.key_credentials));
    audit::record(tx, &actor, entry)?;
    Ok(application)
}

/// Changes what an application is called, may do and is proven by, or whether it may do anything at all; also for
/// tokens already issued.
pub fn update(tx: &mut Tx<'_>, caller: &Caller, id: &str, change: &Change) -> Result<()> {
    let (actor, old) = authorize_on(tx, caller, id)?;
    let mut new = old.clone();
    if let Some(name) = &change.display_name {
        check_name(name)?;
        new.display_name.clone_from(name);
    }
    if let Some(permissions) = &change.permissions {
        check_permissions(permissions)?;
        new.permissions.clone_from(permissions);
    }
    if let Some(keys) = &change.keys {
        new.key_credentials = key_credentials::resolve(tx, &old.key_credentials, keys)?;
    }
    new.is_enabled = change.is_enabled.unwrap_or(old.is_enabled);
    save(tx, &actor, &new, |entry| {
        let mut entry = entry.modified("Permissions", &old.permissions, &new.permissions).modified(
            "AccountEnabled",
            old.is_enabled,
            new.is_enabled,
        );
        if old.display_name != new.display_name {
            entry = entry.modified("DisplayName", &old.display_name, &new.display_name);
        }
        if old.key_credentials != new.key_credentials {
            entry = entry.modified("KeyCredentials", ids(&old.key_credentials), ids(&new.key_credentials));
        }
        entry
    })
}

/// Deletes an application for good; every token that it obtained is void at once.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<()> {
    let (actor, application) = authorize_on(tx, caller, id)?;
    applications::delete(tx, &application.tenant_id, &application.application_id)?;
    audit::record(tx, &actor, Entry::success(Activity::DELETE_APPLICATION, target(&application))).map(drop)
}

/// Writes a changed application back. Its powers must be within the actor's after the change as before.
fn save(tx: &mut Tx<'_>, actor: &Actor, application: &Application, fill: impl FnOnce(Entry) -> Entry) -> Result<()> {
    authority::check(tx, actor, application)?;
    write_back(tx, actor, application, fill)
}

/// Writes back what changed in an application without making it any more powerful.
fn write_back(
    tx: &mut Tx<'_>,
    actor: &Actor,
    application: &Application,
    fill: impl FnOnce(Entry) -> Entry,
) -> Result<()> {
    applications::update(tx, application)?;
    let entry = Entry::success(Activity::UPDATE_APPLICATION, target(application));
    audit::record(tx, actor, fill(entry)).map(drop)
}

/// Finds the application and asks whether the caller may change it. A caller without the right learns nothing of which
/// applications there are.
fn authorize_on(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(Actor, Application)> {
    let actor = access::authorize(tx, caller, Action::WriteApplications, None)?;
    let application = find(tx, caller, id)?;
    authority::check(tx, &actor, &application)?;
    Ok((actor, application))
}

/// The same for what an application may do to itself without any permission.
fn authorize_on_own(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(Actor, Application)> {
    match &caller.who {
        Who::Application { id: own, .. } if ApplicationId::parse(id).as_ref() == Some(own) => {
            Ok((access::authorize_anybody(tx, caller)?, find(tx, caller, id)?))
        }
        _ => authorize_on(tx, caller, id),
    }
}

fn find(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Application> {
    let found = match ApplicationId::parse(id) {
        Some(id) => applications::find(tx, &caller.tenant, &id)?,
        None => None,
    };
    found.ok_or_else(|| Error::user_not_found(id))
}

fn target(application: &Application) -> Target {
    Target::object("Application", &application.application_id, &application.display_name)
}

/// What is recorded of keys: which, not what.
fn ids(keys: &[KeyCredential]) -> Vec<&str> {
    keys.iter().map(|key| key.key_id.as_str()).collect()
}

fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid_user("displayName", "displayName must not be empty."));
    }
    directory::check_text("displayName", name, 256).map_err(Error::in_directory)
}

fn check_permissions(permissions: &[String]) -> Result<()> {
    let known = access::known_permissions();
    if let Some(name) = permissions.iter().find(|name| !known.contains(name)) {
        let name: String = name.chars().take(100).collect();
        let message = format!("There is no permission '{name}'. Known: {}.", known.join(", "));
        return Err(Error::invalid_user("permissions", message));
    }
    if let Some(twice) = permissions.iter().enumerate().find(|(at, name)| permissions[..*at].contains(name)) {
        return Err(Error::invalid_user("permissions", format!("The permission '{}' is there twice.", twice.1)));
    }
    Ok(())
}
