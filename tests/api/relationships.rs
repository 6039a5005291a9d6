//! `/tenantRelationships/delegatedAdminRelationships`: what a partner proposes, and what becomes of it.

use rekey::{roles::Role, worker};
use reqwest::Method;
use serde_json::{Value, json};

use super::partner_fixtures::{
    Party, RELATIONSHIPS, access_details, activate, call_with, customer, new_customer, new_partner, proposal, propose,
};
use crate::support::{TestApp, on_each_backend, on_each_backend_with_own_clock, seed};

const DAY: i64 = 24 * 60 * 60;
const READER: &[Role] = &[Role::GlobalReader];

fn path(id: &str) -> String {
    format!("{RELATIONSHIPS}/{id}")
}

#[tokio::test]
async fn from_proposal_to_termination() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let mut body =
            proposal(Some(&customer.tenant), &[Role::AuthenticationAdministrator, Role::GlobalReader], "P730D");
        body["displayName"] = json!("  Help desk  ");
        body["customer"]["displayName"] = json!("Our best customer");
        let made = partner.post(&app, RELATIONSHIPS, body).await.expect(201);
        let id = made.json["id"].as_str().unwrap().to_owned();
        assert_eq!(made.headers["location"], format!("{}{}", app.base, path(&id)));
        assert_eq!(made.headers["etag"], made.json["@odata.etag"].as_str().unwrap());
        assert_eq!(made.json["status"], "created");
        assert_eq!(made.json["displayName"], "Help desk");
        assert_eq!(made.json["autoExtendDuration"], "PT0S");
        // What the partner calls it: the true name is no business of whoever guesses ids.
        assert_eq!(made.json["customer"]["displayName"], "Our best customer");
        assert_eq!(made.json["partner"]["displayName"], "fabrikam.example");
        for missing in ["activatedDateTime", "endDateTime"] {
            assert_eq!(made.json[missing], Value::Null);
        }
        customer.get(&app, &path(&id)).await.expect_error(404, "resourceNotFound");

        let locked = partner.request(&app, &id, "lockForApproval").await.expect(201);
        assert_eq!((&locked.json["action"], &locked.json["status"]), (&json!("lockForApproval"), &json!("succeeded")));
        let request = locked.headers["location"].to_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
        assert_eq!(partner.get(&app, &request).await.expect(200).json["id"], locked.json["id"]);
        assert_eq!(customer.status(&app, &id).await, "approvalPending");

        customer.request(&app, &id, "approve").await.expect(201);
        let active = partner.get(&app, &path(&id)).await.expect(200).json;
        assert_eq!(
            (&active["status"], &active["customer"]["displayName"]),
            (&json!("active"), &json!("contoso.example"))
        );
        assert!(active["endDateTime"].as_str() > active["activatedDateTime"].as_str(), "{active}");
        let customers = partner.get(&app, "/v1.0/tenantRelationships/delegatedAdminCustomers").await.expect(200).json;
        assert_eq!(customers["value"][0]["tenantId"], customer.tenant.as_str());
        let tenant = customer.tenant.as_str();
        let contract = json!({
            "id": tenant, "contractType": "ResellerPartner", "customerId": tenant,
            "defaultDomainName": "contoso.example", "displayName": "contoso.example",
        });
        let contracts = partner.get(&app, "/v1.0/contracts").await.expect(200).json;
        assert_eq!(contracts["value"], json!([contract]));
        let mut one = partner.get(&app, &format!("/v1.0/contracts/{tenant}")).await.expect(200).json;
        let context = one.as_object_mut().unwrap().shift_remove("@odata.context").unwrap();
        assert_eq!(context, format!("{}/v1.0/$metadata#contracts/$entity", app.base));
        assert_eq!(one, contract);
        let own = partner.tenant.as_str();
        partner.get(&app, &format!("/v1.0/contracts/{own}")).await.expect_error(404, "resourceNotFound");

        customer.request(&app, &id, "terminate").await.expect(201);
        assert_eq!(partner.status(&app, &id).await, "terminated");
        assert_eq!(partner.get(&app, "/v1.0/contracts").await.expect(200).json["value"], json!([]));
        partner.get(&app, &format!("/v1.0/contracts/{tenant}")).await.expect_error(404, "resourceNotFound");
        let customers = partner.get(&app, "/v1.0/tenantRelationships/delegatedAdminCustomers").await.expect(200).json;
        assert_eq!(customers["value"], json!([]));
        let requests = customer.get(&app, &format!("{}/requests", path(&id))).await.expect(200).json;
        let actions: Vec<_> = requests["value"].as_array().unwrap().iter().map(|it| it["action"].clone()).collect();
        assert_eq!(actions, ["lockForApproval", "approve", "terminate"]);
    })
    .await;
}

#[tokio::test]
async fn both_logs_tell_of_it() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let id = activate(&app, &partner, &customer, READER, "P1Y").await;
        partner.request(&app, &id, "terminate").await.expect(201);
        let steps = [
            "Terminate delegated admin relationship",
            "Approve delegated admin relationship",
            "Lock delegated admin relationship for approval",
        ];
        assert_eq!(customer.activities(&app).await, steps);
        let mut own = partner.activities(&app).await;
        // The draft is the partner's own affair.
        assert_eq!(own.pop().as_deref(), Some("Add delegated admin relationship"));
        assert_eq!(own, steps);
        for (party, event) in [(&partner, "Approve"), (&customer, "Terminate"), (&customer, "Lock")] {
            let events = party.events(&app).await;
            let name = |event: &Value| event["activityDisplayName"].as_str().unwrap().to_owned();
            let found = events.iter().find(|found| name(found).starts_with(event)).unwrap();
            let details = found["additionalDetails"].to_string();
            for named in [partner.tenant.as_str(), customer.tenant.as_str(), "fabrikam.example", &id] {
                assert!(details.contains(named), "{named} in {found}");
            }
            // Before it has approved the customer is not called by its own name: the partner must not learn of tenants.
            assert_eq!(details.contains("contoso.example"), event != "Lock", "{found}");
            // Who it was is told to the other party, from where is not.
            assert_eq!(found["initiatedBy"]["app"]["displayName"], "Test application", "{found}");
            assert!(!found.to_string().contains("127.0.0.1"), "{found}");
        }
    })
    .await;
}

#[tokio::test]
async fn each_side_does_its_own_part() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let stranger = new_customer(&app, "stranger.example").await;
        let id = propose(&app, &partner, Some(&customer.tenant), READER, "P1Y").await;
        let refused = async |party: &Party, action: &str, status: u16| {
            let answer = party.request(&app, &id, action).await.expect(status);
            let message = answer.json["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.len() > 20, "{message}");
        };
        for (action, status) in [("approve", 403), ("reject", 403), ("terminate", 409)] {
            refused(&partner, action, status).await;
            refused(&customer, action, 404).await;
        }
        partner.request(&app, &id, "lockForApproval").await.expect(201);
        for action in ["approve", "reject", "terminate", "lockForApproval"] {
            refused(&stranger, action, 404).await;
        }
        refused(&partner, "lockForApproval", 409).await;
        refused(&customer, "lockForApproval", 403).await;
        refused(&partner, "approve", 403).await;
        refused(&partner, "reject", 403).await;
        customer.request(&app, &id, "approve").await.expect(201);
        refused(&customer, "approve", 409).await;
        refused(&customer, "reject", 409).await;
        partner.request(&app, &id, "terminate").await.expect(201);
        for party in [&partner, &customer] {
            refused(party, "terminate", 409).await;
        }
        refused(&customer, "approve", 409).await;
        let answer = partner.request(&app, &id, "resurrect").await.expect(400);
        assert_eq!(answer.json["error"]["code"], "badRequest");

        // A refusal for the wrong side is recorded where the caller is.
        let events = customer.events(&app).await;
        assert!(events.iter().any(|event| event["result"] == "failure"), "{events:?}");

        let id = propose(&app, &partner, Some(&customer.tenant), READER, "P1Y").await;
        partner.request(&app, &id, "lockForApproval").await.expect(201);
        customer.request(&app, &id, "reject").await.expect(201);
        assert_eq!(partner.status(&app, &id).await, "terminated");
    })
    .await;
}

#[tokio::test]
async fn whoever_was_told_the_id_becomes_the_customer() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let other = new_customer(&app, "other.example").await;
        let id = propose(&app, &partner, None, READER, "P1Y").await;
        customer.get(&app, &path(&id)).await.expect(404);
        partner.request(&app, &id, "lockForApproval").await.expect(201);
        for party in [&customer, &other] {
            let seen = party.get(&app, &path(&id)).await.expect(200).json;
            assert_eq!((&seen["status"], &seen["customer"]), (&json!("approvalPending"), &Value::Null));
            assert_eq!(party.get(&app, RELATIONSHIPS).await.expect(200).json["value"], json!([]));
            party.request(&app, &id, "reject").await.expect_error(403, "accessDenied");
            party.request(&app, &id, "terminate").await.expect_error(403, "accessDenied");
        }
        customer.request(&app, &id, "approve").await.expect(201);
        let seen = partner.get(&app, &path(&id)).await.expect(200).json;
        assert_eq!(seen["customer"]["tenantId"], customer.tenant.as_str());
        assert_eq!(customer.activities(&app).await[0], "Approve delegated admin relationship");
        other.get(&app, &path(&id)).await.expect(404);
        other.request(&app, &id, "approve").await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn a_customer_that_is_not_there_gives_nothing_away() {
    on_each_backend(async |app| {
        let partner = new_partner(&app).await;
        let nobody = rekey::id::TenantId::new(rekey::clock::Entropy::System.guid());
        let mut shown = vec![];
        for customer in [&app.tenant, &nobody] {
            let id = propose(&app, &partner, Some(customer), READER, "P1Y").await;
            partner.request(&app, &id, "lockForApproval").await.expect(201);
            let mut seen = partner.get(&app, &path(&id)).await.expect(200).json;
            for own in ["id", "displayName", "createdDateTime", "lastModifiedDateTime"] {
                seen.as_object_mut().unwrap().remove(own);
            }
            seen["customer"]["tenantId"] = Value::Null;
            shown.push(seen);
            partner.request(&app, &id, "terminate").await.expect(201);
        }
        assert_eq!(shown[0], shown[1]);
    })
    .await;
}

#[tokio::test]
async fn what_is_proposed_is_checked() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let good = || proposal(Some(&customer.tenant), READER, "P1Y");
        let refused = async |target: &str, change: Value| {
            let mut body = good();
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let answer = partner.post(&app, RELATIONSHIPS, body).await.expect_error(400, "badRequest");
            let message = answer.json["error"].to_string();
            assert!(message.contains(target), "{target}: {message}");
        };
        for name in ["", "   ", &"x".repeat(51), "a\nb"] {
            refused("displayName", json!({"displayName": name})).await;
        }
        for duration in ["P0D", "P2Y1D", "P731D", "1 year", "PT24H", ""] {
            refused("duration", json!({"duration": duration})).await;
        }
        for extension in ["P90D", "P180", "P1D"] {
            refused("autoExtendDuration", json!({"autoExtendDuration": extension})).await;
        }
        refused("tenantId", json!({"customer": {"tenantId": partner.tenant.as_str()}})).await;
        refused("tenantId", json!({"customer": {"tenantId": "contoso.example"}})).await;
        refused("unifiedRoles", json!({"accessDetails": {"unifiedRoles": []}})).await;
        refused("unifiedRoles", json!({"accessDetails": access_details(&[Role::GlobalReader, Role::GlobalReader])}))
            .await;
        refused("roleDefinitionId", json!({"accessDetails": {"unifiedRoles": [{"roleDefinitionId": "boss"}]}})).await;
        refused("surprise", json!({"surprise": true})).await;
        for (sent, shown) in [("P0D", "PT0S"), ("PT0S", "PT0S"), ("P180D", "P180D")] {
            let mut body = good();
            body["autoExtendDuration"] = json!(sent);
            let made = partner.post(&app, RELATIONSHIPS, body.clone()).await.expect(201).json;
            assert_eq!(made["autoExtendDuration"], shown);
            partner.post(&app, RELATIONSHIPS, body).await.expect_error(409, "nameAlreadyExists");
        }
        customer.post(&app, RELATIONSHIPS, proposal(None, READER, "P1Y")).await.expect_error(403, "accessDenied");
        // The same key makes one relationship.
        let once = async || {
            let request = app.http.post(format!("{}{RELATIONSHIPS}", app.base)).bearer_auth(&partner.token);
            let mut body = good();
            body["displayName"] = json!("Once");
            crate::support::Answer::of(request.header("idempotency-key", "k").json(&body)).await.expect(201).json
        };
        assert_eq!(once().await["id"], once().await["id"]);
    })
    .await;
}

#[tokio::test]
async fn changes_need_the_present_etag() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let id = propose(&app, &partner, Some(&customer.tenant), READER, "P1Y").await;
        let change = async |method: Method, tag: Option<&str>, body: Option<Value>| {
            call_with(&app, &partner.token, method, &path(&id), tag, body).await
        };
        let body =
            json!({"duration": "P30D", "customer": null, "accessDetails": access_details(&[Role::ReportsReader])});
        for method in [Method::PATCH, Method::DELETE] {
            let sent = (method == Method::PATCH).then(|| body.clone());
            change(method.clone(), None, sent.clone()).await.expect_error(428, "preconditionRequired");
            for stale in ["W/\"7\"", "x"] {
                change(method.clone(), Some(stale), sent.clone()).await.expect(412);
            }
        }
        let tag = partner.get(&app, &path(&id)).await.expect(200).json["@odata.etag"].as_str().unwrap().to_owned();
        let changed = change(Method::PATCH, Some(&tag), Some(body.clone())).await.expect(200);
        assert_eq!((&changed.json["duration"], &changed.json["customer"]), (&json!("P30D"), &Value::Null));
        let next = changed.headers["etag"].to_str().unwrap().to_owned();
        assert_ne!(next, tag);
        change(Method::PATCH, Some(&tag), Some(body.clone())).await.expect(412);
        // What changes nothing keeps the version.
        let same = change(Method::PATCH, Some(&next), Some(body.clone())).await.expect(200);
        assert_eq!(same.json["@odata.etag"], next.as_str());
        change(Method::PATCH, Some(&next), Some(json!({"duration": null}))).await.expect_error(400, "badRequest");

        // Whatever version it is, and one of several (RFC 9110 section 13.1.1).
        change(Method::PATCH, Some("*"), Some(body.clone())).await.expect(200);
        change(Method::PATCH, Some(&format!("{tag}, {next}")), Some(body.clone())).await.expect(200);
        change(Method::PATCH, Some(&format!("{tag}, \"x\"")), Some(body.clone())).await.expect(412);

        partner.request(&app, &id, "lockForApproval").await.expect(201);
        let locked = partner.get(&app, &path(&id)).await.expect(200).json["@odata.etag"].as_str().unwrap().to_owned();
        for method in [Method::PATCH, Method::DELETE] {
            let sent = (method == Method::PATCH).then(|| body.clone());
            let refused = change(method, Some(&locked), sent).await.expect_error(409, "conflict");
            assert!(refused.text.contains("terminate"), "{}", refused.text);
        }
        // A customer changes nothing at all.
        let answer = call_with(&app, &customer.token, Method::PATCH, &path(&id), Some(&locked), Some(body)).await;
        answer.expect_error(403, "accessDenied");

        let draft = propose(&app, &partner, None, READER, "P1Y").await;
        call_with(&app, &partner.token, Method::DELETE, &path(&draft), Some("W/\"1\""), None).await.expect(204);
        partner.get(&app, &path(&draft)).await.expect(404);
        assert_eq!(partner.activities(&app).await[0], "Delete delegated admin relationship");
    })
    .await;
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let other = new_customer(&app, "other.example").await;
        let mut of_customer = vec![];
        for _ in 0..3 {
            of_customer.push(activate(&app, &partner, &customer, READER, "P1Y").await);
        }
        let draft = propose(&app, &partner, Some(&customer.tenant), READER, "P1Y").await;
        let of_other = activate(&app, &partner, &other, READER, "P1Y").await;
        let ids = async |party: &Party, query: &str| {
            let (mut ids, mut next) = (vec![], format!("{}{RELATIONSHIPS}?$top=2{query}", app.base));
            loop {
                let path = next.strip_prefix(&app.base).unwrap().to_owned();
                let page = party.get(&app, &path).await.expect(200).json;
                let found = page["value"].as_array().unwrap();
                assert!(found.len() <= 2);
                ids.extend(found.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
                match page["@odata.nextLink"].as_str() {
                    Some(link) => next = link.to_owned(),
                    None => return ids,
                }
            }
        };
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        let all = [of_customer.clone(), vec![draft.clone(), of_other.clone()]].concat();
        assert_eq!(ids(&partner, "").await, sorted(all));
        assert_eq!(ids(&customer, "").await, sorted(of_customer.clone()));
        assert_eq!(ids(&partner, "&$filter=status eq 'created'").await, [draft]);
        assert_eq!(ids(&partner, "&$filter=status eq 'expiring'").await, [""; 0]);
        let of = format!("&$filter=status eq 'active' and customer/tenantId eq '{}'", other.tenant);
        assert_eq!(ids(&partner, &of).await, [of_other]);
        partner.get(&app, &format!("{RELATIONSHIPS}?$top=301")).await.expect_error(400, "badRequest");
        partner.get(&app, &format!("{RELATIONSHIPS}?$filter=duration eq 'P1Y'")).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn roles_and_permissions_say_who_may() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let id = propose(&app, &partner, Some(&customer.tenant), READER, "P1Y").await;
        partner.request(&app, &id, "lockForApproval").await.expect(201);
        let approve = json!({"action": "approve"});
        for role in Role::ALL {
            let (_, token) = seed::admin(&app, &format!("admin{role:?}"), *role).await;
            let read = call_with(&app, &token, Method::GET, &path(&id), None, None).await;
            let reads = matches!(role, Role::GlobalReader | Role::GlobalAdministrator);
            assert_eq!(read.status.as_u16(), if reads { 200 } else { 403 }, "{role:?}");
            if *role != Role::GlobalAdministrator {
                let requests = format!("{}/requests", path(&id));
                call_with(&app, &token, Method::POST, &requests, None, Some(approve.clone())).await.expect(403);
            }
        }
        let (_, token) = seed::admin(&app, "boss", Role::GlobalAdministrator).await;
        let requests = format!("{}/requests", path(&id));
        call_with(&app, &token, Method::POST, &requests, None, Some(approve)).await.expect(201);
        let readers = app.token_with(&app.tenant, &["DelegatedAdminRelationship.Read.All"]).await;
        call_with(&app, &readers, Method::GET, &path(&id), None, None).await.expect(200);
        let end = Some(json!({"action": "terminate"}));
        let refused = call_with(&app, &readers, Method::POST, &requests, None, end).await.expect(403);
        assert!(refused.text.contains("DelegatedAdminRelationship.ReadWrite.All"), "{}", refused.text);
    })
    .await;
}

#[tokio::test]
async fn the_clock_ends_it() {
    on_each_backend_with_own_clock(async |app| {
        let (mut partner, mut customer) = (new_partner(&app).await, customer(&app));
        let clock = app.app.store.context().clock.clone();
        let id = activate(&app, &partner, &customer, READER, "P10D").await;
        let pending = propose(&app, &partner, Some(&customer.tenant), READER, "P10D").await;
        partner.request(&app, &pending, "lockForApproval").await.expect(201);
        let list = |status: &str| format!("{RELATIONSHIPS}?$filter=status eq '{status}'");
        for (days, status) in [(8, "active"), (1, "expiring"), (1, "expired")] {
            clock.advance_seconds(days * DAY);
            partner.refresh(&app).await;
            customer.refresh(&app).await;
            for party in [&partner, &customer] {
                assert_eq!(party.status(&app, &id).await, status);
                let found = party.get(&app, &list(status)).await.expect(200).json;
                assert_eq!(found["value"][0]["id"], id.as_str(), "{found}");
            }
        }
        customer.request(&app, &id, "terminate").await.expect_error(409, "conflict");
        assert_eq!(partner.status(&app, &pending).await, "approvalPending");
        // What is written down afterwards changes nothing but the logs, and is written once.
        for _ in 0..2 {
            worker::run_once(&app.app.store).await.unwrap();
            for party in [&partner, &customer] {
                assert_eq!(party.status(&app, &id).await, "expired");
                let activities = party.activities(&app).await;
                let ends = activities.iter().filter(|name| *name == "Expire delegated admin relationship");
                assert_eq!(ends.count(), 1);
            }
        }
        assert_eq!(partner.get(&app, &list("expired")).await.expect(200).json["value"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn some_extend_themselves() {
    on_each_backend_with_own_clock(async |app| {
        let (mut partner, mut customer) = (new_partner(&app).await, customer(&app));
        let clock = app.app.store.context().clock.clone();
        let mut body = proposal(Some(&customer.tenant), READER, "P10D");
        body["autoExtendDuration"] = json!("P180D");
        let id = partner.post(&app, RELATIONSHIPS, body).await.expect(201).json["id"].as_str().unwrap().to_owned();
        partner.request(&app, &id, "lockForApproval").await.expect(201);
        customer.request(&app, &id, "approve").await.expect(201);
        let end = async |party: &Party| {
            let seen = party.get(&app, &path(&id)).await.expect(200).json;
            assert_eq!(seen["status"], "active");
            rekey::clock::Timestamp::parse_iso(seen["endDateTime"].as_str().unwrap()).unwrap()
        };
        let first = end(&partner).await;
        clock.advance_seconds(11 * DAY);
        partner.refresh(&app).await;
        customer.refresh(&app).await;
        // In force although nobody has moved its end yet.
        assert_eq!(end(&partner).await, first);
        worker::run_once(&app.app.store).await.unwrap();
        assert_eq!(end(&customer).await, first.plus_seconds(180 * DAY));
        for party in [&partner, &customer] {
            assert_eq!(party.activities(&app).await[0], "Extend delegated admin relationship");
        }
        customer.request(&app, &id, "terminate").await.expect(201);
    })
    .await;
}

/// Everything that changes a relationship, by somebody who has nothing to do with it.
#[tokio::test]
async fn strangers_find_nothing() {
    on_each_backend(async |app: TestApp| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let stranger = new_customer(&app, "stranger.example").await;
        let id = activate(&app, &partner, &customer, READER, "P1Y").await;
        for id in [id.as_str(), "00000000-0000-0000-0000-000000000000", "nonsense"] {
            let own = path(id);
            for below in ["", "/requests", "/accessAssignments", "/operations"] {
                stranger.get(&app, &format!("{own}{below}")).await.expect_error(404, "resourceNotFound");
            }
            stranger.request(&app, id, "terminate").await.expect_error(404, "resourceNotFound");
            let tag = Some("W/\"3\"");
            call_with(&app, &stranger.token, Method::DELETE, &own, tag, None).await.expect(404);
        }
        assert_eq!(customer.status(&app, &id).await, "active");
    })
    .await;
}
