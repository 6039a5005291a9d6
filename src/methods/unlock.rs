//! Lifting the limits on guessing for one user.

use crate::{
    access::{Action, Caller},
    audit::{self, Activity, Entry, Target},
    directory,
    error::Result,
    store::{Tx, guesses},
};

/// Forgets all failures of a user. Doing it again is a success that changes nothing.
pub fn unlock(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::Unlock, user)?;
    let failures = guesses::of_subject(tx, &user.tenant_id, user.user_id.as_str())?;
    guesses::clear_all(tx, &user.tenant_id, user.user_id.as_str())?;
    let mut entry = Entry::success(Activity::UNLOCK, Target::user(&user))
        .because("Admin lifted the limits on guessing the user's password and codes");
    for one in failures {
        entry = entry.modified(&format!("Failures {}", one.kind), one.failures, 0);
    }
    audit::record(tx, &actor, entry).map(drop)
}
