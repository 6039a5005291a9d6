//! Tenants, users and the roles of users.

use crate::{
    access::{self, Action, Actor, Caller},
    error::{Error, Result},
    store::{
        Tx,
        users::{self, User},
    },
};

/// Finds the user and asks whether the caller may. A caller without the right learns nothing of who exists.
pub fn authorize_on_user(tx: &mut Tx<'_>, caller: &Caller, action: Action, id_or_name: &str) -> Result<(Actor, User)> {
    let user = users::find(tx, &caller.tenant, id_or_name)?;
    let actor = access::authorize(tx, caller, action, user.as_ref())?;
    let user = user.ok_or_else(|| Error::user_not_found(id_or_name))?;
    Ok((actor, user))
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
