//! Example values for the document: they all name data that `--demo` seeds, so that every operation works when it is
//! executed as it stands.

use crate::{
    demo,
    directory::role_assignments,
    id::UserId,
    methods::{email, password, phone::PhoneType, policy::ConfigurationId},
    roles::Role,
};

/// The user of most examples.
pub fn user() -> String {
    demo::EXAMPLE_USER.into()
}

/// A user without methods, for operations that add one.
pub fn new_hire() -> String {
    demo::NEW_HIRE.into()
}

/// A session of the example user's that waits for a second factor.
pub fn sign_in_session() -> String {
    demo::id("signInSession")
}

/// A session of the example user's in which all is proven, and the password must be changed.
pub fn password_change_session() -> String {
    demo::id("signInSession passwordChange")
}

/// A password reset of the example user's that is done.
pub fn operation() -> String {
    demo::id("operation")
}

/// A reset of many users that waits for its confirmation.
pub fn mfa_reset() -> String {
    demo::mfa_resets::id("waiting")
}

/// The tag of the preview that waits for its confirmation.
pub fn mfa_reset_etag() -> Option<String> {
    Some("W/\"2\"".into())
}

/// Another one that waits.
pub fn cancelled_mfa_reset() -> String {
    demo::mfa_resets::id("to cancel")
}

/// A reset of many users that failed with some.
pub fn failed_mfa_reset() -> String {
    demo::mfa_resets::id("failed")
}

/// A reset of many users that is finished.
pub fn finished_mfa_reset() -> String {
    demo::mfa_resets::id("finished")
}

/// The id of the tenant of the examples.
pub fn tenant_id() -> String {
    demo::example_tenant_id().into_string()
}

/// A user who was deleted and can be restored.
pub fn deleted_user() -> String {
    demo::id("deleted user")
}

/// A user who was deleted and can be removed for good.
pub fn purgeable_user() -> String {
    demo::id("purgeable user")
}

/// A user who may be deleted.
pub fn leaver() -> String {
    demo::LEAVER.into()
}

/// A configuration of the authentication methods policy.
pub fn configuration() -> String {
    ConfigurationId::TemporaryAccessPass.as_str().into()
}

pub fn password() -> String {
    password::ID.into()
}

pub fn mobile_phone() -> String {
    PhoneType::Mobile.method_id().into()
}

/// The example user's phone that may be deleted at once.
pub fn office_phone() -> String {
    PhoneType::Office.method_id().into()
}

pub fn email() -> String {
    email::ID.into()
}

pub fn microsoft_authenticator() -> String {
    demo::id("microsoftAuthenticator")
}

/// The device that a push request waits for: its tenant, its user, itself.
pub fn device_tenant() -> String {
    let [tenant, _, _] = demo::authenticator::address();
    tenant
}

pub fn device_user() -> String {
    let [_, user, _] = demo::authenticator::address();
    user
}

pub fn device() -> String {
    let [_, _, device] = demo::authenticator::address();
    device
}

pub fn push_request() -> String {
    demo::id("push request")
}

pub fn software_oath() -> String {
    demo::id("softwareOath")
}

/// The new hire's software token that waits for its first code.
pub fn pending_software_oath() -> String {
    demo::id("softwareOath pending")
}

pub fn fido2() -> String {
    demo::id("fido2")
}

pub fn windows_hello() -> String {
    demo::id("windowsHelloForBusiness")
}

pub fn platform_credential() -> String {
    demo::id("platformCredential")
}

/// A provider outside that the demo's tenant lets prove users.
pub fn provider() -> String {
    demo::id("external provider")
}

pub fn external_authentication_method() -> String {
    demo::id("externalAuthenticationMethod")
}

/// A user with a QR code and no temporary one.
pub fn frontline() -> String {
    demo::FRONTLINE.into()
}

/// A session of the example user's in which all is proven, and the PIN must be changed.
pub fn pin_change_session() -> String {
    demo::id("signInSession pinChange")
}

pub fn expand_device() -> Option<String> {
    Some("device".into())
}

pub fn temporary_access_pass() -> String {
    demo::id("temporaryAccessPass")
}

/// The example user's activated hardware token: device id and method id in one.
pub fn hardware_oath() -> String {
    demo::id("hardwareOath")
}

/// A hardware token that is assigned to the example user and not activated.
pub fn assigned_hardware_oath() -> String {
    demo::id("hardwareOath assigned")
}

/// A hardware token in the inventory that nobody has.
pub fn available_device() -> String {
    demo::id("hardwareOath available")
}

/// The serial number of that token.
pub fn available_serial_number() -> String {
    demo::AVAILABLE_SERIAL_NUMBER.into()
}

pub fn application_filter() -> Option<String> {
    Some("startsWith(displayName,'Demo')".into())
}

pub fn device_filter() -> Option<String> {
    Some("status eq 'available'".into())
}

/// A file that adds a token and assigns it, and adds another that nobody has.
pub fn hardware_oath_csv() -> String {
    format!(
        "upn,serial number,secret key,time interval,manufacturer,model\n\
         {},GALT11429201,2234567ABCDEFGH2234567ABCDEFGH22,30,Thales,OTP 110 Token\n\
         ,GALT11429202,3234567ABCDEFGH3234567ABCDEFGH33,60,Thales,OTP 110 Token\n",
        demo::EXAMPLE_USER
    )
}

/// A sign-in of the example user's that failed.
pub fn sign_in() -> String {
    demo::id("signIn")
}

/// The same in a vendor's file: a token that counts, and one with a clock.
pub fn hardware_oath_pskc() -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">
  <KeyPackage>
    <DeviceInfo><Manufacturer>oath.Thales</Manufacturer><SerialNo>GALT11429301</SerialNo><Model>OTP 110 Token</Model></DeviceInfo>
    <Key Id="GALT11429301" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
      <AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
      <Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret><Counter><PlainValue>0</PlainValue></Counter></Data>
      <UserId>{}</UserId>
    </Key>
  </KeyPackage>
  <KeyPackage>
    <DeviceInfo><Manufacturer>oath.Thales</Manufacturer><SerialNo>GALT11429302</SerialNo><Model>OTP 110 Token</Model></DeviceInfo>
    <Key Id="GALT11429302" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:totp">
      <AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
      <Data><Secret><PlainValue>MDk4NzY1NDMyMTA5ODc2NTQzMjE=</PlainValue></Secret><TimeInterval><PlainValue>30</PlainValue></TimeInterval></Data>
    </Key>
  </KeyPackage>
</KeyContainer>
"#,
        demo::EXAMPLE_USER
    )
}

/// A relationship between the demo's partner and the tenant of the other examples.
pub fn relationship() -> String {
    demo::partner::relationship(demo::EXAMPLE_TENANT).into_string()
}

/// A relationship that the demo's partner has not locked yet.
pub fn draft_relationship() -> String {
    demo::id("draft relationship")
}

pub fn relationship_request() -> String {
    demo::id("relationship request")
}

pub fn relationship_operation() -> String {
    demo::id("relationship operation")
}

/// What the demo partner's application may use of the relationship above.
pub fn access_assignment() -> String {
    demo::id("access assignment")
}

/// The etag of what was never changed.
pub fn etag() -> Option<String> {
    Some("W/\"1\"".into())
}

pub fn relationship_filter() -> Option<String> {
    Some("status eq 'active'".into())
}

/// A user of the demo's partner who has no access assignment yet.
pub fn engineer() -> String {
    demo::partner::engineer().into_string()
}

/// The tenant of the other examples, by its id.
pub fn customer() -> String {
    demo::tenant_id_of(demo::EXAMPLE_TENANT).into_string()
}

/// The ids of all of the demo's customers.
pub fn customer_ids() -> Vec<String> {
    demo::partner::customers().map(|domain| demo::tenant_id_of(domain).into_string()).collect()
}

pub fn customers() -> Option<String> {
    Some(customer_ids().join(","))
}

pub fn audit_event() -> String {
    demo::id("audit event")
}

/// The role that an example user holds.
pub fn role() -> String {
    Role::AuthenticationAdministrator.as_str().into()
}

/// That user.
pub fn administrator() -> String {
    demo::id("administrator")
}

/// The assignment of that role to that user.
pub fn role_assignment() -> String {
    role_assignments::id(&role(), &UserId::new(administrator()))
}

/// The tenant of most examples, by its domain.
pub fn tenant() -> String {
    demo::EXAMPLE_TENANT.into()
}

/// The application whose id and secret `rekey serve --demo` prints.
pub fn application() -> String {
    demo::id("application")
}

/// Another one, which examples change.
pub fn other_application() -> String {
    demo::callers::application()
}

pub fn application_secret() -> String {
    demo::callers::secret()
}

pub fn application_key() -> String {
    demo::callers::key()
}

pub fn federated_credential() -> String {
    demo::callers::federated_credential()
}

pub fn trusted_issuer() -> String {
    demo::callers::trusted_issuer()
}

pub fn authorization_endpoint() -> String {
    format!("https://localhost:8443/{}/oauth2/v2.0/authorize", demo::EXAMPLE_TENANT)
}

/// A credential that an authenticator made for another challenge (W3C WebAuthn Level 3 section 16.3): it shows the form.
pub const CREDENTIAL_ID: &str = "RV7zTiBDqH2z1K_rObvLbMMt-TR8eJqGXs3KEpy-9Yw";
pub const CLIENT_DATA: &str = "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwiY2hhbGxlbmdlIjoiZUduQ3QzTFV0WTY2azNqUGp5bmliUGsxcW5mZkRhaWZxWndMM0FwMjktVSIsIm9yaWdpbiI6Imh0dHBzOi8vZXhhbXBsZS5vcmciLCJjcm9zc09yaWdpbiI6ZmFsc2UsImV4dHJhRGF0YSI6ImNsaWVudERhdGFKU09OIG1heSBiZSBleHRlbmRlZCB3aXRoIGFkZGl0aW9uYWwgZmllbGRzIGluIHRoZSBmdXR1cmUsIHN1Y2ggYXMgdGhpczogVTloVFh2S0UyVVJrTW5iXzB4WUhWZyJ9";
pub const ATTESTATION_OBJECT: &str = "o2NmbXRmcGFja2VkZ2F0dFN0bXSiY2FsZyZjc2lnWEYwRAIgBnogdUq5JQBdvzeAl8khIAMVgccyKNH7T1uIG819qYMCIH_HsUdVjHwOujrxi9nRIfo9OibRf-PyICchePRztgBtaGF1dGhEYXRhWKS_q8N0MpWLBjNg061kYcnEc1rn-O3UZZKl4PAUUrLktV0AAAAA34UOCdtq-9-rUWl3kVBs_AAgRV7zTiBDqH2z1K_rObvLbMMt-TR8eJqGXs3KEpy-9YylAQIDJiABIVgg6xUcgXayJcxlFVn-zwevRQ_YWAIEZlazTBj2zxk4Q8UiWCCSe4qkJ6K-G4g00jOi009h8Tv9RBGcMl1YluGD_uSE8g";
