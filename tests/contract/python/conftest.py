"""Microsoft's clients, unmodified, pointed at the server."""

import secrets
import time
from dataclasses import dataclass, field

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.identity.aio import ClientSecretCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.user import User
from msgraph_beta import GraphRequestAdapter as BetaRequestAdapter
from msgraph_beta import GraphServiceClient as BetaServiceClient
from msgraph_core import GraphClientFactory

import server


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.anyio)


class StaticToken:
    """A credential that has its token already."""

    def __init__(self, token: str):
        self.token = token

    def get_token(self, *scopes, **options):
        return AccessToken(self.token, int(time.time()) + 3600)

    def close(self):
        pass


def secret_credential(tenant: str, client_id: str, secret: str) -> ClientSecretCredential:
    return ClientSecretCredential(tenant, client_id, secret, authority=server.URL, disable_instance_discovery=True)


def client_of(credential, version: str = "v1.0", http: httpx.AsyncClient | None = None):
    """A typed client for one version of the API."""
    adapters = {"v1.0": (GraphRequestAdapter, GraphServiceClient), "beta": (BetaRequestAdapter, BetaServiceClient)}
    make_adapter, make_client = adapters[version]
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=[f"{server.URL}/.default"], allowed_hosts=["localhost", "127.0.0.1"]
    )
    adapter = make_adapter(provider, http)
    adapter.base_url = f"{server.URL}/{version}"
    return make_client(request_adapter=adapter)


@pytest.fixture(scope="session")
async def credential():
    """The demo's application, which has every permission."""
    async with secret_credential(server.TENANT, server.CLIENT_ID, server.CLIENT_SECRET) as credential:
        yield credential


@pytest.fixture(scope="session")
async def graph(credential) -> GraphServiceClient:
    return client_of(credential)


@pytest.fixture(scope="session")
async def beta(credential) -> BetaServiceClient:
    return client_of(credential, "beta")


@pytest.fixture(scope="session")
async def partner_credential():
    async with secret_credential(server.PARTNER_TENANT, server.PARTNER_ID, server.PARTNER_SECRET) as credential:
        yield credential


@pytest.fixture(scope="session")
async def partner(partner_credential) -> GraphServiceClient:
    """The demo's partner, in its own tenant."""
    return client_of(partner_credential)


@pytest.fixture(scope="session")
async def partner_beta(partner_credential) -> BetaServiceClient:
    return client_of(partner_credential, "beta")


@pytest.fixture
def as_user():
    """A client that acts with a user's directory roles."""

    def make(user: str, version: str = "v1.0"):
        return client_of(StaticToken(server.user_token(user)), version)

    return make


@pytest.fixture
def signed_in(user):
    """Clients of that user, who signed in with a password and a second factor."""
    token = StaticToken(server.sign_in(user.user_principal_name))
    return client_of(token), client_of(token, "beta")


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Counts what really goes over the wire below the SDK's middleware."""

    inner: httpx.AsyncHTTPTransport = field(default_factory=httpx.AsyncHTTPTransport)
    answers: list[httpx.Response] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        answer.request = request
        self.answers.append(answer)
        return answer

    @property
    def statuses(self) -> list[int]:
        return [answer.status_code for answer in self.answers]


@pytest.fixture
async def watched(credential):
    """A client with the SDK's own middleware, and what it sends and gets."""
    wire = Wire()
    http = GraphClientFactory.create_with_default_middleware(client=httpx.AsyncClient(transport=wire, timeout=60))
    yield client_of(credential, http=http), wire
    await http.aclose()


def new_user(name: str | None = None) -> User:
    alias = name or f"contract.{secrets.token_hex(6)}"
    return User(
        account_enabled=True,
        display_name=alias.replace(".", " ").title(),
        given_name=alias.split(".")[0].title(),
        mail_nickname=alias,
        user_principal_name=f"{alias}@{server.TENANT}",
        password_profile=PasswordProfile(password=server.PASSWORD, force_change_password_next_sign_in=False),
    )


@pytest.fixture
async def user(graph) -> User:
    """A user of this test alone, with only a password."""
    return await graph.users.post(new_user())


@pytest.fixture
async def methods(graph, user):
    """The authentication of that user."""
    return graph.users.by_user_id(user.id).authentication


@pytest.fixture
def inventory(beta):
    """Hardware tokens of the tenant."""
    return beta.directory.authentication_method_devices.hardware_oath_devices


@pytest.fixture
async def beta_methods(beta, user):
    return beta.users.by_user_id(user.id).authentication
