//! What authenticator apps ask for. They have no access token: each call is signed by the device's own key.

use serde_json::Value;

use super::App;
use crate::{
    access::Origin,
    error::{Error, Result},
    methods::microsoft_authenticator::{
        activation::{self, RegisteredApp},
        device::{self, DeviceCall, DeviceCaller, DeviceChange},
        jws::{self, Activation, ActivationClaims, AnswerClaims, DeviceKey},
        push::{self, PushRequest},
    },
    sign_in::push::{Answered, answer},
};

/// An app that brings its activation code.
pub struct ActivationRequest {
    pub activation: Activation,
    /// The JWK that it wants to sign with.
    pub public_key: Value,
    /// The same activation, signed by that key.
    pub proof: String,
    /// The address of the call.
    pub url: String,
    pub origin: Origin,
}

impl ActivationRequest {
    /// The app's key, if the proof shows that the app has it.
    fn key(&self, app: &App) -> Result<DeviceKey> {
        let key = DeviceKey::parse(&self.public_key).map_err(|why| Error::invalid("publicKey", why))?;
        let refused = |why: &str| Err(Error::invalid("proof", why));
        let Some(claims) = jws::verify::<ActivationClaims>(&key, jws::ACTIVATION, &self.proof) else {
            return refused("The proof is not a JWS of the type rekey-activation+jwt that publicKey verifies.");
        };
        if claims.activation != self.activation {
            return refused("The proof does not say the same as the body.");
        }
        if claims.htu != self.url {
            return refused("htu is the address of the call as this server names it.");
        }
        if !jws::is_fresh(claims.iat, app.store.context().clock.now()) {
            return refused("iat is the time of the call; compare the device's clock with the header Date.");
        }
        Ok(key)
    }
}

impl App {
    /// Registers an app that brings an activation code, and a proof that it has the key it wants to sign with.
    pub async fn activate_device(&self, request: ActivationRequest) -> Result<RegisteredApp> {
        let key = request.key(self)?;
        let ActivationRequest { activation, origin, .. } = request;
        let code = activation.activation_code.clone();
        let tenants = self.store.read(move |tx| activation::tenants_of(tx, &code)).await?;
        self.store.write_for(&tenants, move |tx| activation::activate(tx, &activation, &key, &origin)).await
    }

    /// Finds out which device calls.
    pub async fn verify_device(&self, call: DeviceCall) -> Result<DeviceCaller> {
        self.store.read(move |tx| device::verify(tx, &call)).await
    }

    /// What a device is to ask its user.
    pub async fn push_requests(&self, caller: DeviceCaller) -> Result<Vec<PushRequest>> {
        self.store.read(move |tx| push::list(tx, &caller)).await
    }

    /// Takes the answer to a push request. The signature is checked before the transaction.
    pub async fn answer_push(&self, caller: DeviceCaller, request: String, response: &str) -> Result<Answered> {
        let claims: AnswerClaims = device::read_signed(&caller, jws::ANSWER, response)?;
        let tenant = caller.tenant.clone();
        self.store.write(&tenant, move |tx| answer(tx, &caller, &request, &claims)).await
    }

    pub async fn update_device(&self, caller: DeviceCaller, change: DeviceChange) -> Result<()> {
        let tenant = caller.tenant.clone();
        self.store.write(&tenant, move |tx| device::update(tx, &caller, &change)).await
    }

    pub async fn remove_device(&self, caller: DeviceCaller) -> Result<()> {
        let tenant = caller.tenant.clone();
        self.store.write(&tenant, move |tx| device::remove(tx, &caller)).await
    }
}
