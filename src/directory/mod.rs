//! Tenants, users and the roles of users.

use crate::{
    access::{self, Action, Actor, Caller, Who},
    error::{Area, Error, Result},
    store::{
        self, Tx,
        tenants::{self, Tenant},
        users::{Presence, User},
    },
};

pub mod attributes;
pub mod delta;
pub mod import;
pub mod role_assignments;
pub mod sweep;
pub mod users;

/// In place of a user's id or name: whoever calls.
pub const ME: &str = "me";

/// Finds the user and asks whether the caller may. A caller without the right learns nothing of who exists.
pub fn authorize_on_user(tx: &mut Tx<'_>, caller: &Caller, action: Action, id_or_name: &str) -> Result<(Actor, User)> {
    let user = match (&caller.who, id_or_name) {
        (Who::User { id, .. }, ME) => store::users::find_by_id(tx, &caller.tenant, id, Presence::Present)?,
        (Who::Application { .. } | Who::Operator | Who::Partner { .. }, ME) => {
            let message =
                "/me request is only valid with delegated authentication flow: use a user's token, or /users/{id}.";
            return Err(Error::Invalid { area: Area::Methods, target: None, message: message.into() });
        }
        _ => store::users::find(tx, &caller.tenant, id_or_name)?,
    };
    let actor = access::authorize(tx, caller, action, user.as_ref())?;
    let user = user.ok_or_else(|| Error::user_not_found(id_or_name))?;
    Ok((actor, user))
}

/// The caller's own tenant. Every caller of the tenant may see it.
pub fn organization(tx: &mut Tx<'_>, caller: &Caller) -> Result<Tenant> {
    access::authorize_anybody(tx, caller)?;
    tenants::find(tx, &caller.tenant)?.ok_or_else(|| Error::internal("the tenant of a living caller is not there"))
}

/// Text that people typed: bounded, and free of control characters.
pub fn check_text(target: &str, text: &str, max_characters: usize) -> Result<()> {
    if text.chars().count() > max_characters {
        return Err(Error::invalid(target, format!("{target} has at most {max_characters} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(target, format!("{target} must not contain control characters.")));
    }
    Ok(())
}
