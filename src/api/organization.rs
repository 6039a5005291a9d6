//! `/organization`: the tenant of the caller.

use poem_openapi::{Object, OpenApi, payload::Json};

use super::{
    Tag,
    guard::Guard,
    intake::RequestInfo,
    odata::{Page, refuse_other_options},
    problem::Problem,
};
use crate::{app::App, directory, error::Error, store::tenants::Tenant};

pub struct OrganizationApi(pub App);

/// A domain whose names the tenant's users have.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
struct VerifiedDomain {
    name: String,
    is_default: bool,
}

/// A tenant.
#[derive(Debug, Object)]
#[oai(rename = "Organization", rename_all = "camelCase")]
struct OrganizationView {
    id: String,
    display_name: String,
    created_date_time: String,
    /// Always AAD, as Graph says of a workforce tenant.
    tenant_type: String,
    verified_domains: Vec<VerifiedDomain>,
}

impl From<Tenant> for OrganizationView {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.tenant_id.into_string(),
            display_name: tenant.display_name,
            created_date_time: tenant.created_at.to_iso(),
            tenant_type: "AAD".into(),
            verified_domains: vec![VerifiedDomain { name: tenant.default_domain, is_default: true }],
        }
    }
}

#[OpenApi(tag = "Tag::Organization")]
impl OrganizationApi {
    /// Get this tenant
    ///
    /// A list with one item, the tenant of the access token. Every caller of the tenant may read it.
    #[oai(path = "/v1.0/organization", method = "get", operation_id = "listOrganization")]
    async fn list(&self, guard: Guard, info: RequestInfo) -> Result<Json<Page<OrganizationView>>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let tenant = self.0.read(guard.0, directory::organization).await?;
        Ok(Json(Page::whole(self.0.context(&info, "organization"), vec![tenant.into()])))
    }
}
