//! Connections: accepted, bounded in number, in bytes of headers and in patience, and closed gracefully.
//!
//! poem's own server sets no timer, and without one hyper waits for ever for a request that never ends; hence this
//! loop of our own around poem's listeners and endpoints.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use poem::{
    Endpoint, Response,
    http::uri::Scheme,
    listener::Acceptor,
    web::{LocalAddr, RemoteAddr},
};
use prometheus::IntGauge;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};

use super::tls::Tls;

/// How long open requests may take to finish after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Open connections; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 8192;
/// How long a connection may be silent before and between requests, or take over the headers of one, or take nothing
/// of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The headers of one request, in bytes; more is answered 431.
const MAX_HEADERS: usize = 128 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 200;
/// How often a silent HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// The pause after the system could not give us another connection (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// As many bytes tell HTTP/2 from HTTP/1 (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24;

/// Serves until `stop` is done, then lets open requests finish. `open` shows how many connections there are. A TLS
/// handshake belongs to its connection: it is counted with it, and nobody waits for it.
pub async fn serve<E>(
    mut acceptor: impl Acceptor<Io = TcpStream> + 'static,
    endpoint: E,
    tls: Option<Tls>,
    open: Option<IntGauge>,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    E: Endpoint<Output = Response> + 'static,
{
    let server = Arc::new(Server { endpoint, builder: builder() });
    let graceful = GracefulShutdown::new();
    // Ends handshakes, which the former knows nothing of, by being dropped.
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let note = |connections: &JoinSet<()>| {
        if let Some(open) = &open {
            open.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
        }
    };
    for address in acceptor.local_addr() {
        tracing::info!(%address, tls = tls.is_some(), "listening");
    }
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => note(&connections),
            accepted = acceptor.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((socket, local, remote, scheme)) => {
                    let (server, watcher, peer) = (server.clone(), graceful.watcher(), Peer { local, remote, scheme });
                    match tls.clone() {
                        None => connections.spawn(async move { server.converse(socket, peer, watcher).await }),
                        Some(tls) => {
                            let mut stopped = stopped.clone();
                            connections.spawn(async move {
                                let secured = tokio::select! {
                                    secured = timeout(PATIENCE, tls.accept(socket)) => secured,
                                    _ = stopped.changed() => return,
                                };
                                let Ok(Ok(stream)) = secured else { return };
                                server.converse(stream, Peer { scheme: Scheme::HTTPS, ..peer }, watcher).await;
                            })
                        }
                    };
                    note(&connections);
                }
                Err(error) if is_one_connections(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(acceptor);
    drop(stopping);
    tracing::info!(connections = connections.len(), "stopping");
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests did not finish in time and are cut off");
    }
    Ok(())
}

/// The two ends of a connection.
struct Peer {
    local: LocalAddr,
    remote: RemoteAddr,
    scheme: Scheme,
}

struct Server<E> {
    endpoint: E,
    builder: auto::Builder<TokioExecutor>,
}

impl<E: Endpoint<Output = Response> + 'static> Server<E> {
    /// Answers the requests of one connection until it ends, or until the one at hand is answered after a signal to
    /// stop.
    async fn converse<S>(self: Arc<Self>, socket: S, peer: Peer, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let request = (request, peer.local.clone(), peer.remote.clone(), peer.scheme.clone()).into();
            let server = server.clone();
            async move { Ok::<hyper::Response<_>, Infallible>(server.endpoint.get_response(request).await.into()) }
        });
        let socket = TokioIo::new(Patient::new(socket, PATIENCE));
        let connection = self.builder.serve_connection_with_upgrades(socket, service).into_owned();
        // Errors here are the client's: it went away, was too slow or does not speak HTTP.
        drop(watcher.watch(connection).await);
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MAX_HEADERS)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS as u32);
    builder
}

/// Failures that say something about one peer, not about us.
fn is_one_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A socket that loses patience where hyper has no clock: before it knows which HTTP is spoken, and when the client
/// takes nothing of an answer.
struct Patient<S> {
    inner: S,
    patience: Duration,
    /// Bytes still to come until hyper's own clock runs, and until when they may.
    awaited: usize,
    opening: Pin<Box<Sleep>>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn new(inner: S, patience: Duration) -> Self {
        Self { inner, patience, awaited: PREFACE_BYTES, opening: Box::pin(sleep(patience)), stalled: None }
    }

    /// Passes a finished step on, and gives up on one that stays unfinished for too long.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, step: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if step.is_ready() {
            self.stalled = None;
            return step;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buffer) {
            Poll::Pending if self.awaited > 0 => {
                self.opening.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            step => {
                self.awaited = self.awaited.saturating_sub(buffer.filled().len() - before);
                step
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.unless_stalled(cx, step)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.inner).poll_flush(cx);
        self.unless_stalled(cx, step)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.unless_stalled(cx, step)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.unless_stalled(cx, step)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn patience_ends() {
        let (socket, mut client) = tokio::io::duplex(64);
        let mut socket = Patient::new(socket, SHORT);
        client.write_all(b"GET / ").await.unwrap();
        let mut bytes = [0; 256];
        assert_eq!(socket.read(&mut bytes).await.unwrap(), 6);
        assert_eq!(socket.read(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(socket.write_all(&bytes).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_has_spoken_may_be_silent() {
        let (socket, mut client) = tokio::io::duplex(64);
        let mut socket = Patient::new(socket, SHORT);
        client.write_all(&[b'x'; PREFACE_BYTES]).await.unwrap();
        let mut bytes = [0; 256];
        assert_eq!(socket.read(&mut bytes).await.unwrap(), PREFACE_BYTES);
        assert!(timeout(SHORT * 5, socket.read(&mut bytes)).await.is_err());
    }
}
