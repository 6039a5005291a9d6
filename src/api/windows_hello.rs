//! `windowsHelloForBusinessMethods`. What they share with platform credentials stands there.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::{Example, MaybeUndefined},
};

use super::{
    Tag, examples,
    fido2::{CreationOptionsView, CredentialBody},
    guard::Guard,
    intake::RequestInfo,
    methods::{delete, entity, page},
    odata::{Created, Entity, NoContent, Page, refuse_other_options},
    platform_credential::{
        DeviceBody, DeviceView, KeyStrengthName, create, creation_options, device_view, is_expanded,
    },
    problem::Problem,
    strict_json::text,
};
use crate::{
    access::Caller,
    app::App,
    methods::{
        MethodKind, Stored, manage,
        platform_credential::{KeyEntry, NewPlatformKey, WindowsHello},
    },
    store::Tx,
};

const COLLECTION: &str = "windowsHelloForBusinessMethods";

/// A key of Windows Hello for Business.
#[derive(Debug, Object)]
#[oai(rename = "WindowsHelloForBusinessAuthenticationMethod", rename_all = "camelCase")]
pub struct WindowsHelloView {
    id: String,
    /// The device's name.
    display_name: String,
    created_date_time: String,
    #[oai(nullable)]
    last_used_date_time: Option<String>,
    /// `normal`, `weak` or `unknown`, as whoever registered it said.
    key_strength: String,
    /// Only with `$expand=device`; null when nobody said which device it is.
    #[oai(nullable)]
    device: MaybeUndefined<DeviceView>,
}

impl From<KeyEntry<WindowsHello>> for WindowsHelloView {
    fn from(KeyEntry { id, created_at, last_used_at, detail }: KeyEntry<WindowsHello>) -> Self {
        Self {
            id: id.into_string(),
            display_name: detail.key.display_name,
            created_date_time: created_at.to_iso(),
            last_used_date_time: last_used_at.map(|at| at.to_iso()),
            key_strength: detail.key.key_strength.as_str().into(),
            device: MaybeUndefined::Undefined,
        }
    }
}

impl From<Stored<WindowsHello>> for WindowsHelloView {
    fn from(stored: Stored<WindowsHello>) -> Self {
        KeyEntry::from(stored).into()
    }
}

/// A key of Windows Hello for Business to register.
#[derive(Object)]
#[oai(rename = "WindowsHelloForBusinessRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct WindowsHelloBody {
    /// The device's name; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: String,
    /// Default: unknown.
    key_strength: Option<KeyStrengthName>,
    device: Option<DeviceBody>,
    public_key_credential: CredentialBody,
}

impl Example for WindowsHelloBody {
    fn example() -> Self {
        Self {
            display_name: "Adele's laptop".into(),
            key_strength: Some(KeyStrengthName::Normal),
            device: Some(DeviceBody {
                id: "6a59ea83-02bd-468f-a40b-f2c3d1821983".into(),
                display_name: Some("ADELE-LAPTOP".into()),
            }),
            public_key_credential: CredentialBody::of_platform(),
        }
    }
}

impl From<WindowsHelloBody> for NewPlatformKey {
    fn from(body: WindowsHelloBody) -> Self {
        Self {
            display_name: body.display_name,
            key_strength: body.key_strength.map(Into::into),
            device: body.device.map(Into::into),
            platform: None,
            credential: body.public_key_credential.into(),
        }
    }
}

pub struct WindowsHelloApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl WindowsHelloApi {
    /// List the Windows Hello for Business keys of a user
    ///
    /// Needs the permission `UserAuthMethod-WindowsHello.Read.All` or `UserAuthenticationMethod.Read.All`, or the role
    /// Global Reader or Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/windowsHelloForBusinessMethods",
        method = "get",
        operation_id = "listWindowsHelloForBusinessMethods"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<WindowsHelloView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| manage::list::<WindowsHello>(tx, caller, &user);
        Ok(page(&self.0, &info, self.0.read(guard.0, read).await?, COLLECTION))
    }

    /// Get options to create a Windows Hello for Business key
    ///
    /// Begins the registration of a key of the device's own authenticator: give `publicKey` to the browser on the
    /// device, and what it made to `POST windowsHelloForBusinessMethods` within five minutes, once. Needs the same
    /// permission or role as registering one.
    #[oai(
        path = "/v1.0/users/:user/authentication/windowsHelloForBusinessMethods/creationOptions",
        method = "get",
        operation_id = "getWindowsHelloForBusinessCreationOptions"
    )]
    async fn creation_options(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<CreationOptionsView>>, Problem> {
        creation_options::<WindowsHello>(&self.0, guard, &info, user.0).await
    }

    /// Register a Windows Hello for Business key
    ///
    /// Finishes what `creationOptions` began. Graph has no such operation: there, they come with devices that join. What
    /// is said of the device and of the strength of its key is kept as it is said; nothing proves it. Users register
    /// their own while the tenant's policy restricts no passkeys (neither attestation nor models nor self-service). A
    /// user has at most 10. Needs the permission `UserAuthMethod-WindowsHello.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator (Privileged Authentication
    /// Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/windowsHelloForBusinessMethods",
        method = "post",
        operation_id = "createWindowsHelloForBusinessMethod"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<WindowsHelloBody>,
    ) -> Result<Created<WindowsHelloView>, Problem> {
        create::<WindowsHello, _>(&self.0, guard, &info, user.0, COLLECTION, body.0.into()).await
    }

    /// Get a Windows Hello for Business key of a user
    ///
    /// With its device when `$expand=device` asks for it. Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/windowsHelloForBusinessMethods/:id",
        method = "get",
        operation_id = "getWindowsHelloForBusinessMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::windows_hello")]
        id: Path<String>,
        /// `device`
        #[oai(name = "$expand", example = "examples::expand_device")]
        expand: Query<Option<String>>,
    ) -> Result<Json<Entity<WindowsHelloView>>, Problem> {
        let is_expanded = is_expanded(&info, expand.0.as_deref())?;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| manage::get::<WindowsHello>(tx, caller, &user, &id);
        let view = self.0.read(guard.0, read).await?.map(|stored| {
            let device = if is_expanded { device_view(stored.detail.key.device.clone()) } else { Default::default() };
            WindowsHelloView { device, ..stored.into() }
        });
        Ok(entity(&self.0, &info, view, COLLECTION))
    }

    /// Delete a Windows Hello for Business key of a user
    ///
    /// Needs the same permission or role as registering one.
    #[oai(
        path = "/v1.0/users/:user/authentication/windowsHelloForBusinessMethods/:id",
        method = "delete",
        operation_id = "deleteWindowsHelloForBusinessMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::windows_hello")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::WindowsHelloForBusiness, user.0, id.0).await
    }
}
