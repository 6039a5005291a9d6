//! Software OATH tokens: a TOTP secret in an authenticator app. A reset deletes them.
//!
//! An administrator creates one and hands the secret over; the registration is finished by the first right code, or
//! it ends by itself. A registration by an administrator does not answer the demand that the user registers again.

use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};

use super::{
    Method, MethodKind, Stored, new_row,
    oath::{self, CodeOutcome, HashFunction, TotpParameters, Worth},
    policy,
    proof::Verdict,
    registration, secret_place,
};
use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::{MethodId, UserId},
    store::{Tx, methods, tenants, users::User},
};

/// Minutes until an unfinished registration ends.
const REGISTRATION_MINUTES: i64 = 10;
/// Wrong codes after which an unfinished registration ends, so that nobody guesses his way in.
pub const MAX_WRONG_CODES: u8 = 10;
/// Bytes of a secret: the length of SHA-1's output, as RFC 4226 section 4 recommends.
const SECRET_BYTES: usize = 20;
/// The longest display name, in characters.
const MAX_NAME_LENGTH: usize = 256;

/// Graph's `softwareOathAuthenticationMethod`, and the parameters of its TOTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoftwareOath {
    pub display_name: Option<String>,
    pub hash_function: HashFunction,
    /// Digits of a code: 6 or 8.
    pub digits: u8,
    pub time_interval_in_seconds: u8,
    /// Wrong codes so far, while the registration is unfinished.
    #[serde(default)]
    pub wrong_codes: u8,
}

impl SoftwareOath {
    pub fn parameters(&self) -> TotpParameters {
        TotpParameters {
            hash_function: self.hash_function,
            digits: self.digits,
            time_interval_in_seconds: self.time_interval_in_seconds.into(),
        }
    }
}

/// What a caller may choose.
#[derive(Debug, Clone, Default)]
pub struct SoftwareOathRequest {
    pub display_name: Option<String>,
    pub hash_function: Option<HashFunction>,
    pub digits: Option<u8>,
    pub time_interval_in_seconds: Option<u8>,
}

/// A token that waits for its first code. Its secret is shown here and never again.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSoftwareOath {
    pub id: MethodId,
    pub user_id: UserId,
    pub detail: SoftwareOath,
    /// Base32.
    pub secret_key: String,
    pub otpauth_uri: String,
    pub created_date_time: Timestamp,
    pub expiration_date_time: Timestamp,
}

impl std::fmt::Debug for NewSoftwareOath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSoftwareOath").field("id", &self.id).finish_non_exhaustive()
    }
}

const REGISTER: Action = Action::RegisterKind(MethodKind::SoftwareOath);

/// Begins a registration: makes a secret and reveals it.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, user: &str, request: &SoftwareOathRequest) -> Result<NewSoftwareOath> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let detail = terms(request)?;
    policy::check_registration(tx, &user, MethodKind::SoftwareOath, None)?;
    methods::delete_ended(tx, &user.tenant_id, &user.user_id)?;
    oath::check_room(tx, &user)?;

    let secret: SecretSlice<u8> = tx.entropy().bytes::<SECRET_BYTES>().to_vec().into();
    let expires = tx.now().plus_minutes(REGISTRATION_MINUTES);
    let id = MethodId::new(tx.guid());
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::SoftwareOath, id, &detail)?;
    row.sealed_secret = Some(tx.seal(&secret_place(&row), secret.expose_secret())?);
    row.pending_until = Some(expires);
    methods::insert(tx, &row)?;

    let issuer = tenants::find(tx, &user.tenant_id)?.map(|tenant| tenant.display_name).unwrap_or_default();
    let uri = oath::otpauth_uri(&secret, detail.parameters(), &issuer, &user.user_principal_name)?;
    let token = Stored { row, detail };
    let entry = Entry::success(Activity::REGISTER_METHOD, Target::user(&user))
        .because("Admin created a software OATH token for the user; it waits for its first code");
    audit::record(tx, &actor, describe(entry, &token).detail("expirationDateTime", expires.to_iso()))?;
    Ok(NewSoftwareOath {
        id: token.row.method_id,
        user_id: user.user_id,
        detail: token.detail,
        secret_key: oath::format_secret(&secret).to_string(),
        otpauth_uri: uri.to_string(),
        created_date_time: tx.now(),
        expiration_date_time: expires,
    })
}

/// Fills in what was left out, and refuses what no authenticator app supports.
fn terms(request: &SoftwareOathRequest) -> Result<SoftwareOath> {
    if let Some(name) = &request.display_name {
        directory::check_text("displayName", name, MAX_NAME_LENGTH)?;
    }
    let digits = request.digits.unwrap_or(6);
    if !matches!(digits, 6 | 8) {
        return Err(Error::invalid("digits", "A code has 6 or 8 digits."));
    }
    let time_interval_in_seconds = request.time_interval_in_seconds.unwrap_or(30);
    if !matches!(time_interval_in_seconds, 30 | 60) {
        return Err(Error::invalid("timeIntervalInSeconds", "A code changes every 30 or 60 seconds."));
    }
    Ok(SoftwareOath {
        display_name: request.display_name.clone(),
        hash_function: request.hash_function.unwrap_or(HashFunction::Sha1),
        digits,
        time_interval_in_seconds,
        wrong_codes: 0,
    })
}

/// Finishes a registration with the first right code. Wrong ones are counted, and too many end it.
pub fn activate(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str, code: &str) -> Result<CodeOutcome> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let token = find(tx, &user, id)?;
    if token.row.pending_until.is_none() {
        return Err(Error::conflict("The software OATH token is activated already."));
    }
    oath::check_code(code, token.detail.digits)?;
    policy::check_registration(tx, &user, MethodKind::SoftwareOath, None)?;

    if take_code(tx, &token, code)? == Worth::Taken {
        let entry = Entry::success(Activity::UPDATE_METHOD, Target::user(&user))
            .because("The software OATH token was activated by a code")
            .modified("Status", "pending", "activated");
        audit::record(tx, &actor, describe(entry, &token))?;
        registration::completed(tx, &actor, &user, &Method::SoftwareOath(token))?;
        return Ok(CodeOutcome::Accepted);
    }
    refuse(tx, &actor, &user, token)
}

fn take_code(tx: &mut Tx<'_>, token: &Stored<SoftwareOath>, code: &str) -> Result<Worth> {
    let sealed = token.row.sealed_secret.as_deref().ok_or_else(|| Error::internal("a software token has a secret"))?;
    let secret = tx.open(&secret_place(&token.row), sealed)?;
    Ok(match oath::matching_step(&secret, token.detail.parameters(), code, tx.now()) {
        Some(step) if methods::take_step(tx, &token.row, step)? => Worth::Taken,
        Some(_) => Worth::Spent,
        None => Worth::Wrong,
    })
}

/// Checks a code at a sign-in, and takes it.
pub fn verify(tx: &mut Tx<'_>, token: &Stored<SoftwareOath>, code: &str) -> Result<Verdict> {
    oath::check_code(code, token.detail.digits)?;
    Ok(match take_code(tx, token, code)? {
        Worth::Taken => Verdict::Proven,
        Worth::Spent => Verdict::Spent("The code was used already. Wait for the next code of the app."),
        Worth::Wrong => Verdict::Refused("The code is wrong. Enter the code that the app shows now."),
    })
}

fn describe(entry: Entry, token: &Stored<SoftwareOath>) -> Entry {
    entry
        .detail("methodId", token.row.method_id.as_str())
        .detail("kind", MethodKind::SoftwareOath.as_str())
        .detail("displayName", token.detail.display_name.as_deref().unwrap_or_default())
}

fn refuse(tx: &mut Tx<'_>, actor: &Actor, user: &User, mut token: Stored<SoftwareOath>) -> Result<CodeOutcome> {
    token.detail.wrong_codes = token.detail.wrong_codes.saturating_add(1);
    let left = MAX_WRONG_CODES.saturating_sub(token.detail.wrong_codes);
    let message = if left == 0 {
        methods::delete(tx, &user.tenant_id, &user.user_id, &token.row.method_id)?;
        "The code is wrong, once too often: this registration has ended. Create a new token.".to_owned()
    } else {
        token.save(tx)?;
        format!("The code is wrong; {left} more wrong codes end this registration. Check the clock of the device.")
    };
    let reason = "Wrong code for the activation of a software OATH token";
    let entry = describe(Entry::failure(Activity::UPDATE_METHOD, Target::user(user), reason), &token)
        .detail("wrongCodes", token.detail.wrong_codes.to_string())
        .detail("registrationEnded", (left == 0).to_string());
    audit::record(tx, actor, entry)?;
    Ok(CodeOutcome::Refused { message })
}

fn find(tx: &mut Tx<'_>, user: &User, id: &str) -> Result<Stored<SoftwareOath>> {
    let id = MethodId::parse(id).ok_or_else(|| Error::method_not_found(id))?;
    super::find_kind(tx, user, MethodKind::SoftwareOath, &id)?.try_into()
}

impl TryFrom<Method> for Stored<SoftwareOath> {
    type Error = Error;

    fn try_from(method: Method) -> Result<Self> {
        let id = method.id();
        if let Method::SoftwareOath(token) = method { Ok(token) } else { Err(Error::method_not_found(id)) }
    }
}
