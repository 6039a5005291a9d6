//! E-mail addresses.

use serde_json::json;

use crate::support::{Answer, on_each_backend, seed};

const EMAIL: &str = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f";

#[tokio::test]
async fn an_address_is_added_changed_and_deleted() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let base = format!("/v1.0/users/{}/authentication/emailMethods", user.user_id);
        let one = format!("{base}/{EMAIL}");
        let made = app.post(&base, json!({"emailAddress": "adele@fabrikam.example"})).await.expect(201);
        assert_eq!(made.json["id"], EMAIL);
        assert_eq!(made.json["emailAddress"], "adele@fabrikam.example");
        assert_eq!(made.headers["location"], format!("{}{one}", app.base).as_str());
        assert_eq!(app.get(&one).await.expect(200).json, made.json);
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Admin registered security info");
        assert_eq!(seed::detail(&event, "displayName").unwrap(), "a••@fabrikam.example");

        app.patch(&one, json!({"emailAddress": "vance@litware.example"})).await.expect(204);
        assert_eq!(app.get(&one).await.json["emailAddress"], "vance@litware.example");
        let event = seed::events(&app).await.remove(0);
        let masked = (json!("a••@fabrikam.example"), json!("v••@litware.example"));
        assert_eq!(seed::modified(&event), [("EmailAddress".into(), masked.0, masked.1)]);

        let before = seed::events(&app).await.len();
        app.patch(&one, json!({"emailAddress": "vance@litware.example"})).await.expect(204);
        // One per user, and an address that can be written to.
        app.post(&base, json!({"emailAddress": "second@fabrikam.example"})).await.expect_error(400, "badRequest");
        for address in [
            "",
            "adele",
            "adele@localhost",
            "a@b.example\r\nBcc: c@d.example",
            "Adele <a@b.example>",
            "a\u{1}@b.example",
        ] {
            let body = json!({"emailAddress": address});
            let refused = app.patch(&one, body).await.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], "emailAddress");
        }
        let long = format!("{}@b.example", "a".repeat(10_000));
        for body in [
            json!({"emailAddress": null}),
            json!({"emailAddress": 1}),
            json!({"id": "x"}),
            json!({"emailAddress": long}),
        ] {
            app.patch(&one, body).await.expect_error(400, "badRequest");
        }
        assert_eq!(seed::events(&app).await.len(), before);
        assert_eq!(app.get(&one).await.json["emailAddress"], "vance@litware.example");

        app.delete(&one).await.expect(204);
        app.get(&one).await.expect_error(404, "resourceNotFound");
        app.patch(&one, json!({"emailAddress": "a@b.example"})).await.expect_error(404, "resourceNotFound");
        assert!(seed::events(&app).await.iter().all(|event| !format!("{event:?}").contains("vance@")));
    })
    .await;
}

#[tokio::test]
async fn writing_takes_the_right() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        seed::every_kind(&app, &user).await;
        let base = format!("{}/v1.0/users/{}/authentication/emailMethods", app.base, user.user_id);
        let token = app.token_with(&app.tenant, &["UserAuthMethod-Email.Read.All"]).await;
        let body = json!({"emailAddress": "x@fabrikam.example"});
        for request in [
            app.http.post(&base).json(&body),
            app.http.patch(format!("{base}/{EMAIL}")).json(&body),
            app.http.delete(format!("{base}/{EMAIL}")),
        ] {
            Answer::of(request.bearer_auth(&token)).await.expect_error(403, "accessDenied");
            assert_eq!(seed::events(&app).await[0].result, "failure");
        }
    })
    .await;
}
