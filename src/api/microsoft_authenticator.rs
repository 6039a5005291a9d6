//! `microsoftAuthenticatorMethods`.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{created, delete, entity, page},
    odata::{Created, Entity, NoContent, Page, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    methods::{
        MethodKind, Stored, manage,
        microsoft_authenticator::{
            MicrosoftAuthenticator,
            activation::{self, PendingApp},
        },
        qr,
    },
};

const COLLECTION: &str = "microsoftAuthenticatorMethods";

/// An authenticator app that is asked by push.
#[derive(Debug, Object)]
#[oai(rename = "MicrosoftAuthenticatorAuthenticationMethod", rename_all = "camelCase")]
pub struct MicrosoftAuthenticatorView {
    id: String,
    /// The name of the device it runs on.
    display_name: String,
    #[oai(nullable)]
    device_tag: Option<String>,
    #[oai(nullable)]
    phone_app_version: Option<String>,
    /// `microsoftAuthenticator` or `outlookMobile`.
    #[oai(nullable)]
    client_app_name: Option<String>,
    created_date_time: String,
    /// When its user last confirmed with it.
    #[oai(nullable)]
    last_used_date_time: Option<String>,
}

impl From<Stored<MicrosoftAuthenticator>> for MicrosoftAuthenticatorView {
    fn from(Stored { row, detail }: Stored<MicrosoftAuthenticator>) -> Self {
        Self {
            id: row.method_id.into_string(),
            display_name: detail.display_name,
            device_tag: detail.device_tag,
            phone_app_version: detail.phone_app_version,
            client_app_name: detail.client_app_name,
            created_date_time: row.created_at.to_iso(),
            last_used_date_time: row.last_used_at.map(|at| at.to_iso()),
        }
    }
}

/// The app to register. Everything may be left out.
#[derive(Object)]
#[oai(rename = "MicrosoftAuthenticatorRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct RegisterBody {
    /// What to call the device, instead of the name that it gives itself; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: Option<String>,
}

impl Example for RegisterBody {
    fn example() -> Self {
        Self { display_name: Some("Work phone".into()) }
    }
}

/// A registration that waits for its app. The code is never shown again.
#[derive(Object)]
#[oai(rename = "PendingMicrosoftAuthenticatorAuthenticationMethod", rename_all = "camelCase")]
struct PendingView {
    /// The id that the method has once the app is activated; until then it is not there.
    id: String,
    #[oai(nullable)]
    display_name: Option<String>,
    /// `pending`.
    status: String,
    /// For typing into the app; good once.
    activation_code: String,
    /// For the app to open: this server's address, and the code.
    activation_uri: String,
    /// `activationUri` for the app to scan: a PNG as a `data:` URI, good for the `src` of an image.
    qr_code: String,
    created_date_time: String,
    /// When the registration ends unless the app was activated before.
    expiration_date_time: String,
}

impl From<(PendingApp, String)> for PendingView {
    fn from((app, qr_code): (PendingApp, String)) -> Self {
        Self {
            id: app.id.into_string(),
            display_name: app.display_name,
            status: "pending".into(),
            activation_code: app.activation_code,
            activation_uri: app.activation_uri,
            qr_code,
            created_date_time: app.created_date_time.to_iso(),
            expiration_date_time: app.expiration_date_time.to_iso(),
        }
    }
}

pub struct MicrosoftAuthenticatorApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl MicrosoftAuthenticatorApi {
    /// List the authenticator apps of a user
    ///
    /// Needs the permission `UserAuthMethod-MicrosoftAuthApp.Read.All` or `UserAuthenticationMethod.Read.All`, or the
    /// role Global Reader or Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/microsoftAuthenticatorMethods",
        method = "get",
        operation_id = "listMicrosoftAuthenticatorMethods"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<MicrosoftAuthenticatorView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found =
            self.0.read(guard.0, move |tx, caller| manage::list::<MicrosoftAuthenticator>(tx, caller, &user)).await?;
        Ok(page(&self.0, &info, found, COLLECTION))
    }

    /// Register an authenticator app
    ///
    /// Begins a registration and shows its activation code in this answer, once. The user scans `qrCode` with the app,
    /// or types the code and this server's address; the app then activates itself (`authenticatorDevices/activate`) and
    /// the method is there. The code is good once and for 10 minutes; only the newest of a user counts. A user has at
    /// most 5 OATH tokens and authenticator apps in total. When an administrator begins it, it does not answer a reset's
    /// demand that the user registers again. Needs the permission `UserAuthMethod-MicrosoftAuthApp.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator (Privileged Authentication
    /// Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/microsoftAuthenticatorMethods",
        method = "post",
        operation_id = "createMicrosoftAuthenticatorMethod"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<Option<RegisterBody>>,
    ) -> Result<Created<PendingView>, Problem> {
        refuse_other_options(&info, &[])?;
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let (name, url) = (body.0.and_then(|body| body.display_name), self.0.issuer.public_url.clone());
        let write = self
            .0
            .write(guard.0, attempt, move |tx, caller| activation::begin(tx, caller, &url, &user, name.as_deref()));
        let pending = write.await?;
        let (id, qr_code) = (pending.found.id.to_string(), qr::data_uri(&pending.found.activation_uri)?);
        Ok(created(&self.0, &info, pending.map(|app| (app, qr_code)), COLLECTION, &id))
    }

    /// Get an authenticator app of a user
    ///
    /// Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/microsoftAuthenticatorMethods/:id",
        method = "get",
        operation_id = "getMicrosoftAuthenticatorMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::microsoft_authenticator")]
        id: Path<String>,
    ) -> Result<Json<Entity<MicrosoftAuthenticatorView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self
            .0
            .read(guard.0, move |tx, caller| manage::get::<MicrosoftAuthenticator>(tx, caller, &user, &id))
            .await?;
        Ok(entity(&self.0, &info, found, COLLECTION))
    }

    /// Delete an authenticator app of a user
    ///
    /// The default method may be deleted too: the default moves to what is left. Needs the permission
    /// `UserAuthMethod-MicrosoftAuthApp.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication
    /// Administrator (Privileged Authentication Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/microsoftAuthenticatorMethods/:id",
        method = "delete",
        operation_id = "deleteMicrosoftAuthenticatorMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::microsoft_authenticator")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::MicrosoftAuthenticator, user.0, id.0).await
    }
}
