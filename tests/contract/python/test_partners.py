"""Granular delegated administration: relationships from a draft to their end, and customers."""

import datetime
import secrets
import uuid

import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.contracts.contracts_request_builder import ContractsRequestBuilder
from msgraph.generated.models.contract import Contract
from msgraph.generated.models.delegated_admin_access_assignment import DelegatedAdminAccessAssignment
from msgraph.generated.models.delegated_admin_access_assignment_status import DelegatedAdminAccessAssignmentStatus
from msgraph.generated.models.delegated_admin_access_container import DelegatedAdminAccessContainer
from msgraph.generated.models.delegated_admin_access_details import DelegatedAdminAccessDetails
from msgraph.generated.models.delegated_admin_relationship import DelegatedAdminRelationship
from msgraph.generated.models.delegated_admin_relationship_customer_participant import (
    DelegatedAdminRelationshipCustomerParticipant,
)
from msgraph.generated.models.delegated_admin_relationship_request import DelegatedAdminRelationshipRequest
from msgraph.generated.models.delegated_admin_relationship_request_action import (
    DelegatedAdminRelationshipRequestAction as Action,
)
from msgraph.generated.models.delegated_admin_relationship_request_status import (
    DelegatedAdminRelationshipRequestStatus,
)
from msgraph.generated.models.delegated_admin_relationship_status import DelegatedAdminRelationshipStatus as Status
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.unified_role import UnifiedRole
from msgraph.generated.tenant_relationships.delegated_admin_relationships.delegated_admin_relationships_request_builder import (  # noqa: E501
    DelegatedAdminRelationshipsRequestBuilder,
)

import server
from conftest import client_of, secret_credential
from test_users import headers

READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
AUTHENTICATION_ADMINISTRATOR = "c4e39bd9-1100-46d3-8c65-fb160da0071f"


def roles(*ids: str) -> DelegatedAdminAccessDetails:
    return DelegatedAdminAccessDetails(unified_roles=[UnifiedRole(role_definition_id=id) for id in ids])


def with_etag(thing) -> RequestConfiguration:
    return RequestConfiguration(headers=headers(If_Match=thing.additional_data["@odata.etag"]))


@pytest.fixture
async def contoso(graph) -> str:
    return (await graph.organization.get()).value[0].id


@pytest.fixture
async def draft(partner, contoso) -> DelegatedAdminRelationship:
    body = DelegatedAdminRelationship(
        display_name=f"Contract {secrets.token_hex(6)}",
        # The Python client writes a timedelta in words of its own instead of ISO 8601's, so it is told which.
        additional_data={"duration": "P30D"},
        customer=DelegatedAdminRelationshipCustomerParticipant(tenant_id=contoso, display_name="Contoso"),
        access_details=roles(READER, AUTHENTICATION_ADMINISTRATOR),
    )
    return await partner.tenant_relationships.delegated_admin_relationships.post(body)


async def test_a_draft_changes_and_goes(partner, draft):
    assert draft.status == Status.Created
    assert draft.duration == datetime.timedelta(days=30)
    assert draft.auto_extend_duration == datetime.timedelta(0)
    one = partner.tenant_relationships.delegated_admin_relationships.by_delegated_admin_relationship_id(draft.id)
    with pytest.raises(ODataError) as refused:
        await one.patch(DelegatedAdminRelationship(display_name="Without an etag"))
    assert refused.value.response_status_code in (412, 428)
    body = DelegatedAdminRelationship(additional_data={"duration": "P60D"})
    changed = await one.patch(body, with_etag(draft))
    changed = changed or await one.get()
    assert changed.duration == datetime.timedelta(days=60)
    with pytest.raises(ODataError) as refused:
        await one.delete(with_etag(draft))
    assert refused.value.response_status_code == 412
    await one.delete(with_etag(changed))
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404


async def test_from_a_proposal_to_its_end(graph, partner, draft, contoso):
    proposals = partner.tenant_relationships.delegated_admin_relationships
    mine = proposals.by_delegated_admin_relationship_id(draft.id)
    theirs = graph.tenant_relationships.delegated_admin_relationships.by_delegated_admin_relationship_id(draft.id)
    locked = await mine.requests.post(DelegatedAdminRelationshipRequest(action=Action.LockForApproval))
    assert locked.action == Action.LockForApproval
    assert isinstance(locked.status, DelegatedAdminRelationshipRequestStatus)
    assert (await mine.get()).status == Status.ApprovalPending
    await theirs.requests.post(DelegatedAdminRelationshipRequest(action=Action.Approve))
    active = await theirs.get()
    assert active.status == Status.Active
    assert active.end_date_time - active.activated_date_time == datetime.timedelta(days=30)
    asked = (await mine.requests.get()).value
    assert {it.action for it in asked} == {Action.LockForApproval, Action.Approve}
    one = mine.requests.by_delegated_admin_relationship_request_id(asked[0].id)
    assert (await one.get()).action == asked[0].action

    # The client's enum knows groups only; applications go through its additional data.
    container = DelegatedAdminAccessContainer(
        access_container_id=server.PARTNER_ID, additional_data={"accessContainerType": "application"}
    )
    body = DelegatedAdminAccessAssignment(access_container=container, access_details=roles(READER))
    made = await mine.access_assignments.post(body)
    assert made.access_container.access_container_id == server.PARTNER_ID
    assignment = mine.access_assignments.by_delegated_admin_access_assignment_id(made.id)
    read = await assignment.get()
    assert read.status == DelegatedAdminAccessAssignmentStatus.Active
    assert [role.role_definition_id for role in read.access_details.unified_roles] == [READER]
    both = roles(READER, AUTHENTICATION_ADMINISTRATOR)
    await assignment.patch(DelegatedAdminAccessAssignment(access_details=both), with_etag(read))
    assert len((await assignment.get()).access_details.unified_roles) == 2
    operations = (await mine.operations.get()).value
    operation = mine.operations.by_delegated_admin_relationship_operation_id(operations[0].id)
    assert (await operation.get()).status == operations[0].status
    await assignment.delete(with_etag(await assignment.get()))
    assert made.id not in [it.id for it in (await mine.access_assignments.get()).value]

    await theirs.requests.post(DelegatedAdminRelationshipRequest(action=Action.Terminate))
    assert (await mine.get()).status == Status.Terminated


async def test_lists_of_relationships(partner):
    query = DelegatedAdminRelationshipsRequestBuilder.DelegatedAdminRelationshipsRequestBuilderGetQueryParameters(
        filter="status eq 'active'", top=2
    )
    relationships = partner.tenant_relationships.delegated_admin_relationships
    found = await relationships.get(RequestConfiguration(query_parameters=query))
    assert len(found.value) == 2 and {it.status for it in found.value} == {Status.Active}
    more = await relationships.with_url(found.odata_next_link).get()
    assert more.value and not {it.id for it in found.value} & {it.id for it in more.value}


async def test_customers(partner):
    customers = partner.tenant_relationships.delegated_admin_customers
    found = await customers.get()
    assert {customer.display_name for customer in found.value} >= {"Contoso", "Northwind Traders", "Tailspin Toys"}
    one = customers.by_delegated_admin_customer_id(found.value[0].id)
    read = await one.get()
    assert read.tenant_id == read.id == found.value[0].id
    assert (await one.service_management_details.get()).value is not None


async def test_contracts(partner, contoso):
    found = (await partner.contracts.get()).value
    assert {type(contract) for contract in found} == {Contract}
    assert {contract.display_name for contract in found} >= {"Contoso", "Northwind Traders", "Tailspin Toys"}
    query = ContractsRequestBuilder.ContractsRequestBuilderGetQueryParameters(top=1)
    first = await partner.contracts.get(RequestConfiguration(query_parameters=query))
    second = await partner.contracts.with_url(first.odata_next_link).get()
    assert [contract.id for contract in first.value + second.value] == [contract.id for contract in found[:2]]

    [one] = [contract for contract in found if contract.customer_id == uuid.UUID(contoso)]
    read = await partner.contracts.by_contract_id(one.id).get()
    assert (read.contract_type, read.customer_id) == ("ResellerPartner", uuid.UUID(contoso))
    assert (read.display_name, read.default_domain_name) == ("Contoso", server.TENANT)
    with pytest.raises(ODataError) as gone:
        await partner.contracts.by_contract_id(str(uuid.uuid4())).get()
    assert gone.value.response_status_code == 404


async def test_a_token_for_a_customer():
    async with secret_credential("northwind.example", server.PARTNER_ID, server.PARTNER_SECRET) as credential:
        graph = client_of(credential)
        methods = await graph.users.by_user_id("janet.leverling@northwind.example").authentication.methods.get()
        assert len(methods.value) == 3


async def test_managed_tenants_in_the_beta(partner_beta):
    managed = partner_beta.tenant_relationships.managed_tenants
    tenants = (await managed.tenants.get()).value
    assert {"Contoso", "Northwind Traders"} <= {tenant.display_name for tenant in tenants}
    summaries = (await managed.credential_user_registrations_summaries.get()).value
    contoso = next(summary for summary in summaries if summary.tenant_display_name == "Contoso")
    assert 0 < contoso.mfa_registered_user_count <= contoso.total_user_count
    one = managed.credential_user_registrations_summaries.by_credential_user_registrations_summary_id(contoso.id)
    assert (await one.get()).tenant_id == contoso.tenant_id
