//! The configurations of the policy as they are sent and received. One shape for every configuration: each carries
//! the properties that it has.

use poem_openapi::{Object, types::Example};

use super::{
    features::FeatureSettingsBody,
    provider::{OpenIdConnectBody, OpenIdConnectPatch},
    targets::{AdvancedStateName, EnforcementName, IncludeBody, PlainBody, StateName, requests},
};
use crate::{
    api::strict_json::text,
    error::{Error, Result},
    methods::policy::{
        Configuration, ConfigurationId, ExternalConfiguration, Fido2Configuration, KeyRestrictions, MethodsPolicy,
        OpenIdConnect,
    },
    policy::authentication_methods::{ConfigurationChange, Named, OpenIdConnectChange},
};

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
    /// `Fido2`, `MicrosoftAuthenticator`, `Sms`, `Voice`, `Email`, `SoftwareOath`, `HardwareOath`,
    /// `TemporaryAccessPass`, `QRCodePin`, or the GUID of a provider's configuration. (There is no `X509Certificate`: Rekey signs nobody
    /// in by certificates.)
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
    /// Of MicrosoftAuthenticator. Always false: codes are a method of their own.
    is_software_oath_enabled: Option<bool>,
    /// Of Voice: office phones may be registered and called.
    is_office_phone_allowed: Option<bool>,
    /// Of QRCodePin: how long a standard code is good for unless somebody says.
    #[oai(rename = "standardQRCodeLifetimeInDays")]
    standard_qr_code_lifetime_in_days: Option<i32>,
    /// Of QRCodePin: the fewest digits of a PIN.
    pin_length: Option<i32>,
    /// Of a provider.
    display_name: Option<String>,
    /// Of a provider: its application.
    app_id: Option<String>,
    /// Of a provider.
    open_id_connect_setting: Option<OpenIdConnectBody>,
}

impl ConfigurationView {
    /// All configurations, the providers last.
    pub fn all(policy: &MethodsPolicy) -> Vec<Self> {
        let kinds = ConfigurationId::ALL.iter().map(|id| Self::of_kind(policy, *id));
        kinds.chain(policy.external.iter().map(Self::of_provider)).collect()
    }

    /// The one that was named.
    pub fn new(policy: &MethodsPolicy, named: &Named) -> Result<Self> {
        match named {
            Named::Kind(id) => Ok(Self::of_kind(policy, *id)),
            Named::External(id) => {
                policy.provider(id).map(Self::of_provider).ok_or_else(|| Error::method_not_found(id))
            }
        }
    }

    /// What every configuration has.
    fn common(named: &Named, common: &Configuration) -> Self {
        let id = match named {
            Named::Kind(id) => Some(*id),
            Named::External(_) => None,
        };
        Self {
            odata_type: named.odata_type(),
            id: named.as_str().into(),
            state: common.state.into(),
            include_targets: common.include_targets.iter().map(|target| IncludeBody::new(id, target)).collect(),
            exclude_targets: common.exclude_targets.iter().map(Into::into).collect(),
            is_attestation_enforced: None,
            is_self_service_registration_allowed: None,
            key_restrictions: None,
            feature_settings: None,
            allow_external_id_to_use_email_otp: None,
            default_lifetime_in_minutes: None,
            minimum_lifetime_in_minutes: None,
            maximum_lifetime_in_minutes: None,
            default_length: None,
            is_usable_once: None,
            is_software_oath_enabled: None,
            is_office_phone_allowed: None,
            standard_qr_code_lifetime_in_days: None,
            pin_length: None,
            display_name: None,
            app_id: None,
            open_id_connect_setting: None,
        }
    }

    fn of_provider(provider: &ExternalConfiguration) -> Self {
        let OpenIdConnect { client_id, discovery_url } = provider.open_id_connect_setting.clone();
        Self {
            display_name: Some(provider.display_name.clone()),
            app_id: Some(provider.app_id.clone()),
            open_id_connect_setting: Some(OpenIdConnectBody { client_id, discovery_url }),
            ..Self::common(&Named::External(provider.id.clone()), &provider.common)
        }
    }

    fn of_kind(policy: &MethodsPolicy, id: ConfigurationId) -> Self {
        let view = Self::common(&Named::Kind(id), policy.configuration(id));
        match id {
            ConfigurationId::Fido2 => {
                let Fido2Configuration { key_restrictions: keys, .. } = &policy.fido2;
                Self {
                    is_attestation_enforced: Some(policy.fido2.is_attestation_enforced),
                    is_self_service_registration_allowed: Some(policy.fido2.is_self_service_registration_allowed),
                    key_restrictions: Some(KeyRestrictionsBody {
                        is_enforced: keys.is_enforced,
                        enforcement_type: keys.enforcement_type.into(),
                        aa_guids: keys.aa_guids.clone(),
                    }),
                    ..view
                }
            }
            ConfigurationId::MicrosoftAuthenticator => Self {
                feature_settings: Some(FeatureSettingsBody::fixed()),
                is_software_oath_enabled: Some(false),
                ..view
            },
            ConfigurationId::Voice => {
                Self { is_office_phone_allowed: Some(policy.voice.is_office_phone_allowed), ..view }
            }
            ConfigurationId::Email => {
                let state = policy.email.allow_external_id_to_use_email_otp.into();
                Self { allow_external_id_to_use_email_otp: Some(state), ..view }
            }
            ConfigurationId::TemporaryAccessPass => {
                let pass = &policy.temporary_access_pass;
                Self {
                    default_lifetime_in_minutes: Some(pass.default_lifetime_in_minutes),
                    minimum_lifetime_in_minutes: Some(pass.minimum_lifetime_in_minutes),
                    maximum_lifetime_in_minutes: Some(pass.maximum_lifetime_in_minutes),
                    default_length: Some(pass.default_length),
                    is_usable_once: Some(pass.is_usable_once),
                    ..view
                }
            }
            ConfigurationId::QrCodePin => Self {
                standard_qr_code_lifetime_in_days: Some(policy.qr_code_pin.standard_qr_code_lifetime_in_days),
                pin_length: Some(policy.qr_code_pin.pin_length),
                ..view
            },
            ConfigurationId::Sms | ConfigurationId::SoftwareOath | ConfigurationId::HardwareOath => view,
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
    /// Of MicrosoftAuthenticator: false.
    is_software_oath_enabled: Option<bool>,
    /// Of Voice: office phones may be registered and called.
    is_office_phone_allowed: Option<bool>,
    /// Of QRCodePin: 1 to 395.
    #[oai(rename = "standardQRCodeLifetimeInDays")]
    standard_qr_code_lifetime_in_days: Option<i32>,
    /// Of QRCodePin: 8 to 20.
    pin_length: Option<i32>,
    /// Of a provider.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: Option<String>,
    /// Of a provider.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    app_id: Option<String>,
    /// Of a provider.
    open_id_connect_setting: Option<OpenIdConnectPatch>,
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

impl TryFrom<ConfigurationBody> for ConfigurationChange {
    type Error = Error;

    fn try_from(body: ConfigurationBody) -> Result<Self> {
        Ok(Self {
            id: body.id,
            state: body.state.map(Into::into),
            include_targets: requests(body.include_targets),
            exclude_targets: requests(body.exclude_targets),
            is_attestation_enforced: body.is_attestation_enforced,
            is_self_service_registration_allowed: body.is_self_service_registration_allowed,
            key_restrictions: body.key_restrictions.map(|restrictions| KeyRestrictions {
                is_enforced: restrictions.is_enforced,
                enforcement_type: restrictions.enforcement_type.into(),
                aa_guids: restrictions.aa_guids,
            }),
            features: body.feature_settings.map(FeatureSettingsBody::into_change).transpose()?,
            is_software_oath_enabled: body.is_software_oath_enabled,
            is_office_phone_allowed: body.is_office_phone_allowed,
            allow_external_id_to_use_email_otp: body.allow_external_id_to_use_email_otp.map(Into::into),
            default_lifetime_in_minutes: body.default_lifetime_in_minutes,
            minimum_lifetime_in_minutes: body.minimum_lifetime_in_minutes,
            maximum_lifetime_in_minutes: body.maximum_lifetime_in_minutes,
            default_length: body.default_length,
            is_usable_once: body.is_usable_once,
            standard_qr_code_lifetime_in_days: body.standard_qr_code_lifetime_in_days,
            pin_length: body.pin_length,
            display_name: body.display_name,
            app_id: body.app_id,
            open_id_connect_setting: body.open_id_connect_setting.map(
                |OpenIdConnectPatch { client_id, discovery_url }| OpenIdConnectChange { client_id, discovery_url },
            ),
        })
    }
}
