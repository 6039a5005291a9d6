//! A tenant's present users by how they stand: whole classes, and one by one those whom the policy names.

use std::collections::{BTreeMap, BTreeSet};

use super::class::{Class, Standing};
use crate::{
    error::Result,
    id::{TenantId, UserId},
    methods::policy::{ConfigurationId, MethodsPolicy, TargetType},
    store::{Tx, registrations as classes},
};

/// Users who cannot be told apart by any report.
pub(super) struct Alike {
    pub class: Class,
    pub standing: Standing,
    pub users: i64,
}

/// Somebody whom no policy names.
pub(super) fn anybody() -> UserId {
    UserId::new("")
}

/// The users whom the policy names one by one, to include or to exclude them; each list of targets is bounded.
pub(super) fn named(policy: &MethodsPolicy) -> BTreeSet<UserId> {
    let system = &policy.system_credential_preferences;
    let configurations = ConfigurationId::ALL.iter().map(|id| policy.configuration(*id));
    configurations
        .flat_map(|configuration| [&configuration.include_targets, &configuration.exclude_targets])
        .chain([&system.include_targets, &system.exclude_targets])
        .flatten()
        .filter(|target| target.target_type == TargetType::User)
        .map(|target| UserId::new(target.id.clone()))
        .collect()
}

/// All present users of a tenant.
pub(super) fn all(tx: &mut Tx<'_>, tenant: &TenantId, policy: &MethodsPolicy) -> Result<Vec<Alike>> {
    let mut counts: BTreeMap<String, i64> = classes::classes(tx, tenant)?.into_iter().collect();
    let named: Vec<UserId> = named(policy).into_iter().collect();
    let mut all = vec![];
    for (user, text) in classes::classes_of_users(tx, tenant, &named)? {
        *counts.entry(text.clone()).or_default() -= 1;
        let class = Class::read(&text)?;
        all.push(Alike { standing: class.standing(policy, &user), class, users: 1 });
    }
    for (text, users) in counts {
        let class = Class::read(&text)?;
        all.push(Alike { standing: class.standing(policy, &anybody()), class, users });
    }
    Ok(all)
}

/// How many users a tenant has, and how many of them have a second factor, allowed or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registrations {
    pub users: i64,
    pub registered: i64,
}

/// The numbers of several tenants; one without users is left out.
pub fn registrations(tx: &mut Tx<'_>, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, Registrations>> {
    let mut all: BTreeMap<TenantId, Registrations> = BTreeMap::new();
    for (tenant, counts) in classes::classes_of_tenants(tx, tenants)? {
        let numbers = all.entry(tenant).or_default();
        for (text, users) in counts {
            numbers.users += users;
            if Class::read(&text)?.is_mfa_registered() {
                numbers.registered += users;
            }
        }
    }
    Ok(all)
}

/// Those of these users who have a second factor, allowed or not.
pub fn registered(tx: &mut Tx<'_>, tenant: &TenantId, users: &[UserId]) -> Result<BTreeSet<UserId>> {
    let mut all = BTreeSet::new();
    for (user, text) in classes::classes_of_users(tx, tenant, users)? {
        if Class::read(&text)?.is_mfa_registered() {
            all.insert(user);
        }
    }
    Ok(all)
}
