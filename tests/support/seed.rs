//! Users and methods that tests need to be there, put straight into the store.

use rekey::{
    clock::{Entropy, Timestamp},
    demo::passkey,
    id::{DeviceId, MethodId, TenantId, UserId},
    methods::{
        MethodKind,
        email::{self, Email},
        fido2::Fido2,
        microsoft_authenticator::{MicrosoftAuthenticator, jws::DeviceKey},
        new_row,
        oath::HashFunction,
        password::{self, PasswordDigest},
        phone::{Phone, PhoneType},
        secret_place,
        software_oath::SoftwareOath,
        temporary_access_pass::TemporaryAccessPass,
    },
    roles::Role,
    store::{
        Tx,
        audit::{self, AuditEvent, list::AuditQuery},
        devices::{self, Device, DeviceHash, DeviceStatus},
        methods,
        roles::{self, RoleAssignment},
        users::{self, PerUserMfaState, Profile, Requirements, User, UserType},
    },
};
use serde::Serialize;
use serde_json::Value;

use super::TestApp;

/// When everything that is seeded was created.
pub const CREATED: &str = "2026-01-02T03:04:05Z";

pub fn created() -> Timestamp {
    Timestamp::parse_iso(CREATED).unwrap()
}

/// A member with nothing but what a user must have.
pub fn member(tenant: &TenantId, user_id: UserId, user_principal_name: String, display_name: String) -> User {
    User {
        tenant_id: tenant.clone(),
        user_id,
        user_principal_name,
        display_name,
        given_name: None,
        surname: None,
        mail: None,
        user_type: UserType::Member,
        account_enabled: true,
        profile: Profile::default(),
        created_at: created(),
        deleted_at: None,
        sessions_valid_from: created(),
    }
}

/// A user of the test tenant: `{name}@contoso.example`.
pub async fn user(app: &TestApp, name: &str) -> User {
    user_of(app, &app.tenant, name).await
}

pub async fn user_of(app: &TestApp, tenant: &TenantId, name: &str) -> User {
    let id = UserId::new(Entropy::System.guid());
    let user = member(tenant, id, format!("{name}@contoso.example"), format!("User {name}"));
    let made = user.clone();
    app.app.store.write(tenant, move |tx| users::insert(tx, &user, &Requirements::default())).await.unwrap();
    made
}

/// A user of the test tenant who holds this role, and an access token of the user.
pub async fn admin(app: &TestApp, name: &str, role: Role) -> (User, String) {
    let user = user(app, name).await;
    grant(app, &user, role).await;
    let token = app.user_token(&user.user_id).await;
    (user, token)
}

pub async fn grant(app: &TestApp, user: &User, role: Role) {
    let assignment = RoleAssignment {
        tenant_id: user.tenant_id.clone(),
        user_id: user.user_id.clone(),
        role_id: role.as_str().into(),
        created_at: created(),
    };
    app.app.store.write(&user.tenant_id, move |tx| roles::insert(tx, &assignment)).await.unwrap();
}

/// The ids of what [`every_kind`] gave a user.
#[derive(Debug, Clone)]
pub struct EveryKind {
    pub authenticator: String,
    pub software: String,
    /// A software token whose registration is not finished.
    pub unfinished: String,
    /// A hardware token in use; serial number `{user}-1`.
    pub activated: String,
    /// A hardware token that was never activated; serial number `{user}-2`.
    pub assigned: String,
    pub passkey: String,
    pub pass: String,
}

/// Gives the user every kind of method there is: ten finished ones and an unfinished one.
pub async fn every_kind(app: &TestApp, user: &User) -> EveryKind {
    let digest = PasswordDigest::new(&Entropy::System, "correct horse battery staple").unwrap();
    let guid = || Entropy::System.guid();
    let ids = EveryKind {
        authenticator: guid(),
        software: guid(),
        unfinished: guid(),
        activated: guid(),
        assigned: guid(),
        passkey: guid(),
        pass: guid(),
    };
    let (made, user) = (ids.clone(), user.clone());
    let tenant = user.tenant_id.clone();
    let write = app.app.store.write(&tenant, move |tx| {
        password::set(tx, &user.tenant_id, &user.user_id, &digest, false)?;
        for (phone_type, number) in [
            (PhoneType::Mobile, "+1 2065550100"),
            (PhoneType::AlternateMobile, "+1 2065550122"),
            (PhoneType::Office, "+1 2065550133x4567"),
        ] {
            let detail = Phone { phone_number: number.into(), phone_type, is_verified: true };
            insert(tx, &user, MethodKind::Phone, phone_type.method_id(), &detail, false);
        }
        let detail = Email { email_address: "adele@fabrikam.example".into(), is_verified: true };
        insert(tx, &user, MethodKind::Email, email::ID, &detail, false);
        let detail = MicrosoftAuthenticator {
            display_name: "Adele's phone".into(),
            device_tag: Some("SoftwareTokenActivated".into()),
            phone_app_version: Some("6.8.15".into()),
            client_app_name: Some("microsoftAuthenticator".into()),
            public_key: Some(DeviceKey::ed25519(&[7; 32])),
        };
        insert(tx, &user, MethodKind::MicrosoftAuthenticator, &ids.authenticator, &detail, false);
        let detail = SoftwareOath {
            display_name: Some("FreeOTP".into()),
            hash_function: HashFunction::Sha256,
            digits: 6,
            time_interval_in_seconds: 30,
            wrong_codes: 0,
        };
        insert(tx, &user, MethodKind::SoftwareOath, &ids.software, &detail, false);
        let detail = SoftwareOath { display_name: None, ..detail };
        insert(tx, &user, MethodKind::SoftwareOath, &ids.unfinished, &detail, true);
        let detail = Fido2 {
            display_name: "Blue key".into(),
            aa_guid: Some("ee882879-721c-4913-9775-3dfcce97072a".into()),
            model: Some("YubiKey 5 NFC".into()),
            attestation_certificates: vec!["c479d4e9d1b5bb2b1a4b0d6c5e4a7a0f0d5e4f3b".into()],
            attestation_level: "attested".into(),
            passkey_type: "deviceBound".into(),
        };
        insert(tx, &user, MethodKind::Fido2, &ids.passkey, &detail, false);
        let detail = TemporaryAccessPass { start_date_time: tx.now(), lifetime_in_minutes: 60, is_usable_once: true };
        insert(tx, &user, MethodKind::TemporaryAccessPass, &ids.pass, &detail, false);
        for (id, number, status) in
            [(&ids.activated, 1, DeviceStatus::Activated), (&ids.assigned, 2, DeviceStatus::Assigned)]
        {
            let place = [user.tenant_id.as_str(), "hardwareOath", id];
            let device = Device {
                tenant_id: user.tenant_id.clone(),
                device_id: DeviceId::new(id),
                serial_number: format!("{}-{number}", user.user_principal_name),
                manufacturer: "Feitian".into(),
                model: "c200".into(),
                display_name: None,
                time_interval_seconds: 30,
                hash_function: DeviceHash::Sha1,
                sealed_secret: tx.seal(&place, b"12345678901234567890")?,
                status,
                assigned_to: Some(user.user_id.clone()),
                assigned_at: Some(Timestamp::from_micros(created().micros() + number)),
                last_step: None,
                last_used_at: None,
                created_at: created(),
                otp_type: rekey::store::devices::OtpType::Totp,
                digits: 6,
                drift_steps: 0,
            };
            devices::insert(tx, &device)?;
        }
        Ok(())
    });
    write.await.unwrap();
    made
}

/// Adds a phone to a user.
pub async fn phone(app: &TestApp, user: &User, phone_type: PhoneType, number: &str) {
    let (user, detail) = (user.clone(), Phone { phone_number: number.into(), phone_type, is_verified: true });
    let tenant = user.tenant_id.clone();
    let write = app.app.store.write(&tenant, move |tx| {
        insert(tx, &user, MethodKind::Phone, phone_type.method_id(), &detail, false);
        Ok(())
    });
    write.await.unwrap();
}

fn insert(tx: &mut Tx<'_>, user: &User, kind: MethodKind, id: &str, detail: &impl Serialize, unfinished: bool) {
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, kind, MethodId::new(id), detail).unwrap();
    row.created_at = created();
    let secret = match kind {
        MethodKind::Fido2 => passkey::credential(id).unwrap(),
        _ => b"12345678901234567890".to_vec(),
    };
    row.sealed_secret = Some(tx.seal(&secret_place(&row), &secret).unwrap());
    row.pending_until = unfinished.then(|| tx.now().plus_minutes(10));
    methods::insert(tx, &row).unwrap();
}

pub async fn set_requirements(app: &TestApp, user: &User, change: impl Fn(&mut Requirements) + Send + 'static) {
    let user = user.clone();
    let tenant = user.tenant_id.clone();
    let write = app.app.store.write(&tenant, move |tx| {
        let mut requirements = users::requirements(tx, &user.tenant_id, &user.user_id)?;
        change(&mut requirements);
        users::set_requirements(tx, &user.tenant_id, &user.user_id, &requirements)
    });
    write.await.unwrap();
}

pub async fn requirements(app: &TestApp, user: &User) -> Requirements {
    let user = user.clone();
    app.app.store.read(move |tx| users::requirements(tx, &user.tenant_id, &user.user_id)).await.unwrap()
}

/// Requires MFA of the user, whatever the tenant requires.
pub async fn enforce_mfa(app: &TestApp, user: &User) {
    set_requirements(app, user, |requirements| requirements.per_user_mfa_state = PerUserMfaState::Enforced).await;
}

/// The audit events of the test tenant, newest first.
pub async fn events(app: &TestApp) -> Vec<AuditEvent> {
    let tenant = app.tenant.clone();
    let query = AuditQuery { limit: 1_000, ..AuditQuery::default() };
    app.app.store.read(move |tx| audit::list::list(tx, &tenant, &query)).await.unwrap()
}

/// The value of one of an event's additional details.
pub fn detail(event: &AuditEvent, key: &str) -> Option<String> {
    let details: Value = serde_json::from_str(&event.additional_details).unwrap();
    let found = details.as_array().unwrap().iter().find(|detail| detail["key"] == key)?;
    Some(found["value"].as_str().unwrap().to_owned())
}

/// `(displayName, oldValue, newValue)` of every property an event says was changed.
pub fn modified(event: &AuditEvent) -> Vec<(String, Value, Value)> {
    let properties: Value = serde_json::from_str(&event.modified_properties).unwrap();
    let properties = properties.as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    properties
        .map(|property| {
            let name = property["displayName"].as_str().unwrap().to_owned();
            (name, text(&property["oldValue"]), text(&property["newValue"]))
        })
        .collect()
}
