//! What the parts of the policy have in common: states and targets.

use poem_openapi::{Enum, Object};

use crate::{
    methods::policy::{
        ALL_USERS, AdvancedState, AuthenticationMode, ConfigurationId, EnforcementType, State, Target, TargetType,
    },
    policy::authentication_methods::TargetRequest,
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
    /// How an app is used. `deviceBasedPush` is refused: an app replaces no password here.
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
    /// Only of MicrosoftAuthenticator: `any` (the default) or `push`. Both mean push, as an app does nothing else here.
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

/// What a campaign brings users to register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "TargetedAuthenticationMethod", rename_all = "camelCase")]
pub enum TargetedName {
    MicrosoftAuthenticator,
}

/// Users whom a registration campaign is for.
#[derive(Debug, Object)]
#[oai(rename = "RegistrationCampaignTarget", rename_all = "camelCase", deny_unknown_fields)]
pub struct CampaignTargetBody {
    /// `all_users` (targetType group), or a user's id (targetType user).
    #[oai(validator(max_length = 64))]
    id: String,
    target_type: TargetTypeName,
    targeted_authentication_method: Option<TargetedName>,
}

impl CampaignTargetBody {
    pub fn everybody() -> Self {
        Self::from(&Target::everybody())
    }
}

impl From<&Target> for CampaignTargetBody {
    fn from(target: &Target) -> Self {
        Self {
            id: target.id.clone(),
            target_type: target.target_type.into(),
            targeted_authentication_method: Some(TargetedName::MicrosoftAuthenticator),
        }
    }
}

impl From<CampaignTargetBody> for TargetRequest {
    fn from(CampaignTargetBody { id, target_type, .. }: CampaignTargetBody) -> Self {
        PlainBody { id, target_type }.into()
    }
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

impl PlainBody {
    /// Everybody.
    pub fn everybody() -> Self {
        Self { id: ALL_USERS.into(), target_type: TargetTypeName::Group }
    }

    /// Graph's way to write nobody: a group with an empty id.
    pub fn nobody() -> Self {
        Self { id: uuid::Uuid::nil().to_string(), target_type: TargetTypeName::Group }
    }

    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.target_type == other.target_type
    }
}

impl From<&Target> for PlainBody {
    fn from(target: &Target) -> Self {
        Self { id: target.id.clone(), target_type: target.target_type.into() }
    }
}

impl IncludeBody {
    pub fn new(id: Option<ConfigurationId>, target: &Target) -> Self {
        let is_of_apps = id == Some(ConfigurationId::MicrosoftAuthenticator);
        Self {
            id: target.id.clone(),
            target_type: target.target_type.into(),
            is_registration_required: Some(target.is_registration_required),
            is_usable_for_sign_in: (id == Some(ConfigurationId::Sms)).then_some(target.is_usable_for_sign_in),
            authentication_mode: is_of_apps.then(|| target.authentication_mode.into()),
        }
    }
}

pub fn requests<T: Into<TargetRequest>>(bodies: Option<Vec<T>>) -> Option<Vec<TargetRequest>> {
    bodies.map(|bodies| bodies.into_iter().map(Into::into).collect())
}
