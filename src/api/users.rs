//! `/users`: Graph's subset of user properties and operations.

use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::{Example, MaybeUndefined, ParseFromJSON, Password, ToJSON, Type},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Page, Paging, refuse_other_options},
    problem::Problem,
    user_view::{Select, UserView},
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    directory::{
        attributes::{Changes, PasswordChange},
        users,
    },
    error::{Error, Result},
    id::UserId,
    methods::password::PasswordDigest,
    store::users::{Presence, UserType},
};

pub struct UsersApi(pub App);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "UserType")]
enum UserTypeValue {
    Member,
    Guest,
}

impl From<UserTypeValue> for UserType {
    fn from(value: UserTypeValue) -> Self {
        match value {
            UserTypeValue::Member => Self::Member,
            UserTypeValue::Guest => Self::Guest,
        }
    }
}

/// The password of a new user.
#[derive(Object)]
#[oai(rename = "NewPasswordProfile", rename_all = "camelCase", deny_unknown_fields)]
struct NewPasswordBody {
    /// 8 to 256 characters.
    password: Password,
    /// The user must choose another password at the next sign-in. Default: false.
    force_change_password_next_sign_in: Option<bool>,
}

/// A user to be made.
#[derive(Object)]
#[oai(rename = "NewUser", rename_all = "camelCase", deny_unknown_fields, example)]
struct NewUserBody {
    /// False: the user cannot sign in yet.
    account_enabled: bool,
    /// At most 256 characters.
    display_name: String,
    /// `alias@domain`, with the tenant's domain.
    user_principal_name: String,
    /// At most 64 ASCII characters without spaces.
    mail_nickname: String,
    password_profile: NewPasswordBody,
    /// Default: Member.
    user_type: Option<UserTypeValue>,
    /// At most 64 characters.
    given_name: Option<String>,
    /// At most 64 characters.
    surname: Option<String>,
    /// An e-mail address.
    mail: Option<String>,
    /// At most 128 characters.
    job_title: Option<String>,
    /// Of the profile; not an authentication method. At most 64 characters.
    mobile_phone: Option<String>,
    /// Of the profile; not an authentication method. At most one.
    business_phones: Option<Vec<String>>,
    /// At most 128 characters.
    office_location: Option<String>,
    /// At most 64 characters, such as en-US.
    preferred_language: Option<String>,
    /// A country code of two letters.
    usage_location: Option<String>,
    /// At most 64 characters.
    department: Option<String>,
    /// At most 64 characters.
    company_name: Option<String>,
    /// At most 16 characters.
    employee_id: Option<String>,
    /// At most 250 e-mail addresses.
    other_mails: Option<Vec<String>>,
}

impl Example for NewUserBody {
    fn example() -> Self {
        Self {
            account_enabled: true,
            display_name: "Megan Bowen".into(),
            user_principal_name: "megan.bowen@contoso.example".into(),
            mail_nickname: "megan.bowen".into(),
            password_profile: NewPasswordBody {
                password: Password("violet harbor 42".into()),
                force_change_password_next_sign_in: Some(true),
            },
            user_type: None,
            given_name: Some("Megan".into()),
            surname: Some("Bowen".into()),
            mail: None,
            job_title: Some("Auditor".into()),
            mobile_phone: None,
            business_phones: None,
            office_location: None,
            preferred_language: None,
            usage_location: None,
            department: None,
            company_name: None,
            employee_id: None,
            other_mails: None,
        }
    }
}

impl NewUserBody {
    async fn into_changes(self, app: &App) -> Result<Changes> {
        let digest = hash(app, self.password_profile.password).await?;
        Ok(Changes {
            display_name: Some(self.display_name),
            user_principal_name: Some(self.user_principal_name),
            mail_nickname: Some(self.mail_nickname),
            account_enabled: Some(self.account_enabled),
            user_type: self.user_type.map(Into::into),
            given_name: Some(self.given_name),
            surname: Some(self.surname),
            mail: Some(self.mail),
            job_title: Some(self.job_title),
            mobile_phone: Some(self.mobile_phone),
            business_phones: self.business_phones,
            office_location: Some(self.office_location),
            preferred_language: Some(self.preferred_language),
            usage_location: Some(self.usage_location),
            department: Some(self.department),
            company_name: Some(self.company_name),
            employee_id: Some(self.employee_id),
            other_mails: self.other_mails,
            password: PasswordChange {
                digest: Some(digest),
                force_change_next_sign_in: self.password_profile.force_change_password_next_sign_in,
            },
        })
    }
}

/// A new password, or only whether it must be changed.
#[derive(Object)]
#[oai(rename = "PasswordProfile", rename_all = "camelCase", deny_unknown_fields)]
struct PasswordBody {
    /// 8 to 256 characters. Ends the user's sessions.
    password: Option<Password>,
    /// The user must choose another password at the next sign-in.
    force_change_password_next_sign_in: Option<bool>,
}

/// What to change. What is left out stays as it is; null clears a property that can be empty.
#[derive(Object)]
#[oai(rename = "UserUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
struct UserUpdateBody {
    /// False ends the user's sessions too.
    account_enabled: MaybeUndefined<bool>,
    /// At most 256 characters.
    display_name: MaybeUndefined<String>,
    /// `alias@domain`, with the tenant's domain.
    user_principal_name: MaybeUndefined<String>,
    /// At most 64 ASCII characters without spaces.
    mail_nickname: MaybeUndefined<String>,
    password_profile: MaybeUndefined<PasswordBody>,
    user_type: MaybeUndefined<UserTypeValue>,
    /// At most 64 characters.
    #[oai(nullable)]
    given_name: MaybeUndefined<String>,
    /// At most 64 characters.
    #[oai(nullable)]
    surname: MaybeUndefined<String>,
    /// An e-mail address.
    #[oai(nullable)]
    mail: MaybeUndefined<String>,
    /// At most 128 characters.
    #[oai(nullable)]
    job_title: MaybeUndefined<String>,
    /// Of the profile; not an authentication method. At most 64 characters.
    #[oai(nullable)]
    mobile_phone: MaybeUndefined<String>,
    /// Of the profile; not an authentication method. At most one; an empty list clears it.
    business_phones: MaybeUndefined<Vec<String>>,
    /// At most 128 characters.
    #[oai(nullable)]
    office_location: MaybeUndefined<String>,
    /// At most 64 characters, such as en-US.
    #[oai(nullable)]
    preferred_language: MaybeUndefined<String>,
    /// A country code of two letters.
    #[oai(nullable)]
    usage_location: MaybeUndefined<String>,
    /// At most 64 characters.
    #[oai(nullable)]
    department: MaybeUndefined<String>,
    /// At most 64 characters.
    #[oai(nullable)]
    company_name: MaybeUndefined<String>,
    /// At most 16 characters.
    #[oai(nullable)]
    employee_id: MaybeUndefined<String>,
    /// At most 250 e-mail addresses; an empty list clears it.
    other_mails: MaybeUndefined<Vec<String>>,
}

impl Example for UserUpdateBody {
    fn example() -> Self {
        Self {
            account_enabled: MaybeUndefined::Undefined,
            display_name: MaybeUndefined::Undefined,
            user_principal_name: MaybeUndefined::Undefined,
            mail_nickname: MaybeUndefined::Undefined,
            password_profile: MaybeUndefined::Undefined,
            user_type: MaybeUndefined::Undefined,
            given_name: MaybeUndefined::Undefined,
            surname: MaybeUndefined::Undefined,
            mail: MaybeUndefined::Undefined,
            job_title: MaybeUndefined::Value("Head of Sales".into()),
            mobile_phone: MaybeUndefined::Undefined,
            business_phones: MaybeUndefined::Undefined,
            office_location: MaybeUndefined::Value("18/2111".into()),
            preferred_language: MaybeUndefined::Undefined,
            usage_location: MaybeUndefined::Undefined,
            department: MaybeUndefined::Value("Sales".into()),
            company_name: MaybeUndefined::Undefined,
            employee_id: MaybeUndefined::Undefined,
            other_mails: MaybeUndefined::Undefined,
        }
    }
}

impl UserUpdateBody {
    async fn into_changes(self, app: &App) -> Result<Changes> {
        let profile = not_null("passwordProfile", self.password_profile)?;
        let (password, force_change_next_sign_in) = match profile {
            Some(profile) => (profile.password, profile.force_change_password_next_sign_in),
            None => (None, None),
        };
        let mut changes = Changes {
            display_name: not_null("displayName", self.display_name)?,
            user_principal_name: not_null("userPrincipalName", self.user_principal_name)?,
            mail_nickname: not_null("mailNickname", self.mail_nickname)?,
            account_enabled: not_null("accountEnabled", self.account_enabled)?,
            user_type: not_null("userType", self.user_type)?.map(Into::into),
            given_name: nullable(self.given_name),
            surname: nullable(self.surname),
            mail: nullable(self.mail),
            job_title: nullable(self.job_title),
            mobile_phone: nullable(self.mobile_phone),
            business_phones: not_null("businessPhones", self.business_phones)?,
            office_location: nullable(self.office_location),
            preferred_language: nullable(self.preferred_language),
            usage_location: nullable(self.usage_location),
            department: nullable(self.department),
            company_name: nullable(self.company_name),
            employee_id: nullable(self.employee_id),
            other_mails: not_null("otherMails", self.other_mails)?,
            password: PasswordChange { digest: None, force_change_next_sign_in },
        };
        if let Some(password) = password {
            changes.password.digest = Some(hash(app, password).await?);
        }
        Ok(changes)
    }
}

/// Takes tens of milliseconds on purpose, so it is done beside the request's thread and before the transaction.
async fn hash(app: &App, password: Password) -> Result<PasswordDigest> {
    let entropy = app.store.context().entropy.clone();
    tokio::task::spawn_blocking(move || PasswordDigest::new(&entropy, &password)).await.map_err(Error::internal)?
}

fn nullable<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

fn not_null<T>(target: &str, value: MaybeUndefined<T>) -> Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => Err(Error::invalid_user(target, format!("{target} cannot be null."))),
    }
}

/// A value that is no object.
#[derive(Debug, Object)]
pub struct Primitive<T: Type + ParseFromJSON + ToJSON> {
    #[oai(rename = "@odata.context")]
    context: String,
    value: T,
}

#[derive(ApiResponse)]
enum CreatedUser {
    /// The user was made.
    #[oai(status = 201)]
    Created(
        Json<UserView>,
        /// The address of the new user.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Revoked {
    /// Done.
    #[oai(status = 200)]
    Done(Json<Primitive<bool>>),
    /// Done; `Prefer: return=minimal` asked for no body.
    #[oai(status = 204)]
    Minimal,
}

/// The answer of what changes something and has nothing to show.
#[derive(ApiResponse)]
pub enum NoContent {
    /// Done.
    #[oai(status = 204)]
    Done,
}

#[OpenApi(tag = "Tag::Users")]
impl UsersApi {
    /// List users
    ///
    /// The users of this tenant, in the order of their ids. Needs the permission `User.Read.All` or
    /// `User.ReadWrite.All`, or a role that reads the directory, such as Directory Readers or Helpdesk Administrator.
    #[oai(path = "/v1.0/users", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Properties to send, with commas between them; Graph's eleven default ones unless given.
        #[oai(name = "$select")]
        select: Query<Option<String>>,
        /// Users of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<UserView>>, Problem> {
        refuse_other_options(&info, &["$select", "$top", "$skiptoken"]).map_err(Error::in_directory)?;
        let select = Select::parse(select.as_deref())?;
        let paging = Paging::new(top.0, skip_token.0).map_err(Error::in_directory)?;
        let (after, limit) = (paging.after.clone().map(UserId::new), paging.limit());
        let mut users = self
            .0
            .read(guard.0, move |tx, caller| users::list(tx, caller, Presence::Present, after.as_ref(), limit))
            .await?;
        let next_link = paging.next_link(&self.0, &info, &mut users, |user| user.user_id.to_string());
        Ok(Json(Page {
            context: self.0.context(&info, &select.context("users")),
            next_link,
            value: users.into_iter().map(|user| UserView::new(None, &select, user)).collect(),
        }))
    }

    /// Create a user
    ///
    /// The new user has only a password and registers authentication methods at the first sign-in. Needs the
    /// permission `User.ReadWrite.All`, or the role User Administrator.
    #[oai(path = "/v1.0/users", method = "post", operation_id = "createUser")]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<NewUserBody>,
    ) -> Result<CreatedUser, Problem> {
        let changes = body.0.into_changes(&self.0).await?;
        let attempt = Attempt::new(Activity::CREATE_USER);
        let user = self.0.write(guard.0, attempt, move |tx, caller| users::create(tx, caller, &changes)).await?;
        let location = self.0.url(&info, &format!("/users/{}", user.user_id));
        let context = self.0.context(&info, "users/$entity");
        let view = UserView::new(Some(context), &Select::parse(None)?, user);
        Ok(CreatedUser::Created(Json(view), location))
    }

    /// Get a user
    ///
    /// Needs the permission `User.Read.All` or `User.ReadWrite.All`, or a role that reads the directory. Every user
    /// may read himself.
    #[oai(path = "/v1.0/users/:user", method = "get", operation_id = "getUser")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// Properties to send, with commas between them; Graph's eleven default ones unless given.
        #[oai(name = "$select")]
        select: Query<Option<String>>,
    ) -> Result<Json<UserView>, Problem> {
        refuse_other_options(&info, &["$select"]).map_err(Error::in_directory)?;
        let select = Select::parse(select.as_deref())?;
        let user = self.0.read(guard.0, move |tx, caller| users::get(tx, caller, &user)).await?;
        let context = self.0.context(&info, &format!("{}/$entity", select.context("users")));
        Ok(Json(UserView::new(Some(context), &select, user)))
    }

    /// Change a user
    ///
    /// A new password and `accountEnabled: false` end the user's sessions. Needs the permission `User.ReadWrite.All`,
    /// or the role User Administrator (Global Administrator for most administrators).
    #[oai(path = "/v1.0/users/:user", method = "patch", operation_id = "updateUser")]
    async fn update(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        body: Json<UserUpdateBody>,
    ) -> Result<NoContent, Problem> {
        let changes = body.0.into_changes(&self.0).await?;
        let attempt = Attempt::on_user(Activity::UPDATE_USER, &user);
        self.0.write(guard.0, attempt, move |tx, caller| users::update(tx, caller, &user, &changes)).await?;
        Ok(NoContent::Done)
    }

    /// Delete a user
    ///
    /// The user's sessions end and the name is free at once. For 30 days the user can be restored, with all methods,
    /// hardware tokens and roles, from /directory/deletedItems. Needs the permission `User.ReadWrite.All`, or the role
    /// User Administrator (Global Administrator for most administrators).
    #[oai(path = "/v1.0/users/:user", method = "delete", operation_id = "deleteUser")]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::leaver")]
        user: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::DELETE_USER, &user);
        self.0.write(guard.0, attempt, move |tx, caller| users::delete(tx, caller, &user)).await?;
        Ok(NoContent::Done)
    }

    /// End all sessions of a user
    ///
    /// Every session and token of the user from before this moment is void at the next call. Needs the permission
    /// `User.ReadWrite.All`, or the role Helpdesk, Authentication or User Administrator (Privileged Authentication
    /// Administrator for most administrators).
    #[oai(path = "/v1.0/users/:user/revokeSignInSessions", method = "post", operation_id = "revokeSignInSessions")]
    async fn revoke_sign_in_sessions(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// `return=minimal` to be answered 204 without a body.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Revoked, Problem> {
        let attempt = Attempt::on_user(Activity::REVOKE_SESSIONS, &user);
        self.0.write(guard.0, attempt, move |tx, caller| users::revoke_sign_in_sessions(tx, caller, &user)).await?;
        if info.prefers_minimal {
            return Ok(Revoked::Minimal);
        }
        Ok(Revoked::Done(Json(Primitive { context: self.0.context(&info, "Edm.Boolean"), value: true })))
    }
}
