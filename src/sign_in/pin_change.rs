//! The last step of a sign-in with a PIN that must be changed: changing it.

use super::{Open, SessionView, himself, open, settle, view};
use crate::{
    access::Caller,
    audit,
    error::{Error, Result},
    methods::qr_code_pin::pin::{self, Ahead, Prepared},
    store::{Tx, sessions::SessionStatus},
    tokens::Issuer,
};

/// What the slow work before [`change`] needs.
pub fn before(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Ahead> {
    let user = open(tx, caller, id)?.user;
    Ahead::of(tx, user.as_ref())
}

/// Replaces the PIN of a session where all else is proven, and completes the session.
pub fn change(tx: &mut Tx<'_>, issuer: &Issuer, caller: &Caller, id: &str, new: &Prepared) -> Result<SessionView> {
    let Open { actor, mut session, mut state, user } = open(tx, caller, id)?;
    if session.status != SessionStatus::PinChangeRequired {
        let message = format!("The session is {}; no PIN is to be changed in it now.", session.status);
        return Err(Error::conflict(message));
    }
    let is_still = match &user {
        Some(user) => pin::is_still(tx, user, &new.same)?,
        None => false,
    };
    let Some(user) = user.filter(|_| is_still) else {
        return Err(Error::conflict("The user or the PIN was changed meanwhile; open a new session."));
    };
    let entry = pin::change_at_sign_in(tx, &user, new)?
        .detail("applicationId", session.application_id.as_str())
        .detail("signInSessionId", session.session_id.as_str());
    audit::record(tx, &himself(&actor, &user, &state), entry)?;
    state.pin_must_change = false;
    settle(tx, &actor, Some(&user), &mut session, &state)?;
    view(tx, issuer, Some(&user), &session, &state)
}
