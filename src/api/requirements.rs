//! `requirements`: whether a user must do MFA, may skip it for a while, and must register again.

use chrono::{DateTime, Utc};
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
    strict_json::text,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    clock::Timestamp,
    error::Error,
    methods::requirements::{self, OptOut, RequirementsChange, Standing},
    store::users::PerUserMfaState,
    throttle::Lockout,
};

/// Whether MFA is required of this user, whatever the tenant requires of everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "PerUserMfaState", rename_all = "camelCase")]
enum MfaStateName {
    Disabled,
    Enabled,
    Enforced,
}

impl From<MfaStateName> for PerUserMfaState {
    fn from(name: MfaStateName) -> Self {
        match name {
            MfaStateName::Disabled => Self::Disabled,
            MfaStateName::Enabled => Self::Enabled,
            MfaStateName::Enforced => Self::Enforced,
        }
    }
}

impl From<PerUserMfaState> for MfaStateName {
    fn from(state: PerUserMfaState) -> Self {
        match state {
            PerUserMfaState::Disabled => Self::Disabled,
            PerUserMfaState::Enabled => Self::Enabled,
            PerUserMfaState::Enforced => Self::Enforced,
        }
    }
}

/// An exemption from what the tenant requires of everybody.
#[derive(Debug, Object)]
#[oai(rename = "MfaOptOut", rename_all = "camelCase")]
struct OptOutView {
    /// False when the user was never opted out, and again after the expiration.
    is_opted_out: bool,
    #[oai(nullable)]
    reason: Option<String>,
    #[oai(nullable)]
    expiration_date_time: Option<String>,
}

/// Failures in a row of one kind.
#[derive(Debug, Object)]
#[oai(rename = "Lockout", rename_all = "camelCase")]
struct LockoutView {
    /// `password`, `otp` (one-time codes), `temporaryAccessPass` or `push`.
    kind: String,
    failures: i32,
    /// When the next try is allowed; null when it is now, or only after `unlock`.
    #[oai(nullable)]
    retry_after_date_time: Option<String>,
    /// True after a hundred failures: only `unlock` helps.
    is_locked_out: bool,
}

impl From<Lockout> for LockoutView {
    fn from(lockout: Lockout) -> Self {
        Self {
            kind: lockout.kind.as_str().into(),
            failures: lockout.failures,
            retry_after_date_time: lockout.retry_at.map(Timestamp::to_iso),
            is_locked_out: lockout.is_locked_out,
        }
    }
}

/// What is required of a user.
#[derive(Debug, Object)]
#[oai(rename = "StrongAuthenticationRequirements", rename_all = "camelCase")]
struct RequirementsView {
    per_user_mfa_state: MfaStateName,
    mfa_opt_out: OptOutView,
    /// The user must register methods at the next sign-in.
    registration_required: bool,
    /// Since when.
    #[oai(nullable)]
    registration_required_date_time: Option<String>,
    #[oai(nullable)]
    registration_required_reason: Option<String>,
    /// What follows from all of it, the tenant's security defaults included.
    is_mfa_required: bool,
    /// Wrong passwords and codes since the last right one; empty when there are none.
    lockouts: Vec<LockoutView>,
}

impl From<(Standing, Vec<Lockout>)> for RequirementsView {
    fn from((standing, lockouts): (Standing, Vec<Lockout>)) -> Self {
        let Standing { requirements, is_opted_out, is_mfa_required } = standing;
        Self {
            per_user_mfa_state: requirements.per_user_mfa_state.into(),
            mfa_opt_out: OptOutView {
                is_opted_out,
                reason: requirements.opt_out_reason,
                expiration_date_time: requirements.opt_out_expires_at.map(Timestamp::to_iso),
            },
            registration_required: requirements.registration_required_at.is_some(),
            registration_required_date_time: requirements.registration_required_at.map(Timestamp::to_iso),
            registration_required_reason: requirements.registration_required_reason,
            is_mfa_required,
            lockouts: lockouts.into_iter().map(Into::into).collect(),
        }
    }
}

/// Opts the user out (with a reason, until a moment within a year) or in again.
#[derive(Debug, Object)]
#[oai(rename = "MfaOptOutUpdate", rename_all = "camelCase", deny_unknown_fields)]
struct OptOutPatch {
    /// False or null: no longer opted out, and the rest does not matter.
    #[oai(nullable)]
    is_opted_out: MaybeUndefined<bool>,
    #[oai(nullable, deserialize_with = "text")]
    reason: Option<String>,
    /// At most 365 days from now.
    #[oai(nullable)]
    expiration_date_time: Option<DateTime<Utc>>,
}

/// What to change; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "StrongAuthenticationRequirementsUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
struct RequirementsPatch {
    per_user_mfa_state: MaybeUndefined<MfaStateName>,
    /// Null: no longer opted out.
    mfa_opt_out: MaybeUndefined<OptOutPatch>,
}

impl Example for RequirementsPatch {
    fn example() -> Self {
        let opt_out = OptOutPatch { is_opted_out: false.into(), reason: None, expiration_date_time: None };
        Self { per_user_mfa_state: MfaStateName::Enforced.into(), mfa_opt_out: opt_out.into() }
    }
}

impl TryFrom<RequirementsPatch> for RequirementsChange {
    type Error = Error;

    fn try_from(RequirementsPatch { per_user_mfa_state, mfa_opt_out }: RequirementsPatch) -> Result<Self, Error> {
        Ok(Self {
            per_user_mfa_state: not_null("perUserMfaState", per_user_mfa_state)?.map(Into::into),
            opt_out: match mfa_opt_out {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(opt_out) => Some(opt_out.try_into()?),
            },
        })
    }
}

impl TryFrom<OptOutPatch> for Option<OptOut> {
    type Error = Error;

    fn try_from(patch: OptOutPatch) -> Result<Self, Error> {
        let OptOutPatch { is_opted_out, reason, expiration_date_time } = patch;
        match is_opted_out {
            MaybeUndefined::Value(true) => {
                Ok(Some(OptOut { reason, expires_at: expiration_date_time.map(Timestamp::from) }))
            }
            MaybeUndefined::Value(false) | MaybeUndefined::Null => Ok(None),
            MaybeUndefined::Undefined => {
                Err(Error::invalid("mfaOptOut/isOptedOut", "Say whether the user is opted out."))
            }
        }
    }
}

pub struct RequirementsApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl RequirementsApi {
    /// Get what is required of a user
    ///
    /// Whether the user must do multifactor authentication, may skip it for a while, and must register again (as after
    /// a reset). Needs the permission `UserAuthenticationMethod.Read.All`, `MfaReset.ReadWrite.All` or
    /// `Policy.Read.All`, or the role Global Reader, Authentication Administrator or Authentication Policy
    /// Administrator.
    #[oai(path = "/v1.0/users/:user/authentication/requirements", method = "get", operation_id = "getRequirements")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<RequirementsView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| requirements::get(tx, caller, &user)).await?;
        let what = authentication_context(found.user_id.as_str(), "requirements");
        Ok(Json(Entity::new(self.0.context(&info, &what), found.found.into())))
    }

    /// Change what is required of a user
    ///
    /// `perUserMfaState` `enabled` or `enforced` requires multifactor authentication of this user. `mfaOptOut` exempts
    /// the user from the tenant's security defaults for a while, with a reason. Needs the permission
    /// `Policy.ReadWrite.AuthenticationMethod`, or the role Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/requirements",
        method = "patch",
        operation_id = "updateRequirements"
    )]
    async fn update(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        body: Json<RequirementsPatch>,
    ) -> Result<NoContent, Problem> {
        let change = RequirementsChange::try_from(body.0)?;
        let attempt = Attempt::on_user(Activity::CHANGE_REQUIREMENTS, &user);
        self.0.write(guard.0, attempt, move |tx, caller| requirements::update(tx, caller, &user, &change)).await?;
        Ok(NoContent::Done)
    }
}
