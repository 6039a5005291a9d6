//! `docs/graph-operations.md` is made from the document: what it calls supported is there, and what it calls left out
//! is not.
//!
//! The list below is Microsoft Graph's, section by section; the addresses and what is supported are derived.
//! `UPDATE_DOCS=1 cargo test --test graph_operations` writes the page anew.

use std::fmt::Write;

use serde_json::Value;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/graph-operations.md");

/// One operation of Graph: what it is called, its method and address, and whether Rekey has it.
struct Operation(&'static str, &'static str, &'static str, Support);

enum Support {
    Full,
    /// All but what is said here.
    Part(&'static str),
    /// Why not.
    LeftOut(&'static str),
}

/// One of Graph's chapters; those whose operations Microsoft has in its beta only say so.
struct Section {
    title: &'static str,
    operations: &'static [Operation],
}

const fn has(title: &'static str, method: &'static str, path: &'static str) -> Operation {
    Operation(title, method, path, Support::Full)
}

const fn has_partly(title: &'static str, method: &'static str, path: &'static str, remark: &'static str) -> Operation {
    Operation(title, method, path, Support::Part(remark))
}

const fn leaves_out(title: &'static str, method: &'static str, path: &'static str, reason: &'static str) -> Operation {
    Operation(title, method, path, Support::LeftOut(reason))
}

const PASSWORDLESS: &str = "Deprecated by Microsoft: these are among microsoftAuthenticatorMethods.";
const OLD_REPORT: &str = "Deprecated by Microsoft in favour of userRegistrationDetails.";
const PAGES: &str = "of the query options `$top` and `$skiptoken`; in the order of ids";
const LIGHTHOUSE: &str = "Not about authentication methods.";
const SUBSCRIPTION: &str =
    "Graph sends no notifications about authentication methods either. `/users/delta` tells of users.";

const SECTIONS: &[Section] = &[
    Section {
        title: "Authentication methods of a user",
        operations: &[
            leaves_out(
                "Get the container of a user's methods",
                "GET",
                "/users/{}/authentication",
                "It holds nothing but its methods: list those.",
            ),
            has("List all methods", "GET", "/users/{}/authentication/methods"),
            has("Get a method", "GET", "/users/{}/authentication/methods/{}"),
            has("List passwords", "GET", "/users/{}/authentication/passwordMethods"),
            has("Get a password", "GET", "/users/{}/authentication/passwordMethods/{}"),
            has("Reset a password", "POST", "/users/{}/authentication/methods/{}/resetPassword"),
            has(
                "Reset a password (older address)",
                "POST",
                "/users/{}/authentication/passwordMethods/{}/resetPassword",
            ),
            has("Get an operation", "GET", "/users/{}/authentication/operations/{}"),
            has("List phones", "GET", "/users/{}/authentication/phoneMethods"),
            has("Get a phone", "GET", "/users/{}/authentication/phoneMethods/{}"),
            has("Add a phone", "POST", "/users/{}/authentication/phoneMethods"),
            has("Change a phone", "PATCH", "/users/{}/authentication/phoneMethods/{}"),
            has("Delete a phone", "DELETE", "/users/{}/authentication/phoneMethods/{}"),
            has("Enable SMS sign-in", "POST", "/users/{}/authentication/phoneMethods/{}/enableSmsSignIn"),
            has("Disable SMS sign-in", "POST", "/users/{}/authentication/phoneMethods/{}/disableSmsSignIn"),
            has("List e-mail addresses", "GET", "/users/{}/authentication/emailMethods"),
            has("Get an e-mail address", "GET", "/users/{}/authentication/emailMethods/{}"),
            has("Add an e-mail address", "POST", "/users/{}/authentication/emailMethods"),
            has("Change an e-mail address", "PATCH", "/users/{}/authentication/emailMethods/{}"),
            has("Delete an e-mail address", "DELETE", "/users/{}/authentication/emailMethods/{}"),
            has("List Microsoft Authenticator", "GET", "/users/{}/authentication/microsoftAuthenticatorMethods"),
            has("Get a Microsoft Authenticator", "GET", "/users/{}/authentication/microsoftAuthenticatorMethods/{}"),
            has(
                "Delete a Microsoft Authenticator",
                "DELETE",
                "/users/{}/authentication/microsoftAuthenticatorMethods/{}",
            ),
            has("List software OATH tokens", "GET", "/users/{}/authentication/softwareOathMethods"),
            has("Get a software OATH token", "GET", "/users/{}/authentication/softwareOathMethods/{}"),
            has("Delete a software OATH token", "DELETE", "/users/{}/authentication/softwareOathMethods/{}"),
            has("List passkeys", "GET", "/users/{}/authentication/fido2Methods"),
            has("Get a passkey", "GET", "/users/{}/authentication/fido2Methods/{}"),
            has("Options to create a passkey", "GET", "/users/{}/authentication/fido2Methods/creationOptions"),
            has("Register a passkey", "POST", "/users/{}/authentication/fido2Methods"),
            has("Delete a passkey", "DELETE", "/users/{}/authentication/fido2Methods/{}"),
            has("List temporary access passes", "GET", "/users/{}/authentication/temporaryAccessPassMethods"),
            has("Get a temporary access pass", "GET", "/users/{}/authentication/temporaryAccessPassMethods/{}"),
            has("Create a temporary access pass", "POST", "/users/{}/authentication/temporaryAccessPassMethods"),
            has("Delete a temporary access pass", "DELETE", "/users/{}/authentication/temporaryAccessPassMethods/{}"),
            has("List Windows Hello", "GET", "/users/{}/authentication/windowsHelloForBusinessMethods"),
            has("Get a Windows Hello", "GET", "/users/{}/authentication/windowsHelloForBusinessMethods/{}"),
            has("Delete a Windows Hello", "DELETE", "/users/{}/authentication/windowsHelloForBusinessMethods/{}"),
            has("List platform credentials", "GET", "/users/{}/authentication/platformCredentialMethods"),
            has("Get a platform credential", "GET", "/users/{}/authentication/platformCredentialMethods/{}"),
            has("Delete a platform credential", "DELETE", "/users/{}/authentication/platformCredentialMethods/{}"),
            has("Create a QR code and a PIN", "PUT", "/users/{}/authentication/qrCodePinMethod"),
            has("Get the QR code and the PIN", "GET", "/users/{}/authentication/qrCodePinMethod"),
            has("Delete the QR code and the PIN", "DELETE", "/users/{}/authentication/qrCodePinMethod"),
            has("Get the standard QR code", "GET", "/users/{}/authentication/qrCodePinMethod/standardQRCode"),
            has("Make or extend it", "PATCH", "/users/{}/authentication/qrCodePinMethod/standardQRCode"),
            has("Delete it", "DELETE", "/users/{}/authentication/qrCodePinMethod/standardQRCode"),
            has("Get the temporary QR code", "GET", "/users/{}/authentication/qrCodePinMethod/temporaryQRCode"),
            has("Make it", "PATCH", "/users/{}/authentication/qrCodePinMethod/temporaryQRCode"),
            has("Delete it", "DELETE", "/users/{}/authentication/qrCodePinMethod/temporaryQRCode"),
            has("Reset the PIN", "PATCH", "/users/{}/authentication/qrCodePinMethod/pin"),
            has("Change the own PIN", "PATCH", "/me/authentication/qrCodePinMethod/pin/updatePin"),
            has("Revoke sign-in sessions", "POST", "/users/{}/revokeSignInSessions"),
        ],
    },
    Section {
        title: "Authentication methods of a user, in the beta only",
        operations: &[
            has("List hardware OATH tokens", "GET", "/users/{}/authentication/hardwareOathMethods"),
            has("Get a hardware OATH token", "GET", "/users/{}/authentication/hardwareOathMethods/{}"),
            has("Assign one", "POST", "/users/{}/authentication/hardwareOathMethods"),
            has("Unassign it", "DELETE", "/users/{}/authentication/hardwareOathMethods/{}"),
            has("Activate it", "POST", "/users/{}/authentication/hardwareOathMethods/{}/activate"),
            has("Deactivate it", "POST", "/users/{}/authentication/hardwareOathMethods/{}/deactivate"),
            has("Assign and activate one", "POST", "/users/{}/authentication/hardwareOathMethods/assignAndActivate"),
            has(
                "Assign and activate one by its serial number",
                "POST",
                "/users/{}/authentication/hardwareOathMethods/assignAndActivateBySerialNumber",
            ),
            has("List external methods", "GET", "/users/{}/authentication/externalAuthenticationMethods"),
            has("Get an external method", "GET", "/users/{}/authentication/externalAuthenticationMethods/{}"),
            has("Add an external method", "POST", "/users/{}/authentication/externalAuthenticationMethods"),
            has("Delete an external method", "DELETE", "/users/{}/authentication/externalAuthenticationMethods/{}"),
            has("Get the sign-in preferences", "GET", "/users/{}/authentication/signInPreferences"),
            has("Change the sign-in preferences", "PATCH", "/users/{}/authentication/signInPreferences"),
            has("Get the requirements", "GET", "/users/{}/authentication/requirements"),
            has("Change the requirements", "PATCH", "/users/{}/authentication/requirements"),
            leaves_out(
                "List passwordless Microsoft Authenticator",
                "GET",
                "/users/{}/authentication/passwordlessMicrosoftAuthenticatorMethods",
                PASSWORDLESS,
            ),
            leaves_out(
                "Get one",
                "GET",
                "/users/{}/authentication/passwordlessMicrosoftAuthenticatorMethods/{}",
                PASSWORDLESS,
            ),
            leaves_out(
                "Delete one",
                "DELETE",
                "/users/{}/authentication/passwordlessMicrosoftAuthenticatorMethods/{}",
                PASSWORDLESS,
            ),
        ],
    },
    Section {
        title: "Inventory of hardware OATH tokens, in the beta only",
        operations: &[
            has("List devices", "GET", "/directory/authenticationMethodDevices/hardwareOathDevices"),
            has("Get a device", "GET", "/directory/authenticationMethodDevices/hardwareOathDevices/{}"),
            has("Create a device", "POST", "/directory/authenticationMethodDevices/hardwareOathDevices"),
            has("Create many", "PATCH", "/directory/authenticationMethodDevices/hardwareOathDevices"),
            has("Change a device", "PATCH", "/directory/authenticationMethodDevices/hardwareOathDevices/{}"),
            has("Delete a device", "DELETE", "/directory/authenticationMethodDevices/hardwareOathDevices/{}"),
            has("Assign a device", "POST", "/directory/authenticationMethodDevices/hardwareOathDevices/{}/assignTo"),
        ],
    },
    Section {
        title: "Policies",
        operations: &[
            has("Get the policy", "GET", "/policies/authenticationMethodsPolicy"),
            has("Change the policy", "PATCH", "/policies/authenticationMethodsPolicy"),
            has(
                "List configurations",
                "GET",
                "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations",
            ),
            has(
                "Add an external configuration",
                "POST",
                "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations",
            ),
            has(
                "Get a configuration",
                "GET",
                "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{}",
            ),
            has(
                "Change a configuration",
                "PATCH",
                "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{}",
            ),
            has(
                "Put it back to its default",
                "DELETE",
                "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{}",
            ),
            has("Get security defaults", "GET", "/policies/identitySecurityDefaultsEnforcementPolicy"),
            has("Switch security defaults", "PATCH", "/policies/identitySecurityDefaultsEnforcementPolicy"),
        ],
    },
    Section {
        title: "Reports",
        operations: &[
            has("List registration details", "GET", "/reports/authenticationMethods/userRegistrationDetails"),
            has("Get a user's", "GET", "/reports/authenticationMethods/userRegistrationDetails/{}"),
            has(
                "Users by feature",
                "GET",
                "/reports/authenticationMethods/usersRegisteredByFeature(includedUserTypes={},includedUserRoles={})",
            ),
            has(
                "Users by method",
                "GET",
                "/reports/authenticationMethods/usersRegisteredByMethod(includedUserTypes={},includedUserRoles={})",
            ),
        ],
    },
    Section {
        title: "Reports, in the beta only",
        operations: &[
            leaves_out(
                "List credential registrations",
                "GET",
                "/reports/credentialUserRegistrationDetails",
                OLD_REPORT,
            ),
            leaves_out(
                "Count credential registrations",
                "GET",
                "/reports/getCredentialUserRegistrationCount",
                OLD_REPORT,
            ),
            leaves_out("Summary of usage", "GET", "/reports/getCredentialUsageSummary(period={})", OLD_REPORT),
            leaves_out("List usage", "GET", "/reports/userCredentialUsageDetails", OLD_REPORT),
        ],
    },
    Section {
        title: "Users",
        operations: &[
            has("List users", "GET", "/users"),
            has("Count users", "GET", "/users/$count"),
            has("Changes of users", "GET", "/users/delta"),
            has("Create a user", "POST", "/users"),
            has("Get a user", "GET", "/users/{}"),
            has("Change a user", "PATCH", "/users/{}"),
            has("Delete a user", "DELETE", "/users/{}"),
            has("Change the own password", "POST", "/me/changePassword"),
            has("List deleted users", "GET", "/directory/deletedItems/microsoft.graph.user"),
            has("Get a deleted user", "GET", "/directory/deletedItems/{}"),
            has("Restore a deleted user", "POST", "/directory/deletedItems/{}/restore"),
            has("Delete a user for good", "DELETE", "/directory/deletedItems/{}"),
            has("Get the organization", "GET", "/organization"),
        ],
    },
    Section { title: "Many requests in one", operations: &[has("Batch", "POST", "/$batch")] },
    Section {
        title: "Applications",
        operations: &[
            has_partly(
                "List applications",
                "GET",
                "/applications",
                "`$top`, `$filter` by id, appId and displayName, `$skiptoken`",
            ),
            has("Create an application", "POST", "/applications"),
            has_partly("Get an application", "GET", "/applications/{}", "without `$select`"),
            has("Change an application", "PATCH", "/applications/{}"),
            has("Delete an application", "DELETE", "/applications/{}"),
            has("Add a secret", "POST", "/applications/{}/addPassword"),
            has("Remove a secret", "POST", "/applications/{}/removePassword"),
            has("Add a key", "POST", "/applications/{}/addKey"),
            has("Remove a key", "POST", "/applications/{}/removeKey"),
            has("List federated credentials", "GET", "/applications/{}/federatedIdentityCredentials"),
            has("Add a federated credential", "POST", "/applications/{}/federatedIdentityCredentials"),
            has("Get a federated credential", "GET", "/applications/{}/federatedIdentityCredentials/{}"),
            has("Change a federated credential", "PATCH", "/applications/{}/federatedIdentityCredentials/{}"),
            has("Delete a federated credential", "DELETE", "/applications/{}/federatedIdentityCredentials/{}"),
        ],
    },
    Section {
        title: "Directory roles",
        operations: &[
            has("List roles", "GET", "/roleManagement/directory/roleDefinitions"),
            has("Get a role", "GET", "/roleManagement/directory/roleDefinitions/{}"),
            has("List assignments", "GET", "/roleManagement/directory/roleAssignments"),
            has("Assign a role", "POST", "/roleManagement/directory/roleAssignments"),
            has("Get an assignment", "GET", "/roleManagement/directory/roleAssignments/{}"),
            has("Delete an assignment", "DELETE", "/roleManagement/directory/roleAssignments/{}"),
            leaves_out(
                "Define a role",
                "POST",
                "/roleManagement/directory/roleDefinitions",
                "Only built-in roles: the decision table is fixed and tested.",
            ),
        ],
    },
    Section {
        title: "Partners and customers",
        operations: &[
            has("List relationships", "GET", "/tenantRelationships/delegatedAdminRelationships"),
            has("Propose a relationship", "POST", "/tenantRelationships/delegatedAdminRelationships"),
            has("Get a relationship", "GET", "/tenantRelationships/delegatedAdminRelationships/{}"),
            has("Change a relationship", "PATCH", "/tenantRelationships/delegatedAdminRelationships/{}"),
            has("Delete a relationship", "DELETE", "/tenantRelationships/delegatedAdminRelationships/{}"),
            has("List requests", "GET", "/tenantRelationships/delegatedAdminRelationships/{}/requests"),
            has("Request", "POST", "/tenantRelationships/delegatedAdminRelationships/{}/requests"),
            has("Get a request", "GET", "/tenantRelationships/delegatedAdminRelationships/{}/requests/{}"),
            has("List assignments", "GET", "/tenantRelationships/delegatedAdminRelationships/{}/accessAssignments"),
            has("Assign", "POST", "/tenantRelationships/delegatedAdminRelationships/{}/accessAssignments"),
            has("Get an assignment", "GET", "/tenantRelationships/delegatedAdminRelationships/{}/accessAssignments/{}"),
            has("Change it", "PATCH", "/tenantRelationships/delegatedAdminRelationships/{}/accessAssignments/{}"),
            has("Delete it", "DELETE", "/tenantRelationships/delegatedAdminRelationships/{}/accessAssignments/{}"),
            has("List operations", "GET", "/tenantRelationships/delegatedAdminRelationships/{}/operations"),
            has("Get an operation", "GET", "/tenantRelationships/delegatedAdminRelationships/{}/operations/{}"),
            has_partly("List customers", "GET", "/tenantRelationships/delegatedAdminCustomers", PAGES),
            has("Get a customer", "GET", "/tenantRelationships/delegatedAdminCustomers/{}"),
            has(
                "List a customer's services",
                "GET",
                "/tenantRelationships/delegatedAdminCustomers/{}/serviceManagementDetails",
            ),
            has_partly("List contracts", "GET", "/contracts", PAGES),
            has("Get a contract", "GET", "/contracts/{}"),
        ],
    },
    Section {
        title: "Partners and customers, in the beta only",
        operations: &[
            has_partly("List managed tenants", "GET", "/tenantRelationships/managedTenants/tenants", PAGES),
            has_partly(
                "List registration summaries",
                "GET",
                "/tenantRelationships/managedTenants/credentialUserRegistrationsSummaries",
                PAGES,
            ),
            has(
                "Get a registration summary",
                "GET",
                "/tenantRelationships/managedTenants/credentialUserRegistrationsSummaries/{}",
            ),
            leaves_out("List tenant groups", "GET", "/tenantRelationships/managedTenants/tenantGroups", LIGHTHOUSE),
            leaves_out("List tenant tags", "GET", "/tenantRelationships/managedTenants/tenantTags", LIGHTHOUSE),
            leaves_out(
                "List customized information",
                "GET",
                "/tenantRelationships/managedTenants/tenantsCustomizedInformation",
                LIGHTHOUSE,
            ),
            leaves_out(
                "List detailed information",
                "GET",
                "/tenantRelationships/managedTenants/tenantsDetailedInformation",
                LIGHTHOUSE,
            ),
            leaves_out(
                "List risky users",
                "GET",
                "/tenantRelationships/managedTenants/riskyUsers",
                "Rekey does not judge risk.",
            ),
            leaves_out(
                "List coverage by Conditional Access",
                "GET",
                "/tenantRelationships/managedTenants/conditionalAccessPolicyCoverages",
                "There is no Conditional Access in Rekey.",
            ),
            leaves_out(
                "List management actions",
                "GET",
                "/tenantRelationships/managedTenants/managementActions",
                "`POST /tenantRelationships/managedTenants/commonActions` answers what may be done.",
            ),
        ],
    },
    Section {
        title: "Logs",
        operations: &[
            has("List audit events", "GET", "/auditLogs/directoryAudits"),
            has("Get an audit event", "GET", "/auditLogs/directoryAudits/{}"),
            has("List sign-ins", "GET", "/auditLogs/signIns"),
            has("Get a sign-in", "GET", "/auditLogs/signIns/{}"),
        ],
    },
    Section {
        title: "Change notifications",
        operations: &[
            leaves_out("Subscribe", "POST", "/subscriptions", SUBSCRIPTION),
            leaves_out("List subscriptions", "GET", "/subscriptions", SUBSCRIPTION),
            leaves_out("Get a subscription", "GET", "/subscriptions/{}", SUBSCRIPTION),
            leaves_out("Renew a subscription", "PATCH", "/subscriptions/{}", SUBSCRIPTION),
            leaves_out("Delete a subscription", "DELETE", "/subscriptions/{}", SUBSCRIPTION),
            leaves_out("Reauthorize a subscription", "POST", "/subscriptions/{}/reauthorize", SUBSCRIPTION),
        ],
    },
];

const HEAD: &str = "\
# Operations of Microsoft Graph

What Rekey makes of every operation of Graph in its field. This page is made from Rekey's OpenAPI document by
`tests/graph_operations.rs`, which fails when a line is not true.

All operations answer below `/v1.0` and below `/beta`, wherever Microsoft has them. `{user}` is an id or a
userPrincipalName. *Own* says that a signed-in user may do the same below `/me`. Which permissions and roles an operation
takes stands in `/docs`.
";

#[test]
fn the_page_tells_what_the_document_has() {
    let document: Value = serde_json::from_str(include_str!("../openapi.json")).unwrap();
    let (page, untrue) = page(&document);
    assert!(untrue.is_empty(), "the list of tests/graph_operations.rs is not true:\n{}", untrue.join("\n"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let stands = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        stands == page,
        "docs/graph-operations.md is not what the document says; write it anew with\n  UPDATE_DOCS=1 cargo test --test graph_operations"
    );
}

/// The page, and what of the list the document contradicts.
fn page(document: &Value) -> (String, Vec<String>) {
    let (mut page, mut untrue) = (HEAD.to_owned(), vec![]);
    for section in SECTIONS {
        write!(page, "\n## {}\n\n| | operation | in Rekey | own |\n|---|---|---|---|\n", section.title).unwrap();
        for Operation(title, method, path, support) in section.operations {
            let found = find(document, method, path);
            match (found, support) {
                (Some(address), Support::Full | Support::Part(_)) => {
                    let own = path.strip_prefix("/users/{}").map(|rest| format!("/me{rest}"));
                    let is_own =
                        path.starts_with("/me/") || own.is_some_and(|own| find(document, method, &own).is_some());
                    let own = if is_own { "yes" } else { "" };
                    let remark =
                        if let Support::Part(remark) = support { format!(": {remark}") } else { String::new() };
                    writeln!(page, "| {title} | `{method} {address}` | yes{remark} | {own} |").unwrap();
                }
                (None, Support::LeftOut(reason)) => {
                    let address = path.replace("{}", "{id}");
                    writeln!(page, "| {title} | `{method} {address}` | **no**: {reason} | |").unwrap();
                }
                (Some(_), Support::LeftOut(_)) => {
                    untrue.push(format!("{method} {path} is left out, but the document has it"));
                }
                (None, Support::Full | Support::Part(_)) => {
                    untrue.push(format!("{method} {path} is supported, but the document lacks it"));
                }
            }
        }
    }
    (page, untrue)
}

/// The address that the document gives this operation, whatever the parameters are called.
fn find(document: &Value, method: &str, path: &str) -> Option<String> {
    let paths = document["paths"].as_object().unwrap();
    let wanted = nameless(path);
    paths.iter().find_map(|(address, operations)| {
        let address = address.strip_prefix("/v1.0")?;
        let is_it = nameless(address) == wanted && operations.get(method.to_lowercase()).is_some();
        is_it.then(|| address.to_owned())
    })
}

/// `/users/{user}/f(a={a})` -> `/users/{}/f`. Arguments of functions are parameters like others.
fn nameless(path: &str) -> String {
    let path = path.split_once('(').map_or(path, |(before, _)| before);
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn no_operation_stands_twice() {
    let mut all: Vec<_> = SECTIONS
        .iter()
        .flat_map(|section| section.operations)
        .map(|Operation(_, method, path, _)| format!("{method} {}", nameless(path)))
        .collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}
