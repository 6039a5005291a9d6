//! The whole policy as it is sent and received.

use poem_openapi::{
    Object,
    types::{Example, MaybeUndefined},
};

use super::bodies::{AdvancedStateName, ConfigurationView, PlainBody, ProofName, requests};
use crate::{
    methods::policy::ConfigurationId,
    policy::authentication_methods::{self, PolicyChange, WholePolicy},
};

/// For whom the system chooses the strongest method, whatever the user's default.
#[derive(Debug, Object)]
#[oai(rename = "SystemCredentialPreferences", rename_all = "camelCase")]
struct SystemPreferencesView {
    state: AdvancedStateName,
    include_targets: Vec<PlainBody>,
    exclude_targets: Vec<PlainBody>,
}

/// Nudging users to register an app. Rekey does not: its state is always disabled.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationMethodsRegistrationCampaign", rename_all = "camelCase")]
struct CampaignView {
    state: AdvancedStateName,
    snooze_duration_in_days: i32,
    include_targets: Vec<PlainBody>,
    exclude_targets: Vec<PlainBody>,
}

/// How users are brought to register methods.
#[derive(Debug, Object)]
#[oai(rename = "RegistrationEnforcement", rename_all = "camelCase")]
struct RegistrationEnforcementView {
    authentication_methods_registration_campaign: CampaignView,
}

/// When a reset of many users takes a second person.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetApproval", rename_all = "camelCase")]
struct ApprovalView {
    /// A reset of so many users or more must be confirmed by somebody else than its creator. Null: whoever creates a
    /// reset may confirm it.
    #[oai(nullable)]
    user_threshold: Option<i64>,
}

/// Which methods the tenant's users may register and use.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationMethodsPolicy", rename_all = "camelCase")]
pub struct PolicyView {
    id: String,
    display_name: String,
    description: String,
    /// Null while nobody has changed it.
    #[oai(nullable)]
    last_modified_date_time: Option<String>,
    policy_version: String,
    /// Always `migrationComplete`: there is no older policy beside this one.
    policy_migration_state: String,
    registration_enforcement: RegistrationEnforcementView,
    system_credential_preferences: SystemPreferencesView,
    registration_proof: ProofName,
    mfa_reset_approval: ApprovalView,
    authentication_method_configurations: Vec<ConfigurationView>,
}

impl From<WholePolicy> for PolicyView {
    fn from(whole: WholePolicy) -> Self {
        let system = &whole.policy.system_credential_preferences;
        Self {
            id: authentication_methods::ID.into(),
            display_name: authentication_methods::NAME.into(),
            description: "Which authentication methods the users of the tenant may register and use.".into(),
            last_modified_date_time: whole.modified_at.map(|at| at.to_iso()),
            policy_version: "1.4".into(),
            policy_migration_state: "migrationComplete".into(),
            registration_enforcement: RegistrationEnforcementView {
                authentication_methods_registration_campaign: CampaignView {
                    state: AdvancedStateName::Disabled,
                    snooze_duration_in_days: 0,
                    include_targets: vec![],
                    exclude_targets: vec![],
                },
            },
            system_credential_preferences: SystemPreferencesView {
                state: system.state.into(),
                include_targets: system.include_targets.iter().map(Into::into).collect(),
                exclude_targets: system.exclude_targets.iter().map(Into::into).collect(),
            },
            registration_proof: whole.registration_proof.into(),
            mfa_reset_approval: ApprovalView { user_threshold: whole.mfa_reset_approval_threshold },
            authentication_method_configurations: ConfigurationId::ALL
                .iter()
                .map(|id| ConfigurationView::new(&whole.policy, *id))
                .collect(),
        }
    }
}

/// For whom the system chooses; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "SystemCredentialPreferencesUpdate", rename_all = "camelCase", deny_unknown_fields)]
struct SystemPreferencesBody {
    /// `default` is the same as enabled.
    state: Option<AdvancedStateName>,
    /// At most 500.
    #[oai(validator(max_items = 500))]
    include_targets: Option<Vec<PlainBody>>,
    /// At most 500.
    #[oai(validator(max_items = 500))]
    exclude_targets: Option<Vec<PlainBody>>,
}

/// When a reset of many users takes a second person.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetApprovalUpdate", rename_all = "camelCase", deny_unknown_fields)]
struct ApprovalBody {
    /// 1 to 1000000 users; null for never.
    #[oai(nullable)]
    user_threshold: MaybeUndefined<i64>,
}

/// What to change; what is left out stays. Configurations are changed one by one.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationMethodsPolicyUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct PolicyBody {
    system_credential_preferences: Option<SystemPreferencesBody>,
    /// What opens a registration that is due, after a reset above all.
    registration_proof: Option<ProofName>,
    /// Null is the same as a `userThreshold` of null.
    #[oai(nullable)]
    mfa_reset_approval: MaybeUndefined<ApprovalBody>,
}

impl Example for PolicyBody {
    fn example() -> Self {
        Self {
            system_credential_preferences: Some(SystemPreferencesBody {
                state: Some(AdvancedStateName::Enabled),
                include_targets: None,
                exclude_targets: None,
            }),
            registration_proof: Some(ProofName::TemporaryAccessPass),
            mfa_reset_approval: MaybeUndefined::Value(ApprovalBody { user_threshold: MaybeUndefined::Value(500) }),
        }
    }
}

impl From<PolicyBody> for PolicyChange {
    fn from(body: PolicyBody) -> Self {
        let system = body.system_credential_preferences;
        let (state, include, exclude) = match system {
            Some(system) => (system.state, system.include_targets, system.exclude_targets),
            None => (None, None, None),
        };
        Self {
            registration_proof: body.registration_proof.map(Into::into),
            mfa_reset_approval_threshold: threshold(body.mfa_reset_approval),
            system_preference_state: state.map(Into::into),
            system_preference_include: requests(include),
            system_preference_exclude: requests(exclude),
        }
    }
}

/// The change that is asked of the threshold: none, to none, or to a number.
fn threshold(approval: MaybeUndefined<ApprovalBody>) -> Option<Option<i64>> {
    match approval {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(body) => match body.user_threshold {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(users) => Some(Some(users)),
        },
    }
}
