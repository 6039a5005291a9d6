//! A certificate authority of one's own, for one machine: to try Rekey over HTTPS without asking anybody.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData, date_time_ymd,
};
use tempfile::NamedTempFile;
use x509_parser::{
    certificate::X509Certificate,
    extensions::ParsedExtension,
    pem::{Pem, parse_x509_pem},
};

use super::tls::{self, Files};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// Who this machine is to itself.
const NAME: &str = "localhost";
const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
/// How long the authority lasts, in days.
const CA_DAYS: i64 = 3650;
/// How long a server certificate lasts, in days: the most that browsers take (398, CA/Browser Forum) less one.
const SERVER_DAYS: i64 = 397;
/// A certificate that ends sooner is made anew, in days.
const RENEW_DAYS: i64 = 30;
/// Certificates are valid from so long ago on, in seconds: clocks differ.
const SKEW: i64 = 3600;
const DAY: i64 = 24 * 60 * 60;

/// The files in the folder.
#[derive(Debug, Clone)]
pub struct OwnAuthority {
    /// What clients trust, `ca.pem`.
    pub ca: PathBuf,
    /// What the server shows, signed by the authority.
    pub server: Files,
}

/// Makes the folder, the authority and a server certificate for this machine, or finds them as they were made. The
/// server certificate is made anew from the same authority when it ends in less than 30 days.
///
/// # Errors
/// The folder cannot be written to, or holds an authority that is not whole: it is never overwritten, as somebody may
/// trust it.
pub fn prepare(folder: &Path, now: Timestamp) -> Result<OwnAuthority> {
    let refuse = |reason: String| Error::invalid("--tls-self-signed", reason);
    let failed = |error: io::Error| refuse(format!("The folder {} cannot be used: {error}.", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    // Two servers that start at once share what the first one makes.
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let (ca, ca_key) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
    let server = Files { certificate: folder.join("server.pem"), key: folder.join("server-key.pem") };
    if !(ca.exists() || ca_key.exists()) || ends_soon(&ca, now) {
        let (certificate, key) = new_authority(now).map_err(Error::internal)?;
        write(&ca_key, &key, Readers::Owner).map_err(failed)?;
        write(&ca, &certificate, Readers::All).map_err(failed)?;
    }
    let incomplete = |reason: &dyn std::fmt::Display| {
        let folder = folder.display();
        refuse(format!(
            "The authority in {folder} (ca.pem, ca-key.pem) cannot be used: {reason}. Put both files back, or remove them for a new authority."
        ))
    };
    let text = fs::read_to_string(&ca).map_err(|error| incomplete(&error))?;
    let authority = certificate(&text).ok_or_else(|| incomplete(&"ca.pem holds no certificate"))?;
    let authority = authority.parse_x509().map_err(|error| incomplete(&error))?;
    if !is_current(&server, &authority, now) {
        let key = fs::read_to_string(&ca_key).map_err(|error| incomplete(&error)).map(zeroize::Zeroizing::new)?;
        let key = KeyPair::from_pem(&key).map_err(|_| incomplete(&"ca-key.pem holds no key"))?;
        if key.subject_public_key_info() != authority.public_key().raw {
            return Err(incomplete(&"the key is not the certificate's"));
        }
        let issuer = Issuer::from_ca_cert_pem(&text, key).map_err(|error| incomplete(&error))?;
        let last = authority.validity().not_after.timestamp();
        let (certificate, key) = new_server(&issuer, now, last).map_err(Error::internal)?;
        write(&server.key, &key, Readers::Owner).map_err(failed)?;
        write(&server.certificate, &certificate, Readers::All).map_err(failed)?;
    }
    Ok(OwnAuthority { ca, server })
}

/// The first certificate of a PEM text.
fn certificate(text: &str) -> Option<Pem> {
    parse_x509_pem(text.as_bytes()).ok().map(|(_, pem)| pem)
}

/// True of an authority that is too old to sign another server certificate.
fn ends_soon(ca: &Path, now: Timestamp) -> bool {
    let text = fs::read_to_string(ca).unwrap_or_default();
    let Some(pem) = certificate(&text) else { return false };
    pem.parse_x509().is_ok_and(|ca| ca.validity().not_after.timestamp() < now.seconds() + RENEW_DAYS * DAY)
}

/// True of a server certificate of this authority that will do for a while.
fn is_current(server: &Files, authority: &X509Certificate<'_>, now: Timestamp) -> bool {
    let text = fs::read_to_string(&server.certificate).unwrap_or_default();
    let Some(pem) = certificate(&text) else { return false };
    let Ok(shown) = pem.parse_x509() else { return false };
    let validity = shown.validity();
    let signer = shown.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref(),
        _ => None,
    });
    let own = authority.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id),
        _ => None,
    });
    validity.not_before.timestamp() <= now.seconds()
        && validity.not_after.timestamp() >= now.seconds() + RENEW_DAYS * DAY
        && own.is_some()
        && signer == own
        && tls::is_usable(server)
}

/// PEM of a certificate and of its private key.
type CertificateAndKey = (String, zeroize::Zeroizing<String>);

/// An authority for this machine only: its name constraints (RFC 5280 section 4.2.1.10) keep whoever steals the key
/// from speaking for anybody else.
fn new_authority(now: Timestamp) -> Result<CertificateAndKey, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Rekey's own authority for this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let addresses = ADDRESSES.map(|address| {
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, if address.is_ipv4() { 32 } else { 128 }))
    });
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: [GeneralSubtree::DnsName(NAME.into())].into_iter().chain(addresses).collect(),
        excluded_subtrees: vec![],
    });
    valid(&mut params, now.seconds() - SKEW, now.seconds() - SKEW + CA_DAYS * DAY);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem().into()))
}

/// A server certificate that ends with its authority (`last`, Unix time) at the latest.
fn new_server(issuer: &Issuer<'_, KeyPair>, now: Timestamp, last: i64) -> Result<CertificateAndKey, rcgen::Error> {
    let names = ADDRESSES.map(|address| address.to_string());
    let mut params = CertificateParams::new([vec![NAME.to_owned()], names.to_vec()].concat())?;
    params.distinguished_name = named(NAME);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let from = now.seconds() - SKEW;
    valid(&mut params, from, last.min(from + SERVER_DAYS * DAY));
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem().into()))
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Sets the validity, in Unix time.
fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    let at = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    params.not_before = at(from);
    params.not_after = at(until);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    Owner,
    All,
}

/// Puts a file in its place whole. It is nobody else's to read unless for all.
fn write(path: &Path, text: &str, readers: Readers) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if readers == Readers::All { 0o644 } else { 0o600 };
        file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = readers;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_server_certificate_is_renewed_by_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        let now = Clock::System.now();
        let made = prepare(&folder.path().join("new/folder"), now).unwrap();
        let (ca, server) = (read(&made.ca), read(&made.server.certificate));

        let again = prepare(&folder.path().join("new/folder"), now.plus_seconds((SERVER_DAYS - 31) * DAY)).unwrap();
        assert_eq!((read(&again.ca), read(&again.server.certificate)), (ca.clone(), server.clone()));
        let renewed = prepare(&folder.path().join("new/folder"), now.plus_seconds((SERVER_DAYS - 29) * DAY)).unwrap();
        assert_eq!(read(&renewed.ca), ca);
        assert_ne!(read(&renewed.server.certificate), server);
        let replaced = prepare(&folder.path().join("new/folder"), now.plus_seconds((CA_DAYS - 29) * DAY)).unwrap();
        assert_ne!(read(&replaced.ca), ca);
    }

    #[test]
    fn a_broken_server_certificate_is_replaced_and_a_broken_authority_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let now = Clock::System.now();
        let made = prepare(folder.path(), now).unwrap();
        let (ca, key) = (read(&made.ca), read(&made.server.key));
        fs::write(&made.server.key, read(&folder.path().join("ca-key.pem"))).unwrap();
        prepare(folder.path(), now).unwrap();
        assert_ne!(read(&made.server.key), key);
        assert!(tls::is_usable(&made.server));

        // An authority without its key still serves the certificate it signed, and signs no other.
        fs::remove_file(folder.path().join("ca-key.pem")).unwrap();
        prepare(folder.path(), now).unwrap();
        fs::remove_file(&made.server.certificate).unwrap();
        let error = prepare(folder.path(), now).unwrap_err().message();
        assert!(error.contains("ca-key.pem"), "{error}");
        assert_eq!(read(&made.ca), ca);
    }

    #[test]
    fn certificates_say_what_they_are_for() {
        let folder = tempfile::tempdir().unwrap();
        let made = prepare(folder.path(), Clock::System.now()).unwrap();
        let pem = certificate(&read(&made.ca)).unwrap();
        let ca = pem.parse_x509().unwrap();
        let basic = ca.basic_constraints().unwrap().unwrap();
        assert!(basic.critical && basic.value.ca);
        let usage = ca.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign());
        assert!(ca.name_constraints().unwrap().unwrap().critical);

        let pem = certificate(&read(&made.server.certificate)).unwrap();
        let server = pem.parse_x509().unwrap();
        assert!(!server.is_ca() && server.extended_key_usage().unwrap().unwrap().value.server_auth);
        let validity = server.validity();
        assert!(validity.not_after.timestamp() - validity.not_before.timestamp() <= 398 * DAY);
        let names = server.subject_alternative_name().unwrap().unwrap().value.general_names.len();
        assert_eq!(names, 3);
    }
}
