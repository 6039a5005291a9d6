//! `/applications`: made, changed and removed through the API; and nobody gets more power by way of one.

use base64::{Engine, engine::general_purpose::STANDARD};
use rekey::{access::known_permissions, roles::Role};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    partner_fixtures::{activate, assign, call_with, customer, new_client, new_partner},
    signers::Signer,
};
use crate::support::{
    Answer, TestApp, backends, on_each_backend,
    process::Installation,
    seed::{self, events, modified},
};

const APPLICATIONS: &str = "/v1.0/applications";
const DIRECTORY_SERVICE: &str = "00000002-0000-0000-c000-000000000000";

async fn create(app: &TestApp, body: Value) -> (String, String) {
    let made = app.post(APPLICATIONS, body).await.expect(201).json;
    let id = made["id"].as_str().unwrap().to_owned();
    (format!("{APPLICATIONS}/{id}"), id)
}

async fn as_token(app: &TestApp, token: &str, method: Method, path: &str, body: Value) -> Answer {
    call_with(app, token, method, path, None, Some(body).filter(|body| !body.is_null())).await
}

#[tokio::test]
async fn an_application_is_made_changed_and_deleted() {
    on_each_backend(async |app| {
        let answer = app.post(APPLICATIONS, json!({"displayName": "Portal", "permissions": ["User.Read.All"]})).await;
        let made = answer.expect(201);
        let id = made.json["id"].as_str().unwrap().to_owned();
        let path = format!("{APPLICATIONS}/{id}");
        assert_eq!(made.json["appId"], id.as_str());
        assert_eq!(made.json["isDisabled"], false);
        assert_eq!(made.headers["location"].to_str().unwrap(), format!("{}{path}", app.base));
        let seen = app.get(&path).await.expect(200).json;
        assert_eq!(seen["displayName"], "Portal");
        assert_eq!(seen["permissions"], json!(["User.Read.All"]));

        let secret =
            app.post(&format!("{path}/addPassword"), json!({"passwordCredential": {"displayName": "CI"}})).await;
        let secret = secret.expect(200);
        assert_eq!(secret.headers["cache-control"], "no-store");
        let text = secret.json["secretText"].as_str().unwrap().to_owned();
        assert_eq!(secret.json["hint"], text[..3]);
        assert_eq!(secret.json["displayName"], "CI");
        let token = app.token_of(&app.tenant, &id, &text).await;
        as_token(&app, &token, Method::GET, "/v1.0/users", Value::Null).await.expect(200);
        // It is shown once, and no answer and no record holds it or its digest.
        let everything = [app.get(&path).await.text, app.get(APPLICATIONS).await.text].concat();
        assert!(!everything.contains(&text) && !everything.contains("digest"));
        let log = app.get("/v1.0/auditLogs/directoryAudits?$top=999").await.expect(200).text;
        assert!(!log.contains(&text) && log.contains(secret.json["keyId"].as_str().unwrap()));

        // What is taken away has no effect left on a token from before.
        app.patch(&path, json!({"permissions": ["AuditLog.Read.All"], "displayName": "Log"})).await.expect(204);
        as_token(&app, &token, Method::GET, "/v1.0/users", Value::Null).await.expect(403);
        app.patch(&path, json!({"permissions": ["User.Read.All"]})).await.expect(204);
        as_token(&app, &token, Method::GET, "/v1.0/users", Value::Null).await.expect(200);
        app.patch(&path, json!({"isDisabled": true})).await.expect(204);
        as_token(&app, &token, Method::GET, "/v1.0/users", Value::Null).await.expect(401);
        app.patch(&path, json!({"isDisabled": false})).await.expect(204);
        let removal = json!({"keyId": secret.json["keyId"]});
        app.post(&format!("{path}/removePassword"), removal.clone()).await.expect(204);
        as_token(&app, &token, Method::GET, "/v1.0/users", Value::Null).await.expect(401);
        app.post(&format!("{path}/removePassword"), removal).await.expect_error(404, "Request_ResourceNotFound");

        app.delete(&path).await.expect(204);
        app.get(&path).await.expect_error(404, "Request_ResourceNotFound");
        app.delete(&path).await.expect_error(404, "Request_ResourceNotFound");
        let events = events(&app).await;
        let names: Vec<_> = events.iter().map(|event| event.activity_display_name.as_str()).collect();
        let (first, last) = (names.last().unwrap(), names.first().unwrap());
        assert_eq!((*first, *last), ("Add application", "Delete application"));
        assert!(events.iter().all(|event| event.target_id.as_deref() == Some(&id)));
        assert_eq!(names.len(), 8);
    })
    .await;
}

#[tokio::test]
async fn a_list_comes_in_pages_without_keys() {
    on_each_backend(async |app| {
        let signer = Signer::p256();
        let der = signer.certificate(2020, 2049);
        let key = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(&der)});
        let (path, _) = create(&app, json!({"displayName": "Keyed", "keyCredentials": [key]})).await;
        create(&app, json!({"displayName": "Second"})).await;
        let whole = app.get(&path).await.expect(200).json;
        let key = &whole["keyCredentials"][0];
        assert_eq!(key["key"], STANDARD.encode(&der));
        assert_eq!((&key["type"], &key["usage"]), (&json!("AsymmetricX509Cert"), &json!("Verify")));
        assert_eq!(key["startDateTime"], "2020-01-01T00:00:00Z");
        assert_eq!(key["endDateTime"], "2049-01-01T00:00:00Z");
        assert_eq!(key["customKeyIdentifier"].as_str().unwrap().len(), 40);
        // Whoever adds a key reads the list, appends and sends it back whole.
        let mut keys = whole["keyCredentials"].as_array().unwrap().clone();
        keys.push(json!({"type": "AsymmetricX509Cert", "usage": "Verify",
                         "key": STANDARD.encode(Signer::p256().certificate(2020, 2049))}));
        app.patch(&path, json!({"keyCredentials": keys})).await.expect(204);
        let changed = app.get(&path).await.expect(200).json;
        assert_eq!((&changed["keyCredentials"][0], changed["keyCredentials"].as_array().unwrap().len()), (key, 2));
        keys[0]["endDateTime"] = json!("2048-01-01T00:00:00Z");
        app.patch(&path, json!({"keyCredentials": keys})).await.expect_error(400, "Request_BadRequest");
        let (mut seen, mut next) = (vec![], Some(format!("{}{APPLICATIONS}?$top=1", app.base)));
        while let Some(url) = next {
            let page = Answer::of(app.http.get(url).bearer_auth(&app.token)).await.expect(200).json;
            let items = page["value"].as_array().unwrap();
            assert_eq!(items.len(), 1);
            seen.extend(items.iter().cloned());
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        for (filter, count) in [
            ("appId eq 'X'".replace('X', changed["appId"].as_str().unwrap()), 1),
            ("displayName eq 'keyed'".into(), 1),
            ("startswith(displayName,'s') or displayName eq 'Keyed'".into(), 2),
            ("displayName eq 'nobody'".into(), 0),
        ] {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("$filter", &filter).finish();
            let found = app.get(&format!("{APPLICATIONS}?{query}")).await.expect(200).json;
            assert_eq!(found["value"].as_array().unwrap().len(), count, "{filter}");
        }
        app.get(&format!("{APPLICATIONS}?$filter=isDisabled eq true")).await.expect_error(400, "Request_BadRequest");
        // The test's own application too.
        assert_eq!(seen.len(), 3);
        let keyed = seen.iter().find(|it| it["displayName"] == "Keyed").unwrap();
        assert_eq!(keyed["keyCredentials"][0]["key"], Value::Null);
        assert_eq!(keyed["keyCredentials"][0]["keyId"], key["keyId"]);
    })
    .await;
}

#[tokio::test]
async fn an_application_manages_none_that_may_more() {
    on_each_backend(async |app| {
        let power = ["Application.ReadWrite.All", "User.Read.All"];
        let token = app.token_with(&app.tenant, &power).await;
        let (mighty, _) = create(&app, json!({"displayName": "Mighty", "permissions": known_permissions()})).await;
        let (equal, _) = create(&app, json!({"displayName": "Equal", "permissions": ["User.Read.All"]})).await;
        let credential = json!({
            "name": "x", "issuer": "https://idp.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"],
        });
        let jwk = json!({"type": "JsonWebKey", "jwk": Signer::p256().jwk()});
        for (method, end, body) in [
            (Method::POST, "/addPassword", json!({})),
            (Method::POST, "/removePassword", json!({"keyId": "x"})),
            (Method::PATCH, "", json!({"keyCredentials": [jwk]})),
            (Method::PATCH, "", json!({"permissions": []})),
            (Method::PATCH, "", json!({"isDisabled": true})),
            (Method::POST, "/addKey", json!({"keyCredential": jwk, "proof": "a.b.c"})),
            (Method::POST, "/removeKey", json!({"keyId": "x", "proof": "a.b.c"})),
            (Method::POST, "/federatedIdentityCredentials", credential),
            (Method::DELETE, "", Value::Null),
        ] {
            let refused = as_token(&app, &token, method, &format!("{mighty}{end}"), body).await;
            let refused = refused.expect_error(403, "Authorization_RequestDenied");
            assert_eq!(refused.json["error"]["innerError"]["code"], "targetTooPrivileged", "{}", refused.text);
        }
        // Nor does it make one mightier than itself, or mightier than it is.
        let raise = json!({"permissions": ["UserAuthenticationMethod.ReadWrite.All"]});
        as_token(&app, &token, Method::PATCH, &equal, raise.clone()).await.expect(403);
        let body = json!({"displayName": "New", "permissions": ["AuditLog.Read.All"]});
        as_token(&app, &token, Method::POST, APPLICATIONS, body).await.expect(403);
        as_token(&app, &token, Method::POST, &format!("{equal}/addPassword"), json!({})).await.expect(200);
        as_token(&app, &token, Method::PATCH, &equal, json!({"permissions": power})).await.expect(204);
        assert!(events(&app).await.iter().any(|it| it.result == "failure"));
        // A Global Administrator may all of it, other administrators nothing.
        let administrator = seed::user(&app, "grace").await;
        let assignment = |role: Role| {
            json!({"principalId": administrator.user_id, "roleDefinitionId": role.as_str(), "directoryScopeId": "/"})
        };
        let path = "/v1.0/roleManagement/directory/roleAssignments";
        app.post(path, assignment(Role::PrivilegedRoleAdministrator)).await.expect(201);
        let token = app.user_token(&administrator.user_id).await;
        as_token(&app, &token, Method::PATCH, &mighty, raise.clone()).await.expect(403);
        as_token(&app, &token, Method::GET, &mighty, Value::Null).await.expect(403);
        app.post(path, assignment(Role::GlobalAdministrator)).await.expect(201);
        as_token(&app, &token, Method::POST, &format!("{mighty}/addPassword"), json!({})).await.expect(200);
        as_token(&app, &token, Method::PATCH, &mighty, raise).await.expect(204);
    })
    .await;
}

/// What an application may do in customers' tenants stands in no permission, and is power all the same.
#[tokio::test]
async fn an_application_that_acts_for_a_partner_is_managed_by_who_could_let_it() {
    on_each_backend(async |app| {
        let (partner, customer) = (new_partner(&app).await, customer(&app));
        let roles = [Role::GlobalAdministrator];
        let relationship = activate(&app, &partner, &customer, &roles, "P30D").await;
        let client = new_client(&app, &partner).await;
        let path = format!("{APPLICATIONS}/{}/addPassword", client.id);
        let token = app.token_with(&partner.tenant, &["Application.ReadWrite.All"]).await;
        as_token(&app, &token, Method::POST, &path, json!({})).await.expect(200);
        assign(&app, &partner, &relationship, "application", client.id.as_str(), &roles).await;
        let refused = as_token(&app, &token, Method::POST, &path, json!({})).await.expect(403);
        assert!(refused.text.contains("DelegatedAdminRelationship.ReadWrite.All"), "{}", refused.text);
        as_token(&app, &partner.token, Method::POST, &path, json!({})).await.expect(200);
        // In the customer's tenant it is a Global Administrator, and leaves no application or issuer behind.
        let inside = client.token(&app, &customer.tenant).await;
        as_token(&app, &inside, Method::GET, APPLICATIONS, Value::Null).await.expect(200);
        let refused = as_token(&app, &inside, Method::POST, APPLICATIONS, json!({"displayName": "Door"})).await;
        assert_eq!(refused.expect(403).json["error"]["innerError"]["code"], "ownTenantOnly");
        let issuer = json!({"displayName": "Door", "issuer": "https://idp.example", "audience": "a"});
        let refused = as_token(&app, &inside, Method::POST, "/v1.0/identity/trustedIssuers", issuer).await;
        assert_eq!(refused.expect(403).json["error"]["innerError"]["code"], "ownTenantOnly");
    })
    .await;
}

#[tokio::test]
async fn an_application_rolls_its_own_keys_with_a_proof() {
    on_each_backend(async |app| {
        let (old, new) = (Signer::p256(), Signer::rsa());
        let key = json!({"type": "JsonWebKey", "usage": "Verify", "jwk": old.jwk()});
        let (path, id) = create(&app, json!({"displayName": "Roller", "keyCredentials": [key]})).await;
        let old_id = app.get(&path).await.json["keyCredentials"][0]["keyId"].clone();
        let secret = app.post(&format!("{path}/addPassword"), json!({})).await.expect(200).json;
        let own = app.token_of(&app.tenant, &id, secret["secretText"].as_str().unwrap()).await;
        let now = app.app.store.context().clock.now().seconds();
        let proof = |signer: &Signer, alg: &str, change: Value| {
            let mut claims = json!({"iss": id, "aud": DIRECTORY_SERVICE, "nbf": now, "exp": now + 600});
            claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            signer.sign(&json!({"alg": alg, "typ": "JWT"}), &claims)
        };
        let der = new.certificate(2020, 2049);
        let key = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(der)});
        let add = |proof: String| json!({"keyCredential": key, "passwordCredential": null, "proof": proof});
        let ask = async |body: Value| as_token(&app, &own, Method::POST, &format!("{path}/addKey"), body).await;
        for wrong in [
            proof(&new, "RS256", json!({})),
            proof(&old, "ES256", json!({"iss": "x"})),
            proof(&old, "ES256", json!({"aud": "x"})),
            proof(&old, "ES256", json!({"exp": now - 1})),
            proof(&old, "ES256", json!({"exp": now + 3600})),
            proof(&old, "HS256", json!({})),
            proof(&old, "none", json!({})),
            String::new(),
        ] {
            let refused = ask(add(wrong)).await.expect_error(400, "Request_BadRequest");
            assert_eq!(refused.json["error"]["target"], "proof");
        }
        // Also when it has power that its token does not know of: it gets none by that.
        app.patch(&path, json!({"permissions": ["User.Read.All"]})).await.expect(204);
        let made = ask(add(proof(&old, "ES256", json!({})))).await.expect(200).json;
        assert_eq!(made["type"], "AsymmetricX509Cert");
        // The new key takes the old one's place.
        let removal = json!({"keyId": old_id, "proof": proof(&new, "PS256", json!({"aud": app.base}))});
        let remove = format!("{path}/removeKey");
        as_token(&app, &own, Method::POST, &remove, removal.clone()).await.expect(204);
        as_token(&app, &own, Method::POST, &remove, removal).await.expect(404);
        let left = app.get(&path).await.json["keyCredentials"].clone();
        assert_eq!(left.as_array().unwrap().len(), 1);
        assert_eq!(left[0]["keyId"], made["keyId"]);
        let changes: Vec<_> = events(&app).await.iter().flat_map(modified).collect();
        assert!(changes.contains(&("KeyCredentials".into(), old_id, Value::Null)), "{changes:?}");
        // Others have no business with it, and an application none with others, proof or not.
        let stranger = app.token_with(&app.tenant, &["User.Read.All"]).await;
        let body = add(proof(&new, "PS256", json!({})));
        as_token(&app, &stranger, Method::POST, &format!("{path}/addKey"), body).await.expect(403);
        as_token(&app, &own, Method::PATCH, &path, json!({"keyCredentials": []})).await.expect(403);
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    on_each_backend(async |app| {
        let (path, _) = create(&app, json!({"displayName": "Job"})).await;
        let signer = Signer::p256();
        let der = STANDARD.encode(signer.certificate(2020, 2049));
        let expired = STANDARD.encode(signer.certificate(2020, 2021));
        let mut private = signer.jwk();
        private["d"] = "AAAA".into();
        let certificate = |more: Value| {
            let mut key = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": der});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"keyCredentials": [key]})
        };
        for wrong in [
            json!({"permissions": ["Everything"]}),
            json!({"permissions": ["User.Read.All", "User.Read.All"]}),
            json!({"displayName": ""}),
            json!({"displayName": null}),
            json!({"passwordCredentials": []}),
            certificate(json!({"key": "AAAA"})),
            certificate(json!({"key": expired})),
            certificate(json!({"type": "X509CertAndPassword"})),
            certificate(json!({"usage": "Sign"})),
            certificate(json!({"keyId": "x"})),
            certificate(json!({"endDateTime": "2050-01-01T00:00:00Z"})),
            certificate(json!({"startDateTime": "2019-01-01T00:00:00Z"})),
            certificate(json!({"jwk": signer.jwk()})),
            json!({"keyCredentials": [{"keyId": "6f1d7a52-6a0b-4a40-9a36-0f6f0b1c7c11"}]}),
            json!({"keyCredentials": [{"type": "JsonWebKey", "jwk": private}]}),
            json!({"keyCredentials": [{"type": "JsonWebKey", "jwk": {"kty": "oct", "k": "AAAA"}}]}),
        ] {
            app.patch(&path, wrong.clone()).await.expect_error(400, "Request_BadRequest");
        }
        for wrong in ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
            let body = json!({"passwordCredential": {"endDateTime": wrong}});
            app.post(&format!("{path}/addPassword"), body).await.expect_error(400, "Request_BadRequest");
        }
        let credentials = format!("{path}/federatedIdentityCredentials");
        let credential = |more: Value| {
            let mut body = json!({
                "name": "n", "issuer": "https://idp.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"],
            });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        for wrong in [
            json!({"name": "a b"}),
            json!({"name": ""}),
            json!({"subject": ""}),
            json!({"audiences": []}),
            json!({"audiences": ["a", "b"]}),
            json!({"issuer": "idp.example"}),
            json!({"issuer": "http://idp.example"}),
            json!({"issuer": "https://127.0.0.1/"}),
            json!({"issuer": "https://169.254.169.254/latest"}),
            json!({"issuer": "https://user:secret@idp.example"}),
            json!({"issuer": "https://idp.example?x=1"}),
            json!({"issuer": format!("{}/x/v2.0", app.base)}),
        ] {
            app.post(&credentials, credential(wrong.clone())).await.expect_error(400, "Request_BadRequest");
        }
        let made = app.post(&credentials, credential(json!({}))).await.expect(201).json;
        app.post(&credentials, credential(json!({}))).await.expect_error(409, "conflict");
        app.post(&credentials, credential(json!({"name": "m"}))).await.expect_error(409, "conflict");
        let one = format!("{credentials}/{}", made["id"].as_str().unwrap());
        app.patch(&one, json!({"issuer": "http://idp.example"})).await.expect(400);
        app.patch(&one, json!({"subject": "t", "description": "d"})).await.expect(204);
        let seen = app.get(&format!("{credentials}/n")).await.expect(200).json;
        assert_eq!((&seen["subject"], &seen["description"], &seen["id"]), (&json!("t"), &json!("d"), &made["id"]));
        assert_eq!(app.get(&credentials).await.expect(200).json["value"].as_array().unwrap().len(), 1);
        app.delete(&one).await.expect(204);
        app.get(&one).await.expect(404);
    })
    .await;
}

#[test]
fn the_command_line_adds_and_removes_keys() {
    for backend in backends() {
        let here = Installation::new(backend);
        here.run(&["tenant", "create", "--name", "Contoso", "--domain", "contoso.example"]);
        let tenant = ["--tenant", "contoso.example"];
        let made =
            here.run(&[&["app", "create", "--name", "Job", "--permission", "User.Read.All"][..], &tenant].concat());
        let app = ["--app", made["clientId"].as_str().unwrap()];
        let der = Signer::rsa().certificate(2020, 2049);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(&der));
        std::fs::write(here.path().join("key.pem"), pem).unwrap();
        std::fs::write(here.path().join("key.der"), der).unwrap();
        std::fs::write(here.path().join("key.txt"), "-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n").unwrap();
        let add = |file: &str| {
            here.try_run(&[&["app", "add-key", "--certificate", file, "--name", "CI"][..], &tenant, &app].concat())
        };
        let keys = [add("key.pem").unwrap(), add("key.der").unwrap()];
        assert_eq!(keys[0]["keyEndDateTime"], "2049-01-01T00:00:00Z");
        for wrong in ["key.txt", "nothing.pem"] {
            assert!(add(wrong).unwrap_err().contains("holds no certificate"), "{wrong}");
        }
        let id = keys[0]["keyId"].as_str().unwrap();
        here.run(&[&["app", "remove-key", "--key-id", id][..], &tenant, &app].concat());
        let listed = here.run(&[&["app", "list"][..], &tenant].concat());
        assert_eq!(listed[0]["keys"].as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["keys"][0]["keyId"], keys[1]["keyId"]);
    }
}
