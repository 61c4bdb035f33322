"""RFC 8785 canonical JSON and its SHA-256; the payload on the wire *is* this form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785

from gateway.core.errors import BadMessage

_SAFE = 2**53 - 1  # RFC 8785 3.2.2.3: larger integers are not exact in JSON
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode


def canonical(message: dict[str, Any]) -> bytes:
    """RFC 8785 form as UTF-8 bytes. Raises BadMessage for what JSON cannot hold (NaN, integers over 2^53, half a surrogate).

    Most events hold no floats and only ASCII keys; for them the sorted compact form of the standard library's C encoder
    is the canonical form (same escapes, same order), at a fifth of the time. Everything else goes through rfc8785.
    """
    try:
        return _encode(message).encode() if _simple(message) else bytes(rfc8785.dumps(message))
    except (ValueError, RecursionError) as error:  # rfc8785's own errors are ValueErrors
        raise BadMessage(f"cannot be written as canonical JSON: {error}") from error


def _simple(value: object) -> bool:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -_SAFE <= value <= _SAFE  # type: ignore[operator]
    if kind is dict:
        return all(type(key) is str and key.isascii() and _simple(item) for key, item in value.items())  # type: ignore[attr-defined]
    return (kind is list or kind is tuple) and all(map(_simple, value))  # type: ignore[call-overload]


def told(message: dict[str, Any], name: str, length: int = 120) -> str:
    """A text of a message, cut, in characters that UTF-8 can hold; empty when it is no text."""
    value = message.get(name)
    return value[:length].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def digest(payload: bytes) -> str:
    """SHA-256 of the canonical form, 64 lowercase hex digits."""
    return hashlib.sha256(payload).hexdigest()
