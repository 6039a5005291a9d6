//! `rekey serve`: by whom codes are sent.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reqwest::Url;
use secrecy::SecretString;

use crate::{
    delivery::{OutboxFile, Reach, Sender, Senders, Signer, Smtp, Wake, Webhook},
    error::{Error, Result},
    messages::limits,
    seal::Sealer,
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Sending codes")]
pub struct SendingOptions {
    /// Where SMS are posted, signed: an https URL, or an http URL of this machine
    #[arg(long, env = "REKEY_SMS_WEBHOOK", value_name = "URL", hide_env_values = true)]
    sms_webhook: Option<Url>,
    /// Where calls are posted
    #[arg(long, env = "REKEY_VOICE_WEBHOOK", value_name = "URL", hide_env_values = true)]
    voice_webhook: Option<Url>,
    /// Where e-mails are posted, instead of --smtp-url
    #[arg(long, env = "REKEY_EMAIL_WEBHOOK", value_name = "URL", hide_env_values = true, conflicts_with = "smtp_url")]
    email_webhook: Option<Url>,
    /// The secrets that sign webhooks, one a line (whsec_...); or the secret itself in REKEY_WEBHOOK_SECRET. Wake-ups of
    /// devices are not signed with it
    #[arg(long, env = "REKEY_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// The mail server: smtps://USER:PASSWORD@HOST:465, smtp://USER:PASSWORD@HOST:587?tls=required or smtp://HOST:25
    #[arg(long, env = "REKEY_SMTP_URL", value_name = "URL", hide_env_values = true, requires = "email_from")]
    smtp_url: Option<SecretString>,
    /// Whom e-mails come from: no-reply@example.com or "Example <no-reply@example.com>"
    #[arg(long, env = "REKEY_EMAIL_FROM", value_name = "ADDRESS")]
    email_from: Option<String>,
    /// Where authenticator apps may be woken: by https on the internet, or anywhere (the default of --demo)
    #[arg(long, env = "REKEY_PUSH_REACH")]
    push_reach: Option<ReachOption>,
    /// A file that takes the messages of every channel without a sender, one JSON line each, codes in clear: for
    /// development (with --demo and no sender for people, a file beside the database)
    #[arg(long, env = "REKEY_OUTBOX_FILE", value_name = "FILE")]
    outbox_file: Option<PathBuf>,
    /// Messages that one tenant may send to people in a day
    #[arg(long, env = "REKEY_MESSAGES_PER_DAY", value_name = "NUMBER", default_value_t = limits::TENANT_PER_DAY)]
    pub messages_per_day: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReachOption {
    Public,
    Any,
}

impl From<ReachOption> for Reach {
    fn from(option: ReachOption) -> Self {
        match option {
            ReachOption::Public => Self::Public,
            ReachOption::Any => Self::Any,
        }
    }
}

impl SendingOptions {
    /// The senders, and the file that takes what has none.
    pub fn senders(&self, sealer: &Sealer, demo_outbox: Option<PathBuf>) -> Result<(Senders, Option<OutboxFile>)> {
        let signer = self.signer()?;
        let webhook = |url: &Option<Url>| match (url, &signer) {
            (None, _) => Ok(None),
            (Some(url), Some(signer)) => Webhook::new(url.clone(), signer.clone()).map(|it| Some(Sender::Webhook(it))),
            (Some(_), None) => {
                let message = "Webhooks are signed: give --webhook-secret-file or REKEY_WEBHOOK_SECRET.";
                Err(Error::invalid("webhookSecret", message))
            }
        };
        let email = match (&self.smtp_url, &self.email_from) {
            (Some(url), Some(from)) => Some(Sender::Smtp(Box::new(Smtp::new(url, from)?))),
            _ => webhook(&self.email_webhook)?,
        };
        let reach = match self.push_reach {
            Some(chosen) => chosen.into(),
            None if demo_outbox.is_some() => Reach::Any,
            None => Reach::Public,
        };
        let senders = Senders {
            sms: webhook(&self.sms_webhook)?,
            voice: webhook(&self.voice_webhook)?,
            email,
            // Never the operator's secret: whoever has an app would get signatures that the operator's receivers accept.
            push: wake(Signer::derived(sealer), reach),
        };
        let reaches_nobody = senders.sms.is_none() && senders.voice.is_none() && senders.email.is_none();
        let path = self.outbox_file.clone().or(demo_outbox.filter(|_| reaches_nobody));
        let Some(path) = path else { return Ok((senders, None)) };
        let file = OutboxFile::new(path)?;
        Ok((senders.otherwise(&file), Some(file)))
    }

    fn signer(&self) -> Result<Option<Signer>> {
        if let Some(path) = &self.webhook_secret_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::internal(format!("the webhook secrets in {} cannot be read: {error}", path.display()))
            })?;
            return Signer::parse(&text.into()).map(Some);
        }
        let secret = std::env::var("REKEY_WEBHOOK_SECRET").ok();
        secret.map(|text| Signer::parse(&text.into())).transpose()
    }
}

/// Devices are woken when this machine knows any certificate authority; they ask by themselves otherwise.
fn wake(signer: Signer, reach: Reach) -> Option<Sender> {
    match Wake::new(signer, reach) {
        Ok(wake) => Some(Sender::Wake(wake)),
        Err(error) => {
            tracing::warn!(%error, "authenticator apps cannot be woken");
            None
        }
    }
}
