//! What is slow about passwords: comparing and hashing take tens of milliseconds on purpose, of as many cores as there
//! are and no more, and never inside a transaction.

use secrecy::{ExposeSecret, SecretString};

use super::{App, Attempt};
use crate::{
    access::{self, Action, Caller},
    audit::Activity,
    directory,
    error::{Error, Result},
    methods::password::{
        PasswordCheck, PasswordDigest,
        change::{self, Ahead, Changed, PasswordReset, Prepared},
        rules,
    },
    sign_in::{self, SessionView},
    store::Tx,
};

const NEW_PASSWORD: &str = "newPassword";

impl App {
    /// Runs slow work when it is its turn.
    pub(super) async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _turn = self.hashing.acquire().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }

    /// Checks and hashes a new password. `target` is the property that it came in, `names` what it must not be made of.
    pub async fn hash_password(
        &self,
        target: &'static str,
        password: SecretString,
        names: &[String],
    ) -> Result<PasswordDigest> {
        rules::check(target, password.expose_secret(), names)?;
        let entropy = self.store.context().entropy.clone();
        self.in_turn(move || PasswordDigest::new(&entropy, password.expose_secret())).await?
    }

    /// Whether somebody may make users, asked before the password of a new one is hashed.
    pub async fn before_new_user(&self, caller: &Caller) -> Result<()> {
        let attempt = Attempt::new(Activity::CREATE_USER);
        let may = |tx: &mut Tx<'_>, caller: &Caller| access::authorize(tx, caller, Action::WriteUsers, None).map(drop);
        self.ask(caller, &attempt, may).await
    }

    /// What a user is called, for somebody who is about to set the user's password by PATCH.
    pub async fn names_of(&self, caller: &Caller, user: &str) -> Result<Vec<String>> {
        let (attempt, user) = (Attempt::on_user(Activity::UPDATE_USER, user), user.to_owned());
        let names = self.ask(caller, &attempt, move |tx, caller| {
            let (_, user) = directory::authorize_on_user(tx, caller, Action::WriteUsers, &user)?;
            Ok(rules::names_of(&user))
        });
        names.await
    }

    /// Compares the password of a sign-in.
    pub(super) async fn compare_password(
        &self,
        caller: &Caller,
        user: &str,
        password: SecretString,
    ) -> Result<PasswordCheck> {
        let (attempt, user) = (Attempt::on_user(Activity::BEGIN_SIGN_IN, user), user.to_owned());
        let known = self.ask(caller, &attempt, move |tx, caller| sign_in::before(tx, caller, &user)).await?;
        self.in_turn(move || known.compare(password.expose_secret())).await
    }

    /// Resets a password, to a new one of the caller's choice or of the system's making.
    pub async fn reset_password(
        &self,
        caller: Caller,
        user: String,
        id: String,
        new: Option<SecretString>,
    ) -> Result<PasswordReset> {
        let attempt = Attempt::on_user(Activity::RESET_PASSWORD, &user);
        let (named, method) = (user.clone(), id.clone());
        let names =
            self.ask(&caller, &attempt, move |tx, caller| change::before_reset(tx, caller, &named, &method)).await?;
        let generated = new.is_none().then(|| change::generate(&self.store.context().entropy));
        let Some(password) = new.or_else(|| generated.clone()) else {
            return Err(Error::internal("a password is given or made"));
        };
        let digest = self.hash_password(NEW_PASSWORD, password, &names).await?;
        let write = self.write(caller, attempt, move |tx, caller| {
            change::reset(tx, caller, &user, &id, &digest, generated.as_ref())
        });
        write.await
    }

    /// Changes the caller's own password.
    pub async fn change_password(
        &self,
        caller: Caller,
        user: String,
        current: SecretString,
        new: SecretString,
    ) -> Result<Changed> {
        let attempt = Attempt::on_user(Activity::CHANGE_PASSWORD, &user);
        let named = user.clone();
        let ahead = self.ask(&caller, &attempt, move |tx, caller| change::before_change(tx, caller, &named)).await?;
        rules::check(NEW_PASSWORD, new.expose_secret(), &ahead.names)?;
        let entropy = self.store.context().entropy.clone();
        let slow = move || {
            let current = ahead.known.compare(current.expose_secret());
            Ok::<_, Error>((current, prepare(&entropy, &ahead, &new)?))
        };
        let (current, new) = self.in_turn(slow).await??;
        let write = move |tx: &mut Tx<'_>, caller: &Caller| change::change_own(tx, caller, &user, &current, &new);
        self.write(caller, attempt, write).await
    }

    /// Changes a password that must be changed, in a sign-in session where all else is proven.
    pub async fn change_password_at_sign_in(
        &self,
        caller: Caller,
        session: String,
        new: SecretString,
    ) -> Result<SessionView> {
        let attempt = Attempt::new(Activity::CONTINUE_SIGN_IN);
        let id = session.clone();
        let before = move |tx: &mut Tx<'_>, caller: &Caller| sign_in::password_change::before(tx, caller, &id);
        let ahead = self.ask(&caller, &attempt, before).await?;
        rules::check(NEW_PASSWORD, new.expose_secret(), &ahead.names)?;
        let entropy = self.store.context().entropy.clone();
        let new = self.in_turn(move || prepare(&entropy, &ahead, &new)).await??;
        let issuer = self.issuer.clone();
        let write = move |tx: &mut Tx<'_>, caller: &Caller| {
            sign_in::password_change::change(tx, &issuer, caller, &session, &new)
        };
        self.write(caller, attempt, write).await
    }
}

fn prepare(entropy: &crate::clock::Entropy, ahead: &Ahead, new: &SecretString) -> Result<Prepared> {
    Ok(Prepared {
        digest: PasswordDigest::new(entropy, new.expose_secret())?,
        same: ahead.known.compare(new.expose_secret()),
    })
}
