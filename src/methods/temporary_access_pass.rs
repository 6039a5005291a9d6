//! Temporary access passes: a code that a help desk hands out so that a user without methods can register one.

use aws_lc_rs::constant_time;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{
    Method, MethodKind, Stored,
    manage::{self, OfUser},
    new_row,
    policy::{self, MethodsPolicy, PassConfiguration},
    proof::Verdict,
    secret_place,
};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::MethodId,
    store::{
        Tx,
        guesses::{self, GuessKind},
        methods,
        users::User,
    },
};

/// No letters that are mistaken for one another, read aloud or in print.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";

/// How far ahead a pass may begin, in days.
const MAX_DAYS_AHEAD: i64 = 30;

/// Graph's `temporaryAccessPassAuthenticationMethod`, without its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemporaryAccessPass {
    pub start_date_time: Timestamp,
    pub lifetime_in_minutes: i32,
    pub is_usable_once: bool,
}

/// What a caller may choose.
#[derive(Debug, Clone, Default)]
pub struct PassRequest {
    pub lifetime_in_minutes: Option<i32>,
    pub is_usable_once: Option<bool>,
    pub start_date_time: Option<Timestamp>,
}

/// A pass as it is shown, with its code only in the answer that creates it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassView {
    pub id: MethodId,
    pub temporary_access_pass: Option<String>,
    pub created_date_time: Timestamp,
    pub last_used_date_time: Option<Timestamp>,
    pub start_date_time: Timestamp,
    pub lifetime_in_minutes: i32,
    pub is_usable_once: bool,
    pub is_usable: bool,
    /// `EnabledByPolicy`, `DisabledByPolicy`, `Expired`, `NotYetValid` or `OneTimeUsed`.
    pub method_usability_reason: String,
}

impl std::fmt::Debug for PassView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassView").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Minutes after a sign-in with a pass for one use in which the user registers (Graph's rule).
const REGISTRATION_MINUTES: i64 = 10;

impl Stored<TemporaryAccessPass> {
    fn ends_at(&self) -> Timestamp {
        self.detail.start_date_time.plus_minutes(self.detail.lifetime_in_minutes.into())
    }

    /// Until when a sign-in with the pass at `now` is good: what was obtained with a pass ends with it.
    pub fn good_until(&self, now: Timestamp) -> Timestamp {
        if self.detail.is_usable_once {
            self.ends_at().min(now.plus_minutes(REGISTRATION_MINUTES))
        } else {
            self.ends_at()
        }
    }
}

/// Why the pass is not usable at `now`, whatever the tenant allows.
fn lapse(pass: &Stored<TemporaryAccessPass>, now: Timestamp) -> Option<&'static str> {
    let detail = &pass.detail;
    if now < detail.start_date_time {
        Some("NotYetValid")
    } else if now >= pass.ends_at() {
        Some("Expired")
    } else if detail.is_usable_once && pass.row.last_used_at.is_some() {
        Some("OneTimeUsed")
    } else {
        None
    }
}

/// Whether the pass has begun, has not ended and is not used up. Whether the tenant allows it is another question.
pub fn is_live(pass: &Stored<TemporaryAccessPass>, now: Timestamp) -> bool {
    lapse(pass, now).is_none()
}

/// How the pass stands at `now`.
pub fn view(pass: &Stored<TemporaryAccessPass>, policy: &MethodsPolicy, now: Timestamp) -> PassView {
    let detail = &pass.detail;
    let reason = if policy.allows_kind(&pass.row.user_id, MethodKind::TemporaryAccessPass, None) {
        lapse(pass, now).unwrap_or("EnabledByPolicy")
    } else {
        "DisabledByPolicy"
    };
    PassView {
        id: pass.row.method_id.clone(),
        temporary_access_pass: None,
        created_date_time: pass.row.created_at,
        last_used_date_time: pass.row.last_used_at,
        start_date_time: detail.start_date_time,
        lifetime_in_minutes: detail.lifetime_in_minutes,
        is_usable_once: detail.is_usable_once,
        is_usable: reason == "EnabledByPolicy",
        method_usability_reason: reason.into(),
    }
}

/// Checks what was asked against the policy.
fn terms(policy: &PassConfiguration, now: Timestamp, request: &PassRequest) -> Result<TemporaryAccessPass> {
    let (minimum, maximum) = (policy.minimum_lifetime_in_minutes, policy.maximum_lifetime_in_minutes);
    let lifetime_in_minutes = request.lifetime_in_minutes.unwrap_or(policy.default_lifetime_in_minutes);
    if !(minimum..=maximum).contains(&lifetime_in_minutes) {
        let message = format!("A temporary access pass lives {minimum} to {maximum} minutes by this tenant's policy.");
        return Err(Error::invalid("lifetimeInMinutes", message));
    }
    let is_usable_once = request.is_usable_once.unwrap_or(policy.is_usable_once);
    if policy.is_usable_once && !is_usable_once {
        return Err(Error::invalid("isUsableOnce", "This tenant's policy allows passes for one use only."));
    }
    let start_date_time = request.start_date_time.unwrap_or(now);
    let earliest = now.plus_minutes(-5);
    if start_date_time < earliest || start_date_time > now.plus_minutes(MAX_DAYS_AHEAD * 24 * 60) {
        let message = format!("A pass begins now or within the next {MAX_DAYS_AHEAD} days.");
        return Err(Error::invalid("startDateTime", message));
    }
    Ok(TemporaryAccessPass { start_date_time, lifetime_in_minutes, is_usable_once })
}

/// Refuses what [`issue`] would refuse, and changes nothing.
pub fn check(tx: &mut Tx<'_>, user: &User, request: &PassRequest) -> Result<()> {
    let policy = policy::check_registration(tx, user, MethodKind::TemporaryAccessPass, None)?;
    terms(&policy.temporary_access_pass, tx.now(), request).map(drop)
}

/// Issues a pass in place of the one the user has, and reveals its code. The caller was authorized; the caller also
/// records it ([`create`] does both).
pub fn issue(tx: &mut Tx<'_>, user: &User, request: &PassRequest) -> Result<PassView> {
    let policy = policy::check_registration(tx, user, MethodKind::TemporaryAccessPass, None)?;
    let detail = terms(&policy.temporary_access_pass, tx.now(), request)?;
    for old in manage::of_kind::<TemporaryAccessPass>(tx, user)? {
        super::remove(tx, user, &Method::TemporaryAccessPass(old), None)?;
    }
    let length = usize::try_from(policy.temporary_access_pass.default_length).map_err(Error::internal)?;
    let code = tx.entropy().text(ALPHABET, length);
    let id = MethodId::new(tx.guid());
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::TemporaryAccessPass, id, &detail)?;
    row.sealed_secret = Some(tx.seal(&secret_place(&row), code.as_bytes())?);
    methods::insert(tx, &row)?;
    // Failures with what was tried before do not block the pass that is handed out now.
    guesses::clear(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::TemporaryAccessPass)?;
    let mut view = view(&Stored { row, detail }, &policy, tx.now());
    view.temporary_access_pass = Some(code);
    Ok(view)
}

/// Checks a pass that the tenant allows (`proof::usable`), and takes it when it is for one use. Compares in constant
/// time.
pub fn verify(tx: &mut Tx<'_>, pass: &Stored<TemporaryAccessPass>, code: &str) -> Result<Verdict> {
    const REFUSED: Verdict = Verdict::Refused("The temporary access pass is wrong, used or over. Ask for a new one.");
    let sealed = pass.row.sealed_secret.as_deref().ok_or_else(|| Error::internal("a pass has a code"))?;
    let secret = tx.open(&secret_place(&pass.row), sealed)?;
    let is_right = constant_time::verify_slices_are_equal(secret.expose_secret(), code.as_bytes()).is_ok();
    if !is_right || !is_live(pass, tx.now()) {
        return Ok(REFUSED);
    }
    if pass.detail.is_usable_once {
        // The only step of a pass that has one use.
        return Ok(if methods::take_step(tx, &pass.row, 1)? { Verdict::Proven } else { REFUSED });
    }
    methods::set_last_used(tx, &pass.row)?;
    Ok(Verdict::Proven)
}

/// The pass of a user, if there is one; without its code.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<OfUser<Vec<PassView>>> {
    let found = manage::list::<TemporaryAccessPass>(tx, caller, user)?;
    let policy = MethodsPolicy::of(tx, &caller.tenant)?;
    let now = tx.now();
    Ok(found.map(|passes| passes.iter().map(|pass| view(pass, &policy, now)).collect()))
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<OfUser<PassView>> {
    let found = manage::get::<TemporaryAccessPass>(tx, caller, user, id)?;
    let policy = MethodsPolicy::of(tx, &caller.tenant)?;
    let now = tx.now();
    Ok(found.map(|pass| view(&pass, &policy, now)))
}

/// Issues a pass on its own and records it.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, user: &str, request: &PassRequest) -> Result<OfUser<PassView>> {
    let action = Action::RegisterKind(MethodKind::TemporaryAccessPass);
    let (actor, user) = directory::authorize_on_user(tx, caller, action, user)?;
    let pass = issue(tx, &user, request)?;
    let entry = Entry::success(Activity::REGISTER_METHOD, Target::user(&user))
        .because("Admin registered temporary access pass method for user")
        .detail("methodId", pass.id.as_str())
        .detail("kind", MethodKind::TemporaryAccessPass.as_str())
        .detail("lifetimeInMinutes", pass.lifetime_in_minutes.to_string());
    audit::record(tx, &actor, entry)?;
    Ok(OfUser::new(tx, user, pass))
}
