//! Temporary access passes: a code that a help desk hands out so that a user without methods can register one.

use aws_lc_rs::constant_time;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{
    Method, MethodKind, Stored,
    manage::{self, OfUser},
    new_row,
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
    store::{Tx, methods, users::User},
};

/// No letters that are mistaken for one another, read aloud or in print.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";

/// Bounds of a pass: Graph's defaults of `temporaryAccessPassAuthenticationMethodConfiguration`.
pub struct PassPolicy {
    pub default_lifetime_minutes: i32,
    pub minimum_lifetime_minutes: i32,
    pub maximum_lifetime_minutes: i32,
    /// Characters of the code.
    pub length: usize,
    /// True when only passes for one use may be issued.
    pub is_usable_once: bool,
}

pub const POLICY: PassPolicy = PassPolicy {
    default_lifetime_minutes: 60,
    minimum_lifetime_minutes: 60,
    maximum_lifetime_minutes: 480,
    length: 8,
    is_usable_once: false,
};

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
    pub start_date_time: Timestamp,
    pub lifetime_in_minutes: i32,
    pub is_usable_once: bool,
    pub is_usable: bool,
    /// `EnabledByPolicy`, `Expired`, `NotYetValid` or `OneTimeUsed`.
    pub method_usability_reason: String,
}

impl std::fmt::Debug for PassView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassView").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How the pass stands at `now`.
pub fn view(pass: &Stored<TemporaryAccessPass>, now: Timestamp) -> PassView {
    let detail = &pass.detail;
    let reason = if now < detail.start_date_time {
        "NotYetValid"
    } else if now >= detail.start_date_time.plus_minutes(detail.lifetime_in_minutes.into()) {
        "Expired"
    } else if detail.is_usable_once && pass.row.last_used_at.is_some() {
        "OneTimeUsed"
    } else {
        "EnabledByPolicy"
    };
    PassView {
        id: pass.row.method_id.clone(),
        temporary_access_pass: None,
        created_date_time: pass.row.created_at,
        start_date_time: detail.start_date_time,
        lifetime_in_minutes: detail.lifetime_in_minutes,
        is_usable_once: detail.is_usable_once,
        is_usable: reason == "EnabledByPolicy",
        method_usability_reason: reason.into(),
    }
}

/// Checks what was asked against the policy.
fn terms(now: Timestamp, request: &PassRequest) -> Result<TemporaryAccessPass> {
    let (minimum, maximum) = (POLICY.minimum_lifetime_minutes, POLICY.maximum_lifetime_minutes);
    let lifetime_in_minutes = request.lifetime_in_minutes.unwrap_or(POLICY.default_lifetime_minutes);
    if !(minimum..=maximum).contains(&lifetime_in_minutes) {
        let message = format!("A temporary access pass lives {minimum} to {maximum} minutes by this tenant's policy.");
        return Err(Error::invalid("lifetimeInMinutes", message));
    }
    let is_usable_once = request.is_usable_once.unwrap_or(POLICY.is_usable_once);
    if POLICY.is_usable_once && !is_usable_once {
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
pub fn check(now: Timestamp, request: &PassRequest) -> Result<()> {
    terms(now, request).map(drop)
}

/// Issues a pass in place of the one the user has, and reveals its code. The caller was authorized; the caller also
/// records it ([`create`] does both).
pub fn issue(tx: &mut Tx<'_>, user: &User, request: &PassRequest) -> Result<PassView> {
    let detail = terms(tx.now(), request)?;
    for old in manage::of_kind::<TemporaryAccessPass>(tx, user)? {
        super::remove(tx, user, &Method::TemporaryAccessPass(old))?;
    }
    let code = tx.entropy().text(ALPHABET, POLICY.length);
    let id = MethodId::new(tx.guid());
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::TemporaryAccessPass, id, &detail)?;
    row.sealed_secret = Some(tx.seal(&secret_place(&row), code.as_bytes())?);
    methods::insert(tx, &row)?;
    let mut view = view(&Stored { row, detail }, tx.now());
    view.temporary_access_pass = Some(code);
    Ok(view)
}

/// Checks a pass, and takes it when it is for one use. Compares in constant time.
pub fn verify(tx: &mut Tx<'_>, pass: &Stored<TemporaryAccessPass>, code: &str) -> Result<Verdict> {
    const REFUSED: Verdict = Verdict::Refused("The temporary access pass is wrong, used or over. Ask for a new one.");
    let sealed = pass.row.sealed_secret.as_deref().ok_or_else(|| Error::internal("a pass has a code"))?;
    let secret = tx.open(&secret_place(&pass.row), sealed)?;
    let is_right = constant_time::verify_slices_are_equal(secret.expose_secret(), code.as_bytes()).is_ok();
    if !is_right || !view(pass, tx.now()).is_usable {
        return Ok(REFUSED);
    }
    if pass.detail.is_usable_once {
        // The only step of a pass that has one use.
        return Ok(if methods::take_step(tx, &pass.row, 1)? { Verdict::Proven } else { REFUSED });
    }
    methods::set_last_used(tx, &pass.row)?;
    Ok(Verdict::Proven)
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
