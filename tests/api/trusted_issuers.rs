//! Access tokens of outside issuers: a real OpenID provider on this machine, its keys, and whom its tokens speak of.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekey::{clock::Clock, roles::Role, store::users::User};
use reqwest::Method;
use serde_json::{Value, json};

use super::{oidc_issuer::OidcIssuer, partner_fixtures::call_with, signers::Signer};
use crate::support::{
    Answer, TestApp, backends,
    seed::{self, events},
};

const ISSUERS: &str = "/v1.0/identity/trustedIssuers";
const AUDIENCE: &str = "api://rekey-contoso";

fn now(app: &TestApp) -> i64 {
    app.app.store.context().clock.now().seconds()
}

async fn each(test: impl AsyncFn(TestApp, OidcIssuer)) {
    for backend in backends() {
        let app = TestApp::start_with_issuers(backend, Clock::manual(Clock::System.now())).await;
        test(app, OidcIssuer::start().await).await;
    }
}

async fn trust(app: &TestApp, issuer: &str, more: Value) -> String {
    let mut body = json!({"displayName": "IdP", "issuer": issuer, "audience": AUDIENCE});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post(ISSUERS, body).await.expect(201).json["id"].as_str().unwrap().to_owned()
}

/// A user who holds a role.
async fn administrator(app: &TestApp, name: &str, role: Role) -> User {
    let user = seed::user(app, name).await;
    let body = json!({"principalId": user.user_id, "roleDefinitionId": role.as_str(), "directoryScopeId": "/"});
    app.post("/v1.0/roleManagement/directory/roleAssignments", body).await.expect(201);
    user
}

async fn users_as(app: &TestApp, token: &str) -> Answer {
    call_with(app, token, Method::GET, "/v1.0/users", None, None).await
}

fn claims_of(app: &TestApp, issuer: &OidcIssuer, user: &User, more: Value) -> Value {
    let mut claims = issuer.claims(
        now(app),
        AUDIENCE,
        json!({"preferred_username": user.user_principal_name, "amr": ["pwd", "mfa"]}),
    );
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

#[tokio::test]
async fn a_user_calls_with_the_roles_of_the_moment() {
    each(async |app, issuer| {
        let user = administrator(&app, "grace", Role::UserAdministrator).await;
        let claims = claims_of(&app, &issuer, &user, json!({"aud": ["other", AUDIENCE]}));
        let token = issuer.token(&claims);
        // Before the tenant trusts the issuer nobody asks it for anything.
        users_as(&app, &token).await.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(issuer.asked(), 0);
        let id = trust(&app, &issuer.url, json!({})).await;
        users_as(&app, &token).await.expect(200);
        let body = json!({"jobTitle": "Director"});
        let other = seed::user(&app, "other").await;
        let path = format!("/v1.0/users/{}", other.user_id);
        call_with(&app, &token, Method::PATCH, &path, None, Some(body)).await.expect(204);
        let event = &events(&app).await[0];
        assert_eq!(event.initiator_principal_name.as_deref(), Some(user.user_principal_name.as_str()));
        assert_eq!(
            (event.initiator_kind.as_str(), event.initiator_id.as_deref()),
            ("user", Some(user.user_id.as_str()))
        );
        assert_eq!(issuer.asked(), 1, "keys are remembered, and so are good signatures");

        // Trust that is taken away ends the token at once; trust that is given anew is trust.
        app.delete(&format!("{ISSUERS}/{id}")).await.expect(204);
        users_as(&app, &token).await.expect(401);
        trust(&app, &issuer.url, json!({})).await;
        users_as(&app, &token).await.expect(200);

        // Without the role he may read himself only; without the account he is nobody.
        let assignments = app.get("/v1.0/roleManagement/directory/roleAssignments").await.json;
        let assignment = assignments["value"][0]["id"].as_str().unwrap();
        app.delete(&format!("/v1.0/roleManagement/directory/roleAssignments/{assignment}")).await.expect(204);
        users_as(&app, &token).await.expect(403);
        let own = format!("/v1.0/users/{}", user.user_id);
        app.patch(&own, json!({"accountEnabled": false})).await.expect(204);
        users_as(&app, &token).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn sign_outs_registrations_and_second_factors_count() {
    each(async |app, issuer| {
        let user = administrator(&app, "grace", Role::GlobalReader).await;
        trust(&app, &issuer.url, json!({})).await;
        let clock = &app.app.store.context().clock;
        // A password alone is worth a sign-in with one factor: the own methods, to read.
        let weak = issuer.token(&claims_of(&app, &issuer, &user, json!({"amr": ["pwd"]})));
        let refused = users_as(&app, &weak).await.expect(403);
        assert_eq!(refused.json["error"]["innerError"]["code"], "scopeTooNarrow");
        let methods = "/v1.0/me/authentication/methods";
        call_with(&app, &weak, Method::GET, methods, None, None).await.expect(200);

        let token = issuer.token(&claims_of(&app, &issuer, &user, json!({})));
        users_as(&app, &token).await.expect(200);
        clock.advance_seconds(10);
        app.post(&format!("/v1.0/users/{}/revokeSignInSessions", user.user_id), json!({})).await.expect(200);
        users_as(&app, &token).await.expect(401);
        // An issuer whose clock is ahead does not outrun that.
        clock.advance_seconds(10);
        let ahead = issuer.token(&claims_of(&app, &issuer, &user, json!({"iat": now(&app) + 200})));
        users_as(&app, &ahead).await.expect(200);
        clock.advance_seconds(10);
        app.post(&format!("/v1.0/users/{}/revokeSignInSessions", user.user_id), json!({})).await.expect(200);
        users_as(&app, &ahead).await.expect(401);

        // Nothing outranks a registration that is due, not even a token from after the demand.
        clock.advance_seconds(10);
        users_as(&app, &issuer.token(&claims_of(&app, &issuer, &user, json!({})))).await.expect(200);
        app.post(&format!("/v1.0/users/{}/authentication/resetMfa", user.user_id), json!({})).await.expect(200);
        clock.advance_seconds(10);
        let token = issuer.token(&claims_of(&app, &issuer, &user, json!({})));
        let refused = users_as(&app, &token).await.expect(401);
        assert!(refused.text.contains("must register"), "{}", refused.text);
        call_with(&app, &token, Method::GET, methods, None, None).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn forgeries_are_found() {
    each(async |app, issuer| {
        let user = administrator(&app, "grace", Role::GlobalReader).await;
        trust(&app, &issuer.url, json!({})).await;
        let header = json!({"alg": "ES256", "kid": issuer.signer.kid});
        let claims = |more: Value| claims_of(&app, &issuer, &user, more);
        let good = issuer.token(&claims(json!({})));
        users_as(&app, &good).await.expect(200);
        let forge = |header: Value, more: Value| issuer.signer.sign(&header, &claims(more));
        let without = |name: &str| {
            let mut less = claims(json!({}));
            less.as_object_mut().unwrap().remove(name);
            issuer.token(&less)
        };
        let unsigned = format!("{}AA", forge(json!({"alg": "none"}), json!({})));
        let promoted = {
            let parts: Vec<_> = good.split('.').collect();
            let text = claims(json!({"preferred_username": "somebody@contoso.example"})).to_string();
            format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(text), parts[2])
        };
        let now = now(&app);
        let cases = [
            ("the public key as a secret", forge(json!({"alg": "HS256", "kid": issuer.signer.kid}), json!({}))),
            ("no signature", unsigned),
            ("changed claims", promoted),
            ("another key under the name", Signer::p256().sign(&header, &claims(json!({})))),
            ("another issuer", issuer.token(&claims(json!({"iss": "https://idp.example"})))),
            ("the issuer with a slash", issuer.token(&claims(json!({"iss": format!("{}/", issuer.url)})))),
            ("our name", issuer.token(&claims(json!({"iss": format!("{}/{}/v2.0", app.base, app.tenant)})))),
            ("another audience", issuer.token(&claims(json!({"aud": "api://other"})))),
            ("no audience", without("aud")),
            ("no end", without("exp")),
            ("no beginning", without("iat")),
            ("expired", issuer.token(&claims(json!({"exp": now})))),
            ("of tomorrow", issuer.token(&claims(json!({"nbf": now + 400})))),
            ("of two days", issuer.token(&claims(json!({"exp": now + 2 * 86_400})))),
            ("of two days ago", issuer.token(&claims(json!({"iat": now - 2 * 86_400})))),
            ("critical", forge(json!({"alg": "ES256", "kid": issuer.signer.kid, "crit": ["x"], "x": 1}), json!({}))),
            ("nobody", issuer.token(&claims(json!({"preferred_username": "nobody@contoso.example"})))),
            ("an id for a name", issuer.token(&claims(json!({"preferred_username": user.user_id})))),
            ("control characters", issuer.token(&claims(json!({"preferred_username": "a\u{0}b", "aud": [AUDIENCE, "\u{0}"]})))),
        ];
        for (name, token) in cases {
            let answer = users_as(&app, &token).await;
            assert_eq!(answer.status, 401, "{name}: {}", answer.text);
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{name}");
        }
        assert!(issuer.asked() <= 2, "at most one of them, by a key that nobody knows, made the server ask again");
        // A token of an outside issuer buys none of ours.
        let form = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={good}&subject_token_type=urn:ietf:params:oauth:token-type:access_token"
        );
        let other = app.new_tenant("fabrikam.example").await;
        let answer = super::partner_fixtures::post_form(&app, other.as_str(), form).await.expect(400);
        assert_eq!(answer.json["error_codes"], json!([50_013]));
    })
    .await;
}

#[tokio::test]
async fn keys_are_rotated() {
    each(async |app, issuer| {
        let mut issuer = issuer;
        let user = administrator(&app, "grace", Role::GlobalReader).await;
        trust(&app, &issuer.url, json!({})).await;
        let clock = &app.app.store.context().clock;
        let day = json!({"exp": now(&app) + 20 * 3600});
        let long_lived = issuer.token(&claims_of(&app, &issuer, &user, day));
        users_as(&app, &long_lived).await.expect(200);
        let old = std::mem::replace(&mut issuer.signer, Signer::rsa());
        issuer.set(|answers| answers.keys = vec![issuer.signer.jwk(), json!({"kty": "oct", "k": "AAAA"}), json!(7)]);
        let fresh = || {
            let claims = claims_of(&app, &issuer, &user, json!({}));
            issuer.signer.sign(&json!({"alg": "RS256", "kid": issuer.signer.kid}), &claims)
        };
        // An unknown key makes the server ask again at once, but not more often than once in a minute.
        assert_eq!(issuer.asked(), 1);
        let tokens: Vec<_> = (0..8).map(|_| fresh()).collect();
        let answers = futures_util::future::join_all(tokens.iter().map(|token| users_as(&app, token))).await;
        answers.into_iter().for_each(|answer| drop(answer.expect(200)));
        assert_eq!(issuer.asked(), 2, "one fetch for all of them");
        let strange = old.sign(&json!({"alg": "ES256", "kid": old.kid}), &claims_of(&app, &issuer, &user, json!({})));
        for _ in 0..5 {
            users_as(&app, &strange).await.expect(401);
        }
        assert_eq!(issuer.asked(), 2);
        // Remembered for an hour unless the issuer says otherwise, and no longer.
        issuer.set(|answers| answers.cache_control = Some("public, max-age=7200".into()));
        users_as(&app, &long_lived).await.expect(200);
        clock.advance_seconds(3600);
        users_as(&app, &long_lived).await.expect_error(401, "InvalidAuthenticationToken");
        users_as(&app, &fresh()).await.expect(200);
        assert_eq!(issuer.asked(), 3);
        clock.advance_seconds(7000);
        users_as(&app, &fresh()).await.expect(200);
        assert_eq!(issuer.asked(), 3);
        clock.advance_seconds(300);
        users_as(&app, &fresh()).await.expect(200);
        assert_eq!(issuer.asked(), 4);
        // The issuer may fail while its keys are remembered; and while it is slow, only those wait whose key is unknown.
        issuer.set(|answers| answers.hangs = true);
        clock.advance_seconds(600);
        let (slow, good) = (strange_again(&old, &app, &issuer, &user), fresh());
        let mut waiting = std::pin::pin!(users_as(&app, &slow));
        tokio::select! {
            answer = &mut waiting => panic!("{}", answer.text),
            answer = users_as(&app, &good) => drop(answer.expect(200)),
        }
        waiting.await.expect(503);
        issuer.set(|answers| (answers.hangs, answers.status) = (false, Some(500)));
        clock.advance_seconds(61);
        users_as(&app, &strange_again(&old, &app, &issuer, &user)).await.expect(503);
        users_as(&app, &fresh()).await.expect(200);
    })
    .await;
}

/// A key without a name is rotated like any other.
#[tokio::test]
async fn keys_without_a_name_are_rotated() {
    each(async |app, issuer| {
        let mut issuer = issuer;
        let user = administrator(&app, "grace", Role::GlobalReader).await;
        trust(&app, &issuer.url, json!({})).await;
        let clock = &app.app.store.context().clock;
        for asked in 1..=2 {
            let mut jwk = issuer.signer.jwk();
            jwk.as_object_mut().unwrap().remove("kid");
            issuer.set(|answers| answers.keys = vec![jwk]);
            for _ in 0..2 {
                let claims = claims_of(&app, &issuer, &user, json!({}));
                users_as(&app, &issuer.signer.sign(&json!({"alg": "ES256"}), &claims)).await.expect(200);
            }
            assert_eq!(issuer.asked(), asked);
            issuer.signer = Signer::p256();
            clock.advance_seconds(61);
        }
        // A signature of nobody makes the server ask once in a minute.
        for _ in 0..5 {
            let claims = claims_of(&app, &issuer, &user, json!({}));
            users_as(&app, &Signer::p256().sign(&json!({"alg": "ES256"}), &claims)).await.expect(401);
        }
        assert_eq!(issuer.asked(), 3);
    })
    .await;
}

fn strange_again(old: &Signer, app: &TestApp, issuer: &OidcIssuer, user: &User) -> String {
    old.sign(&json!({"alg": "ES256", "kid": old.kid}), &claims_of(app, issuer, user, json!({})))
}

#[tokio::test]
async fn an_issuer_that_misbehaves_is_away() {
    each(async |app, issuer| {
        let user = administrator(&app, "grace", Role::GlobalReader).await;
        trust(&app, &issuer.url, json!({})).await;
        let clock = &app.app.store.context().clock;
        let ask = || {
            let token = issuer.token(&claims_of(&app, &issuer, &user, json!({})));
            let app = &app;
            async move { users_as(app, &token).await }
        };
        let misbehave: [fn(&mut super::oidc_issuer::Answers); 5] = [
            |answers| answers.status = Some(500),
            |answers| answers.status = Some(302),
            |answers| answers.issuer = Some("https://idp.example".into()),
            |answers| answers.padding = 300_000,
            |answers| answers.hangs = true,
        ];
        for change in misbehave {
            issuer.set(change);
            // However many ask meanwhile, the issuer is asked once (for its discovery document, and its keys).
            for answer in futures_util::future::join_all((0..6).map(|_| ask())).await {
                let answer = answer.expect_error(503, "serviceNotAvailable");
                assert!(answer.headers.contains_key("retry-after"));
            }
            assert!(issuer.asked() <= 2, "{}", issuer.asked());
            // It is left alone for a moment.
            issuer.set(|answers| {
                *answers = super::oidc_issuer::Answers { keys: answers.keys.clone(), ..Default::default() };
            });
            ask().await.expect(503);
            assert_eq!(issuer.asked(), 0);
            clock.advance_seconds(6);
        }
        ask().await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn an_application_calls_by_its_federated_credential() {
    each(async |app, issuer| {
        let body = json!({"displayName": "Job", "permissions": ["User.Read.All"]});
        let made = app.post("/v1.0/applications", body).await.expect(201).json;
        let path = format!("/v1.0/applications/{}", made["id"].as_str().unwrap());
        let token = issuer.token(&issuer.claims(now(&app), AUDIENCE, json!({"sub": "job:1"})));
        trust(&app, &issuer.url, json!({})).await;
        users_as(&app, &token).await.expect(401);
        let body = json!({"name": "job", "issuer": issuer.url, "subject": "job:1", "audiences": [AUDIENCE]});
        let credentials = format!("{path}/federatedIdentityCredentials");
        app.post(&credentials, body).await.expect(201);
        users_as(&app, &token).await.expect(200);
        let refused = call_with(&app, &token, Method::GET, "/v1.0/applications", None, None).await.expect(403);
        assert_eq!(refused.json["error"]["innerError"]["code"], "missingPermission");
        app.patch(&path, json!({"permissions": ["Application.Read.All"]})).await.expect(204);
        call_with(&app, &token, Method::GET, "/v1.0/applications", None, None).await.expect(200);
        users_as(&app, &token).await.expect(403);
        app.delete(&format!("{credentials}/job")).await.expect(204);
        users_as(&app, &token).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn each_claim_names_users_in_its_way() {
    each(async |app, issuer| {
        let user = administrator(&app, "grace", Role::GlobalReader).await;
        let name = user.user_principal_name.to_uppercase();
        for (claim, value, more, expected) in [
            ("upn", name.as_str(), json!({}), 200),
            ("upn", user.user_id.as_str(), json!({}), 401),
            ("oid", user.user_id.as_str(), json!({}), 200),
            ("sub", user.user_id.as_str(), json!({}), 200),
            ("sub", name.as_str(), json!({}), 200),
            ("email", name.as_str(), json!({"email_verified": true}), 200),
            ("email", name.as_str(), json!({"email_verified": false}), 401),
            ("email", name.as_str(), json!({"email_verified": "true"}), 401),
            ("email", name.as_str(), json!({}), 401),
        ] {
            let id = trust(&app, &issuer.url, json!({"userClaim": claim})).await;
            let mut claims = claims_of(&app, &issuer, &user, more.clone());
            claims.as_object_mut().unwrap().remove("preferred_username");
            claims[claim] = value.into();
            let answer = users_as(&app, &issuer.token(&claims)).await;
            assert_eq!(answer.status.as_u16(), expected, "{claim} {value} {more}: {}", answer.text);
            app.delete(&format!("{ISSUERS}/{id}")).await.expect(204);
        }
    })
    .await;
}

#[tokio::test]
async fn an_audience_is_one_tenants() {
    each(async |app, issuer| {
        let id = trust(&app, &issuer.url, json!({"jwksUri": format!("{}/keys", issuer.url)})).await;
        let other = app.new_tenant("fabrikam.example").await;
        let theirs = app.token_with(&other, &["IdentityProvider.ReadWrite.All"]).await;
        let body = json!({"displayName": "Mine", "issuer": issuer.url, "audience": AUDIENCE});
        let answer = call_with(&app, &theirs, Method::POST, ISSUERS, None, Some(body.clone())).await;
        let answer = answer.expect_error(409, "conflict");
        assert!(!answer.text.contains("contoso"));
        call_with(&app, &theirs, Method::GET, &format!("{ISSUERS}/{id}"), None, None).await.expect(404);
        let mut own = body.clone();
        own["audience"] = "api://rekey-fabrikam".into();
        call_with(&app, &theirs, Method::POST, ISSUERS, None, Some(own)).await.expect(201);
        // Of a token for both the first audience counts: nobody who trusts a later one keeps its user out. A user of one
        // is nobody in the other.
        let user = administrator(&app, "grace", Role::GlobalReader).await;
        let both = claims_of(&app, &issuer, &user, json!({"aud": [AUDIENCE, "api://rekey-fabrikam"]}));
        users_as(&app, &issuer.token(&both)).await.expect(200);
        let reversed = claims_of(&app, &issuer, &user, json!({"aud": ["api://rekey-fabrikam", AUDIENCE]}));
        users_as(&app, &issuer.token(&reversed)).await.expect(401);
        let foreign = claims_of(&app, &issuer, &user, json!({"aud": "api://rekey-fabrikam"}));
        users_as(&app, &issuer.token(&foreign)).await.expect(401);
        users_as(&app, &issuer.token(&claims_of(&app, &issuer, &user, json!({})))).await.expect(200);
        let seen = app.get(&format!("{ISSUERS}/{id}")).await.expect(200).json;
        assert_eq!((&seen["issuer"], &seen["userClaim"]), (&json!(issuer.url), &json!("preferred_username")));
        assert_eq!(app.get(ISSUERS).await.expect(200).json["value"].as_array().unwrap().len(), 1);
        for wrong in [
            json!({"issuer": "idp"}),
            json!({"issuer": app.base}),
            json!({"issuer": "https://idp.example#x"}),
            json!({"audience": ""}),
            json!({"displayName": ""}),
            json!({"userClaim": "name"}),
            json!({"jwksUri": "file:///etc/passwd"}),
        ] {
            let mut wrong_body = body.clone();
            wrong_body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            app.post(ISSUERS, wrong_body).await.expect_error(400, "Request_BadRequest");
        }
    })
    .await;
}

/// What an administrator of one tenant writes down must not lead into the server's own network.
#[tokio::test]
async fn issuers_are_on_the_internet() {
    for backend in backends() {
        let app = TestApp::start(backend).await;
        for wrong in
            ["http://127.0.0.1/", "https://127.0.0.1/", "https://10.0.0.1/", "http://idp.example", "https://[::1]/"]
        {
            let body = json!({"displayName": "x", "issuer": wrong, "audience": "a"});
            app.post(ISSUERS, body).await.expect_error(400, "Request_BadRequest");
            let body = json!({"displayName": "x", "issuer": "https://idp.example", "audience": "a", "jwksUri": wrong});
            app.post(ISSUERS, body).await.expect_error(400, "Request_BadRequest");
        }
        // A name that leads here is not called either.
        let issuer = OidcIssuer::start().await;
        let named = issuer.url.replace("http://127.0.0.1", "https://localhost");
        app.post(ISSUERS, json!({"displayName": "x", "issuer": named, "audience": AUDIENCE})).await.expect(201);
        let claims = issuer.claims(now(&app), AUDIENCE, json!({"iss": named}));
        users_as(&app, &issuer.token(&claims)).await.expect(503);
        assert_eq!(issuer.asked(), 0);
    }
}
