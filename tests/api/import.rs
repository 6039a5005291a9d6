//! The CSV import of hardware OATH tokens.

use rekey::store::users::UserType;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{DEVICES, SECRET, add_member, add_user, assert_unsaid, events},
    support::{Answer, TestApp, on_each_backend},
    totp::Token,
};

const HEADER: &str = "upn,serial number,secret key,time interval,manufacturer,model\n";

async fn import(app: &TestApp, token: &str, file: impl Into<String>) -> Answer {
    let request = app.http.request(Method::POST, format!("{}{DEVICES}/import", app.base)).bearer_auth(token);
    Answer::of(request.header("content-type", "text/csv; charset=utf-8").body(file.into())).await
}

fn counts(answer: &Value) -> [u64; 4] {
    let count = |name| answer[name].as_u64().unwrap();
    [count("imported"), count("assigned"), count("skipped"), answer["failed"].as_array().unwrap().len() as u64]
}

#[tokio::test]
async fn good_rows_land_and_bad_ones_are_reported() {
    on_each_backend(async |app| {
        add_member(&app, "adele@contoso.example").await;
        add_user(&app, &app.tenant, "guest@contoso.example", UserType::Guest).await;
        let file = format!(
            "{HEADER}adele@contoso.example,1,{SECRET},30,Thales,OTP 110\n\
             ,2,{SECRET},60,Thales,OTP 110\n\
             nobody@contoso.example,3,{SECRET},30,Thales,OTP 110\n\
             guest@contoso.example,4,{SECRET},30,Thales,OTP 110\n\
             ,5,NOTBASE32018NOTBASE32,30,Thales,OTP 110\n\
             ,6,{SECRET},45,Thales,OTP 110\n\
             ,7,{SECRET},30,,OTP 110\n\
             ,2,{SECRET},30,Thales,OTP 110\n"
        );
        let answer = import(&app, &app.token, file.clone()).await.expect(200);
        assert_eq!(counts(&answer.json), [4, 1, 1, 5], "{}", answer.text);
        let lines: Vec<_> =
            answer.json["failed"].as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, [4, 5, 6, 7, 8]);
        let unknown = answer.json["failed"][0]["reason"].as_str().unwrap();
        assert!(
            unknown.contains("nobody@contoso.example does not exist") && unknown.contains("unassigned"),
            "{unknown}"
        );
        assert!(!answer.text.contains(SECRET) && !answer.text.contains("NOTBASE32"), "{}", answer.text);
        let named: Vec<_> = events(&app).await.into_iter().map(|event| event.activity_display_name).collect();
        assert_eq!(named, ["Admin registered security info", "Bulk upload Hardware Oath Tokens"]);
        assert_unsaid(&app, SECRET).await;

        // Again: nothing is added, and nothing is recorded.
        let again = import(&app, &app.token, file.clone()).await.expect(200);
        assert_eq!(counts(&again.json), [0, 0, 5, 5], "{}", again.text);
        assert_eq!(events(&app).await.len(), 2);

        // The user who was missing has come.
        add_member(&app, "nobody@contoso.example").await;
        let third = import(&app, &app.token, file).await.expect(200);
        assert_eq!(counts(&third.json), [0, 1, 5, 4], "{}", third.text);

        // What was imported works.
        let list =
            app.get("/v1.0/users/adele@contoso.example/authentication/hardwareOathMethods").await.expect(200).json;
        let id = list["value"][0]["id"].as_str().unwrap();
        let code = json!({"verificationCode": Token::hardware(SECRET).code()});
        let path = format!("/v1.0/users/adele@contoso.example/authentication/hardwareOathMethods/{id}/activate");
        app.post(&path, code).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn long_files_land_in_pieces() {
    on_each_backend(async |app| {
        let rows: String = (0..450).map(|number| format!(",S{number},{SECRET},30,Thales,OTP 110\r\n")).collect();
        let file = format!("\u{feff}{}{rows}", HEADER.to_uppercase());
        let send = |body: String| {
            let request = app.request(Method::POST, &format!("{DEVICES}/import")).header("content-type", "text/csv");
            Answer::of(request.header("idempotency-key", "long").body(body))
        };
        let answer = send(file.clone()).await.expect(200);
        assert_eq!(counts(&answer.json), [450, 0, 0, 0], "{}", answer.text);
        let events = events(&app).await;
        assert_eq!(events.len(), 3, "one for each piece");
        assert!(events[0].additional_details.contains("S199") && !events[0].additional_details.contains("S200"));
        // The same request again gets the same answer; another file under the same key gets none.
        assert_eq!(send(file.clone()).await.expect(200).json, answer.json);
        send(format!("{file},X,{SECRET},30,Thales,OTP 110\n")).await.expect(422);
        let list = app.get(&format!("{DEVICES}?$top=999")).await.expect(200).json;
        assert_eq!(list["value"].as_array().unwrap().len(), 450);
    })
    .await;
}

#[tokio::test]
async fn files_that_are_none_are_refused() {
    on_each_backend(async |app| {
        for file in ["", "x", "upn;serial number\n", "\u{0}\u{0}"] {
            let answer = import(&app, &app.token, file).await.expect_error(400, "badRequest");
            assert!(answer.text.contains("serial number"), "{}", answer.text);
        }
        assert_eq!(counts(&import(&app, &app.token, HEADER).await.expect(200).json), [0, 0, 0, 0]);
        let json = app.post(&format!("{DEVICES}/import"), json!({})).await.expect_error(415, "unsupportedMediaType");
        assert!(json.text.contains("text/csv"), "{}", json.text);
        app.get(&format!("{DEVICES}/import")).await.expect_error(405, "notAllowed");
        assert!(events(&app).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn who_may_not_import_learns_nothing() {
    on_each_backend(async |app| {
        add_member(&app, "adele@contoso.example").await;
        let reader = app.token_with(&app.tenant, &["Policy.Read.All", "UserAuthenticationMethod.ReadWrite.All"]).await;
        for file in [HEADER, "nonsense"] {
            import(&app, &reader, file).await.expect_error(403, "accessDenied");
        }
        assert!(events(&app).await.iter().all(|event| event.result == "failure"));
        // The keeper of the inventory imports; to assign takes the right over the user's methods.
        let keeper = app.token_with(&app.tenant, &["Policy.ReadWrite.AuthenticationMethod"]).await;
        let row = format!("{HEADER}adele@contoso.example,1,{SECRET},30,Thales,OTP 110\n");
        let answer = import(&app, &keeper, row).await.expect(200);
        assert_eq!(counts(&answer.json), [1, 0, 0, 1], "{}", answer.text);
        assert!(answer.text.contains("UserAuthMethod-HardwareOATH.ReadWrite.All"), "{}", answer.text);
    })
    .await;
}
