"""Silence about what an MQTT library complains of when a broker hangs up at once.

paho closes the socket before aiomqtt has registered it with the event loop (or takes it away again): the loop then reports EBADF, or a
file descriptor of -1, with a traceback. The lost session itself is told by whoever held it.
"""

from __future__ import annotations

import asyncio
import errno
from typing import Any


def hush(loop: asyncio.AbstractEventLoop) -> None:
    """Leave those complaints out; everything else is reported as ever."""
    loop.set_exception_handler(_report)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not is_hang_up(context.get("exception")):
        loop.default_exception_handler(context)


def is_hang_up(error: object) -> bool:
    """True for what the loop says of a socket that is closed already."""
    if isinstance(error, OSError):
        return error.errno == errno.EBADF
    return isinstance(error, ValueError) and "file descriptor" in str(error).lower()
