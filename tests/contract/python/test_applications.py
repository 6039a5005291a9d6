"""Applications and their secrets and keys."""

import datetime
import uuid

import pytest
from azure.core.exceptions import ClientAuthenticationError
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
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
