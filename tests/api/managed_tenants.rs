//! `/tenantRelationships/managedTenants`: many customers at once.

use rekey::{clock::Entropy, methods::phone::PhoneType, roles::Role};
use reqwest::Method;
use serde_json::{Value, json};

use super::partner_fixtures::{
    Client, Party, activate, assign, call_with, customer, new_client, new_customer, new_partner,
};
use crate::support::{Answer, TestApp, on_each_backend, seed};

const MANAGED: &str = "/v1.0/tenantRelationships/managedTenants";

async fn get(app: &TestApp, token: &str, path: &str) -> Answer {
    call_with(app, token, Method::GET, &format!("{MANAGED}/{path}"), None, None).await
}

async fn common_actions(app: &TestApp, token: &str, tenants: &[&str]) -> Answer {
    let body = json!({"tenantIds": tenants});
    call_with(app, token, Method::POST, &format!("{MANAGED}/commonActions"), None, Some(body)).await
}

fn names(answer: &Answer) -> Vec<String> {
    answer.json["value"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// A partner's application with these roles in each customer, and its token of the partner's own tenant.
struct Managed {
    partner: Party,
    client: Client,
    token: String,
}

impl Managed {
    async fn new(app: &TestApp) -> Self {
        let partner = new_partner(app).await;
        let client = new_client(app, &partner).await;
        let token = client.token(app, &partner.tenant).await;
        Self { partner, client, token }
    }

    /// The relationship.
    async fn manage(&self, app: &TestApp, customer: &Party, roles: &[Role]) -> String {
        let id = activate(app, &self.partner, customer, roles, "P1Y").await;
        assign(app, &self.partner, &id, "application", self.client.id.as_str(), roles).await;
        id
    }
}

#[tokio::test]
async fn only_what_all_allow() {
    on_each_backend(async |app| {
        let managed = Managed::new(&app).await;
        let (one, other) = (customer(&app), new_customer(&app, "other.example").await);
        let stranger = new_customer(&app, "stranger.example").await;
        let first = managed.manage(&app, &one, &[Role::AuthenticationAdministrator, Role::ReportsReader]).await;
        managed.manage(&app, &other, &[Role::GlobalReader]).await;
        let (one_id, other_id) = (one.tenant.as_str(), other.tenant.as_str());
        let of = async |tenants: &[&str]| names(&common_actions(&app, &managed.token, tenants).await.expect(200));

        let resetter = of(&[one_id]).await;
        for name in ["resetMfa", "issueTemporaryAccessPass", "resetPassword", "revokeSignInSessions", "readAuditLogs"] {
            assert!(resetter.iter().any(|it| it == name), "{name} in {resetter:?}");
        }
        let reader = of(&[other_id]).await;
        for name in ["readUsers", "readMethods", "readPolicies", "readAuditLogs", "readRoles"] {
            assert!(reader.iter().any(|it| it == name), "{name} in {reader:?}");
        }
        assert!(!reader.iter().any(|name| name == "resetMfa" || name.starts_with("write")), "{reader:?}");
        let common = of(&[one_id, other_id, one_id]).await;
        let expected: Vec<_> = resetter.iter().filter(|name| reader.contains(name)).cloned().collect();
        assert_eq!(common, expected);
        assert!(common.contains(&"readUsers".to_owned()) && !common.contains(&"resetMfa".to_owned()), "{common:?}");
        // At home the application has no permission at all.
        assert_eq!(of(&[one_id, managed.partner.tenant.as_str()]).await, [""; 0]);

        // Nobody's tenant and one that is not there are refused in the same words.
        let nobody = Entropy::System.guid();
        let mut refusals = vec![];
        for tenant in [stranger.tenant.as_str(), nobody.as_str()] {
            let refused =
                common_actions(&app, &managed.token, &[one_id, tenant]).await.expect_error(403, "accessDenied");
            let message = refused.json["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(tenant), "{message}");
            refusals.push(message.replace(tenant, ""));
        }
        assert_eq!(refusals[0], refusals[1]);
        one.request(&app, &first, "terminate").await.expect(201);
        let refused = common_actions(&app, &managed.token, &[one_id, other_id]).await.expect_error(403, "accessDenied");
        assert!(refused.text.contains(one_id), "{}", refused.text);
        assert_eq!(of(&[other_id]).await, reader);
        for bad in [&[][..], &["x"]] {
            common_actions(&app, &managed.token, bad).await.expect_error(400, "badRequest");
        }
        common_actions(&app, &managed.token, &vec![other_id; 1000]).await.expect(200);
        common_actions(&app, &managed.token, &vec![other_id; 1001]).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn users_of_all_customers() {
    on_each_backend(async |app| {
        let managed = Managed::new(&app).await;
        let (one, other) = (customer(&app), new_customer(&app, "other.example").await);
        let hidden = new_customer(&app, "hidden.example").await;
        managed.manage(&app, &one, &[Role::AuthenticationAdministrator]).await;
        managed.manage(&app, &other, &[Role::GlobalReader]).await;
        managed.manage(&app, &hidden, &[Role::ReportsReader]).await;
        let mut expected = vec![];
        for party in [&one, &other, &hidden] {
            for number in 0..5 {
                let user = seed::user_of(&app, &party.tenant, &format!("user{number}")).await;
                if number == 0 {
                    seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
                }
                if number == 1 {
                    seed::every_kind(&app, &user).await;
                }
                if number == 2 {
                    let now = seed::created();
                    seed::set_requirements(&app, &user, move |it| it.registration_required_at = Some(now)).await;
                }
                if party.tenant != hidden.tenant {
                    expected.push((user.tenant_id.to_string(), user.user_id.to_string()));
                }
            }
        }
        expected.sort();
        let both = format!("users?tenantIds={},{}", other.tenant, one.tenant);
        for (query, top) in [(both.as_str(), 3), (both.as_str(), 5), ("users?x=1", 3), ("users?x=1", 100)] {
            let mut found = vec![];
            let mut next = format!("{query}&$top={top}");
            loop {
                let page = get(&app, &managed.token, &next).await.expect(200).json;
                let users = page["value"].as_array().unwrap();
                assert!(users.len() <= top);
                for user in users {
                    found
                        .push((user["tenantId"].as_str().unwrap().to_owned(), user["id"].as_str().unwrap().to_owned()));
                    let number = user["displayName"].as_str().unwrap().chars().last().unwrap();
                    assert_eq!(user["isMfaRegistered"], number == '0' || number == '1', "{user}");
                    assert_eq!(user["registrationRequired"], number == '2', "{user}");
                    assert_eq!(user["registrationRequiredDateTime"].is_string(), number == '2', "{user}");
                    assert_eq!(user["accountEnabled"], true);
                }
                let Some(link) = page["@odata.nextLink"].as_str() else { break };
                next = link.split_once(&format!("{MANAGED}/")).unwrap().1.to_owned();
            }
            assert_eq!(found, expected, "{query}");
        }
        // Who names a tenant is told what is missing in it.
        let refused = get(&app, &managed.token, &format!("users?tenantIds={}", hidden.tenant)).await;
        refused.expect_error(403, "Authorization_RequestDenied");
        let nobody = Entropy::System.guid();
        let refused = get(&app, &managed.token, &format!("users?tenantIds={},{nobody}", one.tenant)).await;
        assert!(refused.expect_error(403, "accessDenied").text.contains(&nobody));
        for bad in ["users?tenantIds=", "users?tenantIds=x", "users?$skiptoken=eA", "users?$top=0"] {
            get(&app, &managed.token, bad).await.expect_error(400, "badRequest");
        }
        // Without anything assigned there is nothing to see.
        let unassigned = new_client(&app, &managed.partner).await.token(&app, &managed.partner.tenant).await;
        for list in ["users", "tenants", "credentialUserRegistrationsSummaries"] {
            assert_eq!(get(&app, &unassigned, list).await.expect(200).json["value"], json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn tenants_and_their_numbers() {
    on_each_backend(async |app| {
        let managed = Managed::new(&app).await;
        let (one, other) = (customer(&app), new_customer(&app, "other.example").await);
        managed.manage(&app, &one, &[Role::AuthenticationAdministrator]).await;
        managed.manage(&app, &other, &[Role::ReportsReader]).await;
        for number in 0..4 {
            let user = seed::user(&app, &format!("user{number}")).await;
            if number < 2 {
                seed::every_kind(&app, &user).await;
            }
        }
        let mut ids = [one.tenant.as_str(), other.tenant.as_str()];
        ids.sort_unstable();
        let listed = async |what: &str| {
            let first = get(&app, &managed.token, &format!("{what}?$top=1")).await.expect(200).json;
            let next =
                first["@odata.nextLink"].as_str().unwrap().split_once(&format!("{MANAGED}/")).unwrap().1.to_owned();
            let second = get(&app, &managed.token, &next).await.expect(200).json;
            assert_eq!(second.get("@odata.nextLink"), None);
            let pages = [first["value"][0].clone(), second["value"][0].clone()];
            assert_eq!([&pages[0]["tenantId"], &pages[1]["tenantId"]], [ids[0], ids[1]]);
            pages
        };
        let tenants = listed("tenants").await;
        let mine = tenants.iter().find(|tenant| tenant["tenantId"] == one.tenant.as_str()).unwrap();
        assert_eq!(mine["contract"]["defaultDomainName"], "contoso.example");
        assert_eq!(mine["tenantStatusInformation"]["onboardingStatus"], "active");
        for summary in listed("credentialUserRegistrationsSummaries").await {
            let readable = summary["tenantId"] == one.tenant.as_str();
            let expected =
                if readable { [json!(4), json!(2), json!(true)] } else { [Value::Null, Value::Null, Value::Null] };
            let numbers = ["totalUserCount", "mfaRegisteredUserCount", "securityDefaultsEnabled"];
            assert_eq!(numbers.map(|name| summary[name].clone()), expected, "{summary}");
        }
        let summary = |id: &str| format!("credentialUserRegistrationsSummaries/{id}");
        let found = get(&app, &managed.token, &summary(one.tenant.as_str())).await.expect(200).json;
        assert_eq!((&found["id"], &found["totalUserCount"]), (&json!(one.tenant.as_str()), &json!(4)));
        get(&app, &managed.token, &summary(other.tenant.as_str())).await.expect(403);
        for id in [managed.partner.tenant.as_str(), &Entropy::System.guid(), "x"] {
            get(&app, &managed.token, &summary(id)).await.expect_error(404, "resourceNotFound");
        }
        // A token of the customer's tenant is the wrong one here.
        let abroad = managed.client.token(&app, &one.tenant).await;
        get(&app, &abroad, "users").await.expect_error(403, "accessDenied");
    })
    .await;
}

#[tokio::test]
async fn customers() {
    on_each_backend(async |app| {
        let managed = Managed::new(&app).await;
        let (one, other) = (customer(&app), new_customer(&app, "other.example").await);
        managed.manage(&app, &one, &[Role::GlobalReader]).await;
        managed.manage(&app, &one, &[Role::GlobalReader, Role::ReportsReader]).await;
        let last = managed.manage(&app, &other, &[Role::GlobalReader]).await;
        const CUSTOMERS: &str = "/v1.0/tenantRelationships/delegatedAdminCustomers";
        let mut ids = [one.tenant.as_str(), other.tenant.as_str()];
        ids.sort_unstable();
        let first = managed.partner.get(&app, &format!("{CUSTOMERS}?$top=1")).await.expect(200).json;
        let next = first["@odata.nextLink"].as_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
        let second = managed.partner.get(&app, &next).await.expect(200).json;
        assert_eq!([&first["value"][0]["id"], &second["value"][0]["id"]], [ids[0], ids[1]]);
        assert_eq!(second.get("@odata.nextLink"), None);
        managed.partner.get(&app, &format!("{CUSTOMERS}?$top=301")).await.expect_error(400, "badRequest");
        let path = format!("{CUSTOMERS}/{}", other.tenant);
        assert_eq!(managed.partner.get(&app, &path).await.expect(200).json["displayName"], "other.example");
        let services = managed.partner.get(&app, &format!("{path}/serviceManagementDetails")).await.expect(200).json;
        assert_eq!(services["value"][0]["serviceName"], "Rekey");
        // A customer has no customers.
        assert_eq!(one.get(&app, CUSTOMERS).await.expect(200).json["value"], json!([]));
        other.request(&app, &last, "terminate").await.expect(201);
        for gone in [path.clone(), format!("{path}/serviceManagementDetails")] {
            managed.partner.get(&app, &gone).await.expect_error(404, "resourceNotFound");
        }
        // The application has no permission in its own tenant, so it does not see them.
        call_with(&app, &managed.token, Method::GET, CUSTOMERS, None, None).await.expect(403);
    })
    .await;
}
