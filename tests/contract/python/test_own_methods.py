"""What users see and do of their own methods, below /me."""

import datetime

import pytest
from msgraph.generated.models.email_authentication_method import EmailAuthenticationMethod
from msgraph.generated.models.external_authentication_method import ExternalAuthenticationMethod
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.temporary_access_pass_authentication_method import (
    TemporaryAccessPassAuthenticationMethod,
)
from msgraph_beta.generated.models.hardware_oath_authentication_method import HardwareOathAuthenticationMethod
from msgraph_beta.generated.models.hardware_oath_token_authentication_method_device import (
    HardwareOathTokenAuthenticationMethodDevice as Device,
)
from msgraph_beta.generated.models.hardware_oath_token_status import HardwareOathTokenStatus
from msgraph_beta.generated.models.o_data_errors.o_data_error import ODataError as BetaError
from msgraph_beta.generated.models.qr_code import QrCode
from msgraph_beta.generated.users.item.authentication.hardware_oath_methods.assign_and_activate.assign_and_activate_post_request_body import (  # noqa: E501
    AssignAndActivatePostRequestBody,
)
from msgraph_beta.generated.users.item.authentication.hardware_oath_methods.item.activate.activate_post_request_body import (  # noqa: E501
    ActivatePostRequestBody,
)

import server
import virtual_passkey
from conftest import StaticToken, client_of
from test_hardware_oath import SECRET, device
from test_methods import EMAIL_ID, assert_gone, phone, register_passkey
from test_more_kinds import every_user_with, put, qr_code_and_pin

# Collections of the typed client, and how it picks one of them.
KINDS = {
    "email_methods": "by_email_authentication_method_id",
    "external_authentication_methods": "by_external_authentication_method_id",
    "fido2_methods": "by_fido2_authentication_method_id",
    "password_methods": "by_password_authentication_method_id",
    "phone_methods": "by_phone_authentication_method_id",
    "platform_credential_methods": "by_platform_credential_authentication_method_id",
    "software_oath_methods": "by_software_oath_authentication_method_id",
    "temporary_access_pass_methods": "by_temporary_access_pass_authentication_method_id",
    "windows_hello_for_business_methods": "by_windows_hello_for_business_authentication_method_id",
}


def register_key(user, collection: str) -> dict:
    """A key of a device; Graph has no call that registers one."""
    path = f"/users/{user.id}/authentication/{collection}"
    public_key = server.own_call("GET", f"{path}/creationOptions")["publicKey"]
    identifier, client_data, attestation = virtual_passkey.create(
        public_key["challenge"], public_key["rp"]["id"], server.URL
    )
    response = {"clientDataJSON": client_data, "attestationObject": attestation}
    credential = {"id": identifier, "response": response, "authenticatorAttachment": "platform"}
    return server.own_call("POST", path, {"displayName": "Laptop", "publicKeyCredential": credential})


async def test_one_of_every_kind(graph, methods, user, signed_in):
    me = signed_in[0].me.authentication
    _, example = await every_user_with(graph, ExternalAuthenticationMethod)
    await methods.external_authentication_methods.post(
        ExternalAuthenticationMethod(configuration_id=example.configuration_id, display_name="Elsewhere")
    )
    await methods.phone_methods.post(phone("+1 4255550140"))
    await methods.email_methods.post(EmailAuthenticationMethod(email_address="one@example.com"))
    await methods.temporary_access_pass_methods.post(TemporaryAccessPassAuthenticationMethod(lifetime_in_minutes=60))
    options = await me.fido2_methods.creation_options.get()
    await register_passkey(signed_in[0], me.fido2_methods, options)
    for collection in ["windowsHelloForBusinessMethods", "platformCredentialMethods"]:
        register_key(user, collection)

    everything = {method.id: type(method) for method in (await me.methods.get()).value}
    for name, by_id in KINDS.items():
        collection = getattr(me, name)
        [listed] = (await collection.get()).value
        one = await getattr(collection, by_id)(listed.id).get()
        assert (type(one), one.id) == (type(listed), listed.id), name
        one = await me.methods.by_authentication_method_id(listed.id).get()
        assert (type(one), one.id) == (everything.pop(listed.id), listed.id), name
    assert not everything


async def test_an_email_address(signed_in):
    me = signed_in[0].me.authentication.email_methods
    made = await me.post(EmailAuthenticationMethod(email_address="mine@example.com"))
    assert (made.id, made.email_address) == (EMAIL_ID, "mine@example.com")
    one = me.by_email_authentication_method_id(EMAIL_ID)
    await one.delete()
    await assert_gone(one.get())


async def test_keys_of_devices(signed_in, user):
    me = signed_in[0].me.authentication
    register_key(user, "windowsHelloForBusinessMethods")
    [hello] = (await me.windows_hello_for_business_methods.get()).value
    one = me.windows_hello_for_business_methods.by_windows_hello_for_business_authentication_method_id(hello.id)
    await one.delete()
    await assert_gone(one.get())
    register_key(user, "platformCredentialMethods")
    [credential] = (await me.platform_credential_methods.get()).value
    one = me.platform_credential_methods.by_platform_credential_authentication_method_id(credential.id)
    await one.delete()
    await assert_gone(one.get())


async def test_microsoft_authenticator():
    """Only an app can register itself, so this user is one of the demo's."""
    me = client_of(StaticToken(server.sign_in("alex.wilber@contoso.example"))).me.authentication
    [app] = (await me.microsoft_authenticator_methods.get()).value
    one = me.microsoft_authenticator_methods.by_microsoft_authenticator_authentication_method_id(app.id)
    assert (await one.get()).display_name == app.display_name == "Alex's phone"
    await one.delete()
    await assert_gone(one.get())


async def test_software_oath(signed_in, user):
    me = signed_in[0].me.authentication.software_oath_methods
    made = server.own_call("POST", f"/users/{user.id}/authentication/softwareOathMethods", {})
    one = me.by_software_oath_authentication_method_id(made["id"])
    assert (await one.get()).id == made["id"]
    await one.delete()
    await assert_gone(one.get())


async def test_hardware_oath(inventory, beta_methods, signed_in):
    me = signed_in[1].me().authentication.hardware_oath_methods
    made = await inventory.post(device())
    await beta_methods.hardware_oath_methods.post(HardwareOathAuthenticationMethod(device=Device(id=made.id)))
    [mine] = (await me.get()).value
    one = me.by_hardware_oath_authentication_method_id(mine.id)
    await one.activate.post(ActivatePostRequestBody(verification_code=server.one_time_code(SECRET)))
    assert (await one.get()).device.status == HardwareOathTokenStatus.Activated
    await one.deactivate.post()
    assert (await one.get()).device.status == HardwareOathTokenStatus.Assigned
    await one.delete()
    with pytest.raises(BetaError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404

    spare = await inventory.post(device())
    body = AssignAndActivatePostRequestBody(
        device=Device(id=spare.id), verification_code=server.one_time_code(SECRET), display_name="Mine"
    )
    await me.assign_and_activate.post(body)
    assert [method.device.serial_number for method in (await me.get()).value] == [spare.serial_number]


async def test_a_badge(beta, beta_methods, signed_in):
    now = datetime.datetime.now(datetime.UTC)
    made = await put(beta, beta_methods.qr_code_pin_method, qr_code_and_pin(now))
    temporary = await beta_methods.qr_code_pin_method.temporary_q_r_code.patch(
        QrCode(start_date_time=now, expire_date_time=now + datetime.timedelta(hours=2))
    )
    me = signed_in[1].me().authentication.qr_code_pin_method
    read = await me.get()
    assert (read.id, read.pin.code) == (made.id, None)
    for builder, code in [(me.standard_q_r_code, made.standard_q_r_code), (me.temporary_q_r_code, temporary)]:
        one = await builder.get()
        assert (one.id, one.image, one.expire_date_time) == (code.id, None, code.expire_date_time)
    # Badges are given and taken by others.
    for call in (me.delete, me.standard_q_r_code.delete, me.temporary_q_r_code.delete):
        with pytest.raises(BetaError) as refused:
            await call()
        assert refused.value.response_status_code == 403


async def test_what_only_others_do(methods, signed_in):
    me = signed_in[0].me.authentication.temporary_access_pass_methods
    wanted = TemporaryAccessPassAuthenticationMethod(lifetime_in_minutes=60)
    with pytest.raises(ODataError) as refused:
        await me.post(wanted)
    assert refused.value.response_status_code == 403
    made = await methods.temporary_access_pass_methods.post(wanted)
    with pytest.raises(ODataError) as refused:
        await me.by_temporary_access_pass_authentication_method_id(made.id).delete()
    assert refused.value.response_status_code == 403
