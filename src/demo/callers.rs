//! Who else may call in the example tenant: an application with a secret, a key and a federated credential, and an outside
//! issuer that the tenant trusts. Everybody can work the key out.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{SECRET_DAYS, id};
use crate::{
    error::{Error, Result},
    id::{ApplicationId, TenantId, TrustedIssuerId},
    store::{
        Tx,
        applications::{self, Application, FederatedCredential, KeyCredential},
        trusted_issuers::{self, TrustedIssuer, UserClaim},
    },
    tokens,
};

/// The outside issuer of the demo; there is none at this address.
pub const ISSUER: &str = "https://idp.contoso.example";
/// The audience of its tokens for the example tenant.
pub const AUDIENCE: &str = "api://rekey-demo";

/// The id of the application that examples change.
pub fn application() -> String {
    id("nightly job")
}

pub fn secret() -> String {
    id("nightly job secret")
}

pub fn key() -> String {
    id("nightly job key")
}

pub fn federated_credential() -> String {
    id("nightly job federated credential")
}

pub fn trusted_issuer() -> String {
    id("trusted issuer")
}

/// The Ed25519 private key (RFC 8032 section 5.1.5) of the application's key.
pub fn private_key() -> [u8; 32] {
    let mut seed = [0; 32];
    seed.copy_from_slice(digest(&SHA256, b"demo key of the nightly job").as_ref());
    seed
}

pub(super) fn seed(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<()> {
    let application_id = ApplicationId::new(application());
    if applications::find(tx, tenant, &application_id)?.is_some() {
        return Ok(());
    }
    let pair = Ed25519KeyPair::from_seed_unchecked(&private_key()).map_err(Error::internal)?;
    let (now, end) = (tx.now(), tx.now().plus_minutes(SECRET_DAYS * 24 * 60));
    let secret_text = tokens::new_secret(tx.entropy(), now, SECRET_DAYS).0;
    let (_, record) = tokens::secret_of(secret(), secret_text, now, SECRET_DAYS);
    let key = KeyCredential {
        key_id: key(),
        display_name: Some("Demo".into()),
        certificate: None,
        jwk: Some(json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key())})),
        start_date_time: now,
        end_date_time: end,
    };
    let federated = FederatedCredential {
        id: federated_credential(),
        name: "nightly-job".into(),
        issuer: ISSUER.into(),
        subject: "system:serviceaccount:contoso:nightly-job".into(),
        audiences: vec!["api://AzureADTokenExchange".into()],
        description: None,
    };
    let row = Application {
        tenant_id: tenant.clone(),
        application_id,
        display_name: "Contoso nightly job (demo)".into(),
        permissions: vec!["User.Read.All".into()],
        secrets: vec![record],
        is_enabled: true,
        created_at: now,
        key_credentials: vec![key],
        federated_credentials: vec![federated],
    };
    applications::insert(tx, &row)?;
    let trusted = TrustedIssuer {
        tenant_id: tenant.clone(),
        issuer_id: TrustedIssuerId::new(trusted_issuer()),
        display_name: "Contoso identity provider (demo)".into(),
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        jwks_uri: None,
        user_claim: UserClaim::PreferredUsername,
        created_at: now,
    };
    trusted_issuers::insert(tx, &trusted).map(drop)
}
