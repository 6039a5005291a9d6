//! Graph's `usersRegisteredByFeature` and `usersRegisteredByMethod`: how many users can do what, and have what.

use std::collections::BTreeSet;

use super::{
    class::{Class, Registered, RoleClass},
    population::{self, Alike},
};
use crate::{
    access::{self, Action, Caller},
    error::Result,
    methods::policy::MethodsPolicy,
    store::Tx,
    words,
};

words! {
    /// Graph's `includedUserTypes`.
    pub enum UserTypes { All = "all", Member = "member", Guest = "guest" }
}

words! {
    /// Graph's `includedUserRoles`.
    pub enum UserRoles {
        All = "all",
        /// Holders of the roles that Graph calls privileged here.
        PrivilegedAdmin = "privilegedAdmin",
        /// Holders of any directory role.
        Admin = "admin",
        /// Everybody else.
        User = "user",
    }
}

/// Whom a summary is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    pub user_types: UserTypes,
    pub user_roles: UserRoles,
}

impl Group {
    /// Blocked accounts are nowhere counted.
    fn has(self, class: &Class) -> bool {
        let is_of_type = match self.user_types {
            UserTypes::All => true,
            UserTypes::Member => !class.is_guest,
            UserTypes::Guest => class.is_guest,
        };
        let has_role = match self.user_roles {
            UserRoles::All => true,
            UserRoles::PrivilegedAdmin => class.role == RoleClass::PrivilegedAdmin,
            UserRoles::Admin => class.role != RoleClass::None,
            UserRoles::User => class.role == RoleClass::None,
        };
        class.is_enabled && is_of_type && has_role
    }
}

/// How many users of a group there are, and of how many of them each name is true.
#[derive(Debug, Clone)]
pub struct Summary {
    pub group: Group,
    pub total: i64,
    pub counts: Vec<(&'static str, i64)>,
}

pub fn by_feature(tx: &mut Tx<'_>, caller: &Caller, group: Group) -> Result<Summary> {
    let all = members(tx, caller, group)?;
    let count = |is: fn(&Alike) -> bool| all.iter().filter(|alike| is(alike)).map(|alike| alike.users).sum();
    Ok(Summary {
        group,
        total: count(|_| true),
        counts: vec![
            // There is no self-service password reset.
            ("ssprRegistered", 0),
            ("ssprEnabled", 0),
            ("ssprCapable", 0),
            ("passwordlessCapable", count(|alike| alike.standing.is_passwordless_capable)),
            ("mfaCapable", count(|alike| alike.standing.is_mfa_capable)),
        ],
    })
}

/// Counts the users who have each method, allowed or not; somebody with two of a name counts once.
pub fn by_method(tx: &mut Tx<'_>, caller: &Caller, group: Group) -> Result<Summary> {
    let all = members(tx, caller, group)?;
    let count = |name: &'static str| {
        let having = all.iter().filter(|alike| alike.class.names().any(|has| has == name));
        (name, having.map(|alike| alike.users).sum())
    };
    let names: BTreeSet<_> = Registered::every().iter().map(Registered::name).collect();
    Ok(Summary {
        group,
        total: all.iter().map(|alike| alike.users).sum(),
        counts: names.into_iter().map(count).collect(),
    })
}

fn members(tx: &mut Tx<'_>, caller: &Caller, group: Group) -> Result<Vec<Alike>> {
    let actor = access::authorize(tx, caller, Action::ReadAuditLogs, None)?;
    let policy = MethodsPolicy::of(tx, &actor.tenant)?;
    let mut all = population::all(tx, &actor.tenant, &policy)?;
    all.retain(|alike| group.has(&alike.class));
    Ok(all)
}
