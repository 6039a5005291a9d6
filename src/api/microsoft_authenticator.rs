//! `microsoftAuthenticatorMethods`.

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
    methods::{MethodKind, Stored, manage, microsoft_authenticator::MicrosoftAuthenticator},
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
