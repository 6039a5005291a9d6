//! The token endpoint, the discovery documents, and what becomes of tokens that are forged or withdrawn.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, jwk::JwkSet};
use rekey::{
    access::known_permissions,
    clock::Clock,
    id::TenantId,
    store::{
        applications,
        applications::Application,
        audit::AuditEvent,
        audit::list::{self, AuditQuery},
        keys,
    },
    tokens,
};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend};

const MISSING_USER: &str = "/v1.0/users/nobody@contoso.example/authentication/resetMfa";

async fn ask(app: &TestApp, tenant: &str, fields: &[(&str, &str)]) -> Answer {
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    post_form(app, tenant, body.join("&"), None).await
}

async fn post_form(app: &TestApp, tenant: &str, body: String, basic: Option<&str>) -> Answer {
    let mut request = app
        .http
        .post(format!("{}/{tenant}/oauth2/v2.0/token", app.base))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    if let Some(credentials) = basic {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(credentials)));
    }
    Answer::of(request).await
}

fn encode(text: &str) -> String {
    let mut url = reqwest::Url::parse("http://x/").unwrap();
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap().to_owned()
}

#[track_caller]
fn expect_refusal(answer: &Answer, status: u16, error: &str, number: u32) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.json["error"], error, "{}", answer.text);
    assert_eq!(answer.json["error_codes"], json!([number]), "{}", answer.text);
    let description = answer.json["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
    let (trace, correlation) = (&answer.json["trace_id"], &answer.json["correlation_id"]);
    assert_eq!(trace, answer.headers["request-id"].to_str().unwrap());
    assert_eq!(correlation, answer.headers["client-request-id"].to_str().unwrap());
    assert!(answer.json["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["pragma"], "no-cache");
    let challenge = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap());
    assert_eq!(challenge.is_some_and(|challenge| challenge.starts_with("Basic")), status == 401);
}

async fn events(app: &TestApp, tenant: &TenantId) -> Vec<AuditEvent> {
    let tenant = tenant.clone();
    let query = AuditQuery { limit: 100, ..AuditQuery::default() };
    app.app.store.read(move |tx| list::list(tx, &tenant, &query)).await.unwrap()
}

async fn update(app: &TestApp, application: &Application) {
    let changed = application.clone();
    app.app.store.write(&application.tenant_id, move |tx| applications::update(tx, &changed)).await.unwrap();
}

/// 404 with a good token (the user is not there), 401 with a bad one.
async fn try_token(app: &TestApp, token: &str) -> Answer {
    Answer::of(app.http.post(format!("{}{MISSING_USER}", app.base)).bearer_auth(token)).await
}

#[tokio::test]
async fn a_secret_buys_a_token() {
    on_each_backend(async |app| {
        let (id, _, secret) = app.new_application(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        let (id, secret) = (id.as_str(), secret.expose_secret());
        let fields = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        for tenant in [app.tenant.as_str(), "contoso.example", "Contoso.Example", "common", "organizations"] {
            for scope in ["", ".default", "https://graph.microsoft.com/.default", "http://127.0.0.1/.default"] {
                let answer = ask(&app, tenant, &[&fields[..], &[("scope", scope)]].concat()).await.expect(200);
                assert_eq!(answer.json["token_type"], "Bearer");
                assert_eq!(answer.json["expires_in"], 3599);
                assert_eq!(answer.json["ext_expires_in"], 3599);
                assert_eq!(answer.headers["cache-control"], "no-store");
                assert_eq!(answer.headers["pragma"], "no-cache");
                assert_eq!(
                    answer.headers["content-type"].to_str().unwrap().split(';').next(),
                    Some("application/json")
                );
                let token = answer.json["access_token"].as_str().unwrap();
                try_token(&app, token).await.expect_error(404, "Request_ResourceNotFound");
            }
        }
        // HTTP Basic, as Swagger UI sends it and as RFC 6749 spells it.
        let form = "grant_type=client_credentials".to_owned();
        post_form(&app, "common", form.clone(), Some(&format!("{id}:{secret}"))).await.expect(200);
        post_form(&app, "common", format!("{form}&scope=&client_id={id}"), Some(&format!("{id}:{secret}")))
            .await
            .expect(200);
        let encoded = format!("{}:{}", id.replace('-', "%2D"), encode(secret));
        post_form(&app, "common", form, Some(&encoded)).await.expect(200);
        // What client libraries add.
        let extra = [
            ("client_info", "1"),
            ("x-client-SKU", "MSAL.Python"),
            ("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
        ];
        ask(&app, "common", &[&fields[..], &extra].concat()).await.expect(200);
        let query = format!("{}/common/oauth2/v2.0/token?client-request-id=42", app.base);
        Answer::of(app.http.post(query).form_of(&fields)).await.expect(200);
        assert_eq!(events(&app, &app.tenant).await, vec![]);
    })
    .await;
}

trait FormOf {
    fn form_of(self, fields: &[(&str, &str)]) -> Self;
}

impl FormOf for reqwest::RequestBuilder {
    fn form_of(self, fields: &[(&str, &str)]) -> Self {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.header("content-type", "application/x-www-form-urlencoded; charset=utf-8").body(body.join("&"))
    }
}

#[tokio::test]
async fn each_refusal_has_its_number() {
    on_each_backend(async |app| {
        let (id, application, secret) = app.new_application(&app.tenant, &["User.Read.All"]).await;
        let (id, secret) = (id.as_str(), secret.expose_secret());
        let other = app.new_tenant("fabrikam.example").await;
        let grant = ("grant_type", "client_credentials");
        let good = [grant, ("client_id", id), ("client_secret", secret)];

        let refused = ask(&app, "nowhere.example", &good).await;
        expect_refusal(&refused, 400, "invalid_request", 90002);
        let refused = ask(&app, other.as_str(), &good).await;
        expect_refusal(&refused, 400, "unauthorized_client", 700016);
        for unknown in ["2b0b0f4e-2f3e-4d43-9d8e-5f9ac8a4c2d1", "<script>", "x"] {
            for tenant in ["common", "contoso.example"] {
                let refused = ask(&app, tenant, &[grant, ("client_id", unknown), ("client_secret", "x")]).await;
                expect_refusal(&refused, 400, "unauthorized_client", 700016);
                assert!(!refused.text.contains("<script>"));
            }
        }
        for missing in 0..good.len() {
            let mut fields = good.to_vec();
            let (name, _) = fields.remove(missing);
            let refused = ask(&app, "common", &fields).await;
            expect_refusal(&refused, 400, "invalid_request", 900144);
            assert!(refused.text.contains(&format!("'{name}'")), "{}", refused.text);
        }
        let refused = post_form(&app, "common", String::new(), None).await;
        expect_refusal(&refused, 400, "invalid_request", 900144);
        for grant in ["password", "authorization_code", "CLIENT_CREDENTIALS"] {
            let refused = ask(&app, "common", &[("grant_type", grant), good[1], good[2]]).await;
            expect_refusal(&refused, 400, "unsupported_grant_type", 70003);
        }
        for scope in ["User.Read", "a/.default b/.default", "openid"] {
            let refused = ask(&app, "common", &[&good[..], &[("scope", scope)]].concat()).await;
            expect_refusal(&refused, 400, "invalid_scope", 1002012);
        }
        let refused = ask(&app, "common", &[&good[..], &[grant]].concat()).await;
        expect_refusal(&refused, 400, "invalid_request", 9000411);
        let both = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let refused = post_form(&app, "common", both, Some(&format!("{id}:{secret}"))).await;
        expect_refusal(&refused, 400, "invalid_request", 9002313);
        let refused = post_form(&app, "common", "grant_type=client_credentials&client_id=%ff".into(), None).await;
        expect_refusal(&refused, 400, "invalid_request", 9002313);

        let refused = ask(&app, "common", &[grant, good[1], ("client_secret", "guessed-secret")]).await;
        expect_refusal(&refused, 401, "invalid_client", 7000215);
        let refused = post_form(&app, "common", "grant_type=client_credentials".into(), Some(&format!("{id}:x"))).await;
        expect_refusal(&refused, 401, "invalid_client", 7000215);

        // A browser would open a dialog of its own if Swagger UI were answered with a challenge.
        for (name, value) in [("x-requested-with", "XMLHttpRequest"), ("sec-fetch-mode", "cors")] {
            let request = app.http.post(format!("{}/common/oauth2/v2.0/token", app.base)).header(name, value);
            let wrong = [grant, ("client_id", id), ("client_secret", "x")];
            let answer = Answer::of(request.form_of(&wrong)).await.expect(401);
            assert!(!answer.headers.contains_key("www-authenticate"));
        }

        // A disabled application and an expired secret say so only to who knows the secret.
        let mut changed = application.clone();
        changed.is_enabled = false;
        update(&app, &changed).await;
        expect_refusal(&ask(&app, "common", &good).await, 400, "unauthorized_client", 7000112);
        let refused = ask(&app, "common", &[grant, good[1], ("client_secret", "x")]).await;
        expect_refusal(&refused, 401, "invalid_client", 7000215);
        changed.is_enabled = true;
        changed.secrets[0].end_date_time = Clock::System.now().plus_seconds(-1);
        update(&app, &changed).await;
        expect_refusal(&ask(&app, "common", &good).await, 401, "invalid_client", 7000222);
    })
    .await;
}

#[tokio::test]
async fn what_the_frame_refuses_is_in_oauths_shape_too() {
    on_each_backend(async |app| {
        let url = format!("{}/common/oauth2/v2.0/token", app.base);
        let answer = Answer::of(app.http.get(&url)).await;
        expect_refusal(&answer, 405, "invalid_request", 900561);
        assert_eq!(answer.headers["allow"], "POST");
        let answer = Answer::of(app.http.post(&url).json(&json!({"grant_type": "client_credentials"}))).await;
        expect_refusal(&answer, 415, "invalid_request", 9002313);
        let answer = post_form(&app, "common", "x".repeat(100_000), None).await;
        expect_refusal(&answer, 413, "invalid_request", 9002313);
        let answer = Answer::of(app.http.post(&url).header("content-encoding", "gzip").body("x")).await;
        expect_refusal(&answer, 415, "invalid_request", 9002313);
    })
    .await;
}

#[tokio::test]
async fn guesses_are_recorded_and_bounded_and_hold_no_secret() {
    on_each_backend(async |app| {
        let (id, application, secret) = app.new_application(&app.tenant, &["User.Read.All"]).await;
        for round in 0..15 {
            let guess = format!("guessed-secret-{round}");
            let fields = [("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", &guess)];
            let answer = ask(&app, "common", &fields).await.expect(401);
            assert!(!answer.text.contains("guessed-secret"), "{}", answer.text);
        }
        let events = events(&app, &app.tenant).await;
        assert_eq!(events.len(), 10);
        for event in &events {
            assert_eq!(event.activity_display_name, "Obtain application token");
            assert_eq!(event.result, "failure");
            assert!(event.result_reason.contains("AADSTS7000215"), "{}", event.result_reason);
            assert_eq!(event.initiator_kind, "app");
            assert_eq!(event.initiator_id.as_deref(), Some(id.as_str()));
            assert_eq!(event.initiator_display_name.as_deref(), Some("Test application"));
            assert_eq!(event.target_id.as_deref(), Some(id.as_str()));
            assert_eq!(event.ip_address.as_deref(), Some("127.0.0.1"));
            let text = format!("{event:?}");
            assert!(!text.contains("guessed-secret") && !text.contains(secret.expose_secret()), "{text}");
            assert!(!text.contains(&application.secrets[0].digest), "{text}");
        }
        // Another application of the tenant has a budget of its own.
        let (other, ..) = app.new_application(&app.tenant, &["User.Read.All"]).await;
        let fields = [("grant_type", "client_credentials"), ("client_id", other.as_str()), ("client_secret", "x")];
        ask(&app, "common", &fields).await.expect(401);
        assert_eq!(self::events(&app, &app.tenant).await.len(), 11);
    })
    .await;
}

#[tokio::test]
async fn discovery_leads_to_keys_that_verify_tokens() {
    on_each_backend(async |app| {
        let get = async |path: &str| Answer::of(app.http.get(format!("{}{path}", app.base))).await;
        for tenant in [app.tenant.as_str(), "contoso.example"] {
            let found = get(&format!("/{tenant}/v2.0/.well-known/openid-configuration")).await.expect(200).json;
            assert_eq!(found["issuer"], format!("{}/{}/v2.0", app.base, app.tenant));
            let address = |name: &str| found[name].as_str().unwrap().to_owned();
            for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
                assert!(address(name).starts_with(&app.base), "{name}");
            }
            assert!(found.get("device_authorization_endpoint").is_none());

            let (id, _, secret) = app.new_application(&app.tenant, &["User.Read.All", "AuditLog.Read.All"]).await;
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", id.as_str()),
                ("client_secret", secret.expose_secret()),
            ];
            let answer = Answer::of(app.http.post(address("token_endpoint")).form_of(&fields)).await.expect(200);
            let token = answer.json["access_token"].as_str().unwrap().to_owned();

            let set = Answer::of(app.http.get(address("jwks_uri"))).await.expect(200);
            assert!(!set.text.contains("\"d\""), "the private half is nobody's business");
            let set: JwkSet = serde_json::from_str(&set.text).unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!(header.alg, Algorithm::ES256);
            let key = set.find(&header.kid.unwrap()).unwrap();
            let mut validation = Validation::new(Algorithm::ES256);
            validation.set_issuer(&[found["issuer"].as_str().unwrap()]);
            validation.set_audience(&[&app.base]);
            validation.validate_nbf = true;
            let decoded =
                jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
            assert_eq!(decoded.claims["tid"], app.tenant.as_str());
            assert_eq!(decoded.claims["appid"], id.as_str());
            assert_eq!(decoded.claims["roles"], json!(["User.Read.All", "AuditLog.Read.All"]));
            assert_eq!(
                decoded.claims["exp"].as_i64().unwrap() - decoded.claims["iat"].as_i64().unwrap(),
                answer.json["expires_in"].as_i64().unwrap()
            );
        }
        let authority = encode(&format!("{}/contoso.example/oauth2/v2.0/authorize", app.base));
        let path = format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={authority}");
        let found = get(&path).await.expect(200).json;
        let endpoint = format!("{}/{}/v2.0/.well-known/openid-configuration", app.base, app.tenant);
        assert_eq!(found, json!({"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": []}));

        for path in [
            "/nowhere.example/v2.0/.well-known/openid-configuration",
            "/nowhere.example/discovery/v2.0/keys",
            "/common/discovery/instance?authorization_endpoint=https%3A%2F%2Fx%2Fnowhere%2Foauth2%2Fv2.0%2Fauthorize",
            "/common/discovery/instance?authorization_endpoint=x%20y",
            "/common/discovery/instance?authorization_endpoint=https%3A%2F%2Fx",
        ] {
            expect_refusal(&get(path).await, 400, "invalid_request", 90002);
        }
        for path in ["/common/v2.0/.well-known/openid-configuration", "/common/discovery/v2.0/keys"] {
            expect_refusal(&get(path).await, 400, "invalid_request", 50194);
        }
        expect_refusal(&get("/common/discovery/instance").await, 400, "invalid_request", 9002313);
    })
    .await;
}

/// The parts of a forged token that tests vary.
struct Forgery {
    header: Value,
    claims: Value,
}

impl Forgery {
    /// What the server itself would say for this application.
    async fn honest(app: &TestApp, tenant: &TenantId) -> Self {
        let (_, application, _) = app.new_application(tenant, &known_permissions()).await;
        let now = Clock::System.now().seconds();
        let (owner, app_id) = (tenant.as_str(), application.application_id.as_str());
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": key_of(app, tenant).await.0});
        let claims = json!({
            "iss": format!("{}/{owner}/v2.0", app.base), "aud": app.base, "tid": owner, "oid": app_id, "sub": app_id,
            "appid": app_id, "sid": application.secrets[0].id, "idtyp": "app", "roles": application.permissions,
            "iat": now, "nbf": now, "exp": now + 3599, "jti": "1",
        });
        Self { header, claims }
    }

    fn message(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    async fn signed_by(&self, app: &TestApp, tenant: &TenantId) -> String {
        let key = key_of(app, tenant).await.1;
        let message = self.message();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }
}

async fn key_of(app: &TestApp, tenant: &TenantId) -> (String, EncodingKey) {
    let tenant = tenant.clone();
    let key = app.app.store.read(move |tx| keys::current(tx, &tenant)).await.unwrap();
    (key.key_id.clone(), EncodingKey::from_ec_der(key.pkcs8.expose_secret()))
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    on_each_backend(async |app| {
        let other = app.new_tenant("fabrikam.example").await;
        let honest = Forgery::honest(&app, &app.tenant).await;
        let token = honest.signed_by(&app, &app.tenant).await;
        // The forger's tools work: with nothing wrong the token is good.
        try_token(&app, &token).await.expect_error(404, "Request_ResourceNotFound");
        let now = Clock::System.now().seconds();
        let mut forged: Vec<(&str, String)> = Vec::new();

        let with = |name: &str, value: Value| {
            let mut claims = honest.claims.clone();
            claims[name] = value;
            Forgery { header: honest.header.clone(), claims }
        };
        let mut old = with("exp", json!(now - 1));
        old.claims["iat"] = json!(now - 3600);
        for (what, forgery) in [
            ("expired", old),
            ("not yet valid", with("nbf", json!(now + 1000))),
            ("ten years", with("exp", json!(now + 315_360_000))),
            ("other audience", with("aud", json!("https://graph.microsoft.com"))),
            ("other issuer", with("iss", json!("https://evil.example/v2.0"))),
            ("other tenant", with("tid", json!(other.as_str()))),
            ("no tenant", with("tid", Value::Null)),
            ("neither user nor application", with("idtyp", json!("god"))),
        ] {
            forged.push((what, forgery.signed_by(&app, &app.tenant).await));
        }
        forged.push(("another tenant's key under our key's name", honest.signed_by(&app, &other).await));
        let mut borrowed = Forgery { header: honest.header.clone(), claims: honest.claims.clone() };
        borrowed.header["kid"] = json!(key_of(&app, &other).await.0);
        forged.push(("another tenant's key", borrowed.signed_by(&app, &other).await));
        borrowed.header["kid"] = Value::Null;
        forged.push(("no key id", borrowed.signed_by(&app, &app.tenant).await));

        let (message, signature) = token.rsplit_once('.').unwrap();
        let tampered = with("roles", json!(["User.ReadWrite.All"])).message();
        forged.push(("tampered payload", format!("{tampered}.{signature}")));
        forged.push(("no signature", format!("{message}.")));
        forged.push(("two parts", message.to_owned()));
        for algorithm in ["none", "None", "nOnE"] {
            let header = json!({"typ": "JWT", "alg": algorithm, "kid": honest.header["kid"]});
            let unsigned = Forgery { header, claims: honest.claims.clone() };
            forged.push(("unsigned", format!("{}.", unsigned.message())));
            forged.push(("unsigned", format!("{}.{signature}", unsigned.message())));
        }
        // The public key as an HMAC secret, in every form somebody might feed to a library.
        let tenant = app.tenant.clone();
        let public = app.app.store.read(move |tx| keys::current(tx, &tenant)).await.unwrap().public_key();
        for secret in [public.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(&public).unwrap()] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = honest.header["kid"].as_str().map(str::to_owned);
            let key = EncodingKey::from_secret(&secret);
            forged.push(("HS256", jsonwebtoken::encode(&header, &honest.claims, &key).unwrap()));
        }
        forged.push(("too long", format!("{token}{}", "A".repeat(20_000))));
        forged.push(("nonsense", "A".repeat(100_000)));
        for (what, token) in forged {
            let answer = try_token(&app, &token).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {}", answer.text);
            assert_eq!(answer.json["error"]["code"], "InvalidAuthenticationToken", "{what}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{what}");
        }
        try_token(&app, &token).await.expect_error(404, "Request_ResourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn withdrawals_take_effect_on_the_next_call() {
    on_each_backend(async |app| {
        let token_of = async |application: &Application, secret: &SecretString| {
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", application.application_id.as_str()),
                ("client_secret", secret.expose_secret()),
            ];
            let token =
                ask(&app, "common", &fields).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
            try_token(&app, &token).await.expect_error(404, "Request_ResourceNotFound");
            token
        };
        let make = async || app.new_application(&app.tenant, &["MfaReset.ReadWrite.All", "User.Read.All"]).await;

        let (_, mut application, secret) = make().await;
        let token = token_of(&application, &secret).await;
        application.permissions.retain(|name| name != "MfaReset.ReadWrite.All");
        update(&app, &application).await;
        let answer = try_token(&app, &token).await.expect_error(403, "accessDenied");
        assert!(answer.text.contains("MfaReset.ReadWrite.All"), "{}", answer.text);
        // Granting it again does not need a new token; granting something new does.
        application.permissions = vec!["MfaReset.ReadWrite.All".into(), "AuditLog.Read.All".into()];
        update(&app, &application).await;
        try_token(&app, &token).await.expect_error(404, "Request_ResourceNotFound");

        let (_, mut application, secret) = make().await;
        let token = token_of(&application, &secret).await;
        application.is_enabled = false;
        update(&app, &application).await;
        try_token(&app, &token).await.expect_error(401, "InvalidAuthenticationToken");

        // A new secret does not save the tokens of the old one.
        let (_, mut application, secret) = make().await;
        let token = token_of(&application, &secret).await;
        let (second, record) = tokens::new_secret(&rekey::clock::Entropy::System, Clock::System.now(), 180);
        application.secrets = vec![record];
        update(&app, &application).await;
        try_token(&app, &token).await.expect_error(401, "InvalidAuthenticationToken");
        token_of(&application, &second).await;
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", application.application_id.as_str()),
            ("client_secret", secret.expose_secret()),
        ];
        expect_refusal(&ask(&app, "common", &fields).await, 401, "invalid_client", 7000215);

        let (_, mut application, secret) = make().await;
        let token = token_of(&application, &secret).await;
        application.secrets[0].end_date_time = Clock::System.now();
        update(&app, &application).await;
        try_token(&app, &token).await.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}

#[tokio::test]
async fn the_document_describes_the_form() {
    on_each_backend(async |app| {
        let document = app.get("/openapi.json").await.expect(200).json;
        let operation = &document["paths"]["/{tenant}/oauth2/v2.0/token"]["post"];
        assert!(operation.get("security").is_none());
        assert!(operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"].is_object());
        let flows = &document["components"]["securitySchemes"]["oauth2"]["flows"];
        let address = flows["clientCredentials"]["tokenUrl"].as_str().unwrap();
        // What Swagger UI sends when Authorize is pressed, with and without the scope ticked.
        let (id, _, secret) = app.new_application(&app.tenant, &["User.Read.All"]).await;
        for scope in ["", ".default"] {
            let request = app
                .request(Method::POST, address)
                .basic_auth_of(id.as_str(), secret.expose_secret())
                .header("x-requested-with", "XMLHttpRequest")
                .form_of(&[("grant_type", "client_credentials"), ("scope", scope)]);
            Answer::of(request).await.expect(200);
        }
    })
    .await;
}

trait BasicAuthOf {
    fn basic_auth_of(self, id: &str, secret: &str) -> Self;
}

impl BasicAuthOf for reqwest::RequestBuilder {
    /// In the place of whatever stands in the header already.
    fn basic_auth_of(self, id: &str, secret: &str) -> Self {
        let mut headers = reqwest::header::HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        headers.insert("authorization", value.parse().unwrap());
        self.headers(headers)
    }
}
