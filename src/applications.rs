//! Making applications: who may call, with which permissions, proven by which secrets.

use crate::{
    access::{self, Action, Caller},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Error, Result},
    id::ApplicationId,
    store::{
        Tx,
        applications::{self, Application, ApplicationSecret},
    },
};

/// Secrets that an application may have at once: enough to replace one without a pause.
const MAX_SECRETS: usize = 10;

#[derive(Debug, Clone)]
pub struct NewApplication {
    pub application_id: ApplicationId,
    pub display_name: String,
    pub permissions: Vec<String>,
    pub secret: ApplicationSecret,
}

pub fn create(tx: &mut Tx<'_>, caller: &Caller, new: &NewApplication) -> Result<Application> {
    directory::check_text("name", &new.display_name, 256)?;
    check_permissions(&new.permissions)?;
    let application = Application {
        tenant_id: caller.tenant.clone(),
        application_id: new.application_id.clone(),
        display_name: new.display_name.clone(),
        permissions: new.permissions.clone(),
        secrets: vec![new.secret.clone()],
        is_enabled: true,
        created_at: tx.now(),
        key_credentials: vec![],
        federated_credentials: vec![],
    };
    applications::insert(tx, &application)?;
    record(tx, caller, Activity::CREATE_APPLICATION, &application, |entry| {
        entry.modified("Permissions", None::<()>, &application.permissions)
    })?;
    Ok(application)
}

/// Gives an application one more secret.
pub fn add_secret(tx: &mut Tx<'_>, caller: &Caller, id: &ApplicationId, secret: &ApplicationSecret) -> Result<()> {
    let mut application = find(tx, caller, id)?;
    let now = tx.now();
    application.secrets.retain(|held| held.end_date_time > now);
    if application.secrets.len() >= MAX_SECRETS {
        return Err(Error::conflict(format!("An application has at most {MAX_SECRETS} secrets; remove one first.")));
    }
    application.secrets.push(secret.clone());
    applications::update(tx, &application)?;
    record(tx, caller, Activity::UPDATE_APPLICATION, &application, |entry| {
        entry.modified("Secrets", None::<()>, &secret.id)
    })
}

/// Takes a secret away; every token that it obtained is void at once.
pub fn remove_secret(tx: &mut Tx<'_>, caller: &Caller, id: &ApplicationId, secret_id: &str) -> Result<()> {
    let mut application = find(tx, caller, id)?;
    let before = application.secrets.len();
    application.secrets.retain(|held| held.id != secret_id);
    if application.secrets.len() == before {
        return Err(Error::method_not_found(secret_id));
    }
    applications::update(tx, &application)?;
    record(tx, caller, Activity::UPDATE_APPLICATION, &application, |entry| {
        entry.modified("Secrets", secret_id, None::<()>)
    })
}

/// Changes what an application may do, or whether it may do anything at all; also for tokens already issued.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &ApplicationId,
    permissions: Option<&[String]>,
    is_enabled: Option<bool>,
) -> Result<()> {
    let old = find(tx, caller, id)?;
    let mut application = old.clone();
    if let Some(permissions) = permissions {
        check_permissions(permissions)?;
        application.permissions = permissions.to_vec();
    }
    application.is_enabled = is_enabled.unwrap_or(old.is_enabled);
    applications::update(tx, &application)?;
    record(tx, caller, Activity::UPDATE_APPLICATION, &application, |entry| {
        entry.modified("Permissions", &old.permissions, &application.permissions).modified(
            "AccountEnabled",
            old.is_enabled,
            application.is_enabled,
        )
    })
}

fn find(tx: &mut Tx<'_>, caller: &Caller, id: &ApplicationId) -> Result<Application> {
    applications::find(tx, &caller.tenant, id)?.ok_or_else(|| Error::user_not_found(id))
}

fn check_permissions(permissions: &[String]) -> Result<()> {
    let known = access::known_permissions();
    match permissions.iter().find(|name| !known.contains(name)) {
        Some(name) => {
            let message = format!("There is no permission '{name}'. Known: {}.", known.join(", "));
            Err(Error::invalid("permission", message))
        }
        None => Ok(()),
    }
}

/// Asks whether the caller may, after the change: a refusal undoes it.
fn record(
    tx: &mut Tx<'_>,
    caller: &Caller,
    activity: Activity,
    application: &Application,
    fill: impl FnOnce(Entry) -> Entry,
) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteApplications, None)?;
    let target = Target::object("Application", &application.application_id, &application.display_name);
    audit::record(tx, &actor, fill(Entry::success(activity, target))).map(drop)
}
