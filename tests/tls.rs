//! HTTPS: the real binary with certificates of its own making and with given ones, met by clients that trust nothing
//! else.

#[path = "support/mod.rs"]
mod support;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::{Certificate, Client, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use support::{Backend, process::Installation};

/// A server whose port the system chose. Dropping it kills it.
struct Server {
    child: Child,
    log: PathBuf,
    /// As the server names it.
    url: String,
}

impl Server {
    async fn start(installation: &Installation, arguments: &[&str]) -> Self {
        let log = installation.path().join(format!("tls-{}.log", fs::read_dir(installation.path()).unwrap().count()));
        let output = File::create(&log).unwrap();
        let child = installation
            .command()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env("RUST_LOG", "info")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut server = Self { child, log, url: String::new() };
        server.wait_for("listening").await;
        let log = server.log();
        server.url = log.split("url=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log holds this text.
    async fn wait_for(&mut self, text: &str) {
        for _ in 0..1200 {
            if self.log().contains(text) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("'{text}' was not logged:\n{}", self.log());
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("https://").expect("the public URL is https")
    }

    /// A TLS connection of the lowest kind, by which a test sees what clients' libraries hide.
    async fn connect(&self, trust: &Path, protocol: &[u8], version: &'static SupportedProtocolVersion) -> Connection {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_file_iter(trust).unwrap().map(Result::unwrap));
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let mut config =
            builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let socket = TcpStream::connect(self.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Connection = TlsStream<TcpStream>;

/// A client that trusts this file and nothing else.
fn trusting(file: &Path) -> Client {
    let certificates = Certificate::from_pem_bundle(&fs::read(file).unwrap()).unwrap();
    Client::builder().tls_certs_only(certificates).build().unwrap()
}

/// One request on a kept connection; the head of the answer. The body is read and dropped.
async fn ask(connection: &mut Connection) -> String {
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = vec![];
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut piece = [0; 1024];
        let length = connection.read(&mut piece).await.unwrap();
        assert!(length > 0, "the connection ended after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(answer).unwrap()
}

/// The certificate that a connection was shown.
fn shown(connection: &Connection) -> CertificateDer<'static> {
    connection.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// The names a certificate for this machine has.
fn names() -> Vec<String> {
    vec!["localhost".into(), "127.0.0.1".into()]
}

/// A certificate that signs itself, and its key, as PEM files.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn of(installation: &Installation) -> Self {
        let pair =
            Self { certificate: installation.path().join("given.pem"), key: installation.path().join("given-key.pem") };
        let (certificate, key) = fresh(&KeyPair::generate().unwrap());
        fs::write(&pair.certificate, certificate).unwrap();
        fs::write(&pair.key, key).unwrap();
        pair
    }

    fn arguments(&self) -> [&str; 4] {
        ["--tls-cert", self.certificate.to_str().unwrap(), "--tls-key", self.key.to_str().unwrap()]
    }
}

/// PEM of a certificate of this key, and of the key.
fn fresh(key: &KeyPair) -> (String, String) {
    (CertificateParams::new(names()).unwrap().self_signed(key).unwrap().pem(), key.serialize_pem())
}

#[cfg(unix)]
fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn an_authority_of_its_own() {
    let installation = Installation::new(Backend::Sqlite);
    let folder = installation.path().join("it's new/tls");
    let arguments = ["--demo", "--tls-self-signed", folder.to_str().unwrap()];
    let server = Server::start(&installation, &arguments).await;
    let ca = folder.join("ca.pem");
    let http = trusting(&ca);
    let url = &server.url;
    let port = server.address().rsplit(':').next().unwrap().to_owned();

    // By each name in the certificate that this listener is reached under.
    for base in [url.clone(), format!("https://localhost:{port}")] {
        assert_eq!(http.get(format!("{base}/healthz")).send().await.unwrap().text().await.unwrap(), "ok");
    }
    let stranger = Client::new().get(format!("{url}/healthz")).send().await;
    assert!(stranger.unwrap_err().is_connect(), "nobody else trusts it");

    let discovery = format!("{url}/contoso.example/v2.0/.well-known/openid-configuration");
    let discovery: Value = http.get(discovery).send().await.unwrap().json().await.unwrap();
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert!(discovery[name].as_str().unwrap().starts_with(&format!("{url}/")), "{name}: {discovery}");
    }

    // What answers name is https too.
    let announced = server.log();
    let printed = |label: &str| announced.lines().find_map(|line| line.strip_prefix(label)).unwrap().trim().to_owned();
    let form = format!(
        "grant_type=client_credentials&scope=x/.default&client_id={}&client_secret={}",
        printed("Client id:"),
        printed("Client secret:")
    );
    let token = http.post(discovery["token_endpoint"].as_str().unwrap()).body(form);
    let token = token.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let token = token["access_token"].as_str().unwrap();
    let users = http.get(format!("{url}/v1.0/users?$top=1")).bearer_auth(token).send().await.unwrap();
    let users: Value = users.json().await.unwrap();
    assert!(users["@odata.nextLink"].as_str().unwrap().starts_with(&format!("{url}/v1.0/users?")), "{users}");
    let reset = http.post(format!("{url}/v1.0/mfaResets")).bearer_auth(token);
    let reset = reset
        .json(&json!({"reason": "Phone lost", "targets": [{"user": "adele.vance@contoso.example"}]}))
        .send()
        .await
        .unwrap();
    assert_eq!(reset.status(), 201);
    assert!(reset.headers()["location"].to_str().unwrap().starts_with(&format!("{url}/v1.0/mfaResets/")));

    // The line that the demo prints works as it stands.
    assert_eq!(printed("Trust:"), ca.canonicalize().unwrap().display().to_string());
    let line = announced.lines().find(|line| line.starts_with("curl")).unwrap();
    let output = Command::new("bash").args(["-c", line]).stdin(Stdio::null()).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("\"deleted\""), "{line}\n{report}{}", String::from_utf8_lossy(&output.stderr));

    #[cfg(unix)]
    for (file, expected) in [("ca.pem", 0o644), ("ca-key.pem", 0o600), ("server-key.pem", 0o600)] {
        assert_eq!(mode(&folder.join(file)), expected, "{file}");
    }

    // The next start shows the same certificate.
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let before = (read("ca.pem"), read("server.pem"));
    drop(server);
    let server = Server::start(&installation, &arguments).await;
    assert_eq!((read("ca.pem"), read("server.pem")), before);
    assert_eq!(http.get(format!("{}/healthz", server.url)).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    let installation = Installation::new(Backend::Sqlite);
    let server = Server::start(&installation, &["--tls-self-signed", "tls"]).await;
    let answer = Client::new().get(format!("http://{}/healthz", server.address())).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body: Value = answer.json().await.unwrap();
    assert!(body["error"]["message"].as_str().unwrap().contains("https://"), "{body}");
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http() {
    let installation = Installation::new(Backend::Sqlite);
    let server = Server::start(&installation, &["--tls-self-signed", "tls"]).await;
    let ca = installation.path().join("tls/ca.pem");
    for version in [&TLS12, &TLS13] {
        let mut connection = server.connect(&ca, b"http/1.1", version).await;
        assert_eq!(connection.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(connection.get_ref().1.protocol_version(), Some(version.version));
        assert!(ask(&mut connection).await.starts_with("HTTP/1.1 200 "));

        let mut connection = server.connect(&ca, b"h2", version).await;
        assert_eq!(connection.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(h2_status_of_an_unknown_path(&mut connection).await, 404);
    }
}

/// Asks for `/` over HTTP/2. The request is written in the static table of HPACK alone (RFC 7541 appendix A), and so is
/// the status of the answer: 13 is `:status: 404`.
async fn h2_status_of_an_unknown_path(connection: &mut Connection) -> u16 {
    // `:method: GET`, `:path: /`, `:scheme: https`, and `:authority` as a literal.
    let mut headers = vec![0x82, 0x84, 0x87, 0x41, 9];
    headers.extend_from_slice(b"localhost");
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // HEADERS on stream 1, END_STREAM and END_HEADERS (RFC 9113 section 6.2).
    request.extend_from_slice(&[0, 0, u8::try_from(headers.len()).unwrap(), 1, 0x5, 0, 0, 0, 1]);
    request.extend_from_slice(&headers);
    connection.write_all(&request).await.unwrap();
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        connection.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 {
            return if payload[0] == 0x80 | 13 { 404 } else { u16::from(payload[0]) };
        }
    }
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_while_serving() {
    let installation = Installation::new(Backend::Sqlite);
    let pair = Pair::of(&installation);
    let mut server = Server::start(&installation, &pair.arguments()).await;
    let former = installation.path().join("former.pem");
    fs::copy(&pair.certificate, &former).unwrap();
    let mut old = server.connect(&former, b"http/1.1", &TLS13).await;
    let first = shown(&old);
    ask(&mut old).await;

    // A certificate alone is no pair, and rubbish is none either: the former one stays.
    let (certificate, key) = fresh(&KeyPair::generate().unwrap());
    fs::write(&pair.certificate, &certificate).unwrap();
    server.wait_for("the former one stays").await;
    assert!(server.log().contains(&format!("The key in {} is not that of the certificate", pair.key.display())));
    assert_eq!(shown(&server.connect(&former, b"http/1.1", &TLS13).await), first);
    fs::write(&pair.key, "-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----\n").unwrap();
    server.wait_for(&format!("The key in {} cannot be", pair.key.display())).await;
    assert_eq!(shown(&server.connect(&former, b"http/1.1", &TLS13).await), first);
    fs::remove_file(&pair.key).unwrap();
    server.wait_for(&format!("The file {} cannot be read", pair.key.display())).await;

    // Its key makes it whole.
    fs::write(&pair.key, key).unwrap();
    server.wait_for("a new certificate is served").await;
    let mut new = server.connect(&pair.certificate, b"http/1.1", &TLS13).await;
    assert_eq!(shown(&new), CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap());
    ask(&mut new).await;
    ask(&mut old).await;
    assert_eq!(shown(&old), first);
    assert!(!server.log().contains("rubbish"));
}

#[tokio::test]
async fn keys_in_every_pem_format() {
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let ec = KeyPair::generate().unwrap();
    for (key, label) in [(&rsa, "RSA PRIVATE KEY"), (&ec, "EC PRIVATE KEY")] {
        let installation = Installation::new(Backend::Sqlite);
        let pair = Pair::of(&installation);
        fs::write(&pair.certificate, fresh(key).0).unwrap();
        let inner = STANDARD.encode(inner_key(&key.serialize_der()));
        fs::write(&pair.key, format!("-----BEGIN {label}-----\n{inner}\n-----END {label}-----\n")).unwrap();
        let server = Server::start(&installation, &pair.arguments()).await;
        ask(&mut server.connect(&pair.certificate, b"http/1.1", &TLS12).await).await;
    }
}

/// The PKCS #1 or SEC 1 key that a PKCS #8 one wraps (RFC 5958 section 2): the third part of the sequence.
fn inner_key(pkcs8: &[u8]) -> &[u8] {
    fn split(der: &[u8]) -> (&[u8], &[u8]) {
        let (long, first) = (der[1] & 0x80 != 0, usize::from(der[1] & 0x7f));
        let length_bytes = if long { first } else { 0 };
        let length = der[2..2 + length_bytes].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        der[2 + length_bytes..].split_at(if long { length } else { first })
    }
    let (sequence, _) = split(pkcs8);
    let (_, after_version) = split(sequence);
    let (_, after_algorithm) = split(after_version);
    split(after_algorithm).0
}

/// Clients that connect and say nothing keep nobody waiting, and do not hold up the end.
#[cfg(unix)]
#[tokio::test]
async fn silent_handshakes() {
    let installation = Installation::new(Backend::Sqlite);
    let mut server = Server::start(&installation, &["--tls-self-signed", "tls"]).await;
    let http = trusting(&installation.path().join("tls/ca.pem"));
    let mut silent = vec![];
    for number in 0..50 {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        // Half of them begin a record and do not end it.
        if number % 2 == 0 {
            socket.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        }
        silent.push(socket);
    }
    let metrics = http.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\nrekey_http_connections 51\n"), "{metrics}");
    drop(http);

    assert!(Command::new("kill").arg(server.child.id().to_string()).status().unwrap().success());
    assert!(server.child.wait().unwrap().success());
    assert!(!server.log().contains("cut off"), "{}", server.log());
}

#[test]
fn what_cannot_be_served_is_refused_at_once() {
    let installation = Installation::new(Backend::Sqlite);
    let pair = Pair::of(&installation);
    let (certificate, key) = (pair.certificate.to_str().unwrap(), pair.key.to_str().unwrap());
    let encrypted = installation.path().join("encrypted.pem");
    fs::write(&encrypted, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .unwrap();
    let occupied = installation.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("ca.pem"), certificate).unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["--tls-cert", certificate], "--tls-key"),
        (&["--tls-key", key], "--tls-cert"),
        (&["--tls-cert", certificate, "--tls-key", key, "--tls-self-signed", "tls"], "cannot be used with"),
        (&["--tls-cert", "missing.pem", "--tls-key", key], "missing.pem"),
        (&["--tls-cert", key, "--tls-key", key], "BEGIN CERTIFICATE"),
        (&["--tls-cert", certificate, "--tls-key", certificate], "BEGIN PRIVATE KEY"),
        (&["--tls-cert", certificate, "--tls-key", encrypted.to_str().unwrap()], "decrypt"),
        (&["--tls-self-signed", occupied.to_str().unwrap()], "ca-key.pem"),
    ];
    for (arguments, expected) in cases {
        let message = installation.try_run(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()).unwrap_err();
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}
