//! Fictional data for trying Rekey out: a partner, three customers, about forty users with every kind of method.
//!
//! Seeded once; a second start finds it and only prints it again. All ids are the same on every machine, so that the
//! examples in the API's document can name them. Tenants are marked as demo.

pub mod authenticator;
mod badge;
pub mod callers;
pub mod mfa_resets;
mod organizations;
pub mod partner;
pub mod passkey;
mod passwords;
mod people;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    access::Caller,
    app::App,
    applications::{self, NewApplication},
    audit::{self, Activity, Entry, Target},
    error::{Error, Result},
    id::{ApplicationId, AuditEventId, SessionId, SignInId, TenantId, UserId, stable_guid},
    methods::{MethodKind, password::PasswordDigest},
    sign_in::{
        Proof, State,
        log::{self, Step},
    },
    store::{
        self, Tx,
        applications::Application,
        sessions::{self, SessionRow, SessionStatus},
        sign_ins::{self, SignInRow},
    },
    tenants::{self, NewTenant},
    tokens,
};
use organizations::{ORGANIZATIONS, Organization, Person};

/// The user that examples and the printed curl line reset.
pub const EXAMPLE_USER: &str = "adele.vance@contoso.example";
/// A user of the same tenant who has only a password yet.
pub const NEW_HIRE: &str = "new.hire@contoso.example";
/// A user of the same tenant who may be deleted.
pub const LEAVER: &str = "lee.gu@contoso.example";
/// The tenant of the examples.
pub const EXAMPLE_TENANT: &str = "contoso.example";
/// The serial number of a hardware token that nobody has.
pub const AVAILABLE_SERIAL_NUMBER: &str = "DEMO-090-A";
/// The serial number of a hardware token that is assigned to the example user and not activated.
pub const ASSIGNED_SERIAL_NUMBER: &str = "DEMO-000-B";
/// The password of every demo user.
pub const PASSWORD: &str = "Correct-Horse-9-Battery";
/// The PIN of every demo user who has a QR code.
pub const PIN: &str = "27182845";
/// A user of the example tenant who has a QR code, and no temporary one.
pub const FRONTLINE: &str = "joni.sherman@contoso.example";
/// The Base32 secret of the example user's software token.
pub const TOTP_SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// The provider outside that the example tenant trusts.
const PROVIDER_NAME: &str = "Adatum";

const APPLICATION_NAME: &str = "Contoso help desk (demo)";
/// How long the demo application's secret lives, in days.
const SECRET_DAYS: i64 = 3650;

/// The id of a seeded object of the example tenant: the same on every machine.
pub fn id(name: &str) -> String {
    stable_guid(&format!("demo/contoso/{name}"))
}

fn tenant_id(organization: &Organization) -> TenantId {
    tenant_id_of(organization.domain)
}

/// The id of the seeded tenant with this domain.
pub fn tenant_id_of(domain: &str) -> TenantId {
    TenantId::new(stable_guid(&format!("demo/{domain}")))
}

/// The id of the tenant of the examples.
pub fn example_tenant_id() -> TenantId {
    tenant_id(&ORGANIZATIONS[0])
}

/// What somebody who tries Rekey out needs to know.
#[derive(Debug)]
pub struct Demo {
    pub tenant_id: TenantId,
    pub client_id: ApplicationId,
    pub client_secret: SecretString,
    pub partner: Partner,
}

/// The partner who administers the demo's customers, and its application.
#[derive(Debug)]
pub struct Partner {
    pub tenant_id: TenantId,
    pub client_id: ApplicationId,
    pub client_secret: SecretString,
}

/// Makes sure that the demo data is there.
pub async fn seed(app: &App) -> Result<Demo> {
    let context = app.store.context();
    // One for all, as all have the same password; made here because it is slow on purpose.
    let digest = PasswordDigest::new(&context.entropy, PASSWORD)?;
    for organization in ORGANIZATIONS {
        let (digest, tenant) = (digest.clone(), tenant_id(organization));
        app.store.write(&tenant, move |tx| seed_organization(tx, organization, &digest)).await?;
    }
    let example = example_tenant_id();
    let client_id = ApplicationId::new(id("application"));
    // Derived, not random, so that a later start can print it again although only its digest is stored.
    let client_secret = context.sealer.derive("demo client secret");
    let (tenant, application, secret) = (example.clone(), client_id.clone(), client_secret.clone());
    let write = move |tx: &mut Tx<'_>| {
        seed_application(tx, &tenant, &application, APPLICATION_NAME, &secret)?;
        seed_session(tx, &tenant, &application)?;
        authenticator::seed(tx, &tenant, &application)?;
        passwords::seed(tx, &tenant, &application)?;
        mfa_resets::seed(tx, &tenant, &application)?;
        callers::seed(tx, &tenant)?;
        seed_sign_in(tx, &tenant, &application)
    };
    app.store.write(&example, write).await?;
    let partner = partner::seed(app).await?;
    Ok(Demo { tenant_id: example, client_id, client_secret, partner })
}

fn operator(tx: &Tx<'_>, tenant: &TenantId) -> Caller {
    Caller::operator(tenant.clone(), tx.guid())
}

fn seed_organization(tx: &mut Tx<'_>, organization: &Organization, digest: &PasswordDigest) -> Result<()> {
    let tenant = tenant_id(organization);
    if store::tenants::find(tx, &tenant)?.is_some() {
        return Ok(());
    }
    let caller = operator(tx, &tenant);
    let new = NewTenant {
        tenant_id: tenant.clone(),
        display_name: organization.display_name.into(),
        default_domain: organization.domain.into(),
        is_partner: organization.is_partner,
        is_demo: true,
    };
    tenants::create(tx, &caller, &new)?;
    let actor = crate::access::identify(tx, &caller)?;
    for (number, person) in organization.people.iter().enumerate() {
        let user = people::seed_person(tx, &tenant, organization, person, number, digest)?;
        let mut entry = Entry::success(Activity::CREATE_USER, Target::user(&user)).because("Seeded for the demo");
        entry.id = is_example(organization, person).then(|| AuditEventId::new(id("audit event")));
        audit::record(tx, &actor, entry)?;
    }
    people::seed_provider(tx, &tenant, organization)?;
    people::seed_spare_devices(tx, &tenant, organization)
}

fn is_example(organization: &Organization, person: &Person) -> bool {
    organization.domain == EXAMPLE_TENANT && EXAMPLE_USER.starts_with(person.alias)
}

/// An application whose id and secret `--demo` prints: every permission there is, so that every example works.
fn seed_application(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &ApplicationId,
    name: &str,
    secret: &SecretString,
) -> Result<()> {
    let caller = operator(tx, tenant);
    let (_, record) = tokens::secret_of(tx.guid(), secret.clone(), tx.now(), SECRET_DAYS);
    match store::applications::find(tx, tenant, id)? {
        None => {
            let new = NewApplication {
                application_id: id.clone(),
                display_name: name.into(),
                permissions: crate::access::known_permissions(),
                is_enabled: true,
                secret: Some(record),
                keys: vec![],
            };
            applications::create(tx, &caller, &new).map(drop)
        }
        Some(found) if has_secret(&found, secret, tx) => Ok(()),
        Some(_) => applications::secrets::add(tx, &caller, id.as_str(), &record),
    }
}

/// A sign-in of the example user that has come as far as the second factor, for the examples of the document.
fn seed_session(tx: &mut Tx<'_>, tenant: &TenantId, application: &ApplicationId) -> Result<()> {
    let session_id = SessionId::new(id("signInSession"));
    if sessions::find(tx, tenant, &session_id)?.is_some() {
        return Ok(());
    }
    let user = store::users::find(tx, tenant, EXAMPLE_USER)?.map(|user| user.user_id);
    let session = waiting_session(tx, tenant, application, session_id, user)?;
    sessions::insert(tx, &session)
}

/// A session whose password was right, and that waits for a second factor for longer than real ones do.
fn waiting_session(
    tx: &Tx<'_>,
    tenant: &TenantId,
    application: &ApplicationId,
    session_id: SessionId,
    user_id: Option<UserId>,
) -> Result<SessionRow> {
    let state = State { proofs: vec![Proof::by_password(tx.now())], ..State::default() };
    Ok(SessionRow {
        tenant_id: tenant.clone(),
        session_id,
        application_id: application.clone(),
        user_id,
        status: SessionStatus::MfaRequired,
        state: serde_json::to_string(&state).map_err(Error::internal)?,
        created_at: tx.now(),
        expires_at: tx.now().plus_minutes(SECRET_DAYS * 24 * 60),
        completed_at: None,
    })
}

/// A row of the sign-in log, for the examples of the document: the example user typed a wrong code.
fn seed_sign_in(tx: &mut Tx<'_>, tenant: &TenantId, application: &ApplicationId) -> Result<()> {
    let sign_in_id = SignInId::new(id("signIn"));
    let user = store::users::find(tx, tenant, EXAMPLE_USER)?;
    let (Some(user), None) = (user, sign_ins::find(tx, tenant, &sign_in_id)?) else { return Ok(()) };
    let step = |kind, succeeded| Step { at: tx.now(), kind: Some(kind), label: None, succeeded };
    let steps = [step(MethodKind::Password, true), step(MethodKind::SoftwareOath, false)];
    let result = log::Result::WRONG_SECOND_FACTOR;
    let row = SignInRow {
        tenant_id: tenant.clone(),
        sign_in_id,
        created_at: tx.now(),
        user_id: Some(user.user_id),
        user_display_name: Some(user.display_name),
        user_principal_name: Some(user.user_principal_name),
        application_id: application.clone(),
        application_display_name: APPLICATION_NAME.into(),
        error_code: result.error_code,
        failure_reason: result.failure_reason.map(str::to_owned),
        ip_address: Some("198.51.100.7".into()),
        user_agent: None,
        correlation_id: id("signInSession"),
        details: serde_json::to_string(&steps).map_err(Error::internal)?,
    };
    sign_ins::insert(tx, &row)
}

fn has_secret(application: &Application, secret: &SecretString, tx: &Tx<'_>) -> bool {
    tokens::shown_secret(application, secret).is_some_and(|held| held.end_date_time > tx.now())
}

/// One line for a shell: gets a token and resets the example user with it. `options` are more options for curl, each
/// with a space before it.
pub fn curl_line(demo: &Demo, public_url: &str, options: &str) -> String {
    let token = format!(
        "curl -sS{options} -d grant_type=client_credentials -d client_id={} -d client_secret={} {public_url}/{}/oauth2/v2.0/token \
         | sed 's/.*\"access_token\" *: *\"\\([^\"]*\\)\".*/\\1/'",
        demo.client_id,
        demo.client_secret.expose_secret(),
        demo.tenant_id
    );
    format!(
        "curl -sS{options} -X POST -H \"Authorization: Bearer $({token})\" {public_url}/v1.0/users/{EXAMPLE_USER}/authentication/resetMfa"
    )
}
