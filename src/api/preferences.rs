//! `signInPreferences`: the default method of a user.

use poem_openapi::{
    Enum, Object, OpenApi,
    param::Path,
    payload::Json,
    types::{Example, MaybeUndefined},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, NoContent, authentication_context, not_null, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    error::Error,
    methods::preferences::{self, Preferences, PreferencesChange, PreferredMethod},
};

/// What can be chosen as the default second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "UserDefaultAuthenticationMethod", rename_all = "camelCase")]
enum PreferredName {
    Push,
    Oath,
    VoiceMobile,
    VoiceAlternateMobile,
    VoiceOffice,
    Sms,
}

impl From<PreferredName> for PreferredMethod {
    fn from(name: PreferredName) -> Self {
        match name {
            PreferredName::Push => Self::Push,
            PreferredName::Oath => Self::Oath,
            PreferredName::VoiceMobile => Self::VoiceMobile,
            PreferredName::VoiceAlternateMobile => Self::VoiceAlternateMobile,
            PreferredName::VoiceOffice => Self::VoiceOffice,
            PreferredName::Sms => Self::Sms,
        }
    }
}

/// Which second factor a user is asked for first.
#[derive(Debug, Object)]
#[oai(rename = "SignInPreferences", rename_all = "camelCase")]
struct PreferencesView {
    /// True: the strongest method is asked for, whatever the default. False also while the tenant's policy says so.
    is_system_preferred_authentication_method_enabled: bool,
    /// The default: `push`, `oath`, `voiceMobile`, `voiceAlternateMobile`, `voiceOffice` or `sms`; null when there is
    /// none.
    #[oai(nullable)]
    user_preferred_method_for_secondary_authentication: Option<String>,
    /// The strongest method the user has: `temporaryAccessPass`, `fido2`, `push`, `oath`, `sms`, `voiceMobile`,
    /// `voiceAlternateMobile` or `voiceOffice`; null when there is none.
    #[oai(nullable)]
    system_preferred_authentication_method: Option<String>,
}

impl From<Preferences> for PreferencesView {
    fn from(preferences: Preferences) -> Self {
        Self {
            is_system_preferred_authentication_method_enabled: preferences.is_system_preferred_enabled,
            user_preferred_method_for_secondary_authentication: preferences
                .user_preferred
                .map(|preferred| preferred.as_str().to_owned()),
            system_preferred_authentication_method: preferences
                .system_preferred
                .map(|preferred| preferred.as_str().to_owned()),
        }
    }
}

/// What to change; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "SignInPreferencesUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
struct PreferencesPatch {
    is_system_preferred_authentication_method_enabled: MaybeUndefined<bool>,
    /// One that the user has, or null for none.
    #[oai(nullable)]
    user_preferred_method_for_secondary_authentication: MaybeUndefined<PreferredName>,
}

impl Example for PreferencesPatch {
    fn example() -> Self {
        Self {
            is_system_preferred_authentication_method_enabled: false.into(),
            user_preferred_method_for_secondary_authentication: PreferredName::Sms.into(),
        }
    }
}

impl TryFrom<PreferencesPatch> for PreferencesChange {
    type Error = Error;

    fn try_from(patch: PreferencesPatch) -> Result<Self, Error> {
        let PreferencesPatch {
            is_system_preferred_authentication_method_enabled: enabled,
            user_preferred_method_for_secondary_authentication: preferred,
        } = patch;
        Ok(Self {
            is_system_preferred_enabled: not_null("isSystemPreferredAuthenticationMethodEnabled", enabled)?,
            user_preferred: match preferred {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(name) => Some(Some(name.into())),
            },
        })
    }
}

pub struct PreferencesApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl PreferencesApi {
    /// Get the default method of a user
    ///
    /// Needs the permission `UserAuthenticationMethod.Read.All`, or the role Global Reader or Authentication
    /// Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/signInPreferences",
        method = "get",
        operation_id = "getSignInPreferences"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<PreferencesView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| preferences::get(tx, caller, &user)).await?;
        let what = authentication_context(found.user_id.as_str(), "signInPreferences");
        Ok(Json(Entity::new(self.0.context(&info, &what), found.found.into())))
    }

    /// Change the default method of a user
    ///
    /// To one that the user has. Needs the permission `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator (Privileged Authentication Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/signInPreferences",
        method = "patch",
        operation_id = "updateSignInPreferences"
    )]
    async fn update(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        body: Json<PreferencesPatch>,
    ) -> Result<NoContent, Problem> {
        let change = PreferencesChange::try_from(body.0)?;
        let attempt = Attempt::on_user(Activity::CHANGE_DEFAULT_METHOD, &user);
        self.0.write(guard.0, attempt, move |tx, caller| preferences::update(tx, caller, &user, &change)).await?;
        Ok(NoContent::Done)
    }
}
