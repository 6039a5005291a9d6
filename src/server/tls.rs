//! TLS: the certificate, the handshake, and a new certificate without a restart.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ::aws_lc_rs::digest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, InconsistentKeys, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
    },
    server::TlsStream,
};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// As much of a plain request is read before it is refused, in bytes, so that closing does not reset the connection
/// before the client has read why.
const PLAIN_REQUEST: usize = 8 * 1024;
/// What a client hears that speaks plain HTTP.
const USE_HTTPS: &str = r#"{"error":{"code":"badRequest","message":"This server speaks HTTPS: use an address that begins with https://."}}"#;

/// Where a certificate and its key stand, both in PEM: the chain from the server's certificate upwards, and the key as
/// PKCS #8 (RFC 5958), PKCS #1 (RFC 8017) or SEC 1 (RFC 5915).
#[derive(Debug, Clone)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What the server proves itself with. Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct Tls {
    files: Files,
    current: Arc<RwLock<Arc<ServerConfig>>>,
    /// What `current` was made of.
    loaded: Fingerprint,
}

type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Names the file that is missing or cannot be used, and why.
    pub fn load(files: Files) -> Result<Self> {
        let pair = Pair::read(&files).map_err(|reason| Error::invalid("--tls-cert", reason))?;
        let config = pair.config(&files).map_err(|reason| Error::invalid("--tls-cert", reason))?;
        Ok(Self { loaded: pair.fingerprint(), files, current: Arc::new(RwLock::new(Arc::new(config))) })
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The handshake of one connection. Waits for the client as long as it likes: the caller sets the limit.
    ///
    /// # Errors
    /// The client's: it went away, speaks no TLS that is served here, or does not trust the certificate.
    pub async fn accept(&self, mut socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        // A method's first letter; a TLS record begins with its type, 22 (RFC 8446 section 5.1).
        if socket.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            refuse_plain(&mut socket).await?;
            return Err(io::ErrorKind::InvalidData.into());
        }
        TlsAcceptor::from(self.config()).accept(socket).await
    }

    /// Takes up every new pair of files, for ever. New connections get the new certificate, open ones keep theirs. A
    /// pair is tried when both files have stood still for a moment, so they may be replaced one after the other; one
    /// that cannot be used changes nothing and is logged once.
    pub async fn follow_files(self) {
        let (mut tried, mut last) = (Ok(self.loaded), Ok(self.loaded));
        loop {
            sleep(LOOK).await;
            let files = self.files.clone();
            let Ok(found) = tokio::task::spawn_blocking(move || Pair::read(&files)).await else { continue };
            let state = found.as_ref().map(Pair::fingerprint).map_err(Clone::clone);
            if state != last {
                last = state;
            } else if state != tried {
                tried = state;
                self.take_up(found);
            }
        }
    }

    fn take_up(&self, found: Result<Pair, String>) {
        match found.and_then(|pair| pair.config(&self.files)) {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is served");
            }
            Err(reason) => tracing::warn!(%reason, "the new certificate cannot be used; the former one stays"),
        }
    }
}

/// True when the files make a pair that a server can use.
pub fn is_usable(files: &Files) -> bool {
    Pair::read(files).and_then(|pair| pair.config(files)).is_ok()
}

/// The contents of both files.
struct Pair {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Pair {
    fn read(files: &Files) -> Result<Self, String> {
        let read = |path: &Path| {
            fs::read(path).map_err(|error| format!("The file {} cannot be read: {error}.", path.display()))
        };
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)?.into() })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(self.certificate.len() as u64).to_be_bytes());
        context.update(&self.certificate);
        context.update(&self.key);
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    /// TLS 1.2 and 1.3 with this certificate; HTTP/2 and HTTP/1.1 by ALPN (RFC 7301).
    fn config(&self, files: &Files) -> Result<ServerConfig, String> {
        let of_certificate = |reason: String| format!("The certificate in {} {reason}.", files.certificate.display());
        let of_key = |reason: String| format!("The key in {} {reason}.", files.key.display());
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| of_certificate(format!("cannot be read: {error}")))?;
        if chain.is_empty() {
            return Err(of_certificate("is missing: there is no 'BEGIN CERTIFICATE'".into()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            of_key(match error {
                pem::Error::NoItemsFound if self.key.windows(9).any(|word| word == b"ENCRYPTED") => {
                    "is encrypted; decrypt it".into()
                }
                pem::Error::NoItemsFound => "is missing: there is no 'BEGIN PRIVATE KEY'".into(),
                error => format!("cannot be read: {error}"),
            })
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                of_key(format!("is not that of the certificate in {}", files.certificate.display()))
            }
            rustls::Error::InvalidCertificate(_) => of_certificate(format!("cannot be used: {error}")),
            error => of_key(format!("cannot be used: {error}")),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

async fn refuse_plain(socket: &mut TcpStream) -> io::Result<()> {
    let mut request = vec![0; PLAIN_REQUEST];
    let _ = socket.read(&mut request).await?;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{USE_HTTPS}",
        USE_HTTPS.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await
}
