//! Authenticator apps of the demo: what they sign with, one that is asked at this moment, and one that waits to be
//! activated. Everybody can work their keys out.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};

use super::{EXAMPLE_TENANT, NEW_HIRE, SECRET_DAYS, id};
use crate::{
    access::Origin,
    error::{Error, Result},
    id::{ApplicationId, ChallengeId, MethodId, SessionId, TenantId, stable_guid},
    methods::{
        Method, find,
        microsoft_authenticator::{
            activation,
            jws::DeviceKey,
            push::{self, Question},
        },
    },
    store::{
        Tx, sessions,
        users::{self, User},
    },
};

/// The user whose app is asked to approve a sign-in.
pub const APP_USER: &str = "joni.sherman@contoso.example";
/// The number that the sign-in page shows him.
pub const PUSH_NUMBER: &str = "42";
/// An activation code of the new hire.
pub const ACTIVATION_CODE: &str = "DEMO-DEMO-DEMO-DEMO";

/// The Ed25519 private key (RFC 8032 section 5.1.5) of a demo user's app.
pub fn private_key(user: &str) -> [u8; 32] {
    let mut seed = [0; 32];
    seed.copy_from_slice(digest(&SHA256, format!("demo authenticator of {user}").as_bytes()).as_ref());
    seed
}

pub(super) fn public_key(user: &str) -> Result<DeviceKey> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&private_key(user)).map_err(Error::internal)?;
    Ok(DeviceKey::ed25519(pair.public_key().as_ref()))
}

/// Where the app of [`APP_USER`] stands: tenant, user, device.
pub fn address() -> [String; 3] {
    let tenant = stable_guid(&format!("demo/{EXAMPLE_TENANT}"));
    let user = stable_guid(&format!("demo/user/{APP_USER}"));
    [tenant, user, stable_guid(&format!("demo/{APP_USER}/microsoftAuthenticator"))]
}

/// A push request to [`APP_USER`], and an activation code of the new hire; both last longer than real ones.
pub(super) fn seed(tx: &mut Tx<'_>, tenant: &TenantId, application: &ApplicationId) -> Result<()> {
    let [_, _, device] = address();
    let session = SessionId::new(id("push session"));
    if sessions::find(tx, tenant, &session)?.is_some() {
        return Ok(());
    }
    let expires = tx.now().plus_minutes(SECRET_DAYS * 24 * 60);
    let asked = user(tx, tenant, APP_USER)?;
    let row = super::waiting_session(tx, tenant, application, session.clone(), Some(asked.user_id.clone()))?;
    sessions::insert(tx, &row)?;
    let Method::MicrosoftAuthenticator(app) = find(tx, &asked, &MethodId::new(device))? else {
        return Err(Error::internal("the demo's app is no app"));
    };
    let mut question = Question::new(tx, "Contoso help desk (demo)", &Origin::default());
    question.number = PUSH_NUMBER.into();
    push::insert(tx, &asked, &app, &session, &ChallengeId::new(id("push request")), &question, expires)?;
    let hire = user(tx, tenant, NEW_HIRE)?;
    activation::seed(tx, tenant, &hire.user_id, &id("activation"), ACTIVATION_CODE, expires)
}

fn user(tx: &mut Tx<'_>, tenant: &TenantId, name: &str) -> Result<User> {
    users::find(tx, tenant, name)?.ok_or_else(|| Error::internal("a user of the demo is not there"))
}
