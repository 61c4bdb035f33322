"""Identifiers: ids of site, gateway, points; UUIDv7 for events."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

ID_PATTERN = r"^[a-z0-9-]{1,48}$"  # contract, root and ids
ID = re.compile(ID_PATTERN)
CERTIFICATE_POINT = "gw-certificate"  # a certificate expires within 30 days; only where a path uses TLS
CERTIFICATE_URGENT_POINT = "gw-certificate-urgent"  # within 7 days, or it cannot be used at all
SYSTEM_PREFIX = "gw-"  # subjects of the gateway's own faults; the site file may not use it

_RAND_A_BITS = 12
POOL_BYTES = 4096


class EventIds:
    """UUIDv7 (RFC 9562) in the order of making, also when the wall clock stands still or jumps back.

    A call gives one id for `at_ms` (UTC milliseconds). Within one millisecond, and after a jump back,
    the last used millisecond goes on and the 12 bits of rand_a count up.
    """

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._pool = b""
        self._ms = 0
        self._count = 0

    def __call__(self, at_ms: int) -> str:
        if at_ms > self._ms:
            self._ms = at_ms
            self._count = 0
        else:
            self._count += 1
            if self._count >> _RAND_A_BITS:
                self._ms += 1
                self._count = 0
        if len(self._pool) < 8:
            self._pool = self._random(POOL_BYTES)  # one system call for 512 ids
        drawn, self._pool = self._pool[:8], self._pool[8:]
        rand = int.from_bytes(drawn, "big") & ((1 << 62) - 1)
        number = (self._ms & ((1 << 48) - 1)) << 80 | 7 << 76 | self._count << 64 | 2 << 62 | rand
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
