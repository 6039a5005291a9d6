//! `/roleManagement/directory`, and what the roles mean for users who call.

use std::collections::BTreeSet;

use rekey::{id::UserId, roles::Role};
use reqwest::{Method, header::LOCATION};
use serde_json::{Value, json};

use super::users::{call_as, create, events};
use crate::support::{Answer, TestApp, on_each_backend};

const DEFINITIONS: &str = "/v1.0/roleManagement/directory/roleDefinitions";
const ASSIGNMENTS: &str = "/v1.0/roleManagement/directory/roleAssignments";

fn assignment(user: &UserId, role: Role) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
        "principalId": user.as_str(), "roleDefinitionId": role.as_str(), "directoryScopeId": "/",
    })
}

/// Gives a user a role through the API; the assignment's id.
async fn assign(app: &TestApp, user: &UserId, role: Role) -> String {
    let made = app.post(ASSIGNMENTS, assignment(user, role)).await.expect(201);
    made.json["id"].as_str().unwrap().to_owned()
}

/// A user with a role, and a token of his.
async fn admin(app: &TestApp, alias: &str, role: Role) -> (UserId, String, String) {
    let user = create(app, alias).await;
    let assigned = assign(app, &user, role).await;
    let token = app.user_token(&user).await;
    (user, token, assigned)
}

async fn reset(app: &TestApp, token: &str, user: &UserId) -> Answer {
    let path = format!("/v1.0/users/{user}/authentication/resetMfa");
    call_as(app, token, Method::POST, &path, None).await
}

#[track_caller]
fn assert_denied(answer: Answer, inner: &str) {
    let answer = answer.expect_error(403, "accessDenied");
    assert_eq!(answer.json["error"]["innerError"]["code"], inner, "{}", answer.text);
}

#[tokio::test]
async fn roles_are_listed_and_found() {
    on_each_backend(async |app| {
        let list = app.get(DEFINITIONS).await.expect(200);
        assert_eq!(list.json["value"].as_array().unwrap().len(), Role::ALL.len());
        let id = "c4e39bd9-1100-46d3-8c65-fb160da0071f";
        for name in [id.to_owned(), id.to_uppercase()] {
            let one = app.get(&format!("{DEFINITIONS}/{name}")).await.expect(200);
            assert_eq!(
                one.json,
                json!({
                    "@odata.context": format!("{}/v1.0/$metadata#roleManagement/directory/roleDefinitions/$entity", app.base),
                    "id": id, "templateId": id, "displayName": "Authentication Administrator", "isBuiltIn": true,
                    "isEnabled": true,
                })
            );
        }
        app.get(&format!("{DEFINITIONS}/nothing")).await.expect_error(404, "Request_ResourceNotFound");
        app.get(&format!("{DEFINITIONS}?$filter=isBuiltIn")).await.expect_error(400, "Request_BadRequest");
    })
    .await;
}

#[tokio::test]
async fn a_role_is_given_found_and_taken() {
    on_each_backend(async |app| {
        let user = create(&app, "adele").await;
        let made = app.post(ASSIGNMENTS, assignment(&user, Role::AuthenticationAdministrator)).await.expect(201);
        let path = format!("{ASSIGNMENTS}/{}", made.json["id"].as_str().unwrap());
        assert_eq!(made.headers[LOCATION], format!("{}{path}", app.base));
        assert_eq!(made.json["principalId"], user.as_str());
        let event = &events(&app).await[0];
        assert_eq!(
            (event.activity_display_name.as_str(), event.target_id.as_deref()),
            ("Add member to role", Some(user.as_str()))
        );
        assert!(
            event.modified_properties.contains("Role.DisplayName")
                && event.modified_properties.contains("Authentication Administrator")
        );
        assert_eq!(app.get(&path).await.expect(200).json, made.json);
        app.post(ASSIGNMENTS, assignment(&user, Role::AuthenticationAdministrator)).await.expect_error(409, "conflict");

        let foreign = app.new_tenant("fabrikam.example").await;
        let foreign = app.token_with(&foreign, &["RoleManagement.ReadWrite.Directory"]).await;
        for method in [Method::GET, Method::DELETE] {
            let hidden = call_as(&app, &foreign, method, &path, None).await;
            hidden.expect_error(404, "Request_ResourceNotFound");
        }
        let body = Some(assignment(&user, Role::GlobalReader));
        let hidden = call_as(&app, &foreign, Method::POST, ASSIGNMENTS, body).await;
        hidden.expect_error(404, "Request_ResourceNotFound");

        app.delete(&path).await.expect(204);
        assert_eq!(events(&app).await[0].activity_display_name, "Remove member from role");
        app.get(&path).await.expect_error(404, "Request_ResourceNotFound");
        app.delete(&path).await.expect_error(404, "Request_ResourceNotFound");
        app.delete(&format!("{ASSIGNMENTS}/nothing")).await.expect_error(404, "Request_ResourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn a_bad_assignment_is_refused() {
    on_each_backend(async |app| {
        let user = create(&app, "adele").await;
        let with = |name: &str, value: &str| {
            let mut body = assignment(&user, Role::GlobalReader);
            body[name] = json!(value);
            body
        };
        for (name, value) in [
            ("principalId", "adele@contoso.example"),
            ("roleDefinitionId", "11111111-1111-1111-1111-111111111111"),
            ("roleDefinitionId", "Global Reader"),
            ("directoryScopeId", "/administrativeUnits/1"),
        ] {
            let refused = app.post(ASSIGNMENTS, with(name, value)).await.expect_error(400, "Request_BadRequest");
            assert_eq!(refused.json["error"]["target"], name);
        }
        let nobody = with("principalId", "11111111-1111-1111-1111-111111111111");
        app.post(ASSIGNMENTS, nobody).await.expect_error(404, "Request_ResourceNotFound");
        app.post(ASSIGNMENTS, with("appScopeId", "/")).await.expect_error(400, "Request_BadRequest");
        let reader = app.token_with(&app.tenant, &["RoleManagement.Read.Directory"]).await;
        let body = Some(assignment(&user, Role::GlobalReader));
        let denied = call_as(&app, &reader, Method::POST, ASSIGNMENTS, body).await;
        denied.expect_error(403, "Authorization_RequestDenied");
        assert_eq!(app.get(ASSIGNMENTS).await.json["value"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn assignments_come_in_pages_and_by_user() {
    on_each_backend(async |app| {
        let (one, two) = (create(&app, "one").await, create(&app, "two").await);
        let mut expected = BTreeSet::new();
        for role in [Role::DirectoryReaders, Role::GlobalReader, Role::HelpdeskAdministrator] {
            expected.insert(assign(&app, &one, role).await);
        }
        let of_two = assign(&app, &two, Role::GlobalReader).await;
        expected.insert(of_two.clone());

        let mut seen = Vec::new();
        let mut next = Some(format!("{}{ASSIGNMENTS}?$top=1", app.base));
        while let Some(url) = next {
            let page = Answer::of(app.http.get(&url).bearer_auth(&app.token)).await.expect(200);
            seen.extend(page.json["value"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            next = page.json["@odata.nextLink"].as_str().map(str::to_owned);
        }
        assert_eq!(seen.len(), 4);
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);

        let filtered = app.get(&format!("{ASSIGNMENTS}?$filter=principalId%20eq%20'{two}'")).await.expect(200);
        let ids: Vec<_> = filtered.json["value"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
        assert_eq!(ids, [&json!(of_two)]);
        let filtered = app.get(&format!("{ASSIGNMENTS}?%24filter=principalId+eq+%27{one}%27&$top=2")).await.expect(200);
        assert_eq!(filtered.json["value"].as_array().unwrap().len(), 2);
        assert!(filtered.json["@odata.nextLink"].as_str().unwrap().contains("filter=principalId"));
        for wrong in ["$filter=roleDefinitionId%20eq%20'x'", "$orderby=id", "$skiptoken=AAAA", "$skiptoken=eA"] {
            app.get(&format!("{ASSIGNMENTS}?{wrong}")).await.expect_error(400, "Request_BadRequest");
        }
    })
    .await;
}

#[tokio::test]
async fn who_may_reset_whom() {
    on_each_backend(async |app| {
        let plain = create(&app, "plain").await;
        let (helpdesk, helpdesk_token, _) = admin(&app, "helpdesk", Role::HelpdeskAdministrator).await;
        let (authenticator, token, assigned) = admin(&app, "auth", Role::AuthenticationAdministrator).await;
        let (privileged, privileged_token, _) = admin(&app, "priv", Role::PrivilegedAuthenticationAdministrator).await;

        assert_denied(reset(&app, &app.user_token(&plain).await, &helpdesk).await, "missingRole");
        reset(&app, &token, &plain).await.expect(200);
        assert_denied(reset(&app, &token, &helpdesk).await, "targetTooPrivileged");
        let event = &events(&app).await[0];
        assert_eq!(
            (event.result.as_str(), event.activity_display_name.as_str()),
            ("failure", "Admin reset multifactor authentication")
        );
        assert_eq!(
            (event.target_id.as_deref(), event.initiator_id.as_deref()),
            (Some(helpdesk.as_str()), Some(authenticator.as_str()))
        );
        assert_eq!(
            (event.initiator_kind.as_str(), event.initiator_principal_name.as_deref()),
            ("user", Some("auth@contoso.example"))
        );
        assert_denied(reset(&app, &token, &privileged).await, "targetTooPrivileged");
        assert_denied(reset(&app, &token, &authenticator).await, "notOnYourself");
        assert_denied(reset(&app, &helpdesk_token, &plain).await, "missingRole");

        reset(&app, &privileged_token, &helpdesk).await.expect(200);
        assert_denied(reset(&app, &privileged_token, &privileged).await, "notOnYourself");

        // A role that is taken away is gone at the next call, whatever the token says.
        app.delete(&format!("{ASSIGNMENTS}/{assigned}")).await.expect(204);
        assert_denied(reset(&app, &token, &plain).await, "missingRole");
        assign(&app, &authenticator, Role::AuthenticationAdministrator).await;
        reset(&app, &token, &plain).await.expect(200);
        // And so is one that the target gets.
        assign(&app, &plain, Role::GroupsAdministrator).await;
        assert_denied(reset(&app, &token, &plain).await, "targetTooPrivileged");
    })
    .await;
}

#[tokio::test]
async fn a_user_administrator_manages_lesser_users_only() {
    on_each_backend(async |app| {
        let plain = create(&app, "plain").await;
        let (global, ..) = admin(&app, "global", Role::GlobalAdministrator).await;
        let (own, token, _) = admin(&app, "useradmin", Role::UserAdministrator).await;
        let change = async |user: &UserId| {
            let path = format!("/v1.0/users/{user}");
            call_as(&app, &token, Method::PATCH, &path, Some(json!({"jobTitle": "Clerk"}))).await
        };
        change(&plain).await.expect(204);
        for (user, inner) in [(&global, "targetTooPrivileged"), (&own, "notOnYourself")] {
            let denied = change(user).await.expect_error(403, "Authorization_RequestDenied");
            assert_eq!(denied.json["error"]["innerError"]["code"], inner);
        }
        // A deleted administrator keeps the rank.
        app.delete(&format!("/v1.0/users/{global}")).await.expect(204);
        for (method, path) in [
            (Method::DELETE, format!("/v1.0/directory/deletedItems/{global}")),
            (Method::POST, format!("/v1.0/directory/deletedItems/{global}/restore")),
        ] {
            let denied = call_as(&app, &token, method, &path, None).await;
            denied.expect_error(403, "Authorization_RequestDenied");
        }
        // Nor does the role give roles.
        let body = Some(assignment(&own, Role::GlobalAdministrator));
        let denied = call_as(&app, &token, Method::POST, ASSIGNMENTS, body).await;
        denied.expect_error(403, "Authorization_RequestDenied");
        assert_eq!(events(&app).await[0].target_id.as_deref(), Some(own.as_str()));
    })
    .await;
}
