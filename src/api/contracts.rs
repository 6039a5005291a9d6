//! `/contracts`: Graph's older view of a partner's customers.

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

const COLLECTION: &str = "contracts";

/// That a partner administers a customer.
#[derive(Debug, Object)]
#[oai(rename = "Contract", rename_all = "camelCase")]
struct ContractView {
    /// The id of the customer's tenant: a customer has one contract, however many relationships.
    id: String,
    /// Always `ResellerPartner`.
    contract_type: String,
    /// The same as `id`.
    customer_id: String,
    default_domain_name: String,
    /// The customer's name.
    display_name: String,
}

impl From<Tenant> for ContractView {
    fn from(tenant: Tenant) -> Self {
        let id = tenant.tenant_id.into_string();
        Self {
            contract_type: "ResellerPartner".into(),
            customer_id: id.clone(),
            id,
            default_domain_name: tenant.default_domain,
            display_name: tenant.display_name,
        }
    }
}

pub struct ContractsApi(pub App);

#[OpenApi(tag = "Tag::Partners")]
impl ContractsApi {
    /// List contracts
    ///
    /// One for each tenant in which this partner has at least one relationship in force; it goes with the last of them. In
    /// the order of the tenants' ids; of Graph's query options `$top` and `$skiptoken` are supported, the others refused.
    /// Needs the permission `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the
    /// role Global Reader or Global Administrator.
    #[oai(path = "/v1.0/contracts", method = "get", operation_id = "listContracts")]
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
    ) -> Result<Json<Page<ContractView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::up_to(MAX_PAGE, top.0, skip_token.0)?;
        let (after, limit) = (paging.after.clone().map(TenantId::new), paging.limit());
        let found = self.0.read(guard.0, move |tx, caller| customers::list(tx, caller, after.as_ref(), limit)).await?;
        let key = |tenant: &Tenant| tenant.tenant_id.to_string();
        Ok(Json(paging.page(&self.0, &info, COLLECTION, found, key, ContractView::from)))
    }

    /// Get a contract
    ///
    /// Needs the permission `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the
    /// role Global Reader or Global Administrator.
    #[oai(path = "/v1.0/contracts/:id", method = "get", operation_id = "getContract")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The id of the contract.
        #[oai(example = "examples::customer")]
        id: Path<String>,
    ) -> Result<Json<Entity<ContractView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| customers::get(tx, caller, &id)).await?;
        Ok(Json(Entity::new(self.0.context(&info, &format!("{COLLECTION}/$entity")), found.into())))
    }
}
