//! What a configuration of the policy holds, and whom it allows what.

use serde::{Deserialize, Serialize};

use crate::{id::UserId, words};

/// The id that stands for every user of the tenant in a target.
pub const ALL_USERS: &str = "all_users";

words! {
    pub enum State { Enabled = "enabled", Disabled = "disabled" }
}

words! {
    pub enum TargetType { Group = "group", User = "user" }
}

words! {
    /// Graph's `microsoftAuthenticatorAuthenticationMode`. An app does one thing here, push; `any` leaves nothing else.
    pub enum AuthenticationMode { Any = "any", DeviceBasedPush = "deviceBasedPush", Push = "push" }
}

/// Whom a configuration is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// A user's id, or `all_users`. Rekey keeps no groups.
    pub id: String,
    pub target_type: TargetType,
    #[serde(default)]
    pub is_registration_required: bool,
    /// Only of Sms: whether the number may be used to sign in.
    #[serde(default = "yes")]
    pub is_usable_for_sign_in: bool,
    /// Only of MicrosoftAuthenticator: kept for Graph's clients.
    #[serde(default = "any")]
    pub authentication_mode: AuthenticationMode,
}

const fn yes() -> bool {
    true
}

const fn any() -> AuthenticationMode {
    AuthenticationMode::Any
}

impl Target {
    /// Every user of the tenant.
    pub fn everybody() -> Self {
        Self {
            id: ALL_USERS.into(),
            target_type: TargetType::Group,
            is_registration_required: false,
            is_usable_for_sign_in: true,
            authentication_mode: AuthenticationMode::Any,
        }
    }

    pub(super) fn names(&self, user: &UserId) -> bool {
        self.id == ALL_USERS || self.id == user.as_str()
    }
}

/// Whether the user is meant: exclusion outranks inclusion.
fn meant(user: &UserId, include: &[Target], exclude: &[Target]) -> bool {
    include.iter().any(|target| target.names(user)) && !exclude.iter().any(|target| target.names(user))
}

/// What every configuration has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Configuration {
    pub state: State,
    pub include_targets: Vec<Target>,
    pub exclude_targets: Vec<Target>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { state: State::Enabled, include_targets: vec![Target::everybody()], exclude_targets: vec![] }
    }
}

impl Configuration {
    pub fn allows(&self, user: &UserId) -> bool {
        self.state == State::Enabled && meant(user, &self.include_targets, &self.exclude_targets)
    }
}

words! {
    pub enum EnforcementType { Allow = "allow", Block = "block" }
}

/// Which models of passkeys may be used, by their AAGUIDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRestrictions {
    pub is_enforced: bool,
    pub enforcement_type: EnforcementType,
    /// Lower-case GUIDs.
    pub aa_guids: Vec<String>,
}

impl Default for KeyRestrictions {
    fn default() -> Self {
        Self { is_enforced: false, enforcement_type: EnforcementType::Block, aa_guids: vec![] }
    }
}

impl KeyRestrictions {
    /// Whether a passkey of this model may be registered and used. An unknown model is on no list. The AAGUID is what
    /// the authenticator says; only `isAttestationEnforced` makes sure that it is true.
    pub fn allow(&self, aa_guid: Option<&str>) -> bool {
        let is_listed =
            aa_guid.is_some_and(|aa_guid| self.aa_guids.iter().any(|listed| listed.eq_ignore_ascii_case(aa_guid)));
        !self.is_enforced || is_listed == (self.enforcement_type == EnforcementType::Allow)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fido2Configuration {
    #[serde(flatten)]
    pub common: Configuration,
    pub is_attestation_enforced: bool,
    pub is_self_service_registration_allowed: bool,
    pub key_restrictions: KeyRestrictions,
}

impl Default for Fido2Configuration {
    fn default() -> Self {
        Self {
            common: Configuration::default(),
            is_attestation_enforced: false,
            is_self_service_registration_allowed: true,
            key_restrictions: KeyRestrictions::default(),
        }
    }
}

words! {
    /// Graph's `advancedConfigState`. `default` leaves the choice to Rekey.
    pub enum AdvancedState { Default = "default", Enabled = "enabled", Disabled = "disabled" }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmailConfiguration {
    #[serde(flatten)]
    pub common: Configuration,
    /// Kept for Graph's clients: no code that is sent by e-mail signs anybody in here.
    pub allow_external_id_to_use_email_otp: AdvancedState,
}

impl Default for EmailConfiguration {
    fn default() -> Self {
        Self { common: Configuration::default(), allow_external_id_to_use_email_otp: AdvancedState::Default }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VoiceConfiguration {
    #[serde(flatten)]
    pub common: Configuration,
    /// Whether office phones may be registered and called.
    pub is_office_phone_allowed: bool,
}

impl Default for VoiceConfiguration {
    fn default() -> Self {
        Self { common: Configuration::default(), is_office_phone_allowed: true }
    }
}

/// Bounds of QR codes and their PINs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QrCodePinConfiguration {
    #[serde(flatten)]
    pub common: Configuration,
    /// How long a standard code is good for unless somebody says: 1 to 395.
    pub standard_qr_code_lifetime_in_days: i32,
    /// The fewest digits of a PIN: 8 to 20.
    pub pin_length: i32,
}

impl Default for QrCodePinConfiguration {
    fn default() -> Self {
        Self { common: Configuration::default(), standard_qr_code_lifetime_in_days: 365, pin_length: 8 }
    }
}

/// A provider that proves users by itself (Graph's `externalAuthenticationMethodConfiguration`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalConfiguration {
    /// A lower-case GUID.
    pub id: String,
    #[serde(flatten)]
    pub common: Configuration,
    pub display_name: String,
    /// The provider's application in this tenant; a lower-case GUID.
    pub app_id: String,
    pub open_id_connect_setting: OpenIdConnect,
}

/// How the provider is asked (OpenID Connect Discovery 1.0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenIdConnect {
    /// Who the tenant is at the provider.
    pub client_id: String,
    pub discovery_url: String,
}

/// Graph's `authenticationMethodsRegistrationCampaign`: whom a sign-in page nudges to set up an authenticator app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistrationCampaign {
    pub state: AdvancedState,
    /// Days until whoever put it off is asked again; 0: at every sign-in with MFA.
    pub snooze_duration_in_days: i32,
    pub include_targets: Vec<Target>,
    pub exclude_targets: Vec<Target>,
}

impl Default for RegistrationCampaign {
    fn default() -> Self {
        Self {
            state: AdvancedState::Disabled,
            snooze_duration_in_days: 1,
            include_targets: vec![],
            exclude_targets: vec![],
        }
    }
}

/// Graph's `systemCredentialPreferences`: for whom the system chooses the strongest method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemPreference {
    pub state: AdvancedState,
    pub include_targets: Vec<Target>,
    pub exclude_targets: Vec<Target>,
}

impl Default for SystemPreference {
    fn default() -> Self {
        Self { state: AdvancedState::Default, include_targets: vec![Target::everybody()], exclude_targets: vec![] }
    }
}

impl SystemPreference {
    pub fn applies_to(&self, user: &UserId) -> bool {
        self.state != AdvancedState::Disabled && meant(user, &self.include_targets, &self.exclude_targets)
    }
}

/// Bounds of temporary access passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PassConfiguration {
    #[serde(flatten)]
    pub common: Configuration,
    pub default_lifetime_in_minutes: i32,
    pub minimum_lifetime_in_minutes: i32,
    pub maximum_lifetime_in_minutes: i32,
    /// Characters of the code: 8 to 48.
    pub default_length: i32,
    /// True when only passes for one use may be issued.
    pub is_usable_once: bool,
}

impl Default for PassConfiguration {
    fn default() -> Self {
        Self {
            common: Configuration::default(),
            default_lifetime_in_minutes: 60,
            minimum_lifetime_in_minutes: 60,
            maximum_lifetime_in_minutes: 480,
            default_length: 8,
            is_usable_once: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: &str) -> Target {
        Target { id: id.into(), target_type: TargetType::User, ..Target::everybody() }
    }

    #[test]
    fn exclusion_outranks_inclusion() {
        let (adele, alex) = (UserId::new("adele"), UserId::new("alex"));
        let mut sms = Configuration::default();
        assert!(sms.allows(&adele));
        sms.exclude_targets = vec![target("adele")];
        assert!(!sms.allows(&adele) && sms.allows(&alex));
        sms.include_targets = vec![target("adele")];
        assert!(!sms.allows(&adele) && !sms.allows(&alex));
        sms.exclude_targets.clear();
        assert!(sms.allows(&adele) && !sms.allows(&alex));
        sms.state = State::Disabled;
        assert!(!sms.allows(&adele));
    }

    #[test]
    fn key_restrictions_allow_or_block() {
        let mut keys = KeyRestrictions { aa_guids: vec!["ee88".into()], ..KeyRestrictions::default() };
        assert!(keys.allow(Some("ee88")));
        keys.is_enforced = true;
        assert!(!keys.allow(Some("EE88")) && keys.allow(Some("2fc0")));
        keys.enforcement_type = EnforcementType::Allow;
        assert!(keys.allow(Some("EE88")) && !keys.allow(Some("2fc0")));
    }
}
