//! The sign-in log: one row per attempt that came to an end.

use diesel::prelude::*;

use super::{
    Tx,
    conditions::{Condition, MOST_ROWS, compare, compare_any_case, compare_nullable, compare_text, load_page},
    filter::{LogPage, LogQuery, Operator, Position, Reach},
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
type Place = Position<SignInId>;

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

/// The same, but looks at a bounded number of sign-ins where no index leads to those that are asked for.
pub fn page(tx: &mut Tx<'_>, tenant: &TenantId, query: &SignInQuery) -> Result<LogPage<SignInRow, SignInId>> {
    page_of(tx, tenant, query, MOST_ROWS)
}

fn page_of(tx: &mut Tx<'_>, tenant: &TenantId, query: &SignInQuery, most: i64) -> Result<LogPage<SignInRow, SignInId>> {
    let until = last_place(tx, tenant, query, most)?;
    let rows = list(tx, tenant, &SignInQuery { until: until.clone(), ..query.clone() })?;
    Ok(LogPage::new(query, rows, until))
}

/// The sign-in behind which a page that looks at `most` of them looks at no other.
fn last_place(tx: &mut Tx<'_>, tenant: &TenantId, query: &SignInQuery, most: i64) -> Result<Option<Place>> {
    let Some(window) = query.window(reach) else { return Ok(None) };
    let places = sign_ins::table.filter(sign_ins::tenant_id.eq(tenant));
    let places = places.select((sign_ins::created_at, sign_ins::sign_in_id)).into_boxed().offset(most - 1);
    let last: Result<Vec<(Timestamp, SignInId)>> =
        load_page!(tx, places, window, test, (sign_ins::created_at, sign_ins::sign_in_id));
    Ok(last?.pop().map(|(at, tie)| Place { at, tie }))
}

fn reach(field: &SignInField) -> Reach {
    match field {
        SignInField::CreatedDateTime(_) => Reach::Moment,
        SignInField::Id(_)
        | SignInField::UserId(_)
        | SignInField::UserDisplayName(_)
        | SignInField::UserPrincipalName(_)
        | SignInField::CorrelationId(_) => Reach::Few,
        SignInField::AppId(_)
        | SignInField::AppDisplayName(_)
        | SignInField::IpAddress(_)
        | SignInField::ErrorCode(_) => Reach::Many,
    }
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
    use crate::store::{conditions::plan, filter::Filter};

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
                    let query = SignInQuery { filter: filter.clone(), ascending, after, limit: 101, until: None };
                    plans.push((plan::of(tx, |tx| list(tx, &TenantId::new("tenant"), &query)), index));
                }
            }
            let (filter, until) =
                (Some(Filter::Test(SignInField::AppDisplayName(text()), Operator::StartsWith)), after);
            for ascending in [false, true] {
                let query =
                    SignInQuery { filter: filter.clone(), ascending, until: until.clone(), limit: 101, after: None };
                plans.push((plan::of(tx, |tx| list(tx, &TenantId::new("tenant"), &query)), "by_time"));
                let query = SignInQuery { until: None, ..query };
                let places = plan::of(tx, |tx| last_place(tx, &TenantId::new("tenant"), &query, 9));
                plans.push((places.replace("COVERING INDEX", "INDEX"), "by_time"));
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
    #[tokio::test]
    async fn what_no_index_leads_to_is_looked_for_in_windows() {
        let (store, _folder) = plan::store();
        let owner = TenantId::new("tenant");
        let tenant = owner.clone();
        let write = store.write(&owner, move |tx| {
            for number in 0..100 {
                let row = SignInRow {
                    tenant_id: tenant.clone(),
                    sign_in_id: SignInId::new(format!("{number:03}")),
                    // Ten at a time.
                    created_at: Timestamp(number / 10),
                    user_id: None,
                    user_display_name: None,
                    user_principal_name: None,
                    application_id: ApplicationId::new("application"),
                    application_display_name: if number % 33 == 7 { "rare".into() } else { "often".into() },
                    error_code: 0,
                    failure_reason: None,
                    ip_address: None,
                    user_agent: None,
                    correlation_id: String::new(),
                    details: "[]".into(),
                };
                insert(tx, &row)?;
            }
            for (ascending, expected) in [(true, ["007", "040", "073"]), (false, ["073", "040", "007"])] {
                let filter = Filter::Test(SignInField::AppDisplayName("ra".into()), Operator::StartsWith);
                let mut query = SignInQuery { filter: Some(filter), ascending, limit: 3, ..SignInQuery::default() };
                let (mut found, mut pages) = (vec![], 0);
                loop {
                    let page = page_of(tx, &tenant, &query, 15)?;
                    found.extend(page.rows.into_iter().map(|row| row.sign_in_id.into_string()));
                    pages += 1;
                    match page.next {
                        Some(next) => query.after = Some(next),
                        None => break,
                    }
                }
                assert_eq!(found, expected);
                assert_eq!(pages, 7);
            }
            // An index leads to these, wherever they are.
            let filter = Filter::Test(SignInField::AppDisplayName("rare".into()), Operator::Eq);
            let query = SignInQuery { filter: Some(filter), limit: 9, ..SignInQuery::default() };
            let page = page_of(tx, &tenant, &query, 15)?;
            assert_eq!((page.rows.len(), page.next), (3, None));
            Ok(())
        });
        write.await.unwrap();
    }
}
