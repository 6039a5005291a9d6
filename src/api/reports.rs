//! `/reports/authenticationMethods`: who has registered what.

use poem_openapi::{Object, OpenApi, param::Path, payload::Json};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::App,
    reports::{self, RegistrationDetails},
    store::users::UserType,
};

/// What a user has registered, and what it is good for.
#[derive(Debug, Object)]
#[oai(rename = "UserRegistrationDetails", rename_all = "camelCase")]
struct RegistrationDetailsView {
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
    is_system_preferred_authentication_method_enabled: bool,
    /// `mobilePhone`, `alternateMobilePhone`, `officePhone`, `email`, `microsoftAuthenticatorPush`,
    /// `softwareOneTimePasscode`, `hardwareOneTimePasscode`, `passKeyDeviceBound`, `passKeySynced` or
    /// `temporaryAccessPass`; only what is complete.
    methods_registered: Vec<String>,
    /// The strongest method that the user has and the policy allows.
    system_preferred_authentication_methods: Vec<String>,
    /// As in `signInPreferences`; `none` when there is none.
    user_preferred_method_for_secondary_authentication: String,
    /// When this was computed: now.
    last_updated_date_time: String,
}

impl From<RegistrationDetails> for RegistrationDetailsView {
    fn from(details: RegistrationDetails) -> Self {
        let user = details.user;
        let preferred = details.preferences.user_preferred.map_or("none", |preferred| preferred.as_str());
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
            user_preferred_method_for_secondary_authentication: preferred.into(),
            last_updated_date_time: details.read_at.to_iso(),
        }
    }
}

pub struct ReportsApi(pub App);

#[OpenApi(tag = "Tag::Reports")]
impl ReportsApi {
    /// Get what a user has registered
    ///
    /// Whether the user can do multifactor authentication (`isMfaCapable`: with a method that the authentication
    /// methods policy allows), and with what. Computed at this moment. Needs the permission `AuditLog.Read.All`, or
    /// the role Reports Reader, Security Reader, Security Administrator or Global Reader.
    #[oai(
        path = "/v1.0/reports/authenticationMethods/userRegistrationDetails/:user",
        method = "get",
        operation_id = "getUserRegistrationDetails"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<RegistrationDetailsView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let details = self.0.read(guard.0, move |tx, caller| reports::registration_details(tx, caller, &user)).await?;
        let context = self.0.context(&info, "reports/authenticationMethods/userRegistrationDetails/$entity");
        Ok(Json(Entity::new(context, details.into())))
    }
}
