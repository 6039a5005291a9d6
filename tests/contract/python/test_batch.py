"""Many requests in one, built and read by the SDK's own classes."""

import pytest
from kiota_abstractions.api_error import APIError
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_content_collection import BatchRequestContentCollection
from msgraph_core.requests.batch_request_item import BatchRequestItem

import server
from conftest import new_user
from test_methods import MOBILE_ID, phone
from test_users import asking


async def test_reads_of_several_kinds(graph):
    users = graph.users.to_get_request_information(asking(top=2))
    adele = graph.users.by_user_id(server.ADELE).to_get_request_information()
    nobody = graph.users.by_user_id("nobody@contoso.example").to_get_request_information()
    content = BatchRequestContent()
    for name, request in {"users": users, "adele": adele, "nobody": nobody}.items():
        content.add_request(name, BatchRequestItem(request, id=name))
    answers = await graph.batch.post(content)
    assert answers.get_response_status_codes() == {"users": 200, "adele": 200, "nobody": 404}
    # The client for Python reads no body that is an object, Graph's neither; the one for JavaScript does.


async def test_writes_and_empty_answers(graph, user):
    methods = graph.users.by_user_id(user.id).authentication.phone_methods
    body = phone("+1 4255550120")
    add = BatchRequestItem(methods.to_post_request_information(body), id="add")
    answers = await graph.batch.post(BatchRequestContent({"add": add}))
    assert answers.get_response_status_codes() == {"add": 201}
    one = methods.by_phone_authentication_method_id(MOBILE_ID)
    assert (await one.get()).phone_number == "+1 4255550120"
    change = BatchRequestItem(one.to_patch_request_information(phone("+1 4255550121", None)), id="change")
    remove = BatchRequestItem(one.to_delete_request_information(), id="remove", depends_on=["change"])
    content = BatchRequestContent()
    content.add_request("change", change)
    content.add_request("remove", remove)
    answers = await graph.batch.post(content)
    assert answers.get_response_status_codes()["change"] == 204
    # The client for Python misspells dependsOn, so the two may have been carried out in any order.
    assert answers.get_response_status_codes()["remove"] in (204, 404)


async def test_more_than_twenty(graph):
    collection = BatchRequestContentCollection()
    for _ in range(25):
        request = graph.users.by_user_id(server.ADELE).to_get_request_information()
        collection.add_batch_request_item(BatchRequestItem(request))
    answers = await graph.batch.post(collection)
    codes = {}
    for content in answers.get_responses():
        codes.update(content.get_response_status_codes())
    assert len(codes) == 25 and set(codes.values()) == {200}


async def test_the_beta_has_it_too(beta):
    request = beta.users.by_user_id(server.ADELE).authentication.hardware_oath_methods.to_get_request_information()
    batch = BatchRequestBuilder(beta.request_adapter)
    answers = await batch.post(BatchRequestContent({"one": BatchRequestItem(request, id="one")}))
    assert answers.get_response_status_codes() == {"one": 200}


async def test_every_request_is_authorized_by_itself(as_user, user):
    graph = as_user(user.user_principal_name)
    request = graph.users.to_post_request_information(new_user())
    answers = await graph.batch.post(BatchRequestContent({"one": BatchRequestItem(request, id="one")}))
    assert answers.get_response_status_codes() == {"one": 403}


async def test_a_batch_of_nothing_is_malformed(graph):
    with pytest.raises(APIError) as refused:
        await graph.batch.post(BatchRequestContent())
    assert refused.value.response_status_code == 400
