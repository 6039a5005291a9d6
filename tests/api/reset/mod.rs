//! The reset of one user: what it does to every kind, and everything that callers rely on.

use rekey::{
    roles::Role,
    store::{
        audit::AuditEvent,
        users::{PerUserMfaState, User},
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend, seed, seed::EveryKind};

mod requests;

const PASSWORD: &str = "28c10230-6103-485e-b985-444c60001490";
const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";
const ALTERNATE: &str = "b6332ec1-7057-4abe-9331-3d72feddfe41";
const OFFICE: &str = "e37fc753-ff3b-4958-9484-eaa9425c82bc";
const EMAIL: &str = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f";

const KEYS: [&str; 12] = [
    "@odata.context",
    "auditEventId",
    "deactivated",
    "deleted",
    "kept",
    "registrationRequired",
    "resetDateTime",
    "signInSessionsRevoked",
    "temporaryAccessPass",
    "userId",
    "userPrincipalName",
    "validateOnly",
];

struct Case {
    user: User,
    ids: EveryKind,
    base: String,
}

impl Case {
    async fn new(app: &TestApp, name: &str) -> Self {
        let user = seed::user(app, name).await;
        let ids = seed::every_kind(app, &user).await;
        let base = format!("/v1.0/users/{}/authentication", user.user_id);
        Self { user, ids, base }
    }

    async fn reset(&self, app: &TestApp, body: Value) -> Answer {
        app.post(&format!("{}/resetMfa", self.base), body).await
    }

    /// The ids of the user's methods, sorted.
    async fn left(&self, app: &TestApp) -> Vec<String> {
        sorted(ids(&app.get(&format!("{}/methods", self.base)).await.expect(200).json["value"]))
    }

    async fn all(&self, app: &TestApp) -> Vec<String> {
        let left = self.left(app).await;
        assert_eq!(left.len(), 12);
        left
    }
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn sorted<T: Into<String>>(ids: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().map(Into::into).collect();
    ids.sort();
    ids
}

async fn event(app: &TestApp, report: &Value) -> AuditEvent {
    let id = report["auditEventId"].as_str().unwrap();
    seed::events(app).await.into_iter().find(|event| event.event_id.as_str() == id).unwrap()
}

#[tokio::test]
async fn every_kind_is_treated_as_its_kind_demands() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        seed::set_requirements(&app, &case.user, |requirements| {
            requirements.preferred_method = Some("sms".into());
            requirements.per_user_mfa_state = PerUserMfaState::Enforced;
        })
        .await;
        let (own, admin) =
            (app.user_token(&case.user.user_id).await, seed::admin(&app, "a", Role::GlobalReader).await.1);
        let mine = format!("{}{}/methods", app.base, case.base);
        Answer::of(app.http.get(&mine).bearer_auth(&own)).await.expect(200);

        let done = case.reset(&app, json!({"reason": "Phone lost, ticket 4711"})).await.expect(200);
        let report = &done.json;
        assert_eq!(sorted(report.as_object().unwrap().keys()), KEYS);
        let context = format!("{}/v1.0/$metadata#users('{}')/authentication/resetMfa", app.base, case.user.user_id);
        assert_eq!(report["@odata.context"], context);
        assert_eq!(report["userId"], case.user.user_id.as_str());
        assert_eq!(report["userPrincipalName"], "adele@contoso.example");
        assert_eq!(report["validateOnly"], false);
        assert_eq!(report["registrationRequired"], true);
        assert_eq!(report["signInSessionsRevoked"], true);
        assert_eq!(report["temporaryAccessPass"], Value::Null);
        assert!(report["resetDateTime"].as_str().unwrap().ends_with('Z'));

        // The table of what a reset does to each kind.
        let EveryKind { authenticator, software, unfinished, activated, assigned, passkey, pass } = &case.ids;
        let gone = [MOBILE, ALTERNATE, OFFICE, authenticator, software, unfinished];
        assert_eq!(sorted(ids(&report["deleted"])), sorted(gone));
        assert_eq!(ids(&report["deactivated"]), [activated.as_str()]);
        assert_eq!(sorted(ids(&report["kept"])), sorted([PASSWORD, EMAIL, passkey, pass, assigned]));
        assert_eq!(case.left(&app).await, sorted([PASSWORD, EMAIL, passkey, pass, assigned, activated]));
        let described = |list: &str, id: &str| {
            let items = report[list].as_array().unwrap();
            items.iter().find(|item| item["id"] == id).cloned().unwrap_or_else(|| panic!("no {id} in {report}"))
        };
        let phone = json!({"@odata.type": "#microsoft.graph.phoneAuthenticationMethod", "id": MOBILE,
                           "displayName": "mobile ••00"});
        assert_eq!(described("deleted", MOBILE), phone);
        assert_eq!(described("deleted", software)["displayName"], "FreeOTP");
        let device = json!({"@odata.type": "#microsoft.graph.hardwareOathAuthenticationMethod", "id": activated,
                            "displayName": "Feitian c200", "serialNumber": "adele@contoso.example-1"});
        assert_eq!(described("deactivated", activated), device);
        assert_eq!(described("kept", EMAIL)["displayName"], "a••@fabrikam.example");
        assert!(!done.text.contains("206555") && !done.text.contains("adele@fabrikam"), "{}", done.text);

        // The token stays the user's, and is no longer active.
        let token = app.get(&format!("{}/methods/{activated}", case.base)).await.expect(200);
        assert_eq!(token.json["device"]["status"], "assigned");
        assert_eq!(token.json["device"]["assignedTo"]["id"], case.user.user_id.as_str());

        // Registration is required; MFA is as required as it was, the account is open, the default is forgotten.
        let required = app.get(&format!("{}/requirements", case.base)).await.expect(200).json;
        assert_eq!(required["registrationRequired"], true);
        assert_eq!(required["registrationRequiredDateTime"], report["resetDateTime"]);
        assert_eq!(required["registrationRequiredReason"], "Phone lost, ticket 4711");
        assert_eq!((&required["perUserMfaState"], &required["isMfaRequired"]), (&json!("enforced"), &json!(true)));
        assert_eq!(seed::requirements(&app, &case.user).await.preferred_method, None);

        // The user's sessions are over; nobody else's.
        Answer::of(app.http.get(&mine).bearer_auth(&own)).await.expect_error(401, "InvalidAuthenticationToken");
        Answer::of(app.http.get(&mine).bearer_auth(&admin)).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_repetition_finds_nothing_to_do() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        case.reset(&app, json!({})).await.expect(200);
        let left = case.left(&app).await;
        let again = case.reset(&app, json!({})).await.expect(200);
        assert_eq!((&again.json["deleted"], &again.json["deactivated"]), (&json!([]), &json!([])));
        assert_eq!(again.json["registrationRequired"], true);
        assert_eq!(case.left(&app).await, left);
        // Without a body, with an empty one, and by name.
        for path in [case.base.clone(), "/beta/users/ADELE@contoso.example/authentication".into()] {
            Answer::of(app.request(Method::POST, &format!("{path}/resetMfa"))).await.expect(200);
        }
        let new = seed::user(&app, "new").await;
        let empty =
            app.post(&format!("/v1.0/users/{}/authentication/resetMfa", new.user_id), json!({})).await.expect(200);
        for list in ["deleted", "deactivated", "kept"] {
            assert_eq!(empty.json[list], json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn also_delete_takes_the_named_kinds() {
    on_each_backend(async |app| {
        for (index, (kind, id)) in [
            ("email", Some(EMAIL)),
            ("fido2", None),
            ("temporaryAccessPass", None),
            // Deleted anyway.
            ("phone", None),
            ("microsoftAuthenticator", None),
            ("softwareOath", None),
        ]
        .into_iter()
        .enumerate()
        {
            let case = Case::new(&app, &format!("user{index}")).await;
            let EveryKind { authenticator, software, unfinished, activated, passkey, pass, .. } = &case.ids;
            let mut gone = vec![MOBILE, ALTERNATE, OFFICE, authenticator, software, unfinished];
            gone.extend(id);
            gone.extend((kind == "fido2").then_some(passkey.as_str()));
            gone.extend((kind == "temporaryAccessPass").then_some(pass.as_str()));
            let all = case.all(&app).await;
            let report = case.reset(&app, json!({"alsoDelete": [kind]})).await.expect(200).json;
            assert_eq!(sorted(ids(&report["deleted"])), sorted(gone.clone()), "{kind}");
            assert_eq!(ids(&report["deactivated"]), [activated.as_str()]);
            let left: Vec<_> = all.into_iter().filter(|id| !gone.contains(&id.as_str())).collect();
            assert_eq!(case.left(&app).await, left, "{kind}");
        }
        let case = Case::new(&app, "all").await;
        let body = json!({"alsoDelete": ["email", "fido2", "temporaryAccessPass", "fido2"]});
        let report = case.reset(&app, body).await.expect(200).json;
        assert_eq!(report["deleted"].as_array().unwrap().len(), 9);
        assert_eq!(case.left(&app).await, sorted([PASSWORD, &case.ids.activated, &case.ids.assigned]));
    })
    .await;
}

#[tokio::test]
async fn what_breaks_a_rule_changes_nothing() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        let all = case.all(&app).await;
        for body in [
            json!({"alsoDelete": ["password"]}),
            json!({"alsoDelete": ["hardwareOath"]}),
            json!({"alsoDelete": ["fido2", "nonsense"]}),
            json!({"alsoDelete": ["Fido2"]}),
            json!({"alsoDelete": "fido2"}),
            json!({"alsoDelete": [null]}),
            json!({"alsoDelete": vec!["fido2"; 17]}),
            json!({"reason": "x".repeat(1_001)}),
            json!({"reason": "bell\u{7}"}),
            json!({"reason": 4711}),
            json!({"validateOnly": "true"}),
            json!({"validateonly": true}),
            json!({"issueTemporaryAccessPass": {"lifetimeInMinutes": 5}}),
            json!({"issueTemporaryAccessPass": {"lifetime": 60}}),
            json!({"issueTemporaryAccessPass": true}),
            json!([]),
            json!("reset"),
        ] {
            let answer = case.reset(&app, body.clone()).await;
            assert_eq!(answer.status, 400, "{body}");
            answer.expect_error(400, "badRequest");
        }
        let path = format!("{}/resetMfa", case.base);
        for text in ["{", "not json", r#"{"reason":"a","reason":"b"}"#, r#"{"validateOnly":true,"validateOnly":false}"#]
        {
            let request = app.request(Method::POST, &path).header("Content-Type", "application/json").body(text);
            Answer::of(request).await.expect_error(400, "badRequest");
        }
        let text = app.request(Method::POST, &path).header("Content-Type", "text/plain").body("{}");
        Answer::of(text).await.expect_error(415, "unsupportedMediaType");
        let packed = app.request(Method::POST, &path).header("Content-Encoding", "gzip").json(&json!({}));
        Answer::of(packed).await.expect_error(415, "unsupportedMediaType");
        for key in ["", " ", &"k".repeat(256)] {
            let request = app.request(Method::POST, &path).header("Idempotency-Key", key).json(&json!({}));
            Answer::of(request).await.expect_error(400, "badRequest");
        }
        assert_eq!(case.left(&app).await, all);
        assert!(seed::events(&app).await.is_empty());
        assert_eq!(seed::requirements(&app, &case.user).await, Default::default());
    })
    .await;
}

#[tokio::test]
async fn validate_only_tells_and_changes_nothing() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        let own = app.user_token(&case.user.user_id).await;
        let before = app.get(&format!("{}/methods", case.base)).await.text;
        let body = |validate_only: bool| {
            json!({"alsoDelete": ["fido2"], "validateOnly": validate_only, "issueTemporaryAccessPass": {}})
        };
        let preview = case.reset(&app, body(true)).await.expect(200).json;
        assert_eq!(sorted(preview.as_object().unwrap().keys()), KEYS);
        assert_eq!(preview["validateOnly"], true);
        assert_eq!((&preview["auditEventId"], &preview["temporaryAccessPass"]), (&Value::Null, &Value::Null));
        assert_eq!(app.get(&format!("{}/methods", case.base)).await.text, before);
        assert!(seed::events(&app).await.is_empty());
        assert_eq!(seed::requirements(&app, &case.user).await, Default::default());
        let mine = format!("{}{}/methods", app.base, case.base);
        Answer::of(app.http.get(&mine).bearer_auth(&own)).await.expect(200);

        let done = case.reset(&app, body(false)).await.expect(200).json;
        for list in ["deleted", "deactivated", "kept"] {
            assert_eq!(preview[list], done[list], "{list}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_audit_event_tells_what_went() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        let request = app
            .request(Method::POST, &format!("{}/resetMfa", case.base))
            .header("User-Agent", "helpdesk/7")
            .header("client-request-id", "5f2a7ad6-6d3c-4d8f-9a6e-0d6b5f5c2b11")
            .json(&json!({"reason": "Phone lost, ticket 4711", "revokeSignInSessions": false}));
        let done = Answer::of(request).await.expect(200);
        assert_eq!(done.json["signInSessionsRevoked"], false);
        let events = seed::events(&app).await;
        assert_eq!(events.len(), 1);
        let event = event(&app, &done.json).await;
        assert!(event.activity_display_name.contains("reset"));
        assert_eq!(event.activity_at.to_iso(), done.json["resetDateTime"].as_str().unwrap());
        assert_eq!(
            (event.category.as_str(), event.logged_by_service.as_str()),
            ("UserManagement", "Authentication Methods")
        );
        assert_eq!((event.operation_type.as_str(), event.result.as_str()), ("Delete", "success"));
        assert_eq!(event.initiator_display_name.as_deref(), Some("Test application"));
        assert_eq!(event.ip_address.as_deref(), Some("127.0.0.1"));
        assert_eq!(event.user_agent.as_deref(), Some("helpdesk/7"));
        assert_eq!(event.correlation_id, "5f2a7ad6-6d3c-4d8f-9a6e-0d6b5f5c2b11");
        assert_eq!(event.target_id.as_deref(), Some(case.user.user_id.as_str()));
        assert_eq!(event.target_principal_name.as_deref(), Some("adele@contoso.example"));
        assert_eq!(seed::detail(&event, "reason").unwrap(), "Phone lost, ticket 4711");

        let list = |key: &str| -> Value { serde_json::from_str(&seed::detail(&event, key).unwrap()).unwrap() };
        let EveryKind { authenticator, software, unfinished, activated, assigned, passkey, pass } = &case.ids;
        let deleted = list("deletedMethods");
        assert_eq!(sorted(ids(&deleted)), sorted([MOBILE, ALTERNATE, OFFICE, authenticator, software, unfinished]));
        let kinds: Vec<_> = deleted.as_array().unwrap().iter().map(|method| method["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "phone").count(), 3);
        assert_eq!(kinds.iter().filter(|kind| **kind == "softwareOath").count(), 2);
        let deactivated = list("deactivatedMethods");
        assert_eq!(ids(&deactivated), [activated.as_str()]);
        assert_eq!(deactivated[0]["serialNumber"], "adele@contoso.example-1");
        assert_eq!(sorted(ids(&list("keptMethods"))), sorted([PASSWORD, EMAIL, passkey, pass, assigned]));
        let changed = seed::modified(&event);
        assert_eq!(changed.iter().filter(|(name, ..)| name == "StrongAuthenticationMethod").count(), 6);
        let device = ("HardwareOathToken adele@contoso.example-1".into(), json!("activated"), json!("assigned"));
        assert!(changed.contains(&device), "{changed:?}");
        for secret in ["206555", "adele@fabrikam", "12345678901234567890"] {
            assert!(!format!("{event:?}").contains(secret), "{secret}");
        }
    })
    .await;
}
