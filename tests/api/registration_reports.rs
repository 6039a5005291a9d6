//! The reports on all users: whatever happened before, they agree with what is told of every single user.

use std::collections::{BTreeMap, BTreeSet};

use rekey::{methods::phone::PhoneType, roles::Role, store::registrations};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    mfa_resets,
    oath_fixtures::{DEVICES, SECRET, add_device},
    support::{Answer, TestApp, on_each_backend, seed},
    totp::Token,
    users::new_user,
};

const REPORTS: &str = "/v1.0/reports/authenticationMethods";
const POLICY: &str = "/v1.0/policies/authenticationMethodsPolicy";

/// Follows a list to its end; its items, and how long its longest page was.
async fn all(app: &TestApp, path: &str) -> (Vec<Value>, usize) {
    let (mut items, mut longest) = (vec![], 0);
    let mut next = format!("{}{path}", app.base);
    loop {
        let page = Answer::of(app.http.get(&next).bearer_auth(&app.token)).await.expect(200).json;
        let value = page["value"].as_array().unwrap();
        longest = longest.max(value.len());
        items.extend(value.iter().cloned());
        match page["@odata.nextLink"].as_str() {
            Some(link) => next = link.to_owned(),
            None => return (items, longest),
        }
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

fn ids(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().map(id).collect()
}

/// What is told of one user, and what else the reports count by.
struct Known {
    details: Value,
    is_enabled: bool,
    has_password: bool,
    is_privileged: bool,
}

impl Known {
    fn is(&self, property: &str) -> bool {
        self.details[property].as_bool().unwrap()
    }

    fn has(&self, method: &str) -> bool {
        self.details["methodsRegistered"].as_array().unwrap().iter().any(|has| has == method)
            || (method == "password" && self.has_password)
    }
}

/// Walks over every user, one by one.
async fn walk(app: &TestApp) -> Vec<Known> {
    let (users, _) = all(app, "/v1.0/users?$select=id,accountEnabled").await;
    let (roles, _) = all(app, "/v1.0/roleManagement/directory/roleAssignments").await;
    let privileged = [
        Role::GlobalAdministrator,
        Role::SecurityAdministrator,
        Role::HelpdeskAdministrator,
        Role::UserAdministrator,
        Role::AuthenticationAdministrator,
    ];
    let mut known = vec![];
    for user in users {
        let (user_id, is_enabled) = (id(&user), user["accountEnabled"].as_bool().unwrap());
        let mut details = app.get(&format!("{REPORTS}/userRegistrationDetails/{user_id}")).await.expect(200).json;
        details.as_object_mut().unwrap().retain(|key, _| key != "@odata.context" && key != "lastUpdatedDateTime");
        let methods = app.get(&format!("/v1.0/users/{user_id}/authentication/methods")).await.expect(200).json;
        let types = methods["value"].as_array().unwrap().iter().map(|method| method["@odata.type"].as_str().unwrap());
        let is_privileged = |assignment: &Value| {
            assignment["principalId"] == *user_id
                && privileged.iter().any(|role| assignment["roleDefinitionId"] == role.as_str())
        };
        known.push(Known {
            has_password: types.into_iter().any(|kind| kind == "#microsoft.graph.passwordAuthenticationMethod"),
            is_privileged: roles.iter().any(is_privileged),
            is_enabled,
            details,
        });
    }
    known
}

/// Compares every report with what is known of the single users.
async fn check(app: &TestApp) {
    let known = walk(app).await;
    for (types, roles) in [
        ("all", "all"),
        ("member", "all"),
        ("guest", "all"),
        ("all", "user"),
        ("all", "admin"),
        ("all", "privilegedAdmin"),
        ("member", "user"),
        ("guest", "admin"),
    ] {
        let counted: Vec<&Known> = known
            .iter()
            .filter(|user| user.is_enabled && (types == "all" || user.details["userType"] == types))
            .filter(|user| match roles {
                "all" => true,
                "admin" => user.is("isAdmin"),
                "user" => !user.is("isAdmin"),
                _ => user.is_privileged,
            })
            .collect();
        let options = format!("includedUserTypes={types}&includedUserRoles={roles}");
        let features = app.get(&format!("{REPORTS}/usersRegisteredByFeature?{options}")).await.expect(200).json;
        let count = |property: &str| counted.iter().filter(|user| user.is(property)).count();
        let expected = json!({
            "@odata.context": format!("{}/v1.0/$metadata#userRegistrationFeatureSummary", app.base),
            "totalUserCount": counted.len(),
            "userTypes": types,
            "userRoles": roles,
            "userRegistrationFeatureCounts": [
                {"feature": "ssprRegistered", "userCount": 0},
                {"feature": "ssprEnabled", "userCount": 0},
                {"feature": "ssprCapable", "userCount": 0},
                {"feature": "passwordlessCapable", "userCount": count("isPasswordlessCapable")},
                {"feature": "mfaCapable", "userCount": count("isMfaCapable")},
            ],
        });
        assert_eq!(features, expected, "{types} {roles}");
        let methods = app.get(&format!("{REPORTS}/usersRegisteredByMethod?{options}")).await.expect(200).json;
        assert_eq!(methods["totalUserCount"], counted.len());
        for count in methods["userRegistrationMethodCounts"].as_array().unwrap() {
            let name = count["authenticationMethod"].as_str().unwrap();
            let expected = counted.iter().filter(|user| user.has(name)).count();
            assert_eq!(count["userCount"], expected, "{types} {roles} {name}");
        }
    }

    let by_id: BTreeMap<String, &Known> = known.iter().map(|known| (id(&known.details), known)).collect();
    for filter in [
        "isMfaCapable eq false",
        "isMfaCapable eq true and isMfaRegistered eq true",
        "isMfaRegistered eq true and not (isMfaCapable eq true)",
        "isPasswordlessCapable eq true or isAdmin eq true",
        "isSystemPreferredAuthenticationMethodEnabled eq false",
        "methodsRegistered/any(t:t eq 'email' or t eq 'mobilePhone') and userType eq 'member'",
        "isSsprCapable eq false",
    ] {
        let expected: BTreeSet<String> = by_id
            .iter()
            .filter(|(_, user)| match filter {
                "isMfaCapable eq false" => !user.is("isMfaCapable"),
                "isMfaCapable eq true and isMfaRegistered eq true" => user.is("isMfaCapable"),
                "isMfaRegistered eq true and not (isMfaCapable eq true)" => {
                    user.is("isMfaRegistered") && !user.is("isMfaCapable")
                }
                "isPasswordlessCapable eq true or isAdmin eq true" => {
                    user.is("isPasswordlessCapable") || user.is("isAdmin")
                }
                "isSystemPreferredAuthenticationMethodEnabled eq false" => {
                    !user.is("isSystemPreferredAuthenticationMethodEnabled")
                }
                "isSsprCapable eq false" => true,
                _ => (user.has("email") || user.has("mobilePhone")) && user.details["userType"] == "member",
            })
            .map(|(id, _)| id.clone())
            .collect();
        for top in [2, 100] {
            let (listed, longest) =
                all(app, &format!("{REPORTS}/userRegistrationDetails?$filter={filter}&$top={top}")).await;
            assert!(longest <= top);
            assert_eq!(listed.len(), expected.len(), "{filter}");
            assert_eq!(ids(&listed), expected, "{filter}");
        }
    }
    // The rows of the list are the single answers.
    let (listed, _) = all(app, &format!("{REPORTS}/userRegistrationDetails?$top=3")).await;
    assert_eq!(listed.len(), known.len());
    for mut details in listed {
        details.as_object_mut().unwrap().shift_remove("lastUpdatedDateTime").unwrap();
        assert_eq!(details, by_id[&id(&details)].details);
    }
    // No class is kept that nobody is in.
    let tenant = app.tenant.clone();
    let classes = app.app.store.read(move |tx| registrations::classes(tx, &tenant)).await.unwrap();
    assert!(classes.iter().all(|(_, users)| *users > 0), "{classes:?}");
    assert_eq!(classes.iter().map(|(_, users)| *users as usize).sum::<usize>(), known.len());
}

/// Numbers that are the same on every run (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

const CHANGES: [&str; 18] = [
    "create",
    "delete",
    "restore",
    "purge",
    "block",
    "type",
    "phone",
    "email",
    "token",
    "hardware",
    "pass",
    "remove",
    "role",
    "reset",
    "policy",
    "target",
    "preference",
    "import",
];

/// One change of something, by chance; whether it was carried out.
async fn change(app: &TestApp, dice: &mut Dice, kind: &str, number: usize) -> bool {
    let users: Vec<String> = ids(&all(app, "/v1.0/users?$select=id").await.0).into_iter().collect();
    let user = dice.pick(&users).clone();
    let path = format!("/v1.0/users/{user}");
    let methods = format!("{path}/authentication");
    let deleted = async |app: &TestApp| all(app, "/v1.0/directory/deletedItems/microsoft.graph.user").await.0;
    let answer = match kind {
        "create" => app.post("/v1.0/users", new_user(&format!("new{number}"))).await,
        "delete" if users.len() > 6 => app.delete(&path).await,
        "restore" | "purge" => {
            let gone = deleted(app).await;
            let Some(gone) = gone.first() else { return false };
            let path = format!("/v1.0/directory/deletedItems/{}", id(gone));
            if kind == "purge" {
                app.delete(&path).await
            } else {
                app.post(&format!("{path}/restore"), json!({})).await
            }
        }
        "block" => app.patch(&path, json!({"accountEnabled": dice.roll(2) == 0})).await,
        "type" => app.patch(&path, json!({"userType": *dice.pick(&["Member", "Guest"])})).await,
        "phone" => {
            let phone_type = *dice.pick(&["mobile", "alternateMobile", "office"]);
            let body = json!({"phoneNumber": format!("+1 20655501{:02}", dice.roll(100)), "phoneType": phone_type});
            app.post(&format!("{methods}/phoneMethods"), body).await
        }
        "email" => {
            let body = json!({"emailAddress": format!("somebody{number}@fabrikam.example")});
            app.post(&format!("{methods}/emailMethods"), body).await
        }
        "token" => {
            let made = app.post(&format!("{methods}/softwareOathMethods"), json!({})).await;
            if made.status != 201 || dice.roll(3) == 0 {
                made
            } else {
                let token = Token::new(made.json["secretKey"].as_str().unwrap(), "hmacsha1", 6, 30);
                let path = format!("{methods}/softwareOathMethods/{}/activate", id(&made.json));
                app.post(&path, json!({"verificationCode": token.code()})).await
            }
        }
        "hardware" => {
            let (tokens, _) = all(app, &format!("{methods}/hardwareOathMethods")).await;
            match tokens.first() {
                Some(token) if dice.roll(2) == 0 => {
                    let path = format!("{methods}/hardwareOathMethods/{}", id(token));
                    match token["device"]["status"].as_str().unwrap() {
                        "activated" => app.post(&format!("{path}/deactivate"), json!({})).await,
                        _ => app.delete(&path).await,
                    }
                }
                _ => {
                    let device = add_device(app, &format!("serial{number}")).await;
                    let code = Token::hardware(SECRET).code();
                    let body = json!({"device": {"id": device}, "verificationCode": code});
                    app.post(&format!("{methods}/hardwareOathMethods/assignAndActivate"), body).await
                }
            }
        }
        "pass" => app.post(&format!("{methods}/temporaryAccessPassMethods"), json!({})).await,
        "remove" => {
            let all = app.get(&format!("{methods}/methods")).await.expect(200).json;
            let removable: Vec<&Value> = all["value"].as_array().unwrap().iter().collect();
            let Some(method) = removable.get(dice.roll(removable.len().max(1))) else { return false };
            let collection = match method["@odata.type"].as_str().unwrap() {
                "#microsoft.graph.phoneAuthenticationMethod" => "phoneMethods",
                "#microsoft.graph.emailAuthenticationMethod" => "emailMethods",
                "#microsoft.graph.fido2AuthenticationMethod" => "fido2Methods",
                "#microsoft.graph.softwareOathAuthenticationMethod" => "softwareOathMethods",
                "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod" => "microsoftAuthenticatorMethods",
                "#microsoft.graph.temporaryAccessPassAuthenticationMethod" => "temporaryAccessPassMethods",
                _ => return false,
            };
            app.delete(&format!("{methods}/{collection}/{}", id(method))).await
        }
        "role" => {
            let path = "/v1.0/roleManagement/directory/roleAssignments";
            let (held, _) = all(app, path).await;
            match held.first().filter(|_| dice.roll(2) == 0) {
                Some(assignment) => app.delete(&format!("{path}/{}", id(assignment))).await,
                None => {
                    let role =
                        *dice.pick(&[Role::GlobalReader, Role::HelpdeskAdministrator, Role::GroupsAdministrator]);
                    let body = json!({"principalId": user, "roleDefinitionId": role.as_str(), "directoryScopeId": "/"});
                    app.post(path, body).await
                }
            }
        }
        "reset" if dice.roll(2) == 0 => app.post(&format!("{methods}/resetMfa"), json!({})).await,
        "reset" => {
            let targets: Vec<_> = users.iter().take(4).map(|user| json!({"user": user})).collect();
            let done = mfa_resets::run(app, json!({"targets": targets})).await;
            return done["status"] == "succeeded";
        }
        "policy" => {
            let id = *dice.pick(&["Fido2", "Sms", "Voice", "SoftwareOath", "HardwareOath", "MicrosoftAuthenticator"]);
            let body = match (id, dice.roll(3)) {
                ("Fido2", 0) => json!({"keyRestrictions": {
                    "isEnforced": true, "enforcementType": *dice.pick(&["allow", "block"]),
                    "aaGuids": ["ee882879-721c-4913-9775-3dfcce97072a"],
                }}),
                (_, state) => json!({"state": if state == 1 { "disabled" } else { "enabled" }}),
            };
            app.patch(&format!("{POLICY}/authenticationMethodConfigurations/{id}"), body).await
        }
        "target" => {
            let target = json!({"targetType": "user", "id": user});
            let everybody = json!({"targetType": "group", "id": "all_users"});
            let id = *dice.pick(&["Fido2", "Sms", "Voice", "SoftwareOath"]);
            match dice.roll(4) {
                0 => {
                    let system = json!({"state": "enabled", "includeTargets": [everybody], "excludeTargets": [target]});
                    app.patch(POLICY, json!({"systemCredentialPreferences": system})).await
                }
                side => {
                    let (include, exclude) = if side == 1 { (target, json!([])) } else { (everybody, json!([target])) };
                    let body = json!({"includeTargets": [include], "excludeTargets": exclude});
                    app.patch(&format!("{POLICY}/authenticationMethodConfigurations/{id}"), body).await
                }
            }
        }
        "preference" => {
            let body = json!({"isSystemPreferredAuthenticationMethodEnabled": dice.roll(2) == 0});
            app.patch(&format!("{methods}/signInPreferences"), body).await
        }
        "import" => {
            let file = format!(
                "upn,serial number,secret key,time interval,manufacturer,model\n{user},imported{number},{SECRET},30,Thales,OTP\n"
            );
            let request = app.request(Method::POST, &format!("{DEVICES}/import"));
            Answer::of(request.header("content-type", "text/csv").body(file)).await
        }
        _ => return false,
    };
    assert!(!answer.status.is_server_error(), "{kind}: {}", answer.text);
    answer.status.is_success()
}

#[tokio::test]
async fn the_reports_agree_with_every_single_user() {
    on_each_backend(async |app| {
        for name in ["anna", "ben", "cleo", "dora", "emil", "fred", "gus"] {
            let user = seed::user(&app, name).await;
            if ["ben", "dora", "fred"].contains(&name) {
                seed::every_kind(&app, &user).await;
            }
        }
        check(&app).await;
        let mut dice = Dice(20_261_123);
        let mut carried_out: BTreeMap<&str, usize> = BTreeMap::new();
        for number in 0..180 {
            let kind = *dice.pick(&CHANGES);
            if change(&app, &mut dice, kind, number).await {
                *carried_out.entry(kind).or_default() += 1;
            }
            if number % 12 == 11 {
                check(&app).await;
            }
        }
        let never: Vec<_> = CHANGES.iter().filter(|kind| !carried_out.contains_key(**kind)).collect();
        assert!(never.is_empty(), "never carried out: {never:?}; {carried_out:?}");
    })
    .await;
}

#[tokio::test]
async fn the_list_is_filtered_by_names_and_ordered() {
    on_each_backend(async |app| {
        for name in ["zoe", "adele", "alex", "alan", "ben"] {
            let user = seed::user(&app, name).await;
            if name.starts_with('a') {
                seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
            }
        }
        let list = format!("{REPORTS}/userRegistrationDetails");
        let names = async |options: &str| -> Vec<String> {
            let (listed, _) = all(&app, &format!("{list}?$top=2&{options}")).await;
            let alias = |name: &str| name.split('@').next().unwrap().to_owned();
            listed.iter().map(|details| alias(details["userPrincipalName"].as_str().unwrap())).collect()
        };
        let ascending = ["adele", "alan", "alex", "ben", "zoe"];
        for property in ["userPrincipalName", "userDisplayName"] {
            assert_eq!(names(&format!("$orderby={property}")).await, ascending);
            let mut descending = ascending;
            descending.reverse();
            assert_eq!(names(&format!("$orderby={property} desc")).await, descending);
            assert_eq!(
                names(&format!("$orderby={property} asc&$filter=isMfaRegistered eq true")).await,
                ["adele", "alan", "alex"]
            );
        }
        for (filter, expected) in [
            ("startsWith(userPrincipalName,'AL')", &["alan", "alex"][..]),
            ("userPrincipalName eq 'Ben@contoso.example'", &["ben"]),
            ("userPrincipalName eq 'ben'", &[]),
            ("startsWith(userDisplayName,'User al')", &["alan", "alex"]),
            ("startsWith(userDisplayName,'USER AL')", &["alan", "alex"]),
            ("userDisplayName eq 'user Zoe'", &["zoe"]),
            ("startsWith(userDisplayName,'User a') and startsWith(userPrincipalName,'ad')", &["adele"]),
            ("startsWith(userPrincipalName,'a') and not (userDisplayName eq 'User alan')", &["adele", "alex"]),
        ] {
            assert_eq!(names(&format!("$filter={filter}")).await, expected, "{filter}");
            let both = format!("$filter={filter}&$orderby=userPrincipalName");
            assert_eq!(names(&both).await, expected, "{filter}");
            let both = format!("$filter={filter}&$orderby=userDisplayName desc");
            assert_eq!(names(&both).await.into_iter().rev().collect::<Vec<_>>(), expected, "{filter}");
        }
        let mut either = names("$filter=userPrincipalName eq 'zoe@contoso.example' or isMfaCapable eq true").await;
        either.sort();
        assert_eq!(either, ["adele", "alan", "alex", "zoe"]);
        let zoe = app.get("/v1.0/users/zoe@contoso.example").await.expect(200).json;
        let zoe = id(&zoe);
        assert_eq!(names(&format!("$filter=id eq '{zoe}'")).await, ["zoe"]);
        assert_eq!(names(&format!("$filter=id eq '{zoe}' and isMfaCapable eq true")).await, [""; 0]);

        for (options, part) in [
            ("$filter=userDisplayName ne 'x'", "supported: eq, startsWith"),
            ("$filter=isAdmin eq 'true'", "true or false"),
            ("$filter=defaultMfaMethod eq 'none'", "'defaultMfaMethod' cannot be filtered"),
            ("$filter=methodsRegistered/any(t:t eq 'email' and t eq 'mobilePhone')", "'or'"),
            ("$filter=methodsRegistered eq 'email'", "'methodsRegistered' cannot be filtered"),
            ("$orderby=isAdmin", "$orderby is"),
            ("$select=id", "$select"),
            ("$skiptoken=x", "$skiptoken"),
        ] {
            let refused = app.get(&format!("{list}?{options}")).await.expect_error(400, "badRequest");
            assert!(refused.text.contains(part), "{options}: {}", refused.text);
        }
        // A link belongs to its own list.
        let link = app.get(&format!("{list}?$top=1")).await.expect(200).json["@odata.nextLink"].clone();
        let link = format!("{}&$orderby=userPrincipalName", link.as_str().unwrap());
        Answer::of(app.http.get(link).bearer_auth(&app.token)).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn the_counts_take_the_right_and_known_groups() {
    on_each_backend(async |app| {
        let none = app.token_with(&app.tenant, &["UserAuthenticationMethod.ReadWrite.All"]).await;
        let logs = app.token_with(&app.tenant, &["AuditLog.Read.All"]).await;
        for report in ["userRegistrationDetails", "usersRegisteredByFeature", "usersRegisteredByMethod"] {
            let path = format!("{}{REPORTS}/{report}", app.base);
            Answer::of(app.http.get(&path).bearer_auth(&none)).await.expect_error(403, "Authorization_RequestDenied");
            Answer::of(app.http.get(&path).bearer_auth(&logs)).await.expect(200);
        }
        for report in ["usersRegisteredByFeature", "usersRegisteredByMethod"] {
            for bad in ["includedUserTypes=Member", "includedUserRoles=king", "$filter=x", "includedUserTypes="] {
                let answer = app.get(&format!("{REPORTS}/{report}?{bad}")).await;
                assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
            }
        }
        let methods = app.get(&format!("{REPORTS}/usersRegisteredByMethod")).await.expect(200).json;
        assert_eq!((&methods["userTypes"], &methods["userRoles"]), (&json!("all"), &json!("all")));
        let names: Vec<_> = methods["userRegistrationMethodCounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|count| count["authenticationMethod"].as_str().unwrap())
            .collect();
        for name in ["password", "mobilePhone", "officePhone", "passKeySynced", "passKeyDeviceBound", "email"] {
            assert!(names.contains(&name), "{names:?}");
        }
        // Another tenant's users are another tenant's.
        let other = app.new_tenant("fabrikam.example").await;
        seed::user_of(&app, &other, "stranger").await;
        let features = app.get(&format!("{REPORTS}/usersRegisteredByFeature")).await.expect(200).json;
        assert_eq!(features["totalUserCount"], 0);
    })
    .await;
}
