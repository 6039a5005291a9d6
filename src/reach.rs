//! Addresses that others name for this server to call: a device that wants to be woken, the issuer of a token. Nobody here
//! vouches for them, so they must not become a way into the network that this server stands in (server-side request
//! forgery, OWASP ASVS 5.0 section 1.3.6).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    ClientBuilder, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// The longest address, in bytes.
const MAX_URL: usize = 2048;

/// Where such addresses may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere on the internet, by https.
    Public,
    /// Also in this server's own network, and without encryption: for development.
    Any,
}

impl Reach {
    /// Keeps a client within this reach, also when a name leads elsewhere.
    pub fn keep(self, client: ClientBuilder) -> ClientBuilder {
        // A proxy would look names up itself, where nobody asks which addresses come out.
        let client = client.no_proxy();
        match self {
            Self::Public => client.https_only(true).dns_resolver(Arc::new(PublicAddresses)),
            Self::Any => client,
        }
    }
}

/// The address, if this server may go there as far as can be said before its name is looked up. The error goes on from
/// "the address".
pub fn check(text: &str, reach: Reach) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "is no URL")?;
    if text.len() > MAX_URL || !url.username().is_empty() || url.password().is_some() {
        return Err("is too long or holds credentials");
    }
    let is_allowed = match reach {
        Reach::Public => url.scheme() == "https",
        Reach::Any => matches!(url.scheme(), "https" | "http"),
    };
    if !is_allowed {
        return Err("must be an https URL");
    }
    // An address that is written as numbers is never looked up.
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(address) if reach == Reach::Public && !is_public(address) => Err("is not public"),
        _ => Ok(url),
    }
}

/// Finds only addresses of the internet.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the internet (IANA's special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = match address.octets() {
        [0 | 240..=255, ..] => true,
        // Shared by providers, IETF's own, benchmarks.
        [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] => true,
        _ => false,
    };
    !(is_special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast())
}

/// Global unicast only, without what leads to IPv4 addresses by another name.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    match address.segments() {
        // Teredo and other IETF protocols, documentation, 6to4.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_on_the_internet() {
        for good in ["https://push.example/wake?id=1", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/x"] {
            assert!(check(good, Reach::Public).is_ok(), "{good}");
        }
        let long = format!("https://push.example/{}", "a".repeat(MAX_URL));
        for wrong in [
            "push.example",
            "http://push.example/",
            "ftp://push.example/",
            "file:///etc/passwd",
            "https://user:secret@push.example/",
            "https://user@push.example/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://255.255.255.255/",
            "https://224.0.0.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[ff02::1]/",
            long.as_str(),
        ] {
            assert!(check(wrong, Reach::Public).is_err(), "{wrong}");
        }
        assert!(check("http://127.0.0.1:8080/", Reach::Any).is_ok());
        assert!(check("http://user:secret@127.0.0.1/", Reach::Any).is_err());
        assert!(check("gopher://127.0.0.1/", Reach::Any).is_err());
    }

    #[tokio::test]
    async fn names_of_this_machine_are_not_found() {
        assert!(PublicAddresses.resolve("localhost".parse().unwrap()).await.is_err());
    }
}
