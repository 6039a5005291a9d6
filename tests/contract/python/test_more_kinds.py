"""Windows Hello, platform credentials, external methods, and QR codes with a PIN."""

import datetime

import pytest
from kiota_abstractions.method import Method
from msgraph.generated.models.external_authentication_method import ExternalAuthenticationMethod
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.platform_credential_authentication_method import PlatformCredentialAuthenticationMethod
from msgraph.generated.models.windows_hello_for_business_authentication_method import (
    WindowsHelloForBusinessAuthenticationMethod,
)
from msgraph_beta.generated.models.o_data_errors.o_data_error import ODataError as BetaError
from msgraph_beta.generated.models.qr_code import QrCode
from msgraph_beta.generated.models.qr_code_pin_authentication_method import QrCodePinAuthenticationMethod
from msgraph_beta.generated.models.qr_pin import QrPin
from msgraph_beta.generated.users.item.authentication.qr_code_pin_method.pin.update_pin.update_pin_post_request_body import (  # noqa: E501
    UpdatePinPostRequestBody,
)


async def every_user_with(graph, kind):
    """The first user of the demo with a method of this class, and the method."""
    for user in (await graph.users.get()).value:
        for method in (await graph.users.by_user_id(user.id).authentication.methods.get()).value:
            if isinstance(method, kind):
                return graph.users.by_user_id(user.id).authentication, method
    raise AssertionError(f"nobody has a {kind.__name__}")


async def test_windows_hello(graph):
    methods, found = await every_user_with(graph, WindowsHelloForBusinessAuthenticationMethod)
    collection = methods.windows_hello_for_business_methods
    assert found.id in [method.id for method in (await collection.get()).value]
    one = collection.by_windows_hello_for_business_authentication_method_id(found.id)
    read = await one.get()
    assert read.display_name and read.key_strength and read.created_date_time.tzinfo
    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404


async def test_platform_credentials(graph):
    methods, found = await every_user_with(graph, PlatformCredentialAuthenticationMethod)
    collection = methods.platform_credential_methods
    assert found.id in [method.id for method in (await collection.get()).value]
    one = collection.by_platform_credential_authentication_method_id(found.id)
    read = await one.get()
    assert read.display_name and read.key_strength and read.platform
    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404


async def test_external_methods(graph, methods):
    _, example = await every_user_with(graph, ExternalAuthenticationMethod)
    collection = methods.external_authentication_methods
    wanted = ExternalAuthenticationMethod(configuration_id=example.configuration_id, display_name="Elsewhere")
    made = await collection.post(wanted)
    assert (made.configuration_id, made.display_name) == (example.configuration_id, "Elsewhere")
    one = collection.by_external_authentication_method_id(made.id)
    assert isinstance(await one.get(), ExternalAuthenticationMethod)
    assert [method.id for method in (await collection.get()).value] == [made.id]
    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404


async def put(client, builder, body) -> QrCodePinAuthenticationMethod:
    """The typed client has the models, but not yet the call; this is what it would be."""
    request = builder.to_get_request_information()
    request.http_method = Method.PUT
    request.set_content_from_parsable(client.request_adapter, "application/json", body)
    return await client.request_adapter.send_async(request, QrCodePinAuthenticationMethod, {"XXX": BetaError})


def qr_code_and_pin(now: datetime.datetime) -> QrCodePinAuthenticationMethod:
    standard = QrCode(start_date_time=now, expire_date_time=now + datetime.timedelta(days=30))
    return QrCodePinAuthenticationMethod(standard_q_r_code=standard, pin=QrPin(code="09599786"))


async def test_the_own_pin(beta, beta_methods, signed_in):
    await put(beta, beta_methods.qr_code_pin_method, qr_code_and_pin(datetime.datetime.now(datetime.UTC)))
    client = signed_in[1]
    change = client.me().authentication.qr_code_pin_method.pin.update_pin
    # The typed client sends POST; Graph's pages say PATCH.
    for verb, current, new in [(Method.POST, "09599786", "71502946"), (Method.PATCH, "71502946", "60418537")]:
        body = UpdatePinPostRequestBody(current_pin=current, new_pin=new)
        request = change.to_post_request_information(body)
        request.http_method = verb
        await client.request_adapter.send_no_response_content_async(request, {"XXX": BetaError})
    assert (await beta_methods.qr_code_pin_method.get()).pin.updated_date_time.tzinfo


async def test_a_badge_that_was_lost(beta, beta_methods):
    qr = beta_methods.qr_code_pin_method
    now = datetime.datetime.now(datetime.UTC)
    lost = await put(beta, qr, qr_code_and_pin(now))
    await qr.standard_q_r_code.delete()
    for call in (qr.standard_q_r_code.get, qr.standard_q_r_code.delete):
        with pytest.raises(BetaError) as gone:
            await call()
        assert gone.value.response_status_code == 404
    # The PIN stays, and goes with the next badge.
    left = await qr.get()
    assert (left.standard_q_r_code, left.pin.id) == (None, lost.pin.id)
    wanted = QrCode(start_date_time=now, expire_date_time=now + datetime.timedelta(days=7))
    new = await qr.standard_q_r_code.patch(wanted)
    assert new.image.binary_value and new.id != lost.standard_q_r_code.id


async def test_a_qr_code_and_its_pin(beta, beta_methods, user):
    qr = beta_methods.qr_code_pin_method
    now = datetime.datetime.now(datetime.UTC)
    made = await put(beta, qr, qr_code_and_pin(now))
    assert isinstance(made, QrCodePinAuthenticationMethod)
    assert made.standard_q_r_code.image.binary_value
    assert made.pin.code and made.pin.force_change_pin_next_sign_in is True

    read = await qr.get()
    assert read.id == made.id and read.temporary_q_r_code is None
    code = await qr.standard_q_r_code.get()
    assert code.image is None and code.expire_date_time > now + datetime.timedelta(days=29)
    longer = await qr.standard_q_r_code.patch(QrCode(expire_date_time=now + datetime.timedelta(days=60)))
    assert (longer or await qr.standard_q_r_code.get()).expire_date_time > now + datetime.timedelta(days=59)

    temporary = await qr.temporary_q_r_code.patch(
        QrCode(start_date_time=now, expire_date_time=now + datetime.timedelta(hours=2))
    )
    assert temporary.image.binary_value
    read = await qr.temporary_q_r_code.get()
    assert (read.id, read.image, read.expire_date_time) == (temporary.id, None, temporary.expire_date_time)
    await qr.temporary_q_r_code.delete()
    with pytest.raises(BetaError) as gone:
        await qr.temporary_q_r_code.get()
    assert gone.value.response_status_code == 404

    assert (await qr.get()).pin.code is None
    assert (await qr.pin.patch(QrPin(code="08599786"))).code == "08599786"
    listed = await beta_methods.methods.get()
    assert QrCodePinAuthenticationMethod in {type(method) for method in listed.value}
    await qr.delete()
    with pytest.raises(BetaError) as gone:
        await qr.get()
    assert gone.value.response_status_code == 404
