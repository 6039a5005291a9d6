"""Every kind of method that Graph has in v1.0, and the beta's preferences and requirements."""

import datetime
import re
import secrets

import httpx
import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.models.attestation_level import AttestationLevel
from msgraph.generated.models.authentication_method_sign_in_state import AuthenticationMethodSignInState
from msgraph.generated.models.authentication_method_target_type import AuthenticationMethodTargetType
from msgraph.generated.models.authentication_phone_type import AuthenticationPhoneType
from msgraph.generated.models.email_authentication_method import EmailAuthenticationMethod
from msgraph.generated.models.fido2_authentication_method import Fido2AuthenticationMethod
from msgraph.generated.models.long_running_operation_status import LongRunningOperationStatus
from msgraph.generated.models.microsoft_authenticator_authentication_method import (
    MicrosoftAuthenticatorAuthenticationMethod,
)
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.passkey_type import PasskeyType
from msgraph.generated.models.password_authentication_method import PasswordAuthenticationMethod
from msgraph.generated.models.password_reset_response import PasswordResetResponse
from msgraph.generated.models.phone_authentication_method import PhoneAuthenticationMethod
from msgraph.generated.models.sms_authentication_method_configuration import SmsAuthenticationMethodConfiguration
from msgraph.generated.models.sms_authentication_method_target import SmsAuthenticationMethodTarget
from msgraph.generated.models.software_oath_authentication_method import SoftwareOathAuthenticationMethod
from msgraph.generated.models.temporary_access_pass_authentication_method import (
    TemporaryAccessPassAuthenticationMethod,
)
from msgraph.generated.models.webauthn_authentication_extensions_client_outputs import (
    WebauthnAuthenticationExtensionsClientOutputs,
)
from msgraph.generated.models.webauthn_authenticator_attestation_response import WebauthnAuthenticatorAttestationResponse
from msgraph.generated.models.webauthn_public_key_credential import WebauthnPublicKeyCredential
from msgraph.generated.users.item.authentication.methods.item.reset_password.reset_password_post_request_body import (
    ResetPasswordPostRequestBody,
)
from msgraph_beta.generated.models.per_user_mfa_state import PerUserMfaState
from msgraph_beta.generated.models.sign_in_preferences import SignInPreferences
from msgraph_beta.generated.models.strong_authentication_requirements import StrongAuthenticationRequirements
from msgraph_beta.generated.models.user_default_authentication_method_type import UserDefaultAuthenticationMethodType
from msgraph_beta.generated.users.item.authentication.fido2_methods.creation_options_with_challenge_timeout_in_minutes.creation_options_with_challenge_timeout_in_minutes_request_builder import (  # noqa: E501
    CreationOptionsWithChallengeTimeoutInMinutesRequestBuilder as CreationOptions,
)
from msgraph_core import GraphClientFactory

import server
import virtual_passkey
from conftest import StaticToken, Wire, client_of

PASSWORD_ID = "28c10230-6103-485e-b985-444c60001490"
MOBILE_ID = "3179e48a-750b-4051-897c-87b9720928f7"
ALTERNATE_ID = "b6332ec1-7057-4abe-9331-3d72feddfe41"
EMAIL_ID = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f"


def phone(number: str, kind=AuthenticationPhoneType.Mobile) -> PhoneAuthenticationMethod:
    return PhoneAuthenticationMethod(phone_number=number, phone_type=kind)


async def assert_gone(call):
    with pytest.raises(ODataError) as gone:
        await call
    assert gone.value.response_status_code == 404
    assert gone.value.error.code in ("resourceNotFound", "itemNotFound")


async def test_every_kind_is_its_own_class(graph):
    found = await graph.users.by_user_id(server.ADELE).authentication.methods.get()
    classes = {type(method) for method in found.value}
    assert {
        EmailAuthenticationMethod,
        Fido2AuthenticationMethod,
        MicrosoftAuthenticatorAuthenticationMethod,
        PasswordAuthenticationMethod,
        PhoneAuthenticationMethod,
        SoftwareOathAuthenticationMethod,
        TemporaryAccessPassAuthenticationMethod,
    } <= classes
    assert all(method.odata_type.startswith("#microsoft.graph.") for method in found.value)
    for method in found.value:
        one = await graph.users.by_user_id(server.ADELE).authentication.methods.by_authentication_method_id(
            method.id
        ).get()
        assert (type(one), one.id) == (type(method), method.id)


async def test_the_password(methods):
    found = await methods.password_methods.get()
    assert [(method.id, method.password) for method in found.value] == [(PASSWORD_ID, None)]
    one = await methods.password_methods.by_password_authentication_method_id(PASSWORD_ID).get()
    assert isinstance(one, PasswordAuthenticationMethod) and one.password is None


async def test_an_administrator_resets_a_password(as_user, user):
    methods = as_user(server.ADMINISTRATOR).users.by_user_id(user.id).authentication
    reset = methods.methods.by_authentication_method_id(PASSWORD_ID).reset_password
    made = await reset.post(ResetPasswordPostRequestBody())
    assert made.new_password
    chosen = await reset.post(ResetPasswordPostRequestBody(new_password="Quite-Another-5-Horse"))
    assert chosen is None or chosen.new_password is None


async def test_a_password_is_reset_at_the_older_address(as_user, user):
    """The typed client has no call for it any more; this is what it would be."""
    client = as_user(server.ADMINISTRATOR)
    reset = "{+baseurl}/users/{user}/authentication/passwordMethods/{id}/resetPassword"
    request = RequestInformation(Method.POST, reset, {"user": user.id, "id": PASSWORD_ID})
    request.set_content_from_parsable(client.request_adapter, "application/json", ResetPasswordPostRequestBody())
    made = await client.request_adapter.send_async(request, PasswordResetResponse, {"XXX": ODataError})
    assert isinstance(made, PasswordResetResponse) and made.new_password
    factor = {"type": "password", "password": made.new_password}
    body = {"userPrincipalName": user.user_principal_name, "firstFactor": factor}
    # It opens a sign-in, which waits for what the user has not registered yet.
    assert server.own_call("POST", "/signInSessions", body)["status"] == "registrationRequired"


async def test_the_operation_of_a_password_reset(user):
    from conftest import StaticToken, Wire, client_of
    from msgraph_core import GraphClientFactory
    wire = Wire()
    http = GraphClientFactory.create_with_default_middleware(client=httpx.AsyncClient(transport=wire))
    client = client_of(StaticToken(server.user_token(server.ADMINISTRATOR)), http=http)
    methods = client.users.by_user_id(user.id).authentication
    await methods.methods.by_authentication_method_id(PASSWORD_ID).reset_password.post(ResetPasswordPostRequestBody())
    answer = wire.answers[-1]
    assert answer.status_code == 202
    operation = answer.headers["location"].rsplit("/", 1)[-1]
    done = await methods.operations.by_long_running_operation_id(operation).get()
    assert done.status == LongRunningOperationStatus.Succeeded
    assert done.id == operation and done.created_date_time.tzinfo and done.resource_location


async def test_phones(methods):
    made = await methods.phone_methods.post(phone("+1 4255550111"))
    assert (made.id, made.phone_number, made.phone_type) == (MOBILE_ID, "+1 4255550111", AuthenticationPhoneType.Mobile)
    assert isinstance(made.sms_sign_in_state, AuthenticationMethodSignInState)
    one = methods.phone_methods.by_phone_authentication_method_id(MOBILE_ID)
    await one.patch(phone("+1 4255550112x7", None))
    assert (await one.get()).phone_number == "+1 4255550112x7"
    await methods.phone_methods.post(phone("+1 4255550113", AuthenticationPhoneType.AlternateMobile))
    found = await methods.phone_methods.get()
    assert {method.phone_type for method in found.value} == {
        AuthenticationPhoneType.Mobile,
        AuthenticationPhoneType.AlternateMobile,
    }
    # The mobile phone cannot go before its alternate.
    with pytest.raises(ODataError) as refused:
        await one.delete()
    assert refused.value.response_status_code == 400
    await methods.phone_methods.by_phone_authentication_method_id(ALTERNATE_ID).delete()
    await one.delete()
    await assert_gone(one.get())


async def test_phones_that_are_refused(methods):
    with pytest.raises(ODataError) as refused:
        await methods.phone_methods.post(phone("+1 4255550114", AuthenticationPhoneType.AlternateMobile))
    assert refused.value.response_status_code == 400
    await methods.phone_methods.post(phone("+1 4255550114", AuthenticationPhoneType.Office))
    with pytest.raises(ODataError) as refused:
        await methods.phone_methods.post(phone("+1 4255550115", AuthenticationPhoneType.Office))
    assert (refused.value.response_status_code, refused.value.error.code) == (400, "badRequest")


async def test_signing_in_by_sms(graph, methods):
    policy = graph.policies.authentication_methods_policy.authentication_method_configurations
    sms = policy.by_authentication_method_configuration_id("Sms")
    target = SmsAuthenticationMethodTarget(
        id="all_users", target_type=AuthenticationMethodTargetType.Group, is_usable_for_sign_in=True
    )
    await sms.patch(SmsAuthenticationMethodConfiguration(include_targets=[target]))
    await methods.phone_methods.post(phone(f"+1 425555{secrets.randbelow(10**4):04}"))
    one = methods.phone_methods.by_phone_authentication_method_id(MOBILE_ID)
    await one.disable_sms_sign_in.post()
    assert (await one.get()).sms_sign_in_state == AuthenticationMethodSignInState.NotEnabled
    await one.enable_sms_sign_in.post()
    assert (await one.get()).sms_sign_in_state == AuthenticationMethodSignInState.Ready
    await sms.delete()


async def test_email(methods):
    made = await methods.email_methods.post(EmailAuthenticationMethod(email_address="one@example.com"))
    assert (made.id, made.email_address) == (EMAIL_ID, "one@example.com")
    one = methods.email_methods.by_email_authentication_method_id(EMAIL_ID)
    await one.patch(EmailAuthenticationMethod(email_address="two@example.com"))
    assert (await one.get()).email_address == "two@example.com"
    assert [method.email_address for method in (await methods.email_methods.get()).value] == ["two@example.com"]
    await one.delete()
    await assert_gone(one.get())


async def test_microsoft_authenticator(graph):
    methods = graph.users.by_user_id("joni.sherman@contoso.example").authentication.microsoft_authenticator_methods
    app = (await methods.get()).value[0]
    assert isinstance(app, MicrosoftAuthenticatorAuthenticationMethod)
    assert app.display_name == "Joni's phone" and app.device_tag and app.phone_app_version
    one = methods.by_microsoft_authenticator_authentication_method_id(app.id)
    assert (await one.get()).display_name == app.display_name
    await one.delete()
    await assert_gone(one.get())


async def test_software_oath(methods, user):
    made = server.own_call("POST", f"/users/{user.id}/authentication/softwareOathMethods", {})
    found = await methods.software_oath_methods.get()
    assert [(method.id, method.secret_key) for method in found.value] == [(made["id"], None)]
    one = methods.software_oath_methods.by_software_oath_authentication_method_id(made["id"])
    assert isinstance(await one.get(), SoftwareOathAuthenticationMethod)
    await one.delete()
    await assert_gone(one.get())


async def test_temporary_access_pass(methods):
    wanted = TemporaryAccessPassAuthenticationMethod(lifetime_in_minutes=60, is_usable_once=True)
    made = await methods.temporary_access_pass_methods.post(wanted)
    assert made.temporary_access_pass and made.is_usable and made.is_usable_once
    assert (made.lifetime_in_minutes, made.method_usability_reason) == (60, "EnabledByPolicy")
    one = methods.temporary_access_pass_methods.by_temporary_access_pass_authentication_method_id(made.id)
    read = await one.get()
    assert read.temporary_access_pass is None
    assert read.start_date_time == made.start_date_time and read.created_date_time
    assert [method.id for method in (await methods.temporary_access_pass_methods.get()).value] == [made.id]
    await one.delete()
    await assert_gone(one.get())


async def test_a_pass_for_later(methods):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    wanted = TemporaryAccessPassAuthenticationMethod(start_date_time=later)
    made = await methods.temporary_access_pass_methods.post(wanted)
    assert abs(made.start_date_time - later) < datetime.timedelta(seconds=1)
    assert (made.is_usable, made.method_usability_reason) == (False, "NotYetValid")


async def register_passkey(graph, passkeys, options) -> Fido2AuthenticationMethod:
    """The typed client has the models of a registration, but not yet the call; this is what it would be."""
    public_key = options.public_key
    identifier, client_data, attestation = virtual_passkey.create(public_key.challenge, public_key.rp.id, server.URL)
    credential = WebauthnPublicKeyCredential(
        id=identifier,
        response=WebauthnAuthenticatorAttestationResponse(
            client_data_j_s_o_n=client_data, attestation_object=attestation
        ),
        client_extension_results=WebauthnAuthenticationExtensionsClientOutputs(),
    )
    body = Fido2AuthenticationMethod(display_name="Blue key", public_key_credential=credential)
    request = passkeys.to_get_request_information()
    request.http_method = Method.POST
    request.set_content_from_parsable(graph.request_adapter, "application/json", body)
    return await graph.request_adapter.send_async(request, Fido2AuthenticationMethod, {"XXX": ODataError})


async def test_passkeys(graph, methods):
    passkeys = methods.fido2_methods
    options = await passkeys.creation_options.get()
    public_key = options.public_key
    assert options.challenge_timeout_date_time > datetime.datetime.now(datetime.UTC)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", public_key.challenge)
    assert public_key.rp.id and public_key.user.id
    assert {(it.type, it.alg) for it in public_key.pub_key_cred_params} >= {("public-key", -7)}

    made = await register_passkey(graph, passkeys, options)
    assert isinstance(made, Fido2AuthenticationMethod)
    assert made.display_name == "Blue key" and made.public_key_credential is None
    assert made.attestation_level == AttestationLevel.NotAttested
    assert isinstance(made.passkey_type, PasskeyType)
    assert made.created_date_time.tzinfo
    assert [method.id for method in (await passkeys.get()).value] == [made.id]

    # A challenge is answered once.
    with pytest.raises(ODataError) as refused:
        await register_passkey(graph, passkeys, options)
    assert refused.value.response_status_code == 400

    one = passkeys.by_fido2_authentication_method_id(made.id)
    assert (await one.get()).aa_guid == made.aa_guid
    await one.delete()
    await assert_gone(one.get())


async def test_creation_options_of_the_beta(beta_methods):
    at_once = datetime.datetime.now(datetime.UTC)
    passkeys = beta_methods.fido2_methods
    query = CreationOptions.CreationOptionsWithChallengeTimeoutInMinutesRequestBuilderGetQueryParameters(
        challenge_timeout_in_minutes=20
    )
    asked = RequestConfiguration(query_parameters=query)
    options = await passkeys.creation_options_with_challenge_timeout_in_minutes.get(asked)
    lasts = options.challenge_timeout_date_time - at_once
    assert datetime.timedelta(minutes=19) < lasts < datetime.timedelta(minutes=22)
    assert options.public_key.challenge


async def test_own_methods(signed_in, user):
    graph = signed_in[0]
    me = graph.me
    found = await me.authentication.methods.get()
    assert {type(method) for method in found.value} == {
        PasswordAuthenticationMethod,
        SoftwareOathAuthenticationMethod,
    }
    options = await me.authentication.fido2_methods.creation_options.get()
    made = await register_passkey(graph, me.authentication.fido2_methods, options)
    await me.authentication.fido2_methods.by_fido2_authentication_method_id(made.id).delete()
    await me.authentication.phone_methods.post(phone("+1 4255550117"))
    await me.authentication.phone_methods.by_phone_authentication_method_id(MOBILE_ID).delete()


async def test_own_preferences(signed_in):
    preferences = signed_in[1].me().authentication.sign_in_preferences
    oath = UserDefaultAuthenticationMethodType.Oath
    await preferences.patch(SignInPreferences(user_preferred_method_for_secondary_authentication=oath))
    assert (await preferences.get()).user_preferred_method_for_secondary_authentication == oath


async def test_sign_in_preferences(methods, beta_methods):
    await methods.phone_methods.post(phone("+1 4255550118"))
    preferences = beta_methods.sign_in_preferences
    sms = UserDefaultAuthenticationMethodType.Sms
    await preferences.patch(SignInPreferences(user_preferred_method_for_secondary_authentication=sms))
    read = await preferences.get()
    assert read.user_preferred_method_for_secondary_authentication == sms
    assert read.is_system_preferred_authentication_method_enabled in (True, False)


async def test_requirements(beta_methods):
    requirements = beta_methods.requirements
    assert (await requirements.get()).per_user_mfa_state == PerUserMfaState.Disabled
    await requirements.patch(StrongAuthenticationRequirements(per_user_mfa_state=PerUserMfaState.Enabled))
    assert (await requirements.get()).per_user_mfa_state == PerUserMfaState.Enabled


async def test_the_generic_address_does_not_delete(graph, methods, user):
    await methods.phone_methods.post(phone("+1 4255550119"))
    token = server.user_token(server.ADMINISTRATOR)
    async with httpx.AsyncClient() as http:
        address = f"{server.URL}/v1.0/users/{user.id}/authentication/methods/{MOBILE_ID}"
        answer = await http.delete(address, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 405
    assert (await methods.phone_methods.get()).value
