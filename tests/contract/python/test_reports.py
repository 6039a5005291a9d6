"""Who has registered what. This server answers forty requests for it in ten seconds; the clients wait and ask again."""

import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.included_user_roles import IncludedUserRoles
from msgraph.generated.models.included_user_types import IncludedUserTypes
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.user_registration_details import UserRegistrationDetails
from msgraph.generated.reports.authentication_methods.user_registration_details.user_registration_details_request_builder import (  # noqa: E501
    UserRegistrationDetailsRequestBuilder,
)
from msgraph_core.tasks.page_iterator import PageIterator

import server


@pytest.fixture
def reports(graph):
    return graph.reports.authentication_methods


def asking(**query) -> RequestConfiguration:
    parameters = UserRegistrationDetailsRequestBuilder.UserRegistrationDetailsRequestBuilderGetQueryParameters(**query)
    return RequestConfiguration(query_parameters=parameters)


async def test_details_of_everybody(graph, reports):
    first = await reports.user_registration_details.get(asking(top=10))
    seen = []

    def take(details: UserRegistrationDetails) -> bool:
        assert isinstance(details, UserRegistrationDetails)
        seen.append(details)
        return len(seen) < 15

    await PageIterator(first, graph.request_adapter).iterate(take)
    assert len({details.id for details in seen}) == 15


async def test_details_of_some(reports):
    found = await reports.user_registration_details.get(asking(filter="isAdmin eq true", orderby=["userDisplayName"]))
    assert found.value and all(details.is_admin for details in found.value)
    found = await reports.user_registration_details.get(asking(filter="methodsRegistered/any(m:m eq 'mobilePhone')"))
    assert found.value and all("mobilePhone" in details.methods_registered for details in found.value)


async def test_details_of_one(graph, reports):
    adele = await graph.users.by_user_id(server.ADELE).get()
    one = await reports.user_registration_details.by_user_registration_details_id(adele.id).get()
    assert (one.user_principal_name, one.user_display_name) == (server.ADELE, "Adele Vance")
    assert one.is_mfa_registered is True and one.is_admin is False
    assert {"mobilePhone", "email"} <= set(one.methods_registered)
    assert one.last_updated_date_time.tzinfo
    with pytest.raises(ODataError) as gone:
        await reports.user_registration_details.by_user_registration_details_id("nobody").get()
    assert gone.value.response_status_code == 404


async def test_by_feature(reports):
    ask = reports.users_registered_by_feature_with_included_user_types_with_included_user_roles
    read = await ask("all", "all").get()
    assert read.total_user_count > 10
    assert (read.user_types, read.user_roles) == (IncludedUserTypes.All, IncludedUserRoles.All)
    features = {count.feature: count.user_count for count in read.user_registration_feature_counts}
    assert None not in features and len(features) == 5
    assert all(0 <= count <= read.total_user_count for count in features.values())
    # Without parameters it is about everybody.
    assert (await reports.users_registered_by_feature.get()).total_user_count >= read.total_user_count


async def test_by_method(reports):
    ask = reports.users_registered_by_method_with_included_user_types_with_included_user_roles
    # The client takes the roles first.
    read = await ask("all", "guest").get()
    assert (read.user_types, read.user_roles) == (IncludedUserTypes.Guest, IncludedUserRoles.All)
    counts = {count.authentication_method: count.user_count for count in read.user_registration_method_counts}
    assert counts["mobilePhone"] >= 1
