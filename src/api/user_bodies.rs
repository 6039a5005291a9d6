//! What a request says of a user: all of a new one, or what to change.

use poem_openapi::{
    Enum, Object,
    types::{Example, MaybeUndefined, Password},
};

use super::strict_json::text;
use crate::{
    access::Caller,
    app::App,
    directory::attributes::{Changes, PasswordChange},
    error::{Error, Result},
    methods::password::PasswordDigest,
    store::users::UserType,
};

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
    /// Only false: who must use MFA has done so before a password is changed in any case.
    force_change_password_next_sign_in_with_mfa: Option<bool>,
}

/// A user to be made.
#[derive(Object)]
#[oai(rename = "NewUser", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct NewUserBody {
    /// False: the user cannot sign in yet.
    account_enabled: bool,
    /// At most 256 characters.
    #[oai(deserialize_with = "text")]
    display_name: String,
    /// `alias@domain`, with the tenant's domain.
    #[oai(deserialize_with = "text")]
    user_principal_name: String,
    /// At most 64 ASCII characters without spaces.
    #[oai(deserialize_with = "text")]
    mail_nickname: String,
    password_profile: NewPasswordBody,
    /// Default: Member.
    user_type: Option<UserTypeValue>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text")]
    given_name: Option<String>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text")]
    surname: Option<String>,
    /// An e-mail address.
    #[oai(deserialize_with = "text")]
    mail: Option<String>,
    /// At most 128 characters.
    #[oai(deserialize_with = "text")]
    job_title: Option<String>,
    /// Of the profile; not an authentication method. At most 64 characters.
    #[oai(deserialize_with = "text")]
    mobile_phone: Option<String>,
    /// Of the profile; not an authentication method. At most one.
    business_phones: Option<Vec<String>>,
    /// At most 128 characters.
    #[oai(deserialize_with = "text")]
    office_location: Option<String>,
    /// At most 64 characters, such as en-US.
    #[oai(deserialize_with = "text")]
    preferred_language: Option<String>,
    /// A country code of two letters.
    #[oai(deserialize_with = "text")]
    usage_location: Option<String>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text")]
    department: Option<String>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text")]
    company_name: Option<String>,
    /// At most 16 characters.
    #[oai(deserialize_with = "text")]
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
                force_change_password_next_sign_in_with_mfa: None,
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
    /// Hashes the password, which is why it is not a plain conversion.
    pub async fn into_changes(self, app: &App, caller: &Caller) -> Result<Changes> {
        app.before_new_user(caller).await?;
        refuse_with_mfa(self.password_profile.force_change_password_next_sign_in_with_mfa)?;
        let optional = [&self.given_name, &self.surname, &self.mail];
        let names: Vec<String> = [&self.user_principal_name, &self.display_name, &self.mail_nickname]
            .into_iter()
            .chain(optional.into_iter().flatten())
            .cloned()
            .collect();
        let digest = hash(app, self.password_profile.password, &names).await?;
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
    /// Only false: who must use MFA has done so before a password is changed in any case.
    force_change_password_next_sign_in_with_mfa: Option<bool>,
}

fn refuse_with_mfa(wish: Option<bool>) -> Result<()> {
    if wish == Some(true) {
        let message = "forceChangePasswordNextSignInWithMfa is not supported: take forceChangePasswordNextSignIn; who must use MFA has done so before the password is changed.";
        return Err(Error::invalid("passwordProfile/forceChangePasswordNextSignInWithMfa", message).in_directory());
    }
    Ok(())
}

/// What to change. What is left out stays as it is; null clears a property that can be empty.
#[derive(Object)]
#[oai(rename = "UserUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct UserUpdateBody {
    /// False ends the user's sessions too.
    account_enabled: MaybeUndefined<bool>,
    /// At most 256 characters.
    #[oai(deserialize_with = "text")]
    display_name: MaybeUndefined<String>,
    /// `alias@domain`, with the tenant's domain.
    #[oai(deserialize_with = "text")]
    user_principal_name: MaybeUndefined<String>,
    /// At most 64 ASCII characters without spaces.
    #[oai(deserialize_with = "text")]
    mail_nickname: MaybeUndefined<String>,
    password_profile: MaybeUndefined<PasswordBody>,
    user_type: MaybeUndefined<UserTypeValue>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text", nullable)]
    given_name: MaybeUndefined<String>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text", nullable)]
    surname: MaybeUndefined<String>,
    /// An e-mail address.
    #[oai(deserialize_with = "text", nullable)]
    mail: MaybeUndefined<String>,
    /// At most 128 characters.
    #[oai(deserialize_with = "text", nullable)]
    job_title: MaybeUndefined<String>,
    /// Of the profile; not an authentication method. At most 64 characters.
    #[oai(deserialize_with = "text", nullable)]
    mobile_phone: MaybeUndefined<String>,
    /// Of the profile; not an authentication method. At most one; an empty list clears it.
    business_phones: MaybeUndefined<Vec<String>>,
    /// At most 128 characters.
    #[oai(deserialize_with = "text", nullable)]
    office_location: MaybeUndefined<String>,
    /// At most 64 characters, such as en-US.
    #[oai(deserialize_with = "text", nullable)]
    preferred_language: MaybeUndefined<String>,
    /// A country code of two letters.
    #[oai(deserialize_with = "text", nullable)]
    usage_location: MaybeUndefined<String>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text", nullable)]
    department: MaybeUndefined<String>,
    /// At most 64 characters.
    #[oai(deserialize_with = "text", nullable)]
    company_name: MaybeUndefined<String>,
    /// At most 16 characters.
    #[oai(deserialize_with = "text", nullable)]
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
    /// Hashes the password, which is why it is not a plain conversion.
    pub async fn into_changes(self, app: &App, caller: &Caller, user: &str) -> Result<Changes> {
        let profile = not_null("passwordProfile", self.password_profile)?;
        let (password, force_change_next_sign_in) = match profile {
            Some(profile) => {
                refuse_with_mfa(profile.force_change_password_next_sign_in_with_mfa)?;
                (profile.password, profile.force_change_password_next_sign_in)
            }
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
            let names = app.names_of(caller, user).await?;
            changes.password.digest = Some(hash(app, password, &names).await?);
        }
        Ok(changes)
    }
}

async fn hash(app: &App, Password(password): Password, names: &[String]) -> Result<PasswordDigest> {
    app.hash_password("passwordProfile/password", password.into(), names).await.map_err(Error::in_directory)
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
