//! `/tenantRelationships/delegatedAdminCustomers`: the tenants that a partner administers.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, Page, Paging, refuse_other_options},
    problem::Problem,
    relationships::MAX_PAGE,
};
use crate::{app::App, id::TenantId, partners::customers, store::tenants::Tenant};

const COLLECTION: &str = "tenantRelationships/delegatedAdminCustomers";

/// A tenant with at least one relationship in force.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminCustomer", rename_all = "camelCase")]
struct CustomerView {
    /// The tenant's id.
    id: String,
    /// The same.
    tenant_id: String,
    display_name: String,
}

impl From<Tenant> for CustomerView {
    fn from(tenant: Tenant) -> Self {
        let id = tenant.tenant_id.into_string();
        Self { tenant_id: id.clone(), id, display_name: tenant.display_name }
    }
}

/// Where a customer is administered.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminServiceManagementDetail", rename_all = "camelCase")]
struct ServiceView {
    id: String,
    service_name: String,
    service_management_url: String,
}

pub struct CustomersApi(pub App);

#[OpenApi(tag = "Tag::Partners")]
impl CustomersApi {
    /// List customers
    ///
    /// The tenants in which this partner has at least one relationship in force, in the order of their ids. Of Graph's
    /// query options `$top` and `$skiptoken` are supported, the others refused. Needs the permission
    /// `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Reader or
    /// Global Administrator.
    #[oai(path = "/v1.0/tenantRelationships/delegatedAdminCustomers", method = "get", operation_id = "listCustomers")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Items per page, 1 to 300. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<CustomerView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::up_to(MAX_PAGE, top.0, skip_token.0)?;
        let (after, limit) = (paging.after.clone().map(TenantId::new), paging.limit());
        let found = self.0.read(guard.0, move |tx, caller| customers::list(tx, caller, after.as_ref(), limit)).await?;
        let key = |tenant: &Tenant| tenant.tenant_id.to_string();
        Ok(Json(paging.page(&self.0, &info, COLLECTION, found, key, CustomerView::from)))
    }

    /// Get a customer
    ///
    /// Needs the permission `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the
    /// role Global Reader or Global Administrator.
    #[oai(path = "/v1.0/tenantRelationships/delegatedAdminCustomers/:id", method = "get", operation_id = "getCustomer")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The id of the customer's tenant.
        #[oai(example = "examples::customer")]
        id: Path<String>,
    ) -> Result<Json<Entity<CustomerView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| customers::get(tx, caller, &id)).await?;
        Ok(Json(Entity::new(self.0.context(&info, &format!("{COLLECTION}/$entity")), found.into())))
    }

    /// List where a customer is administered
    ///
    /// One entry, as there is one service. Needs the permission `DelegatedAdminRelationship.Read.All` or
    /// `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Reader or Global Administrator.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminCustomers/:id/serviceManagementDetails",
        method = "get",
        operation_id = "listServiceManagementDetails"
    )]
    async fn services(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The id of the customer's tenant.
        #[oai(example = "examples::customer")]
        id: Path<String>,
    ) -> Result<Json<Page<ServiceView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| customers::get(tx, caller, &id)).await?;
        let context = self.0.context(&info, &format!("{COLLECTION}('{}')/serviceManagementDetails", found.tenant_id));
        let service = ServiceView {
            id: "rekey".into(),
            service_name: "Rekey".into(),
            service_management_url: format!("{}/docs", self.0.issuer.public_url),
        };
        Ok(Json(Page::whole(context, vec![service])))
    }
}
