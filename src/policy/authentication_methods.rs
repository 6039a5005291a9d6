//! Reading and changing the tenant's `authenticationMethodsPolicy` ([`crate::methods::policy`] says what it means).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::{self, Action, Actor, Caller},
    audit::{self, Activity, Entry, Target as Subject},
    clock::Timestamp,
    error::{Error, Result},
    id::{TenantId, UserId},
    methods::policy::{
        ALL_USERS, AdvancedState, ConfigurationId, KeyRestrictions, MethodsPolicy, PassConfiguration, State, Target,
        TargetType,
    },
    store::{
        Tx,
        tenants::{self, RegistrationProof},
        users::{self, Presence},
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

/// The policy as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WholePolicy {
    pub policy: MethodsPolicy,
    /// What opens a registration that is due.
    pub registration_proof: RegistrationProof,
    /// `None` while nobody has changed anything.
    pub modified_at: Option<Timestamp>,
}

/// What to change of the policy itself; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct PolicyChange {
    pub registration_proof: Option<RegistrationProof>,
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
            *list = targets(tx, &caller.tenant, &format!("systemCredentialPreferences/{name}"), None, change, list)?;
        }
    }
    set(&mut after.registration_proof, change.registration_proof);

    let mut entry = Entry::success(Activity::UPDATE_METHODS_POLICY, subject());
    if after.registration_proof != before.registration_proof {
        tenants::set_registration_proof(tx, &caller.tenant, after.registration_proof)?;
        entry = entry.modified("registrationProof", before.registration_proof, after.registration_proof);
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
    Ok(WholePolicy { modified_at: policy.modified_at, policy, registration_proof: tenant.registration_proof })
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
        common.include_targets = targets(tx, tenant, "includeTargets", Some(id), &include, &common.include_targets)?;
    }
    if let Some(exclude) = change.exclude_targets.take() {
        common.exclude_targets = targets(tx, tenant, "excludeTargets", None, &exclude, &common.exclude_targets)?;
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

/// Targets as they are stored. Whoever is new among them must exist; a user who was deleted since does not keep the
/// list from being written back.
fn targets(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    name: &str,
    configuration: Option<ConfigurationId>,
    requests: &[TargetRequest],
    before: &[Target],
) -> Result<Vec<Target>> {
    check_count(name, requests.len())?;
    let known: BTreeSet<&str> = before.iter().map(|target| target.id.as_str()).collect();
    let mut targets = Vec::with_capacity(requests.len());
    for request in requests {
        check_extras(name, configuration, request)?;
        let id = match request.target_type {
            TargetType::Group if request.id == ALL_USERS => ALL_USERS.to_owned(),
            TargetType::Group => {
                let message = "There are no groups here: target all_users (targetType group), or users one by one \
                               (targetType user).";
                return Err(Error::invalid(name, message));
            }
            TargetType::User => {
                let unknown = || {
                    let id: String = request.id.chars().filter(|c| !c.is_control()).take(64).collect();
                    Error::invalid(name, format!("The tenant has no user with the id {id}."))
                };
                let user = UserId::parse(&request.id).ok_or_else(unknown)?;
                if !known.contains(user.as_str()) {
                    users::find_by_id(tx, tenant, &user, Presence::Present)?.ok_or_else(unknown)?;
                }
                user.into_string()
            }
        };
        targets.push(Target {
            id,
            target_type: request.target_type,
            is_registration_required: request.is_registration_required.unwrap_or(false),
            is_usable_for_sign_in: request.is_usable_for_sign_in.unwrap_or(true),
        });
    }
    Ok(targets)
}

/// Some properties of a target belong to one configuration only.
fn check_extras(name: &str, configuration: Option<ConfigurationId>, target: &TargetRequest) -> Result<()> {
    if target.is_usable_for_sign_in.is_some() && configuration != Some(ConfigurationId::Sms) {
        let message = "Only the targets of Sms have isUsableForSignIn.";
        return Err(Error::invalid(format!("{name}/isUsableForSignIn"), message));
    }
    let Some(mode) = target.authentication_mode else { return Ok(()) };
    let target = format!("{name}/authenticationMode");
    if configuration != Some(ConfigurationId::MicrosoftAuthenticator) {
        return Err(Error::invalid(target, "Only the targets of MicrosoftAuthenticator have an authenticationMode."));
    }
    if mode != AuthenticationMode::Push {
        return Err(Error::invalid(
            target,
            "The authenticationMode is push: an app confirms, it replaces no password.",
        ));
    }
    Ok(())
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
