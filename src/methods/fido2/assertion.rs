//! Signing in with a passkey or another key of WebAuthn's: a challenge, then the authenticator's signature over it.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs_core::{
    error::WebauthnError,
    proto::{AuthenticationState, Credential, PublicKeyCredential, UserVerificationPolicy},
};

use super::relying_party::RelyingParty;
use crate::{
    error::{Error, Result},
    id::{ChallengeId, MethodId, SessionId, TenantId, UserId},
    methods::proof::{self, Prompt, Verdict},
    store::{
        Tx,
        challenges::{self, Challenge, Purpose},
        methods::{self, MethodRow},
        users::User,
    },
};

/// How long an answer may take, in minutes.
const MINUTES: i64 = 5;

/// What was asked: the sealed state of a challenge.
#[derive(Serialize, Deserialize)]
struct Asked {
    webauthn: AuthenticationState,
    /// No passkey was named: the authenticator must say whose it is.
    is_discoverable: bool,
}

/// Asks for any passkey of the user's. Without a user nobody is named, whoever is meant: nothing can be learnt from
/// the question, and the answer says whose it is.
pub fn challenge(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    tenant: &TenantId,
    session: &SessionId,
    user: Option<&User>,
) -> Result<Prompt> {
    // Nobody's question belongs to the session itself.
    let Some(user) = user else { return ask(tx, party, tenant, &UserId::new(session.as_str()), session, vec![], None) };
    let mut credentials = vec![];
    for method in proof::usable(tx, user)? {
        if let Some(row) = method.webauthn_row() {
            credentials.extend(super::open(tx, row)?);
        }
    }
    if credentials.is_empty() {
        return Err(Error::invalid("methodId", "No passkey of the user can be used here; name another method."));
    }
    ask(tx, party, tenant, &user.user_id, session, credentials, None)
}

/// Asks for this passkey.
pub fn challenge_one(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    user: &User,
    row: &MethodRow,
    session: &SessionId,
) -> Result<Prompt> {
    let credential = super::open(tx, row)?.into_iter().collect();
    let method = Some(row.method_id.clone());
    ask(tx, party, &user.tenant_id, &user.user_id, session, credential, method)
}

fn ask(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    tenant: &TenantId,
    owner: &UserId,
    session: &SessionId,
    credentials: Vec<Credential>,
    method_id: Option<MethodId>,
) -> Result<Prompt> {
    let is_discoverable = credentials.is_empty();
    let builder = party
        .core()
        .new_challenge_authenticate_builder(credentials, Some(UserVerificationPolicy::Required))
        .map_err(Error::internal)?;
    let (response, mut webauthn) = party.core().generate_challenge_authenticate(builder).map_err(Error::internal)?;
    // The credential is read anew when the answer comes.
    webauthn.set_allowed_credentials(vec![]);
    let state = serde_json::to_vec(&Asked { webauthn, is_discoverable }).map_err(Error::internal)?;
    challenges::delete_of_session(tx, tenant, owner, session, Purpose::PasskeyAssertion)?;
    let challenge_id = ChallengeId::new(tx.guid());
    let expires_at = tx.now().plus_minutes(MINUTES);
    let row = Challenge {
        tenant_id: tenant.clone(),
        user_id: owner.clone(),
        purpose: Purpose::PasskeyAssertion,
        method_id,
        session_id: Some(session.clone()),
        lookup: Some(super::lookup(&response.public_key.challenge)),
        sealed_state: tx.seal(&challenges::place(tenant, owner, &challenge_id), &state)?,
        tries_left: 1,
        created_at: tx.now(),
        expires_at,
        challenge_id,
    };
    challenges::insert(tx, &row)?;
    let options = serde_json::to_value(response.public_key).map_err(Error::internal)?;
    Ok(Prompt::PublicKey { options, expires_at })
}

/// Checks the answer to this session's challenge, and takes the challenge: right or wrong, it is not answered again.
pub fn verify(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    user: &User,
    row: &MethodRow,
    session: &SessionId,
    answer: &Value,
) -> Result<Verdict> {
    let answer: PublicKeyCredential = serde_json::from_value(answer.clone())
        .map_err(|_| Error::invalid("publicKeyCredential", "This is not WebAuthn's AuthenticationResponseJSON."))?;
    let Some(asked) = take(tx, user, row, session, &answer.response.client_data_json)? else {
        return Ok(Verdict::Refused(
            "This session asked for no such answer, has it already or waits no longer: ask for a new challenge.",
        ));
    };
    if super::is_framed(&answer.response.client_data_json) {
        return Ok(Verdict::Refused(super::explain(&WebauthnError::CredentialCrossOrigin)));
    }
    let Some(mut credential) = super::open(tx, row)? else {
        return Ok(Verdict::Refused("This passkey is only a record; it cannot be used to sign in."));
    };
    match answer.get_user_unique_id().filter(|handle| !handle.is_empty()) {
        Some(handle) if handle == super::user_handle(user) => {}
        None if !asked.is_discoverable => {}
        _ => return Ok(Verdict::Refused("The authenticator says that the passkey is somebody else's.")),
    }
    let outcome = match party.core().authenticate_single_credential(&answer, &asked.webauthn, &credential) {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Verdict::Refused(super::explain(&error))),
    };
    credential.counter = outcome.counter();
    credential.backup_state = outcome.backup_state();
    let mut row = row.clone();
    super::seal(tx, &mut row, &credential)?;
    methods::set_used_secret(tx, &row)?;
    Ok(Verdict::Proven)
}

/// Takes the session's challenge that this answer belongs to.
fn take(
    tx: &mut Tx<'_>,
    user: &User,
    row: &MethodRow,
    session: &SessionId,
    client_data_json: &[u8],
) -> Result<Option<Asked>> {
    let is_ours = |challenge: &Challenge| {
        challenge.tenant_id == user.tenant_id
            && challenge.session_id.as_ref() == Some(session)
            && challenge.method_id.as_ref().is_none_or(|id| *id == row.method_id)
    };
    let challenge = super::answered(tx, Purpose::PasskeyAssertion, client_data_json)?.filter(is_ours);
    let Some(challenge) = challenge else { return Ok(None) };
    if !challenges::take(tx, &challenge)? {
        return Ok(None);
    }
    let place = challenges::place(&challenge.tenant_id, &challenge.user_id, &challenge.challenge_id);
    let state = tx.open(&place, &challenge.sealed_state)?;
    serde_json::from_slice(state.expose_secret()).map(Some).map_err(Error::internal)
}
