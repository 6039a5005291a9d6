//! `softwareOathMethods`.

use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, NoContent, Page, authentication_context, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    error::Error,
    methods::{
        MethodKind, Stored, manage,
        oath::HashFunction,
        qr,
        software_oath::{self, NewSoftwareOath, SoftwareOath, SoftwareOathRequest},
    },
};

/// A software OATH token: a secret in an authenticator app.
#[derive(Debug, Object)]
#[oai(rename = "SoftwareOathAuthenticationMethod", rename_all = "camelCase")]
pub struct SoftwareOathView {
    pub id: String,
    #[oai(nullable)]
    pub display_name: Option<String>,
    /// Always null: the secret is shown once, when the token is created.
    #[oai(nullable)]
    pub secret_key: Option<String>,
    pub created_date_time: String,
    #[oai(nullable)]
    pub last_used_date_time: Option<String>,
    /// `pending` until the first code was verified, then `activated`.
    pub status: String,
    /// `hmacsha1`, `hmacsha256` or `hmacsha512`.
    pub hash_function: String,
    /// Digits of a code.
    pub digits: u8,
    pub time_interval_in_seconds: u8,
}

impl From<Stored<SoftwareOath>> for SoftwareOathView {
    fn from(token: Stored<SoftwareOath>) -> Self {
        Self {
            id: token.row.method_id.into_string(),
            display_name: token.detail.display_name,
            secret_key: None,
            created_date_time: token.row.created_at.to_iso(),
            last_used_date_time: token.row.last_used_at.map(|at| at.to_iso()),
            status: if token.row.pending_until.is_some() { "pending" } else { "activated" }.into(),
            hash_function: token.detail.hash_function.as_str().into(),
            digits: token.detail.digits,
            time_interval_in_seconds: token.detail.time_interval_in_seconds,
        }
    }
}

/// The hash of a token's codes (RFC 6238 section 1.2). Some authenticator apps know only `hmacsha1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "SoftwareOathHashFunction")]
enum HashChoice {
    #[oai(rename = "hmacsha1")]
    Sha1,
    #[oai(rename = "hmacsha256")]
    Sha256,
    #[oai(rename = "hmacsha512")]
    Sha512,
}

impl From<HashChoice> for HashFunction {
    fn from(choice: HashChoice) -> Self {
        match choice {
            HashChoice::Sha1 => Self::Sha1,
            HashChoice::Sha256 => Self::Sha256,
            HashChoice::Sha512 => Self::Sha512,
        }
    }
}

/// The token to create. Everything may be left out.
#[derive(Debug, Object)]
#[oai(rename = "SoftwareOathRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct SoftwareOathBody {
    /// What the user and administrators recognize it by; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: Option<String>,
    /// Default: hmacsha1, which every authenticator app knows.
    hash_function: Option<HashChoice>,
    /// Digits of a code: 6 (default) or 8.
    digits: Option<u8>,
    /// 30 (default) or 60.
    time_interval_in_seconds: Option<u8>,
}

impl Example for SoftwareOathBody {
    fn example() -> Self {
        Self {
            display_name: Some("Authenticator app".into()),
            hash_function: Some(HashChoice::Sha1),
            digits: Some(6),
            time_interval_in_seconds: Some(30),
        }
    }
}

impl From<SoftwareOathBody> for SoftwareOathRequest {
    fn from(body: SoftwareOathBody) -> Self {
        Self {
            display_name: body.display_name,
            hash_function: body.hash_function.map(Into::into),
            digits: body.digits,
            time_interval_in_seconds: body.time_interval_in_seconds,
        }
    }
}

/// A code from the authenticator app.
#[derive(Object)]
#[oai(rename = "SoftwareOathActivation", rename_all = "camelCase", deny_unknown_fields, example)]
struct ActivateBody {
    /// The code that the app shows now.
    #[oai(validator(max_length = 16), deserialize_with = "text")]
    verification_code: String,
}

impl Example for ActivateBody {
    fn example() -> Self {
        Self { verification_code: "123456".into() }
    }
}

/// A new token with its secret, which is never shown again.
#[derive(Object)]
#[oai(rename = "NewSoftwareOathAuthenticationMethod", rename_all = "camelCase")]
struct NewSoftwareOathView {
    id: String,
    #[oai(nullable)]
    display_name: Option<String>,
    /// Base32; for typing into an authenticator app.
    secret_key: String,
    /// What the QR code says.
    otpauth_uri: String,
    /// For scanning with an authenticator app: a PNG as a `data:` URI, good for the `src` of an image.
    qr_code: String,
    created_date_time: String,
    /// `pending` until a code is verified.
    status: String,
    hash_function: String,
    digits: u8,
    time_interval_in_seconds: u8,
    /// When the registration ends unless a code is verified before.
    expiration_date_time: String,
}

impl TryFrom<NewSoftwareOath> for NewSoftwareOathView {
    type Error = Error;

    fn try_from(token: NewSoftwareOath) -> Result<Self, Error> {
        Ok(Self {
            qr_code: qr::data_uri(&token.otpauth_uri)?,
            id: token.id.into_string(),
            display_name: token.detail.display_name,
            secret_key: token.secret_key,
            otpauth_uri: token.otpauth_uri,
            created_date_time: token.created_date_time.to_iso(),
            status: "pending".into(),
            hash_function: token.detail.hash_function.as_str().into(),
            digits: token.detail.digits,
            time_interval_in_seconds: token.detail.time_interval_in_seconds,
            expiration_date_time: token.expiration_date_time.to_iso(),
        })
    }
}

#[derive(ApiResponse)]
enum Created {
    /// The token is registered once a code is verified by `activate`.
    #[oai(status = 201)]
    Token(
        Json<Entity<NewSoftwareOathView>>,
        /// The address of the new token.
        #[oai(header = "Location")]
        String,
    ),
}

pub struct SoftwareOathApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl SoftwareOathApi {
    /// List software OATH tokens
    ///
    /// The software OATH tokens (authenticator apps that show codes) of a user, unfinished registrations included.
    /// Secrets are never shown. Needs the permission `UserAuthMethod-SoftwareOATH.Read.All` or
    /// `UserAuthenticationMethod.Read.All`, or the role Global Reader or Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/softwareOathMethods",
        method = "get",
        operation_id = "listSoftwareOathMethods"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<SoftwareOathView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let tokens = self.0.read(guard.0, move |tx, caller| manage::list::<SoftwareOath>(tx, caller, &user)).await?;
        let context = self.0.context(&info, &authentication_context(tokens.user_id.as_str(), "softwareOathMethods"));
        Ok(Json(Page::whole(context, tokens.found.into_iter().map(Into::into).collect())))
    }

    /// Create a software OATH token
    ///
    /// Makes a secret for a user's authenticator app and shows it in this answer, once. Show `qrCode` to the user,
    /// or give `secretKey` to type in; then send the app's first code to `activate`. Without that the
    /// registration ends after 10 minutes. A user has at most 5 OATH tokens and authenticator apps in total. This does
    /// not answer a reset's demand that the user registers again. Needs the permission
    /// `UserAuthMethod-SoftwareOATH.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator (Privileged Authentication Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/softwareOathMethods",
        method = "post",
        operation_id = "createSoftwareOathMethod"
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
        body: Json<Option<SoftwareOathBody>>,
    ) -> Result<Created, Problem> {
        let request = body.0.map(SoftwareOathRequest::from).unwrap_or_default();
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let write =
            self.0.write(guard.0, attempt, move |tx, caller| software_oath::create(tx, caller, &user, &request));
        let token = write.await?;
        let user = token.user_id.as_str();
        let location = self.0.url(&info, &format!("/users/{user}/authentication/softwareOathMethods/{}", token.id));
        let context = self.0.context(&info, &authentication_context(user, "softwareOathMethods/$entity"));
        Ok(Created::Token(Json(Entity::new(context, token.try_into()?)), location))
    }

    /// Get a software OATH token
    ///
    /// One software OATH token of a user, without its secret. Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/softwareOathMethods/:id",
        method = "get",
        operation_id = "getSoftwareOathMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::software_oath")]
        id: Path<String>,
    ) -> Result<Json<Entity<SoftwareOathView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let token = self.0.read(guard.0, move |tx, caller| manage::get::<SoftwareOath>(tx, caller, &user, &id)).await?;
        let what = authentication_context(token.user_id.as_str(), "softwareOathMethods/$entity");
        Ok(Json(Entity::new(self.0.context(&info, &what), token.found.into())))
    }

    /// Delete a software OATH token
    ///
    /// Takes a software OATH token (or its unfinished registration) away from a user; its codes are worth nothing from
    /// now on. Needs the permission `UserAuthMethod-SoftwareOATH.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/softwareOathMethods/:id",
        method = "delete",
        operation_id = "deleteSoftwareOathMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::software_oath")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::DELETE_METHOD, &user);
        let kind = MethodKind::SoftwareOath;
        self.0.write(guard.0, attempt, move |tx, caller| manage::delete(tx, caller, &user, kind, &id)).await?;
        Ok(NoContent::Done)
    }

    /// Activate a software OATH token
    ///
    /// Finishes the registration with the code that the user's authenticator app shows (the one before or after is
    /// accepted too). A wrong code is answered 400 and counted: after 10 of them the registration ends. A token that
    /// is activated already is answered 409. Needs the permission `UserAuthMethod-SoftwareOATH.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/softwareOathMethods/:id/activate",
        method = "post",
        operation_id = "activateSoftwareOathMethod"
    )]
    async fn activate(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::pending_software_oath")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<ActivateBody>,
    ) -> Result<NoContent, Problem> {
        let code = body.0.verification_code;
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        let write =
            self.0.write(guard.0, attempt, move |tx, caller| software_oath::activate(tx, caller, &user, &id, &code));
        write.await?.into_result()?;
        Ok(NoContent::Done)
    }
}
