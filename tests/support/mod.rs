//! A real Rekey over a real listener and a real database, for every test that speaks HTTP.
//!
//! Each test runs on SQLite always, and on PostgreSQL when its binaries are there: a throw-away cluster is started
//! once per test process. `REKEY_TEST_POSTGRES=required` makes missing binaries a failure instead of a skip.
#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod authenticator;
pub mod database;
pub mod document;
pub mod postgres;
pub mod process;
pub mod seed;

use std::net::SocketAddr;

use poem::listener::Acceptor;
use rekey::{
    app::App,
    clock::{Clock, Entropy},
    config::DatabaseUrl,
    delivery::{Delivery, OutboxFile, Senders},
    id::{ApplicationId, TenantId, UserId},
    messages::Sending,
    reach::Reach,
    seal::Sealer,
    server::Options,
    store::{
        Context, Store, applications,
        applications::Application,
        keys,
        messages::Channel,
        tenants,
        tenants::{RegistrationProof, Tenant},
        users,
        users::User,
    },
    tokens,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// SQLite always, PostgreSQL when it is there.
pub fn backends() -> Vec<Backend> {
    std::iter::once(Backend::Sqlite).chain(postgres::cluster().map(|_| Backend::Postgres)).collect()
}

/// Runs the test on every backend that is there.
pub async fn on_each_backend(test: impl AsyncFn(TestApp)) {
    for backend in backends() {
        test(TestApp::start(backend).await).await;
    }
}

/// The same with a server whose time stands still until the test moves it.
pub async fn on_each_backend_with_own_clock(test: impl AsyncFn(TestApp)) {
    for backend in backends() {
        test(TestApp::start_with_own_clock(backend).await).await;
    }
}

/// The same with a server that has no tenant yet.
pub async fn on_each_empty_backend(test: impl AsyncFn(TestApp)) {
    test(TestApp::empty(Backend::Sqlite).await).await;
    if postgres::cluster().is_some() {
        test(TestApp::empty(Backend::Postgres).await).await;
    }
}

/// How a server differs from what most tests need.
pub struct Setup {
    pub options: Options,
    pub clock: Clock,
    /// All channels by default, see [`TestApp::sent`].
    pub sending: Sending,
}

impl Default for Setup {
    fn default() -> Self {
        let sending = Sending { channels: Channel::ALL.to_vec(), ..Sending::default() };
        Self { options: Options::default(), clock: Clock::System, sending }
    }
}

/// A message as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentMessage {
    pub id: String,
    pub tenant_id: String,
    /// `sms`, `voice`, `email` or `push`.
    pub channel: String,
    /// The number, address or URL, in clear.
    pub to: String,
    pub subject: Option<String>,
    pub text: String,
}

impl SentMessage {
    /// The code in the text: its first six digits.
    pub fn code(&self) -> String {
        let code: String = self.text.chars().filter(char::is_ascii_digit).take(6).collect();
        assert_eq!(code.len(), 6, "no code in {self:?}");
        code
    }

    /// Another code of six digits.
    pub fn wrong_code(&self) -> String {
        let code: u32 = self.code().parse().unwrap();
        format!("{:06}", (code + 1) % 1_000_000)
    }
}

pub struct TestApp {
    pub app: App,
    /// Delivers into a file when [`TestApp::sent`] asks for it; nothing runs by itself.
    pub delivery: Delivery,
    pub backend: Backend,
    pub base: String,
    pub http: reqwest::Client,
    /// The tenant that tests act in.
    pub tenant: TenantId,
    /// A token with every permission in that tenant.
    pub token: String,
    pub database: DatabaseUrl,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
}

impl TestApp {
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Options::default()).await
    }

    pub async fn start_with(backend: Backend, options: Options) -> Self {
        Self::start_as(backend, Setup { options, ..Setup::default() }).await
    }

    pub async fn start_as(backend: Backend, setup: Setup) -> Self {
        Self::empty_as(backend, setup, |_| ()).await.with_tenant().await
    }

    /// A server with other settings than the default ones.
    pub async fn start_changed(backend: Backend, change: impl FnOnce(&mut App)) -> Self {
        Self::empty_as(backend, Setup::default(), change).await.with_tenant().await
    }

    /// A server whose time stands still until the test moves it: `app.app.store.context().clock`.
    pub async fn start_with_own_clock(backend: Backend) -> Self {
        Self::start_at(backend, Clock::manual(Clock::System.now())).await
    }

    /// A server whose clock a test moves.
    pub async fn start_at(backend: Backend, clock: Clock) -> Self {
        Self::start_as(backend, Setup { clock, ..Setup::default() }).await
    }

    /// The same, and outside issuers of tokens may be on this machine.
    pub async fn start_with_issuers(backend: Backend, clock: Clock) -> Self {
        let change = |app: &mut App| *app = app.clone().with_issuer_reach(Reach::Any);
        Self::empty_as(backend, Setup { clock, ..Setup::default() }, change).await.with_tenant().await
    }

    async fn with_tenant(self) -> Self {
        let mut this = self;
        this.tenant = this.new_tenant("contoso.example").await;
        this.token = this.token_with(&this.tenant, &rekey::access::known_permissions()).await;
        this
    }

    /// A server without a tenant, for data that brings its own.
    pub async fn empty(backend: Backend) -> Self {
        Self::empty_as(backend, Setup::default(), |_| ()).await
    }

    async fn empty_as(backend: Backend, setup: Setup, change: impl FnOnce(&mut App)) -> Self {
        let Setup { options, clock, sending } = setup;
        let folder = tempfile::tempdir().unwrap();
        let url = match backend {
            Backend::Sqlite => DatabaseUrl::Sqlite(folder.path().join("rekey.db")),
            Backend::Postgres => DatabaseUrl::Postgres(postgres::cluster().unwrap().create_database()),
        };
        let entropy = Entropy::System;
        let sealer = Sealer::generate(&entropy).unwrap();
        let store = Store::open(&url, Context::new(clock, entropy, sealer, rekey::reports::classify)).unwrap();
        let acceptor = rekey::server::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = *acceptor.local_addr()[0].as_socket_addr().unwrap();
        let base = format!("http://{address}");
        let outbox = OutboxFile::new(folder.path().join("outbox.jsonl")).unwrap();
        let delivery = Delivery::new(store.clone(), Senders::default().otherwise(&outbox)).unwrap();
        let mut app = App::new(store, &base).with_sending(sending);
        change(&mut app);
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(rekey::server::serve(acceptor, app.clone(), options, async move {
            let _ = stopped.await;
        }));
        Self {
            app,
            delivery,
            backend,
            base,
            http: reqwest::Client::new(),
            tenant: TenantId::new(""),
            token: String::new(),
            database: url,
            folder,
            stop: Some(stop),
        }
    }

    /// Delivers what waits in the outbox; everything that was sent so far, oldest first.
    pub async fn sent(&self) -> Vec<SentMessage> {
        self.delivery.drain().await.unwrap();
        let lines = std::fs::read_to_string(self.folder.path().join("outbox.jsonl")).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The newest message.
    pub async fn last_sent(&self) -> SentMessage {
        self.sent().await.pop().expect("something was sent")
    }

    pub async fn new_tenant(&self, domain: &str) -> TenantId {
        self.new_organization(domain, false).await
    }

    /// A tenant that may administer others.
    pub async fn new_partner(&self, domain: &str) -> TenantId {
        self.new_organization(domain, true).await
    }

    async fn new_organization(&self, domain: &str, is_partner: bool) -> TenantId {
        let id = TenantId::new(Entropy::System.guid());
        let (made, domain) = (id.clone(), domain.to_owned());
        let write = self.app.store.write(&id, move |tx| {
            let tenant = Tenant {
                tenant_id: made.clone(),
                display_name: domain.clone(),
                default_domain: domain.clone(),
                is_partner,
                is_demo: false,
                security_defaults_enabled: true,
                created_at: tx.now(),
                registration_proof: RegistrationProof::FirstFactor,
                mfa_reset_approval_threshold: None,
            };
            tenants::insert(tx, &tenant)?;
            keys::create(tx, &made)
        });
        write.await.unwrap();
        id
    }

    /// An access token of a fresh application of `tenant` with these permissions.
    pub async fn token_with(&self, tenant: &TenantId, permissions: &[impl ToString]) -> String {
        let (_, application, secret) = self.new_application(tenant, permissions).await;
        let issuer = self.app.issuer.clone();
        let _ = secret;
        let token =
            self.app.store.read(move |tx| issuer.for_application(tx, &application, &application.secrets[0])).await;
        token.unwrap().expose_secret().to_owned()
    }

    /// An access token for a client secret, from the token endpoint.
    pub async fn token_of(&self, tenant: &TenantId, client_id: &str, client_secret: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&scope=rekey/.default&client_id={client_id}&client_secret={client_secret}"
        );
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.base);
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        Answer::of(request).await.expect(200).json["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn new_application(
        &self,
        tenant: &TenantId,
        permissions: &[impl ToString],
    ) -> (ApplicationId, Application, SecretString) {
        let permissions: Vec<String> = permissions.iter().map(ToString::to_string).collect();
        let (owner, id) = (tenant.clone(), ApplicationId::new(Entropy::System.guid()));
        let now = self.app.store.context().clock.now();
        let (secret, record) = tokens::new_secret(&Entropy::System, now, 180);
        let application = Application {
            tenant_id: owner,
            application_id: id.clone(),
            display_name: "Test application".into(),
            permissions,
            secrets: vec![record],
            is_enabled: true,
            created_at: now,
            key_credentials: vec![],
            federated_credentials: vec![],
        };
        let made = application.clone();
        self.app.store.write(tenant, move |tx| applications::insert(tx, &application)).await.unwrap();
        (id, made, secret)
    }

    /// An access token of a user of the test tenant.
    pub async fn user_token(&self, user: &UserId) -> String {
        let (issuer, tenant, user) = (self.app.issuer.clone(), self.tenant.clone(), user.clone());
        let token = self.app.store.read(move |tx| {
            let user: User = users::find(tx, &tenant, user.as_str())?.expect("the user exists");
            issuer.for_user(tx, &user, vec![])
        });
        token.await.unwrap().expose_secret().to_owned()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// A whole answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// Null when the body is no JSON.
    pub json: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    pub async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    /// The answer, if it has this status; otherwise the test fails and shows what came instead.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Asserts Graph's error shape with this status and code.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let this = self.expect(status);
        assert_eq!(this.json["error"]["code"], code, "{}", this.text);
        assert!(this.json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", this.text);
        assert!(this.json["error"]["innerError"]["request-id"].is_string(), "{}", this.text);
        this
    }
}
