//! Authenticator apps that are asked by push: Microsoft's name, and an open protocol (docs/authenticator-protocol.md).
//! A reset deletes them.
//!
//! An app is registered by an activation code and its own key ([`activation`]), proves by that key who calls
//! ([`device`]), and answers what it is asked ([`push`]).

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Stored, secret_place};
use crate::{
    directory,
    error::{Error, Result},
    store::Tx,
};

pub mod activation;
pub mod device;
pub mod jws;
pub mod push;

use jws::DeviceKey;

/// The longest display name and device tag, in characters.
const MAX_NAME_LENGTH: usize = 256;
/// The longest version of an app, in characters.
const MAX_VERSION_LENGTH: usize = 64;
/// The longest wake-up address, in characters.
pub const MAX_URL_LENGTH: usize = 2_048;

/// Graph's `microsoftAuthenticatorAuthenticationMethod`, and the app's key. The wake-up address is the row's secret:
/// whoever knows it can wake the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MicrosoftAuthenticator {
    /// The name of the device it runs on.
    pub display_name: String,
    pub device_tag: Option<String>,
    pub phone_app_version: Option<String>,
    /// `microsoftAuthenticator` or `outlookMobile`.
    pub client_app_name: Option<String>,
    /// What the app signs with. Without it the app cannot be asked.
    #[serde(default)]
    pub public_key: Option<DeviceKey>,
}

impl Stored<MicrosoftAuthenticator> {
    /// Where the app wants to be woken, if it does.
    fn wake_url(&self, tx: &Tx<'_>) -> Result<Option<SecretString>> {
        let Some(sealed) = &self.row.sealed_secret else { return Ok(None) };
        let opened = tx.open(&secret_place(&self.row), sealed)?;
        let url = std::str::from_utf8(opened.expose_secret()).map_err(Error::internal)?;
        Ok(Some(url.to_owned().into()))
    }

    fn set_wake_url(&mut self, tx: &Tx<'_>, url: Option<&str>) -> Result<()> {
        self.row.sealed_secret = url.map(|url| tx.seal(&secret_place(&self.row), url.as_bytes())).transpose()?;
        Ok(())
    }
}

fn check_version(version: &str) -> Result<()> {
    directory::check_text("phoneAppVersion", version, MAX_VERSION_LENGTH)
}

/// Refuses a wake-up address that is not `https`; `http` only leads to this machine, for tests and demos.
fn check_wake_url(text: &str) -> Result<()> {
    let refused = |why: &str| Err(Error::invalid("wakeUrl", why));
    if text.len() > MAX_URL_LENGTH {
        return refused("wakeUrl has at most 2048 characters.");
    }
    let Ok(url) = reqwest::Url::parse(text) else { return refused("wakeUrl is an absolute URL.") };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if host.is_empty() || !(url.scheme() == "https" || url.scheme() == "http" && is_here) {
        return refused("wakeUrl begins with https://.");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return refused("wakeUrl has neither a user name nor a fragment.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_woken_over_tls() {
        for good in [
            "https://push.example/wake?token=abc",
            "https://push.example:8443/",
            "http://127.0.0.1:9999/wake",
            "http://[::1]:80/",
            "http://localhost/",
        ] {
            assert!(check_wake_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "wake",
            "/wake",
            "http://push.example/",
            "http://10.0.0.1/",
            "http://127.0.0.1.example/",
            "http://localhost.example/",
            "ftp://push.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://user:secret@push.example/",
            "https://push.example/#part",
        ] {
            assert!(check_wake_url(bad).is_err(), "{bad}");
        }
        assert!(check_wake_url(&format!("https://push.example/{}", "x".repeat(2028))).is_err());
    }
}
