//! The features of authenticator apps as they are sent and received.

use poem_openapi::Object;

use super::targets::{AdvancedStateName, PlainBody};
use crate::{
    error::{Error, Result},
    methods::policy::AdvancedState,
    policy::authentication_methods::Feature,
};

/// A feature of an authenticator app.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationMethodFeatureConfiguration", rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureBody {
    /// As it is, or `default`.
    state: AdvancedStateName,
    /// Always everybody (`all_users`).
    include_target: Option<PlainBody>,
    /// Always nobody (a group whose id is all zeros).
    exclude_target: Option<PlainBody>,
}

/// What an authenticator app asks of its user. Each feature is on or off for everybody and cannot be changed.
#[derive(Debug, Object)]
#[oai(rename = "MicrosoftAuthenticatorFeatureSettings", rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureSettingsBody {
    /// Always enabled: whoever confirms a sign-in types the number that it shows.
    number_matching_required_state: Option<FeatureBody>,
    /// Always enabled: an app shows which application and which address asks.
    display_app_information_required_state: Option<FeatureBody>,
    /// Always disabled: an app shows an address and no place.
    display_location_information_required_state: Option<FeatureBody>,
    /// Always disabled: there are no companion apps.
    companion_app_allowed_state: Option<FeatureBody>,
}

impl FeatureSettingsBody {
    /// The features as they are.
    pub fn fixed() -> Self {
        let shown = |feature: Feature| {
            Some(FeatureBody {
                state: feature.fixed().0.into(),
                include_target: Some(PlainBody::everybody()),
                exclude_target: Some(PlainBody::nobody()),
            })
        };
        Self {
            number_matching_required_state: shown(Feature::NumberMatching),
            display_app_information_required_state: shown(Feature::AppInformation),
            display_location_information_required_state: shown(Feature::LocationInformation),
            companion_app_allowed_state: shown(Feature::CompanionApp),
        }
    }

    pub fn into_change(self) -> Result<Vec<(Feature, AdvancedState)>> {
        let mut change = vec![];
        for (feature, body) in [
            (Feature::NumberMatching, self.number_matching_required_state),
            (Feature::AppInformation, self.display_app_information_required_state),
            (Feature::LocationInformation, self.display_location_information_required_state),
            (Feature::CompanionApp, self.companion_app_allowed_state),
        ] {
            let Some(FeatureBody { state, include_target, exclude_target }) = body else { continue };
            let is_as_ever = include_target.is_none_or(|target| target.is(&PlainBody::everybody()))
                && exclude_target.is_none_or(|target| target.is(&PlainBody::nobody()));
            if !is_as_ever {
                let message = "A feature is for everybody (all_users) and excludes nobody; leave its targets out.";
                return Err(Error::invalid(format!("featureSettings/{feature}"), message));
            }
            change.push((feature, state.into()));
        }
        Ok(change)
    }
}
