"""Enrolment of one uplink path: its TLS key, the request for a certificate, and the check of the certificate that comes back."""

from __future__ import annotations

import hashlib
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from gateway.config.settings import CREDENTIALS, Settings
from gateway.core.errors import Permanent
from gateway.runtime.credentials import CertificateFiles, coming
from gateway.runtime.keys import KeyRefused, keep_secret, read_secret, rename

if TYPE_CHECKING:
    from gateway.config.site import Path as UplinkPath

NAME_CHARACTERS = 64  # ub-common-name, RFC 5280 appendix A.1
FINGERPRINT_DIGITS = 32  # 128 bits: short enough for the telephone, and nobody finds a second key with them
GROUP = 4
PUBLIC_MODE = 0o644


class EnrolmentRefused(Permanent):
    """No key or request can be made, or a certificate is not the right one; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a certificate. fingerprint: of its key, in groups of four hex digits. made: the key is new."""

    name: str
    file: Path
    fingerprint: str
    made: bool


@dataclass(frozen=True, slots=True)
class Installed:
    """A certificate that is in its place. ends: when it expires."""

    name: str
    file: Path
    ends: datetime


class Enrolment:
    """One path of one site. Raises EnrolmentRefused where the site file does not say where key and certificate belong."""

    def __init__(self, settings: Settings, path_id: str = "") -> None:
        self._path = _path(settings, path_id)
        self._ca = settings.beside(self._path.ca_file)
        self._cert = settings.beside(self._path.cert_file)
        self._key = settings.beside(self._path.key_file)
        if f"${CREDENTIALS}" in str(self._key) or _within_credentials(self._key):
            raise EnrolmentRefused(
                f"path {self._path.id}: systemd's credentials cannot be written here; enrol with a site file that names ordinary files, "
                "then hand them to systemd (docs/enrolment.md)"
            )
        self._next = self._key.with_name(f"{self._key.name}.next")
        self.name = f"{settings.site.site.id}/{settings.site.site.gateway}"
        self._uri = f"campus:{settings.source}"
        if len(self.name) > NAME_CHARACTERS:
            raise EnrolmentRefused(f"{self.name} is longer than the {NAME_CHARACTERS} characters that a certificate's name may have")

    def installed(self) -> Installed | None:
        """The certificate in its place, None while there is none. Raises EnrolmentRefused when it cannot be read."""
        self._finish()
        if not self._cert.exists():
            return None
        return Installed(self.name, self._cert, _certificate(self._cert).not_valid_after_utc)

    def request(self, *, renew: bool) -> Request:
        """A request for this path's key, which is made when there is none; renew: for the key that will follow it.

        The key in use stays until the new certificate is installed.
        """
        self._finish()
        file = self._next if renew else self._key
        made = not file.exists()
        try:
            if made:
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                key = ec.generate_private_key(ec.SECP256R1())
                keep_secret(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            signing = _private(file)
            text = self._signed_request(signing).public_bytes(Encoding.PEM)
            out = self._cert.with_suffix(".csr")
            _keep_public(out, text)
        except OSError as error:
            raise EnrolmentRefused(f"{error.filename or file} cannot be written: {error.strerror}") from error
        der = signing.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return Request(self.name, out, fingerprint(der), made)

    def _signed_request(self, key: CertificateIssuerPrivateKeyTypes) -> x509.CertificateSigningRequest:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self._uri)])
        return x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, False).sign(key, SHA256())

    def install(self, file: Path) -> Installed:
        """Check a certificate as the broker will, and put it in its place, with its key. Raises EnrolmentRefused; then nothing changed.

        It may be cut off at any moment: the certificate waits beside its place before the key changes, and until it is in its place
        too whoever reads the pair takes it from there.
        """
        self._finish()
        found = _certificate(file)
        key = self._key_of(found, file)
        self._check_name(found, file)
        check_as_broker(self._ca, file, key)
        try:
            new = coming(self._cert)
            _keep_public(new, file.read_bytes())
            if key == self._next:
                rename(self._next, self._key)
            rename(new, self._cert)
        except OSError as error:
            raise EnrolmentRefused(f"{error.filename} cannot be written: {error.strerror}") from error
        return Installed(self.name, self._cert, found.not_valid_after_utc)

    def _finish(self) -> None:
        """Put a certificate in its place whose installation was cut off when its key was there already."""
        new = coming(self._cert)
        if CertificateFiles(self._ca, self._cert, self._key).shown() != new:
            return
        try:
            rename(new, self._cert)
        except OSError as error:
            raise EnrolmentRefused(f"{error.filename or self._cert} cannot be written: {error.strerror}") from error

    def _key_of(self, found: x509.Certificate, file: Path) -> Path:
        public = _der(found.public_key())
        for key in (self._next, self._key):
            if key.exists() and _der(_private(key).public_key()) == public:
                return key
        raise EnrolmentRefused(f"{file} belongs to another key than {self._key}: was it made from the newest request?")

    def _check_name(self, found: x509.Certificate, file: Path) -> None:
        names = [str(attribute.value) for attribute in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [self.name]:
            raise EnrolmentRefused(f"{file} is for {', '.join(names) or 'nobody'}; this gateway is {self.name}")
        uris = _uris(found)
        if uris and uris != [self._uri]:  # NATS knows its clients by this name
            raise EnrolmentRefused(f"{file} names {', '.join(uris)}; this gateway is {self._uri}")


def fingerprint(public: bytes) -> str:
    """SHA-256 of a public key, its first 128 bits in groups of four hex digits, to be compared by telephone."""
    digits = hashlib.sha256(public).hexdigest()[:FINGERPRINT_DIGITS]
    return "-".join(digits[i : i + GROUP] for i in range(0, FINGERPRINT_DIGITS, GROUP))


def check_as_broker(ca: Path, cert: Path, key: Path) -> None:
    """Play the handshake in memory with a broker that trusts `ca`: chain, dates and purpose as OpenSSL judges. Raises EnrolmentRefused."""
    try:
        broker, gateway = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        broker.verify_mode = ssl.CERT_REQUIRED
        broker.load_verify_locations(ca)
        gateway.check_hostname, gateway.verify_mode = False, ssl.CERT_NONE  # the broker of this play shows our own certificate
        for context in (broker, gateway):
            context.load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        raise EnrolmentRefused(f"{ca} or {cert} cannot be used: {error.strerror or error}") from error
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        _shake(gateway.wrap_bio(one, other), broker.wrap_bio(other, one, server_side=True))
    except ssl.SSLCertVerificationError as error:
        clock = f"this gateway's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        raise EnrolmentRefused(f"{cert} would be refused by a broker that trusts {ca}: {error.verify_message} ({clock})") from error


def _shake(gateway: ssl.SSLObject, broker: ssl.SSLObject) -> None:
    waiting = [gateway, broker]
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)


def _path(settings: Settings, path_id: str) -> UplinkPath:
    paths = [path for path in settings.site.uplink.paths if path.id == path_id or not path_id]
    if not paths:
        raise EnrolmentRefused(f'no uplink path "{path_id}" in {settings.file}')
    for path in paths:
        if path.cert_file and path.key_file and path.ca_file:
            return path
    folder = settings.state_dir
    example = f'ca_file = "{folder}/ca.pem", cert_file = "{folder}/uplink.pem", key_file = "{folder}/uplink.key"'
    raise EnrolmentRefused(
        f"{settings.file}: path {paths[0].id} names no ca_file, cert_file and key_file; say where they belong, for example {example}"
    )


def _within_credentials(path: Path) -> bool:
    folder = os.environ.get(CREDENTIALS)
    return bool(folder) and path.is_relative_to(str(folder))


def _private(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(read_secret(file), None)
    except KeyRefused as error:
        raise EnrolmentRefused(str(error)) from error
    except (OSError, ValueError, TypeError) as error:
        raise EnrolmentRefused(f"{file} is not a private key in PEM without a password") from error
    return key  # type: ignore[return-value]  # any kind that signs; ours are P-256


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())[0]
    except OSError as error:
        raise EnrolmentRefused(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise EnrolmentRefused(f"{file} is not a certificate in PEM") from error


def _uris(found: x509.Certificate) -> list[str]:
    """URIs among the further names of a certificate."""
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except ValueError as error:
        raise EnrolmentRefused("the further names in this certificate cannot be read") from error
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _der(public: object) -> bytes:
    der: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return der


def _keep_public(file: Path, text: bytes) -> None:
    keep_secret(file, text)
    file.chmod(PUBLIC_MODE)
