//! Attestation: an authenticator with the certificate of W3C WebAuthn Level 3, section 16.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;
use rekey::methods::fido2::relying_party::{Choice, RelyingParty};
use serde_cbor_2::Value as Cbor;

use super::*;
use crate::support::{Backend, backends};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn decoded(response: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(response["response"][name].as_str().unwrap()).unwrap()
}

fn with_object(credential: &Value, object: &Cbor) -> Value {
    let mut changed = credential.clone();
    let bytes = serde_cbor_2::to_vec(object).unwrap();
    changed["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(bytes));
    changed
}

fn text(name: &str) -> Cbor {
    Cbor::Text(name.into())
}

/// The same credential with a packed attestation, signed by the section's attestation key.
fn attested(credential: &Value) -> Value {
    let key =
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_ASN1_SIGNING, &hex(KEY), &hex(PUBLIC_KEY));
    let Cbor::Map(mut object) = serde_cbor_2::from_slice(&decoded(credential, "attestationObject")).unwrap() else {
        panic!("an attestation object is a map")
    };
    let Cbor::Bytes(mut signed) = object[&text("authData")].clone() else { panic!("authData is bytes") };
    signed.extend(digest(&SHA256, &decoded(credential, "clientDataJSON")).as_ref());
    let signature = key.unwrap().sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec();
    let statement = [
        (text("alg"), Cbor::Integer(-7)),
        (text("sig"), Cbor::Bytes(signature)),
        (text("x5c"), Cbor::Array(vec![Cbor::Bytes(hex(CERTIFICATE))])),
    ];
    object.insert(text("fmt"), text("packed"));
    object.insert(text("attStmt"), Cbor::Map(statement.into_iter().collect()));
    with_object(credential, &Cbor::Map(object))
}

/// What a copied authenticator answers to new options: the key that it has already.
pub async fn again(device: &VirtualPasskey, options: &Value) -> Value {
    let mut fresh = VirtualPasskey { key: None, ..device.clone() };
    let credential = fresh.create(options).await;
    let mut object = decoded(&credential, "attestationObject");
    let old = device.key.as_ref().unwrap();
    let new = fresh.key.as_ref().unwrap();
    let replace = |object: &mut Vec<u8>, old: &[u8], new: &[u8]| {
        let at = object.windows(old.len()).position(|window| window == old).unwrap();
        object[at..at + old.len()].copy_from_slice(new);
    };
    replace(&mut object, &new.credential_id, &old.credential_id);
    let mut same = credential.clone();
    same["id"] = json!(URL_SAFE_NO_PAD.encode(&*old.credential_id));
    same["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(object));
    same
}

/// A server that trusts the section's certificate authority, or nobody.
async fn start(backend: Backend, roots: bool) -> TestApp {
    TestApp::start_changed(backend, move |app| {
        if roots {
            let choice = Choice { attestation_roots: Some(AUTHORITY.into()), ..Choice::default() };
            app.relying_party = RelyingParty::chosen(&app.issuer.public_url, &choice).unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn a_trusted_chain_attests() {
    for backend in backends() {
        let app = start(backend, true).await;
        add_user(&app, USER).await;
        change_policy(&app, |policy| policy.fido2.is_attestation_enforced = true).await;
        let mut device = VirtualPasskey::at(&app.base);
        let plain = device.create(&options(&app, USER).await).await;
        let refused = post(&app, USER, &plain).await.expect_error(400, "badRequest");
        assert!(refused.text.contains("enforces attestation"), "{}", refused.text);
        let made = post(&app, USER, &attested(&plain)).await.expect(201).json;
        assert_eq!(made["attestationLevel"], "attested");
        assert_eq!(made["model"], "WebAuthn test vectors");
        assert_eq!(made["attestationCertificates"], json!(["da2b3080b6c3e37f58487732d739188daefcc424"]));
        assert_eq!(sign_in(&app, USER, &mut device).await.expect(200).json["status"], "completed");
    }
}

#[tokio::test]
async fn without_roots_nothing_is_attested() {
    for backend in backends() {
        let app = start(backend, false).await;
        add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base);
        let credential = attested(&device.create(&options(&app, USER).await).await);
        change_policy(&app, |policy| policy.fido2.is_attestation_enforced = true).await;
        post(&app, USER, &credential).await.expect_error(400, "badRequest");
        change_policy(&app, |policy| policy.fido2.is_attestation_enforced = false).await;
        // A statement that is not signed by its certificate is refused, whoever would be trusted.
        let mut forged = credential.clone();
        let object = decoded(&credential, "attestationObject");
        let mut object: Cbor = serde_cbor_2::from_slice(&object).unwrap();
        if let Cbor::Map(map) = &mut object
            && let Some(Cbor::Map(statement)) = map.get_mut(&text("attStmt"))
            && let Some(Cbor::Bytes(signature)) = statement.get_mut(&text("sig"))
        {
            *signature.last_mut().unwrap() ^= 1;
        }
        forged["response"]["attestationObject"] =
            with_object(&credential, &object)["response"]["attestationObject"].take();
        post(&app, USER, &forged).await.expect_error(400, "badRequest");
        // Another format than none and packed.
        if let Cbor::Map(map) = &mut object {
            map.insert(text("fmt"), text("android-safetynet"));
        }
        post(&app, USER, &with_object(&credential, &object)).await.expect_error(400, "badRequest");
        let made = post(&app, USER, &credential).await.expect(201).json;
        assert_eq!(made["attestationLevel"], "notAttested");
        assert_eq!(made["attestationCertificates"].as_array().unwrap().len(), 1);
    }
}

/// `attestation_private_key` of section 16.8.
const KEY: &str = "ec2804b222552b4b277d1f58f8c4343c0b0b0db5474eb55365c89d66a2bc96be";
const PUBLIC_KEY: &str = "04a91ba4389409dd38a428141940ca8feb1ac0d7b4350558104a3777a49322f3798440f378b3398ab2d3bb7bf91322c92eb23556f59ad0a836fec4c7663b0e4dc3";
const CERTIFICATE: &str = "30820221308201c8a00302010202110088c220f83c8ef1feafe94deae45faad0300a06082a8648ce3d0403023062311e301c06035504030c15576562417574686e207465737420766563746f7273310c300a060355040a0c0357334331253023060355040b0c1c41757468656e74696361746f72204174746573746174696f6e204341310b30090603550406130241413020170d3234303130313030303030305a180f33303234303130313030303030305a305f311e301c06035504030c15576562417574686e207465737420766563746f7273310c300a060355040a0c0357334331223020060355040b0c1941757468656e74696361746f72204174746573746174696f6e310b30090603550406130241413059301306072a8648ce3d020106082a8648ce3d03010703420004a91ba4389409dd38a428141940ca8feb1ac0d7b4350558104a3777a49322f3798440f378b3398ab2d3bb7bf91322c92eb23556f59ad0a836fec4c7663b0e4dc3a360305e300c0603551d130101ff04023000300e0603551d0f0101ff040403020780301d0603551d0e04160414a589ba72d060842ab11f74fb246bdedab16f9b9b301f0603551d2304183016801445aff715b0dd786741fee996ebc16547a3931b1e300a06082a8648ce3d040302034700304402201726b9d85ecd8a5ed51163722ca3a20886fd9b242a0aa0453d442116075defd502207ef471e530ac87961a88a7f0d0c17b091ffc6b9238d30f79f635b417be5910e7";
/// The section's certificate authority.
const AUTHORITY: &str = include_str!("../../fixtures/webauthn/ca.pem");
