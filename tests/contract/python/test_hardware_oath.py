"""Hardware tokens: the inventory, and what users have of it. Microsoft has them in the beta only."""

import json
import secrets

import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method
from msgraph_beta.generated.directory.authentication_method_devices.hardware_oath_devices.hardware_oath_devices_request_builder import (  # noqa: E501
    HardwareOathDevicesRequestBuilder,
)
from msgraph_beta.generated.models.hardware_oath_authentication_method import HardwareOathAuthenticationMethod
from msgraph_beta.generated.models.hardware_oath_token_authentication_method_device import (
    HardwareOathTokenAuthenticationMethodDevice as Device,
)
from msgraph_beta.generated.models.hardware_oath_token_hash_function import HardwareOathTokenHashFunction
from msgraph_beta.generated.models.hardware_oath_token_status import HardwareOathTokenStatus
from msgraph_beta.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_beta.generated.models.user import User
from msgraph_beta.generated.users.item.authentication.hardware_oath_methods.assign_and_activate.assign_and_activate_post_request_body import (  # noqa: E501
    AssignAndActivatePostRequestBody,
)
from msgraph_beta.generated.users.item.authentication.hardware_oath_methods.assign_and_activate_by_serial_number.assign_and_activate_by_serial_number_post_request_body import (  # noqa: E501
    AssignAndActivateBySerialNumberPostRequestBody,
)
from msgraph_beta.generated.users.item.authentication.hardware_oath_methods.item.activate.activate_post_request_body import (  # noqa: E501
    ActivatePostRequestBody,
)

import server

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def device(**more) -> Device:
    return Device(
        serial_number=f"CONTRACT-{secrets.token_hex(6)}",
        manufacturer="Contoso",
        model="Token 2",
        secret_key=SECRET,
        time_interval_in_seconds=30,
        hash_function=HardwareOathTokenHashFunction.Hmacsha1,
        **more,
    )


async def test_a_device_lives_and_dies(inventory):
    wanted = device(display_name="Spare")
    made = await inventory.post(wanted)
    assert made.serial_number == wanted.serial_number and made.secret_key is None
    assert made.status == HardwareOathTokenStatus.Available
    assert made.hash_function == HardwareOathTokenHashFunction.Hmacsha1
    one = inventory.by_hardware_oath_token_authentication_method_device_id(made.id)
    await one.patch(Device(model="Token 3", time_interval_in_seconds=60))
    read = await one.get()
    assert (read.model, read.time_interval_in_seconds, read.display_name) == ("Token 3", 60, "Spare")

    query = HardwareOathDevicesRequestBuilder.HardwareOathDevicesRequestBuilderGetQueryParameters(
        filter=f"serialNumber eq '{wanted.serial_number}'"
    )
    found = await inventory.get(RequestConfiguration(query_parameters=query))
    assert [it.id for it in found.value] == [made.id]
    query.filter = "status eq 'activated'"
    found = await inventory.get(RequestConfiguration(query_parameters=query))
    assert found.value and {it.status for it in found.value} == {HardwareOathTokenStatus.Activated}
    assert all(it.assigned_to.id for it in found.value)

    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404


async def test_a_device_for_somebody_from_the_first(inventory, user):
    made = await inventory.post(device(assign_to=User(id=user.id)))
    assert made.status == HardwareOathTokenStatus.Assigned
    assert made.assigned_to.id == user.id
    one = inventory.by_hardware_oath_token_authentication_method_device_id(made.id)
    with pytest.raises(ODataError) as refused:
        await one.delete()
    assert refused.value.response_status_code in (400, 409)


async def test_assigned_activated_deactivated_unassigned(inventory, beta_methods):
    made = await inventory.post(device())
    methods = beta_methods.hardware_oath_methods
    assigned = await methods.post(HardwareOathAuthenticationMethod(device=Device(id=made.id)))
    assert isinstance(assigned, HardwareOathAuthenticationMethod)
    assert assigned.device.serial_number == made.serial_number
    one = methods.by_hardware_oath_authentication_method_id(assigned.id)
    with pytest.raises(ODataError) as refused:
        await one.activate.post(ActivatePostRequestBody(verification_code="000000"))
    assert refused.value.response_status_code == 400
    stock = inventory.by_hardware_oath_token_authentication_method_device_id(made.id)
    assert (await stock.get()).status == HardwareOathTokenStatus.FailedActivation
    code = server.one_time_code(SECRET)
    await one.activate.post(ActivatePostRequestBody(verification_code=code, display_name="On my keys"))
    assert (await one.get()).device.status == HardwareOathTokenStatus.Activated
    assert [it.id for it in (await methods.get()).value] == [assigned.id]
    everything = await beta_methods.methods.get()
    assert HardwareOathAuthenticationMethod in {type(method) for method in everything.value}

    await one.deactivate.post()
    assert (await stock.get()).status == HardwareOathTokenStatus.Assigned
    await one.delete()
    assert (await stock.get()).status == HardwareOathTokenStatus.Available
    assert (await methods.get()).value == []


async def test_assigned_from_the_inventory(beta, inventory, beta_methods, user):
    """The typed client reads `assignTo` only; its models and its pipeline do the rest."""
    made = await inventory.post(device())
    one = inventory.by_hardware_oath_token_authentication_method_device_id(made.id)
    request = one.assign_to.to_get_request_information()
    request.http_method = Method.POST
    request.set_content_from_parsable(beta.request_adapter, "application/json", User(id=user.id))
    await beta.request_adapter.send_no_response_content_async(request, {"XXX": ODataError})
    read = await one.get()
    assert (read.status, read.assigned_to.id) == (HardwareOathTokenStatus.Assigned, user.id)
    [method] = (await beta_methods.hardware_oath_methods.get()).value
    assert method.device.serial_number == made.serial_number
    # It is taken.
    with pytest.raises(ODataError) as refused:
        await beta.request_adapter.send_no_response_content_async(request, {"XXX": ODataError})
    assert refused.value.response_status_code == 409


async def test_assigned_and_activated_at_once(inventory, beta_methods):
    made = await inventory.post(device())
    body = AssignAndActivatePostRequestBody(
        device=Device(id=made.id), verification_code=server.one_time_code(SECRET), display_name="Mine"
    )
    await beta_methods.hardware_oath_methods.assign_and_activate.post(body)
    [method] = (await beta_methods.hardware_oath_methods.get()).value
    assert method.device.id == made.id
    assert method.device.status == HardwareOathTokenStatus.Activated


async def test_by_serial_number(inventory, beta_methods):
    made = await inventory.post(device())
    body = AssignAndActivateBySerialNumberPostRequestBody(
        serial_number=made.serial_number, verification_code=server.one_time_code(SECRET), display_name="Theirs"
    )
    await beta_methods.hardware_oath_methods.assign_and_activate_by_serial_number.post(body)
    [method] = (await beta_methods.hardware_oath_methods.get()).value
    assert (method.device.id, method.device.status) == (made.id, HardwareOathTokenStatus.Activated)


async def test_by_serial_number_by_the_user(inventory, signed_in):
    made = await inventory.post(device())
    mine = signed_in[1].me().authentication.hardware_oath_methods
    body = AssignAndActivateBySerialNumberPostRequestBody(
        serial_number=made.serial_number, verification_code=server.one_time_code(SECRET), display_name="Mine"
    )
    await mine.assign_and_activate_by_serial_number.post(body)
    assert [method.device.serial_number for method in (await mine.get()).value] == [made.serial_number]


async def test_many_devices_in_one_call(beta, inventory):
    """The typed client cannot write a delta; the body is the documentation's, sent through its own pipeline."""
    serials = [f"CONTRACT-{secrets.token_hex(6)}" for _ in range(2)]
    value = [
        {
            "@contentId": str(number),
            "serialNumber": serial,
            "manufacturer": "Contoso",
            "model": "Token 2",
            "secretKey": SECRET,
            # One of Microsoft's examples sends a string.
            "timeIntervalInSeconds": "30",
            "hashFunction": "hmacsha1",
        }
        for number, serial in enumerate(serials, start=1)
    ]
    answer = await send_json(beta, inventory, {"@context": "#$delta", "value": value})
    assert [made["serialNumber"] for made in answer["value"]] == serials
    assert all(made["secretKey"] is None for made in answer["value"])


async def send_json(client, builder, body: dict) -> dict:


    request = builder.to_get_request_information()
    request.http_method = Method.PATCH
    request.set_stream_content(json.dumps(body).encode(), "application/json")
    return json.loads(await client.request_adapter.send_primitive_async(request, "bytes", {"XXX": ODataError}))
