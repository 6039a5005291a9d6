//! The users of the demo, and what they prove their identity with.

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    TOTP_SECRET, badge, id,
    organizations::{Has, Organization, Person},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    hardware_oath,
    id::{DeviceId, MethodId, TenantId, UserId, stable_guid},
    methods::{
        MethodKind, email,
        external_authentication_method::ExternalMethod,
        fido2::Fido2,
        microsoft_authenticator::MicrosoftAuthenticator,
        new_row,
        oath::HashFunction,
        password::{self, PasswordDigest},
        phone::{Phone, PhoneType},
        platform_credential::{KeyDevice, KeyStrength, Platform, PlatformCredential, PlatformKey, WindowsHello},
        policy::{Configuration, ExternalConfiguration, MethodsPolicy, OpenIdConnect},
        secret_place,
        software_oath::SoftwareOath,
        temporary_access_pass::TemporaryAccessPass,
    },
    store::{
        Tx,
        devices::{self, Device, DeviceHash, DeviceStatus, OtpType},
        methods,
        roles::{self, RoleAssignment},
        users::{self, Profile, Requirements, User, UserType},
    },
};

use Has::*;

/// How long the demo's unfinished registration lasts, in days; real ones last ten minutes.
const PENDING_DAYS: i64 = 3650;

/// `adele.vance` -> `Adele`, `Vance`.
fn names(alias: &str) -> (String, String) {
    let capital = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect();
    let (given, family) = alias.split_once('.').unwrap_or((alias, ""));
    (capital(given), capital(family))
}

/// Users that examples name by id have an id that says so.
fn user_id(name: &str) -> UserId {
    UserId::new(match name {
        "left.company@contoso.example" => id("deleted user"),
        "gone.forever@contoso.example" => id("purgeable user"),
        "emily.braun@contoso.example" => id("administrator"),
        "new.hire@contoso.example" => id("new hire"),
        _ => stable_guid(&format!("demo/user/{name}")),
    })
}

pub fn seed_person(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    organization: &Organization,
    person: &Person,
    number: usize,
    digest: &PasswordDigest,
) -> Result<User> {
    let (given_name, surname) = names(person.alias);
    let left = person.has.contains(&Left);
    let name = format!("{}@{}", person.alias, organization.domain);
    let user = User {
        tenant_id: tenant.clone(),
        user_id: user_id(&name),
        user_principal_name: name.clone(),
        display_name: format!("{given_name} {surname}"),
        given_name: Some(given_name),
        surname: Some(surname),
        mail: Some(name.clone()),
        user_type: if person.has.contains(&IsGuest) { UserType::Guest } else { UserType::Member },
        account_enabled: true,
        profile: Profile {
            mail_nickname: Some(person.alias.into()),
            job_title: Some(person.title.into()),
            ..Profile::default()
        },
        created_at: tx.now(),
        deleted_at: left.then(|| tx.now()),
        sessions_valid_from: tx.now().plus_seconds(-1),
    };
    users::insert(tx, &user, &Requirements::default())?;
    if let Some(role) = person.role {
        let assignment = RoleAssignment {
            tenant_id: tenant.clone(),
            user_id: user.user_id.clone(),
            role_id: role.as_str().into(),
            created_at: tx.now(),
        };
        roles::insert(tx, &assignment)?;
    }
    password::set(tx, tenant, &user.user_id, digest, false)?;
    for has in person.has {
        seed_method(tx, &user, *has, number)?;
    }
    Ok(user)
}

fn seed_method(tx: &mut Tx<'_>, user: &User, has: Has, number: usize) -> Result<()> {
    match has {
        Mobile => seed_phone(tx, user, PhoneType::Mobile, format!("+1 42555501{number:02}")),
        Alternate => seed_phone(tx, user, PhoneType::AlternateMobile, format!("+1 42555502{number:02}")),
        Office => seed_phone(tx, user, PhoneType::Office, format!("+1 42555503{number:02}x{}", 100 + number)),
        Email => {
            let detail =
                email::Email { email_address: user.user_principal_name.replace("@", "@home."), is_verified: true };
            seed_row(tx, user, MethodKind::Email, email::ID.into(), &detail, None)
        }
        App => {
            let detail = MicrosoftAuthenticator {
                display_name: format!("{}'s phone", user.given_name.as_deref().unwrap_or_default()),
                device_tag: Some("SoftwareTokenActivated".into()),
                phone_app_version: Some("6.2511.7533".into()),
                client_app_name: Some("microsoftAuthenticator".into()),
                public_key: Some(super::authenticator::public_key(&user.user_principal_name)?),
            };
            seed_row(
                tx,
                user,
                MethodKind::MicrosoftAuthenticator,
                method_id(user, "microsoftAuthenticator"),
                &detail,
                None,
            )
        }
        Totp | PendingTotp => {
            let detail = SoftwareOath {
                display_name: Some("Authenticator app".into()),
                hash_function: HashFunction::Sha1,
                digits: 6,
                time_interval_in_seconds: 30,
                wrong_codes: 0,
            };
            let secret = data_encoding::BASE32_NOPAD.decode(TOTP_SECRET.as_bytes()).map_err(Error::internal)?;
            let id = if has == Totp { method_id(user, "softwareOath") } else { id("softwareOath pending") };
            let id = MethodId::new(id);
            let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::SoftwareOath, id, &detail)?;
            row.sealed_secret = Some(tx.seal(&secret_place(&row), &secret)?);
            row.pending_until = (has == PendingTotp).then(|| tx.now().plus_minutes(PENDING_DAYS * 24 * 60));
            methods::insert(tx, &row)
        }
        Passkey => {
            let detail = Fido2 {
                display_name: "Security key".into(),
                aa_guid: Some("2fc0579f-8113-47ea-b116-bb5a8db9202a".into()),
                model: Some("YubiKey 5 Series with NFC".into()),
                attestation_certificates: vec![],
                attestation_level: "attested".into(),
                passkey_type: "deviceBound".into(),
            };
            seed_key(tx, user, MethodKind::Fido2, &detail)
        }
        Hello => {
            let detail = WindowsHello { key: platform_key(user, "laptop", "windowsHelloForBusiness") };
            seed_key(tx, user, MethodKind::WindowsHelloForBusiness, &detail)
        }
        Mac => {
            let key = platform_key(user, "MacBook", "platformCredential");
            let detail = PlatformCredential { key, platform: Platform::MacOs };
            seed_key(tx, user, MethodKind::PlatformCredential, &detail)
        }
        External => {
            let detail =
                ExternalMethod { configuration_id: id("external provider"), display_name: super::PROVIDER_NAME.into() };
            let id = method_id(user, "externalAuthenticationMethod");
            seed_row(tx, user, MethodKind::ExternalAuthenticationMethod, id, &detail, None)
        }
        Badge => badge::seed(tx, user),
        DayBadge => badge::seed_temporary(tx, user),
        Pass => {
            let detail =
                TemporaryAccessPass { start_date_time: tx.now(), lifetime_in_minutes: 480, is_usable_once: false };
            let code = tx.entropy().text(b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 8);
            let id = method_id(user, "temporaryAccessPass");
            seed_row(tx, user, MethodKind::TemporaryAccessPass, id, &detail, Some(code.as_bytes()))
        }
        Token => seed_device(tx, &user.tenant_id, Some(user), "hardwareOath", DeviceStatus::Activated, number),
        NewToken => {
            seed_device(tx, &user.tenant_id, Some(user), "hardwareOath assigned", DeviceStatus::Assigned, number)
        }
        Left | IsGuest => Ok(()),
    }
}

/// A key that a device of the user's keeps.
fn platform_key(user: &User, device: &str, name: &str) -> PlatformKey {
    let display_name = format!("{}'s {device}", user.given_name.as_deref().unwrap_or_default());
    let id = stable_guid(&format!("demo/{}/device/{name}", user.user_principal_name));
    PlatformKey {
        device: Some(KeyDevice { id, display_name: Some(display_name.clone()) }),
        display_name,
        key_strength: KeyStrength::Normal,
        is_synced: false,
    }
}

/// A method whose secret is a key of WebAuthn's.
fn seed_key(tx: &mut Tx<'_>, user: &User, kind: MethodKind, detail: &impl serde::Serialize) -> Result<()> {
    let id = method_id(user, kind.as_str());
    let credential = super::passkey::credential(&id)?;
    seed_row(tx, user, kind, id, detail, Some(&credential))
}

/// The example user's ids are those of the examples.
pub fn method_id(user: &User, name: &str) -> String {
    if user.user_principal_name == super::EXAMPLE_USER {
        return id(name);
    }
    stable_guid(&format!("demo/{}/{name}", user.user_principal_name))
}

fn seed_phone(tx: &mut Tx<'_>, user: &User, phone_type: PhoneType, phone_number: String) -> Result<()> {
    let detail = Phone { phone_number, phone_type, is_verified: true };
    seed_row(tx, user, MethodKind::Phone, phone_type.method_id().into(), &detail, None)
}

fn seed_row(
    tx: &mut Tx<'_>,
    user: &User,
    kind: MethodKind,
    id: String,
    detail: &impl serde::Serialize,
    secret: Option<&[u8]>,
) -> Result<()> {
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, kind, MethodId::new(id), detail)?;
    row.sealed_secret = secret.map(|secret| tx.seal(&secret_place(&row), secret)).transpose()?;
    methods::insert(tx, &row)
}

/// A provider outside that may prove the users of the example tenant.
pub fn seed_provider(tx: &mut Tx<'_>, tenant: &TenantId, organization: &Organization) -> Result<()> {
    if organization.domain != super::EXAMPLE_TENANT {
        return Ok(());
    }
    let mut policy = MethodsPolicy::of(tx, tenant)?;
    policy.external.push(ExternalConfiguration {
        id: id("external provider"),
        common: Configuration::default(),
        display_name: super::PROVIDER_NAME.into(),
        app_id: id("external provider application"),
        open_id_connect_setting: OpenIdConnect {
            client_id: "contoso".into(),
            discovery_url: "https://login.adatum.example/.well-known/openid-configuration".into(),
        },
    });
    policy.save(tx, tenant)
}

/// Tokens in the drawer that nobody has yet.
pub fn seed_spare_devices(tx: &mut Tx<'_>, tenant: &TenantId, organization: &Organization) -> Result<()> {
    if organization.domain == super::EXAMPLE_TENANT {
        seed_device(tx, tenant, None, "hardwareOath available", DeviceStatus::Available, 90)?;
        seed_device(tx, tenant, None, "hardwareOath spare", DeviceStatus::Available, 91)?;
    }
    Ok(())
}

fn seed_device(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    user: Option<&User>,
    name: &str,
    status: DeviceStatus,
    number: usize,
) -> Result<()> {
    let id = user.map_or_else(|| id(name), |user| method_id(user, name));
    let serial_number = match name {
        "hardwareOath available" => super::AVAILABLE_SERIAL_NUMBER.to_owned(),
        "hardwareOath assigned" => format!("DEMO-{number:03}-B"),
        _ => format!("DEMO-{number:03}-A"),
    };
    // Everybody can work the codes of a demo token out: its secret is a digest of its serial number.
    let secret = digest(&SHA256, serial_number.as_bytes());
    let mut device = Device {
        tenant_id: tenant.clone(),
        sealed_secret: String::new(),
        device_id: DeviceId::new(id),
        serial_number,
        manufacturer: "Contoso Tokens".into(),
        model: "C-100".into(),
        display_name: None,
        time_interval_seconds: 30,
        hash_function: DeviceHash::Sha1,
        status,
        assigned_to: user.map(|user| user.user_id.clone()),
        assigned_at: user.map(|_| tx.now()),
        last_step: None,
        last_used_at: (status == DeviceStatus::Activated).then(|| Timestamp::from_seconds(tx.now().seconds() - 3600)),
        created_at: tx.now(),
        otp_type: OtpType::Totp,
        digits: 6,
        drift_steps: 0,
    };
    device.sealed_secret = tx.seal(&hardware_oath::secret_place(&device), &secret.as_ref()[..20])?;
    devices::insert(tx, &device)
}
