//! `rekey user ...` and `rekey hardware-oath ...`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read, Seek},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    database::{Database, find_tenant},
    print,
};
use crate::{
    access::Caller,
    app::App,
    config::DatabaseUrl,
    directory::import::import_users,
    error::{Error, Result},
    hardware_oath::import::{self, pskc::FileKey},
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
    /// Import tokens from Entra's CSV (upn, serial number, secret key, time interval, manufacturer, model) or from a
    /// vendor's PSKC (RFC 6030).
    Import(ImportTokens),
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

/// `--key-file` is the key of the imported file here, so the sealing key's flag has another name.
#[derive(Debug, Args)]
pub struct ImportTokens {
    /// sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env = "REKEY_DATABASE", default_value = "sqlite:rekey.db", hide_env_values = true)]
    database: DatabaseUrl,
    /// The file with the keys that seal secrets at rest; made beside the database on first use
    #[arg(long, env = "REKEY_KEY_FILE")]
    sealing_key_file: Option<PathBuf>,
    /// Id or default domain of the tenant
    #[arg(long)]
    tenant: String,
    /// A file with the pre-shared key of an encrypted PSKC file, in hexadecimal
    #[arg(long, conflicts_with = "password_file")]
    key_file: Option<PathBuf>,
    /// A file with the password of an encrypted PSKC file in its first line
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// The file
    file: PathBuf,
}

/// The longest file of a key or password, in bytes.
const MAX_SECRET_FILE: usize = 4096;
/// The most that is taken through a pipe, in bytes.
const MAX_PIPED: usize = 64 * 1024 * 1024;

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::invalid("file", format!("{}: {error}", path.display()))
}

fn read_secret(path: &Path) -> Result<SecretString> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    // Reserved at once, so that no copy stays behind when it grows.
    let mut text = String::with_capacity(MAX_SECRET_FILE);
    let read = file.take(MAX_SECRET_FILE as u64).read_to_string(&mut text);
    let text = SecretString::from(text);
    match read {
        Ok(MAX_SECRET_FILE..) => Err(unreadable(path, &"this is too long for a key or password")),
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// What is read twice.
trait Source: BufRead + Seek + Send {}

impl<S: BufRead + Seek + Send> Source for S {}

/// Files of tokens are checked before anything of them lands, so they are read twice. What comes through a pipe (and
/// never was on a disk) is kept in memory meanwhile.
fn rereadable(mut file: BufReader<File>) -> io::Result<Box<dyn Source>> {
    if file.stream_position().is_ok() {
        return Ok(Box::new(file));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_PIPED as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_PIPED {
        return Err(io::Error::other(format!("through a pipe at most {MAX_PIPED} bytes are taken; give a file")));
    }
    Ok(Box::new(Cursor::new(bytes)))
}

impl ImportTokens {
    fn key(&self) -> Result<FileKey> {
        match (&self.key_file, &self.password_file) {
            (Some(path), _) => FileKey::from_hex(&read_secret(path)?),
            (None, Some(path)) => {
                let text = read_secret(path)?;
                Ok(FileKey::Password(text.expose_secret().lines().next().unwrap_or_default().into()))
            }
            (None, None) => Ok(FileKey::None),
        }
    }
}

impl Import {
    async fn open(&self) -> Result<(App, Caller, BufReader<File>)> {
        let file = File::open(&self.file).map_err(|error| unreadable(&self.file, &error))?;
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
        let key = command.key()?;
        let ImportTokens { database, sealing_key_file, tenant, file, .. } = command;
        let import = Import { database: Database { database, key_file: sealing_key_file }, tenant, file };
        let (app, caller, file) = import.open().await?;
        let file = rereadable(file).map_err(|error| unreadable(&import.file, &error))?;
        print(&import::import(&app, caller, file, key).await?)
    }
}
