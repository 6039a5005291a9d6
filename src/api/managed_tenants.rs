//! `/tenantRelationships/managedTenants`: what a partner sees of many customers at once.

use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};

mod views;

use views::{CommonActionsBody, ManagedTenantView, ManagedUserView, NamesView, SummaryView, parse_tenants};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, Page, Paging, foreign_skip_token, link_behind, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::App,
    error::Result,
    id::{TenantId, UserId},
    partners::managed::{self, MAX_USER_TENANTS, Position, Summary, UserQuery},
    store::tenants::Tenant,
};

const COLLECTION: &str = "tenantRelationships/managedTenants";
/// The largest page of summaries.
const MAX_SUMMARIES: u32 = 100;

pub struct ManagedTenantsApi(pub App);

#[OpenApi(tag = "Tag::Partners")]
impl ManagedTenantsApi {
    /// Find out what may be done in all of these tenants
    ///
    /// The names of what the caller may do in **every one** of up to 1000 tenants: customers, and the own tenant too. With
    /// two customers that gave different roles, only what both allow. When the caller has nothing to do with one of them,
    /// or it does not exist, the answer is 403 and names it. Names: `issueTemporaryAccessPass`, `readAuditLogs`,
    /// `readHardwareOathDevices`, `readMethods`, `readPolicies`, `readPreferences`, `readRequirements`, `readRoles`,
    /// `readUsers`, `resetMfa`, `resetPassword`, `revokeSignInSessions`, `unlock`, `writeHardwareOathDevices`,
    /// `writeMethods`, `writePolicies`, `writePreferences`, `writeRequirements`, `writeRoles`, `writeUsers`. They speak of
    /// ordinary users: whether an administrator may be acted on depends on the administrator's own roles.
    ///
    /// Called with a token of the partner's own tenant; needs no permission there.
    #[oai(
        path = "/v1.0/tenantRelationships/managedTenants/commonActions",
        method = "post",
        operation_id = "getCommonActions"
    )]
    async fn common_actions(
        &self,
        guard: Guard,
        info: RequestInfo,
        body: Json<CommonActionsBody>,
    ) -> Result<Json<NamesView>, Problem> {
        refuse_other_options(&info, &[])?;
        let tenants = body.0.tenants()?;
        let names = self.0.read(guard.0, move |tx, caller| managed::common_actions(tx, caller, &tenants)).await?;
        Ok(Json(NamesView::new(self.0.context(&info, "Collection(Edm.String)"), names)))
    }

    /// List users of many customers
    ///
    /// With their registration state, in the order of tenant and id. `tenantIds` names up to 100 tenants, and the caller
    /// must be allowed to read users and methods in each (403 otherwise); without it, all customers in whose tenants he
    /// is. A page may be short, even empty, while there is an `@odata.nextLink`: follow it to the end.
    ///
    /// Called with a token of the partner's own tenant; needs no permission there, and in each customer's tenant a role
    /// that reads methods, such as Authentication Administrator or Global Reader.
    #[oai(path = "/v1.0/tenantRelationships/managedTenants/users", method = "get", operation_id = "listManagedUsers")]
    async fn users(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Ids of tenants, with commas between them.
        #[oai(name = "tenantIds", example = "examples::customers")]
        tenant_ids: Query<Option<String>>,
        /// Items per page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<ManagedUserView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let ids = tenant_ids.0.as_deref().map(|ids| parse_tenants("tenantIds", ids.split(','), MAX_USER_TENANTS));
        let after = paging.after.as_deref().map(|key| position(key).ok_or_else(foreign_skip_token)).transpose()?;
        let query = UserQuery { tenants: ids.transpose()?, after, size: paging.size };
        let page = self.0.read(guard.0, move |tx, caller| managed::users(tx, caller, &query)).await?;
        let context = self.0.context(&info, &format!("{COLLECTION}/users"));
        let next_link = page.next.map(|next| link_behind(&self.0, &info, &key(&next)));
        Ok(Json(Page::part(context, next_link, page.users.into_iter().map(Into::into).collect())))
    }

    /// List managed tenants
    ///
    /// The customers in whose tenants the caller has a role, in the order of their ids. Of Graph's query options `$top` and
    /// `$skiptoken` are supported, the others refused. Called with a token of the partner's own tenant; needs no permission
    /// there.
    #[oai(
        path = "/v1.0/tenantRelationships/managedTenants/tenants",
        method = "get",
        operation_id = "listManagedTenants"
    )]
    async fn tenants(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Items per page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<ManagedTenantView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let (after, limit) = (paging.after.clone().map(TenantId::new), paging.limit());
        let found = self.0.read(guard.0, move |tx, caller| managed::tenants(tx, caller, after.as_ref(), limit)).await?;
        let key = |tenant: &Tenant| tenant.tenant_id.to_string();
        let what = format!("{COLLECTION}/tenants");
        Ok(Json(paging.page(&self.0, &info, &what, found, key, ManagedTenantView::from)))
    }

    /// List how many users are registered
    ///
    /// One summary for each customer in whose tenant the caller has a role, counted at this moment; the counts are null
    /// where that role does not read methods. In the order of the tenants' ids; of Graph's query options `$top` and
    /// `$skiptoken` are supported, the others refused. Called with a token of the partner's own tenant; needs no permission
    /// there.
    #[oai(
        path = "/v1.0/tenantRelationships/managedTenants/credentialUserRegistrationsSummaries",
        method = "get",
        operation_id = "listRegistrationSummaries"
    )]
    async fn summaries(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Items per page, 1 to 100. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<SummaryView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::up_to(MAX_SUMMARIES, top.0, skip_token.0)?;
        let (after, limit) = (paging.after.clone().map(TenantId::new), paging.limit());
        let read = self.0.read(guard.0, move |tx, caller| managed::summaries(tx, caller, after.as_ref(), limit));
        let key = |summary: &Summary| summary.tenant.tenant_id.to_string();
        let what = format!("{COLLECTION}/credentialUserRegistrationsSummaries");
        Ok(Json(paging.page(&self.0, &info, &what, read.await?, key, SummaryView::from)))
    }

    /// Get how many users of a customer are registered
    ///
    /// Counted at this moment. Called with a token of the partner's own tenant; needs no permission there, and in the
    /// customer's tenant a role that reads methods, such as Authentication Administrator or Global Reader.
    #[oai(
        path = "/v1.0/tenantRelationships/managedTenants/credentialUserRegistrationsSummaries/:id",
        method = "get",
        operation_id = "getRegistrationSummary"
    )]
    async fn summary(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The id of the customer's tenant.
        #[oai(example = "examples::customer")]
        id: Path<String>,
    ) -> Result<Json<Entity<SummaryView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let summary = self.0.read(guard.0, move |tx, caller| managed::summary(tx, caller, &id)).await?;
        let context = self.0.context(&info, &format!("{COLLECTION}/credentialUserRegistrationsSummaries/$entity"));
        Ok(Json(Entity::new(context, summary.into())))
    }
}

/// Where a page of users ended, as its next link has it: the tenant, and the user unless the tenant is done.
fn key(position: &Position) -> String {
    format!("{}/{}", position.tenant, position.user.as_ref().map_or("", UserId::as_str))
}

fn position(key: &str) -> Option<Position> {
    let (tenant, user) = key.split_once('/')?;
    let user = if user.is_empty() { None } else { Some(UserId::parse(user)?) };
    Some(Position { tenant: TenantId::parse(tenant)?, user })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_a_link() {
        let tenant = TenantId::new("ace08ec9-aa11-4ada-9145-addf0398233e");
        for user in [None, Some(UserId::new("5c7f1f0e-6d0c-4b6e-8a53-0b0a53b7c6a1"))] {
            let here = Position { tenant: tenant.clone(), user };
            assert_eq!(position(&key(&here)), Some(here));
        }
        for foreign in
            ["", "/", "x/y", "ace08ec9-aa11-4ada-9145-addf0398233e", "ace08ec9-aa11-4ada-9145-addf0398233e/x"]
        {
            assert_eq!(position(foreign), None, "{foreign}");
        }
    }
}
