//! The configurations of the policy: one for each kind of method, and one for each provider outside.

use serde_json::Value;

use super::{
    TargetRequest, check_count, differences,
    external::{self, OpenIdConnectChange},
    json, save, set, subject, targets,
};
use crate::{
    access::{self, Action, Caller},
    audit::{Activity, Entry},
    error::{Error, Result},
    id::TenantId,
    methods::policy::{
        AdvancedState, Configuration, ConfigurationId, KeyRestrictions, MethodsPolicy, PassConfiguration,
        QrCodePinConfiguration, State,
    },
    store::Tx,
    words,
};

/// Graph's bounds of a pass's life, in minutes.
const PASS_MINUTES: std::ops::RangeInclusive<i32> = 10..=43_200;
/// Graph's bounds of a pass's code, in characters.
const PASS_LENGTH: std::ops::RangeInclusive<i32> = 8..=48;

/// Graph's bounds of a standard QR code's life, in days.
const CODE_DAYS: std::ops::RangeInclusive<i32> = 1..=395;
/// Graph's bounds of a PIN, in digits.
const PIN_LENGTH: std::ops::RangeInclusive<i32> = 8..=20;

/// Which configuration somebody names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Kind(ConfigurationId),
    /// The id of a provider's.
    External(String),
}

/// What to change of one configuration; `None` leaves it. What the configuration does not have is refused.
#[derive(Debug, Clone, Default)]
pub struct ConfigurationChange {
    /// May be repeated; it cannot change.
    pub id: Option<String>,
    pub state: Option<State>,
    pub include_targets: Option<Vec<TargetRequest>>,
    pub exclude_targets: Option<Vec<TargetRequest>>,
    pub is_attestation_enforced: Option<bool>,
    pub is_self_service_registration_allowed: Option<bool>,
    pub key_restrictions: Option<KeyRestrictions>,
    pub features: Option<Vec<(Feature, AdvancedState)>>,
    pub is_software_oath_enabled: Option<bool>,
    pub is_office_phone_allowed: Option<bool>,
    pub allow_external_id_to_use_email_otp: Option<AdvancedState>,
    pub default_lifetime_in_minutes: Option<i32>,
    pub minimum_lifetime_in_minutes: Option<i32>,
    pub maximum_lifetime_in_minutes: Option<i32>,
    pub default_length: Option<i32>,
    pub is_usable_once: Option<bool>,
    pub standard_qr_code_lifetime_in_days: Option<i32>,
    pub pin_length: Option<i32>,
    pub display_name: Option<String>,
    pub app_id: Option<String>,
    pub open_id_connect_setting: Option<OpenIdConnectChange>,
}

/// The policy and which of its configurations was named.
pub fn configuration(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(Named, MethodsPolicy)> {
    access::authorize(tx, caller, Action::ReadPolicies, None)?;
    let policy = MethodsPolicy::of(tx, &caller.tenant)?;
    Ok((find(&policy, id)?, policy))
}

/// Changes a configuration; `odata_type` is what the change calls it.
pub fn update_configuration(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    odata_type: Option<&str>,
    change: &ConfigurationChange,
) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteAuthenticationPolicy, None)?;
    let before = MethodsPolicy::of(tx, &caller.tenant)?;
    let named = find(&before, id)?;
    check_names(&named, odata_type, change)?;
    let mut after = before.clone();
    match &named {
        Named::Kind(id) => apply(tx, &caller.tenant, &mut after, *id, change.clone())?,
        Named::External(id) => external::apply(tx, &caller.tenant, &mut after, id, change.clone())?,
    }
    let entry = Entry::success(Activity::UPDATE_METHODS_POLICY, subject());
    let entry = differences(entry, named.as_str(), &document(&before, &named)?, &document(&after, &named)?);
    save(tx, &actor, &after, entry)
}

/// Back to how the configuration was in the beginning; a provider's goes, and its methods are not allowed any more.
pub fn reset_configuration(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteAuthenticationPolicy, None)?;
    let before = MethodsPolicy::of(tx, &caller.tenant)?;
    let named = find(&before, id)?;
    let mut after = before.clone();
    let entry = Entry::success(Activity::RESET_METHODS_POLICY, subject());
    let entry = match &named {
        Named::Kind(id) => {
            after.restore(*id);
            differences(entry, named.as_str(), &document(&before, &named)?, &document(&after, &named)?)
        }
        Named::External(id) => {
            after.external.retain(|configuration| configuration.id != *id);
            entry.modified(id, document(&before, &named)?, Value::Null)
        }
    };
    save(tx, &actor, &after, entry)
}

fn find(policy: &MethodsPolicy, id: &str) -> Result<Named> {
    if let Some(id) = ConfigurationId::find(id) {
        return Ok(Named::Kind(id));
    }
    let provider = policy.provider(id).map(|provider| Named::External(provider.id.clone()));
    provider.ok_or_else(|| Error::method_not_found(id))
}

impl Named {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Kind(id) => id.as_str(),
            Self::External(id) => id,
        }
    }

    /// `#microsoft.graph.fido2AuthenticationMethodConfiguration` and so on.
    pub fn odata_type(&self) -> String {
        let name = match self {
            Self::External(_) => "external".into(),
            Self::Kind(id) => {
                let (first, rest) = match id {
                    ConfigurationId::QrCodePin => ("qr", "CodePin"),
                    _ => id.as_str().split_at(1),
                };
                first.to_ascii_lowercase() + rest
            }
        };
        format!("#microsoft.graph.{name}AuthenticationMethodConfiguration")
    }
}

/// What a change may repeat of the configuration must be true.
fn check_names(named: &Named, odata_type: Option<&str>, change: &ConfigurationChange) -> Result<()> {
    if change.id.as_ref().is_some_and(|id| !id.eq_ignore_ascii_case(named.as_str())) {
        return Err(Error::invalid("id", "The id of a configuration cannot change."));
    }
    let expected = named.odata_type();
    if odata_type.is_some_and(|sent| sent != expected) {
        return Err(Error::invalid("@odata.type", format!("The @odata.type of this configuration is {expected}.")));
    }
    Ok(())
}

/// Changes what every configuration has, and takes it out of `change`.
pub(super) fn apply_common(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: Option<ConfigurationId>,
    common: &mut Configuration,
    change: &mut ConfigurationChange,
) -> Result<()> {
    set(&mut common.state, change.state.take());
    if let Some(include) = change.include_targets.take() {
        common.include_targets = targets::stored(tx, tenant, "includeTargets", id, &include, &common.include_targets)?;
    }
    if let Some(exclude) = change.exclude_targets.take() {
        common.exclude_targets =
            targets::stored(tx, tenant, "excludeTargets", None, &exclude, &common.exclude_targets)?;
    }
    Ok(())
}

/// Takes out of `change` whatever the configuration has; the rest is refused.
fn apply(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    policy: &mut MethodsPolicy,
    id: ConfigurationId,
    mut change: ConfigurationChange,
) -> Result<()> {
    apply_common(tx, tenant, Some(id), policy.configuration_mut(id), &mut change)?;
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
            if let Some(features) = change.features.take() {
                check_features(&features)?;
            }
            if change.is_software_oath_enabled.take() == Some(true) {
                let message = "An app confirms; its codes are a softwareOath method of their own.";
                return Err(Error::invalid("isSoftwareOathEnabled", message));
            }
        }
        ConfigurationId::Voice => {
            set(&mut policy.voice.is_office_phone_allowed, change.is_office_phone_allowed.take());
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
        ConfigurationId::QrCodePin => {
            let codes = &mut policy.qr_code_pin;
            set(&mut codes.standard_qr_code_lifetime_in_days, change.standard_qr_code_lifetime_in_days.take());
            set(&mut codes.pin_length, change.pin_length.take());
            check_codes(codes)?;
        }
        ConfigurationId::Sms | ConfigurationId::SoftwareOath | ConfigurationId::HardwareOath => {}
    }
    refuse_rest(id.as_str(), &change)
}

/// Refuses what a configuration does not have: whatever is left of `change`.
pub(super) fn refuse_rest(id: &str, change: &ConfigurationChange) -> Result<()> {
    let foreign = [
        ("isAttestationEnforced", change.is_attestation_enforced.is_some()),
        ("isSelfServiceRegistrationAllowed", change.is_self_service_registration_allowed.is_some()),
        ("keyRestrictions", change.key_restrictions.is_some()),
        ("featureSettings", change.features.is_some()),
        ("isSoftwareOathEnabled", change.is_software_oath_enabled.is_some()),
        ("isOfficePhoneAllowed", change.is_office_phone_allowed.is_some()),
        ("standardQRCodeLifetimeInDays", change.standard_qr_code_lifetime_in_days.is_some()),
        ("pinLength", change.pin_length.is_some()),
        ("displayName", change.display_name.is_some()),
        ("appId", change.app_id.is_some()),
        ("openIdConnectSetting", change.open_id_connect_setting.is_some()),
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

/// What an authenticator app shows is not for choosing: each feature is on or off for everybody, for a reason.
fn check_features(features: &[(Feature, AdvancedState)]) -> Result<()> {
    for (feature, state) in features {
        let (fixed, message) = feature.fixed();
        if *state != AdvancedState::Default && *state != fixed {
            return Err(Error::invalid(format!("featureSettings/{}", feature.as_str()), message));
        }
    }
    Ok(())
}

words! {
    /// The features of an authenticator app that Graph's policy speaks of.
    pub enum Feature {
        NumberMatching = "numberMatchingRequiredState",
        AppInformation = "displayAppInformationRequiredState",
        LocationInformation = "displayLocationInformationRequiredState",
        CompanionApp = "companionAppAllowedState",
    }
}

impl Feature {
    /// How it is, and why it cannot be otherwise.
    pub const fn fixed(self) -> (AdvancedState, &'static str) {
        match self {
            Self::NumberMatching => (
                AdvancedState::Enabled,
                "Number matching is always required: without it, users confirm what they did not begin.",
            ),
            Self::AppInformation => {
                (AdvancedState::Enabled, "An app always shows which application and which address asks.")
            }
            Self::LocationInformation => {
                (AdvancedState::Disabled, "An app shows the address that asks; Rekey knows no places.")
            }
            Self::CompanionApp => (AdvancedState::Disabled, "There are no companion apps."),
        }
    }
}

fn check_codes(codes: &QrCodePinConfiguration) -> Result<()> {
    for (name, value, bounds) in [
        ("standardQRCodeLifetimeInDays", codes.standard_qr_code_lifetime_in_days, CODE_DAYS),
        ("pinLength", codes.pin_length, PIN_LENGTH),
    ] {
        if !bounds.contains(&value) {
            return Err(Error::invalid(name, format!("{name} is {} to {}.", bounds.start(), bounds.end())));
        }
    }
    Ok(())
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

/// One configuration as the audit log compares it.
pub(super) fn document(policy: &MethodsPolicy, named: &Named) -> Result<Value> {
    match named {
        Named::External(id) => json(&policy.provider(id)),
        Named::Kind(id) => match id {
            ConfigurationId::Fido2 => json(&policy.fido2),
            ConfigurationId::Voice => json(&policy.voice),
            ConfigurationId::Email => json(&policy.email),
            ConfigurationId::TemporaryAccessPass => json(&policy.temporary_access_pass),
            ConfigurationId::QrCodePin => json(&policy.qr_code_pin),
            ConfigurationId::MicrosoftAuthenticator
            | ConfigurationId::Sms
            | ConfigurationId::SoftwareOath
            | ConfigurationId::HardwareOath => json(policy.configuration(*id)),
        },
    }
}
