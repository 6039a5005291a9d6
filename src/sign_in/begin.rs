//! The first step of a sign-in: who it is, and what is shown first.
//!
//! A wrong first factor, a disabled user and a name that nobody has look alike: the same answer after the same work.

use secrecy::{ExposeSecret, SecretString};

use super::{Factor, Proof, SessionView, State, log, settle, sign_in_service, view};
use crate::{
    access::{self, Action, Caller},
    error::{Error, Result},
    id::{SessionId, TenantId, stable_guid},
    methods::{
        Method, MethodKind,
        password::{self, Known, PasswordCheck},
        proof::{self, Verdict},
        qr_code_pin::{self, Content},
        temporary_access_pass,
    },
    store::{
        Tx,
        guesses::GuessKind,
        sessions::{self, SessionRow, SessionStatus},
        users::{self, User},
    },
    throttle,
    tokens::Issuer,
};

/// How long a session may take, in minutes.
const SESSION_MINUTES: i64 = 15;

/// What the user shows first.
#[derive(Clone)]
pub enum FirstFactor {
    Password(SecretString),
    /// The application checked it itself, and has the right to say so.
    Asserted,
    TemporaryAccessPass(SecretString),
    /// A passkey proves both factors at once; it is asked for by a challenge.
    Passkey,
    /// What a QR code says, and the PIN that goes with it.
    QrCodePin {
        content: SecretString,
        pin: SecretString,
    },
}

impl FirstFactor {
    fn kind(&self) -> Option<MethodKind> {
        match self {
            Self::Password(_) => Some(MethodKind::Password),
            Self::TemporaryAccessPass(_) => Some(MethodKind::TemporaryAccessPass),
            Self::Passkey => Some(MethodKind::Fido2),
            Self::QrCodePin { .. } => Some(MethodKind::QrCodePin),
            Self::Asserted => None,
        }
    }
}

/// Who wants to sign in.
#[derive(Clone)]
pub struct SignInRequest {
    /// The user's id or userPrincipalName.
    pub user: String,
    pub first_factor: FirstFactor,
}

/// Whom failures are counted for. A name that nobody has is counted as well, so that it cannot be told apart.
fn subject(user: Option<&User>, named: &str) -> String {
    user.map_or_else(|| stable_guid(&users::name_key(named)), |user| user.user_id.to_string())
}

/// What the slow work before [`begin`] needs. Whoever may not ask, or has to wait, costs nothing.
pub fn before(tx: &mut Tx<'_>, caller: &Caller, named: &str) -> Result<Known> {
    sign_in_service(tx, caller)?;
    let user = users::find(tx, &caller.tenant, named)?;
    throttle::check(tx, &caller.tenant, &subject(user.as_ref(), named), GuessKind::Password)?;
    password::known(tx, user.as_ref())
}

/// The same for a PIN.
pub fn before_pin(tx: &mut Tx<'_>, caller: &Caller, named: &str) -> Result<Known> {
    sign_in_service(tx, caller)?;
    let user = users::find(tx, &caller.tenant, named)?;
    throttle::check(tx, &caller.tenant, &subject(user.as_ref(), named), GuessKind::QrCodePin)?;
    qr_code_pin::known(tx, user.as_ref())
}

/// Opens a session with the first factor. `check` is what became of the password or PIN, compared before the transaction.
pub fn begin(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    caller: &Caller,
    request: &SignInRequest,
    check: &PasswordCheck,
) -> Result<SessionView> {
    let (actor, application) = sign_in_service(tx, caller)?;
    if matches!(request.first_factor, FirstFactor::Asserted) {
        access::allow(tx, &actor, Action::AssertFirstFactor, None)?;
    }
    let user = users::find(tx, &caller.tenant, &request.user)?;
    let subject = subject(user.as_ref(), &request.user);
    let attempt = Attempt { tenant: &caller.tenant, subject: &subject, user: user.as_ref() };
    let shown = match &request.first_factor {
        FirstFactor::Asserted => Some(Some(Proof::new(tx.now(), Factor::Asserted, &[]))),
        FirstFactor::Passkey => Some(None),
        FirstFactor::Password(_) => by_password(tx, &attempt, check)?.map(Some),
        FirstFactor::TemporaryAccessPass(code) => by_pass(tx, &attempt, code)?.map(Some),
        FirstFactor::QrCodePin { content, .. } => by_qr_code(tx, &attempt, content, check)?.map(Some),
    };
    let named = user;
    let known = named.clone().filter(|user| user.account_enabled);
    let mut session = SessionRow {
        tenant_id: caller.tenant.clone(),
        session_id: SessionId::new(tx.guid()),
        application_id: application,
        user_id: known.as_ref().map(|user| user.user_id.clone()),
        status: SessionStatus::MfaRequired,
        state: String::new(),
        created_at: tx.now(),
        expires_at: tx.now().plus_minutes(SESSION_MINUTES),
        completed_at: None,
    };
    let must_change = known.is_some() && check.must_change;
    let is_pin = matches!(request.first_factor, FirstFactor::QrCodePin { .. });
    let state = State {
        password_must_change: must_change && !is_pin,
        pin_must_change: must_change && is_pin,
        proofs: shown.clone().flatten().into_iter().collect(),
    };
    session.state = serde_json::to_string(&state).map_err(Error::internal)?;
    // Nobody by that name asks for a passkey like everybody else; all the rest is refused alike.
    let is_refused = shown.is_none() || (known.is_none() && !matches!(request.first_factor, FirstFactor::Passkey));
    if is_refused {
        session.status = SessionStatus::Refused;
    }
    sessions::insert(tx, &session)?;
    if is_refused {
        let wrong = log::Result::WRONG_FIRST_FACTOR.by_kind(request.first_factor.kind());
        // Whoever reads the log may know whose account it was, also a disabled one's.
        log::record(tx, &actor, named.as_ref(), &session, &state, wrong)?;
        return view(tx, issuer, None, &session, &state);
    }
    settle(tx, &actor, known.as_ref(), &mut session, &state)?;
    view(tx, issuer, known.as_ref(), &session, &state)
}

/// Somebody who tries to prove who he is.
struct Attempt<'a> {
    tenant: &'a TenantId,
    subject: &'a str,
    user: Option<&'a User>,
}

fn by_password(tx: &mut Tx<'_>, attempt: &Attempt<'_>, check: &PasswordCheck) -> Result<Option<Proof>> {
    throttle::check(tx, attempt.tenant, attempt.subject, GuessKind::Password)?;
    let matches = match attempt.user.filter(|user| user.account_enabled) {
        Some(user) => check.matches && password::is_still(tx, user, check)?,
        None => false,
    };
    if !matches {
        throttle::failed(tx, attempt.tenant, attempt.subject, GuessKind::Password)?;
        return Ok(None);
    }
    throttle::succeeded(tx, attempt.tenant, attempt.subject, GuessKind::Password)?;
    Ok(Some(Proof::by_password(tx.now())))
}

fn by_qr_code(
    tx: &mut Tx<'_>,
    attempt: &Attempt<'_>,
    content: &SecretString,
    check: &PasswordCheck,
) -> Result<Option<Proof>> {
    throttle::check(tx, attempt.tenant, attempt.subject, GuessKind::QrCodePin)?;
    if let Some(user) = attempt.user.filter(|user| user.account_enabled)
        && let Some(content) = Content::parse(content.expose_secret())
        && let Some(method) = qr_code_pin::verify(tx, user, &content, check)?
    {
        throttle::succeeded(tx, attempt.tenant, attempt.subject, GuessKind::QrCodePin)?;
        return Ok(Some(Proof::by(tx.now(), Factor::QrCodePin, &method, proof::amr(&method))));
    }
    throttle::failed(tx, attempt.tenant, attempt.subject, GuessKind::QrCodePin)?;
    Ok(None)
}

fn by_pass(tx: &mut Tx<'_>, attempt: &Attempt<'_>, code: &SecretString) -> Result<Option<Proof>> {
    throttle::check(tx, attempt.tenant, attempt.subject, GuessKind::TemporaryAccessPass)?;
    let usable = match attempt.user.filter(|user| user.account_enabled) {
        Some(user) => proof::usable(tx, user)?,
        None => proof::usable_of_nobody(tx, attempt.tenant)?,
    };
    if let Some(method) = usable.into_iter().find(|method| method.kind() == MethodKind::TemporaryAccessPass)
        && let Method::TemporaryAccessPass(pass) = &method
        && temporary_access_pass::verify(tx, pass, code.expose_secret())? == Verdict::Proven
    {
        throttle::succeeded(tx, attempt.tenant, attempt.subject, GuessKind::TemporaryAccessPass)?;
        return Ok(Some(Proof::by(tx.now(), Factor::Both, &method, proof::amr(&method))));
    }
    throttle::failed(tx, attempt.tenant, attempt.subject, GuessKind::TemporaryAccessPass)?;
    Ok(None)
}
