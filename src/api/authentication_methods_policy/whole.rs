//! The whole policy as it is sent and received.

use poem_openapi::{
    Object,
    types::{Example, MaybeUndefined},
};

use super::{
    bodies::ConfigurationView,
    targets::{AdvancedStateName, CampaignTargetBody, PlainBody, ProofName, requests},
};
use crate::{
    error::Error,
    policy::authentication_methods::{self, PolicyChange, WholePolicy},
};

/// Where every tenant's migration from an older policy stands.
const MIGRATED: &str = "migrationComplete";

/// For whom the system chooses the strongest method, whatever the user's default.
#[derive(Debug, Object)]
#[oai(rename = "SystemCredentialPreferences", rename_all = "camelCase")]
struct SystemPreferencesView {
    state: AdvancedStateName,
    include_targets: Vec<PlainBody>,
    exclude_targets: Vec<PlainBody>,
}

/// Whom a sign-in page nudges to set up an authenticator app. It is kept and shown for whoever shows the page; Rekey
/// itself nudges nobody.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationMethodsRegistrationCampaign", rename_all = "camelCase")]
struct CampaignView {
    state: AdvancedStateName,
    /// Days until whoever put it off is asked again.
    snooze_duration_in_days: i32,
    include_targets: Vec<CampaignTargetBody>,
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
        let campaign = &whole.policy.registration_campaign;
        Self {
            id: authentication_methods::ID.into(),
            display_name: authentication_methods::NAME.into(),
            description: "Which authentication methods the users of the tenant may register and use.".into(),
            last_modified_date_time: whole.modified_at.map(|at| at.to_iso()),
            policy_version: "1.4".into(),
            policy_migration_state: MIGRATED.into(),
            registration_enforcement: RegistrationEnforcementView {
                authentication_methods_registration_campaign: CampaignView {
                    state: campaign.state.into(),
                    snooze_duration_in_days: campaign.snooze_duration_in_days,
                    include_targets: campaign.include_targets.iter().map(Into::into).collect(),
                    exclude_targets: campaign.exclude_targets.iter().map(Into::into).collect(),
                },
            },
            system_credential_preferences: SystemPreferencesView {
                state: system.state.into(),
                include_targets: system.include_targets.iter().map(Into::into).collect(),
                exclude_targets: system.exclude_targets.iter().map(Into::into).collect(),
            },
            registration_proof: whole.registration_proof.into(),
            mfa_reset_approval: ApprovalView { user_threshold: whole.mfa_reset_approval_threshold },
            authentication_method_configurations: ConfigurationView::all(&whole.policy),
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

/// Whom a sign-in page nudges; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationMethodsRegistrationCampaignUpdate", rename_all = "camelCase", deny_unknown_fields)]
struct CampaignBody {
    state: Option<AdvancedStateName>,
    /// 0 to 14 days.
    snooze_duration_in_days: Option<i32>,
    /// At most 500.
    #[oai(validator(max_items = 500))]
    include_targets: Option<Vec<CampaignTargetBody>>,
    /// At most 500; they outrank the included ones.
    #[oai(validator(max_items = 500))]
    exclude_targets: Option<Vec<PlainBody>>,
}

/// How users are brought to register methods.
#[derive(Debug, Object)]
#[oai(rename = "RegistrationEnforcementUpdate", rename_all = "camelCase", deny_unknown_fields)]
struct RegistrationEnforcementBody {
    authentication_methods_registration_campaign: Option<CampaignBody>,
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
    #[oai(nullable)]
    registration_enforcement: Option<RegistrationEnforcementBody>,
    #[oai(nullable)]
    system_credential_preferences: Option<SystemPreferencesBody>,
    /// `migrationComplete`: it cannot be anything else.
    #[oai(nullable, validator(max_length = 64))]
    policy_migration_state: Option<String>,
    /// What opens a registration that is due, after a reset above all.
    registration_proof: Option<ProofName>,
    /// Null is the same as a `userThreshold` of null.
    #[oai(nullable)]
    mfa_reset_approval: MaybeUndefined<ApprovalBody>,
}

impl Example for PolicyBody {
    fn example() -> Self {
        Self {
            registration_enforcement: Some(RegistrationEnforcementBody {
                authentication_methods_registration_campaign: Some(CampaignBody {
                    state: Some(AdvancedStateName::Enabled),
                    snooze_duration_in_days: Some(3),
                    include_targets: Some(vec![CampaignTargetBody::everybody()]),
                    exclude_targets: None,
                }),
            }),
            policy_migration_state: None,
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

impl TryFrom<PolicyBody> for PolicyChange {
    type Error = Error;

    fn try_from(body: PolicyBody) -> Result<Self, Error> {
        if body.policy_migration_state.is_some_and(|state| state != MIGRATED) {
            let message = "There is no older policy beside this one: the policyMigrationState is migrationComplete.";
            return Err(Error::invalid("policyMigrationState", message));
        }
        let mut change = Self {
            registration_proof: body.registration_proof.map(Into::into),
            mfa_reset_approval_threshold: threshold(body.mfa_reset_approval),
            ..Self::default()
        };
        if let Some(system) = body.system_credential_preferences {
            change.system_preference_state = system.state.map(Into::into);
            change.system_preference_include = requests(system.include_targets);
            change.system_preference_exclude = requests(system.exclude_targets);
        }
        let enforcement = body.registration_enforcement;
        if let Some(campaign) = enforcement.and_then(|it| it.authentication_methods_registration_campaign) {
            change.campaign_state = campaign.state.map(Into::into);
            change.campaign_snooze = campaign.snooze_duration_in_days;
            change.campaign_include = requests(campaign.include_targets);
            change.campaign_exclude = requests(campaign.exclude_targets);
        }
        Ok(change)
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
