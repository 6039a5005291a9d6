//! The demo's partner: an application that may reset the ordinary users of its three customers, but no administrators.

use super::{EXAMPLE_TENANT, Partner, id, operator, organizations, seed_application, tenant_id_of};
use crate::{
    access,
    app::App,
    audit::{Activity, Entry},
    error::{Error, Result},
    id::{
        AccessAssignmentId, ApplicationId, OperationId, RelationshipId, RelationshipRequestId, TenantId, UserId,
        stable_guid,
    },
    partners::{self, Logs, assignments::UPDATE},
    roles::Role,
    store::{
        Tx,
        relationships::{
            self, AutoExtend, ContainerType, Relationship, StoredStatus,
            assignments::{self, AccessAssignment},
            requests::{self, RelationshipOperation, RelationshipRequest, RequestAction},
        },
    },
};

/// The partner's domain.
pub const DOMAIN: &str = "fabrikam.example";
const APPLICATION_NAME: &str = "Fabrikam service desk (demo)";
/// What the customers agreed to: the first resets ordinary users, the second reads.
const ROLES: &[Role] = &[Role::AuthenticationAdministrator, Role::GlobalReader];

/// The domains of the partner's customers.
pub fn customers() -> impl Iterator<Item = &'static str> {
    organizations::ORGANIZATIONS.iter().filter(|organization| !organization.is_partner).map(|customer| customer.domain)
}

/// The relationship with the customer of this domain.
pub fn relationship(customer: &str) -> RelationshipId {
    RelationshipId::new(stable_guid(&format!("demo/relationship/{customer}")))
}

/// A user of the partner who has no access assignment.
pub fn engineer() -> UserId {
    UserId::new(stable_guid(&format!("demo/user/kim.akers@{DOMAIN}")))
}

/// Makes sure that the partner's application and its relationships are there.
pub async fn seed(app: &App) -> Result<Partner> {
    let partner = tenant_id_of(DOMAIN);
    let client_id = ApplicationId::new(id("partner application"));
    let client_secret = app.store.context().sealer.derive("demo partner client secret");
    let (home, application, secret) = (partner.clone(), client_id.clone(), client_secret.clone());
    let mut parties: Vec<TenantId> = customers().map(tenant_id_of).collect();
    parties.push(partner.clone());
    let logs = Logs::new(parties.clone());
    let write = move |tx: &mut Tx<'_>| {
        seed_application(tx, &home, &application, APPLICATION_NAME, &secret)?;
        for customer in organizations::ORGANIZATIONS.iter().filter(|organization| !organization.is_partner) {
            seed_relationship(tx, &home, customer, &application, &logs)?;
        }
        seed_draft(tx, &home)
    };
    app.store.write_for(&parties, write).await?;
    Ok(Partner { tenant_id: partner, client_id, client_secret })
}

fn new_row(
    tx: &Tx<'_>,
    partner: &TenantId,
    id: RelationshipId,
    customer: &organizations::Organization,
) -> Result<Relationship> {
    Ok(Relationship {
        tenant_id: partner.clone(),
        relationship_id: id,
        customer_tenant_id: Some(tenant_id_of(customer.domain)),
        customer_display_name: Some(customer.display_name.into()),
        display_name: format!("Service desk for {}", customer.display_name),
        duration: "P2Y".into(),
        auto_extend_duration: AutoExtend::HalfAYear,
        roles: serde_json::to_string(ROLES).map_err(Error::internal)?,
        status: StoredStatus::Created,
        created_at: tx.now(),
        modified_at: tx.now(),
        activated_at: None,
        ends_at: None,
        expiring_at: None,
        version: 1,
    })
}

/// An approved relationship, and what the partner's application uses of it: all.
fn seed_relationship(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    customer: &organizations::Organization,
    application: &ApplicationId,
    logs: &Logs,
) -> Result<()> {
    const TWO_YEARS_IN_MINUTES: i64 = 2 * 365 * 24 * 60;
    let relationship_id = relationship(customer.domain);
    if relationships::find(tx, &relationship_id)?.is_some() {
        return Ok(());
    }
    let is_example = customer.domain == EXAMPLE_TENANT;
    let now = tx.now();
    let relationship = Relationship {
        status: StoredStatus::Active,
        activated_at: Some(now),
        ends_at: Some(now.plus_minutes(TWO_YEARS_IN_MINUTES)),
        ..new_row(tx, partner, relationship_id.clone(), customer)?
    };
    relationships::insert(tx, &relationship)?;
    let request = RelationshipRequest {
        tenant_id: partner.clone(),
        relationship_id: relationship_id.clone(),
        request_id: RelationshipRequestId::new(if is_example { id("relationship request") } else { tx.guid() }),
        action: RequestAction::Approve,
        created_at: now,
    };
    requests::insert(tx, &request)?;
    let assignment = AccessAssignment {
        tenant_id: partner.clone(),
        relationship_id: relationship_id.clone(),
        assignment_id: AccessAssignmentId::new(if is_example { id("access assignment") } else { tx.guid() }),
        container_type: ContainerType::Application,
        container_id: application.to_string(),
        roles: relationship.roles.clone(),
        created_at: now,
        modified_at: now,
        version: 1,
    };
    assignments::insert(tx, &assignment)?;
    if is_example {
        let operation = RelationshipOperation {
            tenant_id: partner.clone(),
            relationship_id,
            operation_id: OperationId::new(id("relationship operation")),
            operation_type: UPDATE.into(),
            data: "{}".into(),
            created_at: now,
        };
        requests::insert_operation(tx, &operation)?;
    }
    let actor = access::identify(tx, &operator(tx, partner))?;
    let entry = Entry::success(Activity::APPROVE_RELATIONSHIP, partners::target(&relationship));
    partners::record(tx, &actor, &relationship, logs, entry.because("Seeded for the demo"))
}

/// A proposal that nobody but the partner sees.
fn seed_draft(tx: &mut Tx<'_>, partner: &TenantId) -> Result<()> {
    let draft = RelationshipId::new(id("draft relationship"));
    let customer = organizations::ORGANIZATIONS.iter().rfind(|organization| !organization.is_partner);
    let (Some(customer), None) = (customer, relationships::find(tx, &draft)?) else { return Ok(()) };
    let draft = new_row(tx, partner, draft, customer)?;
    relationships::insert(tx, &Relationship { display_name: "A draft".into(), ..draft })
}
