//! The last step of a sign-in with a password that must be changed: changing it.

use super::{Open, SessionView, himself, open_for_change, settle, view};
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
    let (_, user) = open_for_change(tx, caller, id, SessionStatus::PasswordChangeRequired, "password")?;
    Ahead::of(tx, &user)
}

/// Replaces the password of a session where all else is proven, and completes the session. Every other session of the
/// user ends, and so does what older ones led to.
pub fn change(tx: &mut Tx<'_>, issuer: &Issuer, caller: &Caller, id: &str, new: &Prepared) -> Result<SessionView> {
    let (open, user) = open_for_change(tx, caller, id, SessionStatus::PasswordChangeRequired, "password")?;
    let Open { actor, mut session, mut state, .. } = open;
    if !password::is_still(tx, &user, &new.same)? {
        return Err(Error::conflict("The password was changed meanwhile; open a new session."));
    }
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
