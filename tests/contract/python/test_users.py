"""Users: typed calls, queries, pages, changes, and what was deleted."""

import datetime
import secrets

import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.unified_role_assignment import UnifiedRoleAssignment
from msgraph.generated.models.user import User
from msgraph.generated.users.count.count_request_builder import CountRequestBuilder
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.change_password.change_password_post_request_body import (
    ChangePasswordPostRequestBody,
)
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator

import server
from conftest import new_user


def headers(**values: str) -> HeadersCollection:
    collection = HeadersCollection()
    for name, value in values.items():
        collection.add(name.replace("_", "-"), value)
    return collection


def asking(eventually: bool = False, **query) -> RequestConfiguration:
    """The query options of GET /users."""
    parameters = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(**query)
    return RequestConfiguration(
        query_parameters=parameters,
        headers=headers(ConsistencyLevel="eventual") if eventually else HeadersCollection(),
    )


async def test_a_user_lives_and_dies(graph):
    wanted = new_user()
    made = await graph.users.post(wanted)
    assert made.id and made.user_principal_name == wanted.user_principal_name
    one = graph.users.by_user_id(made.id)

    read = await one.get()
    assert isinstance(read, User)
    assert read.display_name == wanted.display_name
    assert read.business_phones == []
    # By name too, which the client percent-encodes.
    assert (await graph.users.by_user_id(wanted.user_principal_name).get()).id == made.id

    await one.patch(User(job_title="Auditor", business_phones=["+1 4255550100"]))
    read = await one.get()
    assert (read.job_title, read.business_phones) == ("Auditor", ["+1 4255550100"])

    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404
    assert gone.value.error.code == "Request_ResourceNotFound"

    deleted = await graph.directory.deleted_items.graph_user.get()
    assert made.id in [user.id for user in deleted.value]
    item = graph.directory.deleted_items.by_directory_object_id(made.id)
    assert isinstance(await item.get(), User)
    assert (await item.restore.post()).id == made.id
    assert (await one.get()).id == made.id

    await one.delete()
    await item.delete()
    with pytest.raises(ODataError) as gone:
        await item.get()
    assert gone.value.response_status_code == 404


async def test_only_what_was_selected(graph):
    select = ["id", "accountEnabled", "userType", "createdDateTime", "signInSessionsValidFromDateTime"]
    query = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(select=select)
    read = await graph.users.by_user_id(server.ADELE).get(RequestConfiguration(query_parameters=query))
    assert read.account_enabled is True
    assert read.user_type == "Member"
    assert isinstance(read.created_date_time, datetime.datetime) and read.created_date_time.tzinfo
    assert isinstance(read.sign_in_sessions_valid_from_date_time, datetime.datetime)
    assert read.display_name is None


async def test_pages_by_the_page_iterator(graph):
    first = await graph.users.get(asking(top=3, select=["id", "displayName"]))
    assert len(first.value) == 3
    assert first.odata_next_link.startswith(f"{server.URL}/v1.0/users?")
    seen = []

    def take(user: User) -> bool:
        assert isinstance(user, User) and user.user_principal_name is None
        seen.append(user.id)
        return True

    await PageIterator(first, graph.request_adapter).iterate(take)
    everybody = await graph.users.get(asking(top=999))
    assert everybody.odata_next_link is None
    assert len(seen) == len(set(seen))
    assert {user.id for user in everybody.value} <= set(seen)


async def test_the_next_link_by_hand(graph):
    page = await graph.users.get(asking(top=5))
    second = await graph.users.with_url(page.odata_next_link).get()
    assert len(second.value) == 5
    assert not {user.id for user in page.value} & {user.id for user in second.value}


async def test_filters(graph):
    found = await graph.users.get(asking(filter=f"userPrincipalName eq '{server.ADELE}'"))
    assert [user.user_principal_name for user in found.value] == [server.ADELE]
    found = await graph.users.get(asking(filter="startswith(displayName,'Adele')"))
    assert [user.display_name for user in found.value] == ["Adele Vance"]
    found = await graph.users.get(asking(filter="displayName in ('Adele Vance', 'Lee Gu')"))
    assert {user.display_name for user in found.value} == {"Adele Vance", "Lee Gu"}
    # Somebody whose name has a quote in it.
    made = new_user()
    made.surname = "O'Hara" + secrets.token_hex(4)
    made = await graph.users.post(made)
    quoted = made.surname.replace("'", "''")
    found = await graph.users.get(asking(filter=f"surname eq '{quoted}' and accountEnabled eq true"))
    assert [user.id for user in found.value] == [made.id]


async def test_a_filter_that_is_none(graph):
    with pytest.raises(ODataError) as refused:
        await graph.users.get(asking(filter="displayName equals 'x'"))
    assert refused.value.response_status_code == 400
    assert refused.value.error.code == "Request_BadRequest"


async def test_advanced_filters(graph):
    found = await graph.users.get(asking(True, count=True, filter="endsWith(userPrincipalName,'vance@contoso.example')"))
    assert [user.user_principal_name for user in found.value] == [server.ADELE]
    assert found.odata_count == 1
    found = await graph.users.get(asking(True, count=True, filter="not(userType eq 'Member')", select=["userType"]))
    assert found.value and {user.user_type for user in found.value} == {"Guest"}


async def test_an_order(graph):
    found = await graph.users.get(asking(orderby=["displayName desc"], top=10))
    names = [user.display_name for user in found.value]
    assert len(names) == 10
    assert names == sorted(names, key=str.casefold, reverse=True)


async def test_an_order_of_a_filter(graph):
    query = asking(True, count=True, filter="startswith(userPrincipalName,'a')", orderby=["displayName"])
    names = [user.display_name for user in (await graph.users.get(query)).value]
    assert "Adele Vance" in names
    assert names == sorted(names, key=str.casefold)


async def test_a_count_beside_the_page(graph):
    found = await graph.users.get(asking(True, count=True, top=2))
    assert len(found.value) == 2
    assert found.odata_count > 2


async def test_the_count_alone(graph):
    query = CountRequestBuilder.CountRequestBuilderGetQueryParameters(filter=f"userPrincipalName eq '{server.ADELE}'")
    asked = RequestConfiguration(query_parameters=query, headers=headers(ConsistencyLevel="eventual"))
    assert await graph.users.count.get(asked) == 1
    everybody = await graph.users.count.get(RequestConfiguration(headers=headers(ConsistencyLevel="eventual")))
    assert everybody > 10


async def test_a_search(graph):
    found = await graph.users.get(asking(True, search='"displayName:vance"', count=True))
    assert [user.user_principal_name for user in found.value] == [server.ADELE]
    assert found.odata_count == 1


async def test_changes_since(graph):
    page = await graph.users.delta.get()
    seen = {}
    while True:
        seen.update((user.id, user) for user in page.value)
        if page.odata_delta_link:
            break
        page = await graph.users.delta.with_url(page.odata_next_link).get()
    assert any(user.user_principal_name == server.ADELE for user in seen.values())

    made = await graph.users.post(new_user())
    leaving = await graph.users.post(new_user())
    await graph.users.by_user_id(leaving.id).delete()
    changes = await graph.users.delta.with_url(page.odata_delta_link).get()
    assert changes.odata_next_link is None and changes.odata_delta_link
    changed = {user.id: user for user in changes.value}
    assert set(changed) == {made.id, leaving.id}
    assert changed[made.id].display_name == made.display_name
    assert changed[leaving.id].additional_data["@removed"] == {"reason": "changed"}
    nothing = await graph.users.delta.with_url(changes.odata_delta_link).get()
    assert nothing.value == []


async def test_changes_from_now_on(graph):
    query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["id", "jobTitle"])
    page = await graph.users.delta.get(RequestConfiguration(query_parameters=query))
    while page.odata_next_link:
        page = await graph.users.delta.with_url(page.odata_next_link).get()
    made = await graph.users.post(new_user())
    changes = await graph.users.delta.with_url(page.odata_delta_link).get()
    assert made.id in [user.id for user in changes.value]
    # What was not selected is not said.
    assert all(user.display_name is None for user in changes.value)


async def test_the_latest_change_only(graph):
    latest = f"{server.URL}/v1.0/users/delta?$deltaToken=latest"
    page = await graph.users.delta.with_url(latest).get()
    assert page.value == [] and page.odata_delta_link


async def test_minimal_answers(watched, user):
    graph, wire = watched
    minimal = RequestConfiguration(headers=headers(Prefer="return=minimal"))
    assert await graph.users.by_user_id(user.id).revoke_sign_in_sessions.post(minimal) is None
    assert wire.statuses[-1] == 204


async def test_any_etag_will_do(graph):
    made = await graph.users.post(new_user())
    any_tag = RequestConfiguration(headers=headers(If_Match="*"))
    await graph.users.by_user_id(made.id).patch(User(job_title="One"), any_tag)
    await graph.users.by_user_id(made.id).delete(any_tag)


async def test_sessions_are_revoked(graph, user):
    answer = await graph.users.by_user_id(user.id).revoke_sign_in_sessions.post()
    assert answer.value is True


async def test_a_user_changes_the_own_password(signed_in, user):
    me = signed_in[0].me
    assert (await me.get()).id == user.id
    body = ChangePasswordPostRequestBody(current_password="wrong", new_password="Another-Horse-7-Stable")
    with pytest.raises(ODataError) as refused:
        await me.change_password.post(body)
    assert refused.value.response_status_code == 400
    await me.change_password.post(
        ChangePasswordPostRequestBody(current_password=server.PASSWORD, new_password="Another-Horse-7-Stable")
    )


async def test_an_organization_and_its_roles(graph):
    organizations = await graph.organization.get()
    assert [organization.display_name for organization in organizations.value] == ["Contoso"]
    definitions = await graph.role_management.directory.role_definitions.get()
    assert "Global Administrator" in [role.display_name for role in definitions.value]
    assignments = await graph.role_management.directory.role_assignments.get()
    assert assignments.value and all(assignment.principal_id for assignment in assignments.value)


async def test_a_role_is_given_and_taken(graph, user):
    reader = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
    assignments = graph.role_management.directory.role_assignments
    body = UnifiedRoleAssignment(role_definition_id=reader, principal_id=user.id, directory_scope_id="/")
    made = await assignments.post(body)
    one = assignments.by_unified_role_assignment_id(made.id)
    assert (await one.get()).principal_id == user.id
    definition = graph.role_management.directory.role_definitions.by_unified_role_definition_id(reader)
    assert (await definition.get()).display_name == "Global Reader"
    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404
