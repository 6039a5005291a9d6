//! Which users hold which directory roles. All assignments are for the whole tenant.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::authorize_on_user;
use crate::{
    access::{self, Action, Caller},
    audit::{self, Activity, Entry, Target},
    error::{Area, Error, Result},
    id::UserId,
    roles::Role,
    store::{
        self, Tx,
        roles::{self, RoleAssignment},
        users::Presence,
    },
};

/// The id of an assignment as Graph forms it: role and user, each as a GUID's 16 bytes in Microsoft's mixed order
/// (base64url), and "-1". To callers it is opaque.
pub fn id(role_id: &str, user: &UserId) -> String {
    let bytes = |guid: &str| Uuid::try_parse(guid).unwrap_or_default().to_bytes_le();
    format!("{}-1", URL_SAFE_NO_PAD.encode([bytes(role_id), bytes(user.as_str())].concat()))
}

/// The role and the user of an assignment's id; `None` when it cannot be one of ours.
fn parse_id(id: &str) -> Option<(Role, UserId)> {
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(id.strip_suffix("-1")?).ok()?.try_into().ok()?;
    let guid = |half: &[u8]| Some(Uuid::from_bytes_le(half.try_into().ok()?).to_string());
    let (role, user) = bytes.split_at(16);
    Some((Role::parse(&guid(role)?)?, UserId::new(guid(user)?)))
}

fn not_found(id: &str) -> Error {
    Error::NotFound { area: Area::Directory, what: id.to_owned() }
}

/// The roles there are.
pub fn definitions(tx: &mut Tx<'_>, caller: &Caller) -> Result<&'static [Role]> {
    access::authorize(tx, caller, Action::ReadRoles, None)?;
    Ok(Role::ALL)
}

/// One role, by its template id in any case.
pub fn definition(tx: &mut Tx<'_>, caller: &Caller, role_id: &str) -> Result<Role> {
    access::authorize(tx, caller, Action::ReadRoles, None)?;
    Role::parse(&role_id.to_lowercase()).ok_or_else(|| not_found(role_id))
}

/// A page of the assignments of present users, of all or of one, behind the assignment with the id `after`.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Caller,
    principal: Option<&UserId>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<RoleAssignment>> {
    access::authorize(tx, caller, Action::ReadRoles, None)?;
    let after = after
        .map(|id| parse_id(id).ok_or_else(|| Error::invalid_user("$skiptoken", "$skiptoken is not one of ours.")))
        .transpose()?;
    let after = after.as_ref().map(|(role, user)| (user, role.as_str()));
    roles::list(tx, &caller.tenant, principal, after, limit)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<RoleAssignment> {
    access::authorize(tx, caller, Action::ReadRoles, None)?;
    find(tx, caller, id)
}

/// Gives a user a role.
pub fn add(tx: &mut Tx<'_>, caller: &Caller, user: &UserId, role_id: &str) -> Result<RoleAssignment> {
    let (actor, user) = authorize_on_user(tx, caller, Action::WriteRoles, user.as_str())?;
    let role = Role::parse(&role_id.to_lowercase()).ok_or_else(|| {
        let message = "roleDefinitionId is the id of a role in /roleManagement/directory/roleDefinitions.";
        Error::invalid_user("roleDefinitionId", message)
    })?;
    if roles::find(tx, &user.tenant_id, &user.user_id, role.as_str())?.is_some() {
        return Err(Error::conflict(format!("The user holds the role {} already.", role.display_name())));
    }
    let assignment = RoleAssignment {
        tenant_id: user.tenant_id.clone(),
        user_id: user.user_id.clone(),
        role_id: role.as_str().into(),
        created_at: tx.now(),
    };
    roles::insert(tx, &assignment)?;
    let entry = Entry::success(Activity::ADD_ROLE, Target::user(&user))
        .modified("Role.DisplayName", None::<()>, role.display_name())
        .modified("Role.TemplateId", None::<()>, role.as_str());
    audit::record(tx, &actor, entry)?;
    Ok(assignment)
}

/// Takes a role from a user; the next call of the user goes without it.
pub fn remove(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteRoles, None)?;
    let (role, user) = parse_id(id).ok_or_else(|| not_found(id))?;
    let user = store::users::find_by_id(tx, &caller.tenant, &user, Presence::Present)?.ok_or_else(|| not_found(id))?;
    if !roles::delete(tx, &caller.tenant, &user.user_id, role.as_str())? {
        return Err(not_found(id));
    }
    let entry = Entry::success(Activity::REMOVE_ROLE, Target::user(&user))
        .modified("Role.DisplayName", role.display_name(), None::<()>)
        .modified("Role.TemplateId", role.as_str(), None::<()>);
    audit::record(tx, &actor, entry).map(drop)
}

fn find(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<RoleAssignment> {
    let (role, user) = parse_id(id).ok_or_else(|| not_found(id))?;
    store::users::find_by_id(tx, &caller.tenant, &user, Presence::Present)?.ok_or_else(|| not_found(id))?;
    roles::find(tx, &caller.tenant, &user, role.as_str())?.ok_or_else(|| not_found(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Graph's page "Get unifiedRoleAssignment" forms its ids this way.
    #[test]
    fn ids_are_graphs() {
        let user = UserId::new("ace08ec9-aa11-4ada-9145-addf0398233e");
        let id = id(Role::GlobalAdministrator.as_str(), &user);
        assert_eq!(id, "lAPpYvVpN0KRkAEhdxReEMmO4KwRqtpKkUWt3wOYIz4-1");
        assert_eq!(parse_id(&id), Some((Role::GlobalAdministrator, user)));
        for wrong in ["", "-1", "x-1", "lAPpYvVpN0KRkAEhdxReEMmO4KwRqtpKkUWt3wOYIz4", "lAPpYvVpN0KRkAEhdxReEMmO4KwR-1"]
        {
            assert_eq!(parse_id(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        /// What is read is written the same again, so no two texts name one assignment.
        #[test]
        fn an_assignment_has_one_id(text in "[A-Za-z0-9_-]{43}-1") {
            if let Some((role, user)) = parse_id(&text) {
                proptest::prop_assert_eq!(id(role.as_str(), &user), text);
            }
        }
    }
}
