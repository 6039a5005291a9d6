//! `/me`: every operation that users may do to themselves, under Graph's second address for it.
//!
//! `/me/...` is answered by the same handlers as `/users/{user}/...`; the gate only rewrites the address, and the rules
//! know who calls. Here stands which of them the document names.

use serde_json::{Value, json};

/// What users may ask for under `/me`, by operation id: all that the rules let them do, as `tests/authorization.rs` tries.
const OWN: &[&str] = &[
    "getUser",
    "revokeSignInSessions",
    "listMethods",
    "getMethod",
    "listPasswordMethods",
    "getPasswordMethod",
    "listPhoneMethods",
    "createPhoneMethod",
    "getPhoneMethod",
    "deletePhoneMethod",
    "enableSmsSignIn",
    "disableSmsSignIn",
    "sendPhoneVerification",
    "verifyPhoneMethod",
    "listEmailMethods",
    "createEmailMethod",
    "getEmailMethod",
    "deleteEmailMethod",
    "sendEmailVerification",
    "verifyEmailMethod",
    "listMicrosoftAuthenticatorMethods",
    "createMicrosoftAuthenticatorMethod",
    "getMicrosoftAuthenticatorMethod",
    "deleteMicrosoftAuthenticatorMethod",
    "listSoftwareOathMethods",
    "createSoftwareOathMethod",
    "getSoftwareOathMethod",
    "deleteSoftwareOathMethod",
    "activateSoftwareOathMethod",
    "listHardwareOathMethods",
    "assignHardwareOathMethod",
    "getHardwareOathMethod",
    "unassignHardwareOathMethod",
    "activateHardwareOathMethod",
    "deactivateHardwareOathMethod",
    "resyncHardwareOathMethod",
    "assignAndActivateHardwareOathMethod",
    "assignAndActivateHardwareOathMethodBySerialNumber",
    "listFido2Methods",
    "getFido2CreationOptions",
    "createFido2Method",
    "getFido2Method",
    "deleteFido2Method",
    "listWindowsHelloForBusinessMethods",
    "getWindowsHelloForBusinessCreationOptions",
    "createWindowsHelloForBusinessMethod",
    "getWindowsHelloForBusinessMethod",
    "deleteWindowsHelloForBusinessMethod",
    "listPlatformCredentialMethods",
    "getPlatformCredentialCreationOptions",
    "createPlatformCredentialMethod",
    "getPlatformCredentialMethod",
    "deletePlatformCredentialMethod",
    "listExternalAuthenticationMethods",
    "getExternalAuthenticationMethod",
    "getQrCodePinMethod",
    "getStandardQrCode",
    "getTemporaryQrCode",
    "listTemporaryAccessPassMethods",
    "getTemporaryAccessPassMethod",
    "getSignInPreferences",
    "updateSignInPreferences",
];

/// What only users themselves may ask for: in the document it stands below `/me` alone.
const ONLY_OWN: &[&str] = &["changePassword", "updateQrPin", "postQrPinUpdate"];

const USER_PATH: &str = "/v1.0/users/{user}";
const OWN_PATH: &str = "/v1.0/me";
/// The name of the security scheme of `/me`.
const SCHEME: &str = "signIn";

/// The address under which `/v1.0/me...` is answered; `None` for any other.
pub fn rewritten(path_and_query: &str) -> Option<String> {
    let rest = path_and_query.strip_prefix(OWN_PATH)?;
    let is_me = rest.is_empty() || rest.starts_with(['/', '?']);
    is_me.then(|| format!("/v1.0/users/{}{rest}", crate::directory::ME))
}

/// Adds the addresses below `/me` to the document.
pub fn document(document: &mut Value) {
    let Some(paths) = document["paths"].as_object() else { return };
    let mut own = vec![];
    for (path, operations) in paths {
        let (Some(rest), Some(operations)) = (path.strip_prefix(USER_PATH), operations.as_object()) else { continue };
        let of_self: serde_json::Map<_, _> = operations
            .iter()
            .filter(|(_, operation)| is_named(operation, OWN) || is_named(operation, ONLY_OWN))
            .map(|(method, operation)| (method.clone(), for_self(operation)))
            .collect();
        if !of_self.is_empty() {
            own.push((format!("{OWN_PATH}{rest}"), Value::Object(of_self)));
        }
    }
    if let Some(paths) = document["paths"].as_object_mut() {
        for operations in paths.values_mut().filter_map(Value::as_object_mut) {
            operations.retain(|_, operation| !is_named(operation, ONLY_OWN));
        }
        paths.retain(|_, operations| operations.as_object().is_none_or(|operations| !operations.is_empty()));
        paths.extend(own);
    }
    document["components"]["securitySchemes"][SCHEME] = json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `outcomeToken` of a completed sign-in or, for registering, a `registrationToken`."
    });
}

fn is_named(operation: &Value, ids: &[&str]) -> bool {
    ids.iter().any(|id| operation["operationId"] == *id)
}

fn for_self(operation: &Value) -> Value {
    let mut own = operation.clone();
    own["security"] = json!([{ SCHEME: [] }]);
    if let Some(parameters) = own["parameters"].as_array_mut() {
        parameters.retain(|parameter| parameter["name"] != "user");
    }
    if is_named(operation, ONLY_OWN) {
        return own;
    }
    let id = operation["operationId"].as_str().unwrap_or_default();
    let mut letters = id.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    own["operationId"] = json!(format!("my{}{}", first.unwrap_or_default(), letters.as_str()));
    own["summary"] = json!(format!("{} (own)", operation["summary"].as_str().unwrap_or_default()));
    own["description"] = json!(
        "The same for the user who signed in. Needs the `outcomeToken` of a sign-in that was completed with \
         multifactor authentication; while a registration is due, a `registrationToken` registers methods."
    );
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_me_is_rewritten() {
        assert_eq!(rewritten("/v1.0/me").as_deref(), Some("/v1.0/users/me"));
        assert_eq!(rewritten("/v1.0/me?$select=id").as_deref(), Some("/v1.0/users/me?$select=id"));
        assert_eq!(
            rewritten("/v1.0/me/authentication/methods").as_deref(),
            Some("/v1.0/users/me/authentication/methods")
        );
        assert_eq!(rewritten("/v1.0/members"), None);
        assert_eq!(rewritten("/v1.0/users/me"), None);
    }

    #[test]
    fn every_operation_named_here_exists() {
        let document = super::super::document().unwrap();
        for id in OWN.iter().chain(ONLY_OWN) {
            assert!(document.contains(&format!("\"operationId\": \"{id}\"")), "{id}");
        }
    }
}
