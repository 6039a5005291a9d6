//! What a `KeyPackage` says of a token (RFC 6030 section 4).

use secrecy::{SecretSlice, SecretString};
use zeroize::Zeroizing;

use super::{
    Failure,
    crypto::{self, Keys},
    xml::Element,
};
use crate::{
    clock::Timestamp,
    hardware_oath::{codes::MAX_RESYNC_STEPS, inventory::NewDevice},
    methods::oath,
    store::devices::{DeviceHash, OtpType},
};

/// What the names of RFC 6030's algorithms begin with; some writers leave it out.
const ALGORITHMS: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
/// In place of a manufacturer or model that the file does not name.
const UNKNOWN: &str = "Unknown";
/// The longest name of a user, in characters.
const MAX_USER_LENGTH: usize = 256;

/// The token of a package.
pub fn device(package: &Element, keys: Option<&Keys>, now: Timestamp) -> Result<NewDevice, Failure> {
    let mut all = package.children().filter(|child| child.name() == "Key");
    let (key, another) = (all.next().ok_or("The package has no key.")?, all.next());
    if another.is_some() {
        return Err("The package has more than one key.".into());
    }
    // First of all: a file whose values do not fit is refused whole, whatever else is wrong.
    let secret = secret(key, keys)?;
    let otp_type = otp_type(key)?;
    check_policy(key, now)?;
    let data = |name| number(key, name, keys);
    let counter = data("Counter")?.unwrap_or(0);
    let drift_steps = data("TimeDrift")?.unwrap_or(0);
    if counter < 0 || counter == i64::MAX {
        return Err("The Counter is out of range.".into());
    }
    if drift_steps.checked_abs().is_none_or(|drift| drift > MAX_RESYNC_STEPS) {
        return Err(format!("The TimeDrift is more than {MAX_RESYNC_STEPS} steps.").into());
    }
    let interval =
        i32::try_from(data("TimeInterval")?.unwrap_or(30)).map_err(|_| "The TimeInterval is out of range.")?;
    let text = |path: &[&str]| package.text_at(path).map(str::to_owned);
    Ok(NewDevice {
        serial_number: text(&["DeviceInfo", "SerialNo"]).ok_or("The token has no SerialNo.")?,
        manufacturer: text(&["DeviceInfo", "Manufacturer"]).unwrap_or_else(|| UNKNOWN.into()),
        model: text(&["DeviceInfo", "Model"]).unwrap_or_else(|| UNKNOWN.into()),
        secret_key: SecretString::from(oath::format_secret(&secret).as_str()),
        otp_type,
        digits: digits(key)?,
        time_interval_in_seconds: (otp_type == OtpType::Totp).then_some(interval),
        hash_function: hash_function(key)?,
        counter: if otp_type == OtpType::Hotp { counter } else { 0 },
        drift_steps: if otp_type == OtpType::Totp { drift_steps } else { 0 },
        display_name: key.text_at(&["FriendlyName"]).map(str::to_owned),
        assign_to: user(package, key)?,
    })
}

fn otp_type(key: &Element) -> Result<OtpType, &'static str> {
    let name = key.attribute("Algorithm").unwrap_or_default();
    match name.strip_prefix(ALGORITHMS).map_or(name, |name| name.trim_start_matches([':', '#'])) {
        "totp" => Ok(OtpType::Totp),
        "hotp" => Ok(OtpType::Hotp),
        _ => Err("The key's algorithm is not supported; TOTP and HOTP are."),
    }
}

fn secret(key: &Element, keys: Option<&Keys>) -> Result<SecretSlice<u8>, Failure> {
    let secret = key.at(&["Data", "Secret"]).ok_or("The key's secret is not in the file.")?;
    let bytes: Zeroizing<Vec<u8>> = match (secret.at(&["PlainValue"]), encrypted(secret, keys)?) {
        (Some(plain), None) => crypto::base64(plain.text()).ok_or("The secret is not Base64.")?,
        (None, Some(bytes)) => bytes,
        _ => return Err("The key's secret is neither plain nor encrypted.".into()),
    };
    Ok(bytes.to_vec().into())
}

/// What an `EncryptedValue` of the key's data holds, if there is one.
fn encrypted(data: &Element, keys: Option<&Keys>) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let Some(value) = data.at(&["EncryptedValue"]) else { return Ok(None) };
    let keys = keys.ok_or(Failure::File("The file has encrypted values and no EncryptionKey."))?;
    keys.open(value, data.at(&["ValueMAC"])).map(Some)
}

/// A number of the key's data.
fn number(key: &Element, name: &str, keys: Option<&Keys>) -> Result<Option<i64>, Failure> {
    let Some(element) = key.at(&["Data", name]) else { return Ok(None) };
    let number = match encrypted(element, keys)? {
        None => element.text_at(&["PlainValue"]).and_then(|text| text.parse().ok()),
        Some(bytes) => read_number(&bytes),
    };
    number.map(Some).ok_or_else(|| format!("The {name} is no number.").into())
}

/// A decrypted number is four or eight bytes in network order (RFC 6030 section 4.2). Some writers leave zeros in front
/// out, others encrypt decimal digits; as a number those would be too large for anything here.
fn read_number(bytes: &[u8]) -> Option<i64> {
    if bytes.iter().all(u8::is_ascii_digit) {
        return std::str::from_utf8(bytes).ok()?.parse().ok();
    }
    match *bytes {
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        _ if bytes.len() <= 8 => Some(bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))),
        _ => None,
    }
}

fn digits(key: &Element) -> Result<i32, &'static str> {
    let Some(format) = key.at(&["AlgorithmParameters", "ResponseFormat"]) else { return Ok(6) };
    if format.attribute("Encoding").is_some_and(|encoding| encoding != "DECIMAL") {
        return Err("The token's codes are no decimal digits.");
    }
    if format.attribute("CheckDigits").is_some_and(|check| matches!(check, "true" | "1")) {
        return Err("The token's codes have check digits, which are not supported.");
    }
    match format.attribute("Length") {
        None | Some("6") => Ok(6),
        Some("8") => Ok(8),
        Some(_) => Err("The token's codes have neither 6 nor 8 digits."),
    }
}

/// RFC 6030 has no place for the hash of a TOTP key; vendors put it where OCRA has its suite.
fn hash_function(key: &Element) -> Result<DeviceHash, &'static str> {
    let suite = key.text_at(&["AlgorithmParameters", "Suite"]).unwrap_or("SHA1");
    let suite: String = suite.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    match suite.strip_prefix("HMAC").unwrap_or(&suite) {
        "SHA1" => Ok(DeviceHash::Sha1),
        "SHA256" => Ok(DeviceHash::Sha256),
        "SHA512" => Ok(DeviceHash::Sha512),
        _ => Err("The key's Suite is not supported; HMAC-SHA1, HMAC-SHA256 and HMAC-SHA512 are."),
    }
}

/// RFC 6030 section 5: a key is used only as its policy says, and not at all when the policy is not understood.
fn check_policy(key: &Element, now: Timestamp) -> Result<(), &'static str> {
    let Some(policy) = key.at(&["Policy"]) else { return Ok(()) };
    let (mut usages, mut is_for_otp) = (0, false);
    for rule in policy.children() {
        match rule.name() {
            "StartDate" if date(rule)? > now => return Err("The key is not valid yet, says its policy."),
            "ExpiryDate" if date(rule)? < now => return Err("The key has expired, says its policy."),
            "StartDate" | "ExpiryDate" => {}
            "PINPolicy" if rule.attribute("PINUsageMode").is_none_or(|mode| mode == "Local") => {}
            "PINPolicy" => return Err("The token's codes contain a PIN, which is not supported."),
            "KeyUsage" => {
                usages += 1;
                is_for_otp |= rule.text() == "OTP";
            }
            _ => return Err("The key's policy has rules that are not known here, so the key must not be used."),
        }
    }
    if usages > 0 && !is_for_otp {
        return Err("The key is not for one-time codes, says its policy.");
    }
    Ok(())
}

/// `xsd:dateTime`; without a time zone it is UTC.
fn date(rule: &Element) -> Result<Timestamp, &'static str> {
    let text = rule.text();
    let date = Timestamp::parse_iso(text).or_else(|| Timestamp::parse_iso(&format!("{text}Z")));
    date.ok_or("A date of the key's policy cannot be read.")
}

/// Who has the token: a name as the directory has it, or a distinguished name (RFC 4514) whose `UID` it is, in the
/// domain that its `DC`s spell (RFC 2247).
fn user(package: &Element, key: &Element) -> Result<Option<String>, &'static str> {
    let named = key.text_at(&["UserId"]).or_else(|| package.text_at(&["DeviceInfo", "UserId"]));
    let Some(named) = named else { return Ok(None) };
    if named.chars().nth(MAX_USER_LENGTH).is_some() {
        return Err("The UserId has more than 256 characters.");
    }
    let parts: Vec<_> = named.split(',').filter_map(|part| part.split_once('=')).collect();
    if parts.is_empty() {
        return Ok(Some(named.to_owned()));
    }
    let all = |name: &'static str| {
        parts.iter().filter(move |(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let domain = all("DC").collect::<Vec<_>>().join(".");
    Ok(all("UID").next().map(|uid| match (uid.contains('@'), domain.is_empty()) {
        (false, false) => format!("{uid}@{domain}"),
        _ => uid.to_owned(),
    }))
}
