//! `phoneMethods`.

use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::{Example, MaybeUndefined},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{created, delete, entity, page, status},
    odata::{Created, Entity, NoContent, Page, not_null, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    error::Error,
    methods::{
        MethodKind,
        phone::{self, PhoneChange, PhoneEntry, PhoneRequest, PhoneType},
    },
};

const COLLECTION: &str = "phoneMethods";

/// What a phone is for. The mobile takes calls and SMS, the others calls only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "AuthenticationPhoneType", rename_all = "camelCase")]
enum PhoneTypeName {
    Mobile,
    AlternateMobile,
    Office,
}

impl From<PhoneTypeName> for PhoneType {
    fn from(name: PhoneTypeName) -> Self {
        match name {
            PhoneTypeName::Mobile => Self::Mobile,
            PhoneTypeName::AlternateMobile => Self::AlternateMobile,
            PhoneTypeName::Office => Self::Office,
        }
    }
}

impl From<PhoneType> for PhoneTypeName {
    fn from(phone_type: PhoneType) -> Self {
        match phone_type {
            PhoneType::Mobile => Self::Mobile,
            PhoneType::AlternateMobile => Self::AlternateMobile,
            PhoneType::Office => Self::Office,
        }
    }
}

/// A phone.
#[derive(Debug, Object)]
#[oai(rename = "PhoneAuthenticationMethod", rename_all = "camelCase")]
pub struct PhoneView {
    id: String,
    /// `+{country code} {number}[x{extension}]`; all but the last two digits are hidden from an Authentication
    /// Administrator.
    phone_number: String,
    phone_type: PhoneTypeName,
    /// Whether the user can sign in with the number alone: `notSupported`, `notAllowedByPolicy` (enabled or not),
    /// `notEnabled` or `ready`.
    sms_sign_in_state: String,
    /// `pending` while a phone that users added themselves is not verified (ten minutes, then it ends); else `activated`.
    status: String,
    /// Whether a code that was sent to this number was typed in.
    is_verified: bool,
    created_date_time: String,
    /// Always null: its use is not noted.
    #[oai(nullable)]
    last_used_date_time: Option<String>,
}

impl From<PhoneEntry> for PhoneView {
    fn from(phone: PhoneEntry) -> Self {
        Self {
            id: phone.id.into_string(),
            phone_number: phone.phone_number,
            phone_type: phone.phone_type.into(),
            sms_sign_in_state: phone.sms_sign_in_state.as_str().into(),
            status: status(phone.is_complete).into(),
            is_verified: phone.is_verified,
            created_date_time: phone.created_date_time.to_iso(),
            last_used_date_time: phone.last_used_date_time.map(|at| at.to_iso()),
        }
    }
}

/// A phone to add.
#[derive(Debug, Object)]
#[oai(rename = "PhoneAuthenticationMethodRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct PhoneBody {
    /// With a plus and the country code; spaces, hyphens, dots and brackets between the digits do not matter.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    phone_number: String,
    phone_type: PhoneTypeName,
}

impl Example for PhoneBody {
    fn example() -> Self {
        Self { phone_number: "+1 2065550100".into(), phone_type: PhoneTypeName::Mobile }
    }
}

impl From<PhoneBody> for PhoneRequest {
    fn from(PhoneBody { phone_number, phone_type }: PhoneBody) -> Self {
        Self { phone_number, phone_type: phone_type.into() }
    }
}

/// What to change of a phone; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "PhoneAuthenticationMethodUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
struct PhonePatch {
    /// The new number.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    phone_number: MaybeUndefined<String>,
    /// May be sent, but cannot change.
    phone_type: MaybeUndefined<PhoneTypeName>,
}

impl Example for PhonePatch {
    fn example() -> Self {
        Self { phone_number: "+1 2065550101".to_owned().into(), phone_type: MaybeUndefined::Undefined }
    }
}

impl TryFrom<PhonePatch> for PhoneChange {
    type Error = Error;

    fn try_from(PhonePatch { phone_number, phone_type }: PhonePatch) -> Result<Self, Error> {
        Ok(Self {
            phone_number: not_null("phoneNumber", phone_number)?,
            phone_type: not_null("phoneType", phone_type)?.map(Into::into),
        })
    }
}

pub struct PhoneApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl PhoneApi {
    /// List the phones of a user
    ///
    /// At most one of each type. Needs the permission `UserAuthMethod-Phone.Read.All` or
    /// `UserAuthenticationMethod.Read.All`, or the role Global Reader or Authentication Administrator (who sees
    /// numbers masked).
    #[oai(path = "/v1.0/users/:user/authentication/phoneMethods", method = "get", operation_id = "listPhoneMethods")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<PhoneView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let phones = self.0.read(guard.0, move |tx, caller| phone::list(tx, caller, &user)).await?;
        Ok(page(&self.0, &info, phones, COLLECTION))
    }

    /// Add a phone to a user
    ///
    /// One of each type; an `alternateMobile` needs a `mobile` beside it. What an administrator adds can be used at once;
    /// what users add themselves is `pending` until it is verified: `sendVerification`, then `verify`. Needs the permission
    /// `UserAuthMethod-Phone.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication
    /// Administrator (Privileged Authentication Administrator for administrators).
    #[oai(path = "/v1.0/users/:user/authentication/phoneMethods", method = "post", operation_id = "createPhoneMethod")]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<PhoneBody>,
    ) -> Result<Created<PhoneView>, Problem> {
        let request = PhoneRequest::from(body.0);
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let made = self.0.write(guard.0, attempt, move |tx, caller| phone::create(tx, caller, &user, &request)).await?;
        let id = made.found.id.to_string();
        Ok(created(&self.0, &info, made, COLLECTION, &id))
    }

    /// Get a phone of a user
    ///
    /// Needs the same permission or role as the list.
    #[oai(path = "/v1.0/users/:user/authentication/phoneMethods/:id", method = "get", operation_id = "getPhoneMethod")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id: one for each type of phone, the same for every user.
        #[oai(example = "examples::mobile_phone")]
        id: Path<String>,
    ) -> Result<Json<Entity<PhoneView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| phone::get(tx, caller, &user, &id)).await?;
        Ok(entity(&self.0, &info, found, COLLECTION))
    }

    /// Change the number of a phone
    ///
    /// The type stays. While SMS sign-in is enabled, the new number must be free for it too. Needs the same permission
    /// or role as adding one.
    #[oai(
        path = "/v1.0/users/:user/authentication/phoneMethods/:id",
        method = "patch",
        operation_id = "updatePhoneMethod"
    )]
    async fn update(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id: one for each type of phone, the same for every user.
        #[oai(example = "examples::mobile_phone")]
        id: Path<String>,
        body: Json<PhonePatch>,
    ) -> Result<NoContent, Problem> {
        let change = PhoneChange::try_from(body.0)?;
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        self.0.write(guard.0, attempt, move |tx, caller| phone::update(tx, caller, &user, &id, &change)).await?;
        Ok(NoContent::Done)
    }

    /// Delete a phone of a user
    ///
    /// The default method may be deleted too: the default moves to what is left. The `mobile` stays as long as there
    /// is an `alternateMobile`. Needs the same permission or role as adding one.
    #[oai(
        path = "/v1.0/users/:user/authentication/phoneMethods/:id",
        method = "delete",
        operation_id = "deletePhoneMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id: one for each type of phone, the same for every user.
        #[oai(example = "examples::office_phone")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::Phone, user.0, id.0).await
    }

    /// Let a user sign in with the phone number
    ///
    /// With the `mobile` only, and only if no other user of the tenant signs in with the same number (409
    /// `phoneNumberNotUnique`). Needs the same permission or role as adding a phone.
    #[oai(
        path = "/v1.0/users/:user/authentication/phoneMethods/:id/enableSmsSignIn",
        method = "post",
        operation_id = "enableSmsSignIn"
    )]
    async fn enable_sms_sign_in(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id; that of the mobile.
        #[oai(example = "examples::mobile_phone")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        self.set_sms_sign_in(guard, user.0, id.0, true).await
    }

    /// No longer let a user sign in with the phone number
    ///
    /// The phone stays as a second factor. Needs the same permission or role as adding a phone.
    #[oai(
        path = "/v1.0/users/:user/authentication/phoneMethods/:id/disableSmsSignIn",
        method = "post",
        operation_id = "disableSmsSignIn"
    )]
    async fn disable_sms_sign_in(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id; that of the mobile.
        #[oai(example = "examples::mobile_phone")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        self.set_sms_sign_in(guard, user.0, id.0, false).await
    }
}

impl PhoneApi {
    async fn set_sms_sign_in(
        &self,
        guard: Guard,
        user: String,
        id: String,
        enabled: bool,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        self.0
            .write(guard.0, attempt, move |tx, caller| phone::set_sms_sign_in(tx, caller, &user, &id, enabled))
            .await?;
        Ok(NoContent::Done)
    }
}
