//! `rekey tenant ...` and `rekey app ...`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;

use super::{
    database::{Database, find_tenant},
    print,
};
use crate::{
    access::Caller,
    applications::{
        self, Change, NewApplication,
        key_credentials::{self, KeyInput, Material},
        secrets,
    },
    clock::Timestamp,
    error::{Error, Result},
    id::{ApplicationId, TenantId},
    store::{self, Store},
    tenants::{self, NewTenant},
    tokens,
};

#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant with its signing key and audit log.
    Create(CreateTenant),
    /// Print all tenants.
    List(Database),
}

#[derive(Debug, Args)]
pub struct CreateTenant {
    #[command(flatten)]
    database: Database,
    /// The organization's name
    #[arg(long)]
    name: String,
    /// Its default domain, the part of its users' names behind the @
    #[arg(long)]
    domain: String,
    /// It administers other tenants
    #[arg(long)]
    partner: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TenantView {
    tenant_id: TenantId,
    display_name: String,
    default_domain: String,
    is_partner: bool,
    created_date_time: Timestamp,
}

impl From<store::tenants::Tenant> for TenantView {
    fn from(tenant: store::tenants::Tenant) -> Self {
        Self {
            tenant_id: tenant.tenant_id,
            display_name: tenant.display_name,
            default_domain: tenant.default_domain,
            is_partner: tenant.is_partner,
            created_date_time: tenant.created_at,
        }
    }
}

impl TenantCommand {
    pub async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Create(command) => {
                let store = command.database.open()?;
                let entropy = &store.context().entropy;
                let tenant_id = TenantId::new(entropy.guid());
                let caller = Caller::operator(tenant_id.clone(), entropy.guid());
                let new = NewTenant {
                    tenant_id: tenant_id.clone(),
                    display_name: command.name,
                    default_domain: command.domain,
                    is_partner: command.partner,
                    is_demo: false,
                };
                let tenant = store.write(&tenant_id, move |tx| tenants::create(tx, &caller, &new)).await?;
                print(&TenantView::from(tenant))
            }
            Self::List(database) => {
                let store = database.open()?;
                let mut all: Vec<TenantView> = Vec::new();
                loop {
                    let after = all.last().map(|last| last.tenant_id.clone());
                    let page = store.read(move |tx| store::tenants::list(tx, after.as_ref(), 999)).await?;
                    if page.is_empty() {
                        return print(&all);
                    }
                    all.extend(page.into_iter().map(TenantView::from));
                }
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Make an application and reveal its client secret, this once.
    Create(CreateApp),
    /// Add a client secret and reveal it, this once.
    AddSecret(AddSecret),
    /// Remove a client secret; every token that it obtained is void at once.
    RemoveSecret(RemoveSecret),
    /// Add a certificate that the application proves itself with instead of a secret.
    AddKey(AddKey),
    /// Remove a certificate or key; every token that it obtained is void at once.
    RemoveKey(RemoveKey),
    /// Change an application's permissions, or switch it off and on; also for tokens already issued.
    Update(UpdateApp),
    /// Print a tenant's applications.
    List(OfTenant),
}

#[derive(Debug, Args)]
pub struct OfTenant {
    #[command(flatten)]
    database: Database,
    /// Id or default domain of the tenant
    #[arg(long)]
    tenant: String,
}

impl OfTenant {
    async fn open(&self) -> Result<(Store, Caller)> {
        let store = self.database.open()?;
        let tenant = find_tenant(&store, &self.tenant).await?;
        let caller = Caller::operator(tenant, store.context().entropy.guid());
        Ok((store, caller))
    }
}

#[derive(Debug, Args)]
pub struct CreateApp {
    #[command(flatten)]
    of: OfTenant,
    /// What people call it
    #[arg(long)]
    name: String,
    /// A permission by Graph's name, like UserAuthenticationMethod.Read.All; repeat for more
    #[arg(long = "permission", required = true)]
    permissions: Vec<String>,
    #[command(flatten)]
    lifetime: SecretLifetime,
}

#[derive(Debug, Args)]
pub struct SecretLifetime {
    /// How long the secret works
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(i64).range(1..=730))]
    secret_days: i64,
}

#[derive(Debug, Args)]
pub struct AddSecret {
    #[command(flatten)]
    of: OfTenant,
    /// Client id of the application
    #[arg(long)]
    app: String,
    #[command(flatten)]
    lifetime: SecretLifetime,
}

#[derive(Debug, Args)]
pub struct RemoveSecret {
    #[command(flatten)]
    of: OfTenant,
    /// Client id of the application
    #[arg(long)]
    app: String,
    /// Id of the secret, as `list` prints it
    #[arg(long)]
    secret_id: String,
}

#[derive(Debug, Args)]
pub struct AddKey {
    #[command(flatten)]
    of: OfTenant,
    /// Client id of the application
    #[arg(long)]
    app: String,
    /// The certificate, in PEM or DER; never its private key
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// What people call the key
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub struct RemoveKey {
    #[command(flatten)]
    of: OfTenant,
    /// Client id of the application
    #[arg(long)]
    app: String,
    /// Id of the key, as `list` prints it
    #[arg(long)]
    key_id: String,
}

#[derive(Debug, Args)]
pub struct UpdateApp {
    #[command(flatten)]
    of: OfTenant,
    /// Client id of the application
    #[arg(long)]
    app: String,
    /// All permissions it shall have from now on; repeat for more
    #[arg(long = "permission")]
    permissions: Option<Vec<String>>,
    /// Whether it may call at all
    #[arg(long)]
    enabled: Option<bool>,
}

fn application_id(text: &str) -> Result<ApplicationId> {
    ApplicationId::parse(text).ok_or_else(|| Error::invalid("--app", "A client id is a GUID."))
}

/// The first certificate of a PEM file, or the whole of a DER file; in base64.
fn read_certificate(path: &Path) -> Result<String> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::invalid("--certificate", format!("The file {} holds no certificate: {error}", path.display()))
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(STANDARD.encode(bytes));
    }
    for block in x509_parser::pem::Pem::iter_from_buffer(&bytes) {
        let block = block.map_err(|error| unreadable(&error))?;
        if block.label == "CERTIFICATE" {
            return Ok(STANDARD.encode(block.contents));
        }
    }
    Err(unreadable(&"no block 'CERTIFICATE'"))
}

impl AppCommand {
    pub async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Create(command) => {
                let (store, caller) = command.of.open().await?;
                let context = store.context();
                let (secret, record) =
                    tokens::new_secret(&context.entropy, context.clock.now(), command.lifetime.secret_days);
                let expires = record.end_date_time;
                let new = NewApplication {
                    application_id: ApplicationId::new(context.entropy.guid()),
                    display_name: command.name,
                    permissions: command.permissions,
                    is_enabled: true,
                    secret: Some(record),
                    keys: vec![],
                };
                let tenant = caller.tenant.clone();
                let made = store.write(&tenant, move |tx| applications::create(tx, &caller, &new)).await?;
                print(&json!({
                    "tenantId": made.tenant_id,
                    "clientId": made.application_id,
                    "clientSecret": secret.expose_secret(),
                    "clientSecretEndDateTime": expires,
                }))
            }
            Self::AddSecret(command) => {
                let (store, caller) = command.of.open().await?;
                let context = store.context();
                let (secret, record) =
                    tokens::new_secret(&context.entropy, context.clock.now(), command.lifetime.secret_days);
                let (secret_id, expires) = (record.id.clone(), record.end_date_time);
                let (id, tenant) = (application_id(&command.app)?.into_string(), caller.tenant.clone());
                store.write(&tenant, move |tx| secrets::add(tx, &caller, &id, &record)).await?;
                print(&json!({
                    "clientId": command.app,
                    "secretId": secret_id,
                    "clientSecret": secret.expose_secret(),
                    "clientSecretEndDateTime": expires,
                }))
            }
            Self::RemoveSecret(command) => {
                let (store, caller) = command.of.open().await?;
                let (id, tenant) = (application_id(&command.app)?.into_string(), caller.tenant.clone());
                let secret_id = command.secret_id.clone();
                store.write(&tenant, move |tx| secrets::remove(tx, &caller, &id, &secret_id)).await?;
                print(&json!({"clientId": command.app, "removedSecretId": command.secret_id}))
            }
            Self::Update(command) => {
                let (store, caller) = command.of.open().await?;
                let (id, tenant) = (application_id(&command.app)?.into_string(), caller.tenant.clone());
                let change =
                    Change { permissions: command.permissions, is_enabled: command.enabled, ..Change::default() };
                store.write(&tenant, move |tx| applications::update(tx, &caller, &id, &change)).await?;
                print(&json!({"clientId": command.app}))
            }
            Self::AddKey(command) => {
                let (store, caller) = command.of.open().await?;
                let (id, tenant) = (application_id(&command.app)?.into_string(), caller.tenant.clone());
                let input = KeyInput {
                    key_id: None,
                    display_name: command.name,
                    material: Some(Material::Certificate(read_certificate(&command.certificate)?)),
                    start_date_time: None,
                    end_date_time: None,
                };
                let write = move |tx: &mut store::Tx<'_>| key_credentials::add_unproven(tx, &caller, &id, &input);
                let made = store.write(&tenant, write).await?;
                print(&json!({"clientId": command.app, "keyId": made.key_id, "keyEndDateTime": made.end_date_time}))
            }
            Self::RemoveKey(command) => {
                let (store, caller) = command.of.open().await?;
                let (id, tenant) = (application_id(&command.app)?.into_string(), caller.tenant.clone());
                let key_id = command.key_id.clone();
                let write = move |tx: &mut store::Tx<'_>| key_credentials::remove_unproven(tx, &caller, &id, &key_id);
                store.write(&tenant, write).await?;
                print(&json!({"clientId": command.app, "removedKeyId": command.key_id}))
            }
            Self::List(of) => {
                let (store, caller) = of.open().await?;
                let all = store.read(move |tx| store::applications::list(tx, &caller.tenant)).await?;
                let view = |application: &store::applications::Application| {
                    let secrets: Vec<_> = application
                        .secrets
                        .iter()
                        .map(|secret| json!({"secretId": secret.id, "hint": secret.hint, "endDateTime": secret.end_date_time}))
                        .collect();
                    let keys: Vec<_> = application
                        .key_credentials
                        .iter()
                        .map(|key| json!({"keyId": key.key_id, "displayName": key.display_name, "endDateTime": key.end_date_time}))
                        .collect();
                    json!({
                        "clientId": application.application_id,
                        "displayName": application.display_name,
                        "isEnabled": application.is_enabled,
                        "permissions": application.permissions,
                        "secrets": secrets,
                        "keys": keys,
                    })
                };
                print(&all.iter().map(view).collect::<Vec<_>>())
            }
        }
    }
}
