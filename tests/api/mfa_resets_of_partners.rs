//! A partner's reset of the users of several customers.

use rekey::{id::TenantId, methods::phone::PhoneType, mfa_resets::work, roles::Role, store::users::User};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    mfa_resets::work as work_all,
    partner_fixtures::{Party, activate, assign, call_with, new_client, new_customer, new_partner},
};
use crate::support::{TestApp, on_each_backend_with_own_clock, seed};

const PATH: &str = "/v1.0/mfaResets";
const USERS: usize = 3;

async fn people(app: &TestApp, tenant: &TenantId) -> Vec<User> {
    let mut people = vec![];
    for number in 0..USERS {
        let user = seed::user_of(app, tenant, &format!("user{number}")).await;
        seed::phone(app, &user, PhoneType::Mobile, "+1 2065550100").await;
        people.push(user);
    }
    people
}

fn part<'a>(reset: &'a Value, customer: &Party) -> &'a Value {
    let summary = reset["summary"].as_array().unwrap();
    summary.iter().find(|part| part["tenantId"] == json!(customer.tenant)).unwrap()
}

fn detail<'a>(event: &'a Value, key: &str) -> Option<&'a str> {
    let mut details = event["additionalDetails"].as_array()?.iter();
    details.find(|detail| detail["key"] == key)?["value"].as_str()
}

#[tokio::test]
async fn a_relationship_that_ends_half_way_ends_the_rest() {
    on_each_backend_with_own_clock(async |app| {
        let partner = new_partner(&app).await;
        let client = new_client(&app, &partner).await;
        let (mut customers, mut relationships) = (vec![], vec![]);
        for name in ["north.example", "south.example", "west.example"] {
            let customer = new_customer(&app, name).await;
            people(&app, &customer.tenant).await;
            let id = activate(&app, &partner, &customer, &[Role::AuthenticationAdministrator], "P1Y").await;
            assign(&app, &partner, &id, "application", client.id.as_str(), &[Role::AuthenticationAdministrator]).await;
            customers.push(customer);
            relationships.push(id);
        }
        let admin = seed::user_of(&app, &customers[0].tenant, "admin").await;
        seed::grant(&app, &admin, Role::GlobalAdministrator).await;
        let stranger = new_customer(&app, "east.example").await;
        let out_of_reach = people(&app, &stranger.tenant).await.remove(0);

        let token = client.token(&app, &partner.tenant).await;
        let call = async |method: Method, path: &str, if_match: Option<&str>, body: Option<Value>| {
            call_with(&app, &token, method, path, if_match, body).await
        };
        let selections: Vec<_> = customers.iter().map(|customer| json!({"tenantId": customer.tenant})).collect();
        let targets = json!([{"tenantId": stranger.tenant, "user": out_of_reach.user_id}]);
        let body = json!({"reason": "Incident 7", "selections": selections, "targets": targets});
        let created = call(Method::POST, PATH, None, Some(body)).await.expect(201).json;
        let path = format!("{PATH}/{}", created["id"].as_str().unwrap());
        work_all(&app).await;
        let previewed = call(Method::GET, &path, None, None).await.expect(200).json;
        for customer in &customers {
            let part = part(&previewed, customer);
            assert_eq!((&part["userCount"], &part["deleteCounts"]["phone"]), (&json!(USERS), &json!(USERS)), "{part}");
            assert!(part["displayName"].is_string());
        }
        assert_eq!(part(&previewed, &customers[0])["notPermitted"][0]["code"], "targetTooPrivileged");
        assert_eq!(part(&previewed, &stranger)["notPermitted"][0]["code"], "noActiveRelationship");

        // One user of each customer, then one customer has enough.
        let etag = previewed["@odata.etag"].as_str();
        call(Method::POST, &format!("{path}/confirm"), etag, None).await.expect(200);
        let pace = work::Pace::users_per_second(1);
        while work::take_turn(&app.app.store, pace).await.unwrap() {}
        let running = call(Method::GET, &path, None, None).await.expect(200).json;
        assert_eq!(
            (&running["status"], &running["progress"]["doneCount"]),
            (&json!("running"), &json!(3)),
            "{running}"
        );
        customers[1].request(&app, &relationships[1], "terminate").await.expect(201);
        for _ in 0..USERS + 2 {
            app.app.store.context().clock.advance_seconds(2);
            while work::take_turn(&app.app.store, pace).await.unwrap() {}
        }

        let done = call(Method::GET, &path, None, None).await.expect(200).json;
        assert_eq!(done["status"], "partiallySucceeded", "{done}");
        let progress = |customer: &Party, count: &str| part(&done, customer)["progress"][count].clone();
        for customer in [&customers[0], &customers[2]] {
            assert_eq!(progress(customer, "doneCount"), json!(USERS));
        }
        assert_eq!(progress(&customers[1], "doneCount"), 1);
        assert_eq!(progress(&customers[1], "notPermittedCount"), USERS - 1);
        let filter = format!("$filter=tenantId eq '{}' and status eq 'notPermitted'", customers[1].tenant);
        let refused = call(Method::GET, &format!("{path}/items?{filter}"), None, None).await.expect(200).json;
        assert_eq!(refused["value"][0]["reason"]["code"], "noActiveRelationship");
        let report = call(Method::GET, &format!("{path}/report.csv"), None, None).await.expect(200).text;
        assert_eq!(report.matches("noActiveRelationship").count(), USERS, "{report}");

        // Each customer's log tells who it was and by which right; the partner's tells of which customers.
        let events = customers[0].events(&app).await;
        let resets: Vec<_> = events.iter().filter(|event| detail(event, "mfaResetId").is_some()).collect();
        assert_eq!(resets.len(), USERS);
        for event in resets {
            assert_eq!(event["initiatedBy"]["app"]["appId"], json!(client.id), "{event}");
            assert_eq!(detail(event, "partnerTenantId"), Some(partner.tenant.as_str()));
            assert_eq!(detail(event, "delegatedAdminRelationshipId"), Some(relationships[0].as_str()));
            assert_eq!(detail(event, "reason"), Some("Incident 7"));
        }
        let finished = partner.events(&app).await;
        let name = rekey::audit::Activity::FINISH_MFA_RESET.display_name;
        let finished = finished.iter().find(|event| event["activityDisplayName"] == name).unwrap();
        let named: Vec<_> = finished["additionalDetails"].as_array().unwrap().iter().collect();
        for customer in &customers {
            assert!(named.iter().any(|detail| detail["value"] == json!(customer.tenant)), "{finished}");
        }
        // A receipt from each of the three, none of the stranger.
        let receipts = call(Method::GET, &format!("{path}/receipts"), None, None).await.expect(200).json;
        assert_eq!(receipts["value"].as_array().unwrap().len(), 3);
        call(Method::GET, &format!("{path}/receipts/{}", stranger.tenant), None, None)
            .await
            .expect_error(404, "resourceNotFound");

        // A customer sees nothing of the partner's reset, and a customer's token makes none.
        customers[0].get(&app, &path).await.expect_error(404, "resourceNotFound");
        let acting = client.token(&app, &customers[0].tenant).await;
        let body = json!({"targets": [{"user": admin.user_id}]});
        call_with(&app, &acting, Method::POST, PATH, None, Some(body)).await.expect_error(403, "accessDenied");
    })
    .await;
}
