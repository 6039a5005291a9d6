//! The sign-in log: one row per attempt that came to an end.

use diesel::prelude::*;

use super::{
    Tx,
    conditions::{Condition, compare, compare_any_case, compare_nullable, compare_text, load_page},
    filter::{LogQuery, Operator},
    schema::sign_ins,
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{ApplicationId, SignInId, TenantId, UserId},
};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = sign_ins)]
pub struct SignInRow {
    pub tenant_id: TenantId,
    pub sign_in_id: SignInId,
    pub created_at: Timestamp,
    pub user_id: Option<UserId>,
    pub user_display_name: Option<String>,
    pub user_principal_name: Option<String>,
    pub application_id: ApplicationId,
    pub application_display_name: String,
    /// 0 for a success, else one of Entra's AADSTS numbers.
    pub error_code: i32,
    pub failure_reason: Option<String>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub correlation_id: String,
    /// JSON: the steps, Graph's `authenticationDetails`.
    pub details: String,
}

/// The fields that a list of sign-ins can be filtered by, each with the value it is compared to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInField {
    Id(String),
    CreatedDateTime(Timestamp),
    UserId(String),
    UserDisplayName(String),
    /// Compared without regard to case.
    UserPrincipalName(String),
    AppId(String),
    AppDisplayName(String),
    IpAddress(String),
    CorrelationId(String),
    ErrorCode(i32),
}

pub type SignInQuery = LogQuery<SignInField, SignInId>;

pub fn insert(tx: &mut Tx<'_>, row: &SignInRow) -> Result<()> {
    diesel::insert_into(sign_ins::table).values(row).execute(tx.conn)?;
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &SignInId) -> Result<Option<SignInRow>> {
    Ok(sign_ins::table.find((tenant, id)).select(SignInRow::as_select()).first(tx.conn).optional()?)
}

pub fn list(tx: &mut Tx<'_>, tenant: &TenantId, query: &SignInQuery) -> Result<Vec<SignInRow>> {
    let rows = sign_ins::table.filter(sign_ins::tenant_id.eq(tenant)).select(SignInRow::as_select()).into_boxed();
    load_page!(tx, rows, query, test, (sign_ins::created_at, sign_ins::sign_in_id))
}

/// Removes what is older than that.
pub fn purge(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize> {
    Ok(diesel::delete(sign_ins::table.filter(sign_ins::created_at.lt(before))).execute(tx.conn)?)
}

fn test(field: &SignInField, operator: Operator) -> Condition<sign_ins::table> {
    use sign_ins as s;
    match field {
        SignInField::Id(value) => compare_text!(s::sign_in_id, operator, value),
        SignInField::CreatedDateTime(at) => compare!(s::created_at, operator, *at),
        SignInField::UserId(value) => compare_nullable!(s::user_id, operator, value),
        SignInField::UserDisplayName(value) => compare_nullable!(s::user_display_name, operator, value),
        SignInField::UserPrincipalName(value) => compare_any_case!(s::user_principal_name, operator, value),
        SignInField::AppId(value) => compare_text!(s::application_id, operator, value),
        SignInField::AppDisplayName(value) => compare_text!(s::application_display_name, operator, value),
        SignInField::IpAddress(value) => compare_nullable!(s::ip_address, operator, value),
        SignInField::CorrelationId(value) => compare_text!(s::correlation_id, operator, value),
        SignInField::ErrorCode(code) => compare!(s::error_code, operator, *code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        conditions::plan,
        filter::{Filter, Position},
    };

    #[tokio::test]
    async fn a_page_costs_the_same_however_long_the_log_is() {
        let (store, _folder) = plan::store();
        let plans = store.read(|tx| {
            let text = String::new;
            let from = |at| Filter::Test(SignInField::CreatedDateTime(Timestamp(at)), Operator::Ge);
            let eq = |field| Filter::Test(field, Operator::Eq);
            let both = |left, right| Filter::And(Box::new(left), Box::new(right));
            let indexed = [
                (Some(eq(SignInField::UserId(text()))), "by_user"),
                (Some(eq(SignInField::UserPrincipalName(text()))), "by_name"),
                (Some(eq(SignInField::UserDisplayName(text()))), "by_display_name"),
                (Some(eq(SignInField::AppId(text()))), "by_application"),
                (Some(eq(SignInField::AppDisplayName(text()))), "by_application_name"),
                (Some(eq(SignInField::IpAddress(text()))), "by_address"),
                (Some(eq(SignInField::CorrelationId(text()))), "by_correlation"),
                (Some(eq(SignInField::ErrorCode(0))), "by_error"),
                (Some(from(0)), "by_time"),
                (None, "by_time"),
                (Some(both(from(0), eq(SignInField::UserId(text())))), "by_user"),
                (Some(both(eq(SignInField::AppId(text())), eq(SignInField::UserId(text())))), "by_user"),
                (Some(both(eq(SignInField::ErrorCode(0)), eq(SignInField::UserPrincipalName(text())))), "by_name"),
                // Successes are most of the log, and free text is looked for along the list.
                (Some(Filter::Test(SignInField::ErrorCode(0), Operator::Ne)), "by_time"),
                (Some(Filter::Test(SignInField::UserPrincipalName(text()), Operator::StartsWith)), "by_time"),
            ];
            let after = Some(Position { at: Timestamp(1), tie: SignInId::new("1") });
            let mut plans = Vec::new();
            for (filter, index) in indexed {
                for (ascending, after) in [(false, None), (true, None), (false, after.clone()), (true, after.clone())] {
                    let query = SignInQuery { filter: filter.clone(), ascending, after, limit: 101 };
                    plans.push((plan::of(tx, |tx| list(tx, &TenantId::new("tenant"), &query)), index));
                }
            }
            let by_id = plan::of(tx, |tx| find(tx, &TenantId::new("tenant"), &SignInId::new("1")));
            assert!(by_id.starts_with("SEARCH sign_ins USING INDEX sqlite_autoindex_sign_ins_1 "), "{by_id}");
            Ok(plans)
        });
        for (plan, index) in plans.await.unwrap() {
            assert!(plan.starts_with(&format!("SEARCH sign_ins USING INDEX sign_ins_{index} ")), "{index}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{index}: {plan}");
        }
    }
}
