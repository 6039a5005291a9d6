//! Users, tokens and audit events for the tests of OATH tokens.

use rekey::{
    clock::Entropy,
    id::{TenantId, UserId},
    store::{
        audit::{self, AuditEvent},
        users::{self, Profile, Requirements, User, UserType},
    },
};
use serde_json::{Value, json};

use crate::support::TestApp;

pub const DEVICES: &str = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices";
/// RFC 6238's seed for SHA-1.
pub const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

pub async fn add_user(app: &TestApp, tenant: &TenantId, name: &str, user_type: UserType) -> UserId {
    let id = UserId::new(Entropy::System.guid());
    let (tenant_id, user_id, name) = (tenant.clone(), id.clone(), name.to_owned());
    let write = app.app.store.write(tenant, move |tx| {
        let user = User {
            tenant_id: tenant_id.clone(),
            user_id: user_id.clone(),
            user_principal_name: name.clone(),
            display_name: "Adele Vance".into(),
            given_name: None,
            surname: None,
            mail: None,
            user_type,
            account_enabled: true,
            profile: Profile::default(),
            created_at: tx.now(),
            deleted_at: None,
            sessions_valid_from: tx.now(),
        };
        users::insert(tx, &user, &Requirements::default())
    });
    write.await.unwrap();
    id
}

pub async fn add_member(app: &TestApp, name: &str) -> UserId {
    add_user(app, &app.tenant, name, UserType::Member).await
}

/// The last audit event of the test tenant.
pub async fn last_event(app: &TestApp) -> AuditEvent {
    events(app).await.pop().unwrap()
}

pub async fn events(app: &TestApp) -> Vec<AuditEvent> {
    let tenant = app.tenant.clone();
    let stored = app.app.store.read(move |tx| audit::chain(tx, &tenant, None, 10_000)).await.unwrap();
    stored.into_iter().map(|(event, _)| event).collect()
}

pub fn device(serial: &str) -> Value {
    json!({"serialNumber": serial, "manufacturer": "Thales", "model": "OTP 110", "secretKey": SECRET, "timeIntervalInSeconds": 30})
}

/// Adds a token to the inventory; its id.
pub async fn add_device(app: &TestApp, serial: &str) -> String {
    let answer = app.post(DEVICES, device(serial)).await.expect(201);
    answer.json["id"].as_str().unwrap().to_owned()
}

pub async fn status(app: &TestApp, device: &str) -> String {
    app.get(&format!("{DEVICES}/{device}")).await.expect(200).json["status"].as_str().unwrap().to_owned()
}

/// No audit event, whatever happened, holds this text.
pub async fn assert_unsaid(app: &TestApp, secret: &str) {
    for event in events(app).await {
        assert!(!format!("{event:?}").contains(secret), "{event:?}");
    }
}
