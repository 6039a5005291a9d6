"""An authenticator of its own for WebAuthn's registration (attestation `none`), and just as much CBOR as that takes."""

import base64
import hashlib
import json
import secrets

from cryptography.hazmat.primitives.asymmetric import ec


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def cbor(value) -> bytes:
    """RFC 8949: integers, byte and text strings, and maps."""

    def head(major: int, number: int) -> bytes:
        if number < 24:
            return bytes([major << 5 | number])
        if number < 256:
            return bytes([major << 5 | 24, number])
        return bytes([major << 5 | 25]) + number.to_bytes(2, "big")

    match value:
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case dict():
            return head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    raise TypeError(value)


def create(challenge: str, relying_party: str, origin: str) -> tuple[str, str, str]:
    """The new credential's id, its clientDataJSON and its attestationObject, each in base64url."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    # COSE_Key (RFC 9053): EC2, ES256, P-256, x, y.
    public_key = cbor({1: 2, 3: -7, -1: 1, -2: key.x.to_bytes(32, "big"), -3: key.y.to_bytes(32, "big")})
    credential = secrets.token_bytes(32)
    present_verified_attested = 0x01 | 0x04 | 0x40
    data = hashlib.sha256(relying_party.encode()).digest() + bytes([present_verified_attested]) + bytes(4)
    data += bytes(16) + len(credential).to_bytes(2, "big") + credential + public_key
    attestation = cbor({"fmt": "none", "attStmt": {}, "authData": data})
    client_data = {"type": "webauthn.create", "challenge": challenge, "origin": origin, "crossOrigin": False}
    return base64url(credential), base64url(json.dumps(client_data).encode()), base64url(attestation)
