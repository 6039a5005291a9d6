//! Software OATH tokens: created by an administrator, activated by a code.

use std::io::Cursor;

use base64::{Engine, engine::general_purpose::STANDARD};
use rekey::{id::MethodId, store::methods};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::{add_member, add_user, assert_unsaid, events, last_event},
    support::{Answer, TestApp, on_each_backend},
    totp::Token,
};

fn tokens(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/softwareOathMethods")
}

/// Creates a token; its address, and the token as the user's app has it.
async fn create(app: &TestApp, user: &str) -> (String, Token) {
    let answer = app.post(&tokens(user), json!({})).await.expect(201);
    let id = answer.json["id"].as_str().unwrap();
    (format!("{}/{id}", tokens(user)), Token::hardware(answer.json["secretKey"].as_str().unwrap()))
}

/// What a camera would read.
pub fn read_qr_code(data_uri: &str) -> String {
    let png = STANDARD.decode(data_uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Grayscale, png::BitDepth::Eight));
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

async fn activate(app: &TestApp, address: &str, code: String) -> Answer {
    app.post(&format!("{address}/activate"), json!({"verificationCode": code})).await
}

#[tokio::test]
async fn every_shape_of_token_is_created_activated_and_deleted() {
    on_each_backend(async |app| {
        let user = add_member(&app, "adele@contoso.example").await;
        let list = tokens("adele@contoso.example");
        for (hash, digits, interval) in [("hmacsha1", 6, 30), ("hmacsha256", 8, 60), ("hmacsha512", 8, 30)] {
            let body = json!({"@odata.type": "#microsoft.graph.softwareOathAuthenticationMethod", "displayName": "Work phone",
                "hashFunction": hash, "digits": digits, "timeIntervalInSeconds": interval});
            let answer = app.post(&list, body).await.expect(201);
            let token = answer.json;
            let id = token["id"].as_str().unwrap();
            assert_eq!(token["@odata.context"], format!("{}/v1.0/$metadata#users('{user}')/authentication/softwareOathMethods/$entity", app.base));
            assert_eq!(token["status"], "pending");
            assert_eq!(token["displayName"], "Work phone");
            assert!(token["expirationDateTime"].as_str().unwrap().ends_with('Z'));
            let secret = token["secretKey"].as_str().unwrap();
            assert_eq!(secret.len(), 32);
            let uri = token["otpauthUri"].as_str().unwrap();
            assert!(uri.starts_with("otpauth://totp/contoso.example:adele%40contoso.example?"), "{uri}");
            assert!(uri.contains(&format!("secret={secret}")), "{uri}");
            assert_eq!(read_qr_code(token["qrCode"].as_str().unwrap()), uri);
            let location = answer.headers["location"].to_str().unwrap();
            assert_eq!(location, format!("{}/v1.0/users/{user}/authentication/softwareOathMethods/{id}", app.base));
            assert_eq!(last_event(&app).await.target_id.as_deref(), Some(user.as_str()));

            // The secret is not shown again.
            let path = location.trim_start_matches(&app.base);
            let shown = app.get(path).await.expect(200);
            assert_eq!(shown.json["secretKey"], Value::Null);
            assert_eq!((&shown.json["status"], &shown.json["hashFunction"]), (&json!("pending"), &json!(hash)));
            assert!(!shown.text.contains(secret));

            let token = Token::new(secret, hash, digits, interval);
            activate(&app, path, token.code()).await.expect(204);
            assert_eq!(app.get(path).await.expect(200).json["status"], "activated");
            activate(&app, path, token.next_code()).await.expect_error(409, "conflict");
            assert_unsaid(&app, secret).await;
        }
        let all = app.get(&list).await.expect(200).json;
        assert_eq!(all["value"].as_array().unwrap().len(), 3);
        let path = format!("{list}/{}", all["value"][0]["id"].as_str().unwrap());
        app.delete(&path).await.expect(204);
        assert_eq!(last_event(&app).await.activity_display_name, "Admin deleted security info");
        app.get(&path).await.expect_error(404, "resourceNotFound");
        app.delete(&path).await.expect_error(404, "resourceNotFound");
        assert_eq!(app.get(&format!("/beta{}", &list[5..])).await.expect(200).json["value"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn wrong_requests_change_nothing() {
    on_each_backend(async |app| {
        add_member(&app, "adele@contoso.example").await;
        let list = tokens("adele@contoso.example");
        for body in [
            json!({"digits": 7}),
            json!({"digits": -1}),
            json!({"timeIntervalInSeconds": 45}),
            json!({"hashFunction": "sha1"}),
            json!({"hashFunction": "HMACSHA1"}),
            json!({"displayName": "a\u{7}b"}),
            json!({"displayName": "x".repeat(257)}),
            json!({"secretKey": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}),
            json!([]),
        ] {
            app.post(&list, body).await.expect_error(400, "badRequest");
        }
        app.get(&format!("{list}?$filter=x")).await.expect_error(400, "badRequest");
        app.get(&format!("{list}/not-an-id")).await.expect_error(404, "resourceNotFound");
        app.post(&tokens("nobody@contoso.example"), json!({})).await.expect_error(404, "Request_ResourceNotFound");
        assert!(events(&app).await.is_empty());
        assert_eq!(app.get(&list).await.expect(200).json["value"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn guessing_ends_the_registration() {
    on_each_backend(async |app| {
        add_member(&app, "adele@contoso.example").await;
        let (address, token) = create(&app, "adele@contoso.example").await;
        for malformed in ["", "12345", "1234567", "12345x", "１２３４５６"] {
            let answer = activate(&app, &address, malformed.into()).await.expect_error(400, "badRequest");
            assert_eq!(answer.json["error"]["target"], "verificationCode");
        }
        for _ in 0..9 {
            let answer = activate(&app, &address, token.wrong_code()).await.expect_error(400, "badRequest");
            assert_eq!(answer.json["error"]["target"], "verificationCode");
        }
        let event = last_event(&app).await;
        assert_eq!((event.result.as_str(), event.operation_type.as_str()), ("failure", "Update"));
        app.get(&address).await.expect(200);
        activate(&app, &address, token.wrong_code()).await.expect_error(400, "badRequest");
        activate(&app, &address, token.code()).await.expect_error(404, "resourceNotFound");
        app.get(&address).await.expect_error(404, "resourceNotFound");

        // Nine wrong codes are forgiven.
        let (address, token) = create(&app, "adele@contoso.example").await;
        for _ in 0..9 {
            activate(&app, &address, token.wrong_code()).await.expect(400);
        }
        activate(&app, &address, token.code()).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_registration_ends_after_ten_minutes_and_makes_room() {
    on_each_backend(async |app| {
        let user = add_member(&app, "adele@contoso.example").await;
        let mut first = None;
        for _ in 0..5 {
            first.get_or_insert(create(&app, "adele@contoso.example").await);
        }
        let full = app.post(&tokens("adele@contoso.example"), json!({})).await.expect_error(400, "badRequest");
        assert!(full.text.contains("at most 5"), "{}", full.text);
        let (address, token) = first.unwrap();

        let id = MethodId::new(address.rsplit('/').next().unwrap());
        let (tenant, owner, ended) = (app.tenant.clone(), user.clone(), id.clone());
        let end = app.app.store.write(&app.tenant, move |tx| {
            let mut row = methods::find(tx, &tenant, &owner, &ended)?.unwrap();
            assert_eq!(row.pending_until, Some(row.created_at.plus_minutes(10)));
            row.pending_until = Some(tx.now());
            methods::update(tx, &row)
        });
        end.await.unwrap();
        app.get(&address).await.expect_error(404, "resourceNotFound");
        activate(&app, &address, token.code()).await.expect_error(404, "resourceNotFound");
        create(&app, "adele@contoso.example").await;
        let tenant = app.tenant.clone();
        let gone = app.app.store.read(move |tx| methods::find(tx, &tenant, &user, &id)).await.unwrap();
        assert!(gone.is_none(), "an ended registration is purged");
    })
    .await;
}

#[tokio::test]
async fn a_default_goes_with_the_last_token() {
    on_each_backend(async |app| {
        let user = add_member(&app, "adele@contoso.example").await.to_string();
        let preferences = format!("/v1.0/users/{user}/authentication/signInPreferences");
        let (address, token) = create(&app, &user).await;
        activate(&app, &address, token.code()).await.expect(204);
        let preferred = "userPreferredMethodForSecondaryAuthentication";
        app.patch(&preferences, json!({preferred: "oath"})).await.expect(204);
        app.delete(&address).await.expect(204);
        let event = last_event(&app).await;
        assert!(event.modified_properties.contains("DefaultMethod"), "{}", event.modified_properties);
        // It is forgotten, not hidden.
        let (address, token) = create(&app, &user).await;
        activate(&app, &address, token.code()).await.expect(204);
        assert!(app.get(&preferences).await.expect(200).json[preferred].is_null());
    })
    .await;
}

#[tokio::test]
async fn one_code_activates_once() {
    on_each_backend(async |app| {
        add_member(&app, "adele@contoso.example").await;
        let (address, token) = create(&app, "adele@contoso.example").await;
        let code = token.code();
        let mut all = JoinSet::new();
        for _ in 0..16 {
            let request = app
                .request(reqwest::Method::POST, &format!("{address}/activate"))
                .json(&json!({"verificationCode": code}));
            all.spawn(Answer::of(request));
        }
        let mut statuses: Vec<_> = all.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses[0], 204);
        assert!(statuses[1..].iter().all(|status| (400..500).contains(status)), "{statuses:?}");
    })
    .await;
}

#[tokio::test]
async fn the_same_key_creates_once() {
    on_each_backend(async |app| {
        add_member(&app, "adele@contoso.example").await;
        let create = |body: Value| {
            let request = app.request(reqwest::Method::POST, &tokens("adele@contoso.example"));
            Answer::of(request.header("idempotency-key", "one").json(&body))
        };
        let first = create(json!({})).await.expect(201);
        let again = create(json!({})).await.expect(201);
        assert_eq!((&first.json, &first.headers["location"]), (&again.json, &again.headers["location"]));
        create(json!({"digits": 8})).await.expect(422);
        assert_eq!(events(&app).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn permissions_and_tenants_are_kept_apart() {
    on_each_backend(async |app| {
        let user = add_member(&app, "adele@contoso.example").await;
        let (address, token) = create(&app, "adele@contoso.example").await;
        let reader = app
            .token_with(
                &app.tenant,
                &["UserAuthMethod-SoftwareOATH.Read.All", "UserAuthMethod-HardwareOATH.ReadWrite.All"],
            )
            .await;
        let request = |method, path: &str, token: &str| {
            Answer::of(app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token).json(&json!({})))
        };
        request(reqwest::Method::GET, &address, &reader).await.expect(200);
        request(reqwest::Method::DELETE, &address, &reader).await.expect_error(403, "accessDenied");
        let event = last_event(&app).await;
        assert_eq!((event.result.as_str(), event.target_id.as_deref()), ("failure", Some(user.as_str())));
        request(reqwest::Method::POST, &tokens(user.as_str()), &reader).await.expect_error(403, "accessDenied");
        let nothing = app.token_with(&app.tenant, &["User.Read.All"]).await;
        request(reqwest::Method::GET, &address, &nothing).await.expect_error(403, "accessDenied");

        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
            request(method, &address, &stranger).await.expect_error(404, "Request_ResourceNotFound");
        }
        let namesake = add_user(&app, &other, "adele@contoso.example", rekey::store::users::UserType::Member).await;
        let id = address.rsplit('/').next().unwrap();
        let theirs = format!("{}/{id}", tokens(namesake.as_str()));
        request(reqwest::Method::GET, &theirs, &stranger).await.expect_error(404, "resourceNotFound");

        // Registering by an administrator leaves a reset's demand alone.
        app.post(&format!("/v1.0/users/{user}/authentication/resetMfa"), json!({})).await.expect(200);
        activate(&app, &address, token.code()).await.expect_error(404, "resourceNotFound");
        let (address, token) = create(&app, user.as_str()).await;
        activate(&app, &address, token.code()).await.expect(204);
        let tenant = app.tenant.clone();
        let requirements =
            app.app.store.read(move |tx| rekey::store::users::requirements(tx, &tenant, &user)).await.unwrap();
        assert!(requirements.registration_required_at.is_some());
    })
    .await;
}
