//! The password: argon2id, exactly one per user, under Graph's fixed id. A reset never touches it.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use icu_normalizer::ComposingNormalizer;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{MethodKind, Stored, new_row, secret_place};
use crate::{
    clock::Entropy,
    error::{Error, Result},
    id::{MethodId, TenantId, UserId},
    store::{
        Tx,
        guesses::{self, GuessKind},
        methods::{self, MethodRow},
        users::User,
    },
};

pub mod change;
pub mod rules;

/// Graph's fixed id of every user's password.
pub const ID: &str = "28c10230-6103-485e-b985-444c60001490";

/// Graph's `passwordAuthenticationMethod` shows nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Password {
    pub force_change_next_sign_in: bool,
}

/// An argon2id hash in PHC form. Made before the transaction: it takes tens of milliseconds on purpose.
#[derive(Clone)]
pub struct PasswordDigest(String);

impl std::fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordDigest")
    }
}

impl PasswordDigest {
    /// Checks the rules that need no name and hashes (argon2id, 19 MiB, 2 passes: OWASP's and the crate's default).
    /// Blocks.
    pub fn new(entropy: &Entropy, password: &str) -> Result<Self> {
        rules::check("password", password, &[])?;
        Self::of(entropy, password)
    }

    /// Hashes what its own rules have checked, such as a PIN. Blocks.
    pub fn of(entropy: &Entropy, password: &str) -> Result<Self> {
        let salt: [u8; 16] = entropy.bytes();
        let password = normalised(password);
        let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(Error::internal)?;
        Ok(Self(hash.to_string()))
    }

    /// One that was kept, in PHC form.
    pub(super) const fn stored(phc: String) -> Self {
        Self(phc)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A digest that no password has, to spend the same time on a user who is not there.
    fn of_nobody() -> &'static Self {
        static NOBODY: std::sync::LazyLock<PasswordDigest> = std::sync::LazyLock::new(|| {
            let hash = Argon2::default().hash_password_with_salt(b"nobody has this password", &[0x5a; 16]);
            PasswordDigest(hash.map(|hash| hash.to_string()).unwrap_or_default())
        });
        &NOBODY
    }

    /// Compares in constant time. Blocks.
    pub fn verify(&self, password: &str) -> bool {
        let password = normalised(password);
        PasswordHash::new(&self.0)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }
}

/// In one spelling, whichever keyboard it was typed on (NIST SP 800-63B-4 section 3.1.1.2).
fn normalised(password: &str) -> Zeroizing<String> {
    Zeroizing::new(ComposingNormalizer::new_nfkc().normalize(password).into_owned())
}

/// The password of whoever has a name, read before it is compared.
#[derive(Debug)]
pub struct Known {
    digest: Option<PasswordDigest>,
    sealed: Option<String>,
    must_change: bool,
}

impl Known {
    /// Of somebody who has none, or is not there.
    pub(super) const fn nothing() -> Self {
        Self { digest: None, sealed: None, must_change: false }
    }

    /// `sealed` is what the row holds, by which it is found again in a later transaction.
    pub(super) const fn new(digest: PasswordDigest, sealed: String, must_change: bool) -> Self {
        Self { digest: Some(digest), sealed: Some(sealed), must_change }
    }
}

/// What became of a comparison that was made before the transaction.
#[derive(Debug, Clone, Default)]
pub struct PasswordCheck {
    pub matches: bool,
    /// The password must be replaced at the next sign-in.
    pub must_change: bool,
    sealed: Option<String>,
}

/// Reads what a password is compared with. Somebody who is not there has a digest too: of nobody.
pub fn known(tx: &mut Tx<'_>, user: Option<&User>) -> Result<Known> {
    let Some(user) = user else { return Ok(Known::nothing()) };
    let Some(row) = methods::find(tx, &user.tenant_id, &user.user_id, &MethodId::new(ID))? else {
        return Ok(Known::nothing());
    };
    let password: Stored<Password> = Stored::read(row)?;
    let Some(sealed) = password.row.sealed_secret.clone() else { return Ok(Known::nothing()) };
    let opened = tx.open(&secret_place(&password.row), &sealed)?;
    let digest = String::from_utf8(opened.expose_secret().to_vec()).map_err(Error::internal)?;
    Ok(Known::new(PasswordDigest(digest), sealed, password.detail.force_change_next_sign_in))
}

impl Known {
    /// Compares, in the same time whether or not there is a password. Blocks for tens of milliseconds.
    pub fn compare(&self, password: &str) -> PasswordCheck {
        let digest = self.digest.as_ref().unwrap_or_else(|| PasswordDigest::of_nobody());
        let matches = digest.verify(password) && self.digest.is_some();
        PasswordCheck { matches, must_change: matches && self.must_change, sealed: self.sealed.clone() }
    }
}

impl PasswordCheck {
    /// Whether this row still holds what was compared.
    pub(super) fn is_of(&self, row: Option<&MethodRow>) -> bool {
        self.sealed.is_some() && row.and_then(|row| row.sealed_secret.as_ref()) == self.sealed.as_ref()
    }
}

/// Whether the password that was compared is the user's still.
pub fn is_still(tx: &mut Tx<'_>, user: &User, check: &PasswordCheck) -> Result<bool> {
    let row = methods::find(tx, &user.tenant_id, &user.user_id, &MethodId::new(ID))?;
    Ok(check.is_of(row.as_ref()))
}

/// Gives a user without a password one, or replaces it. The failures with the old one are forgotten.
pub fn set(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    user: &UserId,
    digest: &PasswordDigest,
    force_change: bool,
) -> Result<()> {
    let detail = Password { force_change_next_sign_in: force_change };
    let mut row = new_row(tx, tenant, user, MethodKind::Password, MethodId::new(ID), &detail)?;
    row.sealed_secret = Some(tx.seal(&secret_place(&row), digest.0.as_bytes())?);
    guesses::clear(tx, tenant, user.as_str(), GuessKind::Password)?;
    match methods::find(tx, tenant, user, &row.method_id)? {
        Some(_) => methods::update(tx, &row),
        None => methods::insert(tx, &row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_and_verified() {
        let digest = PasswordDigest::new(&Entropy::seeded(1), "correct horse battery").unwrap();
        assert!(digest.0.starts_with("$argon2id$v=19$"));
        assert!(digest.verify("correct horse battery") && !digest.verify("correct horse batterz"));
        let composed = PasswordDigest::new(&Entropy::seeded(1), "Sch\u{f6}ne Gr\u{fc}\u{df}e").unwrap();
        assert!(composed.verify("Scho\u{308}ne Gru\u{308}\u{df}e") && !composed.verify("Schone Grusse"));
        assert!(!format!("{digest:?}").contains("argon2"));
        assert!(PasswordDigest::new(&Entropy::seeded(1), "short").is_err());
    }
}
