//! Who may manage which applications: nobody gets more power by way of one than he has himself.
//!
//! Whoever adds a secret to an application can be that application. So an application with `Application.ReadWrite.All`
//! manages only those whose permissions it holds itself, name by name, before and after the change. An application that
//! acts for a partner in customers' tenants has power that stands in no permission: managing it takes the permission
//! to give such power. A Global Administrator has everything anyway.

use crate::{
    access::{Actor, Powers},
    error::{Area, Error, Result},
    store::{Tx, applications::Application, relationships::assignments},
};

/// Whoever has it can give access assignments to any application, his own among them.
const GIVES_ASSIGNMENTS: &str = "DelegatedAdminRelationship.ReadWrite.All";

/// Asks whether the actor, who may manage applications, may manage this one.
pub(super) fn check(tx: &mut Tx<'_>, actor: &Actor, application: &Application) -> Result<()> {
    let Powers::Application { permissions, .. } = &actor.powers else { return Ok(()) };
    let holds = |name: &str| permissions.iter().any(|held| held == name);
    let mut lacking: Vec<&str> =
        application.permissions.iter().map(String::as_str).filter(|name| !holds(name)).collect();
    if lacking.is_empty()
        && !holds(GIVES_ASSIGNMENTS)
        && assignments::has_any(tx, &application.tenant_id, application.application_id.as_str())?
    {
        lacking.push(GIVES_ASSIGNMENTS);
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An application manages only applications whose permissions it holds itself; '{}' lacks {}. Ask a Global Administrator.",
        actor.display_name,
        lacking.join(", ")
    );
    Err(Error::Denied { area: Area::Directory, inner: "targetTooPrivileged", message })
}
