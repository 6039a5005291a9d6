//! `rekey authenticator ...`: the reference device. It needs nothing but the protocol: no database, no sealing key.

mod device;
mod key;

use std::{io::BufRead, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::print;
use crate::{
    error::{Error, Result},
    methods::microsoft_authenticator::jws::{Activation, Decision},
};
use device::{Account, Device, Question};
use key::SecretKey;

#[derive(Debug, Subcommand)]
pub enum AuthenticatorCommand {
    /// Make a key, register it with an activation code, and keep both in a file.
    Activate(Activate),
    /// Print the open push requests.
    List(KeyFile),
    /// Answer the open push request.
    Answer(AnswerCommand),
    /// Wait for push requests and ask at the terminal.
    Watch(Watch),
    /// Give the device up: the method is deleted, and then the file.
    Remove(KeyFile),
}

#[derive(Debug, Args)]
pub struct KeyFile {
    /// Where the device keeps its key and its account
    #[arg(long, default_value = "rekey-authenticator.key")]
    key_file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Activate {
    #[command(flatten)]
    file: KeyFile,
    /// The server's public URL, as `activationUri` has it
    #[arg(long)]
    url: String,
    /// The activation code
    #[arg(long)]
    code: String,
    /// What the device signs with
    #[arg(long, default_value = "ES256")]
    algorithm: Choice,
    /// What the user recognizes the device by
    #[arg(long, default_value = "Terminal")]
    name: String,
    /// Where the server wakes the device by a POST
    #[arg(long)]
    wake_url: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Choice {
    /// ECDSA with P-256
    #[value(name = "ES256")]
    Es256,
    /// Ed25519
    #[value(name = "EdDSA")]
    EdDsa,
}

#[derive(Debug, Args)]
pub struct AnswerCommand {
    #[command(flatten)]
    file: KeyFile,
    /// The request to answer; only needed when there are several
    #[arg(long)]
    request: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Answer {
    /// It is you who signs in
    #[arg(long, requires = "number", conflicts_with = "deny")]
    approve: bool,
    /// It is not you
    #[arg(long, conflicts_with = "number")]
    deny: bool,
    /// The number on the sign-in page
    #[arg(long, requires = "approve")]
    number: Option<String>,
}

#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    file: KeyFile,
    /// Seconds between two looks
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
    /// Stop after the first answer
    #[arg(long)]
    once: bool,
}

impl AuthenticatorCommand {
    pub async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Activate(command) => command.run().await,
            Self::List(file) => {
                let open = Device::open(&file.key_file)?.requests().await?;
                print(&open.iter().map(|question| &question.json).collect::<Vec<_>>())
            }
            Self::Answer(command) => command.run().await,
            Self::Watch(command) => command.run().await,
            Self::Remove(file) => {
                let device = Device::open(&file.key_file)?;
                device.remove().await?;
                key::forget(&file.key_file)?;
                print(&json!({"deviceId": device.account.device_id, "removed": true}))
            }
        }
    }
}

impl Activate {
    async fn run(self) -> Result<ExitCode> {
        let algorithm = match self.algorithm {
            Choice::Es256 => Algorithm::ES256,
            Choice::EdDsa => Algorithm::EdDSA,
        };
        let secret = SecretKey::generate(algorithm)?;
        let activation = Activation {
            activation_code: self.code,
            display_name: self.name,
            device_tag: Some("Terminal".into()),
            phone_app_version: Some(env!("CARGO_PKG_VERSION").into()),
            wake_url: self.wake_url,
        };
        // The file is made first: a device that cannot keep its key must not be registered.
        let path = self.file.key_file;
        key::reserve(&path)?;
        let account = match device::activate(&self.url, &secret, &activation).await {
            Ok(account) => account,
            Err(error) => {
                key::forget(&path)?;
                return Err(error);
            }
        };
        key::save(&path, &secret, &account)?;
        let Account { device_id, tenant_id, user_id, user_principal_name, device_url } = account;
        print(&json!({
            "deviceId": device_id,
            "tenantId": tenant_id,
            "userId": user_id,
            "userPrincipalName": user_principal_name,
            "deviceUrl": device_url,
            "keyFile": path,
        }))
    }
}

impl AnswerCommand {
    async fn run(self) -> Result<ExitCode> {
        let device = Device::open(&self.file.key_file)?;
        let open = device.requests().await?;
        let wanted: Vec<_> =
            open.iter().filter(|question| self.request.as_ref().is_none_or(|id| *id == question.id)).collect();
        let question = match wanted.as_slice() {
            [question] => question,
            [] => return Err(Error::invalid("request", "There is no such open push request.")),
            _ => {
                return Err(Error::invalid("request", "There are several open push requests: say which by --request."));
            }
        };
        let decision = if self.answer.deny { Decision::Deny } else { Decision::Approve };
        device.answer(question, decision, self.answer.number).await?;
        print(&json!({"requestId": question.id, "decision": decision}))
    }
}

impl Watch {
    async fn run(self) -> Result<ExitCode> {
        let device = Device::open(&self.file.key_file)?;
        eprintln!("Waiting for push requests to {}; end with Ctrl-C.", device.account.user_principal_name);
        let mut seen = String::new();
        loop {
            for question in device.requests().await? {
                if question.id == seen {
                    continue;
                }
                seen.clone_from(&question.id);
                let Some(line) = ask(&question).await? else { return Ok(ExitCode::SUCCESS) };
                let (decision, number) = match line.trim() {
                    "" => continue,
                    "n" | "no" => (Decision::Deny, None),
                    number => (Decision::Approve, Some(number.to_owned())),
                };
                match device.answer(&question, decision, number).await {
                    Ok(()) => print(&json!({"requestId": question.id, "decision": decision})).map(drop)?,
                    Err(error) => eprintln!("rekey: {}", error.message()),
                }
                if self.once {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            tokio::time::sleep(Duration::from_secs(self.interval)).await;
        }
    }
}

/// What the user types; `None` when nobody sits there any more.
async fn ask(question: &Question) -> Result<Option<String>> {
    eprintln!("{}", question.text());
    eprint!("The number on the sign-in page, n if it is not you, nothing to leave it: ");
    let read = || {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|length| (length > 0).then_some(line))
    };
    tokio::task::spawn_blocking(read).await.map_err(Error::internal)?.map_err(Error::internal)
}
