"""Tokens by every client that Microsoft makes for Python."""

import base64
import datetime
import json
import time
import uuid

import jwt
import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientAssertionCredential, ClientSecretCredential
from azure.identity.aio import CertificateCredential as AsyncCertificateCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgraph.generated.models.application import Application
from msgraph.generated.models.key_credential import KeyCredential

import server
from conftest import client_of

SCOPE = "https://graph.microsoft.com/.default"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def claims(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def confidential(credential, **options) -> msal.ConfidentialClientApplication:
    options.setdefault("authority", f"{server.URL}/{server.TENANT}")
    return msal.ConfidentialClientApplication(
        server.CLIENT_ID, client_credential=credential, instance_discovery=False, **options
    )


def test_msal_with_a_secret():
    client = confidential(server.CLIENT_SECRET)
    answer = client.acquire_token_for_client([SCOPE])
    assert answer["token_type"] == "Bearer", answer
    assert isinstance(answer["expires_in"], int) and answer["expires_in"] > 0
    assert claims(answer["access_token"])["appid"] == server.CLIENT_ID
    # The second one comes from MSAL's cache.
    again = client.acquire_token_for_client([SCOPE])
    assert again["token_source"] == "cache"
    assert again["access_token"] == answer["access_token"]


def test_msal_with_the_authority_of_openid_connect():
    authority = f"{server.URL}/{server.TENANT}/v2.0"
    client = msal.ConfidentialClientApplication(
        server.CLIENT_ID, client_credential=server.CLIENT_SECRET, oidc_authority=authority
    )
    assert "access_token" in client.acquire_token_for_client([SCOPE])


def test_msal_reads_what_is_wrong_with_a_secret():
    answer = confidential("wrong").acquire_token_for_client([SCOPE])
    assert answer["error"] == "invalid_client"
    assert answer["error_description"].startswith("AADSTS7000215:")
    assert answer["error_codes"] == [7000215]
    assert uuid.UUID(answer["correlation_id"])


def test_msal_does_not_find_an_unknown_tenant():
    with pytest.raises(ValueError):
        confidential(server.CLIENT_SECRET, authority=f"{server.URL}/nobody.example").acquire_token_for_client([SCOPE])


def test_msal_reads_an_unknown_application():
    client = msal.ConfidentialClientApplication(
        str(uuid.uuid4()), client_credential="any", authority=f"{server.URL}/{server.TENANT}", instance_discovery=False
    )
    assert client.acquire_token_for_client([SCOPE])["error_description"].startswith("AADSTS700016:")


def test_azure_identity_with_a_secret():
    credential = ClientSecretCredential(
        server.TENANT, server.CLIENT_ID, server.CLIENT_SECRET, authority=server.URL, disable_instance_discovery=True
    )
    token = credential.get_token(SCOPE)
    assert token.expires_on > time.time()
    assert claims(token.token)["idtyp"] == "app"


def test_azure_identity_with_claims_and_continuous_access_evaluation():
    credential = ClientSecretCredential(
        server.TENANT, server.CLIENT_ID, server.CLIENT_SECRET, authority=server.URL, disable_instance_discovery=True
    )
    assert credential.get_token(SCOPE, enable_cae=True).token


def test_azure_identity_says_what_is_wrong():
    credential = ClientSecretCredential(
        server.TENANT, server.CLIENT_ID, "wrong", authority=server.URL, disable_instance_discovery=True
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token(SCOPE)


def test_the_keys_verify_the_token():
    token = confidential(server.CLIENT_SECRET).acquire_token_for_client([SCOPE])["access_token"]
    issuer = claims(token)["iss"]
    import requests

    found = requests.get(f"{server.URL}/{server.TENANT}/v2.0/.well-known/openid-configuration", timeout=30).json()
    keys = jwt.PyJWKSet.from_dict(requests.get(found["jwks_uri"], timeout=30).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"], issuer=issuer, options={"verify_aud": False})["iss"] == (
        found["issuer"]
    )


class Keys:
    """An application with a certificate, made through the typed client."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "contract")])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )

    @property
    def private_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def sha256(self) -> bytes:
        return self.certificate.fingerprint(hashes.SHA256())

    def credential(self) -> KeyCredential:
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return KeyCredential(type="AsymmetricX509Cert", usage="Verify", key=der, display_name="contract")


@pytest.fixture
async def with_certificate(graph) -> tuple[Application, Keys]:
    keys = Keys()
    application = Application(display_name="Certificates", key_credentials=[keys.credential()])
    return await graph.applications.post(application), keys


async def test_azure_identity_with_a_certificate(with_certificate):
    application, keys = with_certificate
    credential = CertificateCredential(
        server.TENANT,
        application.app_id,
        certificate_data=keys.private_pem + keys.public_pem,
        authority=server.URL,
        disable_instance_discovery=True,
    )
    assert claims(credential.get_token(SCOPE).token)["appid"] == application.app_id


async def test_azure_identity_with_a_certificate_asynchronously(with_certificate):
    # This one pads its Base64, which RFC 7515 does not want.
    application, keys = with_certificate
    async with AsyncCertificateCredential(
        server.TENANT,
        application.app_id,
        certificate_data=keys.private_pem + keys.public_pem,
        authority=server.URL,
        disable_instance_discovery=True,
    ) as credential:
        assert claims((await credential.get_token(SCOPE)).token)["appid"] == application.app_id


async def test_msal_with_a_certificate(with_certificate):
    application, keys = with_certificate
    # MSAL names the key by `x5t#S256` and signs with PS256; with `thumbprint` it is `x5t` and RS256.
    sha1 = keys.certificate.fingerprint(hashes.SHA1()).hex()
    for hint in [{"public_certificate": keys.public_pem.decode()}, {"thumbprint": sha1}]:
        client = msal.ConfidentialClientApplication(
            application.app_id,
            client_credential={"private_key": keys.private_pem.decode(), **hint},
            authority=f"{server.URL}/{server.TENANT}",
            instance_discovery=False,
        )
        answer = client.acquire_token_for_client([SCOPE])
        assert "access_token" in answer, (hint.keys(), answer)


async def test_azure_identity_with_an_assertion_of_its_own(with_certificate):
    application, keys = with_certificate
    audience = f"{server.URL}/{server.TENANT}/oauth2/v2.0/token"

    def assertion() -> str:
        now = int(time.time())
        content = {
            "aud": audience,
            "iss": application.app_id,
            "sub": application.app_id,
            "jti": str(uuid.uuid4()),
            "nbf": now,
            "exp": now + 300,
        }
        x5t = base64.urlsafe_b64encode(keys.sha256).rstrip(b"=").decode()
        return jwt.encode(content, keys.key, algorithm="PS256", headers={"x5t#S256": x5t})

    credential = ClientAssertionCredential(
        server.TENANT, application.app_id, assertion, authority=server.URL, disable_instance_discovery=True
    )
    token = credential.get_token(SCOPE).token
    assert claims(token)["appid"] == application.app_id
    # The application has no permissions; the typed client says so.
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError

    with pytest.raises(ODataError) as refused:
        await client_of(credential).users.get()
    assert refused.value.response_status_code == 403


async def test_a_certificate_of_somebody_else_opens_nothing(with_certificate):
    application, _ = with_certificate
    stranger = Keys()
    credential = CertificateCredential(
        server.TENANT,
        application.app_id,
        certificate_data=stranger.private_pem + stranger.public_pem,
        authority=server.URL,
        disable_instance_discovery=True,
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000(27|24)"):
        credential.get_token(SCOPE)
