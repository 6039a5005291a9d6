//! `emailMethods`.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::{Example, MaybeUndefined},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{created, delete, entity, page, status},
    odata::{Created, Entity, NoContent, Page, not_null, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    methods::{
        MethodKind,
        email::{self, Email, EmailEntry},
        manage,
    },
};

const COLLECTION: &str = "emailMethods";

/// An e-mail address for resetting the password; it is no second factor.
#[derive(Debug, Object)]
#[oai(rename = "EmailAuthenticationMethod", rename_all = "camelCase")]
pub struct EmailView {
    id: String,
    email_address: String,
    /// `pending` while an address that users added themselves is not verified (ten minutes, then it ends); else
    /// `activated`.
    status: String,
    /// Whether a code that was sent to this address was typed in.
    is_verified: bool,
    created_date_time: String,
    /// Always null: its use is not noted.
    #[oai(nullable)]
    last_used_date_time: Option<String>,
}

impl From<EmailEntry> for EmailView {
    fn from(email: EmailEntry) -> Self {
        Self {
            id: email.id.into_string(),
            email_address: email.email_address,
            status: status(email.is_complete).into(),
            is_verified: email.is_verified,
            created_date_time: email.created_date_time.to_iso(),
            last_used_date_time: email.last_used_date_time.map(|at| at.to_iso()),
        }
    }
}

/// An e-mail address to add.
#[derive(Debug, Object)]
#[oai(rename = "EmailAuthenticationMethodRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct EmailBody {
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    email_address: String,
}

impl Example for EmailBody {
    fn example() -> Self {
        Self { email_address: "new.hire@fabrikam.example".into() }
    }
}

/// What to change of an e-mail method; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "EmailAuthenticationMethodUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
struct EmailPatch {
    /// The new address.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    email_address: MaybeUndefined<String>,
}

impl Example for EmailPatch {
    fn example() -> Self {
        Self { email_address: "adele@fabrikam.example".to_owned().into() }
    }
}

pub struct EmailApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl EmailApi {
    /// List the e-mail address of a user
    ///
    /// At most one. Needs the permission `UserAuthMethod-Email.Read.All` or `UserAuthenticationMethod.Read.All`, or
    /// the role Global Reader or Authentication Administrator.
    #[oai(path = "/v1.0/users/:user/authentication/emailMethods", method = "get", operation_id = "listEmailMethods")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<EmailView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| manage::list::<Email>(tx, caller, &user)).await?;
        let entries = found.map(|emails| emails.into_iter().map(EmailEntry::from).collect());
        Ok(page(&self.0, &info, entries, COLLECTION))
    }

    /// Add an e-mail address to a user
    ///
    /// One per user. What an administrator adds can be used at once; what users add themselves is `pending` until it is
    /// verified: `sendVerification`, then `verify`. Needs the permission `UserAuthMethod-Email.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator (Privileged Authentication
    /// Administrator for administrators).
    #[oai(path = "/v1.0/users/:user/authentication/emailMethods", method = "post", operation_id = "createEmailMethod")]
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
        body: Json<EmailBody>,
    ) -> Result<Created<EmailView>, Problem> {
        let EmailBody { email_address } = body.0;
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let made =
            self.0.write(guard.0, attempt, move |tx, caller| email::create(tx, caller, &user, &email_address)).await?;
        let id = made.found.id.to_string();
        Ok(created(&self.0, &info, made, COLLECTION, &id))
    }

    /// Get the e-mail address of a user
    ///
    /// Needs the same permission or role as the list.
    #[oai(path = "/v1.0/users/:user/authentication/emailMethods/:id", method = "get", operation_id = "getEmailMethod")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id, the same for every user.
        #[oai(example = "examples::email")]
        id: Path<String>,
    ) -> Result<Json<Entity<EmailView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| manage::get::<Email>(tx, caller, &user, &id)).await?;
        Ok(entity(&self.0, &info, found.map(EmailEntry::from), COLLECTION))
    }

    /// Change the e-mail address of a user
    ///
    /// Needs the same permission or role as adding one.
    #[oai(
        path = "/v1.0/users/:user/authentication/emailMethods/:id",
        method = "patch",
        operation_id = "updateEmailMethod"
    )]
    async fn update(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id, the same for every user.
        #[oai(example = "examples::email")]
        id: Path<String>,
        body: Json<EmailPatch>,
    ) -> Result<NoContent, Problem> {
        let EmailPatch { email_address } = body.0;
        let address = not_null("emailAddress", email_address)?;
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        self.0
            .write(guard.0, attempt, move |tx, caller| email::update(tx, caller, &user, &id, address.as_deref()))
            .await?;
        Ok(NoContent::Done)
    }

    /// Delete the e-mail address of a user
    ///
    /// Needs the same permission or role as adding one.
    #[oai(
        path = "/v1.0/users/:user/authentication/emailMethods/:id",
        method = "delete",
        operation_id = "deleteEmailMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id, the same for every user.
        #[oai(example = "examples::email")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::Email, user.0, id.0).await
    }
}
