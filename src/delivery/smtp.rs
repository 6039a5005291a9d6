//! E-mail by SMTP (RFC 5321), with TLS from the first byte (RFC 8314), after STARTTLS (RFC 3207), or without.

use std::time::{Duration, SystemTime};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    message::{
        Mailbox, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::{Failure, Outgoing, webhook::is_here};
use crate::error::{Error, Result};

/// How long each step of the conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends through one mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// `smtps://user:password@host:port` (TLS), `smtp://...?tls=required` (STARTTLS) or `smtp://host:port` (in clear).
    /// `from` is an address, with or without a name. A password is never sent in clear to another machine.
    pub fn new(url: &SecretString, from: &str) -> Result<Self> {
        let wrong = |message: &str| Error::invalid("smtpUrl", message);
        let example =
            "A mail server is written smtps://USER:PASSWORD@HOST:465 or smtp://USER:PASSWORD@HOST:587?tls=required.";
        let parsed: Url = url.expose_secret().parse().map_err(|_| wrong(example))?;
        let is_encrypted = parsed.scheme() == "smtps" || parsed.query() == Some("tls=required");
        if parsed.password().is_some() && !is_encrypted && !is_here(&parsed) {
            return Err(wrong("A password is only sent encrypted: use smtps://, or add ?tls=required."));
        }
        // The library's error may repeat the URL, and with it the password.
        let transport =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret()).map_err(|_| wrong(example))?;
        let from = from.parse().map_err(|_| {
            Error::invalid(
                "emailFrom",
                "The sender is an address like no-reply@example.com or Example <no-reply@example.com>.",
            )
        })?;
        Ok(Self { transport: transport.timeout(Some(PATIENCE)).build(), from })
    }

    pub(super) async fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Failure> {
        let mail = self.write(outgoing).ok_or_else(|| Failure::lasting("it cannot be written as an e-mail"))?;
        match self.transport.send(mail).await {
            Ok(_) => Ok(()),
            // A server's words may repeat the address, so only its number is told.
            Err(error) => {
                let reason = match error.status() {
                    Some(code) => format!("the mail server says {code}"),
                    None if error.is_tls() => "TLS with the mail server failed".into(),
                    None if error.is_timeout() => "the mail server does not answer in time".into(),
                    None => "the mail server cannot be talked to".into(),
                };
                Err(Failure { reason, is_final: error.is_permanent() })
            }
        }
    }

    /// The same mail in every attempt: receivers drop a Message-ID that they have seen.
    fn write(&self, outgoing: &Outgoing<'_>) -> Option<Mail> {
        let written_at = Duration::from_micros(outgoing.created_at.micros().try_into().ok()?);
        let message = outgoing.message;
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Mail::builder()
            .from(self.from.clone())
            .to(message.to.parse().ok()?)
            .subject(message.subject.clone().unwrap_or_default())
            .date(SystemTime::UNIX_EPOCH + written_at)
            .message_id(Some(format!("<{}@{}>", outgoing.id, self.from.email.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".into()))
            .singlepart(SinglePart::plain(message.text.clone()))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_travel_encrypted() {
        let make = |url: &str| Smtp::new(&url.into(), "Rekey <no-reply@rekey.example>").map(drop);
        for good in [
            "smtps://user:secret@mail.example:465",
            "smtp://user:secret@mail.example?tls=required",
            "smtp://mail.example:25",
            "smtp://user:secret@127.0.0.1:2525",
        ] {
            assert!(make(good).is_ok(), "{good}");
        }
        for wrong in [
            "mail.example",
            "https://mail.example",
            "smtp://user:hunter2@mail.example",
            "smtp://user:hunter2@mail.example?tls=opportunistic",
            "smtp://user:hunter2@mail.example?tls=never",
        ] {
            let error = make(wrong).unwrap_err();
            assert!(!format!("{error:?}{error}").contains("hunter2"), "{error}");
        }
        assert!(Smtp::new(&"smtp://mail.example".into(), "nobody").is_err());
    }
}
