//! Reading and deleting the methods of a user: one rule for every kind.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Method, MethodKind, MethodSummary, Stored, email, external_authentication_method, fido2, microsoft_authenticator,
    password, phone, platform_credential, policy::MethodsPolicy, preferences, qr_code_pin, software_oath,
    temporary_access_pass,
};
use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::{MethodId, UserId},
    store::{
        Tx,
        methods::{self, MethodRow},
        users::User,
    },
};

/// The data of a kind whose methods are rows.
pub trait Detail: Serialize + DeserializeOwned {
    const KIND: MethodKind;

    /// Hides what a caller must not read who sees methods in restricted form only.
    fn restrict(&mut self) {}
}

impl Detail for password::Password {
    const KIND: MethodKind = MethodKind::Password;
}
impl Detail for phone::Phone {
    const KIND: MethodKind = MethodKind::Phone;

    fn restrict(&mut self) {
        self.phone_number = phone::mask(&self.phone_number);
    }
}
impl Detail for email::Email {
    const KIND: MethodKind = MethodKind::Email;
}
impl Detail for microsoft_authenticator::MicrosoftAuthenticator {
    const KIND: MethodKind = MethodKind::MicrosoftAuthenticator;
}
impl Detail for software_oath::SoftwareOath {
    const KIND: MethodKind = MethodKind::SoftwareOath;
}
impl Detail for fido2::Fido2 {
    const KIND: MethodKind = MethodKind::Fido2;
}
impl Detail for temporary_access_pass::TemporaryAccessPass {
    const KIND: MethodKind = MethodKind::TemporaryAccessPass;
}
impl Detail for platform_credential::WindowsHello {
    const KIND: MethodKind = MethodKind::WindowsHelloForBusiness;
}
impl Detail for platform_credential::PlatformCredential {
    const KIND: MethodKind = MethodKind::PlatformCredential;
}
impl Detail for external_authentication_method::ExternalMethod {
    const KIND: MethodKind = MethodKind::ExternalAuthenticationMethod;
}
impl Detail for qr_code_pin::QrCodePin {
    const KIND: MethodKind = MethodKind::QrCodePin;
}

/// Something of a user's, with what it takes to present it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfUser<T> {
    pub user_id: UserId,
    /// The user's display name.
    pub user_name: String,
    /// When it was read; a pass that was usable then may have expired since.
    pub read_at: Timestamp,
    pub found: T,
}

impl<T> OfUser<T> {
    pub fn new(tx: &Tx<'_>, user: User, found: T) -> Self {
        Self { user_id: user.user_id, user_name: user.display_name, read_at: tx.now(), found }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> OfUser<U> {
        OfUser { user_id: self.user_id, user_name: self.user_name, read_at: self.read_at, found: f(self.found) }
    }
}

/// Restricted form is for administrators; everybody sees his own methods in full.
pub(super) fn sees_in_full(actor: &Actor, user: &User) -> bool {
    actor.sees_full_numbers() || actor.id() == Some(user.user_id.as_str())
}

fn restrict(method: &mut Method) {
    if let Method::Phone(phone) = method {
        phone.detail.restrict();
    }
}

/// Every method of a user, whatever its kind, and the policy that says which of them may be used.
pub fn list_all(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<OfUser<(Vec<Method>, MethodsPolicy)>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ReadMethods, user)?;
    let mut all = super::of_user(tx, &user)?;
    if !sees_in_full(&actor, &user) {
        all.iter_mut().for_each(restrict);
    }
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    Ok(OfUser::new(tx, user, (all, policy)))
}

/// One method of a user, whatever its kind, and the policy that says whether it may be used.
pub fn get_any(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<OfUser<(Method, MethodsPolicy)>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ReadMethods, user)?;
    let mut method = super::find(tx, &user, &MethodId::new(id))?;
    if !sees_in_full(&actor, &user) {
        restrict(&mut method);
    }
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    Ok(OfUser::new(tx, user, (method, policy)))
}

/// The methods of one kind.
pub fn list<D: Detail>(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<OfUser<Vec<Stored<D>>>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ReadKind(D::KIND), user)?;
    let mut all = of_kind::<D>(tx, &user)?;
    if !sees_in_full(&actor, &user) {
        all.iter_mut().for_each(|method| method.detail.restrict());
    }
    Ok(OfUser::new(tx, user, all))
}

/// One method of one kind; the id of another kind's method is not found.
pub fn get<D: Detail>(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<OfUser<Stored<D>>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ReadKind(D::KIND), user)?;
    let mut method = stored::<D>(tx, &user, id)?;
    if !sees_in_full(&actor, &user) {
        method.detail.restrict();
    }
    Ok(OfUser::new(tx, user, method))
}

/// The user's methods of one kind, for rules that have already authorized the caller.
pub(super) fn of_kind<D: Detail>(tx: &mut Tx<'_>, user: &User) -> Result<Vec<Stored<D>>> {
    let now = tx.now();
    let rows = methods::of_user(tx, &user.tenant_id, &user.user_id)?;
    rows.into_iter().filter(|row| is_live::<D>(row, now)).map(Stored::read).collect()
}

/// The user's method of one kind, for rules that have already authorized the caller.
pub(super) fn stored<D: Detail>(tx: &mut Tx<'_>, user: &User, id: &str) -> Result<Stored<D>> {
    let now = tx.now();
    let row = methods::find(tx, &user.tenant_id, &user.user_id, &MethodId::new(id))?;
    let row = row.filter(|row| is_live::<D>(row, now)).ok_or_else(|| Error::method_not_found(id))?;
    Stored::read(row)
}

fn is_live<D: Detail>(row: &MethodRow, now: Timestamp) -> bool {
    row.kind == D::KIND.as_str() && row.pending_until.is_none_or(|until| until > now)
}

/// Deletes a method; a hardware token goes back to the inventory. When it was the user's default, the default moves to
/// whatever is left: unlike Graph, no method is stuck because it is the default.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, user: &str, kind: MethodKind, id: &str) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::WriteKind(kind), user)?;
    let method = super::find_kind(tx, &user, kind, &MethodId::new(id))?;
    if let Method::Phone(phone) = &method {
        phone::check_removable(tx, &user, phone)?;
    }
    take_away(tx, &actor, &user, &method)
}

/// Removes a method with what depends on it, for rules that have already authorized whoever wants it.
pub(super) fn take_away(tx: &mut Tx<'_>, actor: &Actor, user: &User, method: &Method) -> Result<()> {
    super::remove(tx, user, method, actor.session())?;
    let mut entry = entry(Activity::DELETE_METHOD, "deleted", user, method).modified(
        "StrongAuthenticationMethod",
        Some(MethodSummary::from(method)),
        None::<()>,
    );
    if let Some(preferred) = preferences::forget_unfit(tx, user)? {
        entry = entry.modified("DefaultMethod", Some(preferred), None::<()>);
    }
    audit::record(tx, actor, entry).map(drop)
}

/// What the audit log says of every change to a method: which one and of what kind, under its masked label.
pub(super) fn entry(activity: Activity, verb: &str, user: &User, method: &Method) -> Entry {
    Entry::success(activity, Target::user(user))
        .because(format!("Admin {verb} {} method for user", method.kind().in_words()))
        .detail("methodId", method.id().into_string())
        .detail("kind", method.kind().as_str())
        .detail("displayName", method.label())
}
