//! The last step of a sign-in with a password that must be changed: changing it.

use super::{Open, SessionView, himself, open, settle, view};
use crate::{
    access::Caller,
    audit,
    error::{Error, Result},
    methods::password::{
        self,
        change::{self, Ahead, Prepared},
    },
    store::{
        Tx,
        sessions::{self, SessionStatus},
        users,
    },
    tokens::Issuer,
};

/// What the slow work before [`change`] needs.
pub fn before(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Ahead> {
    match open(tx, caller, id)?.user {
        Some(user) => Ahead::of(tx, &user),
        None => Ok(Ahead { known: password::known(tx, None)?, names: vec![] }),
    }
}

/// Replaces the password of a session where all else is proven, and completes the session. Every other session of the
/// user ends, and so does what older ones led to.
pub fn change(tx: &mut Tx<'_>, issuer: &Issuer, caller: &Caller, id: &str, new: &Prepared) -> Result<SessionView> {
    let Open { actor, mut session, mut state, user } = open(tx, caller, id)?;
    if session.status != SessionStatus::PasswordChangeRequired {
        let message = format!("The session is {}; no password is to be changed in it now.", session.status);
        return Err(Error::conflict(message));
    }
    let is_still = match &user {
        Some(user) => password::is_still(tx, user, &new.same)?,
        None => false,
    };
    let Some(user) = user.filter(|_| is_still) else {
        return Err(Error::conflict("The user or the password was changed meanwhile; open a new session."));
    };
    change::refuse_same(new)?;
    password::set(tx, &user.tenant_id, &user.user_id, &new.digest, false)?;
    users::set_sessions_valid_from(tx, &user.tenant_id, &user.user_id, session.created_at)?;
    sessions::refuse_all(tx, &user.tenant_id, &[&user.user_id])?;
    let entry = change::entry(&user)
        .detail("applicationId", session.application_id.as_str())
        .detail("signInSessionId", session.session_id.as_str());
    audit::record(tx, &himself(&actor, &user, &state), entry)?;
    state.password_must_change = false;
    settle(tx, &actor, Some(&user), &mut session, &state)?;
    view(tx, issuer, Some(&user), &session, &state)
}
