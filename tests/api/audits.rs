//! `/auditLogs/directoryAudits`.

use std::collections::BTreeSet;

use rekey::{
    access::{self, Caller},
    audit::{self, Activity, Entry, Target},
    clock::{Clock, Entropy},
    id::{TenantId, UserId},
    roles::Role,
    store::{
        roles::{self, RoleAssignment},
        users::{self, Profile, Requirements, User, UserType},
    },
};
use reqwest::Url;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend};

const LIST: &str = "/v1.0/auditLogs/directoryAudits";
const RESET: &str = "Admin reset multifactor authentication";

async fn new_user(app: &TestApp, tenant: &TenantId, name: &str) -> User {
    let user = User {
        tenant_id: tenant.clone(),
        user_id: UserId::new(Entropy::System.guid()),
        user_principal_name: format!("{name}@contoso.example"),
        display_name: format!("{name} O'Neil"),
        given_name: None,
        surname: None,
        mail: None,
        user_type: UserType::Member,
        account_enabled: true,
        profile: Profile::default(),
        created_at: Clock::System.now(),
        deleted_at: None,
        sessions_valid_from: Clock::System.now().plus_seconds(-3600),
    };
    let row = user.clone();
    app.app.store.write(tenant, move |tx| users::insert(tx, &row, &Requirements::default())).await.unwrap();
    user
}

async fn give_role(app: &TestApp, user: &User, role: Role) {
    let assignment = RoleAssignment {
        tenant_id: user.tenant_id.clone(),
        user_id: user.user_id.clone(),
        role_id: role.as_str().into(),
        created_at: Clock::System.now(),
    };
    app.app.store.write(&user.tenant_id, move |tx| roles::insert(tx, &assignment)).await.unwrap();
}

/// Resets the user's MFA; the id of the event.
async fn reset(app: &TestApp, token: &str, user: &User) -> String {
    let path = format!("{}/v1.0/users/{}/authentication/resetMfa", app.base, user.user_id);
    let request =
        app.http.post(path).bearer_auth(token).header("user-agent", "audits/1").json(&json!({"reason": "Test"}));
    let answer =
        Answer::of(request.header("client-request-id", format!("ticket of {}", user.user_id))).await.expect(200);
    answer.json["auditEventId"].as_str().unwrap().to_owned()
}

async fn list(app: &TestApp, options: &[(&str, &str)]) -> Answer {
    let url = Url::parse_with_params(&format!("{}{LIST}", app.base), options).unwrap();
    Answer::of(app.http.get(url).bearer_auth(&app.token)).await
}

fn ids(page: &Value) -> Vec<String> {
    page["value"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Every page, by the links.
async fn follow(app: &TestApp, mut answer: Answer) -> Vec<String> {
    let mut all = ids(&answer.json);
    while let Some(next) = answer.json["@odata.nextLink"].as_str() {
        answer = Answer::of(app.http.get(next).bearer_auth(&app.token)).await.expect(200);
        all.extend(ids(&answer.json));
    }
    all
}

#[tokio::test]
async fn an_event_has_graphs_shape() {
    on_each_backend(async |app| {
        let user = new_user(&app, &app.tenant, "adele").await;
        let id = reset(&app, &app.token, &user).await;
        let event = app.get(&format!("{LIST}/{id}")).await.expect(200).json;
        assert_eq!(event["@odata.context"], format!("{}/v1.0/$metadata#auditLogs/directoryAudits/$entity", app.base));
        assert_eq!(event["id"], id);
        assert_eq!(event["activityDisplayName"], RESET);
        assert!(event["activityDateTime"].as_str().unwrap().ends_with('Z'));
        for (name, value) in [
            ("category", "UserManagement"),
            ("loggedByService", "Authentication Methods"),
            ("operationType", "Delete"),
            ("result", "success"),
            ("userAgent", "audits/1"),
            ("correlationId", &format!("ticket of {}", user.user_id)),
        ] {
            assert_eq!(event[name], value, "{name}");
        }
        assert!(event["resultReason"].is_string());
        assert_eq!(event["initiatedBy"]["user"], Value::Null);
        let app_identity = &event["initiatedBy"]["app"];
        assert!(app_identity["appId"].is_string());
        assert_eq!(app_identity["displayName"], "Test application");
        assert_eq!(app_identity.as_object().unwrap().len(), 4);
        let details = event["additionalDetails"].as_array().unwrap();
        assert!(details.contains(&json!({"key": "ipAddress", "value": "127.0.0.1"})), "{details:?}");
        assert!(details.contains(&json!({"key": "reason", "value": "Test"})), "{details:?}");
        assert_eq!(
            event["targetResources"],
            json!([{"id": user.user_id.as_str(), "displayName": user.display_name, "type": "User",
                "userPrincipalName": user.user_principal_name, "groupType": null, "modifiedProperties": []}])
        );

        // A user caller: the address stands where Graph has it.
        let admin = new_user(&app, &app.tenant, "admin").await;
        give_role(&app, &admin, Role::GlobalAdministrator).await;
        let id = reset(&app, &app.user_token(&admin.user_id).await, &user).await;
        let event = app.get(&format!("/beta/auditLogs/directoryAudits/{id}")).await.expect(200).json;
        assert_eq!(event["@odata.context"], format!("{}/beta/$metadata#auditLogs/directoryAudits/$entity", app.base));
        assert_eq!(
            event["initiatedBy"],
            json!({"app": null, "user": {"id": admin.user_id.as_str(), "displayName": admin.display_name,
                "userPrincipalName": admin.user_principal_name, "ipAddress": "127.0.0.1"}})
        );
        assert!(!event["additionalDetails"].to_string().contains("ipAddress"));

        let page = list(&app, &[]).await.expect(200).json;
        assert_eq!(page["@odata.context"], format!("{}/v1.0/$metadata#auditLogs/directoryAudits", app.base));
        assert_eq!(page["value"][0]["id"], id, "the newest comes first");
        assert!(page["value"][0].get("@odata.context").is_none());
        assert!(page.get("@odata.nextLink").is_none());
    })
    .await;
}

#[tokio::test]
async fn every_documented_filter_finds_its_events_and_no_other() {
    on_each_backend(async |app| {
        let (adele, bob) = (new_user(&app, &app.tenant, "adele").await, new_user(&app, &app.tenant, "bob").await);
        let admin = new_user(&app, &app.tenant, "Admin").await;
        give_role(&app, &admin, Role::GlobalAdministrator).await;
        let first = reset(&app, &app.token, &adele).await;
        let second = reset(&app, &app.user_token(&admin.user_id).await, &bob).await;
        // A refused attempt is a third event.
        let powerless = app.token_with(&app.tenant, &["User.Read.All"]).await;
        let path = format!("{}/v1.0/users/{}/authentication/resetMfa", app.base, adele.user_id);
        Answer::of(app.http.post(path).bearer_auth(powerless)).await.expect(403);
        let all = ids(&list(&app, &[("$orderby", "activityDateTime")]).await.expect(200).json);
        let [_, _, third] = all.as_slice() else { panic!("three events, not {all:?}") };
        assert_eq!(all, [first.clone(), second.clone(), third.clone()]);

        let get = async |id: &str| app.get(&format!("{LIST}/{id}")).await.expect(200).json;
        let (first_event, third_event) = (get(&first).await, get(third).await);
        assert_eq!(third_event["result"], "failure");
        let at = |event: &Value| event["activityDateTime"].as_str().unwrap().to_owned();
        let app_id = first_event["initiatedBy"]["app"]["appId"].as_str().unwrap().to_owned();
        let (a, b, c) = (first.as_str(), second.as_str(), third.as_str());
        let filters: Vec<(String, Vec<&str>)> = vec![
            (format!("id eq '{a}'"), vec![a]),
            (format!("id eq '{}'", a.to_uppercase()), vec![a]),
            (format!("activityDisplayName eq '{RESET}'"), vec![a, b, c]),
            ("activityDisplayName eq 'Add user'".into(), vec![]),
            ("startswith(activityDisplayName,'Admin reset')".into(), vec![a, b, c]),
            ("startsWith(activityDisplayName, 'Admin_')".into(), vec![]),
            (format!("activityDateTime eq {}", at(&first_event)), vec![a]),
            (format!("activityDateTime ge {}", at(&third_event)), vec![c]),
            (format!("activityDateTime le {}", at(&first_event)), vec![a]),
            (
                format!("activityDateTime gt {0} and activityDateTime lt {1}", at(&first_event), at(&third_event)),
                vec![b],
            ),
            ("loggedByService eq 'Authentication Methods'".into(), vec![a, b, c]),
            ("loggedByService eq 'Core Directory'".into(), vec![]),
            ("category eq 'UserManagement'".into(), vec![a, b, c]),
            ("result eq 'failure'".into(), vec![c]),
            (format!("correlationId eq 'ticket of {}'", bob.user_id), vec![b]),
            (format!("initiatedBy/user/id eq '{}'", admin.user_id), vec![b]),
            (format!("initiatedBy/app/appId eq '{}'", admin.user_id), vec![]),
            ("initiatedBy/user/displayName eq 'Admin O''Neil'".into(), vec![b]),
            ("initiatedBy/user/userPrincipalName eq 'ADMIN@contoso.example'".into(), vec![b]),
            ("startswith(initiatedBy/user/userPrincipalName,'admin@')".into(), vec![b]),
            (format!("initiatedBy/app/appId eq '{app_id}'"), vec![a]),
            ("initiatedBy/app/displayName eq 'Test application'".into(), vec![a, c]),
            (format!("targetResources/any(t:t/id eq '{}')", adele.user_id), vec![a, c]),
            ("targetResources/any(x: x/displayName eq 'bob O''Neil')".into(), vec![b]),
            ("targetResources/any(t: startswith(t/displayName,'ad'))".into(), vec![a, c]),
            (format!("targetResources/any(t:t/id eq '{}' and startswith(t/displayName,'bob'))", bob.user_id), vec![b]),
            (format!("not initiatedBy/user/id eq '{}'", admin.user_id), vec![a, c]),
            (format!("result eq 'failure' or (id eq '{b}' and not (category eq 'Policy'))"), vec![b, c]),
        ];
        for (filter, expected) in filters {
            let page = list(&app, &[("$filter", &filter)]).await.expect(200).json;
            let (found, expected): (BTreeSet<_>, BTreeSet<_>) =
                (ids(&page).into_iter().collect(), expected.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{filter}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_are_whole_while_events_are_written() {
    on_each_backend(async |app| {
        let (user, other) = (new_user(&app, &app.tenant, "adele").await, new_user(&app, &app.tenant, "bob").await);
        let mut written = Vec::new();
        for _ in 0..7 {
            written.push(reset(&app, &app.token, &user).await);
            reset(&app, &app.token, &other).await;
        }
        let filter = format!("targetResources/any(t:t/id eq '{}')", user.user_id);
        let first = list(&app, &[("$top", "2"), ("$filter", &filter)]).await.expect(200);
        let link = first.json["@odata.nextLink"].as_str().unwrap().to_owned();
        assert!(link.starts_with(&format!("{}{LIST}?", app.base)), "{link}");
        assert!(link.contains("top=2") && link.contains("filter=") && link.contains("$skiptoken="), "{link}");
        let (paged, _) = tokio::join!(follow(&app, first), async {
            for _ in 0..5 {
                reset(&app, &app.token, &user).await;
            }
        });
        assert_eq!(paged, written.iter().rev().cloned().collect::<Vec<_>>());

        // Upwards the new ones are at the end.
        let options = [("$top", "3"), ("$filter", filter.as_str()), ("$orderby", "activityDateTime asc")];
        let upwards = follow(&app, list(&app, &options).await.expect(200)).await;
        assert_eq!(upwards.len(), 12);
        assert_eq!(upwards[..7], written);

        // Events of one moment, as an import writes them, are neither lost nor repeated.
        let tenant = app.tenant.clone();
        let caller = Caller::operator(tenant.clone(), "import".into());
        let import = app.app.store.write(&tenant, move |tx| {
            let actor = access::identify(tx, &caller)?;
            for _ in 0..10 {
                let target = Target::object("Device", "1", "Token");
                let entry = Entry::success(Activity::CREATE_DEVICE, target);
                audit::record(tx, &actor, entry)?;
            }
            Ok(())
        });
        import.await.unwrap();
        for order in ["activityDateTime asc", "activityDateTime desc"] {
            let options = [("$top", "4"), ("$filter", "correlationId eq 'import'"), ("$orderby", order)];
            let found = follow(&app, list(&app, &options).await.expect(200)).await;
            assert_eq!(found.len(), 10);
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 10);
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    on_each_backend(async |app| {
        for (option, value, part) in [
            ("$filter", "resultReason eq 'x'", "'resultReason'"),
            ("$filter", "activityDisplayName gt 'x'", "'gt'"),
            ("$filter", "contains(activityDisplayName,'x')", "'contains'"),
            ("$filter", "activityDateTime ge 'yesterday'", "'activityDateTime'"),
            ("$filter", "targetResources/any(t:t/type eq 'User')", "t/type"),
            ("$filter", "targetResources/id eq 'x'", "'targetResources/id'"),
            ("$filter", "id eq", "ends too early"),
            ("$filter", "", "ends too early"),
            ("$orderby", "result", "activityDateTime"),
            ("$top", "0", "1 to 999"),
            ("$top", "1000", "1 to 999"),
            ("$skiptoken", "!", "@odata.nextLink"),
            ("$skiptoken", "YWJj", "@odata.nextLink"),
            ("$select", "id", "$select"),
            ("$search", "id", "$search"),
        ] {
            let answer = list(&app, &[(option, value)]).await.expect_error(400, "badRequest");
            let error = &answer.json["error"];
            assert!(error["message"].as_str().unwrap().contains(part), "{value}: {error}");
            assert_eq!(error["target"], option);
        }
        let twice = list(&app, &[("$top", "5"), ("$top", "6")]).await.expect_error(400, "badRequest");
        assert!(twice.text.contains("twice"));
    })
    .await;
}

#[tokio::test]
async fn only_who_may_reads_and_only_the_own_tenants_log() {
    on_each_backend(async |app| {
        let user = new_user(&app, &app.tenant, "adele").await;
        let nobody = app.user_token(&user.user_id).await;
        let id = reset(&app, &app.token, &user).await;
        let entity = format!("{LIST}/{id}");
        let get = async |path: &str, token: &str| {
            Answer::of(app.http.get(format!("{}{path}", app.base)).bearer_auth(token)).await
        };

        let powerless = app.token_with(&app.tenant, &["User.Read.All", "UserAuthenticationMethod.ReadWrite.All"]).await;
        for path in [LIST, &entity] {
            Answer::of(app.http.get(format!("{}{path}", app.base)))
                .await
                .expect_error(401, "InvalidAuthenticationToken");
            let denied = get(path, &powerless).await.expect_error(403, "Authorization_RequestDenied");
            assert!(denied.text.contains("AuditLog.Read.All"), "{}", denied.text);
            let denied = get(path, &nobody).await.expect_error(401, "InvalidAuthenticationToken");
            assert!(denied.text.contains("signed out"), "the reset ended the user's session: {}", denied.text);
        }
        let reader = new_user(&app, &app.tenant, "reader").await;
        let token = app.user_token(&reader.user_id).await;
        let denied = get(LIST, &token).await.expect_error(403, "Authorization_RequestDenied");
        assert!(denied.text.contains("Reports Reader"), "{}", denied.text);
        give_role(&app, &reader, Role::ReportsReader).await;
        get(LIST, &token).await.expect(200);
        get(&entity, &token).await.expect(200);

        let foreign = app.new_tenant("fabrikam.example").await;
        let foreign_token = app.token_with(&foreign, &["AuditLog.Read.All"]).await;
        assert_eq!(get(LIST, &foreign_token).await.expect(200).json["value"], json!([]));
        get(&entity, &foreign_token).await.expect_error(404, "resourceNotFound");
        for nonsense in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
            app.get(&format!("{LIST}/{nonsense}")).await.expect_error(404, "resourceNotFound");
        }
    })
    .await;
}
