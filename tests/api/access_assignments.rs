//! Who of a partner uses a relationship, and the tokens they get in the customer's tenant.

use rekey::{
    id::{TenantId, UserId},
    roles::Role,
    store::users::{self, User},
};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::partner_fixtures::{
    Client, Party, RELATIONSHIPS, access_details, access_token, activate, assign, call_with, customer, new_client,
    new_customer, new_partner, post_form, propose,
};
use crate::support::{Answer, TestApp, on_each_backend, on_each_backend_with_own_clock, seed};

const BOTH: &[Role] = &[Role::AuthenticationAdministrator, Role::GlobalReader];

fn assignments(id: &str) -> String {
    format!("{RELATIONSHIPS}/{id}/accessAssignments")
}

async fn reset(app: &TestApp, token: &str, user: &User) -> Answer {
    let path = format!("/v1.0/users/{}/authentication/resetMfa", user.user_id);
    call_with(app, token, Method::POST, &path, None, Some(json!({"reason": "Ticket 4711"}))).await
}

/// An access token of a user of any tenant, as a sign-in ends with it.
async fn token_of_user(app: &TestApp, user: &User) -> String {
    let (issuer, user) = (app.app.issuer.clone(), user.clone());
    let token = app.app.store.read(move |tx| issuer.for_user(tx, &user, vec![])).await;
    token.unwrap().expose_secret().to_owned()
}

fn exchange_form(token: &str) -> String {
    format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={token}\
         &subject_token_type=urn:ietf:params:oauth:token-type:access_token"
    )
}

async fn exchange(app: &TestApp, tenant: &TenantId, token: &str) -> Answer {
    post_form(app, tenant.as_str(), exchange_form(token)).await
}

#[track_caller]
fn expect_refusal(answer: &Answer, status: u16, error: &str, number: u32) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.json["error"], error, "{}", answer.text);
    assert_eq!(answer.json["error_codes"], json!([number]), "{}", answer.text);
}

fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// A partner whose application has these roles in the test tenant by an active relationship.
async fn administered(app: &TestApp, roles: &[Role]) -> (Party, Client, String) {
    let partner = new_partner(app).await;
    let client = new_client(app, &partner).await;
    let id = activate(app, &partner, &customer(app), roles, "P1Y").await;
    assign(app, &partner, &id, "application", client.id.as_str(), roles).await;
    (partner, client, id)
}

#[tokio::test]
async fn from_the_first_to_the_last() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let client = new_client(&app, &partner).await;
        let id = activate(&app, &partner, &customer, BOTH, "P1Y").await;
        let made = assign(&app, &partner, &id, "application", client.id.as_str(), BOTH).await;
        assert_eq!(made["status"], "active");
        assert_eq!(made["accessContainer"]["accessContainerId"], client.id.as_str());
        let path = format!("{}/{}", assignments(&id), made["id"].as_str().unwrap());
        let tag = made["@odata.etag"].as_str().unwrap();
        assert_eq!(partner.get(&app, &path).await.expect(200).headers["etag"], tag);
        let listed = partner.get(&app, &assignments(&id)).await.expect(200).json;
        assert_eq!(listed["value"].as_array().unwrap().len(), 1);

        let patch = async |tag: Option<&str>, roles: &[Role]| {
            let body = json!({"accessDetails": access_details(roles)});
            call_with(&app, &partner.token, Method::PATCH, &path, tag, Some(body)).await
        };
        patch(None, BOTH).await.expect_error(428, "preconditionRequired");
        patch(Some("W/\"9\""), BOTH).await.expect(412);
        // The same roles in another order are the same roles.
        patch(Some(tag), &[BOTH[1], BOTH[0]]).await.expect(200);
        let accepted = patch(Some(tag), &[Role::GlobalReader]).await.expect(202);
        let operation = accepted.headers["location"].to_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
        let operation = partner.get(&app, &operation).await.expect(200).json;
        assert_eq!(operation["status"], "succeeded");
        assert_eq!(operation["operationType"], "delegatedAdminAccessAssignmentUpdate");
        let operations = partner.get(&app, &format!("{RELATIONSHIPS}/{id}/operations")).await.expect(200).json;
        assert_eq!(operations["value"][0]["id"], operation["id"]);
        patch(Some(tag), BOTH).await.expect(412);
        let changed = partner.get(&app, &path).await.expect(200).json;
        assert_eq!(changed["accessDetails"], access_details(&[Role::GlobalReader]));

        let tag = changed["@odata.etag"].as_str().unwrap();
        call_with(&app, &partner.token, Method::DELETE, &path, None, None).await.expect(428);
        call_with(&app, &partner.token, Method::DELETE, &path, Some(tag), None).await.expect(204);
        partner.get(&app, &path).await.expect(404);
        for party in [&partner, &customer] {
            let told = &party.activities(&app).await[..3];
            for (told, verb) in told.iter().zip(["Delete", "Update", "Add"]) {
                assert_eq!(*told, format!("{verb} delegated admin access assignment"));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_assigned_is_checked() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let client = new_client(&app, &partner).await;
        let foreign = new_client(&app, &customer).await;
        let user = seed::user_of(&app, &partner.tenant, "kim").await;
        let id = propose(&app, &partner, Some(&customer.tenant), BOTH, "P1Y").await;
        let body = |kind: &str, container: &str, roles: &[Role]| {
            json!({
                "accessContainer": {"accessContainerId": container, "accessContainerType": kind},
                "accessDetails": access_details(roles),
            })
        };
        let good = body("application", client.id.as_str(), &[Role::GlobalReader]);
        partner.post(&app, &assignments(&id), good.clone()).await.expect_error(409, "conflict");
        partner.request(&app, &id, "lockForApproval").await.expect(201);
        for (kind, container, roles, part) in [
            ("securityGroup", client.id.as_str(), &[Role::GlobalReader][..], "no groups"),
            ("group", client.id.as_str(), &[Role::GlobalReader], "accessContainerType"),
            ("application", foreign.id.as_str(), &[Role::GlobalReader], "accessContainerId"),
            ("user", client.id.as_str(), &[Role::GlobalReader], "accessContainerId"),
            ("application", user.user_id.as_str(), &[Role::GlobalReader], "accessContainerId"),
            ("application", "x", &[Role::GlobalReader], "accessContainerId"),
            ("application", client.id.as_str(), &[], "unifiedRoles"),
            ("application", client.id.as_str(), &[Role::GlobalAdministrator], "Global Administrator"),
        ] {
            let refused = partner.post(&app, &assignments(&id), body(kind, container, roles)).await;
            let refused = refused.expect_error(400, "badRequest");
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
        // The customer has no say in who it is, and does not see it.
        customer.post(&app, &assignments(&id), good.clone()).await.expect_error(403, "accessDenied");
        customer.get(&app, &assignments(&id)).await.expect_error(403, "accessDenied");
        partner.post(&app, &assignments(&id), good.clone()).await.expect(201);
        partner.post(&app, &assignments(&id), good.clone()).await.expect_error(409, "conflict");
        partner.post(&app, &assignments(&id), body("user", user.user_id.as_str(), BOTH)).await.expect(201);
        // It is not approved, so nothing counts.
        expect_refusal(&client.ask(&app, &customer.tenant).await, 400, "unauthorized_client", 7_000_229);
        customer.request(&app, &id, "reject").await.expect(201);
        let other = new_client(&app, &partner).await;
        let late = body("application", other.id.as_str(), &[Role::GlobalReader]);
        partner.post(&app, &assignments(&id), late).await.expect_error(409, "conflict");
    })
    .await;
}

#[tokio::test]
async fn an_application_acts_in_its_customers_tenant() {
    on_each_backend(async |app| {
        let (partner, client, id) = administered(&app, BOTH).await;
        let customer = customer(&app);
        let answer = client.ask(&app, &customer.tenant).await.expect(200);
        let token = access_token(&answer);
        let said = claims(&token);
        assert_eq!(said["tid"], customer.tenant.as_str());
        assert_eq!(said["iss"], format!("{}/{}/v2.0", app.base, customer.tenant));
        assert_eq!((&said["oid"], &said["appid"]), (&json!(client.id.as_str()), &json!(client.id.as_str())));
        assert_eq!(said["partner_tid"], partner.tenant.as_str());
        let mut wids: Vec<_> = BOTH.iter().map(|role| role.as_str()).collect();
        wids.sort_unstable();
        let mut told: Vec<_> = said["wids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, wids);
        assert_eq!(said.get("roles"), None);

        let user = seed::user(&app, "adele").await;
        let (boss, _) = seed::admin(&app, "boss", Role::GlobalAdministrator).await;
        reset(&app, &token, &user).await.expect(200);
        reset(&app, &token, &boss).await.expect_error(403, "accessDenied");
        for (party, named) in [(&customer, "partnerTenantId"), (&partner, "customerTenantId")] {
            let events = party.events(&app).await;
            let done: Vec<_> = events
                .iter()
                .filter(|event| event["activityDisplayName"] == "Admin reset multifactor authentication")
                .collect();
            assert_eq!(done.len(), 2);
            assert!(done.iter().all(|event| event.to_string().contains(named)), "{done:?}");
            assert!(done.iter().all(|event| event.to_string().contains(&id)), "{done:?}");
        }
        // A partner's token is of no use for what the roles do not give, for itself, and for relationships.
        let list = |path: &'static str| call_with(&app, &token, Method::GET, path, None, None);
        list("/v1.0/users").await.expect(200);
        list(RELATIONSHIPS).await.expect_error(403, "accessDenied");
        list("/v1.0/tenantRelationships/managedTenants/tenants").await.expect_error(403, "accessDenied");
        let users = json!({"displayName": "X"});
        let path = format!("/v1.0/users/{}", user.user_id);
        call_with(&app, &token, Method::PATCH, &path, None, Some(users)).await.expect(403);
        let requests = format!("{RELATIONSHIPS}/{id}/requests");
        let end = Some(json!({"action": "terminate"}));
        call_with(&app, &token, Method::POST, &requests, None, end).await.expect_error(403, "accessDenied");
    })
    .await;
}

#[tokio::test]
async fn a_partners_global_administrator_keeps_out_of_relationships() {
    on_each_backend(async |app| {
        let (_, client, id) = administered(&app, &[Role::GlobalAdministrator]).await;
        let token = client.token(&app, &app.tenant).await;
        let own = format!("{RELATIONSHIPS}/{id}");
        call_with(&app, &token, Method::GET, &own, None, None).await.expect_error(403, "accessDenied");
        let end = Some(json!({"action": "terminate"}));
        call_with(&app, &token, Method::POST, &format!("{own}/requests"), None, end).await.expect(403);
        call_with(&app, &token, Method::GET, "/v1.0/users", None, None).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn without_an_assignment_there_is_no_token() {
    on_each_backend(async |app| {
        let (partner, client, id) = administered(&app, BOTH).await;
        let other = new_customer(&app, "other.example").await;
        expect_refusal(&client.ask_with(&app, &app.tenant, "guess").await, 401, "invalid_client", 7_000_215);
        expect_refusal(&client.ask_with(&app, &other.tenant, "guess").await, 401, "invalid_client", 7_000_215);
        expect_refusal(&client.ask(&app, &other.tenant).await, 400, "unauthorized_client", 7_000_229);
        let unassigned = new_client(&app, &partner).await;
        expect_refusal(&unassigned.ask(&app, &app.tenant).await, 400, "unauthorized_client", 7_000_229);
        // Only partners' applications are looked for elsewhere.
        let ordinary = new_client(&app, &other).await;
        expect_refusal(&ordinary.ask(&app, &app.tenant).await, 400, "unauthorized_client", 700_016);
        // At home it is like any other.
        client.token(&app, &partner.tenant).await;
        // Guesses at a customer's endpoint are in the log of the application's own tenant.
        let failures = partner.events(&app).await.into_iter().filter(|event| event["result"] == "failure");
        assert!(failures.filter(|event| event.to_string().contains("AADSTS7000215")).count() >= 2);
        customer(&app).request(&app, &id, "terminate").await.expect(201);
        expect_refusal(&client.ask(&app, &app.tenant).await, 400, "unauthorized_client", 7_000_229);
    })
    .await;
}

#[tokio::test]
async fn a_token_dies_with_what_it_stands_on() {
    on_each_backend(async |app| {
        let (partner, client, id) = administered(&app, BOTH).await;
        let token = client.token(&app, &app.tenant).await;
        let users = async |token: &str| call_with(&app, token, Method::GET, "/v1.0/users", None, None).await;
        users(&token).await.expect(200);
        // With the assignment.
        let listed = partner.get(&app, &assignments(&id)).await.expect(200).json;
        let path = format!("{}/{}", assignments(&id), listed["value"][0]["id"].as_str().unwrap());
        call_with(&app, &partner.token, Method::DELETE, &path, Some("W/\"1\""), None).await.expect(204);
        users(&token).await.expect_error(401, "InvalidAuthenticationToken");
        assign(&app, &partner, &id, "application", client.id.as_str(), &[Role::GlobalReader]).await;
        // With a role less it can do less at once.
        users(&token).await.expect(200);
        let user = seed::user(&app, "adele").await;
        reset(&app, &token, &user).await.expect_error(403, "accessDenied");
        // With the relationship.
        customer(&app).request(&app, &id, "terminate").await.expect(201);
        users(&token).await.expect_error(401, "InvalidAuthenticationToken");
        reset(&app, &token, &user).await.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}

#[tokio::test]
async fn a_token_dies_when_the_relationship_ends_by_itself() {
    on_each_backend_with_own_clock(async |app| {
        let partner = new_partner(&app).await;
        let client = new_client(&app, &partner).await;
        let clock = app.app.store.context().clock.clone();
        let id = activate(&app, &partner, &customer(&app), BOTH, "P1D").await;
        assign(&app, &partner, &id, "application", client.id.as_str(), BOTH).await;
        clock.advance_seconds(24 * 60 * 60 - 60);
        let token = client.token(&app, &app.tenant).await;
        call_with(&app, &token, Method::GET, "/v1.0/users", None, None).await.expect(200);
        clock.advance_seconds(60);
        let refused = call_with(&app, &token, Method::GET, "/v1.0/users", None, None).await;
        refused.expect_error(401, "InvalidAuthenticationToken");
        expect_refusal(&client.ask(&app, &app.tenant).await, 400, "unauthorized_client", 7_000_229);
    })
    .await;
}

#[tokio::test]
async fn a_user_exchanges_his_own_token() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let kim = seed::user_of(&app, &partner.tenant, "kim").await;
        let id = activate(&app, &partner, &customer, BOTH, "P1Y").await;
        let own = token_of_user(&app, &kim).await;
        expect_refusal(&exchange(&app, &customer.tenant, &own).await, 400, "invalid_target", 50_020);
        assign(&app, &partner, &id, "user", kim.user_id.as_str(), &[Role::AuthenticationAdministrator]).await;
        let answer = exchange(&app, &customer.tenant, &own).await.expect(200);
        assert_eq!(answer.json["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let token = access_token(&answer);
        let (said, before) = (claims(&token), claims(&own));
        assert_eq!((&said["tid"], &said["oid"]), (&json!(customer.tenant.as_str()), &json!(kim.user_id.as_str())));
        assert_eq!(said["partner_tid"], partner.tenant.as_str());
        assert_eq!(said["iat_us"], before["iat_us"]);
        assert!(said["exp"].as_i64() <= before["exp"].as_i64());

        let user = seed::user(&app, "adele").await;
        reset(&app, &token, &user).await.expect(200);
        let event = &customer.events(&app).await[0];
        assert_eq!(event["initiatedBy"]["user"]["id"], kim.user_id.as_str(), "{event}");

        // None of these is good for it: the wrong tenant, an exchanged token, an application's, nonsense.
        for (tenant, subject) in [
            (&partner.tenant, own.as_str()),
            (&partner.tenant, token.as_str()),
            (&customer.tenant, token.as_str()),
            (&customer.tenant, partner.token.as_str()),
            (&customer.tenant, "x.y.z"),
        ] {
            expect_refusal(&exchange(&app, tenant, subject).await, 400, "invalid_request", 50_013);
        }
        let elsewhere = post_form(&app, "nowhere.example", exchange_form(&own)).await;
        expect_refusal(&elsewhere, 400, "invalid_request", 90_002);

        // His sessions end, and both tokens with them.
        sign_out(&app, &partner.tenant, &kim.user_id).await;
        reset(&app, &token, &user).await.expect_error(401, "InvalidAuthenticationToken");
        expect_refusal(&exchange(&app, &customer.tenant, &own).await, 400, "invalid_request", 50_013);
    })
    .await;
}

async fn sign_out(app: &TestApp, tenant: &TenantId, user: &UserId) {
    let (home, user) = (tenant.clone(), user.clone());
    let write = move |tx: &mut rekey::store::Tx<'_>| users::set_sessions_valid_from(tx, &home, &user, tx.now());
    app.app.store.write(tenant, write).await.unwrap();
}

#[tokio::test]
async fn an_exchanged_token_never_outlives_the_first() {
    on_each_backend_with_own_clock(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let kim = seed::user_of(&app, &partner.tenant, "kim").await;
        let id = activate(&app, &partner, &customer, BOTH, "P1Y").await;
        assign(&app, &partner, &id, "user", kim.user_id.as_str(), BOTH).await;
        let own = token_of_user(&app, &kim).await;
        app.app.store.context().clock.advance_seconds(3000);
        let answer = exchange(&app, &customer.tenant, &own).await.expect(200);
        assert_eq!(answer.json["expires_in"], 599);
        assert_eq!(claims(&access_token(&answer))["exp"], claims(&own)["exp"]);
        app.app.store.context().clock.advance_seconds(600);
        let token = access_token(&answer);
        call_with(&app, &token, Method::GET, "/v1.0/users", None, None).await.expect(401);
        expect_refusal(&exchange(&app, &customer.tenant, &own).await, 400, "invalid_request", 50_013);
    })
    .await;
}

#[tokio::test]
async fn a_hundred_at_most() {
    on_each_backend(async |app| {
        let partner = new_partner(&app).await;
        let id = activate(&app, &partner, &customer(&app), BOTH, "P1Y").await;
        for number in 0..100 {
            let user = seed::user_of(&app, &partner.tenant, &format!("engineer{number}")).await;
            assign(&app, &partner, &id, "user", user.user_id.as_str(), &[Role::GlobalReader]).await;
        }
        let client = new_client(&app, &partner).await;
        let body = json!({
            "accessContainer": {"accessContainerId": client.id.as_str(), "accessContainerType": "application"},
            "accessDetails": access_details(&[Role::GlobalReader]),
        });
        partner.post(&app, &assignments(&id), body).await.expect_error(409, "conflict");
        let first = partner.get(&app, &format!("{}?$top=60", assignments(&id))).await.expect(200).json;
        let next = first["@odata.nextLink"].as_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
        let second = partner.get(&app, &next).await.expect(200).json;
        let count = |page: &Value| page["value"].as_array().unwrap().len();
        assert_eq!((count(&first), count(&second)), (60, 40));
    })
    .await;
}
