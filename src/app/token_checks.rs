//! Who calls, and who may have a token: the answers that take more than one transaction, because the keys of outside
//! issuers are fetched between them.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::App;
use crate::{
    access::{Caller, Origin},
    clock::Timestamp,
    error::{Error, Result},
    idempotency::Once,
    store::Tx,
    tokens::{
        Claims, assertions,
        client_credentials::{self, ClientProof, Granted, Refusal, Refused, TokenRequest},
        exchange::{self, ExchangeRequest},
        issuer_keys::{KeySet, Place},
        jwt::Jwt,
        outside::{self, OutsideToken},
    },
};

impl App {
    /// Turns an access token into its claims.
    pub async fn verify_token(&self, token: String) -> Result<Arc<Claims>> {
        if let Some(claims) = self.tokens.recall(&token, self.store.context().clock.now())? {
            return Ok(claims);
        }
        let (tokens, issuer) = (self.tokens.clone(), self.issuer.clone());
        self.store.read(move |tx| tokens.verify(tx, &issuer, &token)).await
    }

    /// Who calls with this access token, of ours or of an outside issuer that a tenant trusts; and until when.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when it is good for nobody, [`Error::IssuerAway`] when its issuer cannot be asked for its
    /// keys.
    pub async fn caller_of(&self, token: String, origin: Origin, once: Option<Once>) -> Result<(Caller, Timestamp)> {
        let claims = match self.tokens.recall(&token, self.store.context().clock.now())? {
            Some(known) => known,
            None => match outside::issuer_of(&token, &self.issuer.public_url) {
                Some(issuer) => return self.outside_caller(&issuer, &token, &origin, once.as_ref()).await,
                None => self.verify_token(token).await?,
            },
        };
        Ok((claims.caller(origin, once)?, Timestamp::from_seconds(claims.exp)))
    }

    async fn outside_caller(
        &self,
        issuer: &str,
        token: &str,
        origin: &Origin,
        once: Option<&Once>,
    ) -> Result<(Caller, Timestamp)> {
        let recalled = self.outside_tokens.recall(token, self.store.context().clock.now());
        if let Some(known) = recalled {
            match self.caller_in(known, origin, once).await? {
                Some(found) => return Ok(found),
                // The tenant may have taken its trust away and given it anew since.
                None => self.outside_tokens.forget(token),
            }
        }
        let (named, text) = (issuer.to_owned(), token.to_owned());
        let trust = self.store.read(move |tx| outside::trust(tx, &named, &text)).await?;
        let place = Place { issuer: trust.issuer.clone(), jwks_uri: trust.jwks_uri.clone() };
        let clock = &self.store.context().clock;
        let jwt = Jwt::parse(token).ok_or_else(|| Error::unauthenticated("The access token is malformed."))?;
        let keys = self.issuer_keys.keys(&place, &jwt, clock).await?;
        let verified = Arc::new(outside::verify(token, trust, &keys, clock.now())?);
        self.outside_tokens.remember(token, verified.clone());
        let gone = || Error::unauthenticated("The tenant does not trust the issuer of this token any more.");
        self.caller_in(verified, origin, once).await?.ok_or_else(gone)
    }

    async fn caller_in(
        &self,
        token: Arc<OutsideToken>,
        origin: &Origin,
        once: Option<&Once>,
    ) -> Result<Option<(Caller, Timestamp)>> {
        let (origin, once) = (origin.clone(), once.cloned());
        let read = move |tx: &mut Tx<'_>| Ok(token.caller(tx, origin, once)?.map(|caller| (caller, token.expires_at)));
        self.store.read(read).await
    }

    /// The keys of the outside issuer that vouches for the application, when one does.
    async fn keys_for(&self, request: &TokenRequest) -> Result<Option<Arc<KeySet>>> {
        if matches!(request.proof, ClientProof::Secret(_)) {
            return Ok(None);
        }
        let asked = request.clone();
        match self.store.read(move |tx| assertions::issuer_to_ask(tx, &asked)).await? {
            None => Ok(None),
            Some(issuer) => {
                let place = Place { issuer, jwks_uri: None };
                let Some(jwt) = request.assertion().and_then(|text| Jwt::parse(text.expose_secret())) else {
                    return Ok(None);
                };
                self.issuer_keys.keys(&place, &jwt, &self.store.context().clock).await.map(Some)
            }
        }
    }

    /// Answers a token request; refusals of a known application are recorded in its tenant's audit log.
    pub async fn obtain_token(&self, request: TokenRequest, origin: Origin) -> Result<Result<Granted, Refusal>> {
        let outside = match self.keys_for(&request).await {
            Ok(keys) => keys,
            Err(Error::IssuerAway) => return Ok(Err(Refusal::IssuerAway)),
            Err(error) => return Err(error),
        };
        let issuer = self.issuer.clone();
        let outcome = self.store.read(move |tx| {
            let outcome = client_credentials::obtain(tx, &issuer, &request, outside.as_deref())?;
            // Asked here already, so that a guesser does not keep the writer busy.
            let record = match &outcome {
                Err(Refused { application: Some(application), .. }) => {
                    client_credentials::is_worth_recording(tx, application)?
                }
                _ => false,
            };
            Ok((outcome, record))
        });
        match outcome.await? {
            (Ok(granted), _) => match granted.once.clone() {
                None => Ok(Ok(granted)),
                Some(used) => {
                    let tenant = used.tenant_id.clone();
                    let take = move |tx: &mut Tx<'_>| client_credentials::take(tx, &used, &origin);
                    Ok(self.store.write(&tenant, take).await?.map(|()| granted))
                }
            },
            (Err(Refused { refusal, application: Some(application) }), true) => {
                let tenant = application.tenant_id.clone();
                let write =
                    move |tx: &mut Tx<'_>| client_credentials::record_refusal(tx, &application, &origin, refusal);
                self.store.write(&tenant, write).await?;
                Ok(Err(refusal))
            }
            (Err(refused), _) => Ok(Err(refused.refusal)),
        }
    }

    /// Answers a request of a partner's user for a token in a customer's tenant.
    pub async fn exchange_token(&self, request: ExchangeRequest) -> Result<Result<Granted, Refusal>> {
        let own = match self.verify_token(request.subject_token.expose_secret().to_owned()).await {
            Ok(own) => own,
            Err(Error::Unauthenticated { .. }) => return Ok(Err(Refusal::InvalidSubject)),
            Err(error) => return Err(error),
        };
        let issuer = self.issuer.clone();
        self.store.read(move |tx| exchange::exchange(tx, &issuer, &request.tenant, &own)).await
    }
}
