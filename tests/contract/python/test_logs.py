"""What was done, and who signed in."""

import datetime

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.audit_logs.directory_audits.directory_audits_request_builder import DirectoryAuditsRequestBuilder
from msgraph.generated.audit_logs.sign_ins.sign_ins_request_builder import SignInsRequestBuilder
from msgraph.generated.models.directory_audit import DirectoryAudit
from msgraph.generated.models.operation_result import OperationResult
from msgraph_core.tasks.page_iterator import PageIterator

import server


def audits(**query) -> RequestConfiguration:
    parameters = DirectoryAuditsRequestBuilder.DirectoryAuditsRequestBuilderGetQueryParameters(**query)
    return RequestConfiguration(query_parameters=parameters)


async def test_audits_of_one_user(graph, user):
    wanted = f"targetResources/any(t:t/id eq '{user.id}')"
    found = await graph.audit_logs.directory_audits.get(audits(filter=wanted))
    [event] = found.value
    assert isinstance(event, DirectoryAudit)
    assert event.result == OperationResult.Success and event.category == "UserManagement"
    assert isinstance(event.activity_date_time, datetime.datetime) and event.activity_date_time.tzinfo
    assert event.initiated_by.app.app_id == server.CLIENT_ID
    assert [target.id for target in event.target_resources] == [user.id]
    one = await graph.audit_logs.directory_audits.by_directory_audit_id(event.id).get()
    assert one.activity_display_name == event.activity_display_name


async def test_pages_of_audits(graph):
    query = audits(top=20, orderby=["activityDateTime desc"])
    first = await graph.audit_logs.directory_audits.get(query)
    assert len(first.value) == 20
    seen = []

    def take(event: DirectoryAudit) -> bool:
        seen.append(event)
        return len(seen) < 45

    await PageIterator(first, graph.request_adapter).iterate(take)
    assert len({event.id for event in seen}) == 45
    times = [event.activity_date_time for event in seen]
    assert times == sorted(times, reverse=True)


async def test_sign_ins(graph, signed_in, user):
    query = SignInsRequestBuilder.SignInsRequestBuilderGetQueryParameters(filter=f"userId eq '{user.id}'")
    found = await graph.audit_logs.sign_ins.get(RequestConfiguration(query_parameters=query))
    [sign_in] = found.value
    assert sign_in.user_principal_name == user.user_principal_name
    assert sign_in.status.error_code == 0
    assert sign_in.is_interactive is True and sign_in.app_id == server.CLIENT_ID
    assert sign_in.created_date_time.tzinfo
    one = await graph.audit_logs.sign_ins.by_sign_in_id(sign_in.id).get()
    assert one.correlation_id == sign_in.correlation_id


async def test_the_steps_of_a_sign_in_in_the_beta(beta, signed_in, user):
    from msgraph_beta.generated.audit_logs.sign_ins.sign_ins_request_builder import SignInsRequestBuilder

    query = SignInsRequestBuilder.SignInsRequestBuilderGetQueryParameters(filter=f"userId eq '{user.id}'")
    [sign_in] = (await beta.audit_logs.sign_ins.get(RequestConfiguration(query_parameters=query))).value
    assert [step.succeeded for step in sign_in.authentication_details] == [True, True]
    assert all(step.authentication_method for step in sign_in.authentication_details)
