//! The inventory of hardware OATH tokens.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{DEVICES, SECRET, add_device, add_member, assert_unsaid, device, events, last_event, status},
    support::{Answer, on_each_backend},
};

const ADELE: &str = "adele@contoso.example";

fn with(serial: &str, changes: Value) -> Value {
    let mut body = device(serial);
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_token_is_added_changed_and_deleted() {
    on_each_backend(async |app| {
        let answer = app.post(DEVICES, with("SN-1", json!({"hashFunction": "hmacsha256", "displayName": "Spare"}))).await;
        let answer = answer.expect(201);
        let id = answer.json["id"].as_str().unwrap().to_owned();
        assert_eq!(answer.headers["location"], format!("{}{DEVICES}/{id}", app.base));
        let context = format!("{}/v1.0/$metadata#directory/authenticationMethodDevices/hardwareOathDevices/$entity", app.base);
        let expected = json!({"@odata.context": context, "id": id, "displayName": "Spare", "serialNumber": "SN-1", "manufacturer": "Thales",
            "model": "OTP 110", "secretKey": null, "timeIntervalInSeconds": 30, "hashFunction": "hmacsha256", "otpType": "totp", "digits": 6, "status": "available",
            "assignedTo": null, "lastUsedDateTime": null});
        assert_eq!(answer.json, expected);
        assert_eq!(last_event(&app).await.activity_display_name, "Create Hardware Oath Token");
        let one = format!("{DEVICES}/{id}");
        assert_eq!(app.get(&one).await.expect(200).json, expected);

        app.patch(&one, json!({"model": "OTP 111", "timeIntervalInSeconds": 60, "displayName": null})).await.expect(204);
        let changed = app.get(&one).await.expect(200).json;
        assert_eq!((&changed["model"], &changed["timeIntervalInSeconds"], &changed["displayName"]), (&json!("OTP 111"), &json!(60), &Value::Null));
        assert_eq!(changed["manufacturer"], "Thales");
        let count = events(&app).await.len();
        app.patch(&one, json!({})).await.expect(204);
        assert_eq!(events(&app).await.len(), count, "nothing changed, nothing recorded");
        for wrong in [
            json!({"secretKey": SECRET}),
            json!({"serialNumber": "SN-2"}),
            json!({"status": "activated"}),
            json!({"model": null}),
            json!({"model": " "}),
            json!({"timeIntervalInSeconds": 31}),
            json!({"hashFunction": "hmacmd5"}),
        ] {
            app.patch(&one, wrong).await.expect_error(400, "badRequest");
        }

        // Nobody changes or deletes what somebody has.
        add_member(&app, ADELE).await;
        app.post(&format!("{one}/assignTo"), json!({"id": ADELE})).await.expect(204);
        assert_eq!(status(&app, &id).await, "assigned");
        app.patch(&one, json!({"model": "OTP 112"})).await.expect_error(409, "conflict");
        app.delete(&one).await.expect_error(409, "conflict");
        app.post(&format!("{one}/assignTo"), json!({"id": ADELE})).await.expect_error(409, "conflict");
        app.post(&format!("{one}/assignTo"), json!({"id": "nobody"})).await.expect_error(404, "Request_ResourceNotFound");
        app.delete(&format!("/v1.0/users/{ADELE}/authentication/hardwareOathMethods/{id}")).await.expect(204);
        app.delete(&one).await.expect(204);
        assert_eq!(last_event(&app).await.activity_display_name, "Delete Hardware Oath Token");
        app.get(&one).await.expect_error(404, "resourceNotFound");
        app.delete(&one).await.expect_error(404, "resourceNotFound");
        app.get(&format!("{DEVICES}/nonsense")).await.expect_error(404, "resourceNotFound");
        assert_unsaid(&app, SECRET).await;
    })
    .await;
}

#[tokio::test]
async fn wrong_tokens_are_refused() {
    on_each_backend(async |app| {
        for wrong in [
            json!({"secretKey": "GEZDGNBV"}),
            json!({"secretKey": "GEZDGNBVGY3TQ018"}),
            json!({"secretKey": "A".repeat(129)}),
            json!({"secretKey": null}),
            json!({"timeIntervalInSeconds": 45}),
            json!({"timeIntervalInSeconds": "30"}),
            json!({"hashFunction": "hmacmd5"}),
            json!({"serialNumber": ""}),
            json!({"serialNumber": "a\nb"}),
            json!({"serialNumber": "x".repeat(129)}),
            json!({"model": "  "}),
            json!({"color": "blue"}),
        ] {
            let answer = app.post(DEVICES, with("1", wrong.clone())).await.expect_error(400, "badRequest");
            if let Some(secret) = wrong["secretKey"].as_str() {
                assert!(!answer.text.contains(secret), "{}", answer.text);
            }
        }
        app.post(DEVICES, with("1", json!({"assignTo": {"id": "nobody"}})))
            .await
            .expect_error(404, "Request_ResourceNotFound");
        assert_eq!(app.get(DEVICES).await.expect(200).json["value"], json!([]));
        assert!(events(&app).await.is_empty());
        add_device(&app, "1").await;
        let again = app.post(DEVICES, device(" 1 ")).await.expect_error(409, "conflict");
        assert!(again.text.contains("serial number 1"), "{}", again.text);
    })
    .await;
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    on_each_backend(async |app| {
        let user = add_member(&app, ADELE).await;
        for serial in ["1", "2", "it's"] {
            add_device(&app, serial).await;
        }
        app.post(DEVICES, with("4", json!({"assignTo": {"id": user.as_str()}}))).await.expect(201);
        let serials = async |query: &str| {
            let answer = app.get(&format!("{DEVICES}?{query}")).await.expect(200).json;
            let mut serials: Vec<_> = answer["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["serialNumber"].as_str().unwrap().to_owned())
                .collect();
            serials.sort();
            serials
        };
        assert_eq!(serials("").await, ["1", "2", "4", "it's"]);
        assert_eq!(serials("$filter=status eq 'assigned'").await, ["4"]);
        assert_eq!(serials("%24filter=serialNumber+eq+'it''s'").await, ["it's"]);
        assert_eq!(serials("$filter=status eq 'available' and serialNumber eq '2'").await, ["2"]);
        assert_eq!(serials("$filter=status eq 'assigned' and serialNumber eq '2'").await, [""; 0]);
        let assigned = app.get(&format!("{DEVICES}?$filter=status eq 'assigned'")).await.expect(200).json;
        assert_eq!(assigned["value"][0]["assignedTo"], json!({"id": user.as_str(), "displayName": "Adele Vance"}));

        let (mut seen, mut next) = (vec![], format!("{DEVICES}?$top=2&$filter=status%20eq%20%27available%27"));
        loop {
            let page = app.get(&next).await.expect(200).json;
            seen.extend(page["value"].as_array().unwrap().iter().map(|item| item["serialNumber"].clone()));
            let Some(link) = page["@odata.nextLink"].as_str() else { break };
            next = link.trim_start_matches(&app.base).to_owned();
        }
        assert_eq!(seen.len(), 3);
        for wrong in [
            "$filter=model eq 'x'",
            "$filter=status eq 'lost'",
            "$select=id",
            "$top=0",
            "$top=1000",
            "$skiptoken=!",
            "$orderby=id",
        ] {
            app.get(&format!("{DEVICES}?{wrong}")).await.expect_error(400, "badRequest");
        }
    })
    .await;
}

#[tokio::test]
async fn many_tokens_are_added_all_or_none() {
    on_each_backend(async |app| {
        add_member(&app, ADELE).await;
        let bulk = |items: Vec<Value>| app.patch(DEVICES, json!({"@context": "#$delta", "value": items}));
        let item = |number: usize, changes| {
            let mut item = with(&format!("SN-{number}"), changes);
            item["@contentId"] = json!(number.to_string());
            item
        };
        let answer =
            bulk(vec![item(1, json!({"timeIntervalInSeconds": "60"})), item(2, json!({"assignTo": {"id": ADELE}}))])
                .await
                .expect(201);
        assert_eq!(
            (&answer.json["value"][0]["serialNumber"], &answer.json["value"][0]["timeIntervalInSeconds"]),
            (&json!("SN-1"), &json!(60))
        );
        assert_eq!(answer.json["value"][1]["status"], "assigned");
        let count = events(&app).await.len();
        assert_eq!(count, 3, "two created, one assigned");

        let wrong =
            bulk(vec![item(3, json!({})), item(4, json!({"secretKey": "0"}))]).await.expect_error(400, "badRequest");
        assert_eq!(wrong.json["error"]["target"], "value[1].secretKey");
        let twice = bulk(vec![item(3, json!({})), item(3, json!({}))]).await.expect_error(409, "conflict");
        assert!(twice.text.contains("value[1]"), "{}", twice.text);
        bulk(vec![item(3, json!({})), item(1, json!({}))]).await.expect_error(409, "conflict");
        bulk(vec![item(3, json!({})), item(4, json!({"assignTo": {"id": "nobody"}}))])
            .await
            .expect_error(404, "Request_ResourceNotFound");
        bulk(vec![]).await.expect_error(400, "badRequest");
        bulk((0..101).map(|number| item(number + 10, json!({}))).collect()).await.expect_error(400, "badRequest");
        assert_eq!(app.get(DEVICES).await.expect(200).json["value"].as_array().unwrap().len(), 2);
        assert_eq!(events(&app).await.len(), count);
        bulk((0..100).map(|number| item(number + 10, json!({}))).collect()).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn permissions_and_tenants_are_kept_apart() {
    on_each_backend(async |app| {
        add_member(&app, ADELE).await;
        let id = add_device(&app, "1").await;
        let one = format!("{DEVICES}/{id}");
        let call = |method, path: &str, token: &str, body: Value| {
            Answer::of(app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token).json(&body))
        };
        let reader = app.token_with(&app.tenant, &["Policy.Read.All"]).await;
        call(Method::GET, DEVICES, &reader, Value::Null).await.expect(200);
        call(Method::GET, &one, &reader, Value::Null).await.expect(200);
        let refused = [
            (Method::POST, DEVICES.to_owned(), device("2")),
            (Method::PATCH, DEVICES.to_owned(), json!({"value": [device("2")]})),
            (Method::PATCH, one.clone(), json!({"model": "x"})),
            (Method::DELETE, one.clone(), Value::Null),
            (Method::POST, format!("{one}/assignTo"), json!({"id": ADELE})),
        ];
        for (method, path, body) in refused {
            call(method, &path, &reader, body).await.expect_error(403, "accessDenied");
            assert_eq!(last_event(&app).await.result, "failure");
        }
        // To hand a token out takes the right over the user's methods.
        let keeper = app.token_with(&app.tenant, &["Policy.ReadWrite.AuthenticationMethod"]).await;
        call(Method::POST, DEVICES, &keeper, with("2", json!({"assignTo": {"id": ADELE}})))
            .await
            .expect_error(403, "accessDenied");
        call(Method::POST, DEVICES, &keeper, device("2")).await.expect(201);
        let methods = app.token_with(&app.tenant, &["UserAuthMethod-HardwareOATH.ReadWrite.All"]).await;
        call(Method::GET, DEVICES, &methods, Value::Null).await.expect_error(403, "accessDenied");
        call(Method::POST, &format!("{one}/assignTo"), &methods, json!({"id": ADELE})).await.expect(204);

        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        assert_eq!(call(Method::GET, DEVICES, &stranger, Value::Null).await.expect(200).json["value"], json!([]));
        call(Method::GET, &one, &stranger, Value::Null).await.expect_error(404, "resourceNotFound");
        call(Method::PATCH, &one, &stranger, json!({"model": "x"})).await.expect_error(404, "resourceNotFound");
        call(Method::DELETE, &one, &stranger, Value::Null).await.expect_error(404, "resourceNotFound");
        call(Method::POST, DEVICES, &stranger, device("1")).await.expect(201);
    })
    .await;
}
