//! Phones: one per type, under Graph's fixed ids. A reset deletes them.

use serde::{Deserialize, Serialize};

use super::{
    Method, MethodKind, Stored,
    manage::{self, Detail, OfUser},
    new_row,
    policy::{self, MethodsPolicy},
    verification,
};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::MethodId,
    messages,
    store::{
        Tx,
        methods::{self, MethodRow},
        users::User,
    },
    words,
};

mod number;

pub use number::PhoneNumber;

words! {
    /// Graph's `authenticationPhoneType`.
    pub enum PhoneType { Mobile = "mobile", AlternateMobile = "alternateMobile", Office = "office" }
}

impl PhoneType {
    /// Graph's fixed method id, the same for every user.
    pub const fn method_id(self) -> &'static str {
        match self {
            Self::Mobile => "3179e48a-750b-4051-897c-87b9720928f7",
            Self::AlternateMobile => "b6332ec1-7057-4abe-9331-3d72feddfe41",
            Self::Office => "e37fc753-ff3b-4958-9484-eaa9425c82bc",
        }
    }
}

words! {
    /// Graph's `authenticationMethodSignInState`, as far as a phone can be in it here.
    pub enum SmsSignInState {
        NotSupported = "notSupported",
        NotAllowedByPolicy = "notAllowedByPolicy",
        NotEnabled = "notEnabled",
        Ready = "ready",
    }
}

/// Graph's `phoneAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phone {
    /// Normalised: `+{country code} {number}[x{extension}]`.
    pub phone_number: String,
    pub phone_type: PhoneType,
    /// True once a code that was sent to this number was typed in.
    #[serde(default)]
    pub is_verified: bool,
}

/// A phone as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhoneEntry {
    pub id: MethodId,
    pub phone_number: String,
    pub phone_type: PhoneType,
    pub sms_sign_in_state: SmsSignInState,
    /// False while the user who added it has not verified it.
    pub is_complete: bool,
    pub is_verified: bool,
    pub created_date_time: Timestamp,
    pub last_used_date_time: Option<Timestamp>,
}

impl PhoneEntry {
    /// `policy` is the tenant's.
    pub fn new(phone: Stored<Phone>, policy: &MethodsPolicy) -> Self {
        let sms_sign_in_state = match phone.detail.phone_type {
            PhoneType::AlternateMobile | PhoneType::Office => SmsSignInState::NotSupported,
            // Enabled or not: it comes back when the policy does.
            PhoneType::Mobile if !policy.allows_sms_sign_in(&phone.row.user_id) => SmsSignInState::NotAllowedByPolicy,
            PhoneType::Mobile if phone.row.sms_sign_in_number.is_none() => SmsSignInState::NotEnabled,
            PhoneType::Mobile => SmsSignInState::Ready,
        };
        Self {
            id: phone.row.method_id,
            phone_number: phone.detail.phone_number,
            phone_type: phone.detail.phone_type,
            sms_sign_in_state,
            is_complete: phone.row.pending_until.is_none(),
            is_verified: phone.detail.is_verified,
            created_date_time: phone.row.created_at,
            last_used_date_time: phone.row.last_used_at,
        }
    }
}

/// All but the last two digits hidden.
pub fn mask(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    format!("••{}", digits[digits.len().saturating_sub(2)..].iter().collect::<String>())
}

/// A phone to add.
#[derive(Debug, Clone)]
pub struct PhoneRequest {
    /// As somebody typed it.
    pub phone_number: String,
    pub phone_type: PhoneType,
}

/// What to change; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct PhoneChange {
    pub phone_number: Option<String>,
    /// May be sent, but must be the type it is.
    pub phone_type: Option<PhoneType>,
}

pub fn list(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<OfUser<Vec<PhoneEntry>>> {
    let found = manage::list::<Phone>(tx, caller, user)?;
    let policy = MethodsPolicy::of(tx, &caller.tenant)?;
    Ok(found.map(|phones| phones.into_iter().map(|phone| PhoneEntry::new(phone, &policy)).collect()))
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<OfUser<PhoneEntry>> {
    let found = manage::get::<Phone>(tx, caller, user, id)?;
    let policy = MethodsPolicy::of(tx, &caller.tenant)?;
    Ok(found.map(|phone| PhoneEntry::new(phone, &policy)))
}

/// Adds a phone: one per type, and an alternate only beside a mobile. One that users add themselves is to be verified.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, user: &str, request: &PhoneRequest) -> Result<OfUser<PhoneEntry>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::RegisterKind(MethodKind::Phone), user)?;
    let number: PhoneNumber = request.phone_number.parse()?;
    let phone_type = request.phone_type;
    let allowed = policy::check_registration(tx, &user, MethodKind::Phone, Some(phone_type))?;
    let id = MethodId::new(phone_type.method_id());
    if verification::standing(tx, &user, &id)?.is_some() {
        let message = format!("The user has a phone of the type {phone_type} already; change that one with PATCH.");
        return Err(Error::invalid("phoneType", message));
    }
    let is_complete = |row: MethodRow| row.pending_until.is_none();
    if phone_type == PhoneType::AlternateMobile && !row_of(tx, &user, PhoneType::Mobile)?.is_some_and(is_complete) {
        return Err(Error::invalid("phoneType", "An alternateMobile needs a mobile beside it; add the mobile first."));
    }
    let detail = Phone { phone_number: number.to_string(), phone_type, is_verified: false };
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::Phone, id, &detail)?;
    row.pending_until = verification::pending_until(tx, &actor, &user);
    methods::insert(tx, &row)?;
    let mut phone = Stored { row, detail };
    verification::added(tx, &actor, &user, &Method::Phone(phone.clone()))?;
    if !manage::sees_in_full(&actor, &user) {
        phone.detail.restrict();
    }
    Ok(OfUser::new(tx, user, PhoneEntry::new(phone, &allowed)))
}

/// Changes the number of a phone. While the phone is used for SMS sign-in, the new number must be free for it too.
pub fn update(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str, change: &PhoneChange) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::WriteKind(MethodKind::Phone), user)?;
    verification::refuse_own_change(&actor, &user)?;
    let mut phone = manage::stored::<Phone>(tx, &user, id)?;
    let PhoneChange { phone_number, phone_type } = change;
    if phone_type.is_some_and(|phone_type| phone_type != phone.detail.phone_type) {
        let message =
            format!("The type of a phone cannot change; this one is {}. Add another.", phone.detail.phone_type);
        return Err(Error::invalid("phoneType", message));
    }
    let Some(number) = phone_number else { return Ok(()) };
    let number: PhoneNumber = number.parse()?;
    policy::check_registration(tx, &user, MethodKind::Phone, Some(phone.detail.phone_type))?;
    if number.to_string() == phone.detail.phone_number {
        return Ok(());
    }
    if phone.row.sms_sign_in_number.is_some() {
        phone.row.sms_sign_in_number = Some(free_for_sms_sign_in(tx, &user, &number)?);
    }
    let before = mask(&phone.detail.phone_number);
    phone.detail.phone_number = number.to_string();
    phone.detail.is_verified = false;
    phone.save(tx)?;
    let after = mask(&phone.detail.phone_number);
    let entry = manage::entry(Activity::UPDATE_METHOD, "updated", &user, &Method::Phone(phone)).modified(
        "PhoneNumber",
        before,
        after,
    );
    audit::record(tx, &actor, entry).map(drop)
}

/// Lets the user sign in with the number of this phone, or no longer. Doing it again changes nothing.
pub fn set_sms_sign_in(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str, enabled: bool) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::WriteKind(MethodKind::Phone), user)?;
    let mut phone = manage::stored::<Phone>(tx, &user, id)?;
    if phone.detail.phone_type != PhoneType::Mobile {
        return Err(Error::invalid("phoneType", "Only the phone of the type mobile can be used to sign in by SMS."));
    }
    if phone.row.pending_until.is_some() {
        return Err(Error::conflict("The phone is not verified yet; verify it first."));
    }
    let before = phone.row.sms_sign_in_number.is_some();
    if before == enabled {
        return Ok(());
    }
    if enabled && !MethodsPolicy::of(tx, &user.tenant_id)?.allows_sms_sign_in(&user.user_id) {
        let message = "The tenant's authentication methods policy does not let this user sign in by SMS.";
        return Err(Error::invalid("smsSignInState", message));
    }
    let number: PhoneNumber = phone.detail.phone_number.parse()?;
    phone.row.sms_sign_in_number = if enabled { Some(free_for_sms_sign_in(tx, &user, &number)?) } else { None };
    phone.save(tx)?;
    let entry = manage::entry(Activity::UPDATE_METHOD, "updated", &user, &Method::Phone(phone)).modified(
        "SmsSignInEnabled",
        before,
        enabled,
    );
    audit::record(tx, &actor, entry).map(drop)
}

/// The mobile stays as long as there is an alternate (Graph's rule).
pub(super) fn check_removable(tx: &mut Tx<'_>, user: &User, phone: &Stored<Phone>) -> Result<()> {
    if phone.detail.phone_type == PhoneType::Mobile && row_of(tx, user, PhoneType::AlternateMobile)?.is_some() {
        let message = "The mobile cannot be deleted while there is an alternateMobile: delete that first, or change \
                       the mobile's number to the one you keep and then delete the alternateMobile.";
        return Err(Error::invalid("phoneType", message));
    }
    Ok(())
}

fn row_of(tx: &mut Tx<'_>, user: &User, phone_type: PhoneType) -> Result<Option<MethodRow>> {
    let row = methods::find(tx, &user.tenant_id, &user.user_id, &MethodId::new(phone_type.method_id()))?;
    let now = tx.now();
    Ok(row.filter(|row| row.pending_until.is_none_or(|until| until > now)))
}

/// A number that signs in leads to one user, however its zeros are written. (The database's unique index holds the line
/// when two enable at once.)
fn free_for_sms_sign_in(tx: &mut Tx<'_>, user: &User, number: &PhoneNumber) -> Result<String> {
    if number.has_extension() {
        return Err(Error::invalid("phoneNumber", "A number with an extension receives no SMS."));
    }
    let number = messages::dialled(&number.to_string());
    if methods::sms_sign_in_number_is_taken(tx, &user.tenant_id, &user.user_id, &number)? {
        let message = "Another user signs in by SMS with this number; disable it there first.";
        return Err(Error::Conflict { code: "phoneNumberNotUnique", message: message.into() });
    }
    Ok(number)
}
