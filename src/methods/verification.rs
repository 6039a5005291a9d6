//! Proving that a phone number or an e-mail address is the user's: a code is sent there and typed in here.
//!
//! What an administrator adds is complete at once, as in Graph; what users add themselves waits until it is verified,
//! or it ends by itself.

use super::{
    Method, MethodKind, manage,
    oath::CodeOutcome,
    policy, registration,
    sent_code::{self, Checked, Sent, Via},
};
use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::MethodId,
    store::{
        Tx,
        guesses::GuessKind,
        methods::{self, MethodRow},
        users::{self, User},
    },
    throttle,
};

/// Minutes until a number or address that a user added ends, unless it is verified.
const REGISTRATION_MINUTES: i64 = 10;

/// Until when a new number or address must be verified; `None` when it is complete at once.
pub(super) fn pending_until(tx: &Tx<'_>, actor: &Actor, user: &User) -> Option<Timestamp> {
    actor.is(user).then(|| tx.now().plus_minutes(REGISTRATION_MINUTES))
}

/// The complete method that stands where a new one is to be. One that was never verified makes room: whoever mistyped
/// the number begins again.
pub(super) fn standing(tx: &mut Tx<'_>, user: &User, id: &MethodId) -> Result<Option<MethodRow>> {
    let row = methods::find(tx, &user.tenant_id, &user.user_id, id)?;
    match row {
        Some(row) if row.pending_until.is_some() => {
            methods::delete(tx, &user.tenant_id, &user.user_id, id)?;
            Ok(None)
        }
        row => Ok(row),
    }
}

/// Records a new number or address; complete at once when it need not be verified.
pub(super) fn added(tx: &mut Tx<'_>, actor: &Actor, user: &User, method: &Method) -> Result<()> {
    let mut entry = manage::entry(Activity::REGISTER_METHOD, "registered", user, method);
    if !method.is_complete() {
        entry = entry.detail("status", "pending");
    }
    audit::record(tx, actor, entry)?;
    if method.is_complete() { registration::completed(tx, actor, user, method) } else { Ok(()) }
}

/// Users add and remove their own numbers and addresses, but do not change them (Graph's rule): a changed one would
/// have to be verified like a new one.
pub(super) fn refuse_own_change(actor: &Actor, user: &User) -> Result<()> {
    if !actor.is(user) {
        return Ok(());
    }
    let message =
        "Users cannot change their own phones and e-mail addresses: delete it, add the new one and verify it.";
    Err(Error::Denied { area: crate::error::Area::Methods, inner: "notOnYourself", message: message.into() })
}

/// The method, if it may be verified.
fn authorize(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    kind: MethodKind,
    id: &str,
) -> Result<(Actor, User, Method)> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::RegisterKind(kind), user)?;
    let method = super::find_kind(tx, &user, kind, &MethodId::new(id))?;
    let phone_type = if let Method::Phone(phone) = &method { Some(phone.detail.phone_type) } else { None };
    policy::check_registration(tx, &user, kind, phone_type)?;
    Ok((actor, user, method))
}

/// Sends a code to the user's phone or e-mail address.
pub fn send(tx: &mut Tx<'_>, caller: &Caller, user: &str, kind: MethodKind, id: &str, via: Via<'_>) -> Result<Sent> {
    let (actor, user, method) = authorize(tx, caller, user, kind, id)?;
    let sent = sent_code::send(tx, &user, &method, None, via)?;
    let entry = manage::entry(Activity::SEND_VERIFICATION, "sent a verification code to", &user, &method);
    audit::record(tx, &actor, entry)?;
    Ok(sent)
}

/// Checks the code that was sent; wrong ones count like those at a sign-in. The right one verifies the method, and completes it when the user had added it.
pub fn verify(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    kind: MethodKind,
    id: &str,
    code: &str,
) -> Result<CodeOutcome> {
    let (actor, user, method) = authorize(tx, caller, user, kind, id)?;
    let (tenant, subject) = (&user.tenant_id, user.user_id.as_str());
    throttle::check(tx, tenant, subject, GuessKind::Otp)?;
    let checked = sent_code::check(tx, &user, &method, None, code)?;
    if !matches!(checked, Checked::Right(_)) {
        if checked == Checked::Wrong {
            throttle::failed(tx, tenant, subject, GuessKind::Otp)?;
        }
        let mut entry = manage::entry(Activity::VERIFY_METHOD, "verified", &user, &method);
        (entry.failure, entry.reason) = (true, format!("Wrong code for the verification of {}", kind.in_words()));
        audit::record(tx, &actor, entry)?;
        return Ok(CodeOutcome::Refused { message: sent_code::REFUSED.into() });
    }
    throttle::succeeded(tx, tenant, subject, GuessKind::Otp)?;
    let was_complete = method.is_complete();
    let method = mark_verified(tx, method)?;
    let mut entry = manage::entry(Activity::VERIFY_METHOD, "verified", &user, &method);
    if !was_complete {
        entry = entry.modified("Status", "pending", "activated");
    }
    audit::record(tx, &actor, entry)?;
    if !was_complete || answers_demand(tx, &user, &method)? {
        registration::completed(tx, &actor, &user, &method)?;
    }
    Ok(CodeOutcome::Accepted)
}

/// Whether an administrator added the method since a registration was demanded: nobody has shown yet that the user has
/// it, so by its code the user does what was demanded. One that the user had before the demand does not answer it.
fn answers_demand(tx: &mut Tx<'_>, user: &User, method: &Method) -> Result<bool> {
    let Method::Phone(phone) = method else { return Ok(false) };
    let demanded_at = users::requirements(tx, &user.tenant_id, &user.user_id)?.registration_required_at;
    Ok(demanded_at.is_some_and(|demanded_at| phone.row.created_at >= demanded_at))
}

fn mark_verified(tx: &mut Tx<'_>, method: Method) -> Result<Method> {
    match method {
        Method::Phone(mut phone) => {
            phone.detail.is_verified = true;
            phone.row.pending_until = None;
            phone.save(tx)?;
            Ok(Method::Phone(phone))
        }
        Method::Email(mut email) => {
            email.detail.is_verified = true;
            email.row.pending_until = None;
            email.save(tx)?;
            Ok(Method::Email(email))
        }
        Method::Password(_)
        | Method::MicrosoftAuthenticator(_)
        | Method::SoftwareOath(_)
        | Method::HardwareOath(_)
        | Method::Fido2(_)
        | Method::TemporaryAccessPass(_)
        | Method::WindowsHelloForBusiness(_)
        | Method::PlatformCredential(_)
        | Method::ExternalAuthenticationMethod(_)
        | Method::QrCodePin(_) => Err(Error::method_not_found(method.id())),
    }
}
