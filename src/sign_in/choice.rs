//! What a user may be asked for next, and what somebody chose of it.

use super::{Factor, State};
use crate::{
    error::{Error, Result},
    methods::{self, Method, MethodKind, proof},
    store::{
        Tx,
        sessions::{SessionRow, SessionStatus},
        users::User,
    },
};

/// The method that the caller chose among those that may be proven next.
pub(super) fn choose(tx: &mut Tx<'_>, user: &User, session: &SessionRow, state: &State, id: &str) -> Result<Method> {
    let mut candidates = candidates(tx, user, session, state)?;
    let at = candidates.iter().position(|method| method.id().as_str() == id);
    match at {
        Some(at) => Ok(candidates.swap_remove(at)),
        None => Err(why_not(tx, user, state, id)?),
    }
}

/// Whoever has proven something is told that a method of his cannot be asked for at all. Nobody else learns what there is.
fn why_not(tx: &mut Tx<'_>, user: &User, state: &State, id: &str) -> Result<Error> {
    let not_found = Error::method_not_found(id);
    if state.proofs.is_empty() {
        return Ok(not_found);
    }
    let named =
        |method: &Method| method.kind() == MethodKind::ExternalAuthenticationMethod && method.id().as_str() == id;
    Ok(methods::of_user(tx, user)?.iter().find(|method| named(method)).map_or(not_found, proof::unfit))
}

/// What may be proven next. Before a registration: what opens it. After the password: every second factor. A session
/// that waits for a passkey as both factors takes nothing else.
pub(super) fn candidates(tx: &mut Tx<'_>, user: &User, session: &SessionRow, state: &State) -> Result<Vec<Method>> {
    let mut usable = proof::usable(tx, user)?;
    let proves_both = |method: &Method| method.kind().proves_both();
    match session.status {
        SessionStatus::MfaRequired if state.proofs.is_empty() => usable.retain(proves_both),
        SessionStatus::MfaRequired => {}
        SessionStatus::RegistrationRequired if !state.has(&[Factor::Both]) => usable.retain(proves_both),
        SessionStatus::RegistrationRequired
        | SessionStatus::PasswordChangeRequired
        | SessionStatus::PinChangeRequired
        | SessionStatus::Completed
        | SessionStatus::Refused => usable.clear(),
    }
    Ok(usable)
}
