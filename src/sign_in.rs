//! Signing in: session -> proofs -> outcome. The whole state machine is [`next`]; the rest feeds it.
//!
//! A session belongs to the application that opened it and lives in the database, so any replica may answer the next
//! call. Whoever must register is let nowhere else: [`next`] asks for that before anything that was proven.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::{
    access::{self, Action, Actor, Caller, Powers, Scope},
    clock::Timestamp,
    error::{Area, Error, Result},
    id::{ApplicationId, SessionId},
    methods::{
        self, Method,
        fido2::relying_party::RelyingParty,
        preferences::{self, UsableMethod},
        proof::{self, Evidence, Occasion, Prompt, Verdict},
        requirements::{Demands, Standing},
    },
    store::{
        Tx,
        sessions::{self, SessionRow, SessionStatus},
        users::{self, User},
    },
    throttle,
    tokens::{Issuer, Outcome},
};

mod begin;
mod choice;
pub mod log;
pub mod password_change;
pub mod pin_change;
pub mod push;

use choice::{candidates, choose};

pub use crate::methods::proven::{Factor, Proof, State};
pub use begin::{FirstFactor, SignInRequest, before, before_pin, begin};

/// How long the outcome of a sign-in is good, in minutes, and its session with it.
const OUTCOME_MINUTES: i64 = 15;

/// Who this server is: to applications by its tokens, to browsers by its relying party.
#[derive(Debug, Clone)]
pub struct Host {
    pub issuer: Issuer,
    pub relying_party: RelyingParty,
}

/// A session as its application sees it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    pub id: SessionId,
    pub status: SessionStatus,
    /// What may be proven next, the preferred method first.
    pub methods: Vec<UsableMethod>,
    pub registration_token: Option<String>,
    pub outcome_token: Option<String>,
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for SessionView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionView").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

/// What came of a proof. A refusal is kept and therefore no error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Verified {
    Session(SessionView),
    Refused { message: String },
}

impl Verified {
    /// `target` is where the evidence was.
    pub fn into_result(self, target: &'static str) -> Result<SessionView> {
        match self {
            Self::Session(session) => Ok(session),
            Self::Refused { message } => Err(Error::invalid(target, message)),
        }
    }
}

/// Everything the next status follows from.
#[derive(Debug, Clone, Copy)]
struct Facts {
    demands: Demands,
    first_factor: bool,
    second_factor: bool,
    password_must_change: bool,
    pin_must_change: bool,
}

/// **The state machine.** Nothing outranks a registration that is due; then come the factors, then the password or PIN.
fn next(facts: Facts) -> SessionStatus {
    let proven_anything = facts.first_factor || facts.second_factor;
    if proven_anything && facts.demands.registration_is_due() {
        SessionStatus::RegistrationRequired
    } else if !facts.first_factor || (facts.demands.mfa_required && !facts.second_factor) {
        SessionStatus::MfaRequired
    } else if facts.password_must_change {
        SessionStatus::PasswordChangeRequired
    } else if facts.pin_must_change {
        SessionStatus::PinChangeRequired
    } else {
        SessionStatus::Completed
    }
}

/// The user of a session, who did what the application only carried here.
fn himself(application: &Actor, user: &User, state: &State) -> Actor {
    Actor {
        tenant: application.tenant.clone(),
        powers: Powers::User {
            id: user.user_id.clone(),
            roles: vec![],
            scope: Scope::Own { mfa: state.has(&[Factor::Possession, Factor::Both]), session: None },
        },
        display_name: user.display_name.clone(),
        principal_name: Some(user.user_principal_name.clone()),
        origin: application.origin.clone(),
    }
}

/// The application that runs sign-ins.
fn sign_in_service(tx: &mut Tx<'_>, caller: &Caller) -> Result<(Actor, ApplicationId)> {
    let actor = access::authorize(tx, caller, Action::RunSignIn, None)?;
    match &actor.powers {
        Powers::Application { id, .. } => {
            let id = id.clone();
            Ok((actor, id))
        }
        Powers::User { .. } | Powers::Operator | Powers::Partner(_) => Err(Error::Denied {
            area: Area::Directory,
            inner: "applicationOnly",
            message: "Sign-in sessions are run by applications with the permission SignIn.Verify.All.".into(),
        }),
    }
}

/// An open session of the calling application, with its user.
struct Open {
    actor: Actor,
    session: SessionRow,
    state: State,
    /// None when nobody has the name: such a session looks like any other and accepts nothing.
    user: Option<User>,
}

fn open(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Open> {
    let (actor, application) = sign_in_service(tx, caller)?;
    let session = SessionId::parse(id).map(|id| sessions::find(tx, &caller.tenant, &id)).transpose()?.flatten();
    let mut session =
        session.filter(|session| session.application_id == application).ok_or_else(|| Error::method_not_found(id))?;
    let state = State::of(&session)?;
    let user = match &session.user_id {
        Some(user) => users::find_by_id(tx, &caller.tenant, user, users::Presence::Present)?,
        None => None,
    };
    // Deleted, disabled or signed out meanwhile: nothing that was proven before counts.
    let user = user.filter(|user| user.account_enabled && user.sessions_valid_from <= session.created_at);
    if let Some(user) = &user {
        session.status = as_of_now(tx, user, session.status)?;
    }
    Ok(Open { actor, session, state, user })
}

/// What was due when a status was stored may not be so any more, and the other way round: nobody registers what is not
/// due, and an opt-out that has ended excuses nobody.
fn as_of_now(tx: &mut Tx<'_>, user: &User, stored: SessionStatus) -> Result<SessionStatus> {
    Ok(match stored {
        SessionStatus::RegistrationRequired if !Demands::of(tx, user)?.registration_is_due() => {
            SessionStatus::MfaRequired
        }
        SessionStatus::Completed if Standing::of(tx, user)?.is_registration_demanded() => SessionStatus::Refused,
        status => status,
    })
}

/// An open session where all is proven and only a new password or PIN is missing, with its user. Asked before a word is
/// said about what is new: nobody else learns anything of the user by that.
fn open_for_change(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    wanted: SessionStatus,
    secret: &str,
) -> Result<(Open, User)> {
    let mut open = open(tx, caller, id)?;
    if open.session.status != wanted {
        let message = format!("The session is {}; no {secret} is to be changed in it now.", open.session.status);
        return Err(Error::conflict(message));
    }
    let user = open.user.take();
    let user = user.ok_or_else(|| Error::conflict("The user was changed meanwhile; open a new session."))?;
    Ok((open, user))
}

/// Where the session stands. Changes nothing.
pub fn get(tx: &mut Tx<'_>, issuer: &Issuer, caller: &Caller, id: &str) -> Result<SessionView> {
    let Open { mut session, state, user, .. } = open(tx, caller, id)?;
    if session.user_id.is_some() && user.is_none() {
        session.status = SessionStatus::Refused;
    }
    view(tx, issuer, user.as_ref(), &session, &state)
}

/// Asks the user for a method: sends a code or a push, or returns WebAuthn's request options. Without a method it
/// asks for any passkey.
pub fn challenge(
    tx: &mut Tx<'_>,
    host: &Host,
    caller: &Caller,
    id: &str,
    method: Option<&str>,
    via: methods::sent_code::Via<'_>,
) -> Result<Prompt> {
    let Open { actor, session, state, user } = open(tx, caller, id)?;
    check_waits(&session)?;
    let party = &host.relying_party;
    let Some(method) = method else {
        // Before anything is proven, nobody learns what a user has.
        let known = user.filter(|_| !state.proofs.is_empty());
        return methods::fido2::challenge(tx, party, &session.tenant_id, &session.session_id, known.as_ref());
    };
    let user = user.ok_or_else(|| Error::method_not_found(method))?;
    let method = choose(tx, &user, &session, &state, method)?;
    if let Some(kind) = proof::guess_kind(method.kind()) {
        throttle::check(tx, &session.tenant_id, user.user_id.as_str(), kind)?;
    }
    proof::challenge(tx, &user, &method, &Occasion { actor: &actor, session: &session.session_id, party, via })
}

/// Checks a proof, and moves the session on.
pub fn verify(
    tx: &mut Tx<'_>,
    host: &Host,
    caller: &Caller,
    id: &str,
    method: Option<&str>,
    evidence: &Evidence,
) -> Result<Verified> {
    let Open { actor, mut session, mut state, user } = open(tx, caller, id)?;
    check_waits(&session)?;
    let method = match (method, evidence) {
        (Some(method), _) => method.to_owned(),
        // A passkey says itself which it is.
        (None, Evidence::PublicKeyCredential(credential)) => methods::fido2::method_id(credential)?.into_string(),
        (None, Evidence::Code(_)) => return Err(Error::invalid("methodId", "Say which method is proven.")),
    };
    let Some(user) = user else {
        proof::usable_of_nobody(tx, &session.tenant_id)?;
        return Err(Error::method_not_found(&method));
    };
    let method = choose(tx, &user, &session, &state, &method)?;
    let kind = proof::guess_kind(method.kind());
    if let Some(kind) = kind {
        throttle::check(tx, &session.tenant_id, user.user_id.as_str(), kind)?;
    }
    let verdict = proof::verify(tx, &host.relying_party, &user, &method, &session.session_id, evidence)?;
    match verdict {
        Verdict::Refused(message) | Verdict::Spent(message) => {
            if let Some(kind) = kind.filter(|_| matches!(verdict, Verdict::Refused(_))) {
                throttle::failed(tx, &session.tenant_id, user.user_id.as_str(), kind)?;
            }
            let wrong = log::Result::WRONG_SECOND_FACTOR.by(&method);
            log::record(tx, &actor, Some(&user), &session, &state, wrong)?;
            Ok(Verified::Refused { message: message.into() })
        }
        Verdict::Proven | Verdict::ProvenByCall => {
            if let Some(kind) = kind {
                throttle::succeeded(tx, &session.tenant_id, user.user_id.as_str(), kind)?;
            }
            let amr = if verdict == Verdict::ProvenByCall { &["tel"] } else { proof::amr(&method) };
            prove_with(tx, &actor, &user, &mut session, &mut state, &method, amr)?;
            view(tx, &host.issuer, Some(&user), &session, &state).map(Verified::Session)
        }
    }
}

/// Adds the proof by a method to a session, and moves the session on. The answer of an app comes here as well.
pub fn prove(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: &User,
    session: &mut SessionRow,
    state: &mut State,
    method: &Method,
) -> Result<()> {
    prove_with(tx, actor, user, session, state, method, proof::amr(method))
}

fn prove_with(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: &User,
    session: &mut SessionRow,
    state: &mut State,
    method: &Method,
    amr: &[&str],
) -> Result<()> {
    let factor = if method.kind().proves_both() { Factor::Both } else { Factor::Possession };
    state.proofs.push(Proof::by(tx.now(), factor, method, amr));
    settle(tx, actor, Some(user), session, state)
}

/// Only a session that waits for a proof takes one.
fn check_waits(session: &SessionRow) -> Result<()> {
    match session.status {
        SessionStatus::MfaRequired | SessionStatus::RegistrationRequired => Ok(()),
        SessionStatus::PasswordChangeRequired => {
            Err(Error::conflict("All is proven in this session; the user must change the password now."))
        }
        SessionStatus::PinChangeRequired => {
            Err(Error::conflict("All is proven in this session; the user must change the PIN now."))
        }
        SessionStatus::Completed | SessionStatus::Refused => {
            let message = format!("The session is {}; open a new one.", session.status);
            Err(Error::conflict(message))
        }
    }
}

/// Where the session stands now, by all that is known in this transaction.
fn evaluate(tx: &mut Tx<'_>, user: &User, state: &State) -> Result<SessionStatus> {
    Ok(next(Facts {
        demands: Demands::of(tx, user)?,
        first_factor: state.has(&[Factor::Password, Factor::QrCodePin, Factor::Asserted, Factor::Both]),
        second_factor: state.has(&[Factor::Possession, Factor::Both]),
        password_must_change: state.password_must_change,
        pin_must_change: state.pin_must_change,
    }))
}

/// Stores what was proven and where that leads, and logs an end.
fn settle(tx: &mut Tx<'_>, actor: &Actor, user: Option<&User>, session: &mut SessionRow, state: &State) -> Result<()> {
    // Before anything is proven it waits for that, whoever it is: a name that nobody has must not be answered sooner.
    if let Some(user) = user.filter(|_| !state.proofs.is_empty()) {
        session.status = evaluate(tx, user, state)?;
    }
    session.state = serde_json::to_string(state).map_err(Error::internal)?;
    if session.status == SessionStatus::Completed {
        session.completed_at = Some(tx.now());
        session.expires_at = tx.now().plus_minutes(OUTCOME_MINUTES);
    }
    session.expires_at = state.good_until().map_or(session.expires_at, |until| session.expires_at.min(until));
    sessions::update(tx, session)?;
    match session.status {
        SessionStatus::Completed => log::record(tx, actor, user, session, state, log::Result::SUCCESS),
        SessionStatus::RegistrationRequired => {
            log::record(tx, actor, user, session, state, log::Result::REGISTRATION_REQUIRED)
        }
        SessionStatus::MfaRequired
        | SessionStatus::PasswordChangeRequired
        | SessionStatus::PinChangeRequired
        | SessionStatus::Refused => Ok(()),
    }
}

fn view(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    user: Option<&User>,
    session: &SessionRow,
    state: &State,
) -> Result<SessionView> {
    let mut view = SessionView {
        id: session.session_id.clone(),
        status: session.status,
        methods: vec![],
        registration_token: None,
        outcome_token: None,
        expires_at: session.expires_at,
    };
    let Some(user) = user else { return Ok(view) };
    match (session.status, session.completed_at) {
        (SessionStatus::RegistrationRequired, _)
            if state.opens_registration(methods::requirements::registration_proof(tx, user)?) =>
        {
            view.registration_token = Some(issuer.for_registration(tx, user, session)?.expose_secret().into());
        }
        (SessionStatus::Completed, Some(completed_at)) => {
            let outcome = Outcome { session, amr: state.amr(), completed_at };
            view.outcome_token = Some(issuer.for_outcome(tx, user, &outcome)?.expose_secret().into());
        }
        _ => {}
    }
    // Before anything is proven, what a user has is nobody's business.
    if !state.proofs.is_empty() {
        let candidates = candidates(tx, user, session, state)?;
        view.methods = preferences::in_order(tx, user, candidates)?;
    }
    Ok(view)
}
