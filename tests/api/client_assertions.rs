//! Client assertions at the token endpoint (RFC 7523): keys, certificates and federated credentials in place of secrets.

use base64::{Engine, engine::general_purpose::STANDARD};
use rekey::{clock::Clock, roles::Role, worker};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    oidc_issuer::OidcIssuer,
    partner_fixtures::{access_token, activate, assign, new_client, new_customer, new_partner},
    signers::{Signer, x5t, x5t_s256},
};
use crate::support::{
    Answer, TestApp, backends, on_each_backend, on_each_backend_with_own_clock,
    seed::{detail, events},
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn now(app: &TestApp) -> i64 {
    app.app.store.context().clock.now().seconds()
}

/// What MSAL puts into an assertion.
fn claims(app: &TestApp, id: &str, audience: &str) -> Value {
    let now = now(app);
    let jti = rekey::clock::Entropy::System.guid();
    json!({"iss": id, "sub": id, "aud": audience, "jti": jti, "iat": now, "nbf": now, "exp": now + 600})
}

fn endpoint(app: &TestApp, tenant: &str) -> String {
    format!("{}/{tenant}/oauth2/v2.0/token", app.base)
}

async fn show(app: &TestApp, tenant: &str, id: &str, assertion: &str) -> Answer {
    let mut url = reqwest::Url::parse("http://x/").unwrap();
    url.query_pairs_mut()
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", id)
        .append_pair("client_assertion_type", TYPE)
        .append_pair("client_assertion", assertion)
        .append_pair("scope", "https://graph.microsoft.com/.default")
        .append_pair("client_info", "1")
        .append_pair("claims", "{}");
    let body = url.query().unwrap().to_owned();
    let request = app.http.post(endpoint(app, tenant)).header("content-type", "application/x-www-form-urlencoded");
    Answer::of(request.body(body)).await
}

/// An application with these keys.
async fn application(app: &TestApp, keys: Value) -> (String, Value) {
    let body = json!({"displayName": "Job", "permissions": ["User.Read.All"], "keyCredentials": keys});
    let made = app.post("/v1.0/applications", body).await.expect(201).json;
    (made["id"].as_str().unwrap().to_owned(), made)
}

fn certificate_body(der: &[u8]) -> Value {
    json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(der)})
}

fn jwk_body(signer: &Signer) -> Value {
    json!({"type": "JsonWebKey", "usage": "Verify", "jwk": signer.jwk()})
}

async fn users_as(app: &TestApp, token: &str) -> Answer {
    Answer::of(app.http.get(format!("{}/v1.0/users", app.base)).bearer_auth(token)).await
}

#[track_caller]
fn expect_refusal(answer: &Answer, number: u32) {
    assert_eq!(answer.json["error"], "invalid_client", "{}", answer.text);
    assert_eq!(answer.json["error_codes"], json!([number]), "{}", answer.text);
    assert_eq!(answer.status, 401, "{}", answer.text);
}

#[tokio::test]
async fn each_kind_of_key_buys_tokens_until_it_is_removed() {
    on_each_backend(async |app| {
        let (rsa, p256, p384, edwards) = (Signer::rsa(), Signer::p256(), Signer::p384(), Signer::ed25519());
        let (rsa_der, p384_der) = (rsa.certificate(2020, 2049), p384.certificate(2020, 2049));
        let keys =
            json!([certificate_body(&rsa_der), certificate_body(&p384_der), jwk_body(&p256), jwk_body(&edwards)]);
        let (id, made) = application(&app, keys).await;
        let url = endpoint(&app, app.tenant.as_str());
        let cases = [
            (&rsa, json!({"alg": "RS256", "typ": "JWT", "x5t": x5t(&rsa_der)})),
            (&rsa, json!({"alg": "PS256", "typ": "JWT", "x5t#S256": x5t_s256(&rsa_der)})),
            // MSAL for Python pads.
            (&rsa, json!({"alg": "RS256", "x5t": format!("{}=", x5t(&rsa_der))})),
            (&rsa, json!({"alg": "RS256", "kid": made["keyCredentials"][0]["customKeyIdentifier"]})),
            (&rsa, json!({"alg": "PS256"})),
            (&p384, json!({"alg": "ES384", "x5t#S256": x5t_s256(&p384_der)})),
            (&p256, json!({"alg": "ES256", "kid": p256.kid})),
            (&edwards, json!({"alg": "EdDSA", "kid": made["keyCredentials"][3]["keyId"]})),
        ];
        let mut tokens = vec![];
        for (signer, header) in &cases {
            let answer = show(&app, app.tenant.as_str(), &id, &signer.sign(header, &claims(&app, &id, &url))).await;
            tokens.push(access_token(&answer.expect(200)));
            users_as(&app, tokens.last().unwrap()).await.expect(200);
        }
        // Every name that the endpoint has is an audience.
        for (tenant, audience) in [
            ("common", endpoint(&app, "common")),
            ("contoso.example", endpoint(&app, "contoso.example")),
            ("contoso.example", endpoint(&app, app.tenant.as_str())),
            (app.tenant.as_str(), endpoint(&app, "common")),
            (app.tenant.as_str(), format!("{}/{}/v2.0", app.base, app.tenant)),
        ] {
            let assertion = p256.sign(&json!({"alg": "ES256", "kid": p256.kid}), &claims(&app, &id, &audience));
            show(&app, tenant, &id, &assertion).await.expect(200);
        }
        // Without the RSA key the tokens that it bought are void, the others are not.
        let left: Vec<Value> = (1..4).map(|at| json!({"keyId": made["keyCredentials"][at]["keyId"]})).collect();
        app.patch(&format!("/v1.0/applications/{id}"), json!({"keyCredentials": left})).await.expect(204);
        for (token, (signer, _)) in tokens.iter().zip(&cases) {
            let expected = if std::ptr::eq(*signer, &rsa) { 401 } else { 200 };
            users_as(&app, token).await.expect(expected);
        }
        let assertion = rsa.sign(&json!({"alg": "RS256", "x5t": x5t(&rsa_der)}), &claims(&app, &id, &url));
        expect_refusal(&show(&app, app.tenant.as_str(), &id, &assertion).await, 700_027);
    })
    .await;
}

#[tokio::test]
async fn each_wrong_assertion_has_its_number_and_is_recorded() {
    on_each_backend(async |app| {
        let (signer, stranger) = (Signer::p256(), Signer::p256());
        let (id, _) = application(&app, json!([jwk_body(&signer)])).await;
        let (other, _) = application(&app, json!([jwk_body(&stranger)])).await;
        let url = endpoint(&app, app.tenant.as_str());
        let header = json!({"alg": "ES256", "kid": signer.kid});
        let with = |change: Value| {
            let mut changed = claims(&app, &id, &url);
            changed.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            signer.sign(&header, &changed)
        };
        let good = || claims(&app, &id, &url);
        let now = now(&app);
        let cases = [
            ("by a stranger", stranger.sign(&header, &good()), 700_027),
            ("by an unknown key", stranger.sign(&json!({"alg": "ES256", "kid": "x"}), &good()), 700_027),
            ("for another algorithm", signer.sign(&json!({"alg": "HS256", "kid": signer.kid}), &good()), 700_027),
            ("unsigned", format!("{}x", signer.sign(&json!({"alg": "none"}), &good())), 700_027),
            ("critical", signer.sign(&json!({"alg": "ES256", "crit": ["b64"], "b64": false}), &good()), 50_027),
            ("no token", "x".into(), 50_027),
            ("of another", with(json!({"iss": other, "sub": other})), 700_021),
            ("about another", with(json!({"sub": other})), 700_021),
            ("for another server", with(json!({"aud": "https://login.example/x/oauth2/v2.0/token"})), 700_023),
            ("for two", with(json!({"aud": [url, "https://login.example"]})), 700_023),
            ("for nobody", with(json!({"aud": null})), 700_023),
            ("for another tenant", with(json!({"aud": endpoint(&app, "nowhere.example")})), 700_023),
            ("expired", with(json!({"exp": now - 1})), 700_024),
            ("without an end", with(json!({"exp": null})), 700_024),
            ("of two days", with(json!({"exp": now + 2 * 86_400})), 700_024),
            ("of tomorrow", with(json!({"nbf": now + 3600, "exp": now + 7200})), 700_024),
            ("without an id", with(json!({"jti": null})), 50_027),
            ("with a long id", with(json!({"jti": "x".repeat(600)})), 50_027),
            ("of an unknown issuer", with(json!({"iss": "https://idp.example"})), 70_021),
        ];
        for (name, assertion, number) in &cases {
            let answer = show(&app, app.tenant.as_str(), &id, assertion).await;
            assert_eq!(answer.json["error_codes"], json!([number]), "{name}: {}", answer.text);
            expect_refusal(&answer, *number);
            assert!(!answer.text.contains(&other) && !answer.text.contains("login.example"), "{}", answer.text);
        }
        let recorded = events(&app).await;
        let refused = recorded.iter().filter(|it| it.activity_display_name == "Obtain application token").count();
        assert_eq!(refused, 10, "as many in a minute as are recorded");
        assert!(recorded.iter().all(|event| detail(event, "assertion").is_none()));
        // A disabled application says so only to who holds its key.
        app.patch(&format!("/v1.0/applications/{id}"), json!({"isDisabled": true})).await.expect(204);
        let answer = show(&app, app.tenant.as_str(), &id, &signer.sign(&header, &good())).await.expect(400);
        assert_eq!(answer.json["error_codes"], json!([7_000_112]));
        expect_refusal(&show(&app, app.tenant.as_str(), &id, &stranger.sign(&header, &good())).await, 700_027);
    })
    .await;
}

#[tokio::test]
async fn an_assertion_is_good_once() {
    on_each_backend_with_own_clock(async |app| {
        let signer = Signer::ed25519();
        let (id, _) = application(&app, json!([jwk_body(&signer)])).await;
        let url = endpoint(&app, app.tenant.as_str());
        let header = json!({"alg": "EdDSA", "kid": signer.kid});
        let claims = claims(&app, &id, &url);
        let assertion = signer.sign(&header, &claims);
        let tries = (0..8).map(|_| show(&app, app.tenant.as_str(), &id, &assertion));
        let answers = futures_util::future::join_all(tries).await;
        let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((good.len(), bad.len()), (1, 7));
        bad.iter().for_each(|answer| expect_refusal(answer, 50_013));
        // Another signature over the same id is the same assertion.
        expect_refusal(&show(&app, app.tenant.as_str(), &id, &signer.sign(&header, &claims)).await, 50_013);
        // It is remembered as long as it could be shown, and no longer.
        assert_eq!(worker::run_once(&app.app.store).await.unwrap().used_assertions, 0);
        app.app.store.context().clock.advance_seconds(601);
        // By a clock that is five minutes behind it can still be.
        assert_eq!(worker::run_once(&app.app.store).await.unwrap().used_assertions, 0);
        app.app.store.context().clock.advance_seconds(300);
        assert_eq!(worker::run_once(&app.app.store).await.unwrap().used_assertions, 1);
        expect_refusal(&show(&app, app.tenant.as_str(), &id, &assertion).await, 700_024);
    })
    .await;
}

#[tokio::test]
async fn a_certificate_is_good_from_its_first_day_to_its_last() {
    on_each_backend_with_own_clock(async |app| {
        let signer = Signer::p256();
        let der = signer.certificate(2020, 2028);
        let now = app.app.store.context().clock.now();
        let mut key = certificate_body(&der);
        key["startDateTime"] = now.plus_minutes(60).to_iso().into();
        key["endDateTime"] = now.plus_minutes(120).to_iso().into();
        let (id, _) = application(&app, json!([key])).await;
        let url = endpoint(&app, app.tenant.as_str());
        let ask = || {
            let assertion = signer.sign(&json!({"alg": "ES256", "x5t": x5t(&der)}), &claims(&app, &id, &url));
            let (app, id) = (&app, &id);
            async move { show(app, app.tenant.as_str(), id, &assertion).await }
        };
        expect_refusal(&ask().await, 700_027);
        app.app.store.context().clock.advance_seconds(61 * 60);
        let token = access_token(&ask().await.expect(200));
        users_as(&app, &token).await.expect(200);
        // The token would live for an hour, but not without its key.
        app.app.store.context().clock.advance_seconds(59 * 60);
        users_as(&app, &token).await.expect(401);
        expect_refusal(&ask().await, 700_027);
    })
    .await;
}

#[tokio::test]
async fn an_application_of_a_partner_shows_an_assertion_in_a_customers_tenant() {
    on_each_backend(async |app| {
        let partner = new_partner(&app).await;
        let customer = new_customer(&app, "northwind.example").await;
        let client = new_client(&app, &partner).await;
        let signer = Signer::p256();
        let path = format!("/v1.0/applications/{}", client.id);
        let keys = json!({"keyCredentials": [jwk_body(&signer)]});
        partner.call(&app, Method::PATCH, &path, Some(keys)).await.expect(204);
        let ask = |tenant: String| {
            let claims = claims(&app, client.id.as_str(), &endpoint(&app, &tenant));
            let assertion = signer.sign(&json!({"alg": "ES256", "kid": signer.kid}), &claims);
            let (app, id) = (&app, client.id.to_string());
            async move { show(app, &tenant, &id, &assertion).await }
        };
        let refused = ask(customer.tenant.to_string()).await.expect(400);
        assert_eq!(refused.json["error_codes"], json!([7_000_229]));
        let roles = [Role::GlobalReader];
        let relationship = activate(&app, &partner, &customer, &roles, "P30D").await;
        assign(&app, &partner, &relationship, "application", client.id.as_str(), &roles).await;
        let token = access_token(&ask(customer.tenant.to_string()).await.expect(200));
        users_as(&app, &token).await.expect(200);
        partner.call(&app, Method::PATCH, &path, Some(json!({"keyCredentials": []}))).await.expect(204);
        users_as(&app, &token).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn a_federated_credential_proves_the_application() {
    for backend in backends() {
        let app = TestApp::start_with_issuers(backend, Clock::manual(Clock::System.now())).await;
        let issuer = OidcIssuer::start().await;
        let (id, _) = application(&app, json!([])).await;
        let path = format!("/v1.0/applications/{id}/federatedIdentityCredentials");
        let audience = "api://AzureADTokenExchange";
        let body = json!({"name": "job", "issuer": issuer.url, "subject": "job:1", "audiences": [audience]});
        let token = |more: Value| issuer.token(&issuer.claims(now(&app), audience, more));
        let ask = async |assertion: String| show(&app, app.tenant.as_str(), &id, &assertion).await;
        let good = || token(json!({"sub": "job:1"}));

        // Nobody is asked for keys whom no credential names.
        expect_refusal(&ask(good()).await, 70_021);
        assert_eq!(issuer.asked(), 0);
        app.post(&path, body).await.expect(201);
        let first = access_token(&ask(good()).await.expect(200));
        users_as(&app, &first).await.expect(200);
        // The same token may be shown again, while it lives.
        let again = good();
        ask(again.clone()).await.expect(200);
        ask(again.clone()).await.expect(200);
        for wrong in [json!({"sub": "job:2"}), json!({"sub": "job:1", "aud": "x"}), json!({"sub": "JOB:1"})] {
            expect_refusal(&ask(token(wrong)).await, 70_021);
        }
        let expired = json!({"sub": "job:1", "exp": now(&app) - 1});
        expect_refusal(&ask(token(expired)).await, 700_024);
        let claims = issuer.claims(now(&app), audience, json!({"sub": "job:1"}));
        let forged = Signer::p256().sign(&json!({"alg": "ES256", "kid": issuer.signer.kid}), &claims);
        expect_refusal(&ask(forged).await, 700_027);
        let forged = issuer.signer.sign(&json!({"alg": "HS256", "kid": issuer.signer.kid}), &claims);
        expect_refusal(&ask(forged).await, 700_027);

        // Another subject voids what the former obtained.
        app.patch(&format!("{path}/job"), json!({"subject": "job:2"})).await.expect(204);
        users_as(&app, &first).await.expect(401);
        expect_refusal(&ask(good()).await, 70_021);
        let second = access_token(&ask(token(json!({"sub": "job:2"}))).await.expect(200));
        app.delete(&format!("{path}/job")).await.expect(204);
        users_as(&app, &second).await.expect(401);

        // An issuer that cannot be asked is no fault of the application.
        let away = OidcIssuer::start().await;
        away.set(|answers| answers.status = Some(500));
        let body = json!({"name": "away", "issuer": away.url, "subject": "s", "audiences": [audience]});
        app.post(&path, body).await.expect(201);
        let assertion = away.token(&away.claims(now(&app), audience, json!({"sub": "s"})));
        let answer = ask(assertion).await.expect(503);
        assert_eq!(answer.json["error"], "temporarily_unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
}
