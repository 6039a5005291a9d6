//! What is required of a user.

use rekey::{clock::Clock, roles::Role};
use serde_json::{Value, json};

use crate::support::{Answer, on_each_backend, seed};

const DEFAULTS: &str = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";

fn in_days(days: i64) -> String {
    Clock::System.now().plus_minutes(days * 24 * 60).to_iso()
}

#[tokio::test]
async fn when_mfa_is_required() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("/v1.0/users/{}/authentication/requirements", user.user_id);
        let context = format!("{}/v1.0/$metadata#users('{}')/authentication/requirements", app.base, user.user_id);
        let expected = json!({
            "@odata.context": context, "perUserMfaState": "disabled",
            "mfaOptOut": {"isOptedOut": false, "reason": null, "expirationDateTime": null},
            "registrationRequired": false, "registrationRequiredDateTime": null, "registrationRequiredReason": null,
            "isMfaRequired": true, "lockouts": [],
        });
        assert_eq!(app.get(&path).await.expect(200).json, expected);
        let required = async || app.get(&path).await.json["isMfaRequired"].clone();

        let end = in_days(30);
        let opt_out = json!({"mfaOptOut": {"isOptedOut": true, "reason": "Broken arm", "expirationDateTime": end}});
        app.patch(&path, opt_out).await.expect(204);
        let read = app.get(&path).await.json;
        assert_eq!(read["mfaOptOut"], json!({"isOptedOut": true, "reason": "Broken arm", "expirationDateTime": end}));
        assert_eq!(read["isMfaRequired"], false);
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Admin changed authentication requirements");
        assert_eq!(event.target_id.as_deref(), Some(user.user_id.as_str()));
        assert_eq!(seed::modified(&event)[0], ("MfaOptOutReason".into(), Value::Null, json!("Broken arm")));

        // What is required of this user is required all the same.
        for state in ["enabled", "enforced"] {
            app.patch(&path, json!({"perUserMfaState": state})).await.expect(204);
            assert_eq!(app.get(&path).await.json["perUserMfaState"], state);
            assert_eq!(required().await, true);
        }
        let event = seed::events(&app).await.remove(0);
        let change = ("StrongAuthenticationRequirement".into(), json!("enabled"), json!("enforced"));
        assert_eq!(seed::modified(&event), [change]);
        app.patch(DEFAULTS, json!({"isEnabled": false})).await.expect(204);
        assert_eq!(required().await, true);
        app.patch(&path, json!({"perUserMfaState": "disabled"})).await.expect(204);
        assert_eq!(required().await, false);
        // Opting in again, in either way.
        for opt_in in [json!({"mfaOptOut": null}), json!({"mfaOptOut": {"isOptedOut": false, "reason": "Broken arm"}})]
        {
            app.patch(&path, json!({"mfaOptOut": {"isOptedOut": true, "reason": "x", "expirationDateTime": end}}))
                .await
                .expect(204);
            app.patch(&path, opt_in).await.expect(204);
            let none = json!({"isOptedOut": false, "reason": null, "expirationDateTime": null});
            assert_eq!(app.get(&path).await.json["mfaOptOut"], none);
        }
        assert_eq!(required().await, false);
        app.patch(DEFAULTS, json!({"isEnabled": true})).await.expect(204);
        assert_eq!(required().await, true);

        // An opt-out that has expired is none.
        seed::set_requirements(&app, &user, |requirements| {
            requirements.opt_out_reason = Some("Broken arm".into());
            requirements.opt_out_expires_at = Some(seed::created());
        })
        .await;
        let read = app.get(&path).await.json;
        assert_eq!((&read["mfaOptOut"]["isOptedOut"], &read["isMfaRequired"]), (&json!(false), &json!(true)));
    })
    .await;
}

#[tokio::test]
async fn what_breaks_a_rule_changes_nothing() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("/v1.0/users/{}/authentication/requirements", user.user_id);
        let before = app.get(&path).await.text;
        let out = |reason: Value, end: Value| json!({"mfaOptOut": {"isOptedOut": true, "reason": reason, "expirationDateTime": end}});
        let good = json!(in_days(30));
        for body in [
            out(Value::Null, good.clone()),
            out(json!(""), good.clone()),
            out(json!(true), good.clone()),
            out(json!("a\u{7}b"), good.clone()),
            out(json!("x".repeat(1_001)), good.clone()),
            out(json!("Broken arm"), Value::Null),
            out(json!("Broken arm"), json!(in_days(-1))),
            out(json!("Broken arm"), json!(in_days(366))),
            out(json!("Broken arm"), json!("tomorrow")),
            json!({"mfaOptOut": {"reason": "Broken arm", "expirationDateTime": good}}),
            json!({"mfaOptOut": {"isOptedOut": true}}),
            json!({"mfaOptOut": {"isOptedOut": "false"}}),
            json!({"mfaOptOut": {"isOptedOut": false, "until": 1}}),
            json!({"mfaOptOut": true}),
            json!({"perUserMfaState": null}),
            json!({"perUserMfaState": "Enforced"}),
            json!({"perUserMfaState": "sometimes"}),
            json!({"registrationRequired": true}),
            json!({"registrationRequiredDateTime": null}),
            json!({"registrationRequiredReason": "x"}),
            json!({"isMfaRequired": false}),
            // All or nothing.
            json!({"perUserMfaState": "enforced", "mfaOptOut": {"isOptedOut": true}}),
        ] {
            app.patch(&path, body).await.expect_error(400, "badRequest");
        }
        app.patch(&path, json!({})).await.expect(204);
        app.patch(&path, json!({"perUserMfaState": "disabled", "mfaOptOut": null})).await.expect(204);
        assert_eq!(app.get(&path).await.text, before);
        assert!(seed::events(&app).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn it_takes_the_right() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("{}/v1.0/users/{}/authentication/requirements", app.base, user.user_id);
        let body = json!({"perUserMfaState": "enforced"});
        for permission in ["UserAuthenticationMethod.Read.All", "MfaReset.ReadWrite.All", "Policy.Read.All"] {
            let token = app.token_with(&app.tenant, &[permission]).await;
            Answer::of(app.http.get(&path).bearer_auth(&token)).await.expect(200);
            Answer::of(app.http.patch(&path).json(&body).bearer_auth(&token)).await.expect_error(403, "accessDenied");
            assert_eq!(seed::events(&app).await[0].result, "failure");
        }
        let token = app.token_with(&app.tenant, &["User.Read.All"]).await;
        Answer::of(app.http.get(&path).bearer_auth(&token)).await.expect_error(403, "accessDenied");
        // Who manages methods does not decide whether they are required.
        let (_, admin) = seed::admin(&app, "admin", Role::PrivilegedAuthenticationAdministrator).await;
        Answer::of(app.http.get(&path).bearer_auth(&admin)).await.expect(200);
        Answer::of(app.http.patch(&path).json(&body).bearer_auth(&admin)).await.expect_error(403, "accessDenied");
        let (_, policy) = seed::admin(&app, "policy", Role::AuthenticationPolicyAdministrator).await;
        Answer::of(app.http.patch(&path).json(&body).bearer_auth(&policy)).await.expect(204);
        app.get("/v1.0/users/nobody/authentication/requirements").await.expect_error(404, "Request_ResourceNotFound");
    })
    .await;
}
