//! What the reports show, and what they are asked with.

use poem_openapi::{Enum, Object};

use crate::{
    clock::Timestamp,
    reports::{Group, RegistrationDetails, Summary, UserRoles, UserTypes},
    store::users::UserType,
};

/// What a user has registered, and what it is good for.
#[derive(Debug, Object)]
#[oai(rename = "UserRegistrationDetails", rename_all = "camelCase")]
pub struct RegistrationDetailsView {
    /// The user's id.
    id: String,
    user_principal_name: String,
    user_display_name: String,
    /// `member` or `guest`.
    user_type: String,
    /// The user holds a directory role.
    is_admin: bool,
    /// The user has a second factor, allowed by the policy or not.
    is_mfa_registered: bool,
    /// The user has a second factor that the policy allows.
    is_mfa_capable: bool,
    /// The user has a passkey that the policy allows.
    is_passwordless_capable: bool,
    /// Always false: there is no self-service password reset.
    is_sspr_registered: bool,
    /// Always false: there is no self-service password reset.
    is_sspr_enabled: bool,
    /// Always false: there is no self-service password reset.
    is_sspr_capable: bool,
    /// The tenant and the user let the system choose what is asked for.
    is_system_preferred_authentication_method_enabled: bool,
    /// `mobilePhone`, `alternateMobilePhone`, `officePhone`, `email`, `microsoftAuthenticatorPush`,
    /// `softwareOneTimePasscode`, `hardwareOneTimePasscode`, `passKeyDeviceBound`, `passKeySynced` or
    /// `temporaryAccessPass`; only what is complete.
    methods_registered: Vec<String>,
    /// The strongest method that the user has and the policy allows.
    system_preferred_authentication_methods: Vec<String>,
    /// As in `signInPreferences`; `none` when there is none.
    user_preferred_method_for_secondary_authentication: String,
    /// The method that is: `mobilePhone`, `alternateMobilePhone`, `officePhone`, `microsoftAuthenticatorPush` or
    /// `softwareOneTimePasscode` (a hardware token's too); `none` when there is none.
    default_mfa_method: String,
    /// When this was computed: now.
    last_updated_date_time: String,
}

impl From<RegistrationDetails> for RegistrationDetailsView {
    fn from(details: RegistrationDetails) -> Self {
        let user = details.user;
        let preferred = details.preferences.user_preferred;
        Self {
            id: user.user_id.into_string(),
            user_principal_name: user.user_principal_name,
            user_display_name: user.display_name,
            user_type: match user.user_type {
                UserType::Member => "member",
                UserType::Guest => "guest",
            }
            .into(),
            is_admin: details.is_admin,
            is_mfa_registered: details.is_mfa_registered,
            is_mfa_capable: details.is_mfa_capable,
            is_passwordless_capable: details.is_passwordless_capable,
            is_sspr_registered: false,
            is_sspr_enabled: false,
            is_sspr_capable: false,
            is_system_preferred_authentication_method_enabled: details.preferences.is_system_preferred_enabled,
            methods_registered: details.methods_registered.into_iter().map(str::to_owned).collect(),
            system_preferred_authentication_methods: details
                .preferences
                .system_preferred
                .iter()
                .map(|preferred| preferred.as_str().to_owned())
                .collect(),
            user_preferred_method_for_secondary_authentication: preferred
                .map_or("none", |preferred| preferred.as_str())
                .into(),
            default_mfa_method: preferred.map_or("none", |preferred| preferred.default_mfa_method()).into(),
            last_updated_date_time: Timestamp::to_iso(details.read_at),
        }
    }
}

/// Which users a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "IncludedUserTypes", rename_all = "camelCase")]
pub enum TypesChoice {
    All,
    Member,
    Guest,
}

/// Which users a report counts, by their directory roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "IncludedUserRoles", rename_all = "camelCase")]
pub enum RolesChoice {
    All,
    PrivilegedAdmin,
    Admin,
    User,
}

/// The group that a report is asked about; everybody unless it is said.
pub fn group(types: Option<TypesChoice>, roles: Option<RolesChoice>) -> Group {
    Group {
        user_types: match types {
            None | Some(TypesChoice::All) => UserTypes::All,
            Some(TypesChoice::Member) => UserTypes::Member,
            Some(TypesChoice::Guest) => UserTypes::Guest,
        },
        user_roles: match roles {
            None | Some(RolesChoice::All) => UserRoles::All,
            Some(RolesChoice::PrivilegedAdmin) => UserRoles::PrivilegedAdmin,
            Some(RolesChoice::Admin) => UserRoles::Admin,
            Some(RolesChoice::User) => UserRoles::User,
        },
    }
}

/// How many users can do something.
#[derive(Debug, Object)]
#[oai(rename = "UserRegistrationFeatureCount", rename_all = "camelCase")]
struct FeatureCountView {
    /// `ssprRegistered`, `ssprEnabled`, `ssprCapable` (always 0: there is no self-service password reset),
    /// `passwordlessCapable` or `mfaCapable`.
    feature: String,
    user_count: i64,
}

/// How many users can do what.
#[derive(Debug, Object)]
#[oai(rename = "UserRegistrationFeatureSummary", rename_all = "camelCase")]
pub struct FeatureSummaryView {
    /// Users who were asked about, blocked accounts left out.
    total_user_count: i64,
    /// `all`, `member` or `guest`.
    user_types: String,
    /// `all`, `privilegedAdmin`, `admin` or `user`.
    user_roles: String,
    user_registration_feature_counts: Vec<FeatureCountView>,
}

impl From<Summary> for FeatureSummaryView {
    fn from(Summary { group, total, counts }: Summary) -> Self {
        let count = |(feature, user_count): (&str, i64)| FeatureCountView { feature: feature.into(), user_count };
        Self {
            total_user_count: total,
            user_types: group.user_types.to_string(),
            user_roles: group.user_roles.to_string(),
            user_registration_feature_counts: counts.into_iter().map(count).collect(),
        }
    }
}

/// How many users have a method.
#[derive(Debug, Object)]
#[oai(rename = "UserRegistrationMethodCount", rename_all = "camelCase")]
struct MethodCountView {
    /// As in `methodsRegistered`, and `password`.
    authentication_method: String,
    user_count: i64,
}

/// How many users have which method.
#[derive(Debug, Object)]
#[oai(rename = "UserRegistrationMethodSummary", rename_all = "camelCase")]
pub struct MethodSummaryView {
    /// Users who were asked about, blocked accounts left out.
    total_user_count: i64,
    /// `all`, `member` or `guest`.
    user_types: String,
    /// `all`, `privilegedAdmin`, `admin` or `user`.
    user_roles: String,
    /// Every method there is, also those that nobody has.
    user_registration_method_counts: Vec<MethodCountView>,
}

impl From<Summary> for MethodSummaryView {
    fn from(Summary { group, total, counts }: Summary) -> Self {
        let count =
            |(name, user_count): (&str, i64)| MethodCountView { authentication_method: name.into(), user_count };
        Self {
            total_user_count: total,
            user_types: group.user_types.to_string(),
            user_roles: group.user_roles.to_string(),
            user_registration_method_counts: counts.into_iter().map(count).collect(),
        }
    }
}
