//! What is asked and shown of many customers at once.

use poem_openapi::{Object, types::Example};

use crate::{
    api::examples,
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
    partners::managed::{MAX_TENANTS, ManagedUser, Summary},
    store::tenants::Tenant,
};

/// Reads ids of tenants: at least one, at most `max`.
pub fn parse_tenants<'a>(target: &str, ids: impl Iterator<Item = &'a str>, max: usize) -> Result<Vec<TenantId>> {
    let wrong = || Error::invalid(target, format!("{target} holds 1 to {max} ids of tenants, which are GUIDs."));
    let ids = ids.map(|id| TenantId::parse(id.trim()).ok_or_else(wrong)).collect::<Result<Vec<_>>>()?;
    if (1..=max).contains(&ids.len()) { Ok(ids) } else { Err(wrong()) }
}

/// The tenants that are asked about.
#[derive(Debug, Object)]
#[oai(rename = "CommonActionsRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct CommonActionsBody {
    /// 1 to 1000 ids of tenants; one may be there twice.
    tenant_ids: Vec<String>,
}

impl Example for CommonActionsBody {
    fn example() -> Self {
        Self { tenant_ids: examples::customer_ids() }
    }
}

impl CommonActionsBody {
    pub fn tenants(&self) -> Result<Vec<TenantId>> {
        let mut tenants = parse_tenants("tenantIds", self.tenant_ids.iter().map(String::as_str), MAX_TENANTS)?;
        tenants.sort();
        tenants.dedup();
        Ok(tenants)
    }
}

/// Names of what may be done.
#[derive(Debug, Object)]
#[oai(rename = "CommonActions")]
pub struct NamesView {
    #[oai(rename = "@odata.context")]
    context: String,
    value: Vec<String>,
}

impl NamesView {
    pub fn new(context: String, names: Vec<&'static str>) -> Self {
        Self { context, value: names.into_iter().map(str::to_owned).collect() }
    }
}

/// A user of a customer, and whether he is registered.
#[derive(Debug, Object)]
#[oai(rename = "ManagedUser", rename_all = "camelCase")]
pub struct ManagedUserView {
    tenant_id: String,
    id: String,
    user_principal_name: String,
    display_name: String,
    account_enabled: bool,
    /// The user has a second factor, allowed by the tenant's policy or not.
    is_mfa_registered: bool,
    /// The user must register methods at the next sign-in.
    registration_required: bool,
    /// Since when.
    #[oai(nullable)]
    registration_required_date_time: Option<String>,
}

impl From<ManagedUser> for ManagedUserView {
    fn from(managed: ManagedUser) -> Self {
        let ManagedUser { user, registration_required_since, is_mfa_registered } = managed;
        Self {
            tenant_id: user.tenant_id.into_string(),
            id: user.user_id.into_string(),
            user_principal_name: user.user_principal_name,
            display_name: user.display_name,
            account_enabled: user.account_enabled,
            is_mfa_registered,
            registration_required: registration_required_since.is_some(),
            registration_required_date_time: registration_required_since.map(Timestamp::to_iso),
        }
    }
}

/// What the partner's contract with a customer says.
#[derive(Debug, Object)]
#[oai(rename = "TenantContract", rename_all = "camelCase")]
struct ContractView {
    /// Always null: nothing is known of contracts here.
    #[oai(nullable)]
    contract_type: Option<i32>,
    default_domain_name: String,
    display_name: String,
}

/// How far a customer's tenant is managed.
#[derive(Debug, Object)]
#[oai(rename = "TenantStatusInformation", rename_all = "camelCase")]
struct StatusView {
    /// Always `active`.
    onboarding_status: String,
    /// Always `granularDelegatedAdminPrivileges`.
    delegated_privilege_status: String,
    /// Always empty.
    workload_statuses: Vec<String>,
}

/// A customer's tenant.
#[derive(Debug, Object)]
#[oai(rename = "ManagedTenant", rename_all = "camelCase")]
pub struct ManagedTenantView {
    /// The tenant's id.
    id: String,
    /// The same.
    tenant_id: String,
    display_name: String,
    contract: ContractView,
    tenant_status_information: StatusView,
}

impl From<Tenant> for ManagedTenantView {
    fn from(tenant: Tenant) -> Self {
        let id = tenant.tenant_id.into_string();
        Self {
            tenant_id: id.clone(),
            id,
            display_name: tenant.display_name.clone(),
            contract: ContractView {
                contract_type: None,
                default_domain_name: tenant.default_domain,
                display_name: tenant.display_name,
            },
            tenant_status_information: StatusView {
                onboarding_status: "active".into(),
                delegated_privilege_status: "granularDelegatedAdminPrivileges".into(),
                workload_statuses: vec![],
            },
        }
    }
}

/// How many users of a customer are registered.
#[derive(Debug, Object)]
#[oai(rename = "CredentialUserRegistrationsSummary", rename_all = "camelCase")]
pub struct SummaryView {
    /// The tenant's id.
    id: String,
    /// The same.
    tenant_id: String,
    tenant_display_name: String,
    /// Users who were not deleted. Null, as the other counts, where the caller may not read methods.
    #[oai(nullable)]
    total_user_count: Option<i64>,
    /// Users with a second factor, allowed by the policy or not.
    #[oai(nullable)]
    mfa_registered_user_count: Option<i64>,
    /// Always 0: there is no self-service password reset.
    mfa_and_sspr_capable_user_count: i64,
    /// Always 0: there is no self-service password reset.
    sspr_enabled_user_count: i64,
    /// Always 0: there is no self-service password reset.
    sspr_registered_user_count: i64,
    /// Whether the tenant requires MFA of everybody. Null where the caller may not read methods.
    #[oai(nullable)]
    security_defaults_enabled: Option<bool>,
    /// Always `disabled`: there is no Conditional Access here.
    mfa_conditional_access_policy_state: String,
    /// When this was counted: now.
    last_refreshed_date_time: String,
}

impl From<Summary> for SummaryView {
    fn from(summary: Summary) -> Self {
        let Summary { tenant, registrations, read_at } = summary;
        let id = tenant.tenant_id.into_string();
        Self {
            tenant_id: id.clone(),
            id,
            tenant_display_name: tenant.display_name,
            total_user_count: registrations.map(|counts| counts.users),
            mfa_registered_user_count: registrations.map(|counts| counts.registered),
            mfa_and_sspr_capable_user_count: 0,
            sspr_enabled_user_count: 0,
            sspr_registered_user_count: 0,
            security_defaults_enabled: registrations.map(|_| tenant.security_defaults_enabled),
            mfa_conditional_access_policy_state: "disabled".into(),
            last_refreshed_date_time: read_at.to_iso(),
        }
    }
}
