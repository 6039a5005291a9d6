//! Making, changing and removing a user's QR codes.

use secrecy::ExposeSecret;

use super::{
    CodeKind, CodeView, Content, Pin, QrCodePin, QrCodePinView, Secrets,
    code::{self, Span},
    insert,
    pin::NewPin,
    required, store, view,
};
use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity},
    directory,
    error::{Error, Result},
    id::MethodId,
    methods::{
        Method, MethodKind, Stored,
        manage::{self, OfUser},
        new_row,
        policy::{self, MethodsPolicy},
    },
    store::{
        Tx,
        guesses::{self, GuessKind},
        sessions,
        users::User,
    },
};

const READ: Action = Action::ReadKind(MethodKind::QrCodePin);
const REGISTER: Action = Action::RegisterKind(MethodKind::QrCodePin);
const WRITE: Action = Action::WriteKind(MethodKind::QrCodePin);

/// The user's method, without its secrets.
pub fn get(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<OfUser<QrCodePinView>> {
    let (_, user) = directory::authorize_on_user(tx, caller, READ, user)?;
    let method = required(tx, &user)?;
    let view = view(&method, &MethodsPolicy::of(tx, &user.tenant_id)?, tx.now());
    Ok(OfUser::new(tx, user, view))
}

/// One of the user's codes, without what it says.
pub fn get_code(tx: &mut Tx<'_>, caller: &Caller, user: &str, kind: CodeKind) -> Result<OfUser<CodeView>> {
    let (_, user) = directory::authorize_on_user(tx, caller, READ, user)?;
    let code = code_of(&required(tx, &user)?, kind)?;
    Ok(OfUser::new(tx, user, code))
}

fn code_of(method: &Stored<QrCodePin>, kind: CodeKind) -> Result<CodeView> {
    let code = method.detail.code(kind).cloned().ok_or_else(|| Error::method_not_found(kind))?;
    Ok(CodeView { code, content: None })
}

/// Gives the user a standard code and a PIN. The answer shows both, this once.
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    span: &Span,
    pin: &NewPin,
) -> Result<OfUser<QrCodePinView>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let policy = policy::check_registration(tx, &user, MethodKind::QrCodePin, None)?;
    if super::of(tx, &user)?.is_some() {
        return Err(Error::conflict("The user has a QR code method already; delete it first."));
    }
    let now = tx.now();
    let code = span.code(CodeKind::Standard, tx.guid(), now, lifetime(&policy))?;
    let (content, digest) = Content::generate(tx.entropy(), &user.tenant_id, &user.user_id)?;
    let detail = QrCodePin {
        standard_qr_code: Some(code),
        temporary_qr_code: None,
        pin: Pin {
            id: tx.guid(),
            force_change_pin_next_sign_in: true,
            created_date_time: now,
            updated_date_time: None,
        },
    };
    let id = MethodId::new(tx.guid());
    let row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::QrCodePin, id, &detail)?;
    let mut method = Stored { row, detail };
    let mut secrets = Secrets::new(&pin.digest);
    *secrets.digest_mut(CodeKind::Standard) = Some(digest);
    insert(tx, &mut method, &secrets)?;
    guesses::clear(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::QrCodePin)?;

    let mut view = view(&method, &policy, now);
    if let Some(standard) = &mut view.standard {
        standard.content = Some(content);
    }
    view.pin.code = Some(pin.code.expose_secret().to_owned());
    let entry = manage::entry(Activity::REGISTER_METHOD, "registered", &user, &Method::QrCodePin(method));
    audit::record(tx, &actor, entry)?;
    Ok(OfUser::new(tx, user, view))
}

fn lifetime(policy: &MethodsPolicy) -> i64 {
    policy.qr_code_pin.standard_qr_code_lifetime_in_days.into()
}

/// Takes the method away, codes and PIN.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, WRITE, user)?;
    let method = Method::QrCodePin(required(tx, &user)?);
    manage::take_away(tx, &actor, &user, &method)
}

/// Makes a code that the user does not have, and shows what it says, this once; or gives a standard code another end.
/// A temporary code cannot be changed: while it is good, another takes its deletion first.
pub fn put_code(tx: &mut Tx<'_>, caller: &Caller, user: &str, kind: CodeKind, span: &Span) -> Result<OfUser<CodeView>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let policy = policy::check_registration(tx, &user, MethodKind::QrCodePin, None)?;
    let method = required(tx, &user)?;
    let is_over = |code: &super::QrCode| code.expire_date_time <= tx.now();
    match (kind, method.detail.code(kind)) {
        (CodeKind::Standard, Some(_)) => extend(tx, &actor, user, method, span),
        (CodeKind::Temporary, Some(code)) if !is_over(code) => {
            Err(Error::conflict("A temporary code cannot be changed; delete it first."))
        }
        (CodeKind::Temporary, _) | (CodeKind::Standard, None) => {
            add_code(tx, &actor, user, method, kind, span, lifetime(&policy))
        }
    }
}

fn add_code(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: User,
    mut method: Stored<QrCodePin>,
    kind: CodeKind,
    span: &Span,
    days: i64,
) -> Result<OfUser<CodeView>> {
    let code = span.code(kind, tx.guid(), tx.now(), days)?;
    let (content, digest) = Content::generate(tx.entropy(), &user.tenant_id, &user.user_id)?;
    *method.detail.code_mut(kind) = Some(code.clone());
    let mut secrets = Secrets::open(tx, &method.row)?;
    *secrets.digest_mut(kind) = Some(digest);
    store(tx, &mut method, &secrets)?;
    record(tx, actor, &user, method, kind, None::<()>, Some(&code))?;
    Ok(OfUser::new(tx, user, CodeView { code, content: Some(content) }))
}

fn extend(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: User,
    mut method: Stored<QrCodePin>,
    span: &Span,
) -> Result<OfUser<CodeView>> {
    let kind = CodeKind::Standard;
    let CodeView { code: before, .. } = code_of(&method, kind)?;
    if span.start.is_some_and(|start| start != before.start_date_time) {
        let message = "Only the end of a code can change; for another start, delete the code and make a new one.";
        return Err(Error::invalid(format!("{kind}/startDateTime"), message));
    }
    let expire_date_time = span.expire.unwrap_or(before.expire_date_time);
    let after = super::QrCode { expire_date_time, ..before.clone() };
    if after != before {
        code::check(kind, after.start_date_time, after.expire_date_time, tx.now())?;
        *method.detail.code_mut(kind) = Some(after.clone());
        method.save(tx)?;
        record(tx, actor, &user, method, kind, Some(&before), Some(&after))?;
    }
    Ok(OfUser::new(tx, user, CodeView { code: after, content: None }))
}

/// Takes one code away; the method and its PIN stay.
pub fn delete_code(tx: &mut Tx<'_>, caller: &Caller, user: &str, kind: CodeKind) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, WRITE, user)?;
    let mut method = required(tx, &user)?;
    let before = code_of(&method, kind)?.code;
    *method.detail.code_mut(kind) = None;
    let mut secrets = Secrets::open(tx, &method.row)?;
    *secrets.digest_mut(kind) = None;
    store(tx, &mut method, &secrets)?;
    sessions::refuse_proven_by(tx, &user.tenant_id, &user.user_id, &method.row.method_id, None)?;
    record(tx, &actor, &user, method, kind, Some(&before), None::<()>)
}

fn record(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: &User,
    method: Stored<QrCodePin>,
    kind: CodeKind,
    before: impl serde::Serialize,
    after: impl serde::Serialize,
) -> Result<()> {
    let entry = manage::entry(Activity::UPDATE_METHOD, "updated", user, &Method::QrCodePin(method));
    audit::record(tx, actor, entry.modified(kind.as_str(), before, after)).map(drop)
}
