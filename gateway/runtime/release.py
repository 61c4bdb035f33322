"""A delivered release: what its signed list says, and whether the folder is what was signed.

release.json names every file with its sha-256; release.sig is the base64 of the Ed25519 signature over the bytes of release.json.
Compiled files (__pycache__) are made on the box and are not listed. A link may only be a Python in bin/.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.core.errors import Permanent

NAME = "campus-gateway"
LIST, SIGNATURE = "release.json", "release.sig"
TOLD_MOST = 5  # files that are wrong, by name
_VERSION = re.compile(
    r"(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)(?:(?P<pre>a|b|rc)(?P<pre_n>\d+))?"
    r"(?:\.post(?P<post>\d+))?(?:\.dev(?P<dev>\d+))?(?:\+[a-z0-9.]+)?"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ReleaseRefused(Permanent):
    """A folder that is no release, a key that is none, or a version that cannot be compared."""


@dataclass(frozen=True, slots=True)
class Release:
    """What release.json says. schema: the newest journal schema that it knows; files: relative path -> sha-256 in hex."""

    version: str
    security_floor: str
    python: str
    architecture: str
    schema: int
    files: Mapping[str, str]


def read(folder: Path) -> Release:
    """The list of a release, not verified. Raises ReleaseRefused."""
    path = folder / LIST
    try:
        told: Any = json.loads(path.read_bytes())
        if told["name"] != NAME:
            raise ReleaseRefused(f"{path} is of {told['name']!r}, not of {NAME}")
        words = {name: told[name] for name in ("version", "security_floor", "python", "architecture")}
        schema, files = told["schema"], dict(told["files"])
    except FileNotFoundError:
        raise ReleaseRefused(f"{folder} is no delivered release: it has no {LIST}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReleaseRefused(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    if not all(isinstance(word, str) for word in words.values()) or type(schema) is not int or not all(map(_is_entry, files.items())):
        raise ReleaseRefused(f"{path} is not as a list of a release is: texts, a schema number, paths within it with their sha-256")
    order(words["version"])
    order(words["security_floor"])
    return Release(**words, schema=schema, files=files)


def _is_entry(item: tuple[Any, Any]) -> bool:
    name, digest = item
    inside = isinstance(name, str) and not name.startswith("/") and ".." not in name.split("/")
    return inside and isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None


def verify(folder: Path, keys: Sequence[Ed25519PublicKey]) -> list[str]:
    """What is wrong with a delivered release, each in one line; empty when it is to the byte what one of the keys has signed."""
    try:
        content = (folder / LIST).read_bytes()
        signature = base64.b64decode((folder / SIGNATURE).read_bytes().strip(), validate=True)
    except (OSError, binascii.Error) as error:
        return [f"{folder}: list or signature cannot be read: {error}"]
    if not any(_signed(key, signature, content) for key in keys):
        return [f"{folder}: {LIST} is not signed by any of the {len(keys)} release keys of this box"]
    try:
        release = read(folder)
        return [f"{folder}: {words}" for words in _shortened([*_differences(folder, release)])]
    except (ReleaseRefused, OSError) as error:
        return [str(error)]


def _signed(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _differences(folder: Path, release: Release) -> Iterator[str]:
    missing = dict(release.files)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_symlink():
            if name.parts[0] != "bin" or not name.name.startswith("python") or len(name.parts) != 2:
                yield f"{name} is a link, and none belongs there"
        elif path.is_file() and name.parts != (LIST,) and name.parts != (SIGNATURE,) and "__pycache__" not in name.parts:
            wanted = missing.pop(str(name), None)
            if wanted is None:
                yield f"{name} does not belong to the release"
            elif hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
                yield f"{name} is not as it was signed"
    for gone in missing:
        yield f"{gone} is missing"


def _shortened(found: list[str]) -> list[str]:
    more = len(found) - TOLD_MOST
    return found if more <= 0 else [*found[:TOLD_MOST], f"and {more} more"]


def read_keys(folder: Path) -> list[Ed25519PublicKey]:
    """The keys whose releases may run here: every *.pem of the folder. Raises ReleaseRefused when there is none, or one is no key."""
    keys = []
    for file in sorted(folder.glob("*.pem")):
        try:
            key = load_pem_public_key(file.read_bytes())
        except (OSError, ValueError) as error:
            raise ReleaseRefused(f"{file} cannot be read as a public key in PEM: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ReleaseRefused(f"{file} is no Ed25519 key")
        keys.append(key)
    if not keys:
        raise ReleaseRefused(f"{folder} holds no release key (*.pem): put the public key there of whoever signs your releases")
    return keys


def order(version: str) -> tuple[Any, ...]:
    """A key that sorts versions as PEP 440 does; what follows a + is not looked at. Raises ReleaseRefused."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ReleaseRefused(f"{version!r} is not a version such as 1.4.0, 2.0rc1 or 2.0.post1")
    numbers = [int(part) for part in found["release"].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    dev = (0, int(found["dev"])) if found["dev"] else (1, 0)
    if found["pre"]:
        pre: tuple[Any, ...] = (1, found["pre"], int(found["pre_n"]))
    else:
        pre = (0,) if found["dev"] and not found["post"] else (2,)  # 1.0.dev1 comes before 1.0a1
    post = int(found["post"]) if found["post"] else -1
    return int(found["epoch"] or 0), tuple(numbers), pre, post, dev
