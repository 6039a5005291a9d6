//! Users: made, changed, deleted for a while, restored, removed for good.

use super::{
    attributes::{self, Changes, PasswordChange},
    authorize_on_user, organization,
};
use crate::{
    access::{self, Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    error::{Error, Result},
    id::{MethodId, UserId},
    methods::{self, Method, MethodSummary, password},
    store::{
        self, Tx, roles,
        users::{
            Presence, Profile, Requirements, User, UserFilter, UserType,
            walk::{UserPage, UserQuery},
        },
    },
};

/// How long a deleted user can be restored, in days; Graph's number.
pub const RESTORABLE_DAYS: i64 = 30;

/// Makes a user. A userPrincipalName and a displayName are needed; the mailNickname is the name's alias unless given.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, changes: &Changes) -> Result<User> {
    let actor = access::authorize(tx, caller, Action::WriteUsers, None)?;
    let tenant = organization(tx, caller)?;
    for (target, given) in [("userPrincipalName", &changes.user_principal_name), ("displayName", &changes.display_name)]
    {
        if given.is_none() {
            return Err(Error::invalid_user(target, format!("{target} is required.")));
        }
    }
    changes.check(&tenant.default_domain)?;
    let mut user = changes.applied_to(User {
        tenant_id: caller.tenant.clone(),
        user_id: UserId::new(tx.guid()),
        user_principal_name: String::new(),
        display_name: String::new(),
        given_name: None,
        surname: None,
        mail: None,
        user_type: UserType::Member,
        account_enabled: true,
        profile: Profile::default(),
        created_at: tx.now(),
        deleted_at: None,
        // Tokens count whole seconds: one that is issued within the first second is good too.
        sessions_valid_from: Timestamp::from_seconds(tx.now().seconds()),
    });
    if user.profile.mail_nickname.is_none() {
        user.profile.mail_nickname = Some(attributes::alias(&user.user_principal_name).to_owned());
    }
    refuse_taken_name(tx, &user)?;

    store::users::insert(tx, &user, &Requirements::default())?;
    let mut entry = Entry::success(Activity::CREATE_USER, Target::user(&user));
    for (name, old, new) in attributes::differences(None, &user)? {
        entry = entry.modified(&name, old, new);
    }
    let entry = change_password(tx, &user, &changes.password, entry)?;
    audit::record(tx, &actor, entry)?;
    Ok(user)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id_or_name: &str) -> Result<User> {
    authorize_on_user(tx, caller, Action::ReadUsers, id_or_name).map(|(_, user)| user)
}

/// A page of the tenant's present users.
pub fn page(tx: &mut Tx<'_>, caller: &Caller, query: &UserQuery) -> Result<UserPage> {
    access::authorize(tx, caller, Action::ReadUsers, None)?;
    store::users::walk::page(tx, &caller.tenant, query)
}

/// How many present users there are, in all or of those whom a filter finds.
pub fn count(tx: &mut Tx<'_>, caller: &Caller, filter: Option<&UserFilter>) -> Result<i64> {
    access::authorize(tx, caller, Action::ReadUsers, None)?;
    store::users::walk::count(tx, &caller.tenant, filter)
}

/// A page of the tenant's present or deleted users in the order of their ids, behind the id `after`.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Caller,
    presence: Presence,
    after: Option<&UserId>,
    limit: i64,
) -> Result<Vec<User>> {
    access::authorize(tx, caller, Action::ReadUsers, None)?;
    store::users::list(tx, &caller.tenant, presence, after, limit)
}

/// Writes what `changes` names. A new password and a disabled account end the user's sessions.
pub fn update(tx: &mut Tx<'_>, caller: &Caller, id_or_name: &str, changes: &Changes) -> Result<()> {
    let (actor, before) = authorize_on_user(tx, caller, Action::WriteUsers, id_or_name)?;
    changes.check(&organization(tx, caller)?.default_domain)?;
    let mut after = changes.applied_to(before.clone());
    if after.user_principal_name != before.user_principal_name {
        refuse_taken_name(tx, &after)?;
    }
    if changes.password.digest.is_some() || (before.account_enabled && !after.account_enabled) {
        after.sessions_valid_from = tx.now();
    }

    // Nobody is told of a change that is none.
    if after != before {
        store::users::update(tx, &after)?;
    }
    let mut entry = Entry::success(Activity::UPDATE_USER, Target::user(&before));
    for (name, old, new) in attributes::differences(Some(&before), &after)? {
        entry = entry.modified(&name, old, new);
    }
    let entry = change_password(tx, &after, &changes.password, entry)?;
    // Whatever is already as it shall be is no event.
    if !entry.modified.is_empty() {
        audit::record(tx, &actor, entry)?;
    }
    Ok(())
}

/// Deletes a user, to be restored within 30 days. The user's name is free at once and the sessions end; methods,
/// hardware tokens and roles are kept for the day of the restore, except that no number signs in any more.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, id_or_name: &str) -> Result<()> {
    let (actor, user) = authorize_on_user(tx, caller, Action::WriteUsers, id_or_name)?;
    let deleted = User { deleted_at: Some(tx.now()), sessions_valid_from: tx.now(), ..user.clone() };
    store::users::update(tx, &deleted)?;
    // A number signs in one user of the tenant; a deleted one must not keep it from the others.
    for mut row in store::methods::of_user(tx, &user.tenant_id, &user.user_id)? {
        if row.sms_sign_in_number.take().is_some() {
            store::methods::update(tx, &row)?;
        }
    }
    let entry = Entry::success(Activity::DELETE_USER, Target::user(&user));
    audit::record(tx, &actor, entry.modified("deletedDateTime", None::<()>, tx.now())).map(drop)
}

pub fn get_deleted(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<User> {
    authorize_on_deleted(tx, caller, Action::ReadUsers, id).map(|(_, user)| user)
}

/// Whoever was deleted at this moment or before cannot be restored any more; the sweep removes them for good.
pub(super) fn lost_until(now: Timestamp) -> Timestamp {
    now.plus_minutes(-RESTORABLE_DAYS * 24 * 60)
}

/// Brings a deleted user back with methods, hardware tokens and roles. Old sessions stay void.
pub fn restore(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<User> {
    let (actor, deleted) = authorize_on_deleted(tx, caller, Action::WriteUsers, id)?;
    if deleted.deleted_at.is_some_and(|at| at <= lost_until(tx.now())) {
        return Err(Error::conflict(format!(
            "The user was deleted more than {RESTORABLE_DAYS} days ago and can only be removed for good."
        )));
    }
    if store::users::find(tx, &deleted.tenant_id, &deleted.user_principal_name)?.is_some() {
        return Err(Error::conflict(format!(
            "The userPrincipalName {} belongs to another user by now; rename that one first.",
            deleted.user_principal_name
        )));
    }
    let user = User { deleted_at: None, ..deleted.clone() };
    store::users::update(tx, &user)?;
    let entry = Entry::success(Activity::RESTORE_USER, Target::user(&user));
    audit::record(tx, &actor, entry.modified("deletedDateTime", deleted.deleted_at, None::<()>))?;
    Ok(user)
}

/// Removes a deleted user for good, with methods and roles. Hardware tokens go back to the inventory.
pub fn purge(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<()> {
    let (actor, user) = authorize_on_deleted(tx, caller, Action::WriteUsers, id)?;
    purge_as(tx, &actor, &user)
}

/// The same, whoever it is that may.
pub(super) fn purge_as(tx: &mut Tx<'_>, actor: &Actor, user: &User) -> Result<()> {
    let methods = methods::of_user(tx, user)?;
    for method in &methods {
        methods::remove(tx, user, method, None)?;
    }
    // Registrations that were never finished are no methods any more, but still rows.
    store::methods::delete_all(tx, &user.tenant_id, &user.user_id)?;
    roles::delete_all(tx, &user.tenant_id, &user.user_id)?;
    store::users::deleted::purge(tx, &user.tenant_id, &user.user_id)?;

    let summaries: Vec<_> = methods.iter().map(MethodSummary::from).collect();
    let (released, removed): (Vec<_>, Vec<_>) = summaries.into_iter().partition(|it| it.serial_number.is_some());
    let list = |methods: &[MethodSummary]| serde_json::to_string(methods).map_err(Error::internal);
    let entry = Entry::success(Activity::PURGE_USER, Target::user(user))
        .detail("deletedMethods", list(&removed)?)
        .detail("releasedHardwareOathTokens", list(&released)?);
    audit::record(tx, actor, entry).map(drop)
}

/// Voids every token and session of the user from before this moment.
pub fn revoke_sign_in_sessions(tx: &mut Tx<'_>, caller: &Caller, id_or_name: &str) -> Result<()> {
    let (actor, user) = authorize_on_user(tx, caller, Action::RevokeSignInSessions, id_or_name)?;
    store::users::set_sessions_valid_from(tx, &user.tenant_id, &user.user_id, tx.now())?;
    // Also those that another replica, whose clock goes before this one's, has opened in this moment.
    store::sessions::refuse_all(tx, &user.tenant_id, &[&user.user_id])?;
    let entry = Entry::success(Activity::REVOKE_SESSIONS, Target::user(&user));
    let entry = entry.modified("signInSessionsValidFromDateTime", user.sessions_valid_from, tx.now());
    audit::record(tx, &actor, entry).map(drop)
}

/// Like [`authorize_on_user`], for those who were deleted. They have no name any more, only an id.
fn authorize_on_deleted(tx: &mut Tx<'_>, caller: &Caller, action: Action, id: &str) -> Result<(Actor, User)> {
    let user = match UserId::parse(id) {
        Some(id) => store::users::find_by_id(tx, &caller.tenant, &id, Presence::Deleted)?,
        None => None,
    };
    let actor = access::authorize(tx, caller, action, user.as_ref())?;
    let user = user.ok_or_else(|| Error::user_not_found(id))?;
    Ok((actor, user))
}

fn refuse_taken_name(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let holder = store::users::find(tx, &user.tenant_id, &user.user_principal_name)?;
    if holder.is_some_and(|holder| holder.user_id != user.user_id) {
        let message = "Another object with the same value for property userPrincipalName already exists.";
        return Err(Error::invalid_user("userPrincipalName", message));
    }
    Ok(())
}

/// Stores a new password, or only whether it must be changed, and says so in the event without a word of it.
fn change_password(tx: &mut Tx<'_>, user: &User, change: &PasswordChange, entry: Entry) -> Result<Entry> {
    let PasswordChange { digest, force_change_next_sign_in: force } = change;
    if digest.is_none() && force.is_none() {
        return Ok(entry);
    }
    let stored = match methods::find(tx, user, &MethodId::new(password::ID)) {
        Ok(Method::Password(stored)) => Some(stored),
        Ok(_) | Err(Error::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let was_forced = stored.as_ref().map(|stored| stored.detail.force_change_next_sign_in);
    let is_forced = force.unwrap_or(false);
    let entry = match (digest, stored) {
        (Some(digest), _) => {
            password::set(tx, &user.tenant_id, &user.user_id, digest, is_forced)?;
            entry.modified("passwordProfile/password", None::<()>, "(not shown)")
        }
        (None, Some(mut stored)) => {
            stored.detail.force_change_next_sign_in = is_forced;
            stored.save(tx)?;
            entry
        }
        (None, None) => {
            return Err(Error::invalid_user("passwordProfile/password", "The user has no password yet; send one."));
        }
    };
    if was_forced == Some(is_forced) {
        return Ok(entry);
    }
    Ok(entry.modified("passwordProfile/forceChangePasswordNextSignIn", was_forced, is_forced))
}
