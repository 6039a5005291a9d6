//! What a user has registered, as the report tells it.

use rekey::roles::Role;
use reqwest::Method;
use serde_json::json;

use crate::{
    sign_in_fixtures::as_user,
    support::{on_each_backend, seed},
};

const REPORT: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";

#[tokio::test]
async fn the_report_tells_what_is_there_now() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("{REPORT}/{}", user.user_id);
        let mut empty = app.get(&path).await.expect(200).json;
        let updated = empty.as_object_mut().unwrap().shift_remove("lastUpdatedDateTime").unwrap();
        assert!(updated.as_str().unwrap().ends_with('Z'));
        let expected = json!({
            "@odata.context": format!("{}/v1.0/$metadata#reports/authenticationMethods/userRegistrationDetails/$entity", app.base),
            "id": user.user_id.as_str(),
            "userPrincipalName": "adele@contoso.example",
            "userDisplayName": "User adele",
            "userType": "member",
            "isAdmin": false,
            "isMfaRegistered": false,
            "isMfaCapable": false,
            "isPasswordlessCapable": false,
            "isSsprRegistered": false,
            "isSsprEnabled": false,
            "isSsprCapable": false,
            "isSystemPreferredAuthenticationMethodEnabled": true,
            "methodsRegistered": [],
            "systemPreferredAuthenticationMethods": [],
            "userPreferredMethodForSecondaryAuthentication": "none",
            "defaultMfaMethod": "none",
        });
        assert_eq!(empty, expected);

        // A pass and an address are no registration.
        let methods = format!("/v1.0/users/{}/authentication", user.user_id);
        app.post(&format!("{methods}/temporaryAccessPassMethods"), json!({})).await.expect(201);
        app.post(&format!("{methods}/emailMethods"), json!({"emailAddress": "adele@example.com"})).await.expect(201);
        // A token that was not activated either.
        app.post(&format!("{methods}/softwareOathMethods"), json!({})).await.expect(201);
        let report = app.get(&path).await.expect(200).json;
        assert_eq!((&report["isMfaRegistered"], &report["isMfaCapable"]), (&json!(false), &json!(false)));
        assert_eq!(report["methodsRegistered"], json!(["email", "temporaryAccessPass"]));

        let rich = seed::user(&app, "alex").await;
        seed::every_kind(&app, &rich).await;
        seed::grant(&app, &rich, Role::HelpdeskAdministrator).await;
        let report = app.get(&format!("{REPORT}/{}", rich.user_principal_name)).await.expect(200).json;
        for property in ["isAdmin", "isMfaRegistered", "isMfaCapable", "isPasswordlessCapable"] {
            assert_eq!(report[property], true, "{property}");
        }
        let all = [
            "alternateMobilePhone",
            "email",
            "hardwareOneTimePasscode",
            "microsoftAuthenticatorPush",
            "mobilePhone",
            "officePhone",
            "passKeyDeviceBound",
            "softwareOneTimePasscode",
            "temporaryAccessPass",
        ];
        assert_eq!(report["methodsRegistered"], json!(all));
        let preferences = format!("/v1.0/users/{}/authentication/signInPreferences", rich.user_id);
        for (preferred, method) in [
            ("push", "microsoftAuthenticatorPush"),
            ("oath", "softwareOneTimePasscode"),
            ("voiceMobile", "mobilePhone"),
            ("voiceAlternateMobile", "alternateMobilePhone"),
            ("voiceOffice", "officePhone"),
            ("sms", "mobilePhone"),
        ] {
            let body = json!({"userPreferredMethodForSecondaryAuthentication": preferred});
            app.patch(&preferences, body).await.expect(204);
            let report = app.get(&format!("{REPORT}/{}", rich.user_id)).await.expect(200).json;
            assert_eq!(report["userPreferredMethodForSecondaryAuthentication"], preferred);
            assert_eq!(report["defaultMfaMethod"], method, "{preferred}");
        }
        let fido2 = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/Fido2";
        app.patch(fido2, json!({"state": "disabled"})).await.expect(204);
        let report = app.get(&format!("{REPORT}/{}", rich.user_id)).await.expect(200).json;
        assert_eq!((&report["isPasswordlessCapable"], &report["isMfaCapable"]), (&json!(false), &json!(true)));
        // A reset takes it all away.
        app.delete(fido2).await.expect(204);
        let reset = json!({"alsoDelete": ["fido2", "temporaryAccessPass"]});
        app.post(&format!("/v1.0/users/{}/authentication/resetMfa", rich.user_id), reset).await.expect(200);
        let report = app.get(&format!("{REPORT}/{}", rich.user_id)).await.expect(200).json;
        assert_eq!((&report["isMfaRegistered"], &report["isPasswordlessCapable"]), (&json!(false), &json!(false)));
    })
    .await;
}

#[tokio::test]
async fn it_takes_the_right() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("{REPORT}/{}", user.user_id);
        let (_, reports) = seed::admin(&app, "reports", Role::ReportsReader).await;
        let (_, helper) = seed::admin(&app, "helper", Role::AuthenticationAdministrator).await;
        let logs = app.token_with(&app.tenant, &["AuditLog.Read.All"]).await;
        let none = app.token_with(&app.tenant, &["UserAuthenticationMethod.ReadWrite.All"]).await;
        for (token, status) in [(&reports, 200), (&helper, 403), (&logs, 200), (&none, 403)] {
            as_user(&app, token, Method::GET, &path, json!({})).await.expect(status);
        }
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &["AuditLog.Read.All"]).await;
        as_user(&app, &stranger, Method::GET, &path, json!({})).await.expect_error(404, "Request_ResourceNotFound");
        app.get(&format!("{path}?$select=id")).await.expect_error(400, "badRequest");
    })
    .await;
}
