//! The policy that asks for a second person before a reset of many users runs.

use rekey::{
    access::Caller,
    error::Error,
    id::{AccessAssignmentId, MfaResetId, RelationshipId, TenantId},
    mfa_resets::{
        self, Plan,
        targets::{self, NewTarget},
        work::{self, Pace},
    },
    roles::Role,
    store::{
        Tx,
        mfa_resets::MfaResetStatus,
        relationships::{
            self, AutoExtend, ContainerType, Relationship, StoredStatus,
            assignments::{self, AccessAssignment},
        },
        users::User,
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use super::partner_fixtures::{Client, call_with};
use crate::support::{Answer, TestApp, on_each_backend, seed};

const POLICY: &str = "/v1.0/policies/authenticationMethodsPolicy";
const RESETS: &str = "/v1.0/mfaResets";

async fn threshold(app: &TestApp) -> Value {
    app.get(POLICY).await.expect(200).json["mfaResetApproval"].clone()
}

async fn set_threshold(app: &TestApp, token: &str, users: Value) {
    let request = app.http.patch(format!("{}{POLICY}", app.base)).bearer_auth(token);
    Answer::of(request.json(&json!({"mfaResetApproval": {"userThreshold": users}}))).await.expect(200);
}

#[tokio::test]
async fn the_threshold_is_kept_and_told() {
    on_each_backend(async |app| {
        assert_eq!(threshold(&app).await, json!({"userThreshold": null}));
        let body = json!({"mfaResetApproval": {"userThreshold": 100}});
        let changed = app.patch(POLICY, body.clone()).await.expect(200).json;
        assert_eq!(changed["mfaResetApproval"], json!({"userThreshold": 100}));
        assert_eq!(changed, app.get(POLICY).await.json);
        assert!(changed["lastModifiedDateTime"].is_string());
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Authentication Methods Policy Update");
        assert_eq!(seed::modified(&event), [("mfaResetApproval/userThreshold".into(), Value::Null, json!(100))]);

        // What is left out, or already so, changes nothing.
        for unchanged in [body, json!({}), json!({"mfaResetApproval": {}}), json!({"registrationProof": "firstFactor"})]
        {
            app.patch(POLICY, unchanged).await.expect(200);
        }
        assert_eq!(threshold(&app).await, json!({"userThreshold": 100}));
        assert_eq!(seed::events(&app).await.len(), 1);

        for (none, some) in [(json!(null), 1), (json!({"userThreshold": null}), 1_000_000)] {
            app.patch(POLICY, json!({"mfaResetApproval": none})).await.expect(200);
            assert_eq!(threshold(&app).await, json!({"userThreshold": null}));
            set_threshold(&app, &app.token, json!(some)).await;
            assert_eq!(threshold(&app).await, json!({"userThreshold": some}));
        }

        let events = seed::events(&app).await.len();
        for bad in [
            json!(0),
            json!(-1),
            json!(1_000_001),
            json!(1.5),
            json!("100"),
            json!(true),
            json!([100]),
            json!(9_223_372_036_854_775_808_u64),
        ] {
            let body = json!({"mfaResetApproval": {"userThreshold": bad}, "registrationProof": "temporaryAccessPass"});
            app.patch(POLICY, body).await.expect_error(400, "badRequest");
        }
        for bad in [json!(100), json!([]), json!({"userThreshold": 100, "tenants": 2})] {
            app.patch(POLICY, json!({"mfaResetApproval": bad})).await.expect_error(400, "badRequest");
        }
        assert_eq!(threshold(&app).await, json!({"userThreshold": 1_000_000}));
        assert_eq!(app.get(POLICY).await.json["registrationProof"], "firstFactor");
        assert_eq!(seed::events(&app).await.len(), events);

        // Whoever resets users does not choose when a second person is asked.
        let (_, helper) = seed::admin(&app, "helper", Role::AuthenticationAdministrator).await;
        let change = app.http.patch(format!("{}{POLICY}", app.base)).bearer_auth(helper);
        let change = change.json(&json!({"mfaResetApproval": null}));
        Answer::of(change).await.expect_error(403, "accessDenied");
    })
    .await;
}

/// Whatever is due, until nothing is.
async fn work(app: &TestApp) {
    while work::take_turn(&app.app.store, Pace::users_per_second(0)).await.unwrap() {}
}

/// A previewed reset, by a token; its address and etag.
async fn preview(app: &TestApp, token: &str, users: &[User]) -> (String, String) {
    let targets: Vec<_> = users.iter().map(|user| json!({"user": user.user_principal_name})).collect();
    let create = app.http.post(format!("{}{RESETS}", app.base)).bearer_auth(token);
    let created = Answer::of(create.json(&json!({"targets": targets}))).await.expect(201).json;
    let path = format!("{RESETS}/{}", created["id"].as_str().unwrap());
    work(app).await;
    let etag = app.get(&path).await.expect(200).json["@odata.etag"].as_str().unwrap().to_owned();
    (path, etag)
}

async fn confirm(app: &TestApp, token: &str, (path, etag): &(String, String)) -> Answer {
    let request = app.http.request(Method::POST, format!("{}{path}/confirm", app.base)).bearer_auth(token);
    Answer::of(request.header("if-match", etag)).await
}

#[tokio::test]
async fn at_the_threshold_somebody_else_confirms() {
    on_each_backend(async |app| {
        let creator = app.token_with(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        let other = app.token_with(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        let mut users = vec![];
        for name in ["adele", "alex", "bianca"] {
            users.push(seed::user(&app, name).await);
        }
        set_threshold(&app, &app.token, json!(3)).await;

        let below = preview(&app, &creator, &users[..2]).await;
        assert_eq!(app.get(&below.0).await.json["needsApproval"], false);
        assert_eq!(confirm(&app, &creator, &below).await.expect(200).json["status"], "running");
        work(&app).await;
        assert_eq!(app.get(&below.0).await.json["status"], "succeeded");

        let at = preview(&app, &creator, &users).await;
        assert_eq!(app.get(&at.0).await.json["needsApproval"], true);
        let refused = confirm(&app, &creator, &at).await.expect_error(403, "accessDenied");
        assert_eq!(refused.json["error"]["innerError"]["code"], "approvalRequired", "{}", refused.text);
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.result, "failure", "{event:?}");
        assert_eq!(app.get(&at.0).await.json["status"], "awaitingConfirmation");
        let confirmed = confirm(&app, &other, &at).await.expect(200).json;
        assert_ne!(confirmed["confirmedBy"]["id"], confirmed["createdBy"]["id"]);
        work(&app).await;
        let finished = app.get(&at.0).await.json;
        assert_eq!((&finished["status"], &finished["progress"]["nothingToDoCount"]), (&json!("succeeded"), &json!(3)));

        // The policy of the moment of the confirmation counts.
        let again = preview(&app, &creator, &users).await;
        set_threshold(&app, &app.token, Value::Null).await;
        confirm(&app, &creator, &again).await.expect(200);
    })
    .await;
}

/// A previewed reset of users of any tenant, by the operator in the name of the test tenant.
async fn preview_by_operator(app: &TestApp, operator: &Caller, users: &[User]) -> MfaResetId {
    let target = |user: &User| NewTarget {
        tenant: Some(user.tenant_id.to_string()),
        user: user.user_id.to_string(),
        reason: None,
    };
    let (operator, users): (_, Vec<_>) = (operator.clone(), users.iter().map(target).collect());
    let create = move |tx: &mut Tx<'_>| {
        let id = targets::open(tx, &operator, &Plan::default())?;
        targets::add(tx, &operator, &id, &users)?;
        targets::complete(tx, &operator, &id)
    };
    let id = app.app.store.write(&app.tenant, create).await.unwrap().id;
    work(app).await;
    id
}

/// Gives an application of the test tenant a role in a customer's.
async fn relate(app: &TestApp, customer: &TenantId, client: &Client) {
    let (partner, customer, container_id) = (app.tenant.clone(), customer.clone(), client.id.to_string());
    let roles = serde_json::to_string(&[Role::AuthenticationAdministrator]).unwrap();
    let insert = move |tx: &mut Tx<'_>| {
        let (now, relationship_id) = (tx.now(), RelationshipId::new(tx.guid()));
        let relationship = Relationship {
            tenant_id: partner.clone(),
            relationship_id: relationship_id.clone(),
            customer_tenant_id: Some(customer.clone()),
            customer_display_name: None,
            display_name: "Service desk".into(),
            duration: "P1Y".into(),
            auto_extend_duration: AutoExtend::Never,
            roles: roles.clone(),
            status: StoredStatus::Active,
            created_at: now,
            modified_at: now,
            activated_at: Some(now),
            ends_at: Some(now.plus_minutes(60)),
            expiring_at: None,
            version: 1,
        };
        relationships::insert(tx, &relationship)?;
        let assignment = AccessAssignment {
            tenant_id: partner.clone(),
            relationship_id,
            assignment_id: AccessAssignmentId::new(tx.guid()),
            container_type: ContainerType::Application,
            container_id: container_id.clone(),
            roles: roles.clone(),
            created_at: now,
            modified_at: now,
            version: 1,
        };
        assignments::insert(tx, &assignment)
    };
    app.app.store.write(&app.tenant, insert).await.unwrap();
}

async fn confirm_by_operator(app: &TestApp, operator: &Caller, id: &MfaResetId) -> Result<MfaResetStatus, Error> {
    let (operator, id) = (operator.clone(), id.clone());
    let confirm = move |tx: &mut Tx<'_>| {
        let version = mfa_resets::find(tx, &operator, id.as_str())?.version;
        mfa_resets::confirm(tx, &operator, id.as_str(), Some(version)).map(|reset| reset.status)
    };
    app.app.store.write(&app.tenant, confirm).await
}

#[tokio::test]
async fn a_customers_threshold_counts_for_its_users() {
    on_each_backend(async |app| {
        let customer = app.new_tenant("fabrikam.example").await;
        let theirs = app.token_with(&customer, &rekey::access::known_permissions()).await;
        set_threshold(&app, &theirs, json!(2)).await;
        let mut users = vec![];
        for (tenant, name) in [
            (&app.tenant, "adele"),
            (&app.tenant, "alex"),
            (&app.tenant, "bianca"),
            (&customer, "carol"),
            (&customer, "dave"),
        ] {
            users.push(seed::user_of(&app, tenant, name).await);
        }
        let operator = Caller::operator(app.tenant.clone(), "test".into());

        // One of the customer's users is below it, whatever else the reset is about.
        let below = preview_by_operator(&app, &operator, &users[..4]).await;
        assert_eq!(confirm_by_operator(&app, &operator, &below).await.unwrap(), MfaResetStatus::Running);

        let at = preview_by_operator(&app, &operator, &users).await;
        let refused = confirm_by_operator(&app, &operator, &at).await.unwrap_err();
        assert!(matches!(refused, Error::Denied { inner: "approvalRequired", .. }), "{refused:?}");
        // Whoever may reset users at home only has no say about the customer's, and does not even see it.
        let path = format!("{RESETS}/{at}");
        let (id, _, secret) = app.new_application(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        let other = Client { id, secret };
        let token = other.token(&app, &app.tenant).await;
        let look = async || call_with(&app, &token, Method::GET, &path, None, None).await;
        look().await.expect_error(404, "resourceNotFound");
        let listed = call_with(&app, &token, Method::GET, RESETS, None, None).await.expect(200).json;
        assert_eq!(listed["value"], json!([]));
        relate(&app, &customer, &other).await;
        let seen = look().await.expect(200).json;
        assert_eq!(seen["needsApproval"], true);
        let etag = seen["@odata.etag"].as_str().unwrap().to_owned();
        assert_eq!(confirm(&app, &token, &(path, etag)).await.expect(200).json["status"], "running");
    })
    .await;
}
