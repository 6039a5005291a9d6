//! What applies to the whole tenant.

use rekey::roles::Role;
use serde_json::json;

use crate::support::{Answer, on_each_backend, seed};

const PATH: &str = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";

#[tokio::test]
async fn security_defaults_are_switched() {
    on_each_backend(async |app| {
        let read = app.get(PATH).await.expect(200).json;
        assert_eq!(read["id"], "00000000-0000-0000-0000-000000000005");
        assert_eq!(read["displayName"], "Security Defaults");
        assert!(read["description"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(read["isEnabled"], true);
        assert!(
            read["@odata.context"]
                .as_str()
                .unwrap()
                .ends_with("#policies/identitySecurityDefaultsEnforcementPolicy/$entity")
        );

        app.patch(PATH, json!({"isEnabled": false})).await.expect(204);
        assert_eq!(app.get(PATH).await.json["isEnabled"], false);
        let event = seed::events(&app).await.remove(0);
        assert_eq!(
            (event.activity_display_name.as_str(), event.category.as_str()),
            ("Update security defaults", "Policy")
        );
        assert_eq!(event.target_id.as_deref(), Some("00000000-0000-0000-0000-000000000005"));
        assert_eq!(seed::modified(&event), [("IsEnabled".into(), json!(true), json!(false))]);

        // Nothing changed: no event.
        app.patch(PATH, json!({"isEnabled": false})).await.expect(204);
        app.patch(PATH, json!({})).await.expect(204);
        for body in [
            json!({"isEnabled": null}),
            json!({"isEnabled": "false"}),
            json!({"isEnabled": true, "displayName": "x"}),
            json!([]),
        ] {
            app.patch(PATH, body).await.expect_error(400, "badRequest");
        }
        assert_eq!(app.get(PATH).await.json["isEnabled"], false);
        assert_eq!(seed::events(&app).await.len(), 1);

        // Another tenant's are its own.
        let other = app.new_tenant("fabrikam.example").await;
        let token = app.token_with(&other, &["Policy.ReadWrite.SecurityDefaults"]).await;
        let theirs = Answer::of(app.http.get(format!("{}{PATH}", app.base)).bearer_auth(token)).await.expect(200);
        assert_eq!(theirs.json["isEnabled"], true);
    })
    .await;
}

#[tokio::test]
async fn it_takes_the_right() {
    on_each_backend(async |app| {
        let path = format!("{}{PATH}", app.base);
        let body = json!({"isEnabled": false});
        let reader = app.token_with(&app.tenant, &["Policy.Read.All"]).await;
        let none = app.token_with(&app.tenant, &["UserAuthenticationMethod.ReadWrite.All"]).await;
        Answer::of(app.http.get(&path).bearer_auth(&reader)).await.expect(200);
        Answer::of(app.http.get(&path).bearer_auth(&none)).await.expect_error(403, "accessDenied");
        for token in [&reader, &none] {
            let change = app.http.patch(&path).json(&body).bearer_auth(token);
            Answer::of(change).await.expect_error(403, "accessDenied");
            assert_eq!(seed::events(&app).await[0].result, "failure");
        }
        let (_, admin) = seed::admin(&app, "admin", Role::AuthenticationAdministrator).await;
        Answer::of(app.http.patch(&path).json(&body).bearer_auth(&admin)).await.expect_error(403, "accessDenied");
        let (_, security) = seed::admin(&app, "security", Role::SecurityAdministrator).await;
        Answer::of(app.http.patch(&path).json(&body).bearer_auth(&security)).await.expect(204);
    })
    .await;
}
