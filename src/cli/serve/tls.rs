//! How `rekey serve` proves itself.

use std::path::PathBuf;

use clap::Args;

use crate::{
    clock::Clock,
    error::Result,
    server::{
        self_signed,
        tls::{Files, Tls},
    },
};

#[derive(Debug, Args)]
pub struct TlsOptions {
    /// Serve HTTPS with this certificate: PEM, the server's first, then those that lead to an authority. A new file is
    /// taken up while serving
    #[arg(long, env = "REKEY_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key: PEM, not encrypted
    #[arg(long, env = "REKEY_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve HTTPS on this machine with a certificate that is made in this folder, once; clients trust its ca.pem
    #[arg(long, env = "REKEY_TLS_SELF_SIGNED", value_name = "DIR", conflicts_with_all = ["tls_cert", "tls_key"])]
    tls_self_signed: Option<PathBuf>,
}

/// HTTPS, and by which file a client on this machine can trust it.
pub struct Secured {
    pub tls: Tls,
    pub trust: PathBuf,
    /// The authority is ours and its certificates are for this machine only.
    pub is_self_signed: bool,
}

impl TlsOptions {
    /// `None` when HTTP was asked for.
    pub fn load(&self, clock: &Clock) -> Result<Option<Secured>> {
        if let Some(folder) = &self.tls_self_signed {
            let own = self_signed::prepare(folder, clock.now())?;
            let secured = Secured { tls: Tls::load(own.server)?, trust: own.ca, is_self_signed: true };
            return Ok(Some(secured));
        }
        let (Some(certificate), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) else { return Ok(None) };
        let tls = Tls::load(Files { certificate: certificate.clone(), key })?;
        let trust = certificate.canonicalize().unwrap_or(certificate);
        Ok(Some(Secured { tls, trust, is_self_signed: false }))
    }
}

impl Secured {
    /// curl's option to trust this server, for a POSIX shell.
    pub fn curl_option(&self) -> String {
        format!(" --cacert '{}'", self.trust.display().to_string().replace('\'', r"'\''"))
    }
}
