//! E-mail addresses for self-service password reset; never multifactor authentication. A reset keeps them.

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

use super::{
    Method, MethodKind, Stored,
    manage::{self, OfUser},
    new_row, policy, verification,
};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::MethodId,
    store::{Tx, methods},
};

/// Graph's fixed id of every user's e-mail method.
pub const ID: &str = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f";

/// The longest address in octets, of which SMTP's path takes two (RFC 5321 section 4.5.3.1.3, erratum 1690).
const MAX_LENGTH: usize = 254;

/// Graph's `emailAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Email {
    pub email_address: String,
    /// True once a code that was sent to this address was typed in.
    #[serde(default)]
    pub is_verified: bool,
}

/// An e-mail method as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmailEntry {
    pub id: MethodId,
    pub email_address: String,
    /// False while the user who added it has not verified it.
    pub is_complete: bool,
    pub is_verified: bool,
    pub created_date_time: Timestamp,
    pub last_used_date_time: Option<Timestamp>,
}

impl From<Stored<Email>> for EmailEntry {
    fn from(email: Stored<Email>) -> Self {
        Self {
            id: email.row.method_id,
            email_address: email.detail.email_address,
            is_complete: email.row.pending_until.is_none(),
            is_verified: email.detail.is_verified,
            created_date_time: email.row.created_at,
            last_used_date_time: email.row.last_used_at,
        }
    }
}

/// The first letter and the domain.
pub fn mask(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}••@{domain}", local.chars().take(1).collect::<String>()),
        None => "••".into(),
    }
}

/// An address that mail can be sent to: `local@domain` by RFC 5321 (and 6531), with a domain of at least two labels;
/// no display name, no address in brackets, and none that needs quotes, which hardly any mail server takes.
pub fn parse(text: &str) -> Result<String> {
    let address = text.trim_matches(' ');
    let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '"';
    let fits = address.len() <= MAX_LENGTH && !address.chars().any(is_odd);
    if fits && EmailAddress::parse_with_options(address, options).is_ok() {
        return Ok(address.to_owned());
    }
    Err(Error::invalid("emailAddress", "An e-mail address looks like adele@example.com, with at most 254 characters."))
}

/// Gives a user an e-mail address: one per user. One that users add themselves is to be verified.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, user: &str, address: &str) -> Result<OfUser<EmailEntry>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::RegisterKind(MethodKind::Email), user)?;
    let detail = Email { email_address: parse(address)?, is_verified: false };
    policy::check_registration(tx, &user, MethodKind::Email, None)?;
    let id = MethodId::new(ID);
    if verification::standing(tx, &user, &id)?.is_some() {
        let message = "The user has an e-mail address already; change that one with PATCH.";
        return Err(Error::invalid("emailAddress", message));
    }
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::Email, id, &detail)?;
    row.pending_until = verification::pending_until(tx, &actor, &user);
    methods::insert(tx, &row)?;
    let email = Stored { row, detail };
    verification::added(tx, &actor, &user, &Method::Email(email.clone()))?;
    Ok(OfUser::new(tx, user, email.into()))
}

/// Changes a user's e-mail address; `None` leaves it.
pub fn update(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str, address: Option<&str>) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::WriteKind(MethodKind::Email), user)?;
    verification::refuse_own_change(&actor, &user)?;
    let mut email = manage::stored::<Email>(tx, &user, id)?;
    let address = address.map(parse).transpose()?.unwrap_or_else(|| email.detail.email_address.clone());
    if address == email.detail.email_address {
        return Ok(());
    }
    policy::check_registration(tx, &user, MethodKind::Email, None)?;
    let before = mask(&email.detail.email_address);
    email.detail.email_address = address;
    email.detail.is_verified = false;
    email.save(tx)?;
    let after = mask(&email.detail.email_address);
    let entry = manage::entry(Activity::UPDATE_METHOD, "updated", &user, &Method::Email(email)).modified(
        "EmailAddress",
        before,
        after,
    );
    audit::record(tx, &actor, entry).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "adele@example.com",
            "adele.vance+mfa@mail.contoso.example",
            "o'hara@example.org",
            "jörg@müller.example",
            "  adele@example.com ",
        ] {
            assert_eq!(parse(good).unwrap(), good.trim(), "{good}");
        }
        let long = format!("{}@{}.example", "a".repeat(64), ["b".repeat(60).as_str(); 4].join("."));
        for wrong in [
            "",
            "adele",
            "\"a@b\"@example.com",
            "adele@",
            "@example.com",
            "adele@localhost",
            "adele@[127.0.0.1]",
            "Adele Vance <adele@example.com>",
            "<adele@example.com>",
            "adele@example.com,mallory@example.com",
            "adele@example.com\r\nBcc: mallory@example.com",
            "adele vance@example.com",
            "adele..vance@example.com",
            ".adele@example.com",
            "adele@example..com",
            "adele@-example.com",
            "adele@exam\u{0}ple.com",
            long.as_str(),
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn masked_addresses_show_the_domain_only() {
        assert_eq!(mask("adele@example.com"), "a••@example.com");
        assert_eq!(mask("\"a@b\"@example.com"), "\"••@example.com");
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,40}|[a-z.\"@ \\x00-\\x20-]{0,40}") {
            if let Ok(address) = parse(&text) {
                prop_assert_eq!(parse(&address).unwrap(), address.clone());
                prop_assert!(!address.contains(char::is_control));
            }
        }
    }
}
