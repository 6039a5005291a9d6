//! Keys of applications (Graph's keyCredential): certificates, and public keys without one. Nothing in them is secret.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{authorize_on, authorize_on_own, ids, write_back};
use crate::{
    access::Caller,
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::ApplicationId,
    store::{
        Tx,
        applications::{Application, KeyCredential},
    },
    tokens::{
        credentials,
        jwt::{Jwt, PublicKey},
    },
};

/// Keys that an application may have at once.
const MAX_KEYS: usize = 10;
/// The largest certificate, in bytes, and the largest JWK as JSON.
const MAX_CERTIFICATE: usize = 8 * 1024;
const MAX_JWK: usize = 4 * 1024;
/// How long a key without a certificate lives unless something else is asked for, in days, and at most.
const DAYS: i64 = 365;
const MAX_DAYS: i64 = 3 * 365;
/// How long a proof of possession may live, in seconds: Graph's ten minutes, and the skew of clocks.
const PROOF_SECONDS: i64 = 15 * 60;
/// Whom a proof may name as its audience: Graph's own directory service.
const DIRECTORY_SERVICE: &str = "00000002-0000-0000-c000-000000000000";

/// A key as it is asked for.
#[derive(Debug, Clone)]
pub struct KeyInput {
    /// Names the key; chosen here when nobody did.
    pub key_id: Option<String>,
    pub display_name: Option<String>,
    /// None: the key with this id stays as it is.
    pub material: Option<Material>,
    pub start_date_time: Option<Timestamp>,
    pub end_date_time: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub enum Material {
    /// A certificate in DER, base64.
    Certificate(String),
    /// A public key as JWK.
    Jwk(Value),
}

fn wrong(message: impl Into<String>) -> Error {
    Error::invalid_user("keyCredentials", message)
}

/// The whole list of keys that is asked for; those that are already there may be named by their ids alone.
pub(super) fn resolve(tx: &Tx<'_>, held: &[KeyCredential], inputs: &[KeyInput]) -> Result<Vec<KeyCredential>> {
    if inputs.len() > MAX_KEYS {
        return Err(wrong(format!("An application has at most {MAX_KEYS} keys.")));
    }
    let mut keys: Vec<KeyCredential> = vec![];
    for input in inputs {
        let known = held.iter().find(|key| Some(&key.key_id) == input.key_id.as_ref());
        let key = match (&input.material, known) {
            (Some(material), None) => new_key(tx, input, material)?,
            // What Graph's clients send back of a key that shall stay.
            (None, Some(known)) => KeyCredential { display_name: input.display_name.clone(), ..known.clone() },
            // Or the whole of it, as it was read.
            (Some(material), Some(known)) if is_same(input, material, known) => {
                KeyCredential { display_name: input.display_name.clone(), ..known.clone() }
            }
            (Some(_), Some(_)) => {
                return Err(wrong("A key that exists is not changed; add another with its own keyId."));
            }
            (None, None) => return Err(wrong("A key without 'key' or 'jwk' must name an existing one by its keyId.")),
        };
        check_display_name(key.display_name.as_deref())?;
        if keys.iter().any(|other| other.key_id == key.key_id) {
            return Err(wrong("Two keys have the same keyId."));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn is_same(input: &KeyInput, material: &Material, known: &KeyCredential) -> bool {
    let same = |at: Option<Timestamp>, known| at.is_none_or(|at| at == known);
    let same_material = match material {
        Material::Certificate(text) => known.certificate.as_ref() == Some(text),
        Material::Jwk(jwk) => known.jwk.as_ref() == Some(jwk),
    };
    same_material
        && same(input.start_date_time, known.start_date_time)
        && same(input.end_date_time, known.end_date_time)
}

fn check_display_name(name: Option<&str>) -> Result<()> {
    directory::check_text("displayName", name.unwrap_or_default(), 256).map_err(Error::in_directory)
}

fn new_key(tx: &Tx<'_>, input: &KeyInput, material: &Material) -> Result<KeyCredential> {
    let key_id = match &input.key_id {
        Some(id) => ApplicationId::parse(id).ok_or_else(|| wrong("A keyId is a GUID."))?.into_string(),
        None => tx.guid(),
    };
    let now = tx.now();
    let (certificate, jwk, from, until) = match material {
        Material::Certificate(text) => {
            let (der, from, until) = read_certificate(text)?;
            (Some(STANDARD.encode(der)), None, from, until)
        }
        Material::Jwk(jwk) => {
            read_jwk(jwk)?;
            (None, Some(jwk.clone()), now.plus_minutes(-5), now.plus_minutes(MAX_DAYS * 24 * 60))
        }
    };
    let default_end = if jwk.is_some() { now.plus_minutes(DAYS * 24 * 60) } else { until };
    let (start, end) = (input.start_date_time.unwrap_or(from), input.end_date_time.unwrap_or(default_end));
    if start < from || end > until || end <= start {
        let message = format!(
            "startDateTime and endDateTime lie between {from} and {until}: within the certificate's validity, or {MAX_DAYS} days for a key without one."
        );
        return Err(wrong(message));
    }
    if end <= now {
        return Err(wrong("The key has expired already."));
    }
    let display_name = input.display_name.clone();
    Ok(KeyCredential { key_id, display_name, certificate, jwk, start_date_time: start, end_date_time: end })
}

/// The certificate in DER, and from when until when it is valid.
fn read_certificate(text: &str) -> Result<(Vec<u8>, Timestamp, Timestamp)> {
    let unreadable = || wrong("'key' is one X.509 certificate in DER, in base64.");
    let der = STANDARD.decode(text).ok().filter(|der| der.len() <= MAX_CERTIFICATE).ok_or_else(unreadable)?;
    let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| unreadable())?;
    if !rest.is_empty() {
        return Err(unreadable());
    }
    let validity = certificate.validity();
    let moment = |at: &x509_parser::time::ASN1Time| Timestamp::from_seconds(at.timestamp());
    let (from, until) = (moment(&validity.not_before), moment(&validity.not_after));
    if PublicKey::from_certificate(&der).is_none() {
        return Err(wrong("The certificate's key is RSA of 2048 bits or more, P-256, P-384 or Ed25519."));
    }
    Ok((der, from, until))
}

fn read_jwk(jwk: &Value) -> Result<()> {
    if ["d", "p", "q", "k"].iter().any(|name| jwk.get(name).is_some()) {
        return Err(wrong("'jwk' holds a private key: make a new one and send its public half only."));
    }
    if jwk.to_string().len() > MAX_JWK || PublicKey::from_jwk(jwk).is_none() {
        return Err(wrong("'jwk' is a public RSA key of 2048 bits or more, P-256, P-384 or Ed25519 (RFC 7517)."));
    }
    Ok(())
}

/// Graph's proof of possession: a JWT signed by one of the application's keys, with `iss` the application's id, `aud` the
/// directory service or this server, and `exp` within ten minutes.
fn check_proof(tx: &Tx<'_>, application: &Application, proof: &str, public_url: &str) -> Result<()> {
    let refused = || {
        Error::invalid_user(
            "proof",
            format!(
                "proof is a JWT signed by one of the application's valid keys, with iss the application's id, aud '{DIRECTORY_SERVICE}' or '{public_url}', and exp within ten minutes. The first key is added by an administrator, with PATCH."
            ),
        )
    };
    let now = tx.now();
    let jwt = Jwt::parse(proof).ok_or_else(refused)?;
    let is_signed = credentials::signer(application, &jwt).is_some_and(|key| key.is_valid_at(now));
    let is_ours = jwt.text("iss").and_then(ApplicationId::parse).as_ref() == Some(&application.application_id);
    let audiences = jwt.audiences();
    let is_for_us = audiences == [DIRECTORY_SERVICE] || audiences == [public_url];
    let is_fresh = jwt.valid_until(now).is_some_and(|until| until <= now.plus_seconds(PROOF_SECONDS));
    if is_signed && is_ours && is_for_us && is_fresh { Ok(()) } else { Err(refused()) }
}

/// Adds a key, proven by one that is there: what an application does to roll its keys, without any permission.
pub fn add(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    input: &KeyInput,
    proof: &str,
    public_url: &str,
) -> Result<KeyCredential> {
    let (actor, mut application) = authorize_on_own(tx, caller, id)?;
    check_proof(tx, &application, proof, public_url)?;
    push(tx, &mut application, input)?;
    let key = application.key_credentials.last().cloned().ok_or_else(|| Error::internal("the new key is not there"))?;
    write_back(tx, &actor, &application, |entry| entry.modified("KeyCredentials", None::<()>, &key.key_id))?;
    Ok(key)
}

/// Adds a key without a proof, for whoever may change the application's keys as a whole.
pub fn add_unproven(tx: &mut Tx<'_>, caller: &Caller, id: &str, input: &KeyInput) -> Result<KeyCredential> {
    let (actor, mut application) = authorize_on(tx, caller, id)?;
    push(tx, &mut application, input)?;
    let key = application.key_credentials.last().cloned().ok_or_else(|| Error::internal("the new key is not there"))?;
    write_back(tx, &actor, &application, |entry| entry.modified("KeyCredentials", None::<()>, &key.key_id))?;
    Ok(key)
}

fn push(tx: &Tx<'_>, application: &mut Application, input: &KeyInput) -> Result<()> {
    let now = tx.now();
    application.key_credentials.retain(|key| key.end_date_time > now);
    if application.key_credentials.len() >= MAX_KEYS {
        return Err(Error::conflict(format!("An application has at most {MAX_KEYS} keys; remove one first.")));
    }
    let new = resolve(tx, &[], std::slice::from_ref(input))?;
    if new.iter().any(|new| ids(&application.key_credentials).contains(&new.key_id.as_str())) {
        return Err(wrong("There is a key with this keyId already."));
    }
    application.key_credentials.extend(new);
    Ok(())
}

/// Removes a key, proven by one that is there (the same, perhaps); every token that it obtained is void at once.
pub fn remove(tx: &mut Tx<'_>, caller: &Caller, id: &str, key_id: &str, proof: &str, public_url: &str) -> Result<()> {
    let (actor, application) = authorize_on_own(tx, caller, id)?;
    check_proof(tx, &application, proof, public_url)?;
    take_out(tx, &actor, application, key_id)
}

/// Removes a key without a proof, for whoever may change the application's keys as a whole.
pub fn remove_unproven(tx: &mut Tx<'_>, caller: &Caller, id: &str, key_id: &str) -> Result<()> {
    let (actor, application) = authorize_on(tx, caller, id)?;
    take_out(tx, &actor, application, key_id)
}

fn take_out(tx: &mut Tx<'_>, actor: &crate::access::Actor, mut application: Application, key_id: &str) -> Result<()> {
    let before = application.key_credentials.len();
    application.key_credentials.retain(|key| key.key_id != key_id);
    if application.key_credentials.len() == before {
        return Err(Error::user_not_found(key_id));
    }
    write_back(tx, actor, &application, |entry| entry.modified("KeyCredentials", key_id, None::<()>))
}
