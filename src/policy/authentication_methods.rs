//! Reading and changing the tenant's `authenticationMethodsPolicy` ([`crate::methods::policy`] says what it means).

mod targets;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::{self, Action, Actor, Caller, Powers},
    audit::{self, Activity, Entry, Target as Subject},
    clock::Timestamp,
    error::{Area, Error, Result},
    id::TenantId,
    methods::policy::{
        AdvancedState, ConfigurationId, KeyRestrictions, MethodsPolicy, PassConfiguration, State, TargetType,
    },
    store::{
        Tx,
        tenants::{self, RegistrationProof},
    },
    words,
};

/// Graph's fixed id of the policy.
pub const ID: &str = "authenticationMethodsPolicy";
pub const NAME: &str = "Authentication Methods Policy";

/// The most entries of one list of targets, and of one list of passkey models.
pub const MAX_ENTRIES: usize = 500;
/// Graph's bounds of a pass's life, in minutes.
const PASS_MINUTES: std::ops::RangeInclusive<i32> = 10..=43_200;
/// Graph's bounds of a pass's code, in characters.
const PASS_LENGTH: std::ops::RangeInclusive<i32> = 8..=48;

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
}

words! {
    /// Graph's `microsoftAuthenticatorAuthenticationMode`, of which Rekey's apps have one.
    pub enum AuthenticationMode { Any = "any", DeviceBasedPush = "deviceBasedPush", Push = "push" }
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

/// What to change of one configuration; `None` leaves it. What the configuration does not have is refused.
#[derive(Debug, Clone, Default)]
pub struct ConfigurationChange {
    pub state: Option<State>,
    pub include_targets: Option<Vec<TargetRequest>>,
    pub exclude_targets: Option<Vec<TargetRequest>>,
    pub is_attestation_enforced: Option<bool>,
    pub is_self_service_registration_allowed: Option<bool>,
    pub key_restrictions: Option<KeyRestrictions>,
    pub number_matching_required_state: Option<AdvancedState>,
    pub allow_external_id_to_use_email_otp: Option<AdvancedState>,
    pub default_lifetime_in_minutes: Option<i32>,
    pub minimum_lifetime_in_minutes: Option<i32>,
    pub maximum_lifetime_in_minutes: Option<i32>,
    pub default_length: Option<i32>,
    pub is_usable_once: Option<bool>,
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller) -> Result<WholePolicy> {
    access::authorize(tx, caller, Action::ReadPolicies, None)?;
    read(tx, &caller.tenant)
}

/// The policy and which of its configurations was named.
pub fn configuration(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(ConfigurationId, MethodsPolicy)> {
    access::authorize(tx, caller, Action::ReadPolicies, None)?;
    Ok((find(id)?, MethodsPolicy::of(tx, &caller.tenant)?))
}

pub fn update(tx: &mut Tx<'_>, caller: &Caller, change: &PolicyChange) -> Result<WholePolicy> {
    let actor = access::authorize(tx, caller, Action::WriteAuthenticationPolicy, None)?;
    let before = read(tx, &caller.tenant)?;
    let mut after = before.clone();
    let system = &mut after.policy.system_credential_preferences;
    set(&mut system.state, change.system_preference_state);
    for (name, list, change) in [
        ("includeTargets", &mut system.include_targets, &change.system_preference_include),
        ("excludeTargets", &mut system.exclude_targets, &change.system_preference_exclude),
    ] {
        if let Some(change) = change {
            *list = targets::stored(
                tx,
                &caller.tenant,
                &format!("systemCredentialPreferences/{name}"),
                None,
                change,
                list,
            )?;
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
    entry = differences(entry, "systemCredentialPreferences", &json(old)?, &json(new)?);
    save(tx, &actor, &after.policy, entry)?;
    read(tx, &caller.tenant)
}

pub fn update_configuration(tx: &mut Tx<'_>, caller: &Caller, id: &str, change: &ConfigurationChange) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteAuthenticationPolicy, None)?;
    let id = find(id)?;
    let before = MethodsPolicy::of(tx, &caller.tenant)?;
    let mut after = before.clone();
    apply(tx, &caller.tenant, &mut after, id, change.clone())?;
    let entry = Entry::success(Activity::UPDATE_METHODS_POLICY, subject());
    let entry = differences(entry, id.as_str(), &document(&before, id)?, &document(&after, id)?);
    save(tx, &actor, &after, entry)
}

/// Back to how the configuration was in the beginning.
pub fn reset_configuration(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteAuthenticationPolicy, None)?;
    let id = find(id)?;
    let before = MethodsPolicy::of(tx, &caller.tenant)?;
    let mut after = before.clone();
    after.restore(id);
    let entry = Entry::success(Activity::RESET_METHODS_POLICY, subject());
    let entry = differences(entry, id.as_str(), &document(&before, id)?, &document(&after, id)?);
    save(tx, &actor, &after, entry)
}

fn find(id: &str) -> Result<ConfigurationId> {
    ConfigurationId::find(id).ok_or_else(|| Error::method_not_found(id.chars().take(64).collect::<String>()))
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

/// Takes out of `change` whatever the configuration has; the rest is refused.
fn apply(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    policy: &mut MethodsPolicy,
    id: ConfigurationId,
    mut change: ConfigurationChange,
) -> Result<()> {
    let common = policy.configuration_mut(id);
    set(&mut common.state, change.state.take());
    if let Some(include) = change.include_targets.take() {
        common.include_targets =
            targets::stored(tx, tenant, "includeTargets", Some(id), &include, &common.include_targets)?;
    }
    if let Some(exclude) = change.exclude_targets.take() {
        common.exclude_targets =
            targets::stored(tx, tenant, "excludeTargets", None, &exclude, &common.exclude_targets)?;
    }
    match id {
        ConfigurationId::Fido2 => {
            set(&mut policy.fido2.is_attestation_enforced, change.is_attestation_enforced.take());
            set(
                &mut policy.fido2.is_self_service_registration_allowed,
                change.is_self_service_registration_allowed.take(),
            );
            if let Some(restrictions) = change.key_restrictions.take() {
                policy.fido2.key_restrictions = checked_restrictions(restrictions)?;
            }
        }
        ConfigurationId::MicrosoftAuthenticator => {
            if change.number_matching_required_state.take() == Some(AdvancedState::Disabled) {
                let message = "Number matching is always required: without it, users confirm what they did not begin.";
                return Err(Error::invalid("featureSettings/numberMatchingRequiredState", message));
            }
        }
        ConfigurationId::Email => {
            let place = &mut policy.email.allow_external_id_to_use_email_otp;
            set(place, change.allow_external_id_to_use_email_otp.take());
        }
        ConfigurationId::TemporaryAccessPass => {
            let pass = &mut policy.temporary_access_pass;
            set(&mut pass.default_lifetime_in_minutes, change.default_lifetime_in_minutes.take());
            set(&mut pass.minimum_lifetime_in_minutes, change.minimum_lifetime_in_minutes.take());
            set(&mut pass.maximum_lifetime_in_minutes, change.maximum_lifetime_in_minutes.take());
            set(&mut pass.default_length, change.default_length.take());
            set(&mut pass.is_usable_once, change.is_usable_once.take());
            check_bounds(pass)?;
        }
        ConfigurationId::Sms
        | ConfigurationId::Voice
        | ConfigurationId::SoftwareOath
        | ConfigurationId::HardwareOath => {}
    }
    refuse_rest(id, &change)
}

fn refuse_rest(id: ConfigurationId, change: &ConfigurationChange) -> Result<()> {
    let foreign = [
        ("isAttestationEnforced", change.is_attestation_enforced.is_some()),
        ("isSelfServiceRegistrationAllowed", change.is_self_service_registration_allowed.is_some()),
        ("keyRestrictions", change.key_restrictions.is_some()),
        ("featureSettings", change.number_matching_required_state.is_some()),
        ("allowExternalIdToUseEmailOtp", change.allow_external_id_to_use_email_otp.is_some()),
        ("defaultLifetimeInMinutes", change.default_lifetime_in_minutes.is_some()),
        ("minimumLifetimeInMinutes", change.minimum_lifetime_in_minutes.is_some()),
        ("maximumLifetimeInMinutes", change.maximum_lifetime_in_minutes.is_some()),
        ("defaultLength", change.default_length.is_some()),
        ("isUsableOnce", change.is_usable_once.is_some()),
    ];
    match foreign.iter().find(|(_, is_there)| *is_there) {
        None => Ok(()),
        Some((name, _)) => Err(Error::invalid(*name, format!("The configuration {id} has no {name}."))),
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

fn check_bounds(pass: &PassConfiguration) -> Result<()> {
    let (minimum, default, maximum) =
        (pass.minimum_lifetime_in_minutes, pass.default_lifetime_in_minutes, pass.maximum_lifetime_in_minutes);
    for (name, minutes) in [
        ("minimumLifetimeInMinutes", minimum),
        ("defaultLifetimeInMinutes", default),
        ("maximumLifetimeInMinutes", maximum),
    ] {
        if !PASS_MINUTES.contains(&minutes) {
            let message = format!("{name} is {} to {} minutes.", PASS_MINUTES.start(), PASS_MINUTES.end());
            return Err(Error::invalid(name, message));
        }
    }
    if !(minimum <= default && default <= maximum) {
        let message = format!(
            "The lifetimes must be in order: minimum ({minimum}), default ({default}), maximum ({maximum}) minutes."
        );
        return Err(Error::invalid("defaultLifetimeInMinutes", message));
    }
    if !PASS_LENGTH.contains(&pass.default_length) {
        let message = format!("A pass has {} to {} characters.", PASS_LENGTH.start(), PASS_LENGTH.end());
        return Err(Error::invalid("defaultLength", message));
    }
    Ok(())
}

fn checked_restrictions(mut restrictions: KeyRestrictions) -> Result<KeyRestrictions> {
    const NAME: &str = "keyRestrictions/aaGuids";
    check_count(NAME, restrictions.aa_guids.len())?;
    for aa_guid in &mut restrictions.aa_guids {
        let guid = uuid::Uuid::try_parse(aa_guid).map_err(|_| Error::invalid(NAME, "An AAGUID is a GUID."))?;
        *aa_guid = guid.to_string();
    }
    Ok(restrictions)
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

fn document(policy: &MethodsPolicy, id: ConfigurationId) -> Result<Value> {
    match id {
        ConfigurationId::Fido2 => json(&policy.fido2),
        ConfigurationId::Email => json(&policy.email),
        ConfigurationId::TemporaryAccessPass => json(&policy.temporary_access_pass),
        ConfigurationId::MicrosoftAuthenticator
        | ConfigurationId::Sms
        | ConfigurationId::Voice
        | ConfigurationId::SoftwareOath
        | ConfigurationId::HardwareOath => json(policy.configuration(id)),
    }
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
