//! Sign-ins that wait for another password and another PIN, and a password reset that is done, for the examples of the
//! document.

use super::{EXAMPLE_USER, SECRET_DAYS, id};
use crate::{
    error::{Error, Result},
    id::{ApplicationId, MethodId, OperationId, SessionId, TenantId},
    methods::{MethodKind, password},
    sign_in::{Factor, Proof, State},
    store::{
        Tx,
        operations::{self, Operation, OperationStatus},
        sessions::{self, SessionRow, SessionStatus},
        users,
    },
};

pub fn seed(tx: &mut Tx<'_>, tenant: &TenantId, application: &ApplicationId) -> Result<()> {
    let Some(user) = users::find(tx, tenant, EXAMPLE_USER)? else { return Ok(()) };
    let second = Proof {
        method_id: Some(MethodId::new(id("softwareOath"))),
        kind: Some(MethodKind::SoftwareOath),
        ..Proof::new(tx.now(), Factor::Possession, &["otp"])
    };
    let badge = Proof { kind: Some(MethodKind::QrCodePin), ..Proof::new(tx.now(), Factor::QrCodePin, &["pin"]) };
    let by_password = State {
        proofs: vec![Proof::by_password(tx.now()), second.clone()],
        password_must_change: true,
        ..State::default()
    };
    let by_badge = State { proofs: vec![badge, second], pin_must_change: true, ..State::default() };
    for (name, status, state) in [
        ("signInSession passwordChange", SessionStatus::PasswordChangeRequired, by_password),
        ("signInSession pinChange", SessionStatus::PinChangeRequired, by_badge),
    ] {
        let session_id = SessionId::new(id(name));
        if sessions::find(tx, tenant, &session_id)?.is_some() {
            continue;
        }
        let session = SessionRow {
            tenant_id: tenant.clone(),
            session_id,
            application_id: application.clone(),
            user_id: Some(user.user_id.clone()),
            status,
            state: serde_json::to_string(&state).map_err(Error::internal)?,
            created_at: tx.now(),
            expires_at: tx.now().plus_minutes(SECRET_DAYS * 24 * 60),
            completed_at: None,
        };
        sessions::insert(tx, &session)?;
    }
    let operation_id = OperationId::new(id("operation"));
    if operations::find(tx, tenant, &user.user_id, &operation_id)?.is_some() {
        return Ok(());
    }
    let operation = Operation {
        tenant_id: tenant.clone(),
        resource_location: format!("/users/{}/authentication/passwordMethods/{}", user.user_id, password::ID),
        user_id: user.user_id,
        operation_id,
        status: OperationStatus::Succeeded,
        status_detail: Some("ResetSuccess".into()),
        created_at: tx.now(),
        last_action_at: tx.now(),
    };
    operations::insert(tx, &operation)
}
