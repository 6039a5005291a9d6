//! Who this server is to browsers and authenticators: WebAuthn's relying party.

use std::{sync::Arc, time::Duration};

use url::{Host, Url};
use webauthn_rs_core::{WebauthnCore, proto::AttestationCaList};

use crate::error::{Error, Result};

/// How long a browser may wait for the user, in milliseconds; Graph's number.
const TIMEOUT: Duration = Duration::from_millis(60_000);
/// Browsers take this name for the machine itself, also without TLS. An address is no relying party id.
const LOCALHOST: &str = "localhost";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The relying party: its id, the origins of its sign-in pages, and whose attestations it trusts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelyingParty(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    core: WebauthnCore,
    roots: AttestationCaList,
}

/// What the operator chose; the server's public URL fills in the rest.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub id: Option<String>,
    /// Origins of sign-in pages, instead of the public URL's.
    pub origins: Vec<String>,
    /// Certificates in PEM that sign attestations of authenticators.
    pub attestation_roots: Option<String>,
}

impl RelyingParty {
    /// The relying party of a server whose pages stand at its public URL. For an address of this machine it is
    /// `localhost`: open `http://localhost:8080` instead of `http://127.0.0.1:8080` to use passkeys.
    pub fn at(public_url: &str) -> Self {
        let home = home(public_url);
        let id = home.as_ref().and_then(Url::host_str).unwrap_or(LOCALHOST).to_owned();
        Self::of(&id, home.into_iter().collect(), AttestationCaList::default())
    }

    fn of(id: &str, origins: Vec<Url>, roots: AttestationCaList) -> Self {
        let core = WebauthnCore::new_unsafe_experts_only(id, id, origins, TIMEOUT, Some(false), Some(false));
        Self(Arc::new(Parts { core, roots }))
    }

    /// The relying party that the operator chose.
    pub fn chosen(public_url: &str, choice: &Choice) -> Result<Self> {
        let home = home(public_url);
        let id = match &choice.id {
            Some(id) => check_id(id)?,
            None => home.as_ref().and_then(Url::host_str).unwrap_or(LOCALHOST).to_owned(),
        };
        let origins = match choice.origins.as_slice() {
            [] => home.into_iter().collect(),
            given => given.iter().map(|origin| check_origin(origin)).collect::<Result<Vec<_>>>()?,
        };
        let is_under = |host: &str| host == id || host.strip_suffix(&id).is_some_and(|rest| rest.ends_with('.'));
        if !origins.iter().any(|origin| origin.host_str().is_some_and(is_under)) {
            let message =
                format!("No origin of a sign-in page is at {id} or below it, so no browser would use passkeys.");
            return Err(Error::invalid("--webauthn-rp-id", message));
        }
        let roots = choice.attestation_roots.as_deref().map(read_roots).transpose()?;
        Ok(Self::of(&id, origins, roots.unwrap_or_default()))
    }

    pub(super) fn core(&self) -> &WebauthnCore {
        &self.0.core
    }

    /// Whose attestations are trusted; `None` when nobody's are.
    pub(super) fn roots(&self) -> Option<&AttestationCaList> {
        Some(&self.0.roots).filter(|roots| !roots.is_empty())
    }
}

/// The public URL, with a name in place of an address.
fn home(public_url: &str) -> Option<Url> {
    let mut url = Url::parse(public_url).ok()?;
    if !matches!(url.host(), Some(Host::Domain(_))) {
        url.set_host(Some(LOCALHOST)).ok()?;
    }
    Some(url)
}

fn check_id(id: &str) -> Result<String> {
    match Host::parse(id) {
        Ok(Host::Domain(domain)) => Ok(domain),
        _ => Err(Error::invalid("--webauthn-rp-id", "A relying party id is a domain, like example.com.")),
    }
}

/// `https://login.example.com`, or what an app is known by (`android:apk-key-hash:...`).
fn check_origin(origin: &str) -> Result<Url> {
    let refused = || {
        let message = "An origin is written like https://login.example.com; http is for localhost only.";
        Error::invalid("--webauthn-origin", message)
    };
    let url = Url::parse(origin).map_err(|_| refused())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "https" if is_bare => Ok(url),
        "http" if is_bare && url.host_str() == Some(LOCALHOST) => Ok(url),
        "http" | "https" => Err(refused()),
        _ => Ok(url),
    }
}

/// One or more certificates in PEM, whatever stands between them.
fn read_roots(pem: &str) -> Result<AttestationCaList> {
    let refused =
        || Error::invalid("--webauthn-attestation-roots", "The file holds no certificate in PEM, or a broken one.");
    let mut roots = AttestationCaList::default();
    for piece in pem.split(BEGIN).skip(1) {
        let (body, _) = piece.split_once(END).ok_or_else(refused)?;
        let one = AttestationCaList::try_from(format!("{BEGIN}{body}{END}\n").as_bytes()).map_err(|_| refused())?;
        roots.union(&one);
    }
    if roots.is_empty() { Err(refused()) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(public_url: &str, id: Option<&str>, origins: &[&str]) -> Result<(String, Vec<String>)> {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let choice = Choice { id: id.map(Into::into), origins, attestation_roots: None };
        RelyingParty::chosen(public_url, &choice).map(|party| shown(&party))
    }

    fn shown(party: &RelyingParty) -> (String, Vec<String>) {
        let origins = party.core().get_allowed_origins().iter().map(|url| url.origin().ascii_serialization());
        (party.core().rp_name().to_owned(), origins.collect())
    }

    #[test]
    fn the_public_url_is_the_default() {
        for (url, id, origin) in [
            ("https://rekey.example.com", "rekey.example.com", "https://rekey.example.com"),
            ("https://example.com:8443/rekey", "example.com", "https://example.com:8443"),
            ("http://localhost:8080", "localhost", "http://localhost:8080"),
            ("http://127.0.0.1:8080", "localhost", "http://localhost:8080"),
            ("http://[::1]:8080", "localhost", "http://localhost:8080"),
        ] {
            let expected = (id.to_owned(), vec![origin.to_owned()]);
            assert_eq!(of(url, None, &[]).unwrap(), expected);
            assert_eq!(shown(&RelyingParty::at(url)), expected);
        }
        assert_eq!(shown(&RelyingParty::at("")), ("localhost".into(), vec![]));
    }

    #[test]
    fn the_operator_chooses() {
        let url = "https://rekey.example.com";
        let login = "https://login.example.com";
        assert_eq!(of(url, Some("Example.com"), &[]).unwrap(), ("example.com".into(), vec![url.into()]));
        assert_eq!(of(url, Some("example.com"), &[login]).unwrap(), ("example.com".into(), vec![login.into()]));
        of(url, Some("example.com"), &[login, "android:apk-key-hash:AAAA"]).unwrap();
        for (id, origins) in [
            (Some("127.0.0.1"), &[][..]),
            (Some("https://example.com"), &[]),
            (Some(""), &[]),
            (Some("ample.com"), &[]),
            (Some("other.example"), &[]),
            (None, &[login]),
            (Some("example.com"), &["http://login.example.com"]),
            (Some("example.com"), &["https://login.example.com/page"]),
            (Some("example.com"), &["login.example.com"]),
            (Some("example.com"), &["android:apk-key-hash:AAAA"]),
        ] {
            assert!(of(url, id, origins).is_err(), "{id:?} {origins:?}");
        }
    }

    #[test]
    fn roots_are_certificates() {
        let one = super::super::vectors::CA_PEM;
        assert_eq!(read_roots(&format!("# W3C\n{one}\n# again\n{one}")).unwrap().len(), 1);
        for wrong in ["", "no certificate", &one[..200], &one.replace("MII", "MIJ")] {
            assert!(read_roots(wrong).is_err());
        }
    }
}
