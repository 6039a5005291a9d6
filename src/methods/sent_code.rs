//! Codes that are sent, by SMS, in a call or by e-mail: to prove that a number or address is the user's, and to sign in
//! with a phone. A code is good once, for five minutes and three tries, for what it was asked for, and only as long as
//! the number is the one it was sent to; a new one replaces it.

use aws_lc_rs::constant_time;
use serde::{Deserialize, Serialize};

use super::{
    Method, email, oath,
    phone::{self, PhoneType},
    policy::{ConfigurationId, MethodsPolicy},
    preferences,
};
use crate::{
    clock::Timestamp,
    error::{Area, Error, Result},
    id::{ChallengeId, SessionId},
    messages::{self, Message, Owner, Sending},
    store::{
        Tx,
        challenges::{self, Challenge, Purpose},
        messages::Channel,
        tenants,
        users::User,
    },
};

/// How long a code is good for.
const MINUTES: i64 = 5;
/// How often it may be typed wrong before it is worth nothing.
const TRIES: i32 = 3;
/// NIST SP 800-63B-4 section 3.1.3.3 asks for at least six.
const DIGITS: u8 = 6;
/// What a person reads whose code was refused.
pub const REFUSED: &str = "The code is wrong, was used already or has expired. After three wrong ones it is worth nothing: ask for a new one.";

/// What becomes of a wish for a code: how the server can send, and how the user wants it.
#[derive(Debug, Clone, Copy)]
pub struct Via<'a> {
    pub sending: &'a Sending,
    /// `None` takes the first way that works.
    pub channel: Option<Channel>,
}

/// A code that is on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The number or address, masked.
    pub to: String,
    pub expires_at: Timestamp,
}

/// What is known of a code that was sent; sealed.
#[derive(Serialize, Deserialize)]
struct State {
    code: String,
    to: String,
    channel: Channel,
}

/// Where a method is reached and by which channels, the preferred first. A number with an extension receives no SMS.
fn reach(method: &Method) -> Result<(&str, &'static [Channel])> {
    match method {
        Method::Phone(phone) => {
            let number = phone.detail.phone_number.as_str();
            let takes_sms = phone.detail.phone_type == PhoneType::Mobile && !number.contains('x');
            Ok((number, if takes_sms { &[Channel::Sms, Channel::Voice] } else { &[Channel::Voice] }))
        }
        Method::Email(email) => Ok((&email.detail.email_address, &[Channel::Email])),
        Method::Password(_)
        | Method::MicrosoftAuthenticator(_)
        | Method::SoftwareOath(_)
        | Method::HardwareOath(_)
        | Method::Fido2(_)
        | Method::TemporaryAccessPass(_)
        | Method::WindowsHelloForBusiness(_)
        | Method::PlatformCredential(_)
        | Method::ExternalAuthenticationMethod(_)
        | Method::QrCodePin(_) => Err(Error::internal("codes are sent to phones and e-mail addresses")),
    }
}

fn masked(method: &Method, to: &str) -> String {
    if matches!(method, Method::Email(_)) { email::mask(to) } else { phone::mask(to) }
}

/// The channels of a sign-in: whoever prefers to be called on the mobile is called, where that works.
fn as_preferred(tx: &mut Tx<'_>, user: &User, method: &Method, possible: &[Channel]) -> Result<Vec<Channel>> {
    let is_mobile = matches!(method, Method::Phone(phone) if phone.detail.phone_type == PhoneType::Mobile);
    let mut ordered = possible.to_vec();
    if is_mobile && preferences::prefers_calls(tx, user)? {
        ordered.sort_by_key(|channel| *channel != Channel::Voice);
    }
    Ok(ordered)
}

/// The channel to send over: the one that is wished for, or the first that the policy allows and this server has.
fn choose(tx: &mut Tx<'_>, user: &User, possible: &[Channel], via: Via<'_>) -> Result<Channel> {
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    let wished: Vec<Channel> = match via.channel {
        None => possible.to_vec(),
        Some(channel) if possible.contains(&channel) => vec![channel],
        Some(channel) => {
            let message = format!("This method is not reached by {channel}: leave the channel out.");
            return Err(Error::invalid("channel", message));
        }
    };
    let allows = |channel: &Channel| {
        let id = match channel {
            Channel::Sms => ConfigurationId::Sms,
            Channel::Voice => ConfigurationId::Voice,
            Channel::Email => ConfigurationId::Email,
            Channel::Push => ConfigurationId::MicrosoftAuthenticator,
        };
        policy.configuration(id).allows(&user.user_id)
    };
    let allowed: Vec<Channel> = wished.iter().copied().filter(allows).collect();
    let best = allowed.iter().find(|channel| via.sending.can(**channel)).or(allowed.first());
    best.copied().ok_or_else(|| {
        let names: Vec<_> = wished.iter().map(|channel| channel.as_str()).collect();
        let message = format!(
            "The tenant's authentication methods policy does not let this user receive codes by {}.",
            names.join(" or ")
        );
        Error::Invalid { area: Area::Methods, target: None, message }
    })
}

/// The codes that wait for their answer: of this sign-in, or of this method's verification.
fn open(tx: &mut Tx<'_>, user: &User, method: &Method, session: Option<&SessionId>) -> Result<Vec<Challenge>> {
    let purpose = purpose(session);
    let mut open = challenges::of_user(tx, &user.tenant_id, &user.user_id, purpose)?;
    open.retain(|challenge| challenge.session_id.as_ref() == session && challenge.method_id == Some(method.id()));
    Ok(open)
}

const fn purpose(session: Option<&SessionId>) -> Purpose {
    if session.is_some() { Purpose::SentCode } else { Purpose::Verification }
}

/// Sends a fresh code to a phone or an e-mail address: for a sign-in session, or without one to verify the method.
pub fn send(tx: &mut Tx<'_>, user: &User, method: &Method, session: Option<&SessionId>, via: Via<'_>) -> Result<Sent> {
    let (to, possible) = reach(method)?;
    let possible = if session.is_some() { as_preferred(tx, user, method, possible)? } else { possible.to_vec() };
    let channel = choose(tx, user, &possible, via)?;
    let state = State { code: tx.entropy().text(b"0123456789", DIGITS.into()), to: to.to_owned(), channel };
    let expires_at = tx.now().plus_minutes(MINUTES);
    let message = write(tx, user, &state, expires_at)?;
    let owner = if method.is_complete() { Owner::Known } else { Owner::Claimed };
    messages::send(tx, via.sending, user, &message, owner)?;

    for replaced in open(tx, user, method, session)? {
        challenges::take(tx, &replaced)?;
    }
    let id = ChallengeId::new(tx.guid());
    let json = zeroize::Zeroizing::new(serde_json::to_vec(&state).map_err(Error::internal)?);
    let challenge = Challenge {
        tenant_id: user.tenant_id.clone(),
        user_id: user.user_id.clone(),
        purpose: purpose(session),
        method_id: Some(method.id()),
        session_id: session.cloned(),
        lookup: None,
        sealed_state: tx.seal(&challenges::place(&user.tenant_id, &user.user_id, &id), &json)?,
        challenge_id: id,
        tries_left: TRIES,
        created_at: tx.now(),
        expires_at,
    };
    challenges::insert(tx, &challenge)?;
    Ok(Sent { to: masked(method, to), expires_at })
}

/// The message. The code comes first, so that it is seen in a notification, and there is no other number beside it.
fn write(tx: &mut Tx<'_>, user: &User, state: &State, expires_at: Timestamp) -> Result<Message> {
    let tenant = tenants::find(tx, &user.tenant_id)?.map(|tenant| tenant.display_name).unwrap_or_default();
    let State { code, to, channel } = state;
    let text = match channel {
        Channel::Voice => {
            let spoken: Vec<_> = code.chars().map(String::from).collect();
            let spoken = spoken.join(", ");
            format!("Your code is {spoken}. Once more: {spoken}. It is the verification code for {tenant}. Goodbye.")
        }
        Channel::Sms | Channel::Email | Channel::Push => format!(
            "{code} is your verification code for {tenant}. It is good for five minutes. Nobody of {tenant} will ever \
             ask you for it."
        ),
    };
    let subject = (*channel == Channel::Email).then(|| format!("Your verification code for {tenant}"));
    Ok(Message { channel: *channel, to: to.clone(), subject, text, expires_at })
}

/// What a code that was typed in is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// By the channel it was sent over. It is spent now.
    Right(Channel),
    Wrong,
    /// No code waits for its answer, so nothing was guessed at: it was used already, has expired, or was replaced.
    Nothing,
}

/// Checks a code and spends it; three wrong ones spend it too.
pub fn check(
    tx: &mut Tx<'_>,
    user: &User,
    method: &Method,
    session: Option<&SessionId>,
    code: &str,
) -> Result<Checked> {
    oath::check_code(code, DIGITS)?;
    let Some(challenge) = open(tx, user, method, session)?.pop() else { return Ok(Checked::Nothing) };
    let place = challenges::place(&user.tenant_id, &user.user_id, &challenge.challenge_id);
    let state = tx.open(&place, &challenge.sealed_state)?;
    let state: State = serde_json::from_slice(secrecy::ExposeSecret::expose_secret(&state)).map_err(Error::internal)?;
    let is_right = constant_time::verify_slices_are_equal(state.code.as_bytes(), code.as_bytes()).is_ok();
    if is_right && state.to == reach(method)?.0 {
        let is_taken = challenges::take(tx, &challenge)?;
        return Ok(if is_taken { Checked::Right(state.channel) } else { Checked::Nothing });
    }
    challenges::miss(tx, &challenge)?;
    Ok(Checked::Wrong)
}
