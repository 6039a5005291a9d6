//! Waking a device at an address of its own, which came with the device: nobody here vouches for it. So it must not
//! become a way into the network that this server stands in (server-side request forgery, OWASP ASVS 5.0 section 1.3.6).

use reqwest::Client;

use super::{
    Failure, Outgoing, Signer,
    webhook::{client, post},
};
use crate::{
    error::{Error, Result},
    reach::{Reach, check},
};

/// Posts a message's text to the address in `to`.
pub struct Wake {
    client: Client,
    signer: Signer,
    reach: Reach,
}

impl Wake {
    pub fn new(signer: Signer, reach: Reach) -> Result<Self> {
        Ok(Self { client: reach.keep(client()).build().map_err(Error::internal)?, signer, reach })
    }

    pub(super) async fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Failure> {
        let url = check(&outgoing.message.to, self.reach)
            .map_err(|why| Failure::lasting(format!("the device's address {why}")))?;
        let body = outgoing.message.text.clone().into_bytes();
        post(&self.client, &self.signer, url, "text/plain; charset=utf-8", body, outgoing).await
    }
}
