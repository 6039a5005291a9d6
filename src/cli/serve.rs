//! `rekey serve`.

mod throttle;
mod tls;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use poem::listener::Acceptor;
use secrecy::ExposeSecret;

use self::{
    throttle::ThrottleOptions,
    tls::{Secured, TlsOptions},
};
use super::{
    RATE,
    database::Database,
    sending::{ReachOption, SendingOptions},
};
use crate::{
    app::App,
    delivery::{Delivery, OutboxFile},
    demo,
    error::{Error, Result},
    messages::Sending,
    methods::fido2::relying_party::{Choice, RelyingParty},
    mfa_resets::work::{self, Pace},
    server, worker,
};

/// What is logged by default: our own words from `info` up. What the library for passkeys logs are its callers' mistakes;
/// they are answered.
const DEFAULT_FILTER: &str = "rekey=info,webauthn_rs_core=off,warn";

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    database: Database,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "REKEY_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The URL by which callers reach this server; tokens and links carry it. All replicas share one
    #[arg(long, env = "REKEY_PUBLIC_URL")]
    public_url: Option<String>,
    #[command(flatten)]
    tls: TlsOptions,
    /// The relying party id of passkeys: the domain of the sign-in pages or one above it [default: the public URL's]
    #[arg(long, env = "REKEY_WEBAUTHN_RP_ID")]
    webauthn_rp_id: Option<String>,
    /// An origin of sign-in pages that use passkeys, like https://login.example.com; may be repeated, separated by
    /// commas in the environment [default: the public URL's]
    #[arg(long, env = "REKEY_WEBAUTHN_ORIGIN", value_delimiter = ',')]
    webauthn_origin: Vec<String>,
    /// Certificates in PEM that sign attestations of authenticators; without them no passkey counts as attested
    #[arg(long, env = "REKEY_WEBAUTHN_ATTESTATION_ROOTS")]
    webauthn_attestation_roots: Option<PathBuf>,
    /// Serve /metrics on this address instead of beside the API
    #[arg(long, env = "REKEY_METRICS_LISTEN")]
    metrics_listen: Option<String>,
    /// Seed fictional tenants, users and methods once, and print how to try them
    #[arg(long, env = "REKEY_DEMO")]
    demo: bool,
    #[command(flatten)]
    throttle: ThrottleOptions,
    /// Users of one tenant that a reset of many users resets in a second, at most; 0 for as many as can be
    #[arg(long, env = "REKEY_MFA_RESET_RATE", default_value_t = RATE)]
    mfa_reset_rate: u32,
    /// Where outside issuers of tokens may be: by https on the internet, or anywhere (also http, for development)
    #[arg(long, env = "REKEY_ISSUER_REACH", default_value = "public")]
    issuer_reach: ReachOption,
    #[command(flatten)]
    sending: SendingOptions,
}

impl Serve {
    pub async fn run(self) -> Result<ExitCode> {
        super::log_to_standard_error(DEFAULT_FILTER);
        let store = self.database.open()?;
        let demo_outbox = self.demo.then(|| self.database.database.default_outbox_file());
        let (senders, outbox) = self.sending.senders(&store.context().sealer, demo_outbox)?;
        let sending = Sending { channels: senders.channels(), tenant_per_day: self.sending.messages_per_day };
        let delivery = Delivery::new(store.clone(), senders)?;
        let secured = self.tls.load(&store.context().clock)?;
        let acceptor = server::bind(&self.listen).await.map_err(|error| cannot_listen(&self.listen, error))?;
        let public_url = match &self.public_url {
            Some(url) => check_public_url(url)?,
            None => local_url(if secured.is_some() { "https" } else { "http" }, &acceptor, &self.listen),
        };
        if secured.is_some() && public_url.starts_with("http:") {
            tracing::warn!(url = %public_url, "the server speaks HTTPS, but its public URL says http: links and tokens name that");
        }
        let mut app = App::new(store, &public_url).with_sending(sending).with_issuer_reach(self.issuer_reach.into());
        app.relying_party = RelyingParty::chosen(&public_url, &self.passkeys()?)?;
        if self.demo {
            let demo = demo::seed(&app).await?;
            announce(&demo, &public_url, outbox.as_ref(), secured.as_ref())?;
        }
        if let Some(secured) = secured.as_ref().filter(|secured| secured.is_self_signed) {
            tracing::info!(ca = %secured.trust.display(), "clients trust this server by the certificate of its own authority");
        }
        tokio::spawn(worker::run(app.store.clone()));
        let pace = Pace::users_per_second(self.mfa_reset_rate);
        for _ in 0..work::WORKERS {
            tokio::spawn(work::run(app.store.clone(), pace, Duration::ZERO));
        }
        let counters = vec![delivery.attempts.clone()];
        tokio::spawn(delivery.run());
        tracing::info!(database = ?self.database.database, url = %public_url, "rekey is ready");
        let tls = secured.map(|secured| secured.tls);
        let rate_limits = self.throttle.limits();
        let options = server::Options { metrics_listen: self.metrics_listen, tls, rate_limits, counters };
        server::serve(acceptor, app, options, stop_signal()).await.map_err(Error::internal)?;
        Ok(ExitCode::SUCCESS)
    }

    fn passkeys(&self) -> Result<Choice> {
        let read = |path: &PathBuf| {
            let unreadable = |error| {
                let message = format!("The file {} cannot be read: {error}", path.display());
                Error::invalid("--webauthn-attestation-roots", message)
            };
            std::fs::read_to_string(path).map_err(unreadable)
        };
        Ok(Choice {
            id: self.webauthn_rp_id.clone(),
            origins: self.webauthn_origin.clone(),
            attestation_roots: self.webauthn_attestation_roots.as_ref().map(read).transpose()?,
        })
    }
}

fn cannot_listen(address: &str, error: std::io::Error) -> Error {
    Error::internal(format!("cannot listen on {address}: {error}"))
}

/// Where a caller on this machine reaches the listener.
fn local_url(scheme: &str, acceptor: &impl Acceptor, listen: &str) -> String {
    let addresses = acceptor.local_addr();
    match addresses.first().and_then(|address| address.as_socket_addr()) {
        Some(address) if address.ip().is_unspecified() => format!("{scheme}://localhost:{}", address.port()),
        Some(address) => format!("{scheme}://{address}"),
        None => format!("{scheme}://{listen}"),
    }
}

fn check_public_url(url: &str) -> Result<String> {
    let url = url.trim_end_matches('/');
    match url.parse::<poem::http::Uri>() {
        Ok(uri) if uri.scheme().is_some() && uri.host().is_some() && uri.query().is_none() => Ok(url.to_owned()),
        _ => Err(Error::invalid("--public-url", "A public URL is written like https://rekey.example.com.")),
    }
}

fn announce(demo: &demo::Demo, public_url: &str, outbox: Option<&OutboxFile>, secured: Option<&Secured>) -> Result<()> {
    let secret = demo.client_secret.expose_secret();
    let mut lines = vec![
        "Rekey demo. All people and numbers are fictional.".to_owned(),
        String::new(),
        format!("Docs:          {public_url}/docs"),
        format!("Tenant:        {} ({})", demo.tenant_id, demo::EXAMPLE_TENANT),
        format!("Client id:     {}", demo.client_id),
        format!("Client secret: {secret}"),
    ];
    let partner = &demo.partner;
    lines.extend([
        format!("Partner:       {} ({}, manages three customers)", partner.tenant_id, demo::partner::DOMAIN),
        format!("  client id:     {}", partner.client_id),
        format!("  client secret: {}", partner.client_secret.expose_secret()),
    ]);
    lines.extend(outbox.map(|file| format!("Codes sent:    {}", file.path().display())));
    if let Some(secured) = secured.filter(|secured| secured.is_self_signed) {
        lines.push(format!("Trust:         {}", secured.trust.display()));
    }
    let trusting = secured.map(Secured::curl_option).unwrap_or_default();
    lines.extend([
        String::new(),
        "Reset a user, from another terminal:".to_owned(),
        String::new(),
        demo::curl_line(demo, public_url, &trusting),
        String::new(),
    ]);
    super::say(&lines.join("\n")).map(drop)
}

/// Ctrl-C, or a service manager's SIGTERM.
async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupted => (), _ = terminated.recv() => () }
            return;
        }
    }
    let _ = interrupted.await;
}
