//! `platformCredentialMethods`, and what they have in common with `windowsHelloForBusinessMethods`: keys that a device
//! keeps for its user.

use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::{Example, MaybeUndefined, ParseFromJSON, ToJSON},
};

use super::{
    Tag, examples,
    fido2::{CreationOptionsView, CredentialBody},
    guard::Guard,
    intake::RequestInfo,
    methods::{created, delete, entity, page},
    odata::{Created, Entity, NoContent, Page, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    error::{Error, Result},
    methods::{
        MethodKind, Stored, manage,
        platform_credential::{
            self, DeviceBound, KeyDevice, KeyEntry, KeyStrength, NewPlatformKey, Platform, PlatformCredential,
        },
    },
    store::Tx,
};

const COLLECTION: &str = "platformCredentialMethods";
/// What a single method may be asked for with.
const EXPAND: &str = "$expand";

/// How well a key is kept, as whoever registered it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "AuthenticationMethodKeyStrength", rename_all = "camelCase")]
pub enum KeyStrengthName {
    Normal,
    Weak,
    Unknown,
}

impl From<KeyStrengthName> for KeyStrength {
    fn from(name: KeyStrengthName) -> Self {
        match name {
            KeyStrengthName::Normal => Self::Normal,
            KeyStrengthName::Weak => Self::Weak,
            KeyStrengthName::Unknown => Self::Unknown,
        }
    }
}

/// What a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "AuthenticationMethodPlatform", rename_all = "camelCase")]
enum PlatformName {
    Unknown,
    Windows,
    #[oai(rename = "macOS")]
    MacOs,
    #[oai(rename = "iOS")]
    Ios,
    Android,
    Linux,
}

impl From<PlatformName> for Platform {
    fn from(name: PlatformName) -> Self {
        match name {
            PlatformName::Unknown => Self::Unknown,
            PlatformName::Windows => Self::Windows,
            PlatformName::MacOs => Self::MacOs,
            PlatformName::Ios => Self::Ios,
            PlatformName::Android => Self::Android,
            PlatformName::Linux => Self::Linux,
        }
    }
}

/// The device that keeps a key, as whoever manages devices knows it.
#[derive(Debug, Object)]
#[oai(rename = "KeyDevice", rename_all = "camelCase")]
pub struct DeviceView {
    id: String,
    #[oai(nullable)]
    display_name: Option<String>,
}

/// The device of a key, shown to whoever expands it; null when nobody said which it is.
pub fn device_view(device: Option<KeyDevice>) -> MaybeUndefined<DeviceView> {
    match device {
        Some(KeyDevice { id, display_name }) => MaybeUndefined::Value(DeviceView { id, display_name }),
        None => MaybeUndefined::Null,
    }
}

/// The device that keeps the key.
#[derive(Debug, Object)]
#[oai(rename = "KeyDeviceRequest", rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceBody {
    /// At most 64 characters.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub id: String,
    /// At most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    pub display_name: Option<String>,
}

impl From<DeviceBody> for KeyDevice {
    fn from(DeviceBody { id, display_name }: DeviceBody) -> Self {
        Self { id, display_name }
    }
}

/// A platform credential.
#[derive(Debug, Object)]
#[oai(rename = "PlatformCredentialAuthenticationMethod", rename_all = "camelCase")]
pub struct PlatformCredentialView {
    id: String,
    /// The device's name.
    display_name: String,
    created_date_time: String,
    #[oai(nullable)]
    last_used_date_time: Option<String>,
    /// `normal`, `weak` or `unknown`, as whoever registered it said.
    key_strength: String,
    /// `unknown`, `windows`, `macOS`, `iOS`, `android` or `linux`.
    platform: String,
    /// Only with `$expand=device`; null when nobody said which device it is.
    #[oai(nullable)]
    device: MaybeUndefined<DeviceView>,
}

impl From<KeyEntry<PlatformCredential>> for PlatformCredentialView {
    fn from(KeyEntry { id, created_at, last_used_at, detail }: KeyEntry<PlatformCredential>) -> Self {
        Self {
            id: id.into_string(),
            display_name: detail.key.display_name,
            created_date_time: created_at.to_iso(),
            last_used_date_time: last_used_at.map(|at| at.to_iso()),
            key_strength: detail.key.key_strength.as_str().into(),
            platform: detail.platform.as_str().into(),
            device: MaybeUndefined::Undefined,
        }
    }
}

impl From<Stored<PlatformCredential>> for PlatformCredentialView {
    fn from(stored: Stored<PlatformCredential>) -> Self {
        KeyEntry::from(stored).into()
    }
}

/// A platform credential to register.
#[derive(Object)]
#[oai(rename = "PlatformCredentialRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct PlatformCredentialBody {
    /// The device's name; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: String,
    /// Default: unknown.
    key_strength: Option<KeyStrengthName>,
    /// Default: unknown.
    platform: Option<PlatformName>,
    device: Option<DeviceBody>,
    public_key_credential: CredentialBody,
}

impl Example for PlatformCredentialBody {
    fn example() -> Self {
        Self {
            display_name: "Adele's MacBook".into(),
            key_strength: Some(KeyStrengthName::Normal),
            platform: Some(PlatformName::MacOs),
            device: Some(DeviceBody {
                id: "0b1fd1b5-51a7-4c4f-a7cf-6a4a2f0b3d11".into(),
                display_name: Some("ADELE-MAC".into()),
            }),
            public_key_credential: CredentialBody::of_platform(),
        }
    }
}

impl From<PlatformCredentialBody> for NewPlatformKey {
    fn from(body: PlatformCredentialBody) -> Self {
        Self {
            display_name: body.display_name,
            key_strength: body.key_strength.map(Into::into),
            device: body.device.map(Into::into),
            platform: body.platform.map(Into::into),
            credential: body.public_key_credential.into(),
        }
    }
}

/// Whether the device is asked for, by the only value that `$expand` has here.
pub fn is_expanded(info: &RequestInfo, expand: Option<&str>) -> Result<bool> {
    refuse_other_options(info, &[EXPAND])?;
    match expand {
        None => Ok(false),
        Some("device") => Ok(true),
        Some(_) => Err(Error::invalid(EXPAND, "$expand is device here.")),
    }
}

/// Begins the registration of a key of one of the kinds.
pub async fn creation_options<D: DeviceBound + Send + 'static>(
    app: &App,
    guard: Guard,
    info: &RequestInfo,
    user: String,
) -> Result<Json<Entity<CreationOptionsView>>, Problem> {
    refuse_other_options(info, &[])?;
    let party = app.relying_party.clone();
    let attempt = Attempt::on_user(Activity::START_REGISTRATION, &user);
    let write =
        move |tx: &mut Tx<'_>, caller: &Caller| platform_credential::creation_options::<D>(tx, &party, caller, &user);
    let options = app.write(guard.0, attempt, write).await?;
    let context = app.context(info, "microsoft.graph.webauthnCredentialCreationOptions");
    Ok(Json(Entity::new(context, options.into())))
}

/// Registers a key of one of the kinds.
pub async fn create<D, V>(
    app: &App,
    guard: Guard,
    info: &RequestInfo,
    user: String,
    collection: &str,
    new: NewPlatformKey,
) -> Result<Created<V>, Problem>
where
    D: DeviceBound + Send + 'static,
    V: From<KeyEntry<D>> + ParseFromJSON + ToJSON + Send,
{
    refuse_other_options(info, &[])?;
    let party = app.relying_party.clone();
    let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
    let write =
        move |tx: &mut Tx<'_>, caller: &Caller| platform_credential::register::<D>(tx, &party, caller, &user, &new);
    let made = app.write(guard.0, attempt, write).await?;
    let id = made.found.id.to_string();
    Ok(created(app, info, made, collection, &id))
}

pub struct PlatformCredentialApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl PlatformCredentialApi {
    /// List the platform credentials of a user
    ///
    /// Needs the permission `UserAuthMethod-PlatformCred.Read.All` or `UserAuthenticationMethod.Read.All`, or the role
    /// Global Reader or Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/platformCredentialMethods",
        method = "get",
        operation_id = "listPlatformCredentialMethods"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<PlatformCredentialView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| manage::list::<PlatformCredential>(tx, caller, &user);
        Ok(page(&self.0, &info, self.0.read(guard.0, read).await?, COLLECTION))
    }

    /// Get options to create a platform credential
    ///
    /// Begins the registration of a key of the device's own authenticator: give `publicKey` to the browser on the
    /// device, and what it made to `POST platformCredentialMethods` within five minutes, once. Needs the same
    /// permission or role as registering one.
    #[oai(
        path = "/v1.0/users/:user/authentication/platformCredentialMethods/creationOptions",
        method = "get",
        operation_id = "getPlatformCredentialCreationOptions"
    )]
    async fn creation_options(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<CreationOptionsView>>, Problem> {
        creation_options::<PlatformCredential>(&self.0, guard, &info, user.0).await
    }

    /// Register a platform credential
    ///
    /// Finishes what `creationOptions` began. Graph has no such operation: there, they come with devices that join. What
    /// is said of the device and of the strength of its key is kept as it is said; nothing proves it. Users register
    /// their own while the tenant's policy restricts no passkeys (neither attestation nor models nor self-service). A
    /// user has at most 10. Needs the permission `UserAuthMethod-PlatformCred.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator (Privileged Authentication
    /// Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/platformCredentialMethods",
        method = "post",
        operation_id = "createPlatformCredentialMethod"
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
        body: Json<PlatformCredentialBody>,
    ) -> Result<Created<PlatformCredentialView>, Problem> {
        create::<PlatformCredential, _>(&self.0, guard, &info, user.0, COLLECTION, body.0.into()).await
    }

    /// Get a platform credential of a user
    ///
    /// With its device when `$expand=device` asks for it. Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/platformCredentialMethods/:id",
        method = "get",
        operation_id = "getPlatformCredentialMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::platform_credential")]
        id: Path<String>,
        /// `device`
        #[oai(name = "$expand", example = "examples::expand_device")]
        expand: Query<Option<String>>,
    ) -> Result<Json<Entity<PlatformCredentialView>>, Problem> {
        let is_expanded = is_expanded(&info, expand.0.as_deref())?;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| manage::get::<PlatformCredential>(tx, caller, &user, &id);
        let view = self.0.read(guard.0, read).await?.map(|stored| {
            let device = if is_expanded { device_view(stored.detail.key.device.clone()) } else { Default::default() };
            PlatformCredentialView { device, ..stored.into() }
        });
        Ok(entity(&self.0, &info, view, COLLECTION))
    }

    /// Delete a platform credential of a user
    ///
    /// Needs the same permission or role as registering one.
    #[oai(
        path = "/v1.0/users/:user/authentication/platformCredentialMethods/:id",
        method = "delete",
        operation_id = "deletePlatformCredentialMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::platform_credential")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::PlatformCredential, user.0, id.0).await
    }
}
