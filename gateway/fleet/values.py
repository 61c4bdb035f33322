"""What stands in one cell, judged: text -> value, or ValueError in words that tell what was expected. Pure."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping

from gateway.config.hours import parse_spans
from gateway.core.ids import ID
from gateway.fleet.columns import NO, YES

TEXT_MOST = 200  # characters of a name or an address; more is a paste that went wrong
COUNT_MOST = 64
_LIST = re.compile(r"[,;，；、\s]+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_REGION = re.compile(r"[0-9]{6}([0-9]{3}){0,2}")


def plain(text: str) -> str:
    """Full-width letters, digits and signs as an office types them, in their usual form; white space of any kind as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def name(text: str) -> str:
    """A text for people."""
    words = " ".join(text.split())
    odd = [char for char in words if unicodedata.category(char) in ("Cc", "Cs", "Cf")]
    if odd:
        raise ValueError(f"holds the character U+{ord(odd[0]):04X}, which nobody sees: type it anew")
    if len(words) > TEXT_MOST:
        raise ValueError(f"has {len(words)} characters; at most {TEXT_MOST} are expected")
    return words


def names(text: str) -> list[str]:
    """Texts with commas between them."""
    return [name(part) for part in re.split(r"[,;，；、\n]+", text) if part.strip()]


def identifier(text: str) -> str:
    """An id, which also names a file."""
    found = plain(text)
    if not ID.fullmatch(found):
        raise ValueError(f'"{found[:60]}" is not an id; expected a-z, 0-9 and -, at most 48 characters')
    return found


def count(text: str) -> int:
    """How many of something."""
    digits = plain(text)
    if not re.fullmatch(r"[0-9]{1,3}", digits) or int(digits) > COUNT_MOST:
        raise ValueError(f'"{digits[:60]}" is not a number of things; expected 0 to {COUNT_MOST}')
    return int(digits)


def unit(text: str) -> int:
    """An address on a bus."""
    digits = plain(text)
    if not re.fullmatch(r"[0-9]{1,3}", digits) or int(digits) > 255:
        raise ValueError(f'"{digits[:60]}" is not an address on a bus; expected 0 to 255')
    return int(digits)


def several(text: str) -> list[str]:
    """What stands in a cell with commas or blanks between."""
    return [part for part in _LIST.split(plain(text)) if part]


def spans(text: str) -> list[str]:
    """Times of the day: "08:00-11:50,13:50-16:30"."""
    out = []
    for part in several(plain(text).replace("—", "-").replace("–", "-").replace("~", "-").replace("至", "-")):
        padded = re.sub(r"\b(\d):", r"0\1:", part)
        parse_spans([padded])
        out.append(padded)
    return out


def yes(text: str) -> bool:
    """Yes or no."""
    word = plain(text).lower()
    if word in YES:
        return True
    if word in NO:
        return False
    raise ValueError(f'"{word[:60]}" is neither yes nor no; expected 是 or 否, 有 or 无')


def choice(text: str, known: Mapping[str, str]) -> str:
    """One of several words, by id or in Chinese. known: id -> Chinese."""
    word = plain(text).lower()
    for key, zh in known.items():
        if word in (key, zh.lower()):
            return key
    raise ValueError(f'"{word[:60]}" is not known here; expected {", ".join(known.values())}')


def region(text: str) -> str:
    """Code of an administrative region."""
    digits = plain(text)
    if not _REGION.fullmatch(digits):
        raise ValueError(f'"{digits[:60]}" is not a code of a region; expected 6, 9 or 12 digits')
    return digits


def degrees(text: str, most: float) -> float:
    """Longitude or latitude. most: 180 or 90."""
    try:
        found = float(plain(text))
    except ValueError:
        found = float("nan")
    if not -most <= found <= most:
        raise ValueError(f'"{plain(text)[:60]}" is not a number of degrees; expected -{most:g} to {most:g}, such as 34.3416')
    return found


def host(text: str) -> str:
    """An IP address or a host name."""
    found = plain(text)
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        pass
    if re.fullmatch(r"[\d.]+", found) or not _HOST.fullmatch(found):
        raise ValueError(f'"{found[:60]}" is neither an IP address nor a host name')
    return found


def host_port(text: str) -> tuple[str, int | None]:
    """An IP address or host name, with or without a port."""
    found = plain(text)
    before, colon, digits = found.rpartition(":")
    if not colon or found.count(":") > 1:
        return host(found.strip("[]")), None
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 0 < int(digits) < 65536:
        raise ValueError(f'"{digits[:20]}" is not a port')
    return host(before), int(digits)


def broker(text: str) -> str:
    """An MQTT address; a bare host is one with TLS on port 8883."""
    found = plain(text)
    if "://" in found:
        return found  # the checker of the site file judges it
    where, port = host_port(found)
    return f"mqtts://{f'[{where}]' if ':' in where else where}:{port or 8883}"
