"""A camera's address with and without its password. Pure; only the decoder child ever joins the two."""

from __future__ import annotations

import re
from urllib.parse import quote

_USER = re.compile(r"(://)[^/\s]*@")  # up to the last @ before the path: passwords may hold one themselves


def with_credentials(url: str, credentials: str) -> str:
    """The address with `user:password` (one line, as in the credentials file) put in, special characters escaped.

    They go where the address has {user} and {password}, else before the host.
    """
    user, colon, password = credentials.strip().partition(":")
    if not user or not colon:
        raise ValueError("the credentials file holds no line user:password")
    if "{password}" in url:
        return url.replace("{user}", quote(user, safe="")).replace("{password}", quote(password, safe=""))
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def redact(text: str, credentials: str = "") -> str:
    """`text` without user and password of any address in it, nor the given `user:password` in plain or escaped form."""
    _, _, password = credentials.strip().partition(":")
    for secret in {credentials.strip(), password, quote(password, safe="")} - {""}:
        text = text.replace(secret, "***")
    return _USER.sub(r"\1***@", text)
