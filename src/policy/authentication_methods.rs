//! Reading and changing the tenant's `authenticationMethodsPolicy` ([`crate::methods::policy`] says what it means).

mod configurations;
mod external;
mod targets;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::{self, Action, Actor, Caller, Powers},
    audit::{self, Activity, Entry, Target as Subject},
    clock::Timestamp,
    error::{Area, Error, Result},
    id::TenantId,
    methods::policy::{AdvancedState, AuthenticationMode, MethodsPolicy, TargetType},
    store::{
        Tx,
        tenants::{self, RegistrationProof},
    },
};

pub use configurations::{
    ConfigurationChange, Feature, Named, configuration, reset_configuration, update_configuration,
};
pub use external::{MAX_PROVIDERS, NewExternal, OpenIdConnectChange, create as create_external};

/// Graph's fixed id of the policy.
pub const ID: &str = "authenticationMethodsPolicy";
pub const NAME: &str = "Authentication Methods Policy";

/// The most entries of one list of targets, and of one list of passkey models.
pub const MAX_ENTRIES: usize = 500;
/// Graph's bounds of how long a registration campaign may be put off.
const SNOOZE_DAYS: std::ops::RangeInclusive<i32> = 0..=14;
/// Where parts of the policy stand in it.
const SYSTEM: &str = "systemCredentialPreferences";
const CAMPAIGN: &str = "registrationEnforcement/authenticationMethodsRegistrationCampaign";

/// What the threshold of [`WholePolicy::mfa_reset_approval_threshold`] may be.
const APPROVAL_THRESHOLD: std::ops::RangeInclusive<i64> = 1..=1_000_000;

/// The policy as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WholePolicy {
    pub policy: MethodsPolicy,
    /// What opens a registration that is due.
    pub registration_proof: RegistrationProof,
    /// From how many users on a reset takes a second person; `None`: never.
    pub mfa_reset_approval_threshold: Option<i64>,
    /// `None` while nobody has changed anything.
    pub modified_at: Option<Timestamp>,
}

/// What to change of the policy itself; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct PolicyChange {
    pub registration_proof: Option<RegistrationProof>,
    /// `Some(None)` takes the threshold away.
    pub mfa_reset_approval_threshold: Option<Option<i64>>,
    pub system_preference_state: Option<AdvancedState>,
    pub system_preference_include: Option<Vec<TargetRequest>>,
    pub system_preference_exclude: Option<Vec<TargetRequest>>,
    pub campaign_state: Option<AdvancedState>,
    /// In days.
    pub campaign_snooze: Option<i32>,
    pub campaign_include: Option<Vec<TargetRequest>>,
    pub campaign_exclude: Option<Vec<TargetRequest>>,
}

/// A target as a caller writes it.
#[derive(Debug, Clone)]
pub struct TargetRequest {
    pub id: String,
    pub target_type: TargetType,
    pub is_registration_required: Option<bool>,
    pub is_usable_for_sign_in: Option<bool>,
    pub authentication_mode: Option<AuthenticationMode>,
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller) -> Result<WholePolicy> {
    access::authorize(tx, caller, Action::ReadPolicies, None)?;
    read(tx, &caller.tenant)
}

pub fn update(tx: &mut Tx<'_>, caller: &Caller, change: &PolicyChange) -> Result<WholePolicy> {
    let actor = access::authorize(tx, caller, Action::WriteAuthenticationPolicy, None)?;
    let before = read(tx, &caller.tenant)?;
    let mut after = before.clone();
    let system = &mut after.policy.system_credential_preferences;
    set(&mut system.state, change.system_preference_state);
    let campaign = &mut after.policy.registration_campaign;
    set(&mut campaign.state, change.campaign_state);
    set(&mut campaign.snooze_duration_in_days, change.campaign_snooze);
    if !SNOOZE_DAYS.contains(&campaign.snooze_duration_in_days) {
        let message = format!("A campaign is put off by {} to {} days.", SNOOZE_DAYS.start(), SNOOZE_DAYS.end());
        return Err(Error::invalid(format!("{CAMPAIGN}/snoozeDurationInDays"), message));
    }
    for (part, name, list, change) in [
        (SYSTEM, "includeTargets", &mut system.include_targets, &change.system_preference_include),
        (SYSTEM, "excludeTargets", &mut system.exclude_targets, &change.system_preference_exclude),
        (CAMPAIGN, "includeTargets", &mut campaign.include_targets, &change.campaign_include),
        (CAMPAIGN, "excludeTargets", &mut campaign.exclude_targets, &change.campaign_exclude),
    ] {
        if let Some(change) = change {
            *list = targets::stored(tx, &caller.tenant, &format!("{part}/{name}"), None, change, list)?;
        }
    }
    set(&mut after.registration_proof, change.registration_proof);
    set(&mut after.mfa_reset_approval_threshold, change.mfa_reset_approval_threshold);
    check_threshold(after.mfa_reset_approval_threshold)?;

    let mut entry = Entry::success(Activity::UPDATE_METHODS_POLICY, subject());
    if after.registration_proof != before.registration_proof {
        tenants::set_registration_proof(tx, &caller.tenant, after.registration_proof)?;
        entry = entry.modified("registrationProof", before.registration_proof, after.registration_proof);
    }
    let (old, new) = (before.mfa_reset_approval_threshold, after.mfa_reset_approval_threshold);
    if new != old {
        if let Powers::Partner(_) = actor.powers {
            // It is there to protect the customer's users from too quick a partner.
            let message = "The customer itself decides from how many users on a reset needs a second person.";
            return Err(Error::Denied { area: Area::Methods, inner: "ownTenantOnly", message: message.into() });
        }
        tenants::set_mfa_reset_approval_threshold(tx, &caller.tenant, new)?;
        entry = entry.modified("mfaResetApproval/userThreshold", old, new);
    }
    let (old, new) = (&before.policy.system_credential_preferences, &after.policy.system_credential_preferences);
    entry = differences(entry, SYSTEM, &json(old)?, &json(new)?);
    let (old, new) = (&before.policy.registration_campaign, &after.policy.registration_campaign);
    entry = differences(entry, CAMPAIGN, &json(old)?, &json(new)?);
    save(tx, &actor, &after.policy, entry)?;
    read(tx, &caller.tenant)
}

fn read(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<WholePolicy> {
    let policy = MethodsPolicy::of(tx, tenant)?;
    let tenant = tenants::find(tx, tenant)?.ok_or_else(|| Error::internal("a caller without a tenant"))?;
    Ok(WholePolicy {
        modified_at: policy.modified_at,
        policy,
        registration_proof: tenant.registration_proof,
        mfa_reset_approval_threshold: tenant.mfa_reset_approval_threshold,
    })
}

/// Stores and records a change; what is already as it shall be is none.
fn save(tx: &mut Tx<'_>, actor: &Actor, policy: &MethodsPolicy, entry: Entry) -> Result<()> {
    if entry.modified.is_empty() {
        return Ok(());
    }
    policy.save(tx, &actor.tenant)?;
    audit::record(tx, actor, entry).map(drop)
}

fn subject() -> Subject {
    Subject::object("Policy", ID, NAME)
}

fn set<T>(place: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *place = value;
    }
}

fn check_threshold(threshold: Option<i64>) -> Result<()> {
    if threshold.is_none_or(|users| APPROVAL_THRESHOLD.contains(&users)) {
        return Ok(());
    }
    let message = format!(
        "A userThreshold is {} to {} users, or null to let whoever creates a reset confirm it himself.",
        APPROVAL_THRESHOLD.start(),
        APPROVAL_THRESHOLD.end()
    );
    Err(Error::invalid("mfaResetApproval/userThreshold", message))
}

fn check_count(name: &str, count: usize) -> Result<()> {
    if count <= MAX_ENTRIES {
        return Ok(());
    }
    Err(Error::invalid(name, format!("{name} has at most {MAX_ENTRIES} entries.")))
}

fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::internal)
}

/// Says property by property what became of a part of the policy.
fn differences(mut entry: Entry, part: &str, before: &Value, after: &Value) -> Entry {
    for (name, new) in after.as_object().into_iter().flatten() {
        let old = &before[name.as_str()];
        if old != new {
            entry = entry.modified(&format!("{part}/{name}"), old, new);
        }
    }
    entry
}
