"""What a path shows and whom it trusts: certificate files -> a TLS context for each new session.

Files are read again for each session, so that a renewed certificate needs no restart. An installation that was cut off
between certificate and key is read as if it had come to its end. Authority and host name are always
checked. Only while the clock was never set are the dates of certificates excused, and such a session is opened anew,
with its dates checked, as soon as the clock is known.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.config.settings import Settings
from gateway.core.errors import LinkLost
from gateway.runtime.keys import KeyRefused, read_secret

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates alone are excused; Python has no name for it
LOOK_S = 2.0  # how often the files of an open session are looked at
DAY_S = 86_400.0
SOON_S = 30 * DAY_S
URGENT_S = 7 * DAY_S

Stamp = tuple[tuple[int, int], ...]


class BadCredentials(LinkLost):
    """Certificates, keys or passwords of an uplink path cannot be used; trying again helps once somebody has put them right."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """ca: whom to trust. cert and key: what to show, None where the broker asks for no certificate."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None

    def all(self) -> list[Path]:
        return [path for path in (self.ca, self.cert, self.key) if path is not None]

    def shown(self) -> Path | None:
        """The certificate that goes with the key: cert, or the new one beside it that an installation had no time to put in its place."""
        if self.cert is None or self.key is None:
            return self.cert
        new = coming(self.cert)
        return new if new.exists() and not fits(self.cert, self.key) and fits(new, self.key) else self.cert


def coming(cert: Path) -> Path:
    """Where a certificate waits while it is installed."""
    return cert.with_name(f"{cert.name}.new")


def fits(cert: Path, key: Path) -> bool:
    """Whether these two files are a pair."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError):
        return False
    return True


class Credentials:
    """The TLS side of one path. clock_known: may the wall clock be believed?"""

    def __init__(self, path_id: str, files: CertificateFiles, clock_known: Callable[[], bool]) -> None:
        self._path_id = path_id
        self._files = files
        self._clock_known = clock_known
        self._used: Stamp = ()
        self._refused: Stamp = ()
        self._undated = False
        self._looked_s = 0.0

    def context(self) -> ssl.SSLContext:
        """For one new session, from the files as they are now. Raises BadCredentials."""
        stamp = _stamp(self._files.all())
        undated = not self._clock_known()
        context = self._build(undated)
        self._used, self._undated, self._refused = stamp, undated, ()
        return context

    def stale(self) -> str:
        """Why the open session should be replaced by a new one; empty while it should not.

        New files count once they can be used: a half-installed pair never ends a session that works.
        """
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return ""
        self._looked_s = now_s
        if self._undated and self._clock_known():
            return "the clock is known now: the dates of certificates are checked"
        stamp = _stamp(self._files.all())
        if stamp in (self._used, self._refused):
            return ""
        try:
            self._build(undated=False)
        except BadCredentials:
            self._refused = stamp
            return ""
        return "the certificate files have changed: a new session with the new ones"

    def _build(self, undated: bool) -> ssl.SSLContext:
        files = self._files
        try:
            context = ssl.create_default_context(cafile=str(files.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if undated:
                context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)
            cert = files.shown()
            if cert is not None and files.key is not None:
                read_secret(files.key)
                context.load_cert_chain(cert, files.key, password=_no_password)
        except KeyRefused as error:
            raise BadCredentials(f"uplink path {self._path_id}: {error}") from error
        except (OSError, ValueError) as error:
            names = ", ".join(map(str, files.all()))
            raise BadCredentials(f"uplink path {self._path_id}: one of {names} cannot be used: {_words(error)}") from error
        return context

    def expires_s(self) -> float | None:
        """Unix time at which the first of the certificates shown and in ca_file expires; None when they cannot be read."""
        try:
            return min(_ends_s(path.read_bytes()) for path in (self._files.ca, self._files.shown()) if path is not None)
        except (OSError, ValueError):
            return None

    def trouble(self, at_s: float) -> tuple[str, bool]:
        """(what is wrong with the files or soon will be, is it urgent); ("", False) when all is well. at_s: Unix time.

        While the clock is not known nothing is said about dates.
        """
        try:
            self._build(undated=False)
        except BadCredentials as error:
            return str(error), True
        expires_s = self.expires_s()
        if expires_s is None or not self._clock_known():
            return "", False
        left_s = expires_s - at_s
        if left_s > SOON_S:
            return "", False
        day = time.strftime("%Y-%m-%d", time.gmtime(expires_s))
        if left_s <= 0:
            return f"uplink path {self._path_id}: a certificate expired on {day}", True
        return f"uplink path {self._path_id}: a certificate expires on {day}", left_s <= URGENT_S


def wallets(settings: Settings, clock_known: Callable[[], bool]) -> dict[str, Credentials]:
    """Per path that uses TLS its credentials."""
    out = {}
    for path in settings.site.uplink.paths:
        if path.url.startswith("mqtts:"):
            cert = settings.beside(path.cert_file) if path.cert_file else None
            key = settings.beside(path.key_file) if path.key_file else None
            out[path.id] = Credentials(path.id, CertificateFiles(settings.beside(path.ca_file), cert, key), clock_known)
    return out


def password_reader(path_id: str, file: Path) -> Callable[[], str]:
    """What reads this path's password file for each session; it raises BadCredentials."""

    def read() -> str:
        try:
            return read_secret(file).decode().strip()
        except KeyRefused as error:
            raise BadCredentials(f"uplink path {path_id}: {error}") from error
        except (OSError, ValueError) as error:
            raise BadCredentials(f"uplink path {path_id}: {file} cannot be read: {_words(error)}") from error

    return read


def worst(troubles: Iterable[tuple[str, bool]]) -> tuple[str, bool]:
    """All troubles as one: (words, is any of them urgent)."""
    found = [trouble for trouble in troubles if trouble[0]]
    return "; ".join(words for words, _ in found), any(urgent for _, urgent in found)


def _no_password() -> str:
    raise ValueError("the key is protected by a password, which nobody could type in when the gateway starts")


def _words(error: Exception) -> str:
    """What is wrong, without anything from inside the files."""
    if isinstance(error, ssl.SSLError):
        return {"KEY_VALUES_MISMATCH": "the key does not belong to the certificate"}.get(error.reason or "", error.reason or "not PEM")
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _stamp(paths: list[Path]) -> Stamp:
    return tuple(map(_stamp_of, paths))


def _stamp_of(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


def _ends_s(pem: bytes) -> float:
    from cryptography import x509

    return min(found.not_valid_after_utc.timestamp() for found in x509.load_pem_x509_certificates(pem))
