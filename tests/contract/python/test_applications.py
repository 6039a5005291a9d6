"""Applications and their secrets and keys."""

import base64
import datetime
import time
import uuid

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential
from cryptography.hazmat.primitives import hashes
from msgraph.generated.applications.item.add_key.add_key_post_request_body import AddKeyPostRequestBody
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.applications.item.remove_key.remove_key_post_request_body import RemoveKeyPostRequestBody
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential

import server
from conftest import client_of, secret_credential
from test_tokens import Keys


async def test_an_application_lives_and_dies(graph):
    made = await graph.applications.post(Application(display_name="Contract"))
    assert uuid.UUID(made.app_id) and made.display_name == "Contract"
    one = graph.applications.by_application_id(made.id)
    await one.patch(Application(display_name="Contract 2"))
    read = await one.get()
    assert (read.display_name, read.password_credentials, read.key_credentials) == ("Contract 2", [], [])
    by_app_id = await graph.applications_with_app_id(made.app_id).get()
    assert by_app_id.id == made.id
    assert made.id in [it.id for it in (await graph.applications.get()).value]
    await one.delete()
    with pytest.raises(ODataError) as gone:
        await one.get()
    assert gone.value.response_status_code == 404


async def test_a_secret_opens_until_it_is_removed(graph):
    made = await graph.applications.post(Application(display_name="Contract secrets"))
    one = graph.applications.by_application_id(made.id)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=7)
    body = AddPasswordPostRequestBody(
        password_credential=PasswordCredential(display_name="first", end_date_time=until)
    )
    secret = await one.add_password.post(body)
    assert secret.secret_text and secret.hint and secret.secret_text.startswith(secret.hint)
    assert isinstance(secret.key_id, uuid.UUID) and secret.start_date_time < secret.end_date_time
    [kept] = (await one.get()).password_credentials
    assert (kept.key_id, kept.secret_text, kept.display_name) == (secret.key_id, None, "first")

    async with secret_credential(server.TENANT, made.app_id, secret.secret_text) as credential:
        # It has no permission, but a token.
        with pytest.raises(ODataError) as refused:
            await client_of(credential).users.get()
        assert refused.value.response_status_code == 403

        await one.remove_password.post(RemovePasswordPostRequestBody(key_id=secret.key_id))
        with pytest.raises(ODataError) as void:
            await client_of(credential).users.get()
        assert void.value.response_status_code == 401
    async with secret_credential(server.TENANT, made.app_id, secret.secret_text) as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://graph.microsoft.com/.default")


async def test_keys_change(graph):
    made = await graph.applications.post(Application(display_name="Contract keys"))
    one = graph.applications.by_application_id(made.id)
    keys = Keys()
    await one.patch(Application(key_credentials=[keys.credential()]))
    [key] = (await one.get()).key_credentials
    assert (key.type, key.usage, key.display_name) == ("AsymmetricX509Cert", "Verify", "contract")
    assert isinstance(key.key_id, uuid.UUID) and key.end_date_time.tzinfo
    await one.patch(Application(key_credentials=[]))
    assert (await one.get()).key_credentials == []


def proof(application: Application, keys: Keys) -> str:
    """That whoever asks holds one of the application's keys, as Graph wants it said."""
    now = int(time.time())
    directory_service = "00000002-0000-0000-c000-000000000000"
    content = {"aud": directory_service, "iss": application.id, "nbf": now, "exp": now + 600}
    x5t = base64.urlsafe_b64encode(keys.certificate.fingerprint(hashes.SHA1())).rstrip(b"=").decode()
    return jwt.encode(content, keys.key, algorithm="RS256", headers={"x5t": x5t})


def own(application: Application, keys: Keys):
    """The application as it sees itself, without any permission."""
    credential = CertificateCredential(
        server.TENANT,
        application.app_id,
        certificate_data=keys.private_pem + keys.public_pem,
        authority=server.URL,
        disable_instance_discovery=True,
    )
    return client_of(credential).applications.by_application_id(application.id)


async def test_an_application_rolls_its_own_keys(graph):
    old, new = Keys(), Keys()
    application = await graph.applications.post(Application(display_name="Roller", key_credentials=[old.credential()]))
    [old_key] = (await graph.applications.by_application_id(application.id).get()).key_credentials

    before = own(application, old)
    # Who has only the key that is to come has proven nothing.
    with pytest.raises(ODataError) as refused:
        await before.add_key.post(AddKeyPostRequestBody(key_credential=new.credential(), proof=proof(application, new)))
    assert (refused.value.response_status_code, refused.value.error.target) == (400, "proof")
    body = AddKeyPostRequestBody(key_credential=new.credential(), proof=proof(application, old))
    made = await before.add_key.post(body)
    assert (made.type, made.usage, made.display_name) == ("AsymmetricX509Cert", "Verify", "contract")
    assert isinstance(made.key_id, uuid.UUID) and made.key_id != old_key.key_id

    removal = RemoveKeyPostRequestBody(key_id=old_key.key_id, proof=proof(application, new))
    await own(application, new).remove_key.post(removal)
    # What the old key had obtained is void, and it obtains no more.
    with pytest.raises(ODataError) as void:
        await before.remove_key.post(RemoveKeyPostRequestBody(key_id=made.key_id, proof=proof(application, new)))
    assert void.value.response_status_code == 401
    with pytest.raises(ClientAuthenticationError):
        await own(application, old).remove_key.post(removal)
    left = (await graph.applications.by_application_id(application.id).get()).key_credentials
    assert [key.key_id for key in left] == [made.key_id]
