"""The signature that an event of the journal carries: whose it is, and whether it holds."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Keys = dict[str, Ed25519PublicKey]  # kid -> key


class Signatures:
    """keys: those that count. A new one counts from the event on that announces it, because the old one signed for that."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._headers: dict[str, Ed25519PublicKey] = {}

    def wrong(self, event: dict[str, Any], body: bytes) -> str:
        """Why the signature of this event does not hold, empty when it does. body: the event's bytes in canonical form."""
        try:
            header, empty, signature = event["signature"].split(".")
            part = b',"signature":"' + event["signature"].encode() + b'"'
            at = body.rindex(b',"source":')
            mac = urlsafe_b64decode(signature + "==")
        except (KeyError, AttributeError, ValueError):
            return "it carries no signature"
        if empty or not body.endswith(part, 0, at):
            return "its signature is not a detached one in its place"
        unsigned = body[: at - len(part)] + body[at:]
        key = self._key(header)
        if isinstance(key, str):
            return key
        try:
            key.verify(mac, header.encode() + b"." + urlsafe_b64encode(unsigned).rstrip(b"="))
        except InvalidSignature:
            return "its signature does not hold"
        return ""

    def _key(self, header: str) -> Ed25519PublicKey | str:
        """The key that a JWS header names, or why there is none; most events have the same header."""
        if header not in self._headers:
            try:
                said = json.loads(urlsafe_b64decode(header + "=="))
                algorithm, kid = said["alg"], said["kid"]
            except (ValueError, KeyError, TypeError):
                return "the header of its signature cannot be read"
            if algorithm != "EdDSA" or kid not in self._keys:
                return f"it is signed with key {kid!r}, which is not known here; give its public half with --key"
            self._headers[header] = self._keys[kid]
        return self._headers[header]

    def announced(self, event: dict[str, Any]) -> str:
        """A new key counts from here on. Why it does not, or empty."""
        data = event["data"]
        try:
            self._keys[data["kid"]] = public_key(data["x"])
        except (KeyError, TypeError, ValueError):
            return "it announces a key that is none"
        return ""


def public_key(x: str) -> Ed25519PublicKey:
    """A key from its `x`, base64url of 32 bytes (RFC 8037). Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(x + "=="))


def thumbprint(x: str) -> str:
    """The kid of a key (RFC 7638, RFC 8037 appendix A.3)."""
    text = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
