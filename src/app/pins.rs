//! What is slow about PINs: they are compared and hashed like passwords, before the transaction.

use secrecy::{ExposeSecret, SecretString};

use super::{App, Attempt};
use crate::{
    access::Caller,
    audit::Activity,
    clock::Entropy,
    error::Result,
    methods::{
        manage::OfUser,
        password::{PasswordCheck, PasswordDigest},
        qr_code_pin::{
            PinView, QrCodePinView, change,
            code::Span,
            pin::{self, Ahead, Changed, NewPin, Prepared},
        },
    },
    sign_in::{self, SessionView, SignInRequest},
    store::Tx,
};

const NEW_PIN: &str = "newPin";

impl App {
    /// Compares the PIN of a sign-in.
    pub(super) async fn compare_pin(
        &self,
        caller: &Caller,
        request: &SignInRequest,
        pin: SecretString,
    ) -> Result<PasswordCheck> {
        let (attempt, user) = (Attempt::on_user(Activity::BEGIN_SIGN_IN, &request.user), request.user.clone());
        let known = self.ask(caller, &attempt, move |tx, caller| sign_in::before_pin(tx, caller, &user)).await?;
        self.in_turn(move || known.compare(pin.expose_secret())).await
    }

    /// Gives a user a QR code and a PIN: of the caller's choice, or of the system's making.
    pub async fn create_qr_code_pin(
        &self,
        caller: Caller,
        user: String,
        span: Span,
        code: Option<SecretString>,
    ) -> Result<OfUser<QrCodePinView>> {
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let new = self.new_pin(&caller, &attempt, &user, "pin/code", code).await?;
        let write = move |tx: &mut Tx<'_>, caller: &Caller| change::create(tx, caller, &user, &span, &new);
        self.write(caller, attempt, write).await
    }

    /// Gives a user another PIN: of the caller's choice, or of the system's making.
    pub async fn reset_pin(&self, caller: Caller, user: String, code: Option<SecretString>) -> Result<OfUser<PinView>> {
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        let new = self.new_pin(&caller, &attempt, &user, "code", code).await?;
        self.write(caller, attempt, move |tx, caller| pin::reset(tx, caller, &user, &new)).await
    }

    async fn new_pin(
        &self,
        caller: &Caller,
        attempt: &Attempt,
        user: &str,
        target: &'static str,
        code: Option<SecretString>,
    ) -> Result<NewPin> {
        let user = user.to_owned();
        let length = self.ask(caller, attempt, move |tx, caller| pin::before(tx, caller, &user)).await?;
        let entropy = self.store.context().entropy.clone();
        let code = code.unwrap_or_else(|| pin::generate(&entropy, length));
        pin::check(target, code.expose_secret(), length)?;
        self.in_turn(move || Ok(NewPin { digest: PasswordDigest::of(&entropy, code.expose_secret())?, code })).await?
    }

    /// Changes the caller's own PIN.
    pub async fn change_pin(
        &self,
        caller: Caller,
        user: String,
        current: SecretString,
        new: SecretString,
    ) -> Result<Changed> {
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        let named = user.clone();
        let ahead = self.ask(&caller, &attempt, move |tx, caller| pin::before_change(tx, caller, &named)).await?;
        pin::check(NEW_PIN, new.expose_secret(), ahead.length)?;
        let entropy = self.store.context().entropy.clone();
        let slow = move || {
            let current = ahead.known.compare(current.expose_secret());
            prepare(&entropy, &ahead, &new).map(|new| (current, new))
        };
        let (current, new) = self.in_turn(slow).await??;
        let write = move |tx: &mut Tx<'_>, caller: &Caller| pin::change_own(tx, caller, &user, &current, &new);
        self.write(caller, attempt, write).await
    }

    /// Changes a PIN that must be changed, in a sign-in session where all else is proven.
    pub async fn change_pin_at_sign_in(
        &self,
        caller: Caller,
        session: String,
        new: SecretString,
    ) -> Result<SessionView> {
        let attempt = Attempt::new(Activity::CONTINUE_SIGN_IN);
        let id = session.clone();
        let before = move |tx: &mut Tx<'_>, caller: &Caller| sign_in::pin_change::before(tx, caller, &id);
        let ahead = self.ask(&caller, &attempt, before).await?;
        pin::check(NEW_PIN, new.expose_secret(), ahead.length)?;
        let entropy = self.store.context().entropy.clone();
        let new = self.in_turn(move || prepare(&entropy, &ahead, &new)).await??;
        let issuer = self.issuer.clone();
        let write =
            move |tx: &mut Tx<'_>, caller: &Caller| sign_in::pin_change::change(tx, &issuer, caller, &session, &new);
        self.write(caller, attempt, write).await
    }
}

fn prepare(entropy: &Entropy, ahead: &Ahead, new: &SecretString) -> Result<Prepared> {
    Ok(Prepared {
        digest: PasswordDigest::of(entropy, new.expose_secret())?,
        same: ahead.known.compare(new.expose_secret()),
    })
}
