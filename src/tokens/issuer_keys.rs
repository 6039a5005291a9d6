//! The keys of outside issuers, as they publish them (OpenID Connect Discovery section 4, RFC 7517): fetched when a token
//! asks for them, and remembered for a while.
//!
//! Only addresses that a tenant has written down are called, within a [`Reach`]; never inside a transaction.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quick_cache::sync::Cache;
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use serde_json::Value;
use tokio::{sync::OnceCell, time::timeout};

use super::jwt::{Jwt, PublicKey};
use crate::{
    clock::{Clock, Timestamp},
    error::{Error, Result},
    reach::{self, Reach},
};

/// How long an issuer may take for everything that is asked of it at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest document that is read, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;
/// Keys of one issuer that are looked at.
const MAX_KEYS: usize = 64;
/// The longest `kid`, in bytes.
const MAX_KID: usize = 256;
/// Issuers whose keys are remembered.
const REMEMBERED_ISSUERS: usize = 500;
/// How long keys are remembered, in seconds, unless the issuer says otherwise within the bounds below.
const REMEMBERED_SECONDS: i64 = 60 * 60;
const LEAST_SECONDS: i64 = 5 * 60;
const MOST_SECONDS: i64 = 24 * 60 * 60;
/// An unknown key makes the issuer be asked again, but not more often than this, in seconds.
const REFRESH_SECONDS: i64 = 60;
/// How long an issuer that failed is left alone, in seconds.
const PAUSE_SECONDS: i64 = 5;

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub issuer: String,
    /// Otherwise its discovery document says.
    pub jwks_uri: Option<String>,
}

/// The keys of an issuer that check signatures; the others are left out.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<(Option<String>, PublicKey)>,
    /// Until when they count, and whatever was checked with them.
    pub good_until: Timestamp,
}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517 section 5). What is no key of use is ignored, as the standard asks for.
    fn parse(document: &Value, good_until: Timestamp) -> Option<Self> {
        let known = document["keys"].as_array()?.iter().take(MAX_KEYS).filter_map(|jwk| {
            let kid = jwk["kid"].as_str().filter(|kid| kid.len() <= MAX_KID);
            Some((kid.map(str::to_owned), PublicKey::from_jwk(jwk)?))
        });
        Some(Self { keys: known.collect(), good_until })
    }

    /// Whether the key of the token is among them: the one that it names or, when it names none, one that signed it.
    fn holds_key_of(&self, jwt: &Jwt<'_>) -> bool {
        match jwt.header("kid") {
            Some(kid) => self.keys.iter().any(|(known, _)| known.as_deref() == Some(kid)),
            None => self.signed(jwt),
        }
    }

    /// Whether the key that the token names signed it; any of them, when it names none.
    pub fn signed(&self, jwt: &Jwt<'_>) -> bool {
        let named = jwt.header("kid");
        let fits = |kid: &Option<String>| named.is_none() || kid.as_deref() == named;
        self.keys.iter().any(|(kid, key)| fits(kid) && jwt.is_signed_by(key))
    }
}

/// What is known of one issuer.
#[derive(Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    /// When the issuer last failed.
    failed_at: Option<Timestamp>,
    /// When the issuer was last asked for a key that was not among those that count.
    refreshed_at: Option<Timestamp>,
}

impl Known {
    /// The keys that still count.
    fn keys(&self, now: Timestamp) -> Option<&Arc<KeySet>> {
        self.keys.as_ref().filter(|keys| now < keys.good_until)
    }

    /// What can be said without asking the issuer; none when it is to be asked.
    fn answer(&self, jwt: &Jwt<'_>, now: Timestamp) -> Option<Result<Arc<KeySet>>> {
        let within = |at: Option<Timestamp>, seconds| at.is_some_and(|at| now < at.plus_seconds(seconds));
        match self.keys(now) {
            Some(keys) if keys.holds_key_of(jwt) => Some(Ok(keys.clone())),
            // It may have a key by now that nobody could fetch.
            _ if within(self.failed_at, PAUSE_SECONDS) => Some(Err(Error::IssuerAway)),
            Some(keys) if within(self.refreshed_at, REFRESH_SECONDS) => Some(Ok(keys.clone())),
            _ => None,
        }
    }
}

/// One issuer.
#[derive(Default)]
struct Entry {
    known: Mutex<Known>,
    /// One fetch at a time: whoever needs one meanwhile waits for it. Whoever needs none waits for nobody.
    fetching: tokio::sync::Mutex<()>,
}

impl Entry {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held; and half of it is no worse than none.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches and remembers the keys of issuers.
pub struct IssuerKeys {
    reach: Reach,
    client: OnceCell<Client>,
    known: Cache<Place, Arc<Entry>>,
}

impl IssuerKeys {
    pub fn new(reach: Reach) -> Self {
        Self { reach, client: OnceCell::new(), known: Cache::new(REMEMBERED_ISSUERS) }
    }

    /// Where issuers may be.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The issuer's keys: the remembered ones, unless they are too old, or lack the key of the token `jwt` and may be asked
    /// for anew.
    ///
    /// # Errors
    /// [`Error::IssuerAway`] when the issuer cannot be reached, or does not answer as the standards want it, and the
    /// token's key is not remembered.
    pub async fn keys(&self, place: &Place, jwt: &Jwt<'_>, clock: &Clock) -> Result<Arc<KeySet>> {
        let entry = match self.known.get(place) {
            Some(entry) => entry,
            None => self.known.get_or_insert_with(place, || Ok::<_, Error>(Arc::default()))?,
        };
        let answer = |now| entry.known().answer(jwt, now);
        if let Some(answer) = answer(clock.now()) {
            return answer;
        }
        let _turn = entry.fetching.lock().await;
        // Somebody may have fetched them while this one waited, or in vain: then nobody of the queue asks again.
        if let Some(answer) = answer(clock.now()) {
            return answer;
        }
        let is_refresh = entry.known().keys(clock.now()).is_some();
        let fetched = timeout(PATIENCE, self.fetch(place, clock.now())).await;
        let fetched = fetched.unwrap_or(Err("it does not answer in time"));
        // Pauses are counted from here: asking may have taken as long as a pause.
        let now = clock.now();
        let mut known = entry.known();
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                if is_refresh {
                    known.refreshed_at = Some(now);
                }
                (known.keys, known.failed_at) = (Some(keys.clone()), None);
                Ok(keys)
            }
            Err(why) => {
                tracing::warn!(issuer = place.issuer, why, "the keys of an issuer cannot be read");
                known.failed_at = Some(now);
                Err(Error::IssuerAway)
            }
        }
    }

    async fn fetch(&self, place: &Place, now: Timestamp) -> Result<KeySet, &'static str> {
        let jwks_uri = match &place.jwks_uri {
            Some(uri) => uri.clone(),
            None => {
                let base = place.issuer.trim_end_matches('/');
                let (document, _) = self.get(&format!("{base}/.well-known/openid-configuration")).await?;
                if document["issuer"] != place.issuer.as_str() {
                    return Err("its discovery document names another issuer");
                }
                document["jwks_uri"].as_str().ok_or("its discovery document names no jwks_uri")?.to_owned()
            }
        };
        let (document, seconds) = self.get(&jwks_uri).await?;
        KeySet::parse(&document, now.plus_seconds(seconds)).ok_or("its keys are no JSON Web Key Set")
    }

    /// A JSON document, and for how many seconds it may be remembered.
    async fn get(&self, address: &str) -> Result<(Value, i64), &'static str> {
        let url: Url = reach::check(address, self.reach).map_err(|_| "its address is not allowed")?;
        let client = self.client.get_or_try_init(|| async { self.build() }).await;
        let client = client.map_err(|_| "no client can be made; are certificate authorities installed?")?;
        let request = client.get(url).header(header::ACCEPT, "application/json");
        // The library's words repeat the address and more; these are enough.
        let mut answer = request.send().await.map_err(|error| match () {
            () if error.is_timeout() => "it does not answer in time",
            () if error.is_connect() => "it cannot be reached",
            () => "it cannot be talked to",
        })?;
        if answer.status() != StatusCode::OK {
            return Err("it does not answer 200");
        }
        let seconds = max_age(&answer).unwrap_or(REMEMBERED_SECONDS).clamp(LEAST_SECONDS, MOST_SECONDS);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| "its answer breaks off or takes too long")? {
            if body.len() + chunk.len() > MAX_DOCUMENT {
                return Err("its answer is too large");
            }
            body.extend_from_slice(&chunk);
        }
        let document = serde_json::from_slice(&body).map_err(|_| "its answer is no JSON")?;
        Ok((document, seconds))
    }

    fn build(&self) -> reqwest::Result<Client> {
        let client = Client::builder()
            .user_agent(concat!("rekey/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE);
        self.reach.keep(client).build()
    }
}

/// `max-age` of Cache-Control (RFC 9111 section 5.2.2.1).
fn max_age(answer: &Response) -> Option<i64> {
    let text = answer.headers().get(header::CACHE_CONTROL)?.to_str().ok()?;
    text.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
}
