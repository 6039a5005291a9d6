//! The edge of the server: what happens to requests that no well-meaning client sends.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Answer, Backend, TestApp, on_each_backend};

const RESET: &str = "/v1.0/users/nobody@contoso.example/authentication/resetMfa";

/// Sends bytes as they are and returns all that comes back until the server closes.
async fn raw(app: &TestApp, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(app.base.trim_start_matches("http://")).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn send(app: &TestApp, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n{headers}content-length: {}\r\n\r\n{body}",
        app.token,
        body.len()
    );
    let answer = raw(app, head.as_bytes()).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(answer.contains("\r\nrequest-id: "), "{answer}");
    let json = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
    (status, json.unwrap_or_default())
}

#[track_caller]
fn expect_graph_error((status, json): (u16, Value), wanted: u16, code: &str) {
    assert_eq!((status, json["error"]["code"].as_str()), (wanted, Some(code)), "{json}");
    assert!(json["error"]["innerError"]["request-id"].is_string(), "{json}");
    assert!(json["error"]["innerError"]["client-request-id"].is_string(), "{json}");
}

#[tokio::test]
async fn bodies_are_bounded_and_strict() {
    on_each_backend(async |app| {
        let post = || app.request(Method::POST, RESET);
        let huge = json!({"reason": "x".repeat(100_000)});
        Answer::of(post().json(&huge)).await.expect_error(413, "requestEntityTooLarge");
        for encoding in ["gzip", "br", "identity, gzip", "\u{e4}"] {
            let request = post().header("content-encoding", encoding.as_bytes()).json(&json!({}));
            let answer = Answer::of(request).await;
            assert!([400, 415].contains(&answer.status.as_u16()), "{encoding}: {}", answer.text);
            assert!(answer.json["error"]["code"].is_string());
        }
        Answer::of(post().header("content-encoding", "gzip").json(&json!({})))
            .await
            .expect_error(415, "unsupportedMediaType");
        let json = |body: &'static [u8]| post().header("content-type", "application/json").body(body);
        for body in [
            &br#"{"reason":"a","reason":"b"}"#[..],
            b"{\"reason\":\"\xff\"}",
            b"{",
            b"[]",
            b"\"text\"",
            b"17",
            b"\xef\xbb\xbf{}",
            br#"{"reason":"a\u0000b"}"#,
            br#"{"reason":"a\nb"}"#,
            br#"{"reason":"\ud800"}"#,
            br#"{"unknown":true}"#,
            br#"{"validateOnly":"yes"}"#,
        ] {
            // The user is not there either, but the body is looked at first.
            let answer = Answer::of(json(body)).await;
            assert!([400, 404].contains(&answer.status.as_u16()), "{body:?} {}", answer.text);
            let is_control = body.windows(2).any(|pair| pair == b"\\u" || pair == b"\\n");
            if !is_control {
                answer.expect_error(400, "badRequest");
            }
        }
        for media_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"] {
            let request = post().header("content-type", media_type).body("{}");
            Answer::of(request).await.expect_error(415, "unsupportedMediaType");
        }
        Answer::of(post().body("{}")).await.expect_error(415, "unsupportedMediaType");
        // The user is not there: the body was fine.
        for media_type in ["application/json", "Application/JSON; charset=utf-8; odata.metadata=minimal"] {
            let request = post().header("content-type", media_type).body(r##"{"@odata.type":"#x"}"##);
            Answer::of(request).await.expect_error(404, "Request_ResourceNotFound");
        }
        Answer::of(post()).await.expect_error(404, "Request_ResourceNotFound");
        for key in ["", "  ", &"k".repeat(256), "\u{fc}"] {
            let request = post().header("idempotency-key", key.as_bytes());
            let answer = Answer::of(request).await.expect_error(400, "badRequest");
            assert_eq!(answer.json["error"]["target"], "Idempotency-Key");
        }
        let twice = post().header("idempotency-key", "a").header("idempotency-key", "b");
        Answer::of(twice).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_stops_short_changes_nothing() {
    on_each_backend(async |app| {
        for framing in ["content-length: 50\r\n\r\n{\"reason\":", "transfer-encoding: chunked\r\n\r\n5\r\n{\"rea\r\nzz"] {
            let head = format!(
                "POST {RESET} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\n{framing}",
                app.token
            );
            let mut socket = TcpStream::connect(app.base.trim_start_matches("http://")).await.unwrap();
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
        }
        app.get("/healthz").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn methods() {
    on_each_backend(async |app| {
        for method in ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW", "PROPFIND", "post"] {
            expect_graph_error(send(&app, method, RESET, "", "").await, 405, "notAllowed");
            let code = if method == "OPTIONS" { "notAllowed" } else { "resourceNotFound" };
            let answer = send(&app, method, "/v1.0/nonsense", "", "").await;
            assert_ne!(answer.0, 500);
            assert!([code, "resourceNotFound"].contains(&answer.1["error"]["code"].as_str().unwrap()));
        }
        expect_graph_error(send(&app, "CONNECT", "x:443", "", "").await, 405, "notAllowed");
        expect_graph_error(send(&app, "OPTIONS", "*", "", "").await, 404, "resourceNotFound");
        for (path, allowed) in [(RESET, "POST"), ("/healthz", "GET, HEAD"), ("/docs", "GET, HEAD")] {
            let answer = Answer::of(app.request(Method::DELETE, path)).await.expect_error(405, "notAllowed");
            assert_eq!(answer.headers["allow"], allowed, "{path}");
        }
        for path in ["/healthz", "/openapi.json", "/contoso.example/v2.0/.well-known/openid-configuration"] {
            let answer = Answer::of(app.request(Method::HEAD, path)).await.expect(200);
            assert_eq!(answer.text, "");
        }
    })
    .await;
}

#[tokio::test]
async fn odd_paths() {
    on_each_backend(async |app| {
        for path in [
            "/",
            "//",
            "//healthz",
            "/v1.0",
            "/beta",
            "/beta/",
            "/beta/beta/users/x/authentication/resetMfa",
            "/v1.0//users",
            "/v1.0/../healthz",
            "/v1.0/users/../../healthz",
            "/%2e%2e/healthz",
            "/healthz/",
            "/v1.0/users/%00/authentication",
            "/v1.0/users/%ff/authentication/resetMfa/more",
            "/v1.0/users/%zz/x",
            "/V1.0/nonsense",
            "/nonsense?$filter=%ff&x=%zz",
        ] {
            let (status, json) = send(&app, "GET", path, "", "").await;
            assert!([400, 404].contains(&status), "{path}: {status} {json}");
            assert!(json["error"]["code"].is_string(), "{path}: {json}");
        }
        for user in ["%ff", "%c3%28"] {
            let path = format!("/v1.0/users/{user}/authentication/resetMfa");
            expect_graph_error(send(&app, "POST", &path, "", "").await, 400, "badRequest");
        }
        for user in ["%00", "..", "%2e%2e", "a%2fb", "%zz", "%F0%9F%92%A9", "'%20or%201=1--", "*", "%25"] {
            let path = format!("/v1.0/users/{user}/authentication/resetMfa");
            let (status, json) = send(&app, "POST", &path, "", "").await;
            assert!([400, 404].contains(&status), "{user}: {status} {json}");
            assert!(json["error"]["code"].is_string(), "{user}: {json}");
        }
        expect_graph_error(send(&app, "GET", &format!("/{}", "x".repeat(20_000)), "", "").await, 414, "uriTooLong");
        // Whole addresses are what proxies send (RFC 9112 section 3.2.2).
        let path = format!("http://elsewhere.example{RESET}");
        expect_graph_error(send(&app, "POST", &path, "", "").await, 404, "Request_ResourceNotFound");
        // /beta serves the same.
        let beta = RESET.replace("/v1.0/", "/beta/");
        expect_graph_error(send(&app, "POST", &beta, "", "").await, 404, "Request_ResourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn requests_are_told_apart() {
    on_each_backend(async |app| {
        let get = |headers: HeaderMap| app.request(Method::GET, "/v1.0/nonsense").headers(headers);
        let with =
            |value: &[u8]| HeaderMap::from_iter([("client-request-id".parse().unwrap(), value.try_into().unwrap())]);
        let answer = Answer::of(get(with(b"ticket 4711"))).await.expect_error(404, "resourceNotFound");
        assert_eq!(answer.headers["client-request-id"], "ticket 4711");
        assert_eq!(answer.json["error"]["innerError"]["client-request-id"], "ticket 4711");
        assert_eq!(answer.json["error"]["innerError"]["request-id"], answer.headers["request-id"].to_str().unwrap());
        let other = Answer::of(get(with(b"ticket 4711"))).await;
        assert_ne!(other.headers["request-id"], answer.headers["request-id"]);
        // What is not plain or far too long is not echoed, but replaced.
        for value in [&b"\xff\xfe"[..], &[b'x'; 300]] {
            let answer = Answer::of(get(with(value))).await.expect(404);
            assert_eq!(answer.headers["client-request-id"], answer.headers["request-id"]);
        }
    })
    .await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    on_each_backend(async |app| {
        let one = |path: &str, more: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nclient-request-id: {path}\r\n{more}\r\n")
        };
        let requests = one("/healthz", "") + &one("/nonsense", "") + &one("/readyz", "connection: close\r\n");
        let answers = raw(&app, requests.as_bytes()).await;
        let places: Vec<_> =
            ["client-request-id: /healthz", "client-request-id: /nonsense", "client-request-id: /readyz"]
                .iter()
                .map(|echo| answers.find(echo).unwrap_or_else(|| panic!("{echo} is missing in {answers}")))
                .collect();
        assert!(places.is_sorted(), "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 3);
        // Two lengths would let a proxy and us disagree on where the next request begins.
        for framing in
            ["content-length: 5\r\ncontent-length: 6\r\n", "transfer-encoding: gzip, x\r\n", "content-length: -1\r\n"]
        {
            let head = format!("POST {RESET} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{framing}\r\nhello");
            let answer = raw(&app, head.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 4"), "{framing}: {answer}");
        }
        for nonsense in ["hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n"] {
            let answer = raw(&app, nonsense.as_bytes()).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{nonsense}: {answer}");
        }
        let big = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(200_000));
        let mut socket = TcpStream::connect(app.base.trim_start_matches("http://")).await.unwrap();
        // The server may hang up before it has read all of it.
        let _ = socket.write_all(big.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
    })
    .await;
}

#[tokio::test]
async fn numbers_name_routes_and_no_users() {
    on_each_backend(async |app| {
        Answer::of(app.request(Method::POST, RESET)).await.expect(404);
        app.get("/nobody@contoso.example/x").await.expect(404);
        let answer = Answer::of(app.http.get(format!("{}/metrics", app.base))).await.expect(200);
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        let line = r#"rekey_http_requests_total{method="POST",route="/v1.0/users/{user}/authentication/resetMfa",status="404"} 1"#;
        assert!(answer.text.contains(line), "{}", answer.text);
        assert!(answer.text.contains(r#"route="unmatched",status="404"} 1"#), "{}", answer.text);
        assert!(answer.text.contains("rekey_http_request_duration_seconds_bucket{"));
        assert!(answer.text.contains("rekey_http_connections "));
        assert!(!answer.text.contains("contoso"), "{}", answer.text);
    })
    .await;
}

#[tokio::test]
async fn numbers_may_have_an_address_of_their_own() {
    // A port that was free a moment ago; when another test has it by now, the server does not come up.
    let (app, free) = loop {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let options = rekey::server::Options { metrics_listen: Some(free.clone()), ..Default::default() };
        let app = TestApp::start_with(Backend::Sqlite, options).await;
        if app.request(Method::GET, "/healthz").send().await.is_ok_and(|answer| answer.status() == 200) {
            break (app, free);
        }
    };
    app.get("/metrics").await.expect_error(404, "resourceNotFound");
    let get = async |path: &str| Answer::of(app.http.get(format!("http://{free}{path}"))).await;
    assert!(get("/metrics").await.expect(200).text.contains(r#"route="/healthz",status="200"} 1"#));
    get("/healthz").await.expect(404);
}

/// Log lines, as the operator sees them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_says_who_did_what_and_nothing_more() {
    on_each_backend(async |app| {
        let lines = Lines::default();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(lines.clone());
        let guard = tracing::subscriber::set_default(subscriber.finish());
        let (id, _, secret) = app.new_application(&app.tenant, &["User.Read.All"]).await;
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret=my-guess");
        let request = app.http.post(format!("{}/common/oauth2/v2.0/token", app.base)).body(form);
        Answer::of(request.header("content-type", "application/x-www-form-urlencoded")).await.expect(401);
        let answer = Answer::of(app.request(Method::POST, &format!("{RESET}?x=query-text"))).await;
        drop(guard);
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line = text.lines().find(|line| line.contains("resetMfa")).unwrap();
        let request_id = answer.headers["request-id"].to_str().unwrap();
        for part in [
            "INFO",
            r#"method="POST""#,
            r#"route="/v1.0/users/{user}/authentication/resetMfa""#,
            r#"operation="resetMfa""#,
            "status=404",
            "milliseconds=",
            request_id,
            app.tenant.as_str(),
            "caller=",
        ] {
            assert!(line.contains(part), "{part} is missing in {line}");
        }
        let ours: String = text.lines().filter(|line| line.contains("rekey")).collect();
        let token = app.token.as_str();
        let secret = secrecy::ExposeSecret::expose_secret(&secret);
        for private in ["nobody@", "query-text", "my-guess", secret, token] {
            assert!(!ours.contains(private), "{private} is in {ours}");
        }
    })
    .await;
}
