//! External authentication methods: the word of a provider outside, which the tenant's policy names. A reset leaves them
//! alone unless it is told to delete them.
//!
//! They are known, listed, counted and deleted as at Graph. Sign-in sessions do not ask providers, so such a method proves
//! nobody here: it is no second factor, and whoever has nothing else must register.

use serde::{Deserialize, Serialize};

use super::{
    Method, MethodKind, Stored,
    manage::{self, OfUser},
    new_row,
    policy::MethodsPolicy,
};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::MethodId,
    store::{Tx, methods},
};

/// The longest display name, in characters.
const MAX_NAME_LENGTH: usize = 256;

/// Graph's `externalAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalMethod {
    /// The provider's configuration in the tenant's policy. It may be gone: then the method stays, and is not allowed.
    pub configuration_id: String,
    pub display_name: String,
}

/// A method to register.
#[derive(Debug, Clone)]
pub struct NewExternalMethod {
    pub configuration_id: String,
    pub display_name: String,
}

/// A method as its registration answers with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalEntry {
    pub id: MethodId,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub detail: ExternalMethod,
}

impl From<Stored<ExternalMethod>> for ExternalEntry {
    fn from(Stored { row, detail }: Stored<ExternalMethod>) -> Self {
        Self { id: row.method_id, created_at: row.created_at, last_used_at: row.last_used_at, detail }
    }
}

/// Registers a provider's method for a user; one of each provider.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, user: &str, new: &NewExternalMethod) -> Result<OfUser<ExternalEntry>> {
    let action = Action::RegisterKind(MethodKind::ExternalAuthenticationMethod);
    let (actor, user) = directory::authorize_on_user(tx, caller, action, user)?;
    directory::check_text("displayName", &new.display_name, MAX_NAME_LENGTH)?;
    if new.display_name.trim().is_empty() {
        return Err(Error::invalid("displayName", "Say how the user calls the method."));
    }
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    let provider = policy.provider(&new.configuration_id).filter(|provider| provider.common.allows(&user.user_id));
    let Some(provider) = provider else {
        let message = "The tenant's authentication methods policy has no external configuration with this id that is \
                       enabled for this user: add one under authenticationMethodConfigurations, or enable it.";
        return Err(Error::invalid("configurationId", message));
    };
    let has = manage::of_kind::<ExternalMethod>(tx, &user)?;
    if has.iter().any(|method| method.detail.configuration_id == provider.id) {
        return Err(Error::conflict("The user has a method of this provider already; delete it first."));
    }
    let detail = ExternalMethod { configuration_id: provider.id.clone(), display_name: new.display_name.clone() };
    let id = MethodId::new(tx.guid());
    let row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::ExternalAuthenticationMethod, id, &detail)?;
    methods::insert(tx, &row)?;
    let stored = Stored { row, detail };
    let method = Method::ExternalAuthenticationMethod(stored.clone());
    let entry = manage::entry(Activity::REGISTER_METHOD, "registered", &user, &method)
        .detail("configurationId", &stored.detail.configuration_id);
    audit::record(tx, &actor, entry)?;
    Ok(OfUser::new(tx, user, stored.into()))
}
