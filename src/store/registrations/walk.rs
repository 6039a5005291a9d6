//! Walks over the present users of a tenant, each along one index: a stretch costs what it returns, however large the
//! directory is.

use diesel::prelude::*;

use super::super::{
    Tx,
    conditions::{Condition, compare, pair},
    filter::{Operator, end_of},
    schema::users,
};
use crate::{
    error::Result,
    id::{TenantId, UserId},
};

/// What a list of registrations judges a user by.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Candidate {
    pub user_id: UserId,
    /// The userPrincipalName as [`super::super::users::name_key`] has it.
    pub name_key: String,
    /// The displayName in the same way.
    pub display_key: String,
    /// `None` in a row from before there were classes.
    pub class: Option<String>,
}

/// Which texts of an index a walk is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    All,
    Equal(String),
    StartingWith(String),
}

/// The column by which users are found and ordered by their displayName; no present user is without.
macro_rules! display_name {
    () => {
        users::display_name_key.assume_not_null()
    };
}

macro_rules! columns {
    () => {
        (users::user_id, users::user_principal_name_key, display_name!(), users::registration_class)
    };
}

/// The rows of one tenant's present users.
macro_rules! present {
    ($tenant:expr, $limit:expr) => {
        users::table
            .filter(users::tenant_id.eq($tenant))
            .filter(users::deleted_at.is_null())
            .select(columns!())
            .limit($limit)
            .into_boxed()
    };
}

/// Narrows a query down to a span of a column. Where the walk goes on behind a place, that place alone bounds it on its
/// side: an index is entered at one place, and a database given two may take the wider one.
macro_rules! within {
    ($query:expr, $column:expr, $span:expr, $descending:expr, $after:expr) => {{
        let mut query = $query;
        match $span {
            Span::All => {}
            Span::Equal(text) => query = query.filter($column.eq(text.clone())),
            Span::StartingWith(prefix) => {
                if $descending || $after.is_none() {
                    query = query.filter($column.ge(prefix.clone()));
                }
                if let Some(end) = end_of(prefix).filter(|_| !$descending || $after.is_none()) {
                    query = query.filter($column.lt(end));
                }
            }
        }
        query
    }};
}

/// In the order of ids, behind the id `after`.
pub fn by_id(tx: &mut Tx<'_>, tenant: &TenantId, after: Option<&UserId>, limit: i64) -> Result<Vec<Candidate>> {
    let mut query = present!(tenant, limit).order(users::user_id);
    if let Some(after) = after {
        query = query.filter(users::user_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

/// Of one class, in the order of ids, behind the id `after`.
pub fn of_class(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    class: &str,
    after: Option<&UserId>,
    limit: i64,
) -> Result<Vec<Candidate>> {
    let mut query = present!(tenant, limit).filter(users::registration_class.eq(class)).order(users::user_id);
    if let Some(after) = after {
        query = query.filter(users::user_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

/// Those of these users that are present, in the order of ids.
pub fn these(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[UserId]) -> Result<Vec<Candidate>> {
    let query = present!(tenant, ids.len() as i64).filter(users::user_id.eq_any(ids)).order(users::user_id);
    Ok(query.load(tx.conn)?)
}

/// In the order of userPrincipalNames without regard to case, behind the one with the key `after`.
pub fn by_name(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    span: &Span,
    descending: bool,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Candidate>> {
    let mut query = within!(present!(tenant, limit), users::user_principal_name_key, span, descending, after);
    query = match (descending, after) {
        (false, Some(after)) => query.filter(users::user_principal_name_key.gt(after)),
        (true, Some(after)) => query.filter(users::user_principal_name_key.lt(after)),
        (_, None) => query,
    };
    query = match descending {
        false => query.order(users::user_principal_name_key.asc()),
        true => query.order(users::user_principal_name_key.desc()),
    };
    Ok(query.load(tx.conn)?)
}

/// In the order of displayNames without regard to case and, among users of the same name, of ids; behind `after`.
pub fn by_display_name(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    span: &Span,
    descending: bool,
    after: Option<(&str, &UserId)>,
    limit: i64,
) -> Result<Vec<Candidate>> {
    let mut query = within!(present!(tenant, limit), display_name!(), span, descending, after);
    if let Some((name, id)) = after {
        let operator = if descending { Operator::Lt } else { Operator::Gt };
        query = match span {
            // All have the same name.
            Span::Equal(_) => query.filter(compare!(users::user_id, operator, id.clone())),
            _ => query.filter(pair(["users.display_name_key", "users.user_id"], operator, [name, id.as_str()])),
        };
    }
    query = match descending {
        false => query.order((display_name!().asc(), users::user_id.asc())),
        true => query.order((display_name!().desc(), users::user_id.desc())),
    };
    Ok(query.load(tx.conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conditions::plan;

    #[tokio::test]
    async fn a_stretch_is_read_out_of_one_index() {
        let (store, _folder) = plan::store();
        let plans = store.read(|tx| {
            let (tenant, id) = (TenantId::new("tenant"), UserId::new("user"));
            let mut plans = vec![];
            for after in [None, Some(&id)] {
                plans.push((plan::of(tx, |tx| by_id(tx, &tenant, after, 9)), "users_present"));
                plans.push((plan::of(tx, |tx| of_class(tx, &tenant, "x", after, 9)), "users_by_registration"));
            }
            for span in [Span::All, Span::Equal("a".into()), Span::StartingWith("a".into())] {
                for (descending, after) in [(false, None), (true, None), (false, Some("b")), (true, Some("b"))] {
                    let plan = plan::of(tx, |tx| by_name(tx, &tenant, &span, descending, after, 9));
                    plans.push((plan, "users_by_name"));
                    let after = after.map(|name| (name, &id));
                    let plan = plan::of(tx, |tx| by_display_name(tx, &tenant, &span, descending, after, 9));
                    // Users of one name may be many.
                    assert!(after.is_none() || plan.contains("user_id"), "{plan}");
                    plans.push((plan, "users_by_display_name"));
                }
            }
            Ok(plans)
        });
        for (plan, index) in plans.await.unwrap() {
            assert!(plan.starts_with(&format!("SEARCH users USING INDEX {index} ")), "{index}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{index}: {plan}");
        }
    }
}
