//! Users: what the directory knows of them, and what must happen at their next sign-in.

pub mod changes;
pub mod deleted;
mod filter;
pub mod walk;
mod words;

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Tx, backend::natively, schema::users};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{TenantId, UserId},
    words,
};

pub use filter::{UserField, UserFilter};

words! {
    /// Graph's `userType`.
    pub enum UserType { Member = "Member", Guest = "Guest" }
}

words! {
    /// Graph's `perUserMfaState` (strongAuthenticationRequirements).
    pub enum PerUserMfaState { Disabled = "disabled", Enabled = "enabled", Enforced = "enforced" }
}

/// The attributes of a user that nobody filters by; one JSON column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    pub mail_nickname: Option<String>,
    pub job_title: Option<String>,
    pub mobile_phone: Option<String>,
    pub business_phones: Vec<String>,
    pub office_location: Option<String>,
    pub preferred_language: Option<String>,
    pub usage_location: Option<String>,
    pub department: Option<String>,
    pub company_name: Option<String>,
    pub employee_id: Option<String>,
    pub other_mails: Vec<String>,
}

/// Serialized under Graph's names, which are also those of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub tenant_id: TenantId,
    #[serde(rename = "id")]
    pub user_id: UserId,
    pub user_principal_name: String,
    pub display_name: String,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    pub mail: Option<String>,
    pub user_type: UserType,
    pub account_enabled: bool,
    #[serde(flatten)]
    pub profile: Profile,
    #[serde(rename = "createdDateTime")]
    pub created_at: Timestamp,
    #[serde(rename = "deletedDateTime")]
    pub deleted_at: Option<Timestamp>,
    /// Tokens and sessions from before this moment are void.
    #[serde(rename = "signInSessionsValidFromDateTime")]
    pub sessions_valid_from: Timestamp,
}

/// What must happen when the user signs in; the same table, other columns.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true)]
pub struct Requirements {
    pub per_user_mfa_state: PerUserMfaState,
    pub opt_out_reason: Option<String>,
    pub opt_out_expires_at: Option<Timestamp>,
    pub registration_required_at: Option<Timestamp>,
    /// Id of the user or application that demanded it.
    pub registration_required_by: Option<String>,
    pub registration_required_reason: Option<String>,
    /// Graph's `userPreferredMethodForSecondaryAuthentication`.
    pub preferred_method: Option<String>,
    pub system_preferred_enabled: bool,
}

impl Default for Requirements {
    fn default() -> Self {
        Self {
            per_user_mfa_state: PerUserMfaState::Disabled,
            opt_out_reason: None,
            opt_out_expires_at: None,
            registration_required_at: None,
            registration_required_by: None,
            registration_required_reason: None,
            preferred_method: None,
            system_preferred_enabled: true,
        }
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true)]
struct Row {
    tenant_id: TenantId,
    user_id: UserId,
    user_principal_name: String,
    user_principal_name_key: String,
    display_name: String,
    given_name: Option<String>,
    surname: Option<String>,
    mail: Option<String>,
    user_type: UserType,
    account_enabled: bool,
    profile: String,
    created_at: Timestamp,
    deleted_at: Option<Timestamp>,
    sessions_valid_from: Timestamp,
    display_name_key: Option<String>,
    given_name_key: Option<String>,
    surname_key: Option<String>,
    mail_key: Option<String>,
    change_sequence: i64,
}

impl Row {
    /// The row of a user whom the tenant's next change gives this number.
    fn of(tx: &mut Tx<'_>, user: &User) -> Result<Self> {
        let change_sequence = changes::next(tx, &user.tenant_id)?;
        let user = user.clone();
        Ok(Self {
            display_name_key: Some(name_key(&user.display_name)),
            given_name_key: user.given_name.as_deref().map(name_key),
            surname_key: user.surname.as_deref().map(name_key),
            mail_key: user.mail.as_deref().map(name_key),
            change_sequence,
            user_principal_name_key: name_key(&user.user_principal_name),
            profile: serde_json::to_string(&user.profile).map_err(Error::internal)?,
            tenant_id: user.tenant_id,
            user_id: user.user_id,
            user_principal_name: user.user_principal_name,
            display_name: user.display_name,
            given_name: user.given_name,
            surname: user.surname,
            mail: user.mail,
            user_type: user.user_type,
            account_enabled: user.account_enabled,
            created_at: user.created_at,
            deleted_at: user.deleted_at,
            sessions_valid_from: user.sessions_valid_from,
        })
    }

    fn into_user(self) -> Result<User> {
        Ok(User {
            profile: serde_json::from_str(&self.profile).map_err(Error::internal)?,
            tenant_id: self.tenant_id,
            user_id: self.user_id,
            user_principal_name: self.user_principal_name,
            display_name: self.display_name,
            given_name: self.given_name,
            surname: self.surname,
            mail: self.mail,
            user_type: self.user_type,
            account_enabled: self.account_enabled,
            created_at: self.created_at,
            deleted_at: self.deleted_at,
            sessions_valid_from: self.sessions_valid_from,
        })
    }
}

/// How names are compared: without regard to case. A final sigma is a sigma, so that the key of a prefix begins the key of
/// the whole.
pub fn name_key(name: &str) -> String {
    name.to_lowercase().replace('ς', "σ")
}

/// Which of a tenant's users a look-up sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Present,
    Deleted,
}

pub fn insert(tx: &mut Tx<'_>, user: &User, requirements: &Requirements) -> Result<()> {
    let requirements = requirements.clone();
    let row = Row::of(tx, user)?;
    diesel::insert_into(users::table)
        .values((
            row,
            users::per_user_mfa_state.eq(requirements.per_user_mfa_state),
            users::opt_out_reason.eq(requirements.opt_out_reason),
            users::opt_out_expires_at.eq(requirements.opt_out_expires_at),
            users::registration_required_at.eq(requirements.registration_required_at),
            users::registration_required_by.eq(requirements.registration_required_by),
            users::registration_required_reason.eq(requirements.registration_required_reason),
            users::preferred_method.eq(requirements.preferred_method),
            users::system_preferred_enabled.eq(requirements.system_preferred_enabled),
        ))
        .execute(tx.conn)?;
    words::replace(tx, &user.tenant_id, &user.user_id, "", &user.display_name)?;
    tx.touch(&user.tenant_id, &user.user_id);
    Ok(())
}

/// Writes every directory attribute of the user back (not the requirements).
pub fn update(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let row = Row::of(tx, user)?;
    let target = users::table.find((&user.tenant_id, &user.user_id));
    let old_name: Option<String> = target.select(users::display_name).first(tx.conn).optional()?;
    diesel::update(target).set(row).execute(tx.conn)?;
    words::replace(tx, &user.tenant_id, &user.user_id, &old_name.unwrap_or_default(), &user.display_name)?;
    tx.touch(&user.tenant_id, &user.user_id);
    Ok(())
}

/// By id, or by userPrincipalName in any case. Deleted users have no name any more and are found by id only.
pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id_or_name: &str) -> Result<Option<User>> {
    match UserId::parse(id_or_name) {
        // No name has them, and PostgreSQL refuses NUL.
        _ if id_or_name.contains(char::is_control) => Ok(None),
        Some(id) => find_by_id(tx, tenant, &id, Presence::Present),
        None => {
            let query = users::table
                .filter(users::tenant_id.eq(tenant))
                .filter(users::user_principal_name_key.eq(name_key(id_or_name)))
                .filter(users::deleted_at.is_null());
            let row: Option<Row> =
                natively!(&mut *tx.conn, |conn| { query.select(Row::as_select()).get_result(conn).optional()? });
            row.map(Row::into_user).transpose()
        }
    }
}

pub fn find_by_id(tx: &mut Tx<'_>, tenant: &TenantId, id: &UserId, presence: Presence) -> Result<Option<User>> {
    let row: Option<Row> = natively!(&mut *tx.conn, |conn| {
        users::table.find((tenant, id)).select(Row::as_select()).get_result(conn).optional()?
    });
    let row = row.filter(|row| row.deleted_at.is_some() == (presence == Presence::Deleted));
    row.map(Row::into_user).transpose()
}

/// Those of the users that are present.
pub fn find_by_ids(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[&UserId]) -> Result<Vec<User>> {
    let query = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_id.eq_any(ids));
    let query = query.filter(users::deleted_at.is_null()).order(users::user_id);
    let rows: Vec<Row> = natively!(&mut *tx.conn, |conn| query.select(Row::as_select()).load(conn)?);
    rows.into_iter().map(Row::into_user).collect()
}

/// Those of the userPrincipalNames, given as [`name_key`] has them, that a user has.
pub fn find_by_names(tx: &mut Tx<'_>, tenant: &TenantId, keys: &[String]) -> Result<Vec<User>> {
    let query = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_principal_name_key.eq_any(keys));
    let query = query.filter(users::deleted_at.is_null()).order(users::user_id);
    let rows: Vec<Row> = natively!(&mut *tx.conn, |conn| query.select(Row::as_select()).load(conn)?);
    rows.into_iter().map(Row::into_user).collect()
}

/// The display names of some users, deleted ones included.
pub fn display_names(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[UserId]) -> Result<BTreeMap<UserId, String>> {
    let query = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_id.eq_any(ids));
    let names: Vec<(UserId, String)> = query.select((users::user_id, users::display_name)).load(tx.conn)?;
    Ok(names.into_iter().collect())
}

/// A page of a tenant's users in the order of their ids; `after` is the last id of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    presence: Presence,
    after: Option<&UserId>,
    limit: i64,
) -> Result<Vec<User>> {
    let mut query = users::table
        .filter(users::tenant_id.eq(tenant))
        .order(users::user_id)
        .select(Row::as_select())
        .limit(limit)
        .into_boxed();
    query = match presence {
        Presence::Present => query.filter(users::deleted_at.is_null()),
        Presence::Deleted => query.filter(users::deleted_at.is_not_null()),
    };
    if let Some(after) = after {
        query = query.filter(users::user_id.gt(after));
    }
    query.load(tx.conn)?.into_iter().map(Row::into_user).collect()
}

/// A page of the ids of a tenant's present users whom a filter finds (all without one), in their order; `after` is the
/// last id of the page before. Walks the users of the tenant, so a filter that finds few costs a walk over all of them.
pub fn ids(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    filter: Option<&UserFilter>,
    after: Option<&UserId>,
    limit: i64,
) -> Result<Vec<UserId>> {
    let mut query = users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::deleted_at.is_null())
        .order(users::user_id)
        .select(users::user_id)
        .limit(limit)
        .into_boxed();
    if let Some(filter) = filter {
        query = query.filter(filter::matching(filter));
    }
    if let Some(after) = after {
        query = query.filter(users::user_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

pub fn requirements(tx: &mut Tx<'_>, tenant: &TenantId, id: &UserId) -> Result<Requirements> {
    Ok(users::table.find((tenant, id)).select(Requirements::as_select()).first(tx.conn)?)
}

pub fn set_requirements(tx: &mut Tx<'_>, tenant: &TenantId, id: &UserId, requirements: &Requirements) -> Result<()> {
    tx.touch(tenant, id);
    diesel::update(users::table.find((tenant, id))).set(requirements).execute(tx.conn)?;
    Ok(())
}

/// Why users must register again.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationDemand<'a> {
    /// Id of the user or application that demands it.
    pub by: &'a str,
    pub reason: &'a str,
    /// Void every session and token from before now.
    pub revoke_sessions: bool,
}

/// Demands a registration of some users, now; the default method they had chosen is forgotten.
pub fn demand_registration(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    ids: &[&UserId],
    demand: &RegistrationDemand<'_>,
) -> Result<()> {
    let some = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_id.eq_any(ids));
    // A session that ends is a change of its user; a method or a demand is none.
    let number = match demand.revoke_sessions {
        true => Some(changes::next(tx, tenant)?),
        false => None,
    };
    let demanded = diesel::update(some).set((
        users::registration_required_at.eq(tx.now),
        users::registration_required_by.eq(demand.by),
        users::registration_required_reason.eq(demand.reason),
        users::preferred_method.eq(None::<String>),
        demand.revoke_sessions.then(|| users::sessions_valid_from.eq(tx.now)),
        number.map(|number| users::change_sequence.eq(number)),
    ));
    natively!(&mut *tx.conn, |conn| demanded.execute(conn)?);
    Ok(())
}

pub fn set_sessions_valid_from(tx: &mut Tx<'_>, tenant: &TenantId, id: &UserId, at: Timestamp) -> Result<()> {
    let changed = (users::sessions_valid_from.eq(at), users::change_sequence.eq(changes::next(tx, tenant)?));
    diesel::update(users::table.find((tenant, id))).set(changed).execute(tx.conn)?;
    Ok(())
}

/// Fills in what rows from before this version lack: the keys of names, words and, as the transaction ends, the class
/// that reports count by. At most `limit` users of all tenants; true when there may be more.
pub fn fill_in(tx: &mut Tx<'_>, limit: i64) -> Result<bool> {
    let unkeyed = users::table.filter(users::display_name_key.is_null()).select(Row::as_select()).limit(limit);
    let rows: Vec<Row> = unkeyed.load(tx.conn)?;
    let more = rows.len() as i64 == limit;
    for row in rows {
        let user = row.into_user()?;
        let keys = (
            users::display_name_key.eq(name_key(&user.display_name)),
            users::given_name_key.eq(user.given_name.as_deref().map(name_key)),
            users::surname_key.eq(user.surname.as_deref().map(name_key)),
            users::mail_key.eq(user.mail.as_deref().map(name_key)),
        );
        diesel::update(users::table.find((&user.tenant_id, &user.user_id))).set(keys).execute(tx.conn)?;
        words::replace(tx, &user.tenant_id, &user.user_id, "", &user.display_name)?;
        tx.touch(&user.tenant_id, &user.user_id);
    }
    Ok(more)
}
