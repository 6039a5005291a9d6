//! Partners: which roles somebody of a partner has in a customer's tenant at this moment.

use std::collections::BTreeMap;

use super::{Actor, Caller, Partner, Powers, Role, Scope, identify};
use crate::{
    error::{Area, Error, Result},
    id::{RelationshipId, TenantId},
    store::{
        Tx,
        relationships::{self, Grant},
        tenants,
    },
};

/// The roles of an application or user of a partner in a customer's tenant, and the relationships they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    pub relationships: Vec<RelationshipId>,
    pub roles: Vec<Role>,
}

impl Granted {
    /// Adds the roles that both the relationship and the assignment name.
    fn add(&mut self, grant: Grant) -> Result<()> {
        let agreed = parse_roles(&grant.relationship_roles)?;
        let roles = parse_roles(&grant.assigned_roles)?.into_iter().filter(|role| agreed.contains(role));
        let roles: Vec<_> = roles.collect();
        if !roles.is_empty() {
            self.relationships.push(grant.relationship_id);
            self.roles.extend(roles);
            self.roles.sort();
            self.roles.dedup();
        }
        Ok(())
    }
}

/// Everything that active relationships give to `principal` (an application's or user's id) in one customer's tenant.
pub fn granted(tx: &mut Tx<'_>, partner: &TenantId, customer: &TenantId, principal: &str) -> Result<Granted> {
    let mut granted = Granted::default();
    for grant in relationships::grants(tx, partner, std::slice::from_ref(customer), principal)? {
        granted.add(grant)?;
    }
    Ok(granted)
}

/// A stored list of roles.
pub fn parse_roles(json: &str) -> Result<Vec<Role>> {
    serde_json::from_str(json).map_err(Error::internal)
}

/// What a caller is in each of these tenants, his own among them if it is named, by as many queries as for one. Where
/// no relationship gives him anything he is nobody, just as in a tenant that does not exist: it is left out.
///
/// Only for callers with a token of their own tenant.
pub fn actors_in(tx: &mut Tx<'_>, caller: &Caller, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, Actor>> {
    let at_home = identify(tx, caller)?;
    if let Powers::Partner(_) = at_home.powers {
        let message = "This asks about many tenants; call it with a token of the partner's own tenant.";
        return Err(Error::Denied { area: Area::Methods, inner: "ownTenantOnly", message: message.into() });
    }
    check_scope(&at_home)?;
    let Some(principal) = at_home.id() else {
        let in_each =
            tenants.iter().map(|tenant| (tenant.clone(), Actor { tenant: tenant.clone(), ..at_home.clone() }));
        return Ok(in_each.collect());
    };
    let home_display_name = tenants::find(tx, &caller.tenant)?.map(|home| home.display_name).unwrap_or_default();
    let mut granted: BTreeMap<TenantId, Granted> = BTreeMap::new();
    for grant in relationships::grants(tx, &caller.tenant, tenants, principal)? {
        granted.entry(grant.customer.clone()).or_default().add(grant)?;
    }
    granted.retain(|_, granted| !granted.roles.is_empty());
    let elsewhere = granted.into_iter().map(|(tenant, granted)| {
        let actor = in_tenant(&at_home, &home_display_name, &tenant, granted);
        (tenant, actor)
    });
    let mut all: BTreeMap<_, _> = elsewhere.collect();
    if tenants.contains(&caller.tenant) {
        all.insert(caller.tenant.clone(), at_home.clone());
    }
    Ok(all)
}

/// Somebody of a partner in the tenant of a customer, where only what was granted counts.
pub(super) fn in_tenant(at_home: &Actor, home_display_name: &str, customer: &TenantId, granted: Granted) -> Actor {
    let powers = Powers::Partner(Partner {
        home: at_home.tenant.clone(),
        home_display_name: home_display_name.to_owned(),
        who: Box::new(at_home.powers.clone()),
        relationships: granted.relationships,
        roles: granted.roles,
    });
    Actor { tenant: customer.clone(), powers, ..at_home.clone() }
}

/// What a sign-in ends with is good for the user's own methods; no roles come with it, at home or elsewhere.
pub(super) fn check_scope(at_home: &Actor) -> Result<()> {
    match &at_home.powers {
        Powers::User { scope: Scope::Own { .. } | Scope::Registration { .. }, .. } => Err(Error::Denied {
            area: Area::Methods,
            inner: "scopeTooNarrow",
            message: "A sign-in lets users manage their own methods only.".into(),
        }),
        Powers::User { scope: Scope::Roles, .. }
        | Powers::Application { .. }
        | Powers::Operator
        | Powers::Partner(_) => Ok(()),
    }
}
