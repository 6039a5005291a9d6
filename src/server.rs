//! The HTTP server: routes, middleware, graceful shutdown.

use std::{io, time::Duration};

use poem::{
    Endpoint, EndpointExt, IntoResponse, Route, Server, get, handler,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
    middleware::{AddData, CatchPanic},
    web::{Data, Html},
};

use crate::{
    api::{self, intake::Intake},
    app::App,
};

/// How long open requests may take to finish after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Without it browsers ask for /favicon.ico, which is not there.
const NO_ICON: &str = r#"<head><link rel="icon" href="data:,">"#;

/// All routes behind all middleware.
pub fn endpoint(app: &App) -> impl Endpoint + use<> {
    let service = api::service(app);
    let docs = service.swagger_ui_html().replacen("<head>", NO_ICON, 1);
    let document = service.spec();
    Route::new()
        .at("/healthz", get(healthz))
        .at("/readyz", get(readyz))
        .at("/docs", poem::endpoint::make_sync(move |_| page(docs.clone())))
        .at("/openapi.json", poem::endpoint::make_sync(move |_| document.clone().with_content_type("application/json")))
        .nest("/", service)
        .with(AddData::new(app.clone()))
        .with(CatchPanic::new())
        .with(Intake(app.clone()))
}

/// Nothing a page of ours needs comes from anywhere else, and the browser shall hold us to it.
fn page(html: String) -> impl IntoResponse {
    const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
    Html(html).with_header("content-security-policy", POLICY)
}

/// The process runs.
#[handler]
fn healthz() -> &'static str {
    "ok"
}

/// The process runs and its database answers.
#[handler]
async fn readyz(Data(app): Data<&App>) -> poem::Response {
    match app.store.read(|_| Ok(())).await {
        Ok(()) => "ready".into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A listener that has its port already, so that the caller can learn a port chosen by the system.
pub async fn bind(address: &str) -> io::Result<impl Acceptor> {
    TcpListener::bind(address.to_owned()).into_acceptor().await
}

/// Serves until `stop` is done, then lets open requests finish.
pub async fn serve(acceptor: impl Acceptor + 'static, app: App, stop: impl Future<Output = ()>) -> io::Result<()> {
    Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(endpoint(&app), stop, Some(GRACE)).await
}
