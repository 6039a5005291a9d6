//! The answer of an app: what it moves on is the session that asked.

use serde::{Deserialize, Serialize};

use super::{candidates, check_waits, log, prove};
use crate::{
    access::{self, Action, Actor, Origin, Powers},
    error::{Error, Result},
    id::SessionId,
    methods::microsoft_authenticator::{
        device::{self, Device, DeviceCaller},
        jws::{AnswerClaims, Decision},
        push::{self, Question},
    },
    store::{
        Tx, applications, challenges,
        guesses::GuessKind,
        methods::set_last_used,
        sessions::{self, SessionRow},
    },
    throttle,
};

/// What became of an answer that was taken. A wrong number is a value and no error: the request is over with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub enum Answered {
    Approved,
    Denied,
    WrongNumber,
}

impl Answered {
    /// For the device: a wrong number is a bad request.
    pub fn into_result(self) -> Result<()> {
        match self {
            Self::Approved | Self::Denied => Ok(()),
            Self::WrongNumber => {
                let message = "The number is not the one on the sign-in page; this request is over. If you are not \
                               signing in, somebody knows your password: change it.";
                Err(Error::invalid("number", message))
            }
        }
    }
}

/// Takes the answer to a push request, once, and moves the session on when the user approved with the right number.
/// Anything else leaves the session where it stands, and the request counted as failed.
pub fn answer(tx: &mut Tx<'_>, caller: &DeviceCaller, id: &str, answer: &AnswerClaims) -> Result<Answered> {
    let device = device::identify(tx, caller)?;
    let (challenge, question) = push::find(tx, &device, id)?;
    if answer.request_id != challenge.challenge_id.as_str() || answer.nonce != question.nonce {
        return Err(Error::invalid(
            "response",
            "This answers another request: sign the requestId and nonce of this one.",
        ));
    }
    if answer.decision == Decision::Approve && answer.number.is_none() {
        return Err(Error::invalid("response", "To approve takes the number that the sign-in page shows."));
    }
    let mut session = waiting_session(tx, &device, challenge.session_id.as_ref())?;
    let mut state = serde_json::from_str(&session.state).map_err(Error::internal)?;
    let mut usable = candidates(tx, &device.user, &session, &state)?;
    let at = usable.iter().position(|method| method.id() == device.app.row.method_id).ok_or_else(over)?;
    let method = usable.swap_remove(at);
    let actor = initiator(tx, &session, &question, &caller.origin)?;
    if !challenges::take(tx, &challenge)? {
        return Err(over());
    }
    let user = &device.user;
    let answered = match answer.decision {
        Decision::Approve if answer.number.as_deref() == Some(&question.number) => Answered::Approved,
        Decision::Approve => Answered::WrongNumber,
        Decision::Deny => Answered::Denied,
    };
    if answered == Answered::Approved {
        throttle::succeeded(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::Push)?;
        set_last_used(tx, &device.app.row)?;
        prove(tx, &actor, user, &mut session, &mut state, &method)?;
    } else {
        let refused = log::Result::WRONG_SECOND_FACTOR.by(&method);
        log::record(tx, &actor, Some(user), &session, &state, refused)?;
    }
    Ok(answered)
}

fn over() -> Error {
    Error::conflict("The sign-in that asked is over; there is nothing to answer any more.")
}

/// The session that asked, if it still waits for the user of the device.
fn waiting_session(tx: &mut Tx<'_>, device: &Device, session: Option<&SessionId>) -> Result<SessionRow> {
    let user = &device.user;
    let session = session.map(|id| sessions::find(tx, &user.tenant_id, id)).transpose()?.flatten();
    let session = session.ok_or_else(over)?;
    let is_theirs = session.user_id.as_ref() == Some(&user.user_id) && user.sessions_valid_from <= session.created_at;
    if !is_theirs || check_waits(&session).is_err() {
        return Err(over());
    }
    Ok(session)
}

/// The application that opened the session, as it is now; it asked from where the question says.
fn initiator(tx: &mut Tx<'_>, session: &SessionRow, question: &Question, origin: &Origin) -> Result<Actor> {
    let application = applications::find(tx, &session.tenant_id, &session.application_id)?;
    let application = application.filter(|application| application.is_enabled).ok_or_else(over)?;
    let actor = Actor {
        tenant: session.tenant_id.clone(),
        powers: Powers::Application { id: application.application_id, permissions: application.permissions },
        display_name: application.display_name,
        principal_name: None,
        origin: Origin {
            ip_address: question.ip_address.clone(),
            user_agent: question.user_agent.clone(),
            ..origin.clone()
        },
    };
    match access::allow(tx, &actor, Action::RunSignIn, None) {
        Err(error) if error.is_fault() => Err(error),
        Err(_) => Err(over()),
        Ok(()) => Ok(actor),
    }
}
