//! The HTTP API: one file per Graph resource. Handlers turn a request into domain types, run one rule in one
//! transaction, and turn its result into a view. They hold no `if` about the domain.

mod address;
mod examples;
mod guard;
pub mod intake;
mod oauth;
pub mod observe;
mod odata;
mod payload;
pub mod problem;
pub mod rate_limits;
mod strict_json;

mod access_assignments;
mod applications;
mod authentication_methods_policy;
mod authenticator_devices;
pub mod batch;
mod contracts;
mod customers;
mod deleted_items;
mod directory_audits;
mod email;
mod external_authentication_method;
mod federated_credentials;
mod fido2;
mod hardware_oath;
mod hardware_oath_devices;
mod managed_tenants;
mod me;
mod methods;
mod mfa_resets;
mod microsoft_authenticator;
mod operations;
mod organization;
mod password;
mod phone;
mod platform_credential;
mod policies;
mod preferences;
mod qr_code_pin;
mod relationship_requests;
mod relationships;
mod reports;
mod requirements;
mod reset;
mod role_management;
mod sign_in_sessions;
mod sign_ins;
mod software_oath;
mod temporary_access_pass;
mod tokens;
mod trusted_issuers;
mod unlock;
mod user_bodies;
mod user_query;
mod user_view;
mod users;
mod users_delta;
mod verification;
mod windows_hello;

use poem_openapi::{LicenseObject, OpenApi, OpenApiService, Tags};
use serde_json::Value;

use crate::{
    app::App,
    clock::{Clock, Entropy},
    error::{Error, Result},
    seal::Sealer,
    store::{Context, Store},
};

#[derive(Tags)]
enum Tag {
    /// **Reset all MFA of a user, or of many users of many customers.** Deletes phones, authenticator apps and software OATH tokens, deactivates hardware
    /// tokens, and makes the user register again. Never turns MFA off.
    Reset,
    /// Everything a user can prove an identity with.
    #[oai(rename = "Authentication methods")]
    Methods,
    /// Signing a user in: first factor, second factor, outcome. For sign-in services.
    #[oai(rename = "Sign-in")]
    SignIn,
    /// What authenticator apps ask for, signed by their own keys; docs/authenticator-protocol.md tells it whole.
    #[oai(rename = "Authenticator apps")]
    Devices,
    /// The inventory of hardware OATH tokens.
    #[oai(rename = "Hardware OATH tokens")]
    HardwareOath,
    /// The users of this tenant.
    Users,
    /// Which users are administrators.
    #[oai(rename = "Directory roles")]
    Roles,
    /// This tenant.
    Organization,
    /// Partners who administer customers: what they may do there and for how long, who of them does it, and what they
    /// see of many customers at once. Most of it takes an application of the *partner*: authorize with the second pair
    /// that `rekey serve --demo` prints.
    Partners,
    /// What applies to the whole tenant.
    Policies,
    /// Who did what to whom, from where; and who signed in.
    #[oai(rename = "Audit logs")]
    Audit,
    /// Who has registered what.
    Reports,
    /// Who calls without a person: applications, their secrets, keys and federated credentials; and whose tokens besides
    /// our own are good here.
    Applications,
    /// Access tokens and how to verify them.
    Tokens,
    /// Many requests in one.
    Batch,
}

/// The names of the tags in the order of the document.
const TAGS: &[&str] = &[
    "Reset",
    "Authentication methods",
    "Sign-in",
    "Authenticator apps",
    "Hardware OATH tokens",
    "Users",
    "Directory roles",
    "Organization",
    "Partners",
    "Policies",
    "Audit logs",
    "Reports",
    "Applications",
    "Tokens",
    "Batch",
];

fn all(app: &App) -> impl OpenApi + use<> {
    let app = || app.clone();
    (
        (reset::ResetApi(app()), mfa_resets::MfaResetsApi(app())),
        (
            methods::MethodsApi(app()),
            password::PasswordApi(app()),
            phone::PhoneApi(app()),
            email::EmailApi(app()),
            verification::VerificationApi(app()),
            microsoft_authenticator::MicrosoftAuthenticatorApi(app()),
            software_oath::SoftwareOathApi(app()),
            (
                fido2::Fido2Api(app()),
                windows_hello::WindowsHelloApi(app()),
                platform_credential::PlatformCredentialApi(app()),
                external_authentication_method::ExternalAuthenticationMethodApi(app()),
                qr_code_pin::QrCodePinApi(app()),
            ),
            temporary_access_pass::TemporaryAccessPassApi(app()),
            preferences::PreferencesApi(app()),
            requirements::RequirementsApi(app()),
            (operations::OperationsApi(app()), unlock::UnlockApi(app())),
        ),
        (sign_in_sessions::SignInSessionsApi(app()), authenticator_devices::AuthenticatorDevicesApi(app())),
        (hardware_oath::HardwareOathApi(app()), hardware_oath_devices::HardwareOathDevicesApi(app())),
        (
            users::UsersApi(app()),
            users_delta::UsersDeltaApi(app()),
            deleted_items::DeletedItemsApi(app()),
            role_management::RoleManagementApi(app()),
        ),
        organization::OrganizationApi(app()),
        (
            relationships::RelationshipsApi(app()),
            relationship_requests::RelationshipRequestsApi(app()),
            access_assignments::AccessAssignmentsApi(app()),
            customers::CustomersApi(app()),
            contracts::ContractsApi(app()),
            managed_tenants::ManagedTenantsApi(app()),
        ),
        (policies::PoliciesApi(app()), authentication_methods_policy::AuthenticationMethodsPolicyApi(app())),
        reports::ReportsApi(app()),
        (directory_audits::DirectoryAuditsApi(app()), sign_ins::SignInsApi(app())),
        (
            applications::ApplicationsApi(app()),
            federated_credentials::FederatedCredentialsApi(app()),
            trusted_issuers::TrustedIssuersApi(app()),
            tokens::TokensApi(app()),
            batch::BatchApi(app()),
        ),
    )
}

/// The service and its document. The document is the same on every machine: no server address, no run-time value.
pub fn service(app: &App) -> OpenApiService<impl OpenApi + use<>, ()> {
    OpenApiService::new(all(app), "Rekey", env!("CARGO_PKG_VERSION"))
        .summary("An authentication-method directory that resets MFA safely")
        .description(include_str!("description.md"))
        .license(LicenseObject::new("MIT OR Apache-2.0"))
        .server("/")
}

/// The document, as `openapi.json` holds it.
pub fn document() -> Result<String> {
    let entropy = Entropy::System;
    let sealer = Sealer::generate(&entropy)?;
    let app = App::new(Store::detached(Context::new(Clock::System, entropy, sealer, crate::reports::classify)), "");
    in_order(&service(&app).spec())
}

/// The document as it is published: with the addresses below `/me`, the tags in the order in which they are declared,
/// the reset first, and applications first among those who authorize; poem sorts both by name.
pub fn in_order(document: &str) -> Result<String> {
    let mut document: Value = serde_json::from_str(document).map_err(Error::internal)?;
    me::document(&mut document);
    if let Some(tags) = document["tags"].as_array_mut() {
        let place = |tag: &Value| TAGS.iter().position(|name| tag["name"] == *name).unwrap_or(TAGS.len());
        tags.sort_by_key(place);
    }
    if let Some(schemes) = document["components"]["securitySchemes"].as_object_mut()
        && let Some(applications) = schemes.shift_remove("oauth2")
    {
        schemes.shift_insert(0, "oauth2".into(), applications);
    }
    serde_json::to_string_pretty(&document).map_err(Error::internal)
}
