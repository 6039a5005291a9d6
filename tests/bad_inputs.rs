//! Bad input gets a clear 4xx in Graph's shape and changes nothing in the database.

#[path = "support/mod.rs"]
mod support;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekey::{demo, methods::phone::PhoneType};
use reqwest::Method;
use serde_json::json;
use support::{Answer, TestApp, database, on_each_empty_backend};

/// With which token a case calls.
#[derive(Clone, Copy)]
enum Token {
    /// Every permission in the demo tenant.
    Good,
    None,
    Text(&'static str),
    /// `alg: none` with the good token's claims.
    Unsigned,
    /// The good token with one character of its claims changed.
    Tampered,
    /// The good token without its signature.
    Cut,
    /// Every permission in another tenant.
    Foreign,
}

struct Case {
    name: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    token: Token,
    expect: &'static [u16],
}

impl Case {
    fn new(name: &'static str, method: Method, path: impl Into<String>, expect: &'static [u16]) -> Self {
        let path = path.into();
        Self { name, method, path, headers: vec![], body: vec![], token: Token::Good, expect }
    }

    fn json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.headers.push(("content-type", "application/json".into()));
        self.body = body.into();
        self
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }
}

fn cases() -> Vec<Case> {
    let user = format!("/v1.0/users/{}", demo::EXAMPLE_USER);
    let hire = format!("/v1.0/users/{}", demo::NEW_HIRE);
    let reset = format!("{user}/authentication/resetMfa");
    let phones = format!("{hire}/authentication/phoneMethods");
    let mobile = format!("{user}/authentication/phoneMethods/{}", PhoneType::Mobile.method_id());
    let emails = format!("{hire}/authentication/emailMethods");
    let passes = format!("{hire}/authentication/temporaryAccessPassMethods");
    let totp = format!("{hire}/authentication/softwareOathMethods");
    let tokens = format!("{hire}/authentication/hardwareOathMethods");
    let devices = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices";
    let audits = "/v1.0/auditLogs/directoryAudits";
    let requirements = format!("{user}/authentication/requirements");
    let preferences = format!("{user}/authentication/signInPreferences");
    let relationships = "/v1.0/tenantRelationships/delegatedAdminRelationships";
    let managed = "/v1.0/tenantRelationships/managedTenants";
    let new_user = |change: serde_json::Value| {
        let mut body = json!({
            "displayName": "X", "userPrincipalName": "x@contoso.example", "mailNickname": "x", "accountEnabled": true,
            "passwordProfile": {"password": "A-long-enough-1-password"},
        });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body.to_string()
    };
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        // Who calls.
        Case::new("no token", post.clone(), &reset, &[401]).token(Token::None),
        Case::new("garbage token", post.clone(), &reset, &[401]).token(Token::Text("garbage")),
        Case::new("empty token", post.clone(), &reset, &[401]).token(Token::Text("")),
        Case::new("alg none", post.clone(), &reset, &[401]).token(Token::Unsigned),
        Case::new("tampered token", post.clone(), &reset, &[401]).token(Token::Tampered),
        Case::new("token without signature", post.clone(), &reset, &[401]).token(Token::Cut),
        Case::new("token of another tenant", post.clone(), &reset, &[404]).token(Token::Foreign),
        Case::new("foreign tenant's method", delete.clone(), &mobile, &[404]).token(Token::Foreign),
        Case::new("foreign tenant's device", delete.clone(), format!("{devices}/{}", demo::id("hardwareOath available")), &[404])
            .token(Token::Foreign),
        Case::new("basic authentication", post.clone(), &reset, &[401]).token(Token::None).header("authorization", "Basic eDp5"),
        // Bodies that cannot be read.
        Case::new("not JSON", post.clone(), &reset, &[400]).json("{"),
        Case::new("JSON of the wrong type", post.clone(), &reset, &[400]).json("[]"),
        Case::new("a string", post.clone(), &reset, &[400]).json("\"reset\""),
        Case::new("two documents", post.clone(), &reset, &[400]).json("{}{}"),
        Case::new("duplicate keys", post.clone(), &reset, &[400]).json(r#"{"reason":"a","reason":"b"}"#),
        Case::new("nested duplicate keys", post.clone(), &reset, &[400])
            .json(r#"{"issueTemporaryAccessPass":{"isUsableOnce":true,"isUsableOnce":false}}"#),
        Case::new("unknown property", post.clone(), &reset, &[400]).json(r#"{"reasn":"typo"}"#),
        Case::new("invalid UTF-8", post.clone(), &reset, &[400]).json(b"{\"reason\":\"\xff\xfe\"}".to_vec()),
        Case::new("byte order mark", post.clone(), &reset, &[400]).json("\u{feff}{}"),
        Case::new("UTF-16", post.clone(), &reset, &[400]).json(b"\xff\xfe{\x00}\x00".to_vec()),
        Case::new("deep nesting", post.clone(), &reset, &[400]).json("[".repeat(20_000)),
        Case::new("oversized body", post.clone(), &reset, &[413]).json(format!("{{\"reason\":\"{}\"}}", "x".repeat(100_000))),
        Case::new("gzip", post.clone(), &reset, &[415]).json("{}").header("content-encoding", "gzip"),
        Case::new("unknown encoding", post.clone(), &reset, &[415]).json("{}").header("content-encoding", "rot13"),
        Case::new("XML", post.clone(), &reset, &[415]).header("content-type", "application/xml"),
        Case::new("text", post.clone(), &phones, &[415]).header("content-type", "text/plain"),
        // The reset.
        Case::new("unknown kind", post.clone(), &reset, &[400]).json(r#"{"alsoDelete":["palmReader"]}"#),
        Case::new("password", post.clone(), &reset, &[400]).json(r#"{"alsoDelete":["password"]}"#),
        Case::new("hardware token", post.clone(), &reset, &[400]).json(r#"{"alsoDelete":["hardwareOath"]}"#),
        Case::new("kind in the wrong case", post.clone(), &reset, &[400]).json(r#"{"alsoDelete":["FIDO2"]}"#),
        Case::new("oversized list", post.clone(), &reset, &[400]).json(json!({"alsoDelete": vec!["fido2"; 1000]}).to_string()),
        Case::new("long reason", post.clone(), &reset, &[400]).json(json!({"reason": "x".repeat(1001)}).to_string()),
        Case::new("control characters", post.clone(), &reset, &[400]).json(json!({"reason": "a\u{0}b\u{1b}[31m"}).to_string()),
        Case::new("number for a boolean", post.clone(), &reset, &[400]).json(r#"{"validateOnly":1}"#),
        Case::new("text for a boolean", post.clone(), &reset, &[400]).json(r#"{"validateOnly":"true"}"#),
        Case::new("pass too short", post.clone(), &reset, &[400]).json(r#"{"issueTemporaryAccessPass":{"lifetimeInMinutes":1}}"#),
        Case::new("pass lifetime overflow", post.clone(), &reset, &[400])
            .json(r#"{"issueTemporaryAccessPass":{"lifetimeInMinutes":99999999999}}"#),
        Case::new("pass lifetime fraction", post.clone(), &reset, &[400])
            .json(r#"{"issueTemporaryAccessPass":{"lifetimeInMinutes":60.5}}"#),
        Case::new("pass in the past", post.clone(), &reset, &[400])
            .json(r#"{"issueTemporaryAccessPass":{"startDateTime":"1999-01-01T00:00:00Z"}}"#),
        Case::new("empty idempotency key", post.clone(), &reset, &[400]).json("{}").header("idempotency-key", ""),
        Case::new("long idempotency key", post.clone(), &reset, &[400]).json("{}").header("idempotency-key", "k".repeat(300)),
        // Paths.
        Case::new("unknown user", post.clone(), "/v1.0/users/nobody@contoso.example/authentication/resetMfa", &[404]),
        Case::new("unknown user id", post.clone(), "/v1.0/users/00000000-0000-0000-0000-000000000000/authentication/resetMfa", &[404]),
        Case::new("SQL in the path", post.clone(), "/v1.0/users/'%20OR%201=1--/authentication/resetMfa", &[400, 404]),
        Case::new("NUL in the path", post.clone(), "/v1.0/users/%00/authentication/resetMfa", &[400, 404]),
        Case::new("traversal", post.clone(), "/v1.0/users/..%2f..%2fetc/authentication/resetMfa", &[400, 404]),
        Case::new("wildcard", post.clone(), "/v1.0/users/%25/authentication/resetMfa", &[400, 404]),
        Case::new("bad percent encoding", post.clone(), "/v1.0/users/%ff%fe/authentication/resetMfa", &[400, 404]),
        Case::new("no such resource", get.clone(), "/v1.0/nonsense", &[404]),
        Case::new("no such version", get.clone(), "/v9.9/users", &[404]),
        Case::new("wrong method", get.clone(), &reset, &[405]),
        Case::new("TRACE", Method::TRACE, &user, &[405]),
        Case::new("method by another kind's path", delete.clone(), format!("{user}/authentication/fido2Methods/{}", PhoneType::Mobile.method_id()), &[404]),
        Case::new("password cannot be deleted", delete.clone(), format!("{user}/authentication/passwordMethods/28c10230-6103-485e-b985-444c60001490"), &[405]),
        // Phones and addresses.
        Case::new("phone without plus", post.clone(), &phones, &[400]).json(r#"{"phoneNumber":"5555551234","phoneType":"mobile"}"#),
        Case::new("phone with letters", post.clone(), &phones, &[400]).json(r#"{"phoneNumber":"+1 555CALLME","phoneType":"mobile"}"#),
        Case::new("phone too long", post.clone(), &phones, &[400]).json(r#"{"phoneNumber":"+1 55555512345555551234","phoneType":"mobile"}"#),
        Case::new("unknown country", post.clone(), &phones, &[400]).json(r#"{"phoneNumber":"+999 5555551234","phoneType":"mobile"}"#),
        Case::new("unknown phone type", post.clone(), &phones, &[400]).json(r#"{"phoneNumber":"+1 4255550199","phoneType":"satellite"}"#),
        Case::new("phone number as number", post.clone(), &phones, &[400]).json(r#"{"phoneNumber":14255550199,"phoneType":"mobile"}"#),
        Case::new("alternate without mobile", post.clone(), &phones, &[400]).json(r#"{"phoneNumber":"+1 4255550199","phoneType":"alternateMobile"}"#),
        Case::new("second mobile", post.clone(), format!("{user}/authentication/phoneMethods"), &[400, 409])
            .json(r#"{"phoneNumber":"+1 4255550198","phoneType":"mobile"}"#),
        Case::new("mobile under an alternate", delete.clone(), format!("/v1.0/users/{}/authentication/phoneMethods/{}", demo::LEAVER, PhoneType::Mobile.method_id()), &[400]),
        Case::new("change of type", patch.clone(), &mobile, &[400]).json(r#"{"phoneNumber":"+1 4255550198","phoneType":"office"}"#),
        Case::new("not an address", post.clone(), &emails, &[400]).json(r#"{"emailAddress":"nobody"}"#),
        Case::new("header injection", post.clone(), &emails, &[400]).json(json!({"emailAddress": "a@b.example\r\nBcc: c@d.example"}).to_string()),
        // Passes and tokens.
        Case::new("pass without end", post.clone(), &passes, &[400]).json(r#"{"lifetimeInMinutes":2147483647}"#),
        Case::new("negative lifetime", post.clone(), &passes, &[400]).json(r#"{"lifetimeInMinutes":-60}"#),
        Case::new("malformed date", post.clone(), &passes, &[400]).json(r#"{"startDateTime":"tomorrow"}"#),
        Case::new("seven digits", post.clone(), &totp, &[400]).json(r#"{"digits":7}"#),
        Case::new("interval 45", post.clone(), &totp, &[400]).json(r#"{"timeIntervalInSeconds":45}"#),
        Case::new("MD5", post.clone(), &totp, &[400]).json(r#"{"hashFunction":"hmacmd5"}"#),
        Case::new("unknown device", post.clone(), &tokens, &[400, 404]).json(r#"{"device":{"id":"00000000-0000-0000-0000-000000000000"}}"#),
        Case::new("no device", post.clone(), &tokens, &[400]).json("{}"),
        Case::new("secret not Base32", post.clone(), devices, &[400])
            .json(r#"{"serialNumber":"S1","manufacturer":"M","model":"1","secretKey":"0189!","timeIntervalInSeconds":30}"#),
        Case::new("secret too long", post.clone(), devices, &[400])
            .json(json!({"serialNumber": "S1", "manufacturer": "M", "model": "1", "secretKey": "A".repeat(129), "timeIntervalInSeconds": 30}).to_string()),
        Case::new("serial taken", post.clone(), devices, &[409])
            .json(r#"{"serialNumber":"DEMO-090-A","manufacturer":"M","model":"1","secretKey":"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP","timeIntervalInSeconds":30}"#),
        Case::new("device in use", delete.clone(), format!("{devices}/{}", demo::id("hardwareOath")), &[400, 409]),
        // Users.
        Case::new("foreign domain", post.clone(), "/v1.0/users", &[400]).json(new_user(json!({"userPrincipalName": "x@northwind.example"}))),
        Case::new("name taken", post.clone(), "/v1.0/users", &[400, 409]).json(new_user(json!({"userPrincipalName": demo::EXAMPLE_USER}))),
        Case::new("weak password", post.clone(), "/v1.0/users", &[400]).json(new_user(json!({"passwordProfile": {"password": "short"}}))),
        Case::new("no name", post.clone(), "/v1.0/users", &[400]).json(new_user(json!({"displayName": ""}))),
        Case::new("long name", post.clone(), "/v1.0/users", &[400]).json(new_user(json!({"displayName": "x".repeat(257)}))),
        Case::new("id from outside", post.clone(), "/v1.0/users", &[400]).json(new_user(json!({"id": "1"}))),
        Case::new("bad user type", patch.clone(), &user, &[400]).json(r#"{"userType":"Owner"}"#),
        // Requirements and preferences.
        Case::new("opt-out already over", patch.clone(), &requirements, &[400])
            .json(r#"{"mfaOptOut":{"isOptedOut":true,"reason":"x","expirationDateTime":"2001-01-01T00:00:00Z"}}"#),
        Case::new("opt-out without reason", patch.clone(), &requirements, &[400])
            .json(r#"{"mfaOptOut":{"isOptedOut":true,"expirationDateTime":"2999-01-01T00:00:00Z"}}"#),
        Case::new("unknown state", patch.clone(), &requirements, &[400]).json(r#"{"perUserMfaState":"Enabled"}"#),
        Case::new("registration is not for clients", patch.clone(), &requirements, &[400]).json(r#"{"registrationRequired":false}"#),
        Case::new("unknown preference", patch.clone(), &preferences, &[400])
            .json(r#"{"userPreferredMethodForSecondaryAuthentication":"carrierPigeon"}"#),
        // Lists.
        // Keys of devices, providers, badges.
        Case::new("key without a name", post.clone(), format!("{hire}/authentication/windowsHelloForBusinessMethods"), &[400])
            .json(r#"{"publicKeyCredential":{"id":"AA","response":{"clientDataJSON":"AA","attestationObject":"AA"}}}"#),
        Case::new("key of no challenge", post.clone(), format!("{hire}/authentication/platformCredentialMethods"), &[400])
            .json(r#"{"displayName":"X","publicKeyCredential":{"id":"AA","authenticatorAttachment":"platform","response":{"clientDataJSON":"AA","attestationObject":"AA"}}}"#),
        Case::new("unknown expansion", get.clone(), format!("{user}/authentication/platformCredentialMethods/{}?$expand=owner", demo::id("platformCredential")), &[400]),
        Case::new("unknown provider", post.clone(), format!("{hire}/authentication/externalAuthenticationMethods"), &[400])
            .json(r#"{"configurationId":"Adatum","displayName":"Adatum"}"#),
        Case::new("provider without TLS", post.clone(), "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations", &[400])
            .json(r#"{"displayName":"X","appId":"55a8a3f5-7f1c-4d2b-9d0e-4a1e0a1f1d7e","openIdConnectSetting":{"clientId":"x","discoveryUrl":"http://x.example"}}"#),
        Case::new("second badge", Method::PUT, format!("{user}/authentication/qrCodePinMethod"), &[409]).json("{}"),
        Case::new("PIN of letters", Method::PUT, format!("{hire}/authentication/qrCodePinMethod"), &[400]).json(r#"{"pin":{"code":"password"}}"#),
        Case::new("PIN as a number", patch.clone(), format!("{user}/authentication/qrCodePinMethod/pin"), &[400]).json(r#"{"code":27182818}"#),
        Case::new("code for 400 days", patch.clone(), format!("{user}/authentication/qrCodePinMethod/standardQRCode"), &[400])
            .json(r#"{"expireDateTime":"2999-01-01T00:00:00Z"}"#),
        Case::new("code for a day and a half", patch.clone(), format!("/v1.0/users/{}/authentication/qrCodePinMethod/temporaryQRCode", demo::FRONTLINE), &[400])
            .json(r#"{"expireDateTime":"2999-01-01T00:00:00Z"}"#),
        Case::new("$top zero", get.clone(), "/v1.0/users?$top=0", &[400]),
        Case::new("$top too large", get.clone(), "/v1.0/users?$top=1000", &[400]),
        Case::new("$top negative", get.clone(), "/v1.0/users?$top=-1", &[400]),
        Case::new("$top no number", get.clone(), "/v1.0/users?$top=many", &[400]),
        Case::new("forged $skiptoken", get.clone(), "/v1.0/users?$skiptoken=!!!", &[400]),
        Case::new("unknown option", get.clone(), "/v1.0/users?$apply=groupby((id))", &[400]),
        Case::new("unknown property", get.clone(), "/v1.0/users?$select=id,shoeSize", &[400]),
        Case::new("filter by nothing", get.clone(), format!("{audits}?$filter=%20"), &[400]),
        Case::new("filter on unknown field", get.clone(), format!("{audits}?$filter=shoeSize%20eq%2042"), &[400]),
        Case::new("filter with SQL", get.clone(), format!("{audits}?$filter=id%20eq%20'x'%3B%20DROP%20TABLE%20users--"), &[400]),
        Case::new("unbalanced filter", get.clone(), format!("{audits}?$filter=((id%20eq%20'x')"), &[400]),
        Case::new("unterminated text", get.clone(), format!("{audits}?$filter=id%20eq%20'x"), &[400]),
        Case::new("order by unknown", get.clone(), format!("{audits}?$orderby=id%20desc"), &[400]),
        // Partners.
        Case::new("proposal of a customer", post.clone(), relationships, &[403])
            .json(r#"{"displayName":"X","duration":"P1Y","accessDetails":{"unifiedRoles":[{"roleDefinitionId":"f2ef992c-3afb-46b9-b7cf-a126ee74c451"}]}}"#),
        Case::new("proposal without roles", post.clone(), relationships, &[400]).json(r#"{"displayName":"X","duration":"P1Y"}"#),
        Case::new("name as number", post.clone(), relationships, &[400])
            .json(r#"{"displayName":7,"duration":"P1Y","accessDetails":{"unifiedRoles":[]}}"#),
        Case::new("another partner's draft", get.clone(), format!("{relationships}/{}", demo::id("draft relationship")), &[404]),
        Case::new("no If-Match", delete.clone(), format!("{relationships}/{}", demo::id("draft relationship")), &[428]),
        Case::new("unknown action", post.clone(), format!("{relationships}/x/requests"), &[400]).json(r#"{"action":"resurrect"}"#),
        Case::new("relationship by no id", post.clone(), format!("{relationships}/x/requests"), &[404]).json(r#"{"action":"approve"}"#),
        Case::new("filter on a partner's other field", get.clone(), format!("{relationships}?$filter=duration%20eq%20'P1Y'"), &[400]),
        Case::new("page of 301", get.clone(), format!("{relationships}?$top=301"), &[400]),
        Case::new("no tenants", post.clone(), format!("{managed}/commonActions"), &[400]).json(r#"{"tenantIds":[]}"#),
        Case::new("tenant by name", post.clone(), format!("{managed}/commonActions"), &[400]).json(r#"{"tenantIds":["contoso.example"]}"#),
        Case::new("1001 tenants", post.clone(), format!("{managed}/commonActions"), &[400])
            .json(json!({"tenantIds": vec![demo::id("nobody"); 1001]}).to_string()),
        Case::new("another customer", post.clone(), format!("{managed}/commonActions"), &[403])
            .json(json!({"tenantIds": [demo::tenant_id_of("northwind.example")]}).to_string()),
        Case::new("users of another customer", get.clone(), format!("{managed}/users?tenantIds={}", demo::tenant_id_of("northwind.example")), &[403]),
        Case::new("forged position", get.clone(), format!("{managed}/users?$skiptoken=eA"), &[400]),
        // Who may call.
        Case::new("application without a name", post.clone(), "/v1.0/applications", &[400]).json("{}"),
        Case::new("unknown permission", post.clone(), "/v1.0/applications", &[400]).json(r#"{"displayName":"X","permissions":["All"]}"#),
        Case::new("application by no id", get.clone(), "/v1.0/applications/x", &[404]),
        Case::new("NUL for an application", get.clone(), "/v1.0/applications/%00", &[400, 404]),
        Case::new("secret of a foreign application", post.clone(), format!("/v1.0/applications/{}/addPassword", demo::callers::application()), &[404])
            .json("{}").token(Token::Foreign),
        Case::new("secret without end", post.clone(), format!("/v1.0/applications/{}/addPassword", demo::callers::application()), &[400])
            .json(r#"{"passwordCredential":{"endDateTime":"9999-12-31T00:00:00Z"}}"#),
        Case::new("key without proof", post.clone(), format!("/v1.0/applications/{}/addKey", demo::callers::application()), &[400])
            .json(r#"{"keyCredential":{"type":"JsonWebKey","jwk":{}},"proof":""}"#),
        Case::new("key that is no key", Method::PATCH, format!("/v1.0/applications/{}", demo::callers::application()), &[400])
            .json(r#"{"keyCredentials":[{"type":"JsonWebKey","jwk":"x"}]}"#),
        Case::new("issuer in this network", post.clone(), "/v1.0/identity/trustedIssuers", &[400])
            .json(r#"{"displayName":"X","issuer":"https://169.254.169.254/","audience":"a"}"#),
        Case::new("issuer with NUL", post.clone(), "/v1.0/identity/trustedIssuers", &[400])
            .json(r#"{"displayName":"X","issuer":"https://idp.example/\u0000","audience":"a\u0000"}"#),
        Case::new("unknown event", get.clone(), format!("{audits}/nothing"), &[404]),
    ]
}

async fn token_of(app: &TestApp, tenant: &rekey::id::TenantId, foreign: &str, token: Token) -> Option<String> {
    let good = app.token_with(tenant, &rekey::access::known_permissions()).await;
    let parts: Vec<&str> = good.split('.').collect();
    match token {
        Token::Good => Some(good),
        Token::None => None,
        Token::Text(text) => Some(text.into()),
        Token::Unsigned => Some(format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#), parts[1])),
        Token::Tampered => {
            let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
            let claims = claims.replacen("\"exp\":1", "\"exp\":2", 1);
            Some(format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims), parts[2]))
        }
        Token::Cut => Some(format!("{}.{}.", parts[0], parts[1])),
        Token::Foreign => Some(foreign.to_owned()),
    }
}

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    on_each_empty_backend(async |app| {
        let demo = demo::seed(&app.app).await.unwrap();
        let stranger = app.new_tenant("stranger.example").await;
        let cases = cases();
        assert!(cases.len() >= 60, "{}", cases.len());
        let foreign = app.token_with(&stranger, &rekey::access::known_permissions()).await;
        let mut tokens = vec![];
        for case in &cases {
            tokens.push(token_of(&app, &demo.tenant_id, &foreign, case.token).await);
        }
        let before = database::digest(&app);
        for (case, token) in cases.iter().zip(tokens) {
            let mut request =
                app.http.request(case.method.clone(), format!("{}{}", app.base, case.path)).body(case.body.clone());
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            for (name, value) in &case.headers {
                request = request.header(*name, value);
            }
            let answer = Answer::of(request).await;
            let name = case.name;
            assert!(case.expect.contains(&answer.status.as_u16()), "{name}: {} {}", answer.status, answer.text);
            assert!(answer.json["error"]["code"].is_string(), "{name}: {}", answer.text);
            let message = answer.json["error"]["message"].as_str().unwrap_or_default();
            assert!(message.len() > 10, "{name}: {}", answer.text);
            assert_eq!(
                answer.json["error"]["innerError"]["request-id"],
                answer.headers["request-id"].to_str().unwrap(),
                "{name}"
            );
        }
        assert_eq!(database::digest(&app), before, "a refused request changed the database");
    })
    .await;
}
