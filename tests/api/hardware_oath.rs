//! Hardware OATH tokens of users: the state machine.

use rekey::store::users::UserType;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::{DEVICES, SECRET, add_device, add_member, add_user, assert_unsaid, events, last_event, status},
    support::{Answer, TestApp, on_each_backend},
    totp::Token,
};

const ADELE: &str = "adele@contoso.example";

fn methods(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/hardwareOathMethods")
}

async fn assign(app: &TestApp, user: &str, device: &str) -> Answer {
    app.post(&methods(user), json!({"device": {"id": device}})).await
}

async fn activate(app: &TestApp, user: &str, device: &str, code: String) -> Answer {
    app.post(&format!("{}/{device}/activate", methods(user)), json!({"verificationCode": code})).await
}

#[tokio::test]
async fn a_tokens_life() {
    on_each_backend(async |app| {
        let user = add_member(&app, ADELE).await;
        let id = add_device(&app, "100").await;
        let token = Token::hardware(SECRET);
        let body = json!({"@odata.type": "#microsoft.graph.hardwareOathAuthenticationMethod",
            "device": {"@odata.type": "#microsoft.graph.hardwareOathTokenAuthenticationMethodDevice", "id": id}});
        let answer = app.post(&methods(ADELE), body).await.expect(201);
        assert_eq!(answer.json["id"], *id);
        assert_eq!(answer.json["device"]["status"], "assigned");
        assert_eq!(answer.json["device"]["assignedTo"], json!({"id": user.as_str(), "displayName": "Adele Vance"}));
        assert_eq!(answer.json["device"]["secretKey"], Value::Null);
        assert_eq!(
            answer.headers["location"],
            format!("{}/v1.0/users/{user}/authentication/hardwareOathMethods/{id}", app.base)
        );
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "Admin registered security info");
        assert_eq!(event.target_id.as_deref(), Some(user.as_str()));

        // Wrong, then right.
        activate(&app, ADELE, &id, token.wrong_code()).await.expect_error(400, "badRequest");
        assert_eq!(status(&app, &id).await, "failedActivation");
        assert_eq!(last_event(&app).await.result, "failure");
        let code = token.code();
        let body = json!({"verificationCode": code, "displayName": "Blue token"});
        app.post(&format!("{}/{id}/activate", methods(ADELE)), body).await.expect(204);
        let shown = app.get(&format!("{}/{id}", methods(ADELE))).await.expect(200).json;
        assert_eq!((&shown["device"]["status"], &shown["displayName"]), (&json!("activated"), &json!("Blue token")));
        assert!(shown["lastUsedDateTime"].is_string());
        activate(&app, ADELE, &id, token.next_code()).await.expect_error(409, "conflict");

        // Deactivated twice; a used code stays used.
        let count = events(&app).await.len();
        for _ in 0..2 {
            app.post(&format!("{}/{id}/deactivate", methods(ADELE)), json!({})).await.expect(204);
        }
        assert_eq!(events(&app).await.len(), count + 1, "the second one changed nothing");
        assert_eq!(status(&app, &id).await, "assigned");
        activate(&app, ADELE, &id, code.clone()).await.expect_error(400, "badRequest");
        assert_eq!(status(&app, &id).await, "failedActivation");
        activate(&app, ADELE, &id, token.next_code()).await.expect(204);

        // A reset deactivates, and activation works again. Back in the inventory, used codes stay used.
        let report =
            app.post(&format!("/v1.0/users/{ADELE}/authentication/resetMfa"), json!({})).await.expect(200).json;
        assert_eq!(report["deactivated"][0]["id"], *id);
        assert_eq!(status(&app, &id).await, "assigned");
        app.delete(&format!("{}/{id}", methods(ADELE))).await.expect(204);
        assert_eq!(status(&app, &id).await, "available");
        app.get(&format!("{}/{id}", methods(ADELE))).await.expect_error(404, "resourceNotFound");
        assign(&app, ADELE, &id).await.expect(201);
        activate(&app, ADELE, &id, code).await.expect_error(400, "badRequest");
        assert_unsaid(&app, SECRET).await;
    })
    .await;
}

#[tokio::test]
async fn assigning_and_activating_in_one_step() {
    on_each_backend(async |app| {
        add_member(&app, ADELE).await;
        let (id, token) = (add_device(&app, "SN-1").await, Token::hardware(SECRET));
        let path = format!("{}/assignAndActivate", methods(ADELE));
        let body = |code: String| json!({"device": {"id": id}, "verificationCode": code});
        app.post(&path, body(token.wrong_code())).await.expect_error(400, "badRequest");
        assert_eq!(status(&app, &id).await, "available");
        assert_eq!(last_event(&app).await.result, "failure");
        app.post(&path, body(token.code())).await.expect(204);
        assert_eq!(status(&app, &id).await, "activated");
        app.post(&path, body(token.next_code())).await.expect_error(409, "conflict");

        add_device(&app, "SN-2").await;
        let path = format!("{path}BySerialNumber");
        let body =
            |serial: &str| json!({"serialNumber": serial, "verificationCode": token.code(), "displayName": "Second"});
        app.post(&path, body("SN-3")).await.expect_error(404, "resourceNotFound");
        app.post(&path, body("SN-2")).await.expect(204);
        let all = app.get(&methods(ADELE)).await.expect(200).json;
        assert_eq!(all["value"].as_array().unwrap().len(), 2);
        // Paged.
        let page = app.get(&format!("{}?$top=1", methods(ADELE))).await.expect(200).json;
        let next = page["@odata.nextLink"].as_str().unwrap().trim_start_matches(&app.base).to_owned();
        let last = app.get(&next).await.expect(200).json;
        assert_eq!([&page["value"][0], &last["value"][0]], [&all["value"][0], &all["value"][1]]);
        assert_eq!(last["@odata.nextLink"], Value::Null);
        app.get(&format!("{}?$filter=x", methods(ADELE))).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn who_may_have_which_token() {
    on_each_backend(async |app| {
        add_member(&app, ADELE).await;
        add_member(&app, "bob@contoso.example").await;
        add_user(&app, &app.tenant, "guest@contoso.example", UserType::Guest).await;
        let id = add_device(&app, "0").await;
        assign(&app, "guest@contoso.example", &id).await.expect_error(400, "badRequest");
        assign(&app, ADELE, &id).await.expect(201);
        assign(&app, ADELE, &id).await.expect_error(409, "conflict");
        assign(&app, "bob@contoso.example", &id).await.expect_error(409, "conflict");
        // Bob cannot touch Adele's token.
        let theirs = format!("{}/{id}", methods("bob@contoso.example"));
        app.get(&theirs).await.expect_error(404, "resourceNotFound");
        app.delete(&theirs).await.expect_error(404, "resourceNotFound");
        activate(&app, "bob@contoso.example", &id, "123456".into()).await.expect_error(404, "resourceNotFound");
        app.post(&format!("{theirs}/deactivate"), json!({})).await.expect_error(404, "resourceNotFound");
        for wrong in [json!({}), json!({"device": {}}), json!({"device": {"id": id, "x": 1}}), json!({"id": id})] {
            app.post(&methods(ADELE), wrong).await.expect_error(400, "badRequest");
        }
        assign(&app, ADELE, "00000000-0000-4000-8000-000000000000").await.expect_error(404, "resourceNotFound");
        for code in ["", "12345", "1234567", "abcdef"] {
            activate(&app, ADELE, &id, code.into()).await.expect_error(400, "badRequest");
        }
        assert_eq!(status(&app, &id).await, "assigned", "what is no code is no failed activation");
        // Five in all, software tokens counted.
        app.post(&format!("/v1.0/users/{ADELE}/authentication/softwareOathMethods"), json!({})).await.expect(201);
        for serial in ["1", "2", "3"] {
            assign(&app, ADELE, &add_device(&app, serial).await).await.expect(201);
        }
        let full = assign(&app, ADELE, &add_device(&app, "4").await).await.expect_error(400, "badRequest");
        assert!(full.text.contains("at most 5"), "{}", full.text);
    })
    .await;
}

#[tokio::test]
async fn one_code_activates_once() {
    on_each_backend(async |app| {
        add_member(&app, ADELE).await;
        add_member(&app, "bob@contoso.example").await;
        let token = Token::hardware(SECRET);
        let (assigned, free) = (add_device(&app, "1").await, add_device(&app, "2").await);
        assign(&app, ADELE, &assigned).await.expect(201);
        let code = token.code();
        let mut all = JoinSet::new();
        for _ in 0..16 {
            let path = format!("{}/{assigned}/activate", methods(ADELE));
            all.spawn(Answer::of(app.request(Method::POST, &path).json(&json!({"verificationCode": code}))));
        }
        assert_once(all).await;
        assert_eq!(status(&app, &assigned).await, "activated");
        let successes = events(&app).await.into_iter().filter(|event| event.result == "success");
        let activated = successes.filter(|event| event.modified_properties.contains("activated")).count();
        assert_eq!(activated, 1);

        // Two users want the same token with the same code.
        let mut all = JoinSet::new();
        for user in [ADELE, "bob@contoso.example"].iter().cycle().take(16) {
            let body = json!({"device": {"id": free}, "verificationCode": code});
            let path = format!("{}/assignAndActivate", methods(user));
            all.spawn(Answer::of(app.request(Method::POST, &path).json(&body)));
        }
        assert_once(all).await;
    })
    .await;
}

async fn assert_once(all: JoinSet<Answer>) {
    let mut statuses: Vec<_> = all.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!(statuses[1..].iter().all(|status| (400..500).contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn permissions_and_tenants_are_kept_apart() {
    on_each_backend(async |app| {
        let user = add_member(&app, ADELE).await;
        let id = add_device(&app, "1").await;
        assign(&app, ADELE, &id).await.expect(201);
        let reader = app
            .token_with(&app.tenant, &["UserAuthMethod-HardwareOATH.Read.All", "Policy.ReadWrite.AuthenticationMethod"])
            .await;
        let call = |method, path: String, token: &str, body: Value| {
            Answer::of(app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token).json(&body))
        };
        let one = format!("{}/{id}", methods(ADELE));
        let code = json!({"verificationCode": "123456"});
        call(Method::GET, one.clone(), &reader, Value::Null).await.expect(200);
        let refused = [
            (Method::POST, methods(ADELE), json!({"device": {"id": id}})),
            (Method::DELETE, one.clone(), Value::Null),
            (Method::POST, format!("{one}/activate"), code.clone()),
            (Method::POST, format!("{one}/deactivate"), Value::Null),
            (
                Method::POST,
                format!("{}/assignAndActivate", methods(ADELE)),
                json!({"device": {"id": id}, "verificationCode": "123456"}),
            ),
            (
                Method::POST,
                format!("{}/assignAndActivateBySerialNumber", methods(ADELE)),
                json!({"serialNumber": "1", "verificationCode": "123456"}),
            ),
        ];
        for (method, path, body) in refused {
            let before = events(&app).await.len();
            call(method, path, &reader, body).await.expect_error(403, "accessDenied");
            let event = last_event(&app).await;
            assert_eq!((event.result.as_str(), event.target_id.as_deref()), ("failure", Some(user.as_str())));
            assert_eq!(events(&app).await.len(), before + 1);
        }
        assert_eq!(status(&app, &id).await, "assigned");

        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        let theirs = add_user(&app, &other, "eve@fabrikam.example", UserType::Member).await;
        call(Method::GET, one, &stranger, Value::Null).await.expect_error(404, "Request_ResourceNotFound");
        let steal = json!({"device": {"id": id}});
        call(Method::POST, methods(theirs.as_str()), &stranger, steal).await.expect_error(404, "resourceNotFound");
        call(Method::GET, format!("{DEVICES}/{id}"), &stranger, Value::Null)
            .await
            .expect_error(404, "resourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn the_list_can_be_narrowed_down() {
    on_each_backend(async |app| {
        add_member(&app, ADELE).await;
        let mut ids = vec![];
        for serial in ["100", "101", "200"] {
            let id = add_device(&app, serial).await;
            assign(&app, ADELE, &id).await.expect(201);
            ids.push(id);
        }
        let body = json!({"verificationCode": Token::hardware(SECRET).code(), "displayName": "Blue token"});
        app.post(&format!("{}/{}/activate", methods(ADELE), ids[0]), body).await.expect(204);
        let serials = async |options: &str| -> Vec<String> {
            let page = app.get(&format!("{}?{options}", methods(ADELE))).await.expect(200).json;
            let tokens = page["value"].as_array().unwrap().iter();
            let mut all: Vec<_> =
                tokens.map(|token| token["device"]["serialNumber"].as_str().unwrap().to_owned()).collect();
            all.sort();
            all
        };
        for (filter, expected) in [
            ("device/status eq 'activated'", &["100"][..]),
            ("device/status eq 'assigned' and startsWith(device/serialNumber,'1')", &["101"]),
            ("not (device/serialNumber eq '101')", &["100", "200"]),
            ("displayName eq 'Blue token' or device/serialNumber eq '200'", &["100", "200"]),
            ("startsWith(displayName,'Red')", &[]),
        ] {
            assert_eq!(serials(&format!("$filter={filter}")).await, expected, "{filter}");
        }
        assert_eq!(serials(&format!("$filter=id eq '{}'", ids[2].to_uppercase())).await, ["200"]);
        let page = app.get(&format!("{}?$select=id,displayName&$top=2", methods(ADELE))).await.expect(200).json;
        let token = page["value"][0].as_object().unwrap();
        assert_eq!(token.keys().collect::<Vec<_>>(), ["id", "displayName"]);
        let link = page["@odata.nextLink"].as_str().unwrap();
        let rest = Answer::of(app.http.get(link).bearer_auth(&app.token)).await.expect(200).json;
        assert_eq!(rest["value"].as_array().unwrap().len(), 1);
        assert_eq!(rest["value"][0].as_object().unwrap().len(), 2, "the link keeps what was selected");
        for bad in ["$select=secretKey", "$select=", "$filter=device/model eq 'x'", "$orderby=id", "$top=0"] {
            app.get(&format!("{}?{bad}", methods(ADELE))).await.expect_error(400, "badRequest");
        }
    })
    .await;
}
