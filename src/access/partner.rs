//! Partners: which roles somebody of a partner has in a customer's tenant at this moment.

use super::Role;
use crate::{
    error::{Error, Result},
    id::{RelationshipId, TenantId},
    store::{Tx, relationships},
};

/// The roles of an application or user of a partner in a customer's tenant, and the relationships they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    pub relationships: Vec<RelationshipId>,
    pub roles: Vec<Role>,
}

/// Everything that active relationships give to `principal` (an application's or user's id): of each the roles that
/// both the relationship and the assignment name.
pub fn granted(tx: &mut Tx<'_>, partner: &TenantId, customer: &TenantId, principal: &str) -> Result<Granted> {
    let mut granted = Granted::default();
    for grant in relationships::grants(tx, partner, customer, principal)? {
        let agreed = parse_roles(&grant.relationship_roles)?;
        let roles = parse_roles(&grant.assigned_roles)?.into_iter().filter(|role| agreed.contains(role));
        let roles: Vec<_> = roles.collect();
        if !roles.is_empty() {
            granted.relationships.push(grant.relationship_id);
            granted.roles.extend(roles);
        }
    }
    granted.roles.sort();
    granted.roles.dedup();
    Ok(granted)
}

/// A stored list of roles.
pub fn parse_roles(json: &str) -> Result<Vec<Role>> {
    serde_json::from_str(json).map_err(Error::internal)
}
