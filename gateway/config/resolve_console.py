"""The guard-room page of a site file: who may reach it, under which names, and whether its files are there."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from gateway.config.settings import CREDENTIALS, beside
from gateway.config.site import Console, Site
from gateway.config.toml_lines import KeyPath

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})
NOBODY = "is every address of this computer, and a browser asks for one: without `names` the page answers nobody in the network"


def resolve_console(site: Site, out: Resolved) -> None:
    """The page leaves this machine only over TLS."""
    console = site.console
    if console is None:
        return
    if bool(console.cert_file) is not bool(console.key_file):
        key = "key_file" if console.cert_file else "cert_file"
        out.errors.append((("console", key), "is missing: a certificate and its key belong together"))
    elif not console.cert_file and not is_loopback(console.host):
        out.errors.append((("console", "host"), "the page without TLS is for loopback only; give cert_file and key_file"))
    elif answers_nobody(console):
        out.warnings.append((("console", "host"), f'"{console.host}" {NOBODY}; give the names and addresses that browsers use'))


def answers_nobody(console: Console) -> bool:
    """It listens to the network, and has no name under which anybody there could ask for it."""
    return console.host in EVERY_ADDRESS and all(is_loopback(name) or name in EVERY_ADDRESS for name in console.names)


def console_doubts(file: FilePath, site: Site) -> Iterator[tuple[KeyPath, str]]:
    """Files of the page that are not here. No errors: the alarms do without a page, and its files may come later."""
    for key in ("cert_file", "key_file"):
        named = "" if site.console is None else str(getattr(site.console, key))
        if not named or (named.startswith(f"${CREDENTIALS}/") and CREDENTIALS not in os.environ):
            continue
        try:
            beside(file, named).stat()
        except PermissionError:
            continue  # a folder that is closed to whoever looks
        except OSError as error:
            yield ("console", key), f'"{named}" cannot be used: {error.strerror}; without it the page cannot be opened'


def is_loopback(host: str) -> bool:
    """A name other than localhost is not: whoever answers for it could be anywhere."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
