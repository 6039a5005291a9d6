//! The last step of a sign-in with a PIN that must be changed: changing it.

use super::{Open, SessionView, himself, open_for_change, settle, view};
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
    let (_, user) = open_for_change(tx, caller, id, SessionStatus::PinChangeRequired, "PIN")?;
    Ahead::of(tx, &user)
}

/// Replaces the PIN of a session where all else is proven, and completes the session.
pub fn change(tx: &mut Tx<'_>, issuer: &Issuer, caller: &Caller, id: &str, new: &Prepared) -> Result<SessionView> {
    let (open, user) = open_for_change(tx, caller, id, SessionStatus::PinChangeRequired, "PIN")?;
    let Open { actor, mut session, mut state, .. } = open;
    if !pin::is_still(tx, &user, &new.same)? {
        return Err(Error::conflict("The PIN was changed meanwhile; open a new session."));
    }
    let entry = pin::change_at_sign_in(tx, &user, new, &session.session_id)?
        .detail("applicationId", session.application_id.as_str())
        .detail("signInSessionId", session.session_id.as_str());
    audit::record(tx, &himself(&actor, &user, &state), entry)?;
    state.pin_must_change = false;
    settle(tx, &actor, Some(&user), &mut session, &state)?;
    view(tx, issuer, Some(&user), &session, &state)
}
