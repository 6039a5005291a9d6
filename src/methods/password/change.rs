//! New passwords: an administrator resets one, a user changes his own. Comparing and hashing are slow and done before
//! the transaction (`app/passwords.rs`); the rules here are told what came of it.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Known, PasswordCheck, PasswordDigest, is_still, known, rules, set};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Entropy,
    directory,
    error::{Error, Result},
    id::{MethodId, OperationId, UserId},
    methods::{self, MethodKind},
    store::{
        Tx,
        guesses::GuessKind,
        operations::{self, Operation, OperationStatus},
        sessions,
        users::{self, User},
    },
    throttle,
};

/// Characters of a password that the system makes, without those that are mistaken for one another: 94 bits.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
const GENERATED_LENGTH: usize = 16;

/// A new password of the system's making.
pub fn generate(entropy: &Entropy) -> SecretString {
    entropy.text(ALPHABET, GENERATED_LENGTH).into()
}

/// What the slow work before the transaction needs.
#[derive(Debug)]
pub struct Ahead {
    /// The present password.
    pub known: Known,
    /// What the new one must not be made of.
    pub names: Vec<String>,
}

impl Ahead {
    pub fn of(tx: &mut Tx<'_>, user: &User) -> Result<Self> {
        Ok(Self { known: known(tx, Some(user))?, names: rules::names_of(user) })
    }
}

/// What came of the slow work.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Of the new password.
    pub digest: PasswordDigest,
    /// Whether the new password is the present one.
    pub same: PasswordCheck,
}

/// A password that was reset. The new one is shown here, when the system made it, and never again.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordReset {
    pub user_id: UserId,
    pub operation_id: OperationId,
    pub new_password: Option<String>,
}

impl std::fmt::Debug for PasswordReset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordReset").field("operation_id", &self.operation_id).finish_non_exhaustive()
    }
}

/// May the caller reset this password, and what must the new one not be made of?
pub fn before_reset(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<Vec<String>> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ResetPassword, user)?;
    methods::find_kind(tx, &user, MethodKind::Password, &MethodId::new(id))?;
    Ok(rules::names_of(&user))
}

/// Gives a user another password, to be changed at the next sign-in. Ends the user's sessions and failures.
pub fn reset(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    id: &str,
    digest: &PasswordDigest,
    generated: Option<&SecretString>,
) -> Result<PasswordReset> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ResetPassword, user)?;
    let method = methods::find_kind(tx, &user, MethodKind::Password, &MethodId::new(id))?;
    set(tx, &user.tenant_id, &user.user_id, digest, true)?;
    users::set_sessions_valid_from(tx, &user.tenant_id, &user.user_id, tx.now())?;
    sessions::refuse_all(tx, &user.tenant_id, &[&user.user_id])?;
    let operation = Operation {
        tenant_id: user.tenant_id.clone(),
        user_id: user.user_id.clone(),
        operation_id: OperationId::new(tx.guid()),
        status: OperationStatus::Succeeded,
        status_detail: Some("ResetSuccess".into()),
        resource_location: format!("/users/{}/authentication/passwordMethods/{}", user.user_id, method.id()),
        created_at: tx.now(),
        last_action_at: tx.now(),
    };
    operations::insert(tx, &operation)?;
    let entry = Entry::success(Activity::RESET_PASSWORD, Target::user(&user))
        .because("Admin reset the password of the user, who must change it at the next sign-in")
        .modified("passwordProfile/password", None::<()>, "(not shown)")
        .detail("operationId", operation.operation_id.as_str())
        .detail("generated", generated.is_some().to_string());
    audit::record(tx, &actor, entry)?;
    Ok(PasswordReset {
        user_id: user.user_id,
        operation_id: operation.operation_id,
        new_password: generated.map(|password| password.expose_secret().to_owned()),
    })
}

/// How a reset went, for whoever may do one.
pub fn operation(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<Operation> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ResetPassword, user)?;
    let operation = match OperationId::parse(id) {
        Some(id) => operations::find(tx, &user.tenant_id, &user.user_id, &id)?,
        None => None,
    };
    operation.ok_or_else(|| Error::method_not_found(id))
}

/// What became of a change. A wrong present password is counted, and therefore no error.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Changed {
    Done,
    WrongPassword,
}

impl Changed {
    pub fn into_result(self) -> Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::WrongPassword => Err(Error::invalid("currentPassword", "The present password is wrong.")),
        }
    }
}

/// May the caller change this password, and what is it now?
pub fn before_change(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<Ahead> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ChangeOwnPassword, user)?;
    Ahead::of(tx, &user)
}

/// A user changes his own password, and proves the present one with it. Ends every session, this one too: whoever
/// else knew the old password is out.
pub fn change_own(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    current: &PasswordCheck,
    new: &Prepared,
) -> Result<Changed> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ChangeOwnPassword, user)?;
    throttle::check(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::Password)?;
    if !current.matches || !is_still(tx, &user, current)? {
        throttle::failed(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::Password)?;
        let entry = Entry::failure(Activity::CHANGE_PASSWORD, Target::user(&user), "The present password was wrong");
        audit::record(tx, &actor, entry)?;
        return Ok(Changed::WrongPassword);
    }
    refuse_same(new)?;
    set(tx, &user.tenant_id, &user.user_id, &new.digest, false)?;
    users::set_sessions_valid_from(tx, &user.tenant_id, &user.user_id, tx.now())?;
    sessions::refuse_all(tx, &user.tenant_id, &[&user.user_id])?;
    audit::record(tx, &actor, entry(&user))?;
    Ok(Changed::Done)
}

/// A change that changes nothing is none.
pub fn refuse_same(new: &Prepared) -> Result<()> {
    if new.same.matches {
        return Err(Error::invalid("newPassword", "The new password must differ from the present one."));
    }
    Ok(())
}

/// What the audit log says of a user's own change.
pub fn entry(user: &User) -> Entry {
    Entry::success(Activity::CHANGE_PASSWORD, Target::user(user)).because("User changed the own password").modified(
        "passwordProfile/password",
        None::<()>,
        "(not shown)",
    )
}
