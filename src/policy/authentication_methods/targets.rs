//! Targets of the policy: from how a caller writes them to how they are stored.

use std::collections::BTreeSet;

use super::{TargetRequest, check_count};
use crate::{
    error::{Error, Result},
    id::{TenantId, UserId},
    methods::policy::{ALL_USERS, AuthenticationMode, ConfigurationId, Target, TargetType},
    store::{
        Tx,
        users::{self, Presence},
    },
};

/// Targets as they are stored. Whoever is new among them must exist; a user who was deleted since does not keep the
/// list from being written back.
pub(super) fn stored(
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
            authentication_mode: request.authentication_mode.unwrap_or(AuthenticationMode::Any),
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
    match mode {
        AuthenticationMode::Any | AuthenticationMode::Push => Ok(()),
        AuthenticationMode::DeviceBasedPush => {
            let message = "The authenticationMode deviceBasedPush is not supported: an app confirms, it replaces no \
                           password. Use any or push.";
            Err(Error::invalid(target, message))
        }
    }
}
