//! Who may do what to whom, cell by cell: every kind of relationship x every role of the caller x every role of the target
//! x every kind of call. What is expected is written down here, after Entra's tables ("who can perform sensitive actions",
//! "built-in roles"), and not asked of the code under test.

use std::collections::BTreeMap;

use rekey::{
    id::TenantId,
    roles::Role::{self, *},
    store::users::User,
};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use super::mfa_resets;
use super::partner_fixtures::{
    Client, Party, RELATIONSHIPS, assign, call_with, customer, new_client, new_customer, new_partner, propose,
};
use crate::support::{TestApp, on_each_backend_with_own_clock, seed};

/// What the caller has to do with the tenant of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    /// An administrator of the tenant itself.
    Own,
    Active,
    Expiring,
    Expired,
    Terminated,
    Never,
}

const RELATIONS: [Relation; 6] =
    [Relation::Own, Relation::Active, Relation::Expiring, Relation::Expired, Relation::Terminated, Relation::Never];

/// What is asked for. Another kind of call is one more row here, one more arm in [`expected`] and one in [`call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Reset,
    ListUsers,
    ReadAuditLog,
}

const CALLS: [Call; 3] = [Call::Reset, Call::ListUsers, Call::ReadAuditLog];

/// Every role there is; a new one fails the count below until it has its place in the tables.
const ROLES: [Role; 18] = [
    GlobalAdministrator,
    PrivilegedAuthenticationAdministrator,
    AuthenticationAdministrator,
    AuthenticationPolicyAdministrator,
    UserAdministrator,
    HelpdeskAdministrator,
    PasswordAdministrator,
    GlobalReader,
    ReportsReader,
    SecurityReader,
    SecurityAdministrator,
    PrivilegedRoleAdministrator,
    DirectoryReaders,
    GuestInviter,
    MessageCenterReader,
    GroupsAdministrator,
    UsageSummaryReportsReader,
    UserExperienceSuccessManager,
];

/// The roles whose holders an Authentication Administrator may manage, beside users without one.
const LESSER: [Role; 8] = [
    DirectoryReaders,
    GuestInviter,
    PasswordAdministrator,
    MessageCenterReader,
    ReportsReader,
    UsageSummaryReportsReader,
    UserExperienceSuccessManager,
    AuthenticationAdministrator,
];

/// Who reads users.
const DIRECTORY: [Role; 8] = [
    GlobalAdministrator,
    PrivilegedAuthenticationAdministrator,
    AuthenticationAdministrator,
    UserAdministrator,
    HelpdeskAdministrator,
    PasswordAdministrator,
    GlobalReader,
    DirectoryReaders,
];

/// Who reads logs.
const LOGS: [Role; 5] = [GlobalAdministrator, GlobalReader, ReportsReader, SecurityReader, SecurityAdministrator];

/// The status of the answer.
fn expected(relation: Relation, role: Role, target: Option<Role>, call: Call) -> u16 {
    // Whoever has nothing to do with the tenant (any more) is nobody there.
    if matches!(relation, Relation::Expired | Relation::Terminated | Relation::Never) {
        return 401;
    }
    let may = match (call, role) {
        (Call::Reset, GlobalAdministrator | PrivilegedAuthenticationAdministrator) => true,
        (Call::Reset, AuthenticationAdministrator) => target.is_none_or(|target| LESSER.contains(&target)),
        (Call::Reset, _) => false,
        (Call::ListUsers, role) => DIRECTORY.contains(&role),
        (Call::ReadAuditLog, role) => LOGS.contains(&role),
    };
    if may { 200 } else { 403 }
}

async fn call(app: &TestApp, token: &str, target: &User, call: Call) -> u16 {
    let (method, path, body) = match call {
        Call::Reset => {
            let path = format!("/v1.0/users/{}/authentication/resetMfa", target.user_id);
            (Method::POST, path, Some(json!({"reason": "Matrix"})))
        }
        Call::ListUsers => (Method::GET, "/v1.0/users?$top=1".into(), None),
        Call::ReadAuditLog => (Method::GET, "/v1.0/auditLogs/directoryAudits?$top=1".into(), None),
    };
    call_with(app, token, method, &path, None, body).await.status.as_u16()
}

/// What becomes of a target in a reset of many users; none where nobody lets the caller make one.
fn expected_in_job(relation: Relation, role: Role, target: Option<Role>) -> Option<&'static str> {
    match (relation, expected(relation, role, target, Call::Reset)) {
        // Nobody there could be reset: of the own tenant the caller knows, of a customer he shall not even ask for one.
        (Relation::Own, 403) if !matches!(role, AuthenticationAdministrator) => None,
        // They were reset before, one by one.
        (_, 200) => Some("nothingToDo"),
        _ => Some("notPermitted"),
    }
}

/// One reset of all targets: their statuses, in their order.
async fn job(app: &TestApp, token: &str, tenant: &Tenant) -> Option<Vec<String>> {
    let targets = tenant.targets.iter().map(|(_, user)| json!({"tenantId": user.tenant_id, "user": user.user_id}));
    let body = json!({"reason": "Matrix", "targets": targets.collect::<Vec<_>>()});
    let created = call_with(app, token, Method::POST, "/v1.0/mfaResets", None, Some(body)).await;
    if created.status == 403 {
        return None;
    }
    let path = format!("/v1.0/mfaResets/{}", created.expect(201).json["id"].as_str().unwrap());
    mfa_resets::work(app).await;
    let etag = call_with(app, token, Method::GET, &path, None, None).await.expect(200).json["@odata.etag"].clone();
    let confirm = format!("{path}/confirm");
    call_with(app, token, Method::POST, &confirm, etag.as_str(), None).await.expect(200);
    mfa_resets::work(app).await;
    let items = call_with(app, token, Method::GET, &format!("{path}/items"), None, None).await.expect(200).json;
    let items = items["value"].as_array().unwrap().iter();
    Some(items.map(|item| item["status"].as_str().unwrap().to_owned()).collect())
}

/// A tenant with a user for every role, and one without.
struct Tenant {
    party: Party,
    targets: Vec<(Option<Role>, User)>,
}

async fn tenant(app: &TestApp, party: Party) -> Tenant {
    let mut targets = vec![(None, seed::user_of(app, &party.tenant, "nobody").await)];
    for role in ROLES {
        let user = seed::user_of(app, &party.tenant, &format!("target{role:?}")).await;
        seed::grant(app, &user, role).await;
        targets.push((Some(role), user));
    }
    Tenant { party, targets }
}

/// A relationship with all roles that is in force from now on; each application has one of the roles.
async fn relate(
    app: &TestApp,
    partner: &Party,
    customer: &Party,
    clients: &[(Role, Client)],
    duration: &str,
) -> String {
    let id = propose(app, partner, Some(&customer.tenant), &ROLES, duration).await;
    partner.request(app, &id, "lockForApproval").await.expect(201);
    customer.request(app, &id, "approve").await.expect(201);
    for (role, client) in clients {
        assign(app, partner, &id, "application", client.id.as_str(), &[*role]).await;
    }
    id
}

/// A token that nobody ever had a right to, signed with the customer's own key.
async fn mint(app: &TestApp, partner: &TenantId, customer: &TenantId, client: &Client, role: Role) -> String {
    let (issuer, home, customer, id) = (app.app.issuer.clone(), partner.clone(), customer.clone(), client.id.clone());
    let token = app.app.store.read(move |tx| {
        let application = rekey::store::applications::find(tx, &home, &id)?.unwrap();
        issuer.for_application_of_partner(tx, &customer, &application, &application.secrets[0].id, &[role])
    });
    token.await.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn every_cell() {
    assert_eq!(Role::ALL.len(), ROLES.len(), "a role has no place in the tables");
    on_each_backend_with_own_clock(async |app| {
        let clock = app.app.store.context().clock.clone();
        let mut partner = new_partner(&app).await;
        let mut clients = vec![];
        for role in ROLES {
            clients.push((role, new_client(&app, &partner).await));
        }
        let mut tenants = BTreeMap::new();
        for relation in RELATIONS {
            let party = match relation {
                Relation::Own => customer(&app),
                _ => new_customer(&app, &format!("{relation:?}.example").to_lowercase()).await,
            };
            tenants.insert(relation, tenant(&app, party).await);
        }
        let of = |relation| &tenants[&relation].party;

        // One ends a day after the beginning; the other, begun two hours later, is then about to.
        relate(&app, &partner, of(Relation::Expired), &clients, "P1D").await;
        clock.advance_seconds(2 * 60 * 60);
        partner.refresh(&app).await;
        let mut ids = BTreeMap::new();
        for (relation, duration) in
            [(Relation::Active, "P2Y"), (Relation::Expiring, "P1D"), (Relation::Terminated, "P2Y")]
        {
            let mut customer = of(relation).clone();
            customer.refresh(&app).await;
            ids.insert(relation, relate(&app, &partner, &customer, &clients, duration).await);
        }
        // Everybody asks for a token while he can.
        clock.advance_seconds(21 * 60 * 60 + 40 * 60);
        let mut tokens = BTreeMap::new();
        for relation in RELATIONS {
            for (role, client) in &clients {
                let customer = &of(relation).tenant;
                let token = match relation {
                    Relation::Own => {
                        let user = seed::user(&app, &format!("actor{role:?}")).await;
                        seed::grant(&app, &user, *role).await;
                        app.user_token(&user.user_id).await
                    }
                    Relation::Never => {
                        client.ask(&app, customer).await.expect(400);
                        mint(&app, &partner.tenant, customer, client, *role).await
                    }
                    _ => client.token(&app, customer).await,
                };
                tokens.insert((relation, *role), token);
            }
        }
        partner.refresh(&app).await;
        partner.request(&app, &ids[&Relation::Terminated], "terminate").await.expect(201);
        clock.advance_seconds(30 * 60);
        partner.refresh(&app).await;
        let expiring = partner.get(&app, &format!("{RELATIONSHIPS}/{}", ids[&Relation::Expiring])).await.expect(200);
        assert_eq!(expiring.json["status"], "expiring");

        let (mut cells, mut wrong) = (0, vec![]);
        for relation in RELATIONS {
            for role in ROLES {
                for (target, user) in &tenants[&relation].targets {
                    for kind in CALLS {
                        cells += 1;
                        let status = call(&app, &tokens[&(relation, role)], user, kind).await;
                        let wanted = expected(relation, role, *target, kind);
                        if status != wanted {
                            wrong.push(format!("{relation:?} {role:?} {kind:?} {target:?}: {status}, not {wanted}"));
                        }
                    }
                }
            }
        }
        assert_eq!(cells, RELATIONS.len() * ROLES.len() * (ROLES.len() + 1) * CALLS.len());

        // The same as resets of many users, each with all targets; a partner makes them with his own tenant's token.
        let mut jobs = 0;
        for relation in RELATIONS {
            for (role, client) in &clients {
                let token = match relation {
                    Relation::Own => tokens[&(relation, *role)].clone(),
                    _ => client.token(&app, &partner.tenant).await,
                };
                let statuses = job(&app, &token, &tenants[&relation]).await;
                for (number, (target, _)) in tenants[&relation].targets.iter().enumerate() {
                    jobs += 1;
                    let status = statuses.as_ref().map(|all| all[number].as_str());
                    let wanted = expected_in_job(relation, *role, *target);
                    if status != wanted {
                        wrong.push(format!("{relation:?} {role:?} job {target:?}: {status:?}, not {wanted:?}"));
                    }
                }
            }
        }
        assert_eq!(jobs, RELATIONS.len() * ROLES.len() * (ROLES.len() + 1));
        assert!(wrong.is_empty(), "{:?}:\n{}", app.backend, wrong.join("\n"));
    })
    .await;
}
