"""Every refusal as the typed clients read it."""

import datetime
import uuid

import httpx
import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.authentication_phone_type import AuthenticationPhoneType
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.phone_authentication_method import PhoneAuthenticationMethod

import server
from conftest import StaticToken, client_of
from test_users import headers


async def refusal(call) -> ODataError:
    with pytest.raises(ODataError) as refused:
        await call
    error = refused.value
    inner = error.error.inner_error
    assert error.error.code and error.error.message
    assert isinstance(inner.date, datetime.datetime)
    assert uuid.UUID(inner.request_id) and inner.client_request_id
    assert error.response_headers["content-type"].startswith("application/json")
    assert error.response_headers["request-id"] == inner.request_id
    return error


async def test_not_found(graph):
    error = await refusal(graph.users.by_user_id("nobody@contoso.example").get())
    assert error.response_status_code == 404
    assert error.error.code == "Request_ResourceNotFound"


async def test_a_request_id_of_the_clients_own(graph):
    own = str(uuid.uuid4())
    asked = RequestConfiguration(headers=headers(client_request_id=own))
    error = await refusal(graph.users.by_user_id("nobody@contoso.example").get(asked))
    assert error.error.inner_error.client_request_id == own


async def test_a_method_that_is_not_there(methods):
    error = await refusal(methods.phone_methods.by_phone_authentication_method_id("nothing").get())
    assert error.response_status_code == 404


async def test_a_bad_request_names_the_property(methods):
    mobile = AuthenticationPhoneType.Mobile
    error = await refusal(methods.phone_methods.post(PhoneAuthenticationMethod(phone_number="12", phone_type=mobile)))
    assert error.response_status_code == 400
    assert error.error.target == "phoneNumber"


async def test_no_token_is_no_second_question():
    error = await refusal(client_of(StaticToken("not.a.token")).users.get())
    assert error.response_status_code == 401
    assert error.error.code == "InvalidAuthenticationToken"
    challenge = error.response_headers["www-authenticate"]
    assert challenge.startswith("Bearer") and "claims=" not in challenge


async def test_a_user_without_a_role(as_user, user):
    error = await refusal(as_user(user.user_principal_name).users.get())
    assert error.response_status_code == 403
    assert error.error.code == "Authorization_RequestDenied"


async def test_too_many_requests_are_tried_again_by_the_client(watched):
    """This server answers ten requests for reports in ten seconds; the SDK's own middleware waits as it is told."""
    graph, wire = watched
    details = graph.reports.authentication_methods.user_registration_details
    # One after the other: of clients that wait side by side some would find the next token taken, and tire of asking.
    asked = 0
    while 429 not in wire.statuses and asked < 200:
        found = await details.get()
        assert found.value
        asked += 1
    refused = next(answer for answer in wire.answers if answer.status_code == 429)
    assert float(refused.headers["retry-after"]) > 0
    assert wire.statuses.count(200) == asked


async def test_unknown_addresses_and_methods():
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{server.URL}/v1.0/nothing")
        assert answer.status_code == 404 and answer.json()["error"]["code"]
        answer = await http.request("TRACE", f"{server.URL}/v1.0/users")
        assert answer.status_code == 405 and answer.json()["error"]["code"]
