//! QR codes and PINs of the demo.

use std::sync::LazyLock;

use super::{PIN, people::method_id};
use crate::{
    clock::Entropy,
    error::{Error, Result},
    id::{MethodId, stable_guid},
    methods::{
        MethodKind, new_row,
        password::PasswordDigest,
        qr_code_pin::{CodeKind, Content, Pin, QrCode, QrCodePin, Secrets},
    },
    store::{Tx, methods, users::User},
};

/// How long the demo's codes are good for, in days: as long as Graph lets them be.
const DAYS: i64 = 395;
/// How long its temporary ones are, in hours.
const HOURS: i64 = 12;

/// One for all, as all have the same PIN; slow on purpose, and everybody can read the PIN anyway.
static DIGEST: LazyLock<Option<PasswordDigest>> = LazyLock::new(|| PasswordDigest::of(&Entropy::System, PIN).ok());

/// A code of the demo's, and what is kept of what it says. Everybody can work that out: it is made of the user's name.
fn code(tx: &Tx<'_>, user: &User, kind: CodeKind, hours: i64) -> Result<(QrCode, String)> {
    let name = format!("demo/{}/{kind}", user.user_principal_name);
    let mut token = [0; 32];
    for (place, byte) in token.iter_mut().zip(stable_guid(&name).bytes()) {
        *place = byte;
    }
    let (_, digest) = Content::of(&user.tenant_id, &user.user_id, &token)?;
    let code = QrCode {
        id: stable_guid(&format!("{name}/id")),
        start_date_time: tx.now(),
        expire_date_time: tx.now().plus_minutes(hours * 60),
        created_date_time: tx.now(),
        last_used_date_time: None,
    };
    Ok((code, digest))
}

/// A badge whose PIN its user has chosen.
pub fn seed(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let pin = DIGEST.as_ref().ok_or_else(|| Error::internal("the demo's PIN cannot be hashed"))?;
    let (standard, digest) = code(tx, user, CodeKind::Standard, DAYS * 24)?;
    let detail = QrCodePin {
        standard_qr_code: Some(standard),
        temporary_qr_code: None,
        pin: Pin {
            id: stable_guid(&format!("demo/{}/pin", user.user_principal_name)),
            force_change_pin_next_sign_in: false,
            created_date_time: tx.now(),
            updated_date_time: None,
        },
    };
    let mut secrets = Secrets::new(pin);
    *secrets.digest_mut(CodeKind::Standard) = Some(digest);
    let id = MethodId::new(method_id(user, "qrCodePin"));
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::QrCodePin, id, &detail)?;
    secrets.seal(tx, &mut row)?;
    methods::insert(tx, &row)
}

/// A code for a day without the badge, which the user has already. What it says is kept nowhere, so that it only shows.
pub fn seed_temporary(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let id = MethodId::new(method_id(user, "qrCodePin"));
    let row = methods::find(tx, &user.tenant_id, &user.user_id, &id)?;
    let mut row = row.ok_or_else(|| Error::internal("a badge comes before the one for a day"))?;
    let mut detail: QrCodePin = serde_json::from_str(&row.detail).map_err(Error::internal)?;
    let (temporary, _) = code(tx, user, CodeKind::Temporary, HOURS)?;
    detail.temporary_qr_code = Some(temporary);
    row.detail = serde_json::to_string(&detail).map_err(Error::internal)?;
    methods::update(tx, &row)
}
