"""RFC 8785 canonical JSON and its SHA-256; the payload on the wire *is* this form."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from gateway.core.errors import BadMessage


def canonical(message: dict[str, Any]) -> bytes:
    """RFC 8785 form as UTF-8 bytes. Raises BadMessage for what JSON cannot hold (NaN, integers over 2^53, half a surrogate)."""
    try:
        return rfc8785.dumps(message)
    except (ValueError, RecursionError) as error:  # rfc8785's own errors are ValueErrors
        raise BadMessage(f"cannot be written as canonical JSON: {error}") from error


def digest(payload: bytes) -> str:
    """SHA-256 of the canonical form, 64 lowercase hex digits."""
    return hashlib.sha256(payload).hexdigest()
