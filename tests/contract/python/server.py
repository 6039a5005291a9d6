"""Where the server is, and who may ask it: what `tests/contract.rs` says in the environment."""

import base64
import hmac
import json
import os
import struct
import subprocess
import time

import httpx

URL = os.environ["REKEY_URL"]
TENANT = os.environ["REKEY_TENANT"]
CLIENT_ID = os.environ["REKEY_CLIENT_ID"]
CLIENT_SECRET = os.environ["REKEY_CLIENT_SECRET"]
PARTNER_TENANT = os.environ["REKEY_PARTNER_TENANT"]
PARTNER_ID = os.environ["REKEY_PARTNER_ID"]
PARTNER_SECRET = os.environ["REKEY_PARTNER_SECRET"]

# People of the demo.
ADELE = "adele.vance@contoso.example"
ADMINISTRATOR = "isaiah.langer@contoso.example"
PASSWORD = "Correct-Horse-9-Battery"


def rekey(*arguments: str):
    """Runs the command on the server's database; what it prints as JSON."""
    output = subprocess.run([os.environ["REKEY_BIN"], *arguments], capture_output=True, text=True, timeout=60)
    assert output.returncode == 0, output.stderr
    return json.loads(output.stdout)


def user_token(user: str) -> str:
    """An access token of a user, who has proven everything."""
    printed = rekey("user", "token", "--tenant", TENANT, "--user", user, "--public-url", URL)
    return printed["accessToken"]


def own_call(method: str, path: str, body: dict | None = None) -> dict:
    """A call that Graph does not have, as the demo's application, over plain HTTP."""
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    with httpx.Client(timeout=60) as http:
        token = http.post(f"{URL}/{TENANT}/oauth2/v2.0/token", data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = http.request(method, f"{URL}/v1.0{path}", json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else {}


def one_time_code(secret: str, steps: int = 0) -> str:
    """The code of a token of RFC 6238, some steps of thirty seconds from now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = int(time.time()) // 30 + steps
    digest = hmac.digest(key, struct.pack(">Q", step), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def sign_in(user: str, password: str = PASSWORD) -> str:
    """Signs a user in with a password and a new software token; the user's access token."""
    created = own_call("POST", f"/users/{user}/authentication/softwareOathMethods", {"displayName": "Test"})
    secret, method = created["secretKey"], created["id"]
    activate = f"/users/{user}/authentication/softwareOathMethods/{method}/activate"
    own_call("POST", activate, {"verificationCode": one_time_code(secret)})
    session = own_call(
        "POST",
        "/signInSessions",
        {"userPrincipalName": user, "firstFactor": {"type": "password", "password": password}},
    )
    # A code is good once, and one step ahead of time.
    answer = {"methodId": method, "verificationCode": one_time_code(secret, steps=1)}
    done = own_call("POST", f"/signInSessions/{session['id']}/verify", answer)
    assert done["status"] == "completed", done
    return done["outcomeToken"]
