//! The HTTP server: routes, middleware, graceful shutdown.

mod connections;
pub mod self_signed;
pub mod tls;

use std::{future, io, sync::Arc};

use hyper::body::Bytes;
use poem::{
    Endpoint, EndpointExt, IntoResponse, Response, Route,
    endpoint::{DynEndpoint, ToDynEndpoint},
    get, handler,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
    middleware::{AddData, CatchPanic},
    web::Data,
};
use prometheus::{IntCounterVec, core::Collector};
use tokio::net::TcpStream;

use self::tls::Tls;
use crate::{
    api::{
        self,
        batch::Door,
        intake::Intake,
        observe::{self, Metrics, Routes},
        problem::{Panicked, Problem},
        rate_limits::RateLimiters,
    },
    app::App,
    config::RateLimits,
    error::Result,
};

/// How the server shows itself, beyond its main address.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// An address of its own for `/metrics`, as `host:port`; otherwise `/metrics` stands on the main address.
    pub metrics_listen: Option<String>,
    /// Limits on the rate of requests; otherwise there are none.
    pub rate_limits: Option<RateLimits>,
    /// HTTPS on the main address; otherwise HTTP.
    pub tls: Option<Tls>,
    /// What else is counted in this process.
    pub counters: Vec<IntCounterVec>,
}

/// Without it browsers ask for /favicon.ico, which is not there.
const NO_ICON: &str = r#"<head><link rel="icon" href="data:,">"#;

/// All routes behind all middleware.
fn endpoint(app: &App, options: &Options, metrics: &Metrics) -> Result<Arc<dyn DynEndpoint<Output = Response>>> {
    let service = api::service(app);
    let document = api::in_order(&service.spec())?;
    let docs = service.swagger_ui_html().replacen("<head>", NO_ICON, 1).replacen(&service.spec(), &document, 1);
    let routes = Arc::new(Routes::of(&document)?);
    let intake = Intake { app: app.clone(), metrics: metrics.clone(), routes };
    let mut paths = Route::new()
        .at("/healthz", get(healthz))
        .at("/readyz", get(readyz))
        .at("/docs", get(fixed("text/html; charset=utf-8", docs)))
        .at("/openapi.json", get(fixed("application/json", document)))
        .nest("/", service);
    if options.metrics_listen.is_none() {
        paths = paths.at("/metrics", get(numbers(metrics)));
    }
    let door = Door::default();
    let limiters = RateLimiters::new(options.rate_limits, &app.store.context().clock);
    let paths = paths.with(AddData::new(app.clone())).with(AddData::new(door.clone())).with(AddData::new(limiters));
    let endpoint = paths.with(CatchPanic::new().with_handler(Panicked)).with(intake);
    let endpoint: Arc<dyn DynEndpoint<Output = Response>> = Arc::new(ToDynEndpoint(endpoint));
    door.lead_to(&endpoint);
    Ok(endpoint)
}

/// Nothing a page of ours needs comes from anywhere else, and the browser shall hold us to it.
const PAGE_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// A text that is the same for everybody and kept once.
fn fixed(content_type: &'static str, text: String) -> impl Endpoint<Output = Response> {
    let text = Bytes::from(text);
    poem::endpoint::make_sync(move |_| {
        Response::builder().content_type(content_type).header("content-security-policy", PAGE_POLICY).body(text.clone())
    })
}

/// The process runs.
#[handler]
fn healthz() -> &'static str {
    "ok"
}

/// The process runs and its database answers.
#[handler]
async fn readyz(Data(app): Data<&App>) -> Response {
    match app.store.read(|_| Ok(())).await {
        Ok(()) => "ready".into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The numbers in Prometheus's text format.
fn numbers(metrics: &Metrics) -> impl Endpoint<Output = Response> + use<> {
    let metrics = metrics.clone();
    poem::endpoint::make_sync(move |_| {
        let text = metrics.to_text().map_err(Problem)?;
        Ok::<_, poem::Error>(Response::builder().content_type(observe::TEXT_FORMAT).body(text))
    })
}

/// A listener that has its port already, so that the caller can learn a port chosen by the system.
pub async fn bind(address: &str) -> io::Result<impl Acceptor<Io = TcpStream> + use<>> {
    TcpListener::bind(address.to_owned()).into_acceptor().await
}

/// Serves until `stop` is done, then lets open requests finish.
pub async fn serve(
    acceptor: impl Acceptor<Io = TcpStream> + 'static,
    app: App,
    options: Options,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let counters = options.counters.iter().map(|counter| Box::new(counter.clone()) as Box<dyn Collector>);
    let metrics = Metrics::new(app.store.collectors().into_iter().chain(counters).collect());
    let metrics = metrics.map_err(io::Error::other)?;
    let endpoint = endpoint(&app, &options, &metrics).map_err(io::Error::other)?;
    let open = Some(metrics.connections.clone());
    let serving = connections::serve(acceptor, endpoint, options.tls.clone(), open, stop);
    let side = async {
        let Some(address) = &options.metrics_listen else { return future::pending().await };
        let side = Route::new().at("/metrics", get(numbers(&metrics))).map_to_response();
        connections::serve(bind(address).await?, side, None, None, future::pending()).await
    };
    let following = async {
        if let Some(tls) = options.tls.clone() {
            tls.follow_files().await;
        }
        future::pending().await
    };
    tokio::select! {
        done = serving => done,
        failed = side => failed,
        never = following => never,
    }
}
