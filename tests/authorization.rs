//! Every operation of the document against everybody who must not: a new endpoint cannot be forgotten here.
//!
//! Requests are made of the document's own examples, so they are valid and only the caller is wrong.

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekey::{
    access::known_permissions,
    clock::Entropy,
    demo,
    id::{TenantId, UserId},
    roles::Role,
    store::{
        roles::{self, RoleAssignment},
        users::{self, Profile, Requirements, User, UserType},
    },
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use support::{
    Answer, Backend, TestApp,
    authenticator::{Key, call_claims, seconds},
    document::{Document, Operation},
};

/// Paths whose objects are the same in every tenant, so that their ids and names give nothing away.
const SHARED_OBJECTS: &[&str] = &["/v1.0/roleManagement/directory/roleDefinitions", "/v1.0/policies/"];

/// Operations that every caller with a valid token may do in the tenant of the token.
const OPEN_TO_CALLERS: &[&str] = &[
    "listOrganization",
    // They hold what the caller may see in the tenants of customers: nothing, without an access assignment.
    "listManagedUsers",
    "listManagedTenants",
    "listRegistrationSummaries",
    "getRegistrationSummary",
    // Its items are authorized one by one.
    "batch",
];

/// Operations that refuse whoever has nothing to do with a tenant that the body names, whether or not it exists; or that
/// are for partners only.
const DENYING: &[&str] = &["getCommonActions", "createRelationship"];

/// Operations whose success reports what became of what the body names: another tenant's user is not found, or is
/// refused like anybody who is not there.
const REPORTING: &[&str] =
    &["importHardwareOathDevices", "createManyHardwareOathDevices", "beginSignIn", "createMfaReset", "batch"];

/// Keys whose values tell one tenant's objects from another's.
const IDENTIFYING: &[&str] = &[
    "id",
    "principalId",
    "userId",
    "userPrincipalName",
    "mail",
    "displayName",
    "serialNumber",
    "phoneNumber",
    "emailAddress",
    "defaultDomain",
    "tenantId",
];

/// A server whose tenant holds everything that the document's examples name.
async fn seeded(backend: Backend) -> TestApp {
    let mut app = TestApp::empty(backend).await;
    let demo = demo::seed(&app.app).await.unwrap();
    app.tenant = demo.tenant_id;
    app.token = app.token_of(&app.tenant, demo.client_id.as_str(), demo.client_secret.expose_secret()).await;
    app
}

/// Moves over to the partner, whose tenant holds what the examples for partners name.
async fn become_partner(app: &mut TestApp) {
    let partner = demo::seed(&app.app).await.unwrap().partner;
    app.tenant = partner.tenant_id;
    app.token = app.token_of(&app.tenant, partner.client_id.as_str(), partner.client_secret.expose_secret()).await;
}

async fn new_user(app: &TestApp, display_name: &str, principal_name: &str) -> UserId {
    let id = UserId::new(Entropy::System.guid());
    let (tenant, user_id) = (app.tenant.clone(), id.clone());
    let (display_name, principal_name) = (display_name.to_owned(), principal_name.to_owned());
    let write = app.app.store.write(&app.tenant, move |tx| {
        let user = User {
            tenant_id: tenant.clone(),
            user_id: user_id.clone(),
            user_principal_name: principal_name.clone(),
            display_name: display_name.clone(),
            given_name: None,
            surname: None,
            mail: None,
            user_type: UserType::Member,
            account_enabled: true,
            profile: Profile::default(),
            created_at: tx.now(),
            deleted_at: None,
            sessions_valid_from: tx.now().plus_seconds(-60),
        };
        users::insert(tx, &user, &Requirements::default())
    });
    write.await.unwrap();
    id
}

async fn give_role(app: &TestApp, user: &UserId, role: Role) {
    let (tenant, user) = (app.tenant.clone(), user.clone());
    let write = app.app.store.write(&app.tenant, move |tx| {
        let (tenant_id, user_id) = (tenant.clone(), user.clone());
        roles::insert(tx, &RoleAssignment { tenant_id, user_id, role_id: role.as_str().into(), created_at: tx.now() })
    });
    write.await.unwrap();
}

/// Somebody who should not get through.
struct Intruder {
    name: &'static str,
    token: Option<String>,
    /// The statuses this operation may answer; none when the operation is open to this caller.
    may: fn(&Operation, Addressed) -> &'static [u16],
    is_foreign: bool,
}

/// Whether a request names an object of the tenant under attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addressed {
    InPath,
    InBody,
    Nowhere,
}

const UNAUTHENTICATED: fn(&Operation, Addressed) -> &'static [u16] = |_, _| &[401];
/// Exactly 403: a caller without the right must not even learn whether the object exists. What a user may do to
/// himself is another matter.
const DENIED: fn(&Operation, Addressed) -> &'static [u16] = |operation, _| {
    let is_open = OPEN_TO_CALLERS.contains(&operation.id.as_str()) || operation.is_about_the_caller();
    if is_open { &[] } else { &[403] }
};
const DENIED_WRITES: fn(&Operation, Addressed) -> &'static [u16] = |operation, addressed| match operation.reads() {
    true => &[],
    false => DENIED(operation, addressed),
};
/// All rights, in another tenant: there he may do what he likes, but these objects are not there.
const FOREIGN: fn(&Operation, Addressed) -> &'static [u16] = |operation, addressed| match addressed {
    // An application is nobody's own.
    _ if operation.is_about_the_caller() => &[400],
    Addressed::InPath => &[404],
    _ if DENYING.contains(&operation.id.as_str()) => &[403],
    Addressed::InBody if REPORTING.contains(&operation.id.as_str()) => &[],
    Addressed::InBody => &[400, 404],
    Addressed::Nowhere => &[],
};

/// The token with one part replaced by what `change` makes of its JSON.
fn forge(token: &str, part: usize, change: impl Fn(&mut Value)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut json: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[part]).unwrap()).unwrap();
    change(&mut json);
    parts[part] = URL_SAFE_NO_PAD.encode(json.to_string());
    parts.join(".")
}

async fn intruders(app: &TestApp, foreign: &TenantId) -> Vec<Intruder> {
    let everything = known_permissions();
    let foreign_token = app.token_with(foreign, &everything).await;
    let powerless = app.token_with(&app.tenant, &[""; 0]).await;
    let nobody = new_user(app, "Nobody Special", "nobody.special@contoso.example").await;
    let reader = new_user(app, "Global Reader", "global.reader@contoso.example").await;
    give_role(app, &reader, Role::GlobalReader).await;

    let tenant = app.tenant.to_string();
    let unsigned = forge(&app.token, 0, |header| header["alg"] = "none".into());
    let unsigned = format!("{}.", &unsigned[..unsigned.rfind('.').unwrap()]);
    let as_if_ours = forge(&foreign_token, 1, |claims| claims["tid"] = tenant.as_str().into());
    let promoted = forge(&powerless, 1, |claims| claims["roles"] = known_permissions().into());
    let expired = forge(&app.token, 1, |claims| claims["exp"] = 1.into());

    let one = |name, token: Option<String>, may| Intruder { name, token, may, is_foreign: false };
    vec![
        one("nobody", None, UNAUTHENTICATED),
        one("garbage", Some("x.y.z".into()), UNAUTHENTICATED),
        one("an unsigned token", Some(unsigned), UNAUTHENTICATED),
        one("a changed lifetime", Some(expired), UNAUTHENTICATED),
        one("a token with permissions written into it", Some(promoted), UNAUTHENTICATED),
        one("another tenant's token that claims to be ours", Some(as_if_ours), UNAUTHENTICATED),
        one("an application without permissions", Some(powerless), DENIED),
        one("a user without roles", Some(app.user_token(&nobody).await), DENIED),
        one("a Global Reader who writes", Some(app.user_token(&reader).await), DENIED_WRITES),
        Intruder {
            name: "another tenant's application with every permission",
            token: Some(foreign_token),
            may: FOREIGN,
            is_foreign: true,
        },
    ]
}

/// What every reading operation answers to this token.
async fn read_all(app: &TestApp, operations: &[Operation], token: &str) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    for operation in operations.iter().filter(|it| it.reads() && !it.is_public() && !it.is_about_the_caller()) {
        let answer = Answer::of(operation.request(&app.http, &app.base).bearer_auth(token)).await;
        answers.insert(operation.to_string(), answer);
    }
    answers
}

/// The values of identifying keys anywhere in an answer.
fn collect_names(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str().filter(|text| IDENTIFYING.contains(&key.as_str()) && text.len() >= 6) {
                    Some(name) => drop(into.insert(name.to_owned())),
                    None => collect_names(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, into)),
        _ => {}
    }
}

fn names_in(answers: &BTreeMap<String, Answer>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    answers.values().filter(|answer| answer.status.is_success()).for_each(|it| collect_names(&it.json, &mut names));
    names
}

fn is_shared(operation: &Operation) -> bool {
    SHARED_OBJECTS.iter().any(|prefix| operation.path.starts_with(prefix))
}

fn addressed(operation: &Operation, names: &BTreeSet<String>) -> Addressed {
    if operation.path_values().any(|value| names.contains(value)) {
        Addressed::InPath
    } else if names.iter().any(|name| operation.body_text().contains(name.as_str())) {
        Addressed::InBody
    } else {
        Addressed::Nowhere
    }
}

/// Tries one operation as one intruder; what is wrong with the answer.
async fn attack(app: &TestApp, operation: &Operation, intruder: &Intruder, names: &BTreeSet<String>) -> Vec<String> {
    let may = (intruder.may)(operation, addressed(operation, names));
    if may.is_empty() && !intruder.is_foreign {
        return vec![];
    }
    let mut request = operation.request(&app.http, &app.base);
    if let Some(token) = &intruder.token {
        request = request.bearer_auth(token);
    }
    let answer = Answer::of(request).await;
    let status = answer.status.as_u16();
    let mut wrong = vec![];
    if !may.is_empty() && !may.contains(&status) {
        wrong.push(format!("{status} instead of {may:?}: {}", answer.text));
    }
    if status >= 500 || (may.is_empty() && matches!(status, 401 | 403)) {
        wrong.push(format!("{status}: {}", answer.text));
    }
    if status >= 400 && !answer.json["error"]["code"].is_string() {
        wrong.push(format!("not Graph's error shape: {}", answer.text));
    }
    if status == 401 && answer.headers.get("www-authenticate").is_none_or(|value| value != "Bearer") {
        wrong.push("401 without WWW-Authenticate: Bearer".into());
    }
    if status == 403 && answer.json["error"]["message"].as_str().is_none_or(|message| message.len() <= 20) {
        wrong.push(format!("a 403 that does not say what is missing: {}", answer.text));
    }
    if intruder.is_foreign || status == 401 {
        // Saying back what the caller said himself is no leak.
        let said = [operation.target(), operation.path_values().collect::<Vec<_>>().join(" "), operation.body_text()];
        let leaked = names.iter().filter(|name| {
            answer.text.contains(name.as_str()) && !said.iter().any(|said| said.contains(name.as_str()))
        });
        wrong.extend(leaked.map(|name| format!("gives away {name:?}: {}", answer.text)));
    }
    wrong.into_iter().map(|what| format!("{operation} as {}: {what}", intruder.name)).collect()
}

#[tokio::test]
async fn every_operation_refuses_whoever_must_not() {
    for backend in support::backends() {
        let mut app = seeded(backend).await;
        let document = Document::parse(&rekey::api::document().unwrap());
        let mut operations: Vec<_> = document.operations().into_iter().filter(|it| !it.is_public()).collect();
        // Reads first, so that what a foreigner creates for himself is not mistaken for somebody else's.
        operations.sort_by_key(|operation| !operation.reads());
        assert!(operations.iter().any(|operation| operation.id == "resetMfa"));
        let (of_partners, of_everybody): (Vec<_>, Vec<_>) =
            operations.into_iter().partition(Operation::is_for_partners);
        let mut wrong = what_intruders_can(&app, &document, of_everybody, "intruder.example").await;
        become_partner(&mut app).await;
        wrong.extend(what_intruders_can(&app, &document, of_partners, "another-intruder.example").await);
        assert!(wrong.is_empty(), "{backend:?}:\n{}", wrong.join("\n"));
    }
}

/// Tries these operations on the test tenant as everybody who must not; what is wrong with the answers.
async fn what_intruders_can(
    app: &TestApp,
    document: &Document,
    operations: Vec<Operation>,
    domain: &str,
) -> Vec<String> {
    let foreign = app.new_tenant(domain).await;
    let intruders = intruders(app, &foreign).await;
    let foreigner = intruders.last().and_then(|intruder| intruder.token.clone()).unwrap();

    let before = read_all(app, &operations, &app.token).await;
    let again = read_all(app, &operations, &app.token).await;
    let mut names = names_in(&before);
    names.insert(demo::EXAMPLE_USER.into());
    // What the tests call their own applications in every tenant.
    names.remove("Test application");
    // No list shows it.
    names.insert(demo::id("signInSession passwordChange"));
    names.insert(demo::id("signInSession pinChange"));
    let shared: Vec<Operation> = document.operations().into_iter().filter(is_shared).collect();
    let public = names_in(&read_all(app, &shared, &foreigner).await);
    names.retain(|name| !public.contains(name));

    let mut wrong = vec![];
    for operation in &operations {
        let is_proven =
            operation.path_values().next().is_none() || is_shared(operation) || operation.is_about_the_caller();
        if !is_proven && addressed(operation, &names) != Addressed::InPath {
            wrong.push(format!("{operation}: the example in its path names nothing that the tenant has"));
        }
        for intruder in &intruders {
            wrong.extend(attack(app, operation, intruder, &names).await);
        }
    }
    // The log records refusals; a challenge is another each time it is asked for.
    for (operation, answer) in read_all(app, &operations, &app.token).await {
        let is_steady = before[&operation].text == again[&operation].text && !operation.contains("/auditLogs/");
        if is_steady && answer.text != before[&operation].text {
            wrong.push(format!("{operation}: changed by an intruder:\n{}\n{}", before[&operation].text, answer.text));
        }
    }
    wrong
}

/// Calls that bear no token are signed: nobody's token is good for them, and nobody else's signature. (What can be wrong
/// with a proof, and that the right one is let through, is tested where devices are.)
#[tokio::test]
async fn every_operation_of_devices_refuses_whoever_is_not_the_device() {
    for backend in support::backends() {
        let app = seeded(backend).await;
        let document = Document::parse(&rekey::api::service(&app.app).spec());
        let mut operations = document.operations();
        operations.retain(|operation| operation.is_for_devices() && !operation.path.ends_with("/activate"));
        assert!(operations.len() >= 4);
        let user = app.user_token(&new_user(&app, "Nobody Special", "nobody@contoso.example").await).await;
        let before = support::database::digest(&app);
        for operation in &operations {
            let key = Key::ed25519();
            let url = format!("{}{}", app.base, operation.target());
            let stranger = key.dpop(&call_claims(operation.method.as_str(), &url, seconds(&app)));
            let request = || operation.request(&app.http, &app.base);
            for (name, request) in [
                ("nobody", request()),
                ("an application with every permission", request().bearer_auth(&app.token)),
                ("an access token as a proof", request().header("DPoP", &app.token)),
                ("a user", request().bearer_auth(&user)),
                ("another device", request().header("DPoP", &stranger)),
                ("another device with a token", request().header("DPoP", &stranger).bearer_auth(&app.token)),
            ] {
                let answer = Answer::of(request).await;
                assert_eq!(answer.status, 401, "{operation} as {name}: {}", answer.text);
                assert!(
                    answer.headers["www-authenticate"].to_str().unwrap().starts_with("DPoP"),
                    "{operation} as {name}"
                );
                assert!(!answer.text.contains("joni"), "{operation} as {name}: {}", answer.text);
            }
        }
        assert_eq!(support::database::digest(&app), before);
    }
}

/// Without this the tests above would also pass if everything were refused to everybody.
#[tokio::test]
async fn every_operation_lets_the_right_caller_through() {
    let mut app = seeded(Backend::Sqlite).await;
    let own = app.token.clone();
    become_partner(&mut app).await;
    let document = Document::parse(&rekey::api::document().unwrap());
    let mut operations: Vec<_> = document.operations();
    operations.retain(|operation| !operation.is_public() && !operation.is_about_the_caller());
    // Deletions last, so that the others find what their examples name.
    operations.sort_by_key(|operation| (operation.method == reqwest::Method::DELETE, !operation.reads()));
    let mut wrong = vec![];
    for operation in &operations {
        let token = if operation.is_for_partners() { &app.token } else { &own };
        let answer = Answer::of(operation.request(&app.http, &app.base).bearer_auth(token)).await;
        let status = answer.status.as_u16();
        // An example may be outlived by another operation's (409, 404) or need a code of this minute (400); reads
        // work as they stand.
        if status >= 500 || matches!(status, 401 | 403 | 405 | 415) || (operation.reads() && status != 200) {
            wrong.push(format!("{operation}: {status}: {}", answer.text));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the document has below `/me` is what a signed-in user may do to himself: no more, and no less.
#[tokio::test]
async fn what_stands_below_me_is_what_users_may_do_to_themselves() {
    let app = seeded(Backend::Sqlite).await;
    let name = "nobody.special@contoso.example";
    let user = new_user(&app, "Nobody Special", name).await;
    // Somebody who has nothing to lose, and signs in with both factors.
    let security_defaults = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";
    app.patch(security_defaults, json!({"isEnabled": false})).await.expect(204);
    let passes = format!("/v1.0/users/{user}/authentication/temporaryAccessPassMethods");
    let pass = app.post(&passes, json!({"isUsableOnce": false})).await.expect(201).json;
    let first_factor = json!({"type": "temporaryAccessPass", "verificationCode": pass["temporaryAccessPass"]});
    let sign_in = json!({"userPrincipalName": name, "firstFactor": first_factor});

    let document = Document::parse(&rekey::api::document().unwrap());
    let named = |operation: &Operation| format!("{} {}", operation.method, operation.path);
    let mut own: BTreeSet<String> =
        document.operations().iter().filter(|operation| operation.is_about_the_caller()).map(named).collect();
    // As the server has them, before the document moves what only users may do.
    let mut operations = Document::parse(&rekey::api::service(&app.app).spec()).operations();
    operations.retain(|operation| operation.path.starts_with("/v1.0/users/{user}"));
    assert!(!own.is_empty() && operations.len() > own.len());
    let mut wrong = vec![];
    for mut operation in operations {
        operation.path = operation.path.replacen("/v1.0/users/{user}", "/v1.0/me", 1);
        // Each with a sign-in of its own, as some of them end it.
        let session = app.post("/v1.0/signInSessions", sign_in.clone()).await.expect(201).json;
        let token = session["outcomeToken"].as_str().unwrap_or_else(|| panic!("{operation}: {session}"));
        let answer = Answer::of(operation.request(&app.http, &app.base).bearer_auth(token)).await;
        // Whatever else comes of it, that there is no such phone for one, comes after the decision.
        let is_named = own.remove(&named(&operation));
        match answer.status.as_u16() {
            403 if is_named => wrong.push(format!("{operation} is refused: {}", answer.text)),
            403 => {}
            401 | 500.. => wrong.push(format!("{operation}: {}", answer.text)),
            status if !is_named => wrong.push(format!("{operation} answers {status}; name it in OWN of api/me.rs")),
            _ => {}
        }
    }
    wrong.extend(own.into_iter().map(|operation| format!("{operation} is no operation on users")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
