//! `fido2Methods`.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::{Any, Example},
};
use serde_json::Value;

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
        MethodKind, Stored,
        fido2::{self, CreationOptions, Fido2, Fido2Entry, NewCredential, NewPasskey},
        manage,
    },
};

const COLLECTION: &str = "fido2Methods";

/// A passkey.
#[derive(Debug, Object)]
#[oai(rename = "Fido2AuthenticationMethod", rename_all = "camelCase")]
pub struct Fido2View {
    id: String,
    display_name: String,
    created_date_time: String,
    #[oai(nullable)]
    last_used_date_time: Option<String>,
    /// The authenticator model's GUID, as the authenticator says.
    #[oai(nullable)]
    aa_guid: Option<String>,
    #[oai(nullable)]
    model: Option<String>,
    /// Thumbprints of the attestation certificates: SHA-1 in lower-case hexadecimal.
    attestation_certificates: Vec<String>,
    /// `attested` when a certificate chain up to an attestation root of this server vouches for the authenticator,
    /// otherwise `notAttested`.
    attestation_level: String,
    /// `deviceBound` or `synced`.
    passkey_type: String,
}

impl From<Stored<Fido2>> for Fido2View {
    fn from(passkey: Stored<Fido2>) -> Self {
        Fido2Entry::from(passkey).into()
    }
}

impl From<Fido2Entry> for Fido2View {
    fn from(Fido2Entry { id, created_at, last_used_at, detail }: Fido2Entry) -> Self {
        Self {
            id: id.into_string(),
            display_name: detail.display_name,
            created_date_time: created_at.to_iso(),
            last_used_date_time: last_used_at.map(|at| at.to_iso()),
            aa_guid: detail.aa_guid,
            model: detail.model,
            attestation_certificates: detail.attestation_certificates,
            attestation_level: detail.attestation_level,
            passkey_type: detail.passkey_type,
        }
    }
}

/// What a browser needs to make a passkey.
#[derive(Object)]
#[oai(rename = "WebauthnCredentialCreationOptions", rename_all = "camelCase")]
pub struct CreationOptionsView {
    /// Until when the passkey may be registered.
    challenge_timeout_date_time: String,
    /// WebAuthn's `PublicKeyCredentialCreationOptionsJSON`: give it to
    /// `PublicKeyCredential.parseCreationOptionsFromJSON`, and the result to `navigator.credentials.create`.
    public_key: Any<Value>,
}

impl From<CreationOptions> for CreationOptionsView {
    fn from(options: CreationOptions) -> Self {
        Self { challenge_timeout_date_time: options.challenge_expires_at.to_iso(), public_key: Any(options.public_key) }
    }
}

/// What the authenticator made. Everything is base64url without padding.
#[derive(Object)]
#[oai(rename = "WebauthnAuthenticatorAttestationResponse", rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "browsers send more than is read")]
pub struct AttestationResponseBody {
    #[oai(rename = "clientDataJSON", validator(max_length = 8192), deserialize_with = "text")]
    client_data_json: String,
    #[oai(validator(max_length = 32768), deserialize_with = "text")]
    attestation_object: String,
    /// Browsers send it; it repeats a part of the attestationObject and is not read.
    authenticator_data: Option<Any<Value>>,
    /// Browsers send it; not read.
    transports: Option<Any<Value>>,
    /// Browsers send it; not read.
    public_key: Option<Any<Value>>,
    /// Browsers send it; not read.
    public_key_algorithm: Option<Any<Value>>,
}

/// A new credential: WebAuthn's `RegistrationResponseJSON`, as `toJSON()` of what `navigator.credentials.create`
/// returns.
#[derive(Object)]
#[oai(rename = "WebauthnPublicKeyCredential", rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "browsers send more than is read")]
pub struct CredentialBody {
    /// The credential's id, base64url without padding.
    #[oai(validator(max_length = 1368), deserialize_with = "text")]
    id: String,
    response: AttestationResponseBody,
    /// Not read: nothing that Rekey needs to know is unsigned.
    client_extension_results: Option<Any<Value>>,
    /// Browsers send it; it repeats the id and is not read.
    raw_id: Option<Any<Value>>,
    /// Browsers send it; not read.
    #[oai(rename = "type")]
    credential_type: Option<Any<Value>>,
    /// `platform` or `cross-platform`; of what a device registers for itself it must be `platform`.
    authenticator_attachment: Option<Any<Value>>,
}

/// A passkey to register.
#[derive(Object)]
#[oai(rename = "Fido2AuthenticationMethodRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct Fido2Body {
    /// What the user and administrators recognize it by; at most 256 characters. Default: the authenticator's model.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: Option<String>,
    public_key_credential: CredentialBody,
}

impl CredentialBody {
    /// A credential that shows the form.
    fn shown() -> Self {
        let response = AttestationResponseBody {
            client_data_json: examples::CLIENT_DATA.into(),
            attestation_object: examples::ATTESTATION_OBJECT.into(),
            authenticator_data: None,
            transports: None,
            public_key: None,
            public_key_algorithm: None,
        };
        Self {
            id: examples::CREDENTIAL_ID.into(),
            response,
            client_extension_results: None,
            raw_id: None,
            credential_type: None,
            authenticator_attachment: None,
        }
    }

    /// The same of a device's own authenticator.
    pub fn of_platform() -> Self {
        Self { authenticator_attachment: Some(Any("platform".into())), ..Self::shown() }
    }
}

impl From<CredentialBody> for NewCredential {
    fn from(CredentialBody { id, response, authenticator_attachment, .. }: CredentialBody) -> Self {
        let AttestationResponseBody { client_data_json, attestation_object, .. } = response;
        let attachment = authenticator_attachment.and_then(|Any(said)| said.as_str().map(str::to_owned));
        Self { id, client_data_json, attestation_object, attachment }
    }
}

impl Example for Fido2Body {
    fn example() -> Self {
        Self { display_name: Some("Blue security key".into()), public_key_credential: CredentialBody::shown() }
    }
}

impl From<Fido2Body> for NewPasskey {
    fn from(body: Fido2Body) -> Self {
        Self { display_name: body.display_name, credential: body.public_key_credential.into() }
    }
}

pub struct Fido2Api(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl Fido2Api {
    /// List the passkeys of a user
    ///
    /// Needs the permission `UserAuthMethod-Passkey.Read.All` or `UserAuthenticationMethod.Read.All`, or the
    /// role Global Reader or Authentication Administrator.
    #[oai(path = "/v1.0/users/:user/authentication/fido2Methods", method = "get", operation_id = "listFido2Methods")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<Fido2View>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| manage::list::<Fido2>(tx, caller, &user)).await?;
        Ok(page(&self.0, &info, found, COLLECTION))
    }

    /// Get options to create a passkey
    ///
    /// Begins the registration of a passkey: give `publicKey` to the user's browser, and what the authenticator made of
    /// it to `POST fido2Methods` before `challengeTimeoutDateTime`, once. Graph's spellings `creationOptions()` and
    /// `creationOptions(challengeTimeoutInMinutes=10)` are answered too. Needs the permission
    /// `UserAuthMethod-Passkey.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication
    /// Administrator (Privileged Authentication Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/fido2Methods/creationOptions",
        method = "get",
        operation_id = "getFido2CreationOptions"
    )]
    async fn creation_options(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// How long the registration may take: 5 (default) to 43200 minutes. Only administrators choose.
        #[oai(name = "challengeTimeoutInMinutes")]
        minutes: Query<Option<i64>>,
    ) -> Result<Json<Entity<CreationOptionsView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let party = self.0.relying_party.clone();
        let attempt = Attempt::on_user(Activity::START_REGISTRATION, &user);
        let write = self
            .0
            .write(guard.0, attempt, move |tx, caller| fido2::creation_options(tx, &party, caller, &user, minutes.0));
        let context = self.0.context(&info, "microsoft.graph.webauthnCredentialCreationOptions");
        Ok(Json(Entity::new(context, write.await?.into())))
    }

    /// Register a passkey
    ///
    /// Finishes what `creationOptions` began. User verification is required, attestations of the formats none and
    /// packed are taken, and a user has at most 10 passkeys. The tenant's policy may demand attestation or restrict the
    /// models (AAGUIDs). When the user registers it, this answers the demand to register. Needs the permission
    /// `UserAuthMethod-Passkey.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication
    /// Administrator (Privileged Authentication Administrator for administrators).
    #[oai(path = "/v1.0/users/:user/authentication/fido2Methods", method = "post", operation_id = "createFido2Method")]
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
        body: Json<Fido2Body>,
    ) -> Result<Created<Fido2View>, Problem> {
        refuse_other_options(&info, &[])?;
        let new = NewPasskey::from(body.0);
        let party = self.0.relying_party.clone();
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let write = self.0.write(guard.0, attempt, move |tx, caller| fido2::register(tx, &party, caller, &user, &new));
        let made = write.await?;
        let id = made.found.id.to_string();
        Ok(created(&self.0, &info, made, COLLECTION, &id))
    }

    /// Get a passkey of a user
    ///
    /// Needs the same permission or role as the list.
    #[oai(path = "/v1.0/users/:user/authentication/fido2Methods/:id", method = "get", operation_id = "getFido2Method")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::fido2")]
        id: Path<String>,
    ) -> Result<Json<Entity<Fido2View>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| manage::get::<Fido2>(tx, caller, &user, &id)).await?;
        Ok(entity(&self.0, &info, found, COLLECTION))
    }

    /// Delete a passkey of a user
    ///
    /// The default method may be deleted too: the default moves to what is left. Needs the permission
    /// `UserAuthMethod-Passkey.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication
    /// Administrator (Privileged Authentication Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/fido2Methods/:id",
        method = "delete",
        operation_id = "deleteFido2Method"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::fido2")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::Fido2, user.0, id.0).await
    }
}
