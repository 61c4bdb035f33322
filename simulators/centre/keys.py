"""Keys: the centre's own private key file, and the trust file that lists the gateways' public keys."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

PRIVATE_MODE = 0o600


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
    text = _read(path)
    keys: dict[str, dict[str, OKPKey]] = {}
    try:
        for entry in json.loads(text)["keys"]:
            public = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": entry["x"]})
            keys.setdefault(entry["source"], {})[entry["kid"]] = public
    except (ValueError, KeyError, TypeError, JoseError) as problem:
        raise BadKeyFile(f'{path}: expected {{"keys": [{{"source", "kid", "x"}}]}} ({problem!r})') from None
    return Trust(keys)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadKeyFile(f"{path}: {problem}") from None
