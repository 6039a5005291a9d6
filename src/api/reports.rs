//! `/reports/authenticationMethods`: who has registered what.

use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};

mod views;

use views::{FeatureSummaryView, MethodSummaryView, RegistrationDetailsView, RolesChoice, TypesChoice, group};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{
        Entity, Page, Paging,
        bind::{self, Property, Value, guid},
        foreign_skip_token, link_behind, refuse_other_options,
    },
    problem::Problem,
};
use crate::{
    app::App,
    error::{Error, Result},
    reports::{self, DetailField, DetailsQuery, Order, Position},
    store::filter::Operator::{Eq, StartsWith},
};

const COLLECTION: &str = "reports/authenticationMethods";

const fn flag(path: &'static str, field: fn(bool) -> DetailField) -> Property<DetailField> {
    Property { path, operators: &[Eq], value: Value::Boolean(field) }
}

/// What the list can be filtered by.
const FILTERABLE: &[Property<DetailField>] = &[
    Property::text("id", &[Eq], |value| DetailField::Id(guid(value))),
    Property::text("userPrincipalName", &[Eq, StartsWith], DetailField::UserPrincipalName),
    Property::text("userDisplayName", &[Eq, StartsWith], DetailField::UserDisplayName),
    Property::text("userType", &[Eq], DetailField::UserType),
    flag("isAdmin", DetailField::IsAdmin),
    flag("isMfaRegistered", DetailField::IsMfaRegistered),
    flag("isMfaCapable", DetailField::IsMfaCapable),
    flag("isPasswordlessCapable", DetailField::IsPasswordlessCapable),
    flag("isSsprRegistered", DetailField::IsSspr),
    flag("isSsprEnabled", DetailField::IsSspr),
    flag("isSsprCapable", DetailField::IsSspr),
    flag("isSystemPreferredAuthenticationMethodEnabled", DetailField::IsSystemPreferredEnabled),
    Property::text("methodsRegistered/any(t:t)", &[Eq], DetailField::Method),
];

fn order(text: &str) -> Result<Order> {
    let (property, descending) = match *text.split_whitespace().collect::<Vec<_>>() {
        [property] | [property, "asc"] => (property, false),
        [property, "desc"] => (property, true),
        _ => ("", false),
    };
    match property {
        "userPrincipalName" => Ok(Order::UserPrincipalName { descending }),
        "userDisplayName" => Ok(Order::UserDisplayName { descending }),
        _ => {
            let message = "$orderby is userPrincipalName or userDisplayName, with asc or desc.";
            Err(Error::invalid("$orderby", message))
        }
    }
}

fn example_filter() -> Option<String> {
    Some("isMfaCapable eq false and userType eq 'member'".into())
}

pub struct ReportsApi(pub App);

#[OpenApi(tag = "Tag::Reports")]
impl ReportsApi {
    /// List what users have registered
    ///
    /// The details of every user of this tenant, computed at this moment. Filter with
    ///
    /// * `isMfaCapable eq false`, and likewise `isMfaRegistered`, `isPasswordlessCapable`, `isAdmin`, `isSsprRegistered`,
    ///   `isSsprEnabled`, `isSsprCapable`, `isSystemPreferredAuthenticationMethodEnabled`
    /// * `methodsRegistered/any(t:t eq 'mobilePhone')`, `userType eq 'member'`
    /// * `userPrincipalName`, `userDisplayName` with `eq` and `startsWith` (in any case), and `id`
    ///
    /// joined by `and`, `or`, `not` and parentheses. A page may be short, even empty, while there is an
    /// `@odata.nextLink`: follow it to the end. Needs the permission `AuditLog.Read.All`, or the role Reports Reader,
    /// Security Reader, Security Administrator or Global Reader.
    #[oai(
        path = "/v1.0/reports/authenticationMethods/userRegistrationDetails",
        method = "get",
        operation_id = "listUserRegistrationDetails"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Which users; see above.
        #[oai(name = "$filter", example = "example_filter")]
        filter: Query<Option<String>>,
        /// `userPrincipalName` or `userDisplayName`, with `asc` (the default) or `desc`.
        #[oai(name = "$orderby")]
        order_by: Query<Option<String>>,
        /// Items per page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<RegistrationDetailsView>>, Problem> {
        refuse_other_options(&info, &["$filter", "$orderby", "$top", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let after = paging.after.as_deref().map(|key| Position::parse(key).ok_or_else(foreign_skip_token));
        let query = DetailsQuery {
            filter: filter.0.as_deref().map(|text| bind::read(text, FILTERABLE)).transpose()?,
            order: order_by.0.as_deref().map(order).transpose()?,
            after: after.transpose()?,
            size: paging.size,
        };
        let page = self.0.read(guard.0, move |tx, caller| reports::list(tx, caller, &query)).await?;
        let context = self.0.context(&info, &format!("{COLLECTION}/userRegistrationDetails"));
        let next_link = page.next.map(|next| link_behind(&self.0, &info, &next.to_key()));
        Ok(Json(Page::part(context, next_link, page.details.into_iter().map(Into::into).collect())))
    }

    /// Get what a user has registered
    ///
    /// Whether the user can do multifactor authentication (`isMfaCapable`: with a method that the authentication
    /// methods policy allows), and with what. Computed at this moment. Needs the permission `AuditLog.Read.All`, or
    /// the role Reports Reader, Security Reader, Security Administrator or Global Reader.
    #[oai(
        path = "/v1.0/reports/authenticationMethods/userRegistrationDetails/:user",
        method = "get",
        operation_id = "getUserRegistrationDetails"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<RegistrationDetailsView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let details = self.0.read(guard.0, move |tx, caller| reports::registration_details(tx, caller, &user)).await?;
        let context = self.0.context(&info, &format!("{COLLECTION}/userRegistrationDetails/$entity"));
        Ok(Json(Entity::new(context, details.into())))
    }

    /// Count users by what they can do
    ///
    /// How many users of this tenant can do multifactor authentication, and without a password, at this moment. Also as
    /// `usersRegisteredByFeature(includedUserTypes='all',includedUserRoles='all')`. Accounts that are blocked are not
    /// counted. Needs the permission `AuditLog.Read.All`, or the role Reports Reader, Security Reader, Security
    /// Administrator or Global Reader.
    #[oai(
        path = "/v1.0/reports/authenticationMethods/usersRegisteredByFeature",
        method = "get",
        operation_id = "countUsersRegisteredByFeature"
    )]
    async fn by_feature(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Default: all.
        #[oai(name = "includedUserTypes")]
        types: Query<Option<TypesChoice>>,
        /// Default: all. `privilegedAdmin` are Global, Security, Helpdesk, User and Authentication Administrators, `admin`
        /// all who hold a directory role, `user` the others.
        #[oai(name = "includedUserRoles")]
        roles: Query<Option<RolesChoice>>,
    ) -> Result<Json<Entity<FeatureSummaryView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let group = group(types.0, roles.0);
        let summary = self.0.read(guard.0, move |tx, caller| reports::by_feature(tx, caller, group)).await?;
        Ok(Json(Entity::new(self.0.context(&info, "userRegistrationFeatureSummary"), summary.into())))
    }

    /// Count users by what they have registered
    ///
    /// How many users of this tenant have which method, at this moment, whether the policy allows it or not. Also as
    /// `usersRegisteredByMethod(includedUserTypes='all',includedUserRoles='all')`. Accounts that are blocked are not
    /// counted. Needs the permission `AuditLog.Read.All`, or the role Reports Reader, Security Reader, Security
    /// Administrator or Global Reader.
    #[oai(
        path = "/v1.0/reports/authenticationMethods/usersRegisteredByMethod",
        method = "get",
        operation_id = "countUsersRegisteredByMethod"
    )]
    async fn by_method(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Default: all.
        #[oai(name = "includedUserTypes")]
        types: Query<Option<TypesChoice>>,
        /// Default: all. `privilegedAdmin` are Global, Security, Helpdesk, User and Authentication Administrators, `admin`
        /// all who hold a directory role, `user` the others.
        #[oai(name = "includedUserRoles")]
        roles: Query<Option<RolesChoice>>,
    ) -> Result<Json<Entity<MethodSummaryView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let group = group(types.0, roles.0);
        let summary = self.0.read(guard.0, move |tx, caller| reports::by_method(tx, caller, group)).await?;
        Ok(Json(Entity::new(self.0.context(&info, "userRegistrationMethodSummary"), summary.into())))
    }
}
