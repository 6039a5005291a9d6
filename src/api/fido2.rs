//! `fido2Methods`.

use poem_openapi::{Object, OpenApi, param::Path, payload::Json};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{delete, entity, page},
    odata::{Entity, NoContent, Page, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::App,
    methods::{MethodKind, Stored, fido2::Fido2, manage},
};

const COLLECTION: &str = "fido2Methods";

/// A passkey.
#[derive(Debug, Object)]
#[oai(rename = "Fido2AuthenticationMethod", rename_all = "camelCase")]
pub struct Fido2View {
    id: String,
    display_name: String,
    created_date_time: String,
    /// The authenticator model's GUID.
    #[oai(nullable)]
    aa_guid: Option<String>,
    #[oai(nullable)]
    model: Option<String>,
    /// Thumbprints of the attestation certificates.
    attestation_certificates: Vec<String>,
    /// `attested` or `notAttested`.
    attestation_level: String,
    /// `deviceBound` or `synced`.
    passkey_type: String,
}

impl From<Stored<Fido2>> for Fido2View {
    fn from(Stored { row, detail }: Stored<Fido2>) -> Self {
        Self {
            id: row.method_id.into_string(),
            display_name: detail.display_name,
            created_date_time: row.created_at.to_iso(),
            aa_guid: detail.aa_guid,
            model: detail.model,
            attestation_certificates: detail.attestation_certificates,
            attestation_level: detail.attestation_level,
            passkey_type: detail.passkey_type,
        }
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
