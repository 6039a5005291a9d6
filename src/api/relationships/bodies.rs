//! What is sent and shown of relationships.

use poem_openapi::{
    Object,
    types::{Example, MaybeUndefined},
};

use crate::{
    access::partner,
    api::{
        examples,
        odata::{bind, bind::Property, etag, not_null},
        strict_json::text,
    },
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
    partners::{
        Seen,
        proposals::{NamedCustomer, Proposal},
    },
    roles::Role,
    store::{
        filter::{Filter, Operator},
        relationships::{RelationshipFilter, Status},
    },
};

/// A directory role.
#[derive(Debug, Object)]
#[oai(rename = "UnifiedRole", rename_all = "camelCase", deny_unknown_fields)]
pub struct UnifiedRole {
    /// The id of a role in `/roleManagement/directory/roleDefinitions`.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    role_definition_id: String,
}

/// Which roles the partner gets.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminAccessDetails", rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessDetails {
    /// At least one, none twice.
    #[oai(validator(max_items = 100))]
    unified_roles: Vec<UnifiedRole>,
}

impl AccessDetails {
    pub fn of(roles: &[Role]) -> Self {
        let role = |role: &Role| UnifiedRole { role_definition_id: role.as_str().into() };
        Self { unified_roles: roles.iter().map(role).collect() }
    }

    /// Reads the JSON list that is stored.
    pub fn stored(roles: &str) -> Result<Self> {
        Ok(Self::of(&partner::parse_roles(roles)?))
    }

    pub fn into_ids(self) -> Vec<String> {
        self.unified_roles.into_iter().map(|role| role.role_definition_id).collect()
    }
}

/// The customer that the partner has in mind.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminRelationshipCustomerParticipant", rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomerBody {
    /// The id of the customer's tenant.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    tenant_id: String,
    /// What you call the customer; its true name takes the place when it approves. At most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: Option<String>,
}

impl From<CustomerBody> for NamedCustomer {
    fn from(body: CustomerBody) -> Self {
        Self { tenant_id: body.tenant_id, display_name: body.display_name }
    }
}

/// What a partner proposes to a customer.
#[derive(Debug, Object)]
#[oai(rename = "NewDelegatedAdminRelationship", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct RelationshipBody {
    /// 1 to 50 characters, unique among the partner's relationships.
    #[oai(validator(max_length = 50), deserialize_with = "text")]
    display_name: String,
    /// ISO 8601, in days, weeks, months or years: `P1D` to `P2Y`. Counts from the approval.
    #[oai(validator(max_length = 32), deserialize_with = "text")]
    duration: String,
    /// `P180D` to go on by half a year whenever it would end; `PT0S` (default) to end.
    #[oai(validator(max_length = 32), deserialize_with = "text")]
    auto_extend_duration: Option<String>,
    /// Left out: whoever is told the id may approve and becomes the customer.
    customer: Option<CustomerBody>,
    access_details: AccessDetails,
}

impl Example for RelationshipBody {
    fn example() -> Self {
        Self {
            display_name: "Help desk for Contoso".into(),
            duration: "P730D".into(),
            auto_extend_duration: Some("P180D".into()),
            customer: Some(CustomerBody { tenant_id: examples::customer(), display_name: Some("Contoso".into()) }),
            access_details: AccessDetails::of(&[Role::AuthenticationAdministrator, Role::GlobalReader]),
        }
    }
}

impl From<RelationshipBody> for Proposal {
    fn from(body: RelationshipBody) -> Self {
        Self {
            display_name: Some(body.display_name),
            duration: Some(body.duration),
            auto_extend_duration: body.auto_extend_duration,
            customer: Some(body.customer.map(Into::into)),
            roles: Some(body.access_details.into_ids()),
        }
    }
}

/// Changes of a proposal that was not locked yet. What is left out stays as it is.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminRelationshipUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct RelationshipUpdateBody {
    /// 1 to 50 characters, unique among the partner's relationships.
    #[oai(validator(max_length = 50), deserialize_with = "text")]
    display_name: MaybeUndefined<String>,
    /// ISO 8601: `P1D` to `P2Y`.
    #[oai(validator(max_length = 32), deserialize_with = "text")]
    duration: MaybeUndefined<String>,
    /// `P180D` or `PT0S`.
    #[oai(validator(max_length = 32), deserialize_with = "text")]
    auto_extend_duration: MaybeUndefined<String>,
    /// Null: whoever is told the id.
    customer: MaybeUndefined<CustomerBody>,
    access_details: MaybeUndefined<AccessDetails>,
}

impl Example for RelationshipUpdateBody {
    fn example() -> Self {
        Self {
            display_name: MaybeUndefined::Value("Help desk for Tailspin Toys".into()),
            duration: MaybeUndefined::Value("P1Y".into()),
            auto_extend_duration: MaybeUndefined::Undefined,
            customer: MaybeUndefined::Undefined,
            access_details: MaybeUndefined::Undefined,
        }
    }
}

impl RelationshipUpdateBody {
    pub fn changes(self) -> Result<Proposal> {
        Ok(Proposal {
            display_name: not_null("displayName", self.display_name)?,
            duration: not_null("duration", self.duration)?,
            auto_extend_duration: not_null("autoExtendDuration", self.auto_extend_duration)?,
            customer: match self.customer {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(customer) => Some(Some(customer.into())),
            },
            roles: not_null("accessDetails", self.access_details)?.map(AccessDetails::into_ids),
        })
    }
}

/// A party of a relationship.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminRelationshipParticipant", rename_all = "camelCase")]
pub struct ParticipantView {
    tenant_id: String,
    #[oai(nullable)]
    display_name: Option<String>,
}

/// What a partner may do in a customer's tenant, and for how long.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminRelationship", rename_all = "camelCase")]
pub struct RelationshipView {
    /// Changes whenever the relationship does; for the header If-Match.
    #[oai(rename = "@odata.etag")]
    etag: String,
    id: String,
    display_name: String,
    /// ISO 8601.
    duration: String,
    /// ISO 8601: `P180D`, or `PT0S` for one that simply ends.
    auto_extend_duration: String,
    /// Null while it names nobody.
    #[oai(nullable)]
    customer: Option<ParticipantView>,
    /// The partner who gets the roles.
    partner: ParticipantView,
    access_details: AccessDetails,
    /// `created`, `approvalPending`, `active`, `expiring` (the last tenth of its duration, at most 30 days), `expired` or
    /// `terminated`.
    status: String,
    created_date_time: String,
    last_modified_date_time: String,
    /// When the customer approved.
    #[oai(nullable)]
    activated_date_time: Option<String>,
    /// When it ends, or next extends itself.
    #[oai(nullable)]
    end_date_time: Option<String>,
}

impl RelationshipView {
    pub fn id(&self) -> String {
        self.id.clone()
    }

    pub fn etag(&self) -> String {
        self.etag.clone()
    }
}

impl TryFrom<Seen> for RelationshipView {
    type Error = Error;

    fn try_from(seen: Seen) -> Result<Self> {
        let Seen { relationship, status, partner_display_name } = seen;
        let display_name = relationship.customer_display_name;
        let customer = relationship.customer_tenant_id.map(TenantId::into_string);
        Ok(Self {
            etag: etag::of_version(relationship.version),
            id: relationship.relationship_id.into_string(),
            display_name: relationship.display_name,
            duration: relationship.duration,
            auto_extend_duration: relationship.auto_extend_duration.as_str().into(),
            customer: customer.map(|tenant_id| ParticipantView { tenant_id, display_name }),
            partner: ParticipantView {
                tenant_id: relationship.tenant_id.into_string(),
                display_name: Some(partner_display_name),
            },
            access_details: AccessDetails::stored(&relationship.roles)?,
            status: status.as_str().into(),
            created_date_time: relationship.created_at.to_iso(),
            last_modified_date_time: relationship.modified_at.to_iso(),
            activated_date_time: relationship.activated_at.map(Timestamp::to_iso),
            end_date_time: relationship.ends_at.map(Timestamp::to_iso),
        })
    }
}

enum Field {
    Status(String),
    Customer(String),
}

const PROPERTIES: &[Property<Field>] = &[
    Property::text("status", &[Operator::Eq], Field::Status),
    Property::text("customer/tenantId", &[Operator::Eq], Field::Customer),
];

/// Reads `$filter`: `status eq '...'` and `customer/tenantId eq '...'`, joined by `and`.
pub fn parse_filter(filter: Option<&str>) -> Result<RelationshipFilter> {
    let mut conditions = RelationshipFilter::default();
    if let Some(text) = filter {
        collect(bind::read(text, PROPERTIES)?, &mut conditions)?;
    }
    Ok(conditions)
}

fn collect(filter: Filter<Field>, conditions: &mut RelationshipFilter) -> Result<()> {
    let refuse = |message: String| Err(Error::invalid("$filter", message));
    match filter {
        Filter::And(left, right) => {
            collect(*left, conditions)?;
            collect(*right, conditions)
        }
        Filter::Test(Field::Status(status), _) if conditions.status.is_none() => {
            conditions.status = Status::parse(&status);
            match conditions.status {
                Some(_) => Ok(()),
                None => {
                    let words: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
                    refuse(format!("status is one of {}.", words.join(", ")))
                }
            }
        }
        Filter::Test(Field::Customer(id), _) if conditions.customer.is_none() => {
            conditions.customer = TenantId::parse(&id);
            match conditions.customer {
                Some(_) => Ok(()),
                None => refuse("customer/tenantId is the id of a tenant, a GUID.".into()),
            }
        }
        _ => refuse("Filter by status eq '...' and customer/tenantId eq '...', each once, joined by and.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let id = "ace08ec9-aa11-4ada-9145-addf0398233e";
        let both = parse_filter(Some(&format!("status eq 'active' and customer/tenantId eq '{id}'"))).unwrap();
        assert_eq!(both, RelationshipFilter { status: Some(Status::Active), customer: TenantId::parse(id) });
        assert_eq!(parse_filter(None).unwrap(), RelationshipFilter::default());
        for wrong in [
            "status eq 'Active'",
            "status ne 'active'",
            "customer/tenantId eq 'x'",
            "status eq 'active' or status eq 'expired'",
            "status eq 'active' and status eq 'active'",
            "not (status eq 'active')",
            "displayName eq 'x'",
        ] {
            assert!(parse_filter(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
