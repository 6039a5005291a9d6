import asyncio
import os
from urllib.parse import urlsplit

from azure.identity.aio import ClientSecretCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient

REKEY = os.environ.get("REKEY", "https://127.0.0.1:8080")
credential = ClientSecretCredential(
    "contoso.example", os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"],
    authority=REKEY, disable_instance_discovery=True,
)
provider = AzureIdentityAuthenticationProvider(
    credential, scopes=[f"{REKEY}/.default"], allowed_hosts=[urlsplit(REKEY).hostname]
)
adapter = GraphRequestAdapter(provider)
adapter.base_url = f"{REKEY}/v1.0"
graph = GraphServiceClient(request_adapter=adapter)


async def main():
    async with credential:
        diego = graph.users.by_user_id("diego.siciliani@contoso.example")
        phones = await diego.authentication.phone_methods.get()
        for phone in phones.value:
            print(phone.phone_type.value, phone.phone_number)


asyncio.run(main())
