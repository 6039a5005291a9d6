//! `rekey user ...` and `rekey hardware-oath ...`.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    database::{Database, find_tenant},
    print,
};
use crate::{
    access::Caller,
    app::App,
    directory::import::import_users,
    error::{Error, Result},
    hardware_oath::import::import_csv,
    store::{self, roles},
    tokens,
};

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Import users from CSV; the columns userPrincipalName and displayName are needed, Graph's others are optional.
    Import(Import),
    /// Print an access token for a user, for an administrator who has no other way in.
    Token(UserToken),
}

#[derive(Debug, Subcommand)]
pub enum HardwareOathCommand {
    /// Import tokens from Entra's CSV: upn, serial number, secret key, time interval, manufacturer, model.
    Import(Import),
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    database: Database,
    /// Id or default domain of the tenant
    #[arg(long)]
    tenant: String,
    /// The file
    file: PathBuf,
}

impl Import {
    async fn open(&self) -> Result<(App, Caller, BufReader<File>)> {
        let file = File::open(&self.file)
            .map_err(|error| Error::invalid("file", format!("{}: {error}", self.file.display())))?;
        let app = self.database.app("")?;
        let tenant = find_tenant(&app.store, &self.tenant).await?;
        let caller = Caller::operator(tenant, app.store.context().entropy.guid());
        Ok((app, caller, BufReader::new(file)))
    }
}

#[derive(Debug, Args)]
pub struct UserToken {
    #[command(flatten)]
    database: Database,
    /// Id or default domain of the tenant
    #[arg(long)]
    tenant: String,
    /// Id or userPrincipalName of the user
    #[arg(long)]
    user: String,
    /// The public URL of the server that the token is for
    #[arg(long, env = "REKEY_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    public_url: String,
}

impl UserCommand {
    pub async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Import(command) => {
                let (app, caller, file) = command.open().await?;
                print(&import_users(&app.store, &caller, file).await?)
            }
            Self::Token(command) => {
                let app = command.database.app(&command.public_url)?;
                let tenant = find_tenant(&app.store, &command.tenant).await?;
                let issuer = app.issuer.clone();
                let token = app.store.read(move |tx| {
                    let found = store::users::find(tx, &tenant, &command.user)?;
                    let user = found.ok_or_else(|| Error::user_not_found(&command.user))?;
                    let held = roles::of_user(tx, &tenant, &user.user_id)?;
                    issuer.for_user(tx, &user, held.into_iter().map(|assignment| assignment.role_id).collect())
                });
                print(&json!({"accessToken": token.await?.expose_secret(), "expiresIn": tokens::LIFETIME_SECONDS}))
            }
        }
    }
}

impl HardwareOathCommand {
    pub async fn run(self) -> Result<ExitCode> {
        let Self::Import(command) = self;
        let (app, caller, file) = command.open().await?;
        print(&import_csv(&app, caller, file).await?)
    }
}
