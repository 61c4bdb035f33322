"""Keys: the centre's own private key file, and the trust file that lists the gateways' public keys."""

from __future__ import annotations

import hashlib
import json
import os
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

PRIVATE_MODE = 0o600
ED25519_BYTES = 32
_SOURCE = re.compile(r"/sites/[a-z0-9-]{1,48}/gateways/[a-z0-9-]{1,48}")


class BadKeyFile(Exception):
    """A key or trust file cannot be used; the text says which file and why."""


@dataclass(frozen=True, slots=True)
class CentreKey:
    """What the centre signs with. by: its recipient id in the site files. kid: names the key in each receipt."""

    by: str
    kid: str
    key: OKPKey


@dataclass(frozen=True, slots=True)
class Trust:
    """Enrolled gateway keys by source and kid. Nothing else makes an event genuine."""

    keys: Mapping[str, Mapping[str, OKPKey]]

    def key(self, source: str, kid: str) -> OKPKey | None:
        """The key of this gateway with this name, or None."""
        return self.keys.get(source, {}).get(kid)


def make_key(path: Path, by: str) -> dict[str, str]:
    """Write a new Ed25519 private JWK (mode 0600, never over an existing file); gives its public part, kid and x."""
    key = OKPKey.generate_key("Ed25519")
    kid = f"{by}-{key.thumbprint()[:8]}"  # RFC 7638
    private = {name: str(value) for name, value in key.as_dict(private=True).items()}
    body = json.dumps({**private, "kid": kid, "by": by}, indent=2) + "\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    except FileExistsError:
        raise BadKeyFile(f"{path}: exists already; a key is never overwritten") from None
    except OSError as problem:
        raise BadKeyFile(f"{path}: {problem.strerror}") from None
    with os.fdopen(handle, "w") as file:
        file.write(body)
    return {"kid": kid, "x": private["x"]}


def read_key(path: Path) -> CentreKey:
    """The private key that `make_key` wrote; BadKeyFile when others may read it or it is not one."""
    text = _read(path)
    if path.stat().st_mode & 0o077:
        raise BadKeyFile(f"{path}: other users may read this private key: chmod 600 {path}")
    try:
        jwk = json.loads(text)
        by, kid = jwk["by"], jwk["kid"]
        key = OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "d")})
    except (ValueError, KeyError, TypeError, JoseError) as problem:
        raise BadKeyFile(f"{path}: not a private key made by `campus-centre keygen` ({problem!r})") from None
    if key.curve_name != "Ed25519" or not isinstance(by, str) or not isinstance(kid, str):
        raise BadKeyFile(f"{path}: expected an Ed25519 key with `kid` and `by`")
    return CentreKey(by=by, kid=kid, key=key)


def read_trust(path: Path) -> Trust:
    """The trust file: `{"keys": [{"source": "/sites/S/gateways/G", "kid": "...", "x": "..."}]}`."""
    keys: dict[str, dict[str, OKPKey]] = {}
    for entry in _entries(path):
        keys.setdefault(entry["source"], {})[entry["kid"]] = public_key(entry["x"])
    return Trust(keys)


def enrol(path: Path, entry: Mapping[str, object]) -> bool:
    """Put one key, {source, kid, x}, into the trust file, which is made when there is none; False when it is there already.

    BadKeyFile for what is no such entry, and where this name stands for another key.
    """
    new = {name: str(entry.get(name, "")) for name in ("source", "kid", "x")}
    if not _SOURCE.fullmatch(new["source"]) or not new["kid"]:
        raise BadKeyFile('expected {"source": "/sites/SITE/gateways/GATEWAY", "kid": "...", "x": "..."}, as `campus-gateway key` prints it')
    try:
        public_key(new["x"])
    except (ValueError, JoseError):
        raise BadKeyFile(f"x of key {new['kid']} is no Ed25519 public key") from None
    entries = _entries(path) if path.exists() else []
    for known in entries:
        if (known["source"], known["kid"]) == (new["source"], new["kid"]):
            if known["x"] != new["x"]:
                raise BadKeyFile(f"{path}: {new['source']} has another key named {new['kid']}; nothing was changed")
            return False
    _write(path, [*entries, new])
    return True


def remove(path: Path, source: str, kid: str) -> None:
    """Take one key out of the trust file; BadKeyFile when it is not there. From then on nothing that it signed counts."""
    entries = _entries(path)
    left = [entry for entry in entries if (entry["source"], entry["kid"]) != (source, kid)]
    if len(left) == len(entries):
        raise BadKeyFile(f"{path}: {source} has no key {kid}")
    _write(path, left)


def public_key(x: str) -> OKPKey:
    """An Ed25519 public key. Raises ValueError or JoseError for anything else."""
    if len(_raw(x)) != ED25519_BYTES:
        raise ValueError("not 32 bytes")
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})


def fingerprint(x: str) -> str:
    """As `campus-gateway enroll` shows it, to be compared by telephone: 128 bits of the key's SHA-256 in groups of four hex digits."""
    digits = hashlib.sha256(_raw(x)).hexdigest()[:32]
    return "-".join(digits[i : i + 4] for i in range(0, 32, 4))


def _raw(x: str) -> bytes:
    return urlsafe_b64decode(x + "=" * (-len(x) % 4))


def _entries(path: Path) -> list[dict[str, str]]:
    text = _read(path)
    try:
        entries = [{name: entry[name] for name in ("source", "kid", "x")} for entry in json.loads(text)["keys"]]
        for entry in entries:
            if not isinstance(entry["source"], str) or not isinstance(entry["kid"], str):
                raise TypeError("source and kid are texts")
            public_key(entry["x"])
    except (ValueError, KeyError, TypeError, JoseError) as problem:
        raise BadKeyFile(f'{path}: expected {{"keys": [{{"source", "kid", "x"}}]}} ({problem!r})') from None
    return entries


def _write(path: Path, entries: list[dict[str, str]]) -> None:
    """Whole or not at all: a centre may read it at any moment."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            json.dump({"keys": entries}, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as problem:
        raise BadKeyFile(f"{path}: {problem.strerror}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadKeyFile(f"{path}: not a text file") from None
    except OSError as problem:
        raise BadKeyFile(f"{path}: {problem.strerror}") from None
