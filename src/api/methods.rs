//! `/users/{user}/authentication/methods`: all methods of a user, whatever their kind; and what the collections of the
//! single kinds have in common.

use poem_openapi::{
    OpenApi, Union,
    param::Path,
    payload::Json,
    types::{ParseFromJSON, ToJSON},
};

use super::{
    Tag,
    email::EmailView,
    examples,
    external_authentication_method::ExternalMethodView,
    fido2::Fido2View,
    guard::Guard,
    hardware_oath::HardwareOathView,
    intake::RequestInfo,
    microsoft_authenticator::MicrosoftAuthenticatorView,
    odata::{Created, Entity, NoContent, Page, authentication_context, refuse_other_options},
    password::PasswordView,
    phone::PhoneView,
    platform_credential::PlatformCredentialView,
    problem::Problem,
    qr_code_pin::QrCodePinMethodView,
    software_oath::SoftwareOathView,
    temporary_access_pass::TemporaryAccessPassView,
    windows_hello::WindowsHelloView,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    clock::Timestamp,
    methods::{
        Method, MethodKind,
        email::EmailEntry,
        manage::{self, OfUser},
        phone::PhoneEntry,
        policy::MethodsPolicy,
        qr_code_pin, temporary_access_pass,
    },
};

/// A method of any kind; `@odata.type` says which.
#[derive(Debug, Union)]
#[oai(rename = "AuthenticationMethod", one_of, discriminator_name = "@odata.type")]
#[expect(clippy::large_enum_variant, reason = "it is made, written and gone")]
enum MethodView {
    #[oai(mapping = "#microsoft.graph.passwordAuthenticationMethod")]
    Password(PasswordView),
    #[oai(mapping = "#microsoft.graph.phoneAuthenticationMethod")]
    Phone(PhoneView),
    #[oai(mapping = "#microsoft.graph.emailAuthenticationMethod")]
    Email(EmailView),
    #[oai(mapping = "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod")]
    MicrosoftAuthenticator(MicrosoftAuthenticatorView),
    #[oai(mapping = "#microsoft.graph.softwareOathAuthenticationMethod")]
    SoftwareOath(SoftwareOathView),
    #[oai(mapping = "#microsoft.graph.hardwareOathAuthenticationMethod")]
    HardwareOath(HardwareOathView),
    #[oai(mapping = "#microsoft.graph.fido2AuthenticationMethod")]
    Fido2(Fido2View),
    #[oai(mapping = "#microsoft.graph.temporaryAccessPassAuthenticationMethod")]
    TemporaryAccessPass(TemporaryAccessPassView),
    #[oai(mapping = "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod")]
    WindowsHelloForBusiness(WindowsHelloView),
    #[oai(mapping = "#microsoft.graph.platformCredentialAuthenticationMethod")]
    PlatformCredential(PlatformCredentialView),
    #[oai(mapping = "#microsoft.graph.externalAuthenticationMethod")]
    ExternalAuthenticationMethod(ExternalMethodView),
    #[oai(mapping = "#microsoft.graph.qrCodePinAuthenticationMethod")]
    QrCodePin(QrCodePinMethodView),
}

impl MethodView {
    fn new(method: Method, user_name: &str, policy: &MethodsPolicy, now: Timestamp) -> Self {
        match method {
            Method::Password(password) => Self::Password(password.into()),
            Method::Phone(phone) => Self::Phone(PhoneEntry::new(phone, policy).into()),
            Method::Email(email) => Self::Email(EmailEntry::from(email).into()),
            Method::MicrosoftAuthenticator(app) => Self::MicrosoftAuthenticator(app.into()),
            Method::SoftwareOath(token) => Self::SoftwareOath(token.into()),
            Method::HardwareOath(device) => Self::HardwareOath(HardwareOathView::new(device, user_name)),
            Method::Fido2(passkey) => Self::Fido2(passkey.into()),
            Method::TemporaryAccessPass(pass) => {
                Self::TemporaryAccessPass(temporary_access_pass::view(&pass, policy, now).into())
            }
            Method::WindowsHelloForBusiness(key) => Self::WindowsHelloForBusiness(key.into()),
            Method::PlatformCredential(key) => Self::PlatformCredential(key.into()),
            Method::ExternalAuthenticationMethod(method) => Self::ExternalAuthenticationMethod(method.into()),
            Method::QrCodePin(method) => {
                Self::QrCodePin(QrCodePinMethodView::listed(qr_code_pin::view(&method, policy, now)))
            }
        }
    }
}

/// A collection of a user's: few items, so one page.
pub fn page<T, V>(app: &App, info: &RequestInfo, items: OfUser<Vec<T>>, collection: &str) -> Json<Page<V>>
where
    V: From<T> + ParseFromJSON + ToJSON,
{
    let context = app.context(info, &authentication_context(items.user_id.as_str(), collection));
    Json(Page::whole(context, items.found.into_iter().map(V::from).collect()))
}

/// One item of a collection of a user's.
pub fn entity<T, V: From<T>>(app: &App, info: &RequestInfo, item: OfUser<T>, collection: &str) -> Json<Entity<V>> {
    let what = authentication_context(item.user_id.as_str(), &format!("{collection}/$entity"));
    Json(Entity::new(app.context(info, &what), item.found.into()))
}

/// A new item of a collection of a user's.
pub fn created<T, V: From<T> + ToJSON + Send>(
    app: &App,
    info: &RequestInfo,
    item: OfUser<T>,
    collection: &str,
    id: &str,
) -> Created<V> {
    let location = app.url(info, &format!("/users/{}/authentication/{collection}/{id}", item.user_id));
    Created::Created(entity(app, info, item, collection), location)
}

/// Deletes a method of one kind.
pub async fn delete(app: &App, guard: Guard, kind: MethodKind, user: String, id: String) -> Result<NoContent, Problem> {
    let attempt = Attempt::on_user(Activity::DELETE_METHOD, &user);
    app.write(guard.0, attempt, move |tx, caller| manage::delete(tx, caller, &user, kind, &id)).await?;
    Ok(NoContent::Done)
}

/// How far the registration of a method is.
pub const fn status(is_complete: bool) -> &'static str {
    if is_complete { "activated" } else { "pending" }
}

pub struct MethodsApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl MethodsApi {
    /// List all methods of a user
    ///
    /// Everything the user can prove an identity with, of every kind, unfinished registrations included. Secrets never
    /// appear. Needs the permission `UserAuthenticationMethod.Read.All`, or the role Global Reader or Authentication
    /// Administrator (who sees phone numbers masked). Users see their own methods.
    #[oai(path = "/v1.0/users/:user/authentication/methods", method = "get", operation_id = "listMethods")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<MethodView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let OfUser { user_id, user_name, read_at, found: (found, policy) } =
            self.0.read(guard.0, move |tx, caller| manage::list_all(tx, caller, &user)).await?;
        let context = self.0.context(&info, &authentication_context(user_id.as_str(), "methods"));
        let views = found.into_iter().map(|method| MethodView::new(method, &user_name, &policy, read_at)).collect();
        Ok(Json(Page::whole(context, views)))
    }

    /// Get a method of a user
    ///
    /// Whatever its kind. To delete it, use the path of its kind. Needs the same permission or role as the list.
    #[oai(path = "/v1.0/users/:user/authentication/methods/:id", method = "get", operation_id = "getMethod")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::mobile_phone")]
        id: Path<String>,
    ) -> Result<Json<Entity<MethodView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| manage::get_any(tx, caller, &user, &id)).await?;
        let (user_name, read_at) = (found.user_name.clone(), found.read_at);
        let view = found.map(|(method, policy)| MethodView::new(method, &user_name, &policy, read_at));
        Ok(entity(&self.0, &info, view, "methods"))
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::registry::{MetaSchemaRef, Registry};
    use poem_openapi::types::Type;

    use super::*;

    /// The union's names are literals, because they are attributes; they must be those of the kinds.
    #[test]
    fn the_union_names_every_kind() {
        let mut registry = Registry::new();
        MethodView::register(&mut registry);
        let MetaSchemaRef::Reference(name) = MethodView::schema_ref() else { panic!("inline") };
        let discriminator = registry.schemas[&name].discriminator.as_ref().unwrap();
        let named: Vec<_> = discriminator.mapping.iter().map(|(name, _)| name.as_str()).collect();
        let kinds: Vec<_> = MethodKind::ALL.iter().map(|kind| kind.odata_type()).collect();
        assert_eq!(named, kinds);
    }
}
