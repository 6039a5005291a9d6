//! Messages as signed HTTP requests, in the manner of Standard Webhooks (standardwebhooks.com, specification 1.0.0): the
//! headers `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,{base64}`, an HMAC-SHA-256 over
//! `{id}.{timestamp}.{body}`.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, ClientBuilder, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Failure, Outgoing};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
    seal::Sealer,
    store::messages::Channel,
};

/// How long a receiver may take to be reached, and to answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// What a secret begins with, and how many bytes it may have.
const PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a receiver gets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    id: &'a str,
    tenant_id: &'a TenantId,
    channel: Channel,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    text: &'a str,
    expiration_date_time: Timestamp,
}

impl<'a> Body<'a> {
    pub(super) fn of(outgoing: &Outgoing<'a>) -> Self {
        let message = outgoing.message;
        Self {
            id: outgoing.id,
            tenant_id: outgoing.tenant,
            channel: message.channel,
            to: &message.to,
            subject: message.subject.as_deref(),
            text: &message.text,
            expiration_date_time: message.expires_at,
        }
    }
}

/// Signs requests; with several secrets every one of them, so that a receiver can change from one to the next.
#[derive(Clone)]
pub struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Secrets as Standard Webhooks writes them, one a line: `whsec_` and 24 to 64 bytes in Base64.
    pub fn parse(secrets: &SecretString) -> Result<Self> {
        let wrong = || {
            let message = "A webhook secret is written whsec_ and 24 to 64 bytes in Base64, one a line; make one with: \
                           echo whsec_$(openssl rand -base64 32)";
            Error::invalid("webhookSecret", message)
        };
        let key = |line: &str| {
            let text = line.strip_prefix(PREFIX).ok_or_else(wrong)?;
            let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| wrong())?);
            if SECRET_BYTES.contains(&bytes.len()) {
                Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
            } else {
                Err(wrong())
            }
        };
        let lines = secrets.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(key).collect::<Result<Vec<_>>>()?;
        if keys.is_empty() { Err(wrong()) } else { Ok(Self(keys)) }
    }

    /// A secret of this installation, for receivers who do not check.
    pub fn derived(sealer: &Sealer) -> Self {
        Self(vec![hmac::Key::new(hmac::HMAC_SHA256, sealer.derive("webhook signature").expose_secret().as_bytes())])
    }

    /// The header `webhook-signature`.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let sign = |key: &hmac::Key| {
            let mut mac = hmac::Context::with_key(key);
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.sign()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

/// A client that waits for nobody for long and follows nobody anywhere.
pub(super) fn client() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("rekey/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_PATIENCE)
        .timeout(ANSWER_PATIENCE)
}

/// Posts a signed body. Any 2xx means that the receiver has it; its body is of no interest and is not read.
pub(super) async fn post(
    client: &Client,
    signer: &Signer,
    url: Url,
    content_type: &'static str,
    body: Vec<u8>,
    outgoing: &Outgoing<'_>,
) -> Result<(), Failure> {
    let timestamp = outgoing.now.seconds();
    let request = client
        .post(url)
        .header("content-type", content_type)
        .header("webhook-id", outgoing.id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signer.sign(outgoing.id, timestamp, &body))
        .body(body);
    // The library's words repeat the address, which may be a secret of its own, and stays out of the log.
    let answer = request.send().await.map_err(|error| {
        Failure::passing(match () {
            () if error.is_timeout() => "the receiver does not answer in time",
            () if error.is_connect() => "the receiver cannot be reached",
            () => "the receiver cannot be talked to",
        })
    })?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Err(Failure::lasting("the receiver says 410 Gone")),
        status => Err(Failure::passing(format!("the receiver says {status}"))),
    }
}

/// Sends every message of a channel to one address of the operator's.
pub struct Webhook {
    client: Client,
    signer: Signer,
    url: Url,
}

impl Webhook {
    /// Codes travel encrypted, or stay on this machine.
    pub fn new(url: Url, signer: Signer) -> Result<Self> {
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_here(&url))) {
            let message = "A webhook is an https URL, or an http URL of this machine.";
            return Err(Error::invalid("webhook", message));
        }
        Ok(Self { client: client().build().map_err(Error::internal)?, signer, url })
    }

    pub(super) async fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Failure> {
        let body = serde_json::to_vec(&Body::of(outgoing)).map_err(|error| Failure::lasting(error.to_string()))?;
        post(&self.client, &self.signer, self.url.clone(), "application/json", body, outgoing).await
    }
}

/// Whether the URL names this machine itself.
pub(super) fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of the reference implementations.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let signer = Signer::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n".into()).unwrap();
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_read_strictly() {
        let two = format!("whsec_{}\n\n whsec_{}\n", STANDARD.encode([1; 24]), STANDARD.encode([2; 64]));
        assert_eq!(Signer::parse(&two.into()).unwrap().sign("a", 1, b"").split(' ').count(), 2);
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        for wrong in ["", "\n", "secret", "whsec_", "whsec_%%%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", short.as_str()] {
            assert!(Signer::parse(&wrong.into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn codes_leave_this_machine_encrypted() {
        let signer = Signer::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let make = |url: &str| Webhook::new(url.parse().unwrap(), signer.clone()).is_ok();
        for good in ["https://sms.example/send", "http://127.0.0.1:9/x", "http://[::1]:9/x", "http://localhost:9/x"] {
            assert!(make(good), "{good}");
        }
        for wrong in ["http://sms.example/send", "http://localhost.example/x", "ftp://127.0.0.1/", "file:///etc/passwd"]
        {
            assert!(!make(wrong), "{wrong}");
        }
    }
}
