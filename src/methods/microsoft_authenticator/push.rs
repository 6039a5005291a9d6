//! Push requests: the sign-in page shows a number, the user types it into the app, the app signs it.
//!
//! Against fatigue: a user has one open request at a time, and a request counts as failed from the moment it is sent
//! until it is approved, so that three which came to nothing pause all further ones (`throttle.rs`), whether or not
//! anybody ever calls again.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    MicrosoftAuthenticator,
    device::{self, Device, DeviceCaller},
};
use crate::{
    access::{Actor, Origin},
    clock::Timestamp,
    error::{Error, Result},
    id::{ChallengeId, SessionId},
    messages::{self, Message},
    methods::{Stored, proof::Prompt},
    store::{
        Tx,
        challenges::{self, Challenge, Purpose},
        guesses::GuessKind,
        messages::Channel,
        users::User,
    },
    throttle,
};

/// How long a request waits for its answer.
const SECONDS: i64 = 60;

/// What is asked, and what only the sign-in page shows.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Two digits, 10 to 99.
    pub number: String,
    /// 128 random bits, base64url.
    pub nonce: String,
    /// The application that signs the user in.
    pub application: String,
    /// Where the sign-in was asked for.
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

impl Question {
    pub fn new(tx: &Tx<'_>, application: &str, origin: &Origin) -> Self {
        let entropy = tx.entropy();
        Self {
            number: entropy.text(b"123456789", 1) + &entropy.text(b"0123456789", 1),
            nonce: URL_SAFE_NO_PAD.encode(entropy.bytes::<16>()),
            application: application.to_owned(),
            ip_address: origin.ip_address.clone(),
            user_agent: origin.user_agent.clone(),
        }
    }
}

/// An open request as its device sees it.
#[derive(Debug, Clone)]
pub struct PushRequest {
    pub id: ChallengeId,
    pub nonce: String,
    pub application_display_name: String,
    pub ip_address: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Asks the app. Refused while another request of the user is open, and while pushes pause.
pub fn challenge(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: &User,
    app: &Stored<MicrosoftAuthenticator>,
    session: &SessionId,
) -> Result<Prompt> {
    let (tenant, subject) = (&user.tenant_id, user.user_id.as_str());
    if let Some(open) = challenges::of_user(tx, tenant, &user.user_id, Purpose::Push)?.last() {
        let seconds = throttle::seconds_until(open.expires_at, tx.now());
        let message =
            format!("A push request is open already: answer it, use another method, or wait {seconds} seconds.");
        return Err(Error::TooManyAttempts { message, retry_after: Some(seconds) });
    }
    throttle::check(tx, tenant, subject, GuessKind::Push)?;
    throttle::failed(tx, tenant, subject, GuessKind::Push)?;

    let question = Question::new(tx, &actor.display_name, &actor.origin);
    let id = ChallengeId::new(tx.guid());
    let expires_at = tx.now().plus_seconds(SECONDS);
    insert(tx, user, app, session, &id, &question, expires_at)?;
    if let Some(url) = app.wake_url(tx)? {
        let text = json!({"type": "pushRequest", "deviceId": app.row.method_id, "requestId": id}).to_string();
        let to = url.expose_secret().to_owned();
        messages::enqueue(tx, tenant, &Message { channel: Channel::Push, to, subject: None, text, expires_at })?;
    }
    Ok(Prompt::Push { number: question.number, expires_at })
}

/// Stores a request; also for seeded data.
pub fn insert(
    tx: &mut Tx<'_>,
    user: &User,
    app: &Stored<MicrosoftAuthenticator>,
    session: &SessionId,
    id: &ChallengeId,
    question: &Question,
    expires_at: Timestamp,
) -> Result<()> {
    let state = serde_json::to_vec(question).map_err(Error::internal)?;
    let challenge = Challenge {
        tenant_id: user.tenant_id.clone(),
        challenge_id: id.clone(),
        user_id: user.user_id.clone(),
        purpose: Purpose::Push,
        method_id: Some(app.row.method_id.clone()),
        session_id: Some(session.clone()),
        lookup: None,
        sealed_state: tx.seal(&challenges::place(&user.tenant_id, &user.user_id, id), &state)?,
        tries_left: 1,
        created_at: tx.now(),
        expires_at,
    };
    challenges::insert(tx, &challenge)
}

fn open(tx: &Tx<'_>, challenge: &Challenge) -> Result<Question> {
    let Challenge { tenant_id, user_id, challenge_id, sealed_state, .. } = challenge;
    let state = tx.open(&challenges::place(tenant_id, user_id, challenge_id), sealed_state)?;
    serde_json::from_slice(state.expose_secret()).map_err(Error::internal)
}

/// The open requests to a device; at most one.
pub fn list(tx: &mut Tx<'_>, caller: &DeviceCaller) -> Result<Vec<PushRequest>> {
    let Device { user, app, .. } = device::identify(tx, caller)?;
    let mut all = challenges::of_user(tx, &user.tenant_id, &user.user_id, Purpose::Push)?;
    all.retain(|challenge| challenge.method_id.as_ref() == Some(&app.row.method_id));
    let request = |challenge: Challenge| {
        let question = open(tx, &challenge)?;
        Ok(PushRequest {
            id: challenge.challenge_id,
            nonce: question.nonce,
            application_display_name: question.application,
            ip_address: question.ip_address,
            created_at: challenge.created_at,
            expires_at: challenge.expires_at,
        })
    };
    all.into_iter().map(request).collect()
}

/// The open request to this device with this id.
pub fn find(tx: &mut Tx<'_>, device: &Device, id: &str) -> Result<(Challenge, Question)> {
    let gone = || Error::method_not_found(id);
    let id = ChallengeId::parse(id).ok_or_else(gone)?;
    let found = challenges::find(tx, &device.user.tenant_id, &id)?.filter(|challenge| {
        challenge.purpose == Purpose::Push && challenge.method_id.as_ref() == Some(&device.app.row.method_id)
    });
    let challenge = found.filter(|challenge| challenge.user_id == device.user.user_id).ok_or_else(gone)?;
    let question = open(tx, &challenge)?;
    Ok((challenge, question))
}
