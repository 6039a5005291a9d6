//! Many customers at once, for callers with a token of the partner's own tenant: what may be done in all of them, their
//! users, and how many of those are registered.
//!
//! Each tenant is asked about by itself: what a relationship gives in one says nothing about another.

use std::collections::BTreeMap;

use crate::{
    access::{self, Action, Actor, Caller, partner},
    clock::Timestamp,
    error::{Area, Error, Result},
    id::{TenantId, UserId},
    methods::MethodKind,
    reports::{self, Registrations},
    store::{
        Tx, registrations as classes,
        relationships::customers,
        tenants::Tenant,
        users::{self, Presence, User},
    },
};

/// Tenants that one question may name.
pub const MAX_TENANTS: usize = 1000;
/// Tenants that a list of users may name.
pub const MAX_USER_TENANTS: usize = 100;
/// Customers that are looked at for one page of users.
const TENANTS_PER_PAGE: i64 = 100;

/// What can be done in a customer's tenant, under the names that `commonActions` gives, and which rows of the decision
/// table must all say yes.
const ACTIONS: &[(&str, &[Action])] = &[
    ("readUsers", &[Action::ReadUsers]),
    ("writeUsers", &[Action::WriteUsers]),
    ("revokeSignInSessions", &[Action::RevokeSignInSessions]),
    ("readRoles", &[Action::ReadRoles]),
    ("writeRoles", &[Action::WriteRoles]),
    ("readMethods", &[Action::ReadMethods]),
    ("resetMfa", &[Action::ResetMfa]),
    ("issueTemporaryAccessPass", &[Action::RegisterKind(MethodKind::TemporaryAccessPass)]),
    ("resetPassword", &[Action::ResetPassword]),
    ("unlock", &[Action::Unlock]),
    ("readPreferences", &[Action::ReadPreferences]),
    ("writePreferences", &[Action::WritePreferences]),
    ("readRequirements", &[Action::ReadRequirements]),
    ("writeRequirements", &[Action::WriteRequirements]),
    ("readHardwareOathDevices", &[Action::ReadDevices]),
    ("writeHardwareOathDevices", &[Action::WriteDevices]),
    ("readPolicies", &[Action::ReadPolicies]),
    ("writePolicies", &[Action::WriteAuthenticationPolicy, Action::WriteSecurityDefaults]),
    ("readAuditLogs", &[Action::ReadAuditLogs]),
];

/// What the caller may do in every one of these tenants; a tenant may be there twice.
pub fn common_actions(tx: &mut Tx<'_>, caller: &Caller, tenants: &[TenantId]) -> Result<Vec<&'static str>> {
    let actors = actors(tx, caller, tenants)?;
    let mut common = vec![];
    for (name, actions) in ACTIONS {
        if may_everywhere(tx, actors.values(), actions)? {
            common.push(*name);
        }
    }
    // Writing methods takes every kind of them: a role that stops at one is told apart by the single names above.
    let write_methods: Vec<_> =
        MethodKind::ALL.iter().flat_map(|kind| [Action::RegisterKind(*kind), Action::WriteKind(*kind)]).collect();
    if may_everywhere(tx, actors.values(), &write_methods)? {
        common.push("writeMethods");
    }
    common.sort_unstable();
    Ok(common)
}

fn may_everywhere<'a>(tx: &mut Tx<'_>, actors: impl Iterator<Item = &'a Actor>, actions: &[Action]) -> Result<bool> {
    for actor in actors {
        if !may(tx, actor, actions)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn may(tx: &mut Tx<'_>, actor: &Actor, actions: &[Action]) -> Result<bool> {
    for action in actions {
        match access::allow(tx, actor, *action, None) {
            Ok(()) => {}
            Err(Error::Denied { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The caller in each of these tenants; refused when he is nobody in one of them, whether or not it exists.
fn actors(tx: &mut Tx<'_>, caller: &Caller, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, Actor>> {
    let actors = partner::actors_in(tx, caller, tenants)?;
    match tenants.iter().find(|tenant| !actors.contains_key(*tenant)) {
        None => Ok(actors),
        Some(tenant) => Err(Error::Denied {
            area: Area::Methods,
            inner: "noRelationship",
            message: format!(
                "No active relationship gives the caller a role in the tenant {tenant}; leave it out, or ask for an access assignment or a new relationship."
            ),
        }),
    }
}

/// What a list of users of several tenants asks for.
#[derive(Debug, Clone, Default)]
pub struct UserQuery {
    /// These tenants; otherwise all customers in whose tenants the caller may read users and their methods.
    pub tenants: Option<Vec<TenantId>>,
    pub after: Option<Position>,
    pub size: usize,
}

/// Where a page of users ended: in the middle of a tenant, or with all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub tenant: TenantId,
    pub user: Option<UserId>,
}

/// A user of a customer, and whether he is registered.
#[derive(Debug, Clone)]
pub struct ManagedUser {
    pub user: User,
    pub registration_required_since: Option<Timestamp>,
    /// The user has a second factor, allowed by the tenant's policy or not.
    pub is_mfa_registered: bool,
}

/// A page of users, and where the next begins. A page may be short, even empty, while there is a next one.
#[derive(Debug, Clone)]
pub struct UserPage {
    pub users: Vec<ManagedUser>,
    pub next: Option<Position>,
}

const READ_REGISTRATIONS: &[Action] = &[Action::ReadUsers, Action::ReadMethods];

/// A page of the users of several tenants, in the order of (tenant, user).
pub fn users(tx: &mut Tx<'_>, caller: &Caller, query: &UserQuery) -> Result<UserPage> {
    let (candidates, more) = candidates(tx, caller, query)?;
    let actors = match &query.tenants {
        Some(_) => actors(tx, caller, &candidates)?,
        None => partner::actors_in(tx, caller, &candidates)?,
    };
    let mut page = UserPage { users: vec![], next: None };
    let mut left = vec![];
    for (tenant, actor) in &actors {
        match &query.tenants {
            // Who names a tenant is told what he lacks there.
            Some(_) => READ_REGISTRATIONS.iter().try_for_each(|action| access::allow(tx, actor, *action, None))?,
            None if !may(tx, actor, READ_REGISTRATIONS)? => continue,
            None => {}
        }
        left.push(tenant);
    }
    left.retain(|tenant| query.after.as_ref().is_none_or(|after| **tenant >= after.tenant));
    for tenant in left {
        let after = query.after.as_ref().filter(|after| after.tenant == *tenant);
        let after = match after {
            Some(Position { user: None, .. }) => continue,
            Some(Position { user: Some(user), .. }) => Some(user),
            None => None,
        };
        let room = query.size - page.users.len();
        if room == 0 {
            page.next = page.users.last().map(position);
            return Ok(page);
        }
        let mut found = users::list(tx, tenant, Presence::Present, after, room as i64 + 1)?;
        let is_cut = found.len() > room;
        found.truncate(room);
        page.users.extend(with_registrations(tx, tenant, found)?);
        if is_cut {
            page.next = page.users.last().map(position);
            return Ok(page);
        }
    }
    page.next = candidates.last().filter(|_| more).map(|tenant| Position { tenant: tenant.clone(), user: None });
    Ok(page)
}

fn position(last: &ManagedUser) -> Position {
    Position { tenant: last.user.tenant_id.clone(), user: Some(last.user.user_id.clone()) }
}

/// The tenants to look at for this page, in order, and whether there are more behind them.
fn candidates(tx: &mut Tx<'_>, caller: &Caller, query: &UserQuery) -> Result<(Vec<TenantId>, bool)> {
    if let Some(named) = &query.tenants {
        let mut named = named.clone();
        named.sort();
        named.dedup();
        return Ok((named, false));
    }
    // A tenant in the middle of which the page before ended is looked at again.
    let begun = query.after.as_ref().filter(|after| after.user.is_some()).map(|after| after.tenant.clone());
    let after = query.after.as_ref().map(|after| &after.tenant);
    let further = customers::of_container(tx, &caller.tenant, caller.id(), after, TENANTS_PER_PAGE)?;
    let more = further.len() as i64 == TENANTS_PER_PAGE;
    Ok((begun.into_iter().chain(further).collect(), more))
}

fn with_registrations(tx: &mut Tx<'_>, tenant: &TenantId, users: Vec<User>) -> Result<Vec<ManagedUser>> {
    let ids: Vec<UserId> = users.iter().map(|user| user.user_id.clone()).collect();
    let registered = reports::registered(tx, tenant, &ids)?;
    let requirements = classes::requirements_of_users(tx, tenant, &ids)?;
    let required_since = |user: &UserId| requirements.get(user).and_then(|required| required.registration_required_at);
    let complete = users.into_iter().map(|user| ManagedUser {
        registration_required_since: required_since(&user.user_id),
        is_mfa_registered: registered.contains(&user.user_id),
        user,
    });
    Ok(complete.collect())
}

/// A page of the customers in whose tenants the caller has a role at all, in the order of their ids.
pub fn tenants(tx: &mut Tx<'_>, caller: &Caller, after: Option<&TenantId>, limit: i64) -> Result<Vec<Tenant>> {
    // Finds the caller alive, with a token that is good for this.
    partner::actors_in(tx, caller, &[])?;
    let ids = customers::of_container(tx, &caller.tenant, caller.id(), after, limit)?;
    customers::find_all(tx, &ids)
}

/// How many users of one customer there are and are registered.
#[derive(Debug, Clone)]
pub struct Summary {
    pub tenant: Tenant,
    /// None where the caller may not read it.
    pub registrations: Option<Registrations>,
    pub read_at: Timestamp,
}

/// A page of summaries, one for each customer, as of this moment.
pub fn summaries(tx: &mut Tx<'_>, caller: &Caller, after: Option<&TenantId>, limit: i64) -> Result<Vec<Summary>> {
    let tenants = tenants(tx, caller, after, limit)?;
    let ids: Vec<TenantId> = tenants.iter().map(|tenant| tenant.tenant_id.clone()).collect();
    let actors = partner::actors_in(tx, caller, &ids)?;
    let mut readable = vec![];
    for (tenant, actor) in &actors {
        if may(tx, actor, READ_REGISTRATIONS)? {
            readable.push(tenant.clone());
        }
    }
    let numbers = reports::registrations(tx, &readable)?;
    let summary = |tenant: Tenant| {
        let id = &tenant.tenant_id;
        let registrations = readable.contains(id).then(|| numbers.get(id).copied().unwrap_or_default());
        Summary { tenant, registrations, read_at: tx.now() }
    };
    Ok(tenants.into_iter().map(summary).collect())
}

/// The summary of one customer; not found where the caller is nobody.
pub fn summary(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Summary> {
    let not_found = || Error::method_not_found(id);
    let tenant = TenantId::parse(id).ok_or_else(not_found)?;
    let actors = partner::actors_in(tx, caller, std::slice::from_ref(&tenant))?;
    let actor = actors.get(&tenant).filter(|actor| actor.tenant != caller.tenant).ok_or_else(not_found)?;
    READ_REGISTRATIONS.iter().try_for_each(|action| access::allow(tx, actor, *action, None))?;
    let numbers = reports::registrations(tx, std::slice::from_ref(&tenant))?.remove(&tenant).unwrap_or_default();
    let tenant = customers::find_all(tx, &[tenant])?.pop().ok_or_else(not_found)?;
    Ok(Summary { tenant, registrations: Some(numbers), read_at: tx.now() })
}
