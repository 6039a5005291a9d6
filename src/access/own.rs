//! Users and themselves: how long the outcome of a sign-in stands, and what it is good for.

use super::{Action, Scope};
use crate::{
    error::{Error, Result},
    id::SessionId,
    methods::{
        self,
        proven::State,
        requirements::{Demands, Standing, registration_proof},
    },
    store::{
        Tx,
        sessions::{self, SessionRow, SessionStatus},
        tenants::RegistrationProof,
        users::User,
    },
};

/// The outcome of a sign-in is good as long as its session: until a reset, or the end of what it was opened with. Whom
/// only an opt-out excused from registering is not excused when that has ended.
pub(super) fn check_outcome_stands(tx: &mut Tx<'_>, user: &User, session: &SessionId) -> Result<()> {
    let stands = at(tx, user, session, SessionStatus::Completed)?.is_some();
    if stands && !Standing::of(tx, user)?.is_registration_demanded() {
        return Ok(());
    }
    Err(Error::unauthenticated(
        "This sign-in is over: the user's methods were changed since, or it took too long. Sign in again.",
    ))
}

/// An outside issuer does not know that a registration is due, which nothing outranks: its tokens wait for it.
pub(super) fn check_nothing_is_demanded(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    if Standing::of(tx, user)?.is_registration_demanded() {
        return Err(Error::unauthenticated(
            "The user must register authentication methods before tokens of another issuer are good here.",
        ));
    }
    Ok(())
}

/// A registration token lives as long as its session waits for a registration that is due, and as what was proven in it
/// is what the tenant asks for: all of that as it is now, not as it was when the token was handed out.
pub(super) fn check_registration_is_open(tx: &mut Tx<'_>, user: &User, session: &SessionId) -> Result<()> {
    if let Some(session) = at(tx, user, session, SessionStatus::RegistrationRequired)?
        && State::of(&session)?.opens_registration(registration_proof(tx, user)?)
        && Demands::of(tx, user)?.registration_is_due()
    {
        return Ok(());
    }
    Err(Error::unauthenticated("This registration is done or has ended. Sign in again."))
}

/// The user's session, if it stands so.
fn at(tx: &mut Tx<'_>, user: &User, session: &SessionId, status: SessionStatus) -> Result<Option<SessionRow>> {
    let session = sessions::find(tx, &user.tenant_id, session)?;
    Ok(session.filter(|session| session.user_id.as_ref() == Some(&user.user_id) && session.status == status))
}

/// What users may do with their own methods. The portal's rule for administrators ("not on yourself") is for the others.
pub(super) fn may_on_own(tx: &mut Tx<'_>, user: &User, scope: &Scope, action: Action) -> Result<bool> {
    let may = match (scope, action) {
        (_, Action::ReadMethods | Action::ReadKind(_)) => true,
        (Scope::Roles | Scope::Own { .. }, Action::ReadUsers) => true,
        (Scope::Own { .. }, Action::ReadPreferences | Action::ChangeOwnPassword) => true,
        (Scope::Roles | Scope::Own { .. }, Action::RevokeSignInSessions) => true,
        (Scope::Own { mfa: true, .. }, Action::WritePreferences) => true,
        (Scope::Own { mfa: true, .. }, Action::RegisterKind(kind) | Action::WriteKind(kind)) => kind.is_self_service(),
        // Without a second factor to ask for, the first is all there is; with one, it must have been shown. A tenant that
        // asks for a pass asks whoever is excused from MFA as well.
        (Scope::Own { mfa: false, .. }, Action::RegisterKind(kind)) => {
            kind.is_self_service()
                && !methods::has_second_factor(tx, user)?
                && registration_proof(tx, user)? == RegistrationProof::FirstFactor
        }
        (Scope::Registration { .. }, Action::RegisterKind(kind)) => kind.is_self_service(),
        _ => false,
    };
    Ok(may)
}
