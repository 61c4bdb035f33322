"""The signed list of what a release holds: release.json and release.sig."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deploy.package.wheels import PYTHON, NotBuilt

# No box that ran this release switches to one below it any more. Raised only when a release below must not run again.
SECURITY_FLOOR = "0.1.0"
MIGRATIONS = "gateway/journal/migrations"
LIST, SIGNATURE = "release.json", "release.sig"


def seal(folder: Path, site_packages: str, version: str, architecture: str, key: Ed25519PrivateKey) -> None:
    """Write both files into a finished release. Links are not in the list; what is made on the box later (__pycache__) neither."""
    numbers = [int(file.name.split("_")[0]) for file in (folder / site_packages / MIGRATIONS).glob("[0-9]*.sql")]
    content = rfc8785.dumps(
        {
            "name": "campus-gateway",
            "version": version,
            "security_floor": SECURITY_FLOOR,
            "python": PYTHON,
            "architecture": architecture,
            "schema": max(numbers),
            "files": digests(folder),
        }
    )
    (folder / LIST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(base64.b64encode(key.sign(content)) + b"\n")


def digests(folder: Path) -> dict[str, str]:
    """Relative path -> SHA-256 in hex, of all files but the list itself."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    named = {str(path.relative_to(folder)): path for path in files}
    return {name: hashlib.sha256(named[name].read_bytes()).hexdigest() for name in sorted(named) if name not in (LIST, SIGNATURE)}


def read_key(file: Path) -> Ed25519PrivateKey:
    """The private key that signs releases. NotBuilt: the file is not an Ed25519 key in PEM."""
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise NotBuilt(f"{file}: cannot be read as a key without passphrase: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise NotBuilt(f"{file}: is no Ed25519 key: make one with `openssl genpkey -algorithm ed25519 -out {file}`")
    return key


def development_key(file: Path) -> Ed25519PrivateKey:
    """A key for trying things, made once."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return read_key(file)


def public_pem(key: Ed25519PublicKey) -> bytes:
    """As boxes keep it in /etc/campus-gateway/release-keys."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> str:
    """16 hex digits: the start of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
