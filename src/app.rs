//! The running application: made by the command line and by the tests alike.

pub mod devices;
mod mfa_resets;
mod partners;
mod passwords;
mod pins;
mod token_checks;

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

use crate::{
    access::{self, Caller},
    audit::{self, Activity, Entry, Target},
    error::{Error, Result},
    id::TenantId,
    idempotency,
    messages::Sending,
    methods::{fido2::relying_party::RelyingParty, password::PasswordCheck},
    reach::Reach,
    sign_in::{self, FirstFactor, Host, SessionView, SignInRequest},
    store::{Store, Tx, users},
    tokens::{Issuer, VerifiedTokens, issuer_keys::IssuerKeys, outside::OutsideTokens},
    trusted_issuers::Surroundings,
};

#[derive(Clone)]
pub struct App {
    pub store: Store,
    pub issuer: Issuer,
    pub sending: Arc<Sending>,
    /// By default the one of the public URL.
    pub relying_party: RelyingParty,
    tokens: Arc<VerifiedTokens>,
    outside_tokens: Arc<OutsideTokens>,
    issuer_keys: Arc<IssuerKeys>,
    /// One turn per core: a password hash fills a core and 19 MiB.
    hashing: Arc<Semaphore>,
}

/// What a write is about to do, for the record of a refused attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub activity: Activity,
    /// The user it is aimed at, as the caller named him.
    pub user: Option<String>,
}

impl Attempt {
    pub fn new(activity: Activity) -> Self {
        Self { activity, user: None }
    }

    pub fn on_user(activity: Activity, user: &str) -> Self {
        Self { activity, user: Some(user.to_owned()) }
    }
}

impl App {
    pub fn new(store: Store, public_url: &str) -> Self {
        let issuer = Issuer { public_url: public_url.trim_end_matches('/').to_owned() };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let hashing = Arc::new(Semaphore::new(cores));
        let relying_party = RelyingParty::at(public_url);
        Self {
            store,
            issuer,
            sending: Arc::default(),
            relying_party,
            tokens: Arc::default(),
            outside_tokens: Arc::default(),
            issuer_keys: Arc::new(IssuerKeys::new(Reach::Public)),
            hashing,
        }
    }

    /// The same, with outside issuers of tokens only where they may be: by default on the internet.
    pub fn with_issuer_reach(self, reach: Reach) -> Self {
        Self { issuer_keys: Arc::new(IssuerKeys::new(reach)), ..self }
    }

    /// What an outside issuer that a tenant names is compared with.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings { reach: self.issuer_keys.reach(), public_url: self.issuer.public_url.clone() }
    }

    /// The same, able to send. Whoever delivers must have a sender for each of these channels.
    pub fn with_sending(self, sending: Sending) -> Self {
        Self { sending: Arc::new(sending), ..self }
    }

    /// Who this server is to those who sign in.
    pub fn host(&self) -> Host {
        Host { issuer: self.issuer.clone(), relying_party: self.relying_party.clone() }
    }

    /// Opens a sign-in session. The password is compared outside of the transaction: it takes tens of milliseconds on
    /// purpose, of as many cores as there are and no more.
    pub async fn begin_sign_in(&self, caller: Caller, request: SignInRequest) -> Result<SessionView> {
        let check = match &request.first_factor {
            FirstFactor::Password(password) => self.compare_password(&caller, &request.user, password.clone()).await?,
            FirstFactor::QrCodePin { pin, .. } => self.compare_pin(&caller, &request, pin.clone()).await?,
            FirstFactor::Asserted | FirstFactor::TemporaryAccessPass(_) | FirstFactor::Passkey => {
                PasswordCheck::default()
            }
        };
        let issuer = self.issuer.clone();
        let attempt = Attempt::on_user(Activity::BEGIN_SIGN_IN, &request.user);
        self.write(caller, attempt, move |tx, caller| sign_in::begin(tx, &issuer, caller, &request, &check)).await
    }

    /// Runs a rule that only reads.
    pub async fn read<T, F>(&self, caller: Caller, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>, &Caller) -> Result<T> + Send + 'static,
    {
        self.store.read(move |tx| f(tx, &caller)).await
    }

    /// Runs a rule that changes something: once per `Idempotency-Key`, and with a record of the attempt when the
    /// caller was not allowed to.
    pub async fn write<T, F>(&self, caller: Caller, attempt: Attempt, f: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(&mut Tx<'_>, &Caller) -> Result<T> + Send + 'static,
    {
        self.write_across(caller, vec![], attempt, f).await
    }

    /// The same, and it may also write into the audit logs of these other tenants.
    async fn write_across<T, F>(&self, caller: Caller, others: Vec<TenantId>, attempt: Attempt, f: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(&mut Tx<'_>, &Caller) -> Result<T> + Send + 'static,
    {
        let (tenants, again) = ([caller.tenants(), others].concat(), caller.clone());
        let outcome =
            self.store.write_for(&tenants, move |tx| idempotency::once(tx, &caller, |tx| f(tx, &caller))).await;
        self.note_refusal(&again, &attempt, &outcome).await?;
        outcome
    }

    /// Asks what must be known before a write that has slow work to do first: like [`App::read`], but an attempt of a
    /// caller who was not allowed to is recorded.
    async fn ask<T, F>(&self, caller: &Caller, attempt: &Attempt, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>, &Caller) -> Result<T> + Send + 'static,
    {
        let outcome = self.read(caller.clone(), f).await;
        self.note_refusal(caller, attempt, &outcome).await?;
        outcome
    }

    async fn note_refusal<T>(&self, caller: &Caller, attempt: &Attempt, outcome: &Result<T>) -> Result<()> {
        let Err(Error::Denied { message, .. }) = outcome else { return Ok(()) };
        let (tenants, caller, attempt, message) = (caller.tenants(), caller.clone(), attempt.clone(), message.clone());
        self.store.write_for(&tenants, move |tx| record_refusal(tx, &caller, &attempt, &message)).await
    }
}

/// How much of the name of a user who does not exist is recorded, in characters.
const MAX_NAMED_LENGTH: usize = 256;

fn record_refusal(tx: &mut Tx<'_>, caller: &Caller, attempt: &Attempt, message: &str) -> Result<()> {
    let actor = access::identify(tx, caller)?;
    let user = match &attempt.user {
        Some(user) => users::find(tx, &caller.tenant, user)?,
        None => None,
    };
    let target = match (user, &attempt.user) {
        (Some(user), _) => Target::user(&user),
        (None, Some(named)) => {
            // Whatever the caller put into the path: bounded, and nothing that a database refuses.
            let named = named.chars().filter(|character| !character.is_control()).take(MAX_NAMED_LENGTH).collect();
            Target { kind: "User", display_name: Some(named), ..Target::default() }
        }
        (None, None) => Target { kind: "Other", ..Target::default() },
    };
    audit::record(tx, &actor, Entry::failure(attempt.activity, target, message)).map(drop)
}
