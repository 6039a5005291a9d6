//! PINs: what they must be, and changing them. Comparing and hashing are slow and done before the transaction
//! (`app/pins.rs`); the rules here are told what came of it.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Pin, PinView, QrCodePin, Secrets, required, store};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Entropy,
    directory,
    error::{Error, Result},
    id::SessionId,
    methods::{
        Method, MethodKind, Stored,
        manage::{self, OfUser},
        password::{Known, PasswordCheck, PasswordDigest},
        policy::{self, MethodsPolicy},
    },
    store::{
        Tx,
        guesses::{self, GuessKind},
        sessions,
        users::User,
    },
    throttle,
};

/// Digits of a PIN.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=20;

/// A PIN that was hashed before the transaction.
#[derive(Clone)]
pub struct NewPin {
    pub digest: PasswordDigest,
    /// Shown once in the answer, when somebody else than its user made it.
    pub code: SecretString,
}

/// Refuses what is no PIN, or is among the first that are guessed. `shortest` is what the tenant asks for.
pub fn check(target: &str, pin: &str, shortest: usize) -> Result<()> {
    let shortest = shortest.clamp(*LENGTH.start(), *LENGTH.end());
    if !(shortest..=*LENGTH.end()).contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("A PIN has {shortest} to {} digits and nothing else.", LENGTH.end());
        return Err(Error::invalid(target, message));
    }
    if is_weak(pin) {
        return Err(Error::invalid(target, "This PIN is among the first that are guessed; take another."));
    }
    Ok(())
}

/// One digit over and over, or digits that count up or down.
fn is_weak(pin: &str) -> bool {
    let steps: Vec<i16> = pin
        .as_bytes()
        .windows(2)
        .filter_map(|pair| Some(i16::from(*pair.get(1)?) - i16::from(*pair.first()?)))
        .collect();
    [0, 1, -1].iter().any(|step| steps.iter().all(|other| other == step))
}

/// A PIN of the system's making.
pub fn generate(entropy: &Entropy, length: usize) -> SecretString {
    loop {
        let pin = entropy.text(b"0123456789", length.clamp(*LENGTH.start(), *LENGTH.end()));
        if !is_weak(&pin) {
            return pin.into();
        }
    }
}

/// May the caller set a PIN of the user, and how long must it be?
pub fn before(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<usize> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::RegisterKind(MethodKind::QrCodePin), user)?;
    let policy = policy::check_registration(tx, &user, MethodKind::QrCodePin, None)?;
    length(&policy)
}

fn length(policy: &MethodsPolicy) -> Result<usize> {
    usize::try_from(policy.qr_code_pin.pin_length).map_err(Error::internal)
}

/// Gives the user another PIN, to be changed at the next sign-in.
pub fn reset(tx: &mut Tx<'_>, caller: &Caller, user: &str, new: &NewPin) -> Result<OfUser<PinView>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::RegisterKind(MethodKind::QrCodePin), user)?;
    policy::check_registration(tx, &user, MethodKind::QrCodePin, None)?;
    let mut method = required(tx, &user)?;
    let (id, now) = (tx.guid(), tx.now());
    method.detail.pin =
        Pin { id, force_change_pin_next_sign_in: true, created_date_time: now, updated_date_time: None };
    replace(tx, &user, &mut method, &new.digest, None)?;
    let pin = method.detail.pin.clone();
    let entry = manage::entry(Activity::UPDATE_METHOD, "updated", &user, &Method::QrCodePin(method))
        .because("Admin reset the PIN of the user, who must change it at the next sign-in")
        .modified("pin", None::<()>, "(not shown)");
    audit::record(tx, &actor, entry)?;
    let code = Some(new.code.expose_secret().to_owned());
    Ok(OfUser::new(tx, user, PinView { pin, code }))
}

/// Stores another PIN. The failures with the old one are forgotten, and the sessions that were opened with it are over,
/// but the one that it is replaced in: whoever else knew the old one must not replace the new one.
fn replace(
    tx: &mut Tx<'_>,
    user: &User,
    method: &mut Stored<QrCodePin>,
    digest: &PasswordDigest,
    within: Option<&SessionId>,
) -> Result<()> {
    sessions::refuse_proven_by(tx, &user.tenant_id, &user.user_id, &method.row.method_id, within)?;
    let secrets = Secrets { pin: digest.as_str().to_owned(), ..Secrets::open(tx, &method.row)? };
    guesses::clear(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::QrCodePin)?;
    store(tx, method, &secrets)
}

/// What the slow work before a change by the user needs.
#[derive(Debug)]
pub struct Ahead {
    /// The present PIN.
    pub known: Known,
    /// Digits that the tenant asks for.
    pub length: usize,
}

impl Ahead {
    pub fn of(tx: &mut Tx<'_>, user: &User) -> Result<Self> {
        let length = length(&MethodsPolicy::of(tx, &user.tenant_id)?)?;
        Ok(Self { known: super::known(tx, Some(user))?, length })
    }
}

/// What came of the slow work.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Of the new PIN.
    pub digest: PasswordDigest,
    /// Whether the new PIN is the present one.
    pub same: PasswordCheck,
}

/// What became of a change. A wrong present PIN is counted, and therefore no error.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Changed {
    Done,
    WrongPin,
}

impl Changed {
    pub fn into_result(self) -> Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::WrongPin => Err(Error::invalid("currentPin", "The present PIN is wrong.")),
        }
    }
}

/// May the caller change this PIN, and what is it now?
pub fn before_change(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<Ahead> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ChangeOwnPassword, user)?;
    required(tx, &user)?;
    throttle::check(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::QrCodePin)?;
    Ahead::of(tx, &user)
}

/// A user changes his own PIN, and proves the present one with it.
pub fn change_own(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    current: &PasswordCheck,
    new: &Prepared,
) -> Result<Changed> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ChangeOwnPassword, user)?;
    throttle::check(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::QrCodePin)?;
    let method = required(tx, &user)?;
    if !current.matches || !current.is_of(Some(&method.row)) {
        throttle::failed(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::QrCodePin)?;
        let entry = Entry::failure(Activity::UPDATE_METHOD, Target::user(&user), "The present PIN was wrong");
        audit::record(tx, &actor, entry)?;
        return Ok(Changed::WrongPin);
    }
    let entry = set_own(tx, &user, method, new, actor.session())?;
    audit::record(tx, &actor, entry)?;
    Ok(Changed::Done)
}

/// Whether the PIN that was compared is the user's still.
pub fn is_still(tx: &mut Tx<'_>, user: &User, check: &PasswordCheck) -> Result<bool> {
    Ok(check.is_of(super::of(tx, user)?.as_ref().map(|method| &method.row)))
}

/// The change itself at a sign-in, for the rule that has asked for it; and what the audit log says of it.
pub fn change_at_sign_in(tx: &mut Tx<'_>, user: &User, new: &Prepared, session: &SessionId) -> Result<Entry> {
    let method = required(tx, user)?;
    set_own(tx, user, method, new, Some(session))
}

fn set_own(
    tx: &mut Tx<'_>,
    user: &User,
    mut method: Stored<QrCodePin>,
    new: &Prepared,
    within: Option<&SessionId>,
) -> Result<Entry> {
    if new.same.matches {
        return Err(Error::invalid("newPin", "The new PIN must differ from the present one."));
    }
    let pin = &mut method.detail.pin;
    pin.force_change_pin_next_sign_in = false;
    pin.updated_date_time = Some(tx.now());
    replace(tx, user, &mut method, &new.digest, within)?;
    let entry = manage::entry(Activity::UPDATE_METHOD, "updated", user, &Method::QrCodePin(method));
    Ok(entry.because("User changed the own PIN").modified("pin", None::<()>, "(not shown)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_digits_that_are_not_guessed_first() {
        for good in ["27182818", "31415926535897932384", "00112233", "12345679"] {
            check("code", good, 8).unwrap();
        }
        for bad in
            ["", "2718281", "271828182845904523536", "2718281a", "２７１８２８１８", "11111111", "12345678", "87654321"]
        {
            assert!(check("code", bad, 8).is_err(), "{bad}");
        }
        assert!(check("code", "27182818", 9).is_err() && check("code", "271828182", 9).is_ok());
        let pin = generate(&Entropy::seeded(7), 12);
        assert_eq!(pin.expose_secret().len(), 12);
        check("code", pin.expose_secret(), 12).unwrap();
    }
}
