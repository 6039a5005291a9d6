//! The configurations of the policy as they are sent and received. One shape for every configuration: each carries
//! the properties that it has.

use poem_openapi::{Enum, Object, types::Example};

use crate::{
    error::{Error, Result},
    methods::policy::{
        AdvancedState, ConfigurationId, EnforcementType, KeyRestrictions, MethodsPolicy, State, Target, TargetType,
    },
    policy::authentication_methods::{AuthenticationMode, ConfigurationChange, TargetRequest},
    store::tenants::RegistrationProof,
};

/// An enum of the document that mirrors one of the rules'.
macro_rules! mirror {
    ($($(#[$meta:meta])* $name:ident as $title:literal of $original:ident { $($variant:ident),+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        #[oai(rename = $title, rename_all = "camelCase")]
        pub enum $name { $($variant),+ }

        impl From<$name> for $original {
            fn from(name: $name) -> Self {
                match name { $($name::$variant => Self::$variant),+ }
            }
        }

        impl From<$original> for $name {
            fn from(original: $original) -> Self {
                match original { $($original::$variant => Self::$variant),+ }
            }
        }
    )+};
}

mirror! {
    /// Whether a configuration is in force.
    StateName as "AuthenticationMethodState" of State { Enabled, Disabled }
    /// `default` leaves the choice to the service.
    AdvancedStateName as "AdvancedConfigState" of AdvancedState { Default, Enabled, Disabled }
    /// What a target's id names.
    TargetTypeName as "AuthenticationMethodTargetType" of TargetType { Group, User }
    /// How an app is used.
    ModeName as "MicrosoftAuthenticatorAuthenticationMode" of AuthenticationMode { Any, DeviceBasedPush, Push }
    /// Whether the listed models are the allowed or the blocked ones.
    EnforcementName as "Fido2RestrictionEnforcementType" of EnforcementType { Allow, Block }
    /// What opens a registration that is due: the first factor, or only a temporary access pass (or a passkey).
    ProofName as "RegistrationProof" of RegistrationProof { FirstFactor, TemporaryAccessPass }
}

/// Users whom a configuration is for.
#[derive(Debug, Object)]
#[oai(
    rename = "AuthenticationMethodTarget",
    rename_all = "camelCase",
    deny_unknown_fields,
    skip_serializing_if_is_none
)]
pub struct IncludeBody {
    /// `all_users` (targetType group), or a user's id (targetType user).
    #[oai(validator(max_length = 64))]
    id: String,
    target_type: TargetTypeName,
    is_registration_required: Option<bool>,
    /// Only of Sms: whether the number may be used to sign in.
    is_usable_for_sign_in: Option<bool>,
    /// Only of MicrosoftAuthenticator: push.
    authentication_mode: Option<ModeName>,
}

/// Users whom something is for, or not for.
#[derive(Debug, Object)]
#[oai(rename = "PlainTarget", rename_all = "camelCase", deny_unknown_fields)]
pub struct PlainBody {
    /// `all_users` (targetType group), or a user's id (targetType user).
    #[oai(validator(max_length = 64))]
    id: String,
    target_type: TargetTypeName,
}

impl From<IncludeBody> for TargetRequest {
    fn from(body: IncludeBody) -> Self {
        Self {
            id: body.id,
            target_type: body.target_type.into(),
            is_registration_required: body.is_registration_required,
            is_usable_for_sign_in: body.is_usable_for_sign_in,
            authentication_mode: body.authentication_mode.map(Into::into),
        }
    }
}

impl From<PlainBody> for TargetRequest {
    fn from(body: PlainBody) -> Self {
        Self {
            id: body.id,
            target_type: body.target_type.into(),
            is_registration_required: None,
            is_usable_for_sign_in: None,
            authentication_mode: None,
        }
    }
}

impl From<&Target> for PlainBody {
    fn from(target: &Target) -> Self {
        Self { id: target.id.clone(), target_type: target.target_type.into() }
    }
}

impl IncludeBody {
    fn new(id: ConfigurationId, target: &Target) -> Self {
        Self {
            id: target.id.clone(),
            target_type: target.target_type.into(),
            is_registration_required: Some(target.is_registration_required),
            is_usable_for_sign_in: (id == ConfigurationId::Sms).then_some(target.is_usable_for_sign_in),
            authentication_mode: (id == ConfigurationId::MicrosoftAuthenticator).then_some(ModeName::Push),
        }
    }
}

pub fn requests<T: Into<TargetRequest>>(bodies: Option<Vec<T>>) -> Option<Vec<TargetRequest>> {
    bodies.map(|bodies| bodies.into_iter().map(Into::into).collect())
}

/// Which models of passkeys may be registered and used.
#[derive(Debug, Object)]
#[oai(rename = "Fido2KeyRestrictions", rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRestrictionsBody {
    is_enforced: bool,
    enforcement_type: EnforcementName,
    /// GUIDs of models.
    #[oai(validator(max_items = 500))]
    aa_guids: Vec<String>,
}

/// A feature that is on for somebody.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationMethodFeatureConfiguration", rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureBody {
    state: AdvancedStateName,
}

/// What an authenticator app asks of its user.
#[derive(Debug, Object)]
#[oai(rename = "MicrosoftAuthenticatorFeatureSettings", rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureSettingsBody {
    /// Always enabled: whoever confirms a sign-in types the number that it shows.
    number_matching_required_state: FeatureBody,
}

/// Who may register and use methods of one kind. A disabled kind can neither be registered nor used; what is
/// registered already stays, and works again when the kind is enabled.
#[derive(Debug, Object)]
#[oai(
    rename = "AuthenticationMethodConfiguration",
    rename_all = "camelCase",
    skip_serializing_if_is_none,
    deny_unknown_fields
)]
pub struct ConfigurationView {
    #[oai(rename = "@odata.type")]
    odata_type: String,
    /// `Fido2`, `MicrosoftAuthenticator`, `Sms`, `Voice`, `Email`, `SoftwareOath`, `HardwareOath` or
    /// `TemporaryAccessPass`.
    id: String,
    state: StateName,
    include_targets: Vec<IncludeBody>,
    exclude_targets: Vec<PlainBody>,
    /// Of Fido2.
    is_attestation_enforced: Option<bool>,
    /// Of Fido2.
    is_self_service_registration_allowed: Option<bool>,
    /// Of Fido2.
    key_restrictions: Option<KeyRestrictionsBody>,
    /// Of MicrosoftAuthenticator.
    feature_settings: Option<FeatureSettingsBody>,
    /// Of Email. Without effect: no code that is sent by e-mail signs anybody in.
    allow_external_id_to_use_email_otp: Option<AdvancedStateName>,
    /// Of TemporaryAccessPass.
    default_lifetime_in_minutes: Option<i32>,
    /// Of TemporaryAccessPass.
    minimum_lifetime_in_minutes: Option<i32>,
    /// Of TemporaryAccessPass.
    maximum_lifetime_in_minutes: Option<i32>,
    /// Of TemporaryAccessPass: characters of the code.
    default_length: Option<i32>,
    /// Of TemporaryAccessPass: true when only passes for one use may be issued.
    is_usable_once: Option<bool>,
}

/// `#microsoft.graph.fido2AuthenticationMethodConfiguration` and so on.
pub fn odata_type(id: ConfigurationId) -> String {
    let (first, rest) = id.as_str().split_at(1);
    format!("#microsoft.graph.{}{rest}AuthenticationMethodConfiguration", first.to_ascii_lowercase())
}

impl ConfigurationView {
    pub fn new(policy: &MethodsPolicy, id: ConfigurationId) -> Self {
        let common = policy.configuration(id);
        let fido2 = (id == ConfigurationId::Fido2).then_some(&policy.fido2);
        let pass = (id == ConfigurationId::TemporaryAccessPass).then_some(&policy.temporary_access_pass);
        Self {
            odata_type: odata_type(id),
            id: id.as_str().into(),
            state: common.state.into(),
            include_targets: common.include_targets.iter().map(|target| IncludeBody::new(id, target)).collect(),
            exclude_targets: common.exclude_targets.iter().map(Into::into).collect(),
            is_attestation_enforced: fido2.map(|fido2| fido2.is_attestation_enforced),
            is_self_service_registration_allowed: fido2.map(|fido2| fido2.is_self_service_registration_allowed),
            key_restrictions: fido2.map(|fido2| KeyRestrictionsBody {
                is_enforced: fido2.key_restrictions.is_enforced,
                enforcement_type: fido2.key_restrictions.enforcement_type.into(),
                aa_guids: fido2.key_restrictions.aa_guids.clone(),
            }),
            feature_settings: (id == ConfigurationId::MicrosoftAuthenticator).then_some(FeatureSettingsBody {
                number_matching_required_state: FeatureBody { state: AdvancedStateName::Enabled },
            }),
            allow_external_id_to_use_email_otp: (id == ConfigurationId::Email)
                .then(|| policy.email.allow_external_id_to_use_email_otp.into()),
            default_lifetime_in_minutes: pass.map(|pass| pass.default_lifetime_in_minutes),
            minimum_lifetime_in_minutes: pass.map(|pass| pass.minimum_lifetime_in_minutes),
            maximum_lifetime_in_minutes: pass.map(|pass| pass.maximum_lifetime_in_minutes),
            default_length: pass.map(|pass| pass.default_length),
            is_usable_once: pass.map(|pass| pass.is_usable_once),
        }
    }
}

/// What to change; what is left out stays. A property that the configuration does not have is refused.
#[derive(Debug, Default, Object)]
#[oai(rename = "AuthenticationMethodConfigurationUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct ConfigurationBody {
    /// May be sent, but must be the configuration's.
    #[oai(validator(max_length = 64))]
    id: Option<String>,
    state: Option<StateName>,
    /// At most 500.
    #[oai(validator(max_items = 500))]
    include_targets: Option<Vec<IncludeBody>>,
    /// At most 500; they outrank the included ones.
    #[oai(validator(max_items = 500))]
    exclude_targets: Option<Vec<PlainBody>>,
    /// Of Fido2: only passkeys whose maker vouches for them may be registered.
    is_attestation_enforced: Option<bool>,
    /// Of Fido2: users may register passkeys themselves.
    is_self_service_registration_allowed: Option<bool>,
    /// Of Fido2.
    key_restrictions: Option<KeyRestrictionsBody>,
    /// Of MicrosoftAuthenticator.
    feature_settings: Option<FeatureSettingsBody>,
    /// Of Email. Without effect: no code that is sent by e-mail signs anybody in.
    allow_external_id_to_use_email_otp: Option<AdvancedStateName>,
    /// Of TemporaryAccessPass: between the minimum and the maximum.
    default_lifetime_in_minutes: Option<i32>,
    /// Of TemporaryAccessPass: 10 to 43200.
    minimum_lifetime_in_minutes: Option<i32>,
    /// Of TemporaryAccessPass: 10 to 43200.
    maximum_lifetime_in_minutes: Option<i32>,
    /// Of TemporaryAccessPass: 8 to 48 characters.
    default_length: Option<i32>,
    /// Of TemporaryAccessPass: true when only passes for one use may be issued.
    is_usable_once: Option<bool>,
}

impl Example for ConfigurationBody {
    fn example() -> Self {
        Self {
            state: Some(StateName::Enabled),
            default_lifetime_in_minutes: Some(120),
            maximum_lifetime_in_minutes: Some(1_440),
            is_usable_once: Some(true),
            ..Self::default()
        }
    }
}

impl ConfigurationBody {
    /// The change that is asked of the configuration `id`. `odata_type` is what the body calls itself.
    pub fn into_change(self, id: &str, odata_type: Option<&str>) -> Result<ConfigurationChange> {
        let found = ConfigurationId::find(id);
        if self.id.is_some_and(|named| found.is_some_and(|id| !id.as_str().eq_ignore_ascii_case(&named))) {
            return Err(Error::invalid("id", "The id of a configuration cannot change."));
        }
        if let (Some(sent), Some(expected)) = (odata_type, found.map(self::odata_type))
            && sent != expected
        {
            return Err(Error::invalid("@odata.type", format!("The @odata.type of this configuration is {expected}.")));
        }
        Ok(ConfigurationChange {
            state: self.state.map(Into::into),
            include_targets: requests(self.include_targets),
            exclude_targets: requests(self.exclude_targets),
            is_attestation_enforced: self.is_attestation_enforced,
            is_self_service_registration_allowed: self.is_self_service_registration_allowed,
            key_restrictions: self.key_restrictions.map(|restrictions| KeyRestrictions {
                is_enforced: restrictions.is_enforced,
                enforcement_type: restrictions.enforcement_type.into(),
                aa_guids: restrictions.aa_guids,
            }),
            number_matching_required_state: self
                .feature_settings
                .map(|settings| settings.number_matching_required_state.state.into()),
            allow_external_id_to_use_email_otp: self.allow_external_id_to_use_email_otp.map(Into::into),
            default_lifetime_in_minutes: self.default_lifetime_in_minutes,
            minimum_lifetime_in_minutes: self.minimum_lifetime_in_minutes,
            maximum_lifetime_in_minutes: self.maximum_lifetime_in_minutes,
            default_length: self.default_length,
            is_usable_once: self.is_usable_once,
        })
    }
}
