//! `authenticatorDevices`: what authenticator apps ask for (docs/authenticator-protocol.md).

mod bodies;

use poem::Request;
use poem_openapi::{ApiResponse, OpenApi, SecurityScheme, auth::ApiKey, param::Path, payload::Json};

use super::{
    Tag, examples,
    intake::{CallerNote, RequestInfo},
    odata::{Entity, NoContent, Page, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::App,
    error::Error,
    methods::microsoft_authenticator::device::{DeviceCall, DeviceCaller},
};
use bodies::{ActivationBody, AnswerBody, DeviceBody, PushRequestView, RegisteredView};

/// Where devices are, below the version.
const COLLECTION: &str = "authenticatorDevices";

/// Whether whoever calls this path is a device and has no access token.
pub fn speaks(path: &str) -> bool {
    path.split('/').nth(2) == Some(COLLECTION)
}

/// What a 401 asks devices for (RFC 9449 section 7.1).
pub const CHALLENGE: &str = r#"DPoP algs="ES256 EdDSA""#;

/// The device's own key: a DPoP proof (RFC 9449 section 4.2) of this very call, without an access token.
#[derive(SecurityScheme)]
#[oai(rename = "deviceProof", ty = "api_key", key_name = "DPoP", key_in = "header", checker = "check")]
struct DeviceGuard(Proof);

/// A proof that nobody has looked at yet, and the method it must be for.
struct Proof {
    method: String,
    text: String,
}

async fn check(request: &Request, key: ApiKey) -> poem::Result<Proof> {
    if request.headers().get_all("dpop").iter().count() > 1 {
        return Err(Problem(Error::unauthenticated("A call has one header DPoP.")).into());
    }
    Ok(Proof { method: request.method().to_string(), text: key.key })
}

#[derive(ApiResponse)]
enum Activated {
    /// The app is registered.
    #[oai(status = 201)]
    Device(
        Json<Entity<RegisteredView>>,
        /// The address of the device; its calls go to this and below.
        #[oai(header = "Location")]
        String,
    ),
}

pub struct AuthenticatorDevicesApi(pub App);

#[OpenApi(tag = "Tag::Devices")]
impl AuthenticatorDevicesApi {
    /// Activate an authenticator app
    ///
    /// The app brings the activation code that the user scanned or typed, the public key that it made, and a proof that
    /// it has the private one: a JWS of the type `rekey-activation+jwt` whose claims are those of the body without
    /// `publicKey` and `proof`, and `htu` and `iat`. The code is good once and for 10 minutes. No token is needed.
    #[oai(path = "/v1.0/authenticatorDevices/activate", method = "post", operation_id = "activateAuthenticatorDevice")]
    async fn activate(&self, info: RequestInfo, body: Json<ActivationBody>) -> Result<Activated, Problem> {
        refuse_other_options(&info, &[])?;
        let request = body.0.request(self.address_of(&info), info.origin.clone());
        let device = self.0.activate_device(request).await?;
        let ids = [device.tenant_id.as_str(), device.user_id.as_str(), device.device_id.as_str()];
        // Devices speak one version, whatever the caller of `activate` wrote.
        let url = format!("{}/v1.0/{COLLECTION}/{}", self.0.issuer.public_url, ids.join("/"));
        let view = RegisteredView::new(device, url.clone());
        let context = self.0.context(&info, &format!("{COLLECTION}/$entity"));
        Ok(Activated::Device(Json(Entity::new(context, view)), url))
    }

    /// List the push requests to a device
    ///
    /// What the user is to be asked now: at most one request, which is open for 60 seconds. The number that the sign-in
    /// page shows is not among it: the user types it. Signed by the device's key, in the header `DPoP`.
    #[oai(
        path = "/v1.0/authenticatorDevices/:tenant/:user/:device/requests",
        method = "get",
        operation_id = "listPushRequests"
    )]
    async fn requests(
        &self,
        guard: DeviceGuard,
        info: RequestInfo,
        /// The tenant's id.
        #[oai(example = "examples::device_tenant")]
        tenant: Path<String>,
        /// The user's id.
        #[oai(example = "examples::device_user")]
        user: Path<String>,
        /// The device's id, which is the method's.
        #[oai(example = "examples::device")]
        device: Path<String>,
    ) -> Result<Json<Page<PushRequestView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let caller = self.caller(guard, &info, [tenant.0, user.0, device.0]).await?;
        let open = self.0.push_requests(caller).await?;
        let context = self.0.context(&info, &format!("{COLLECTION}/requests"));
        Ok(Json(Page::whole(context, open.into_iter().map(Into::into).collect())))
    }

    /// Answer a push request
    ///
    /// `response` is a JWS of the type `rekey-push-answer+jwt` over `requestId`, `nonce`, `decision` (`approve` or
    /// `deny`) and, to approve, the `number` that the user typed. A request is answered once: the right number lets the
    /// sign-in go on, a wrong one (400) or a denial ends the request. An answered, expired or replaced request is 404, a
    /// sign-in that is over is 409. Signed by the device's key, in the header `DPoP`.
    #[oai(
        path = "/v1.0/authenticatorDevices/:tenant/:user/:device/requests/:request/answer",
        method = "post",
        operation_id = "answerPushRequest"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each part of the address")]
    async fn answer(
        &self,
        guard: DeviceGuard,
        info: RequestInfo,
        /// The tenant's id.
        #[oai(example = "examples::device_tenant")]
        tenant: Path<String>,
        /// The user's id.
        #[oai(example = "examples::device_user")]
        user: Path<String>,
        /// The device's id, which is the method's.
        #[oai(example = "examples::device")]
        device: Path<String>,
        /// The request's id.
        #[oai(example = "examples::push_request")]
        request: Path<String>,
        body: Json<AnswerBody>,
    ) -> Result<NoContent, Problem> {
        refuse_other_options(&info, &[])?;
        let caller = self.caller(guard, &info, [tenant.0, user.0, device.0]).await?;
        self.0.answer_push(caller, request.0, &body.0.response).await?.into_result()?;
        Ok(NoContent::Done)
    }

    /// Update a device
    ///
    /// The app tells its new version, or where it wants to be woken from now on (null: nowhere). Signed by the device's
    /// key, in the header `DPoP`.
    #[oai(
        path = "/v1.0/authenticatorDevices/:tenant/:user/:device",
        method = "patch",
        operation_id = "updateAuthenticatorDevice"
    )]
    async fn update(
        &self,
        guard: DeviceGuard,
        info: RequestInfo,
        /// The tenant's id.
        #[oai(example = "examples::device_tenant")]
        tenant: Path<String>,
        /// The user's id.
        #[oai(example = "examples::device_user")]
        user: Path<String>,
        /// The device's id, which is the method's.
        #[oai(example = "examples::device")]
        device: Path<String>,
        body: Json<DeviceBody>,
    ) -> Result<NoContent, Problem> {
        refuse_other_options(&info, &[])?;
        let caller = self.caller(guard, &info, [tenant.0, user.0, device.0]).await?;
        self.0.update_device(caller, body.0.change()?).await?;
        Ok(NoContent::Done)
    }

    /// Remove a device
    ///
    /// The app gives itself up: the method is deleted. Signed by the device's key, in the header `DPoP`.
    #[oai(
        path = "/v1.0/authenticatorDevices/:tenant/:user/:device",
        method = "delete",
        operation_id = "deleteAuthenticatorDevice"
    )]
    async fn remove(
        &self,
        guard: DeviceGuard,
        info: RequestInfo,
        /// The tenant's id.
        #[oai(example = "examples::device_tenant")]
        tenant: Path<String>,
        /// The user's id.
        #[oai(example = "examples::device_user")]
        user: Path<String>,
        /// The device's id, which is the method's.
        #[oai(example = "examples::device")]
        device: Path<String>,
    ) -> Result<NoContent, Problem> {
        refuse_other_options(&info, &[])?;
        let caller = self.caller(guard, &info, [tenant.0, user.0, device.0]).await?;
        self.0.remove_device(caller).await?;
        Ok(NoContent::Done)
    }
}

impl AuthenticatorDevicesApi {
    /// The address of a call as its signature names it.
    fn address_of(&self, info: &RequestInfo) -> String {
        format!("{}{}", self.0.issuer.public_url, info.path)
    }

    /// Which device calls.
    async fn caller(
        &self,
        guard: DeviceGuard,
        info: &RequestInfo,
        [tenant, user, device]: [String; 3],
    ) -> Result<DeviceCaller, Problem> {
        let Proof { method, text } = guard.0;
        let (url, origin) = (self.address_of(info), info.origin.clone());
        let call = DeviceCall { tenant, user, device, method, url, proof: text, origin };
        let caller = self.0.verify_device(call).await?;
        info.note(CallerNote { tenant: caller.tenant.clone(), caller: caller.device.to_string(), expires_at: None });
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_by_their_path() {
        assert!(speaks("/v1.0/authenticatorDevices/activate") && speaks("/beta/authenticatorDevices/a/b/c"));
        assert!(!speaks("/v1.0/users/authenticatorDevices") && !speaks("/authenticatorDevices"));
    }
}
