//! RFC 6030's own examples, files of an independent tool (tests/fixtures/pskc), and files that are none.

use std::io::Cursor;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::{
    hardware_oath::inventory::NewDevice,
    methods::oath,
    store::devices::{DeviceHash, OtpType},
};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/pskc/", $name, ".pskcxml"))
    };
}

const SEED: &[u8] = b"12345678901234567890";

fn at(date: &str) -> Timestamp {
    Timestamp::parse_iso(date).unwrap()
}

fn hex(key: &str) -> FileKey {
    FileKey::from_hex(&key.into()).unwrap()
}

fn password(password: &str) -> FileKey {
    FileKey::Password(password.into())
}

type Read = Vec<(u64, Result<NewDevice, String>)>;

fn read_at(file: impl AsRef<[u8]>, key: &FileKey, date: &str) -> Result<Read> {
    let file = file.as_ref();
    let keys = check(Cursor::new(file), key, at(date))?;
    Packages::open(Cursor::new(file), keys, at(date))?.collect()
}

fn read(file: impl AsRef<[u8]>, key: &FileKey) -> Result<Read> {
    read_at(file, key, "2026-01-02T03:04:05Z")
}

#[track_caller]
fn one(file: &str, key: &FileKey) -> NewDevice {
    let mut all = read(file, key).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0).1.unwrap()
}

fn secret(device: &NewDevice) -> Vec<u8> {
    oath::parse_secret(device.secret_key.expose_secret()).unwrap().expose_secret().to_vec()
}

#[track_caller]
fn refusal(file: impl AsRef<[u8]>, key: &FileKey) -> String {
    match read(file, key) {
        Err(Error::Invalid { target: Some(target), message, .. }) if target == "file" => message,
        Err(other) => panic!("{other}"),
        Ok(read) => panic!("{} keys were read", read.len()),
    }
}

/// A file of one key, with these parts in the key and in its data.
fn file(algorithm: &str, parts: &str, data: &str) -> String {
    format!(
        "<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">\n<KeyPackage>\
         <DeviceInfo><Manufacturer>M</Manufacturer><SerialNo>1</SerialNo><Model>X</Model></DeviceInfo>\
         <Key Id=\"1\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:{algorithm}\">{parts}<Data>\
         <Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>{data}</Data></Key>\
         </KeyPackage>\n</KeyContainer>"
    )
}

#[test]
fn rfc_6030_plain() {
    // Figure 2 names no token, figure 4 holds no secret.
    for file in [fixture!("rfc6030-figure2"), fixture!("rfc6030-figure4")] {
        let read = read(file, &FileKey::None).unwrap();
        assert!(matches!(read.as_slice(), [(_, Err(_))]));
    }
    let device = one(fixture!("rfc6030-figure3"), &FileKey::None);
    assert_eq!((device.otp_type, device.digits, device.counter), (OtpType::Hotp, 8, 0));
    assert_eq!((device.serial_number.as_str(), device.manufacturer.as_str()), ("987654321", "Manufacturer"));
    assert_eq!((device.model.as_str(), device.time_interval_in_seconds), ("Unknown", None));
    assert_eq!(device.assign_to.as_deref(), Some("jsmith@example-bank.net"));
    assert_eq!(secret(&device), SEED);

    // The second key of figure 5 is the PIN of the first.
    let read = read(fixture!("rfc6030-figure5"), &FileKey::None).unwrap();
    let [(5, Ok(device)), (_, Err(reason))] = read.as_slice() else { panic!("{}", read.len()) };
    assert_eq!((device.digits, secret(device)), (8, SEED.to_vec()));
    assert!(reason.contains("algorithm"), "{reason}");
}

#[test]
fn rfc_6030_encrypted() {
    let preshared = one(fixture!("rfc6030-figure6"), &hex("12345678901234567890123456789012"));
    assert_eq!((preshared.otp_type, preshared.digits), (OtpType::Hotp, 8));
    assert_eq!(secret(&preshared), SEED);
    let derived = one(fixture!("rfc6030-figure7"), &password("qwerty"));
    assert_eq!((derived.serial_number.as_str(), derived.digits), ("987654321", 8));
    assert_eq!(secret(&derived), SEED);
    let certificate = refusal(fixture!("rfc6030-figure8"), &hex("12345678901234567890123456789012"));
    assert!(certificate.contains("certificate"), "{certificate}");
}

#[test]
fn rfc_6030_in_bulk_as_long_as_the_policies_last() {
    let valid = |date| {
        let read = read_at(fixture!("rfc6030-figure10"), &FileKey::None, date).unwrap();
        read.iter().map(|(_, package)| package.is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(valid("2006-05-15T00:00:00Z"), [true, true, false, false]);
    assert_eq!(valid("2006-04-15T00:00:00Z"), [false, false, false, true]);
    assert_eq!(valid("2006-06-01T00:00:00Z"), [false; 4]);
}

#[test]
fn files_of_an_independent_tool() {
    let key = || hex("000102030405060708090a0b0c0d0e0f");
    let long_key = || hex("00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10111213 14151617 18191a1b 1c1d1e1f\n");
    let phrase = || password("correct horse battery staple");
    let files = [
        (fixture!("plain"), FileKey::None),
        (fixture!("preshared"), key()),
        (fixture!("preshared-aes256"), long_key()),
        (fixture!("password"), phrase()),
        (fixture!("password-sha256"), phrase()),
        (fixture!("preshared-counters"), key()),
    ];
    for (file, key) in &files {
        let read = read(file, key).unwrap();
        let lines: Vec<_> = read.iter().map(|(line, _)| usize::try_from(*line).unwrap()).collect();
        let expected = (1..).zip(file.lines()).filter(|(_, text)| text.contains("<pskc:KeyPackage>"));
        assert_eq!(lines, expected.map(|(line, _)| line).collect::<Vec<usize>>());
        let devices: Vec<_> = read.iter().filter_map(|(_, package)| package.as_ref().ok()).collect();
        let kinds: Vec<_> = devices
            .iter()
            .map(|it| {
                (it.otp_type, it.digits, it.hash_function, it.time_interval_in_seconds, it.counter, it.drift_steps)
            })
            .collect();
        let expected = [
            (OtpType::Hotp, 6, DeviceHash::Sha1, None, 5, 0),
            (OtpType::Hotp, 8, DeviceHash::Sha1, None, 0, 0),
            (OtpType::Totp, 6, DeviceHash::Sha1, Some(30), 0, -2),
            (OtpType::Totp, 8, DeviceHash::Sha256, Some(60), 0, 0),
            (OtpType::Totp, 6, DeviceHash::Sha512, Some(30), 0, 0),
        ];
        assert_eq!(kinds, expected);
        let serials: Vec<_> = devices.iter().map(|device| device.serial_number.as_str()).collect();
        assert_eq!(serials, ["HOTP-6", "HOTP-8", "TOTP-30", "TOTP-60-SHA256", "TOTP-SHA512"]);
        assert_eq!(devices[0].display_name.as_deref(), Some("Blue & small"));
        assert_eq!((devices[0].manufacturer.as_str(), devices[0].model.as_str()), ("oath.Feitian", "c200"));
        assert_eq!(devices[2].assign_to.as_deref(), Some("adele@contoso.example"));
        assert_eq!(devices[3].assign_to.as_deref(), Some("nobody@contoso.example"));
        let secrets = [SEED.to_vec(), b"hardware token no. 2".to_vec(), SEED.to_vec()];
        assert_eq!(devices.iter().map(|device| secret(device)).take(3).collect::<Vec<_>>(), secrets);
        assert_eq!(secret(devices[4]).len(), 64);
        let reasons: Vec<_> = read.iter().filter_map(|(_, package)| package.as_ref().err()).collect();
        assert!(
            matches!(reasons.as_slice(), [ocra, expired] if ocra.contains("algorithm") && expired.contains("expired"))
        );
    }
}

#[test]
fn a_wrong_key_or_a_changed_value_refuses_the_whole_file() {
    let (preshared, derived) = (fixture!("preshared"), fixture!("password"));
    let right = || hex("000102030405060708090a0b0c0d0e0f");
    let wrong = "wrong, or the file was changed";
    assert!(refusal(preshared, &hex("000102030405060708090a0b0c0d0e0e")).contains(wrong));
    // A key of another length, and a password in place of a key and the other way round.
    assert!(refusal(preshared, &hex(&"00".repeat(32))).contains(wrong));
    assert!(refusal(derived, &password("wrong")).contains(wrong));
    assert!(refusal(preshared, &password("x")).contains("--key-file"));
    assert!(refusal(derived, &right()).contains("--password-file"));
    assert!(refusal(preshared, &FileKey::None).contains("--key-file"));
    assert!(refusal(derived, &FileKey::None).contains("--password-file"));

    // One character of the last secret, of its MAC, or no MAC at all.
    let change = |file: &str, after: &str| {
        let at = file.rfind(after).unwrap() + after.len();
        let other = if file.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &file[..at], &file[at + 1..])
    };
    assert!(refusal(change(preshared, "<xenc:CipherValue>"), &right()).contains(wrong));
    let message = refusal(change(preshared, "<pskc:ValueMAC>"), &right());
    let line = preshared.lines().position(|text| text.contains("EXPIRED")).unwrap() + 1;
    assert!(message.contains(wrong) && message.contains(&format!("line {}", line - 3)), "{message}");
    let unproven = preshared.replace("pskc:ValueMAC", "pskc:NoMAC");
    assert!(read(unproven, &right()).unwrap().iter().all(|(_, package)| package.is_err()));
    let (start, end) = (preshared.find("<pskc:MACMethod").unwrap(), preshared.find("</pskc:MACMethod>").unwrap());
    let unproven = format!("{}{}", &preshared[..start], &preshared[end + "</pskc:MACMethod>".len()..]);
    assert!(refusal(unproven, &right()).contains("MACMethod"));
    let unannounced = preshared.replace("pskc:EncryptionKey", "pskc:Other");
    assert!(refusal(unannounced, &right()).contains("EncryptionKey"));
}

#[test]
fn what_a_file_may_ask_of_pbkdf2_is_bounded() {
    let phrase = password("correct horse battery staple");
    for (from, to) in [
        ("<IterationCount>10000<", "<IterationCount>0<"),
        ("<IterationCount>10000<", "<IterationCount>10000001<"),
        ("<IterationCount>10000<", "<IterationCount>-1<"),
        ("<KeyLength>16<", "<KeyLength>4294967296<"),
        ("<KeyLength>16<", "<KeyLength>17<"),
        ("#pbkdf2\"", "#scrypt\""),
        ("<Specified>", "<Specified>!"),
        ("xenc11:PBKDF2-params", "xenc11:Params"),
    ] {
        assert!(fixture!("password").contains(from), "{from}");
        refusal(fixture!("password").replace(from, to), &phrase);
    }
    // Its length may be left out.
    let without = fixture!("password").replace("KeyLength>", "Other>");
    assert!(read(without, &phrase).unwrap().iter().any(|(_, package)| package.is_ok()));
}

#[test]
fn keys_that_mean_something_else_are_refused_alone() {
    let format =
        |attributes: &str| format!("<AlgorithmParameters><ResponseFormat {attributes}/></AlgorithmParameters>");
    let policy = |rules: &str| format!("<Policy>{rules}</Policy>");
    for parts in [
        format("Length=\"7\" Encoding=\"DECIMAL\""),
        format("Length=\"6\" Encoding=\"HEXADECIMAL\""),
        format("Length=\"6\" CheckDigits=\"true\""),
        "<AlgorithmParameters><Suite>HMAC-MD5</Suite></AlgorithmParameters>".into(),
        policy("<KeyUsage>Encrypt</KeyUsage>"),
        policy("<PINPolicy PINUsageMode=\"Prepend\"/>"),
        policy("<StartDate>2030-01-01T00:00:00Z</StartDate>"),
        policy("<ExpiryDate>2025-01-01T00:00:00</ExpiryDate>"),
        policy("<ExpiryDate>tomorrow</ExpiryDate>"),
        policy("<OnWeekDaysOnly/>"),
        policy("<NumberOfTransactions>5</NumberOfTransactions>"),
        format!("<UserId>{}</UserId>", "x".repeat(257)),
    ] {
        let read = read(file("totp", &parts, ""), &FileKey::None).unwrap();
        assert!(matches!(read.as_slice(), [(2, Err(_))]), "{parts}");
    }
    for (algorithm, data) in [
        ("hotp", "<Counter><PlainValue>-1</PlainValue></Counter>"),
        ("hotp", "<Counter><PlainValue>9223372036854775807</PlainValue></Counter>"),
        ("hotp", "<Counter><PlainValue>99999999999999999999</PlainValue></Counter>"),
        ("totp", "<TimeDrift><PlainValue>101</PlainValue></TimeDrift>"),
        ("totp", "<TimeDrift><PlainValue>-9223372036854775808</PlainValue></TimeDrift>"),
        ("totp", "<TimeInterval><PlainValue>99999999999</PlainValue></TimeInterval>"),
        ("ocra", ""),
    ] {
        let read = read(file(algorithm, "", data), &FileKey::None).unwrap();
        assert!(matches!(read.as_slice(), [(2, Err(_))]), "{algorithm} {data}");
    }
    let sealed = file("hotp", "", "<Counter><EncryptedValue/></Counter>");
    assert!(refusal(sealed, &FileKey::None).contains("EncryptionKey"));
    let local = policy("<PINPolicy PINUsageMode=\"Local\"/><KeyUsage>Unlock</KeyUsage><KeyUsage>OTP</KeyUsage>");
    assert_eq!(secret(&one(&file("totp", &local, ""), &FileKey::None)), SEED);
    for (named, user) in [
        ("adele@contoso.example", Some("adele@contoso.example")),
        ("CN=Adele, uid=adele@contoso.example,DC=other", Some("adele@contoso.example")),
        ("UID=adele", Some("adele")),
        ("DC=contoso,DC=example", None),
        (" ", None),
    ] {
        let device = one(&file("totp", &format!("<UserId>{named}</UserId>"), ""), &FileKey::None);
        assert_eq!(device.assign_to.as_deref(), user, "{named}");
    }
}

#[test]
fn prefixes_cdata_comments_and_byte_order_marks_do_not_matter() {
    let plain = file("hotp", "", "<Counter><PlainValue>7</PlainValue></Counter>");
    let prefixed =
        plain.replace("</", "</p:").replace('<', "<p:").replace("<p:/p:", "</p:").replace("xmlns", "xmlns:p");
    let strange = plain
        .replace("MTIzNDU2Nzg5", "<!-- half -->MTIz&#x4e;DU2\n<![CDATA[Nzg5]]>")
        .replace("<Manufacturer>M<", "<Manufacturer> &lt;M&gt; <");
    for file in [prefixed, format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n{plain}"), strange] {
        let device = one(&file, &FileKey::None);
        assert_eq!((secret(&device), device.counter), (SEED.to_vec(), 7), "{file}");
    }
    assert_eq!(one(&file("hotp", "", "").replace(">M<", ">&lt;M&gt;<"), &FileKey::None).manufacturer, "<M>");
    assert!(read("<KeyContainer/>", &FileKey::None).unwrap().is_empty());
    assert!(read("<KeyContainer Version='1.0'></KeyContainer>\n<!-- end -->", &FileKey::None).unwrap().is_empty());
}

#[test]
fn what_is_no_pskc_is_refused_whole() {
    let good = file("hotp", "", "");
    let doctype = "<!DOCTYPE KeyContainer [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b SYSTEM \"file:///etc/passwd\">]>";
    for (wrong, word) in [
        (String::new(), "KeyContainer"),
        ("upn,serial number".into(), "KeyContainer"),
        ("<KeyPackage/>".into(), "KeyContainer"),
        ("<KeyContainer Version=\"2.0\"/>".into(), "version 1.0"),
        ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><KeyContainer/>".into(), "UTF-8"),
        (format!("{doctype}{good}"), "Document types"),
        (good.replace("<SerialNo>1<", "<SerialNo>&a;<"), "entities"),
        (good.replace("<KeyPackage>", &format!("{doctype}<KeyPackage>")), "Document types"),
        (good.replace("</KeyContainer>", ""), "breaks off"),
        (good.chars().take(good.len() / 2).collect(), ""),
        (good.replace("</SerialNo>", "</Serial>"), "well-formed"),
        (good.replace("Id=\"1\"", "Id=\"1\" Id=\"2\""), "well-formed"),
        (good.replace("</KeyPackage>", "</KeyPackage>text"), "well-formed"),
        (format!("{good}<KeyContainer/>"), "well-formed"),
        (good.replace(">1<", &format!(">{}<", "1".repeat(70_000))), "does not end"),
        (good.replace("Id=\"1\"", &format!("Id=\"{}\"", "1".repeat(70_000))), "does not end"),
        (good.replace("<Key ", &format!("{}<Key ", "<a/>".repeat(20_000))), "does not end"),
        (good.replace("<Model>", &"<a>".repeat(40)), "deep"),
        (format!("<!--{}-->{good}", "x".repeat(70_000)), "does not end"),
    ] {
        let message = refusal(&wrong, &FileKey::None);
        assert!(message.contains(word), "{message}: {:.200}", wrong);
        assert!(!message.contains("MTIz"), "{message}");
    }
    for bytes in [b"\xff\xfe<\x00K\x00".as_slice(), b"<KeyContainer><KeyPackage>\xff</KeyPackage></KeyContainer>"] {
        refusal(bytes, &FileKey::None);
    }
}

#[test]
fn pre_shared_keys_are_hexadecimal() {
    for wrong in ["", "00", "zz", &"0".repeat(31), &"0".repeat(33), &"0".repeat(128)] {
        assert!(FileKey::from_hex(&wrong.into()).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), wrapped: bool) {
        let mut file = bytes;
        if wrapped {
            file = [b"<KeyContainer><KeyPackage>".as_slice(), &file, b"</KeyPackage></KeyContainer>"].concat();
        }
        let _ = read(file, &FileKey::None);
    }

    #[test]
    fn any_damage_is_read_or_refused(
        kind in 0_usize..3,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, "[<>&;/=\"'a-zA-Z0-9 \\x00!\\[\\]-]{0,6}"), 1..4),
    ) {
        let (file, key) = match kind {
            0 => (fixture!("plain"), FileKey::None),
            1 => (fixture!("preshared"), hex("000102030405060708090a0b0c0d0e0f")),
            // The rounds are few here, not to keep the test waiting.
            _ => (fixture!("rfc6030-figure7"), password("qwerty")),
        };
        let mut file = file.as_bytes().to_vec();
        for (at, length, instead) in cuts {
            let start = at.index(file.len());
            let end = file.len().min(start + length);
            file.splice(start..end, instead.into_bytes());
        }
        // No damage makes PBKDF2 run for seconds: that is bounded, but long for a test.
        let text = String::from_utf8_lossy(&file).into_owned();
        let rounds = text.split("IterationCount>").nth(1).and_then(|text| text.split('<').next()?.parse::<u64>().ok());
        prop_assume!(rounds.is_none_or(|rounds| rounds <= 10_000));
        let _ = read(file, &key);
    }
}
