//! Who has registered what: Graph's reports on authentication methods, as of this moment.
//!
//! What is told of one user is computed from the user's methods. What is told of all users is added up from their
//! classes ([`class`]), to which the policy of this moment is applied. The two must agree; a test compares them.

mod class;
mod list;
mod population;
mod summaries;

use std::collections::{BTreeMap, BTreeSet};

pub use class::classify;
pub use list::{DetailField, DetailsFilter, DetailsPage, DetailsQuery, Order, Position, list};
pub use population::{Registrations, registered, registrations};
pub use summaries::{Group, Summary, UserRoles, UserTypes, by_feature, by_method};

use crate::{
    access::{Action, Caller},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::{TenantId, UserId},
    methods::{
        self, Method, MethodKind,
        policy::MethodsPolicy,
        preferences::{self, Preferences},
    },
    store::{Tx, registrations as classes, roles, users::User},
};
use class::Registered;

/// Graph's `userRegistrationDetails` of one user.
#[derive(Debug, Clone)]
pub struct RegistrationDetails {
    pub user: User,
    pub is_admin: bool,
    /// The user has a second factor, allowed at present or not.
    pub is_mfa_registered: bool,
    /// The user has a second factor that the tenant allows.
    pub is_mfa_capable: bool,
    /// One of them needs no password beside it.
    pub is_passwordless_capable: bool,
    /// In the order of their names, without the password.
    pub methods_registered: Vec<&'static str>,
    pub preferences: Preferences,
    pub read_at: Timestamp,
}

pub fn registration_details(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<RegistrationDetails> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ReadAuditLogs, user)?;
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    let tenant = user.tenant_id.clone();
    let details = details(tx, &tenant, &policy, vec![user])?.pop();
    details.ok_or_else(|| Error::internal("a user without details"))
}

/// The details of some users of one tenant, in the same order. As many statements for many as for one.
fn details(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    policy: &MethodsPolicy,
    users: Vec<User>,
) -> Result<Vec<RegistrationDetails>> {
    let ids: Vec<UserId> = users.iter().map(|user| user.user_id.clone()).collect();
    let borrowed: Vec<&UserId> = ids.iter().collect();
    let mut methods: BTreeMap<UserId, Vec<Method>> = methods::of_users(tx, tenant, &borrowed)?;
    let roles = roles::of_users(tx, tenant, &borrowed)?;
    let admins: BTreeSet<UserId> = roles.into_iter().map(|assignment| assignment.user_id).collect();
    let mut requirements = classes::requirements_of_users(tx, tenant, &ids)?;
    let now = tx.now();
    let one = |user: User| {
        let all = methods.remove(&user.user_id).unwrap_or_default();
        let complete = || all.iter().filter(|method| method.is_complete());
        let strong = || complete().filter(|method| counts(method.kind()));
        let capable = || strong().filter(|method| policy.allows(&user.user_id, method));
        let listed = complete().filter(|method| method.kind() != MethodKind::Password);
        let names: BTreeSet<_> = listed.map(|method| Registered::of(method).name()).collect();
        let requirements = requirements.remove(&user.user_id).unwrap_or_default();
        RegistrationDetails {
            is_admin: admins.contains(&user.user_id),
            is_mfa_registered: strong().next().is_some(),
            is_mfa_capable: capable().next().is_some(),
            is_passwordless_capable: capable().any(|method| method.kind().is_passwordless()),
            methods_registered: names.into_iter().collect(),
            preferences: preferences::judge(policy, &user.user_id, all, &requirements, now),
            read_at: now,
            user,
        }
    };
    Ok(users.into_iter().map(one).collect())
}

/// Whether somebody who has such a method is registered for MFA. A pass is no registration: it ends.
pub fn counts(kind: MethodKind) -> bool {
    kind.counts_as_mfa() && kind != MethodKind::TemporaryAccessPass
}
