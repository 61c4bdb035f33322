"""Who may sign in at the page: names, roles and argon2id hashes in one file that only its owner can read."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

ROLES = ("guard", "duty_leader", "technician", "viewer")
LEAST_LENGTH = 8
MOST_LENGTH = 200
NAME_MOST = 40

# RFC 9106, second recommended option, with less memory: a Pi has 2 GB and the guard must be in within a second
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)


class AccountRefused(Exception):
    """An account cannot be made, changed or read; the text says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """One person. hash: argon2id, in its own text form with salt and costs."""

    name: str
    role: str
    hash: str


class Accounts:
    """The file of accounts, read anew when it has changed, so that a removed person is out at once. check() takes a part of a second."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[int, int] | None = None
        self._known: dict[str, Account] = {}

    def all(self) -> list[Account]:
        """All of them, by name. Raises AccountRefused for a file that cannot be read."""
        return [self._accounts()[name] for name in sorted(self._accounts())]

    def role_of(self, name: str) -> str:
        """Role of this person now, '' for nobody."""
        account = self._accounts().get(name)
        return "" if account is None else account.role

    def proof_of(self, name: str) -> str:
        """What is another one once this person has another password; '' for nobody."""
        account = self._accounts().get(name)
        return "" if account is None else account.hash

    def add(self, name: str, role: str, password: str) -> None:
        """A new account. Raises AccountRefused."""
        plain = plain_name(name)
        if not plain or len(plain) > NAME_MOST or any(unicodedata.category(letter)[0] == "C" for letter in plain):
            raise AccountRefused(f"a name has 1 to {NAME_MOST} characters that can be seen")
        if role not in ROLES:
            raise AccountRefused(f'"{role}" is not a role; expected {", ".join(ROLES)}')
        if plain in self._accounts():
            raise AccountRefused(f"{plain} has an account already")
        self._write({**self._accounts(), plain: Account(plain, role, _hash(password))})

    def set_password(self, name: str, password: str) -> None:
        """Another password. Raises AccountRefused."""
        account = self._known_one(name)
        self._write({**self._accounts(), account.name: Account(account.name, account.role, _hash(password))})

    def remove(self, name: str) -> None:
        """The person cannot sign in any more. Raises AccountRefused."""
        gone = self._known_one(name).name
        self._write({other: account for other, account in self._accounts().items() if other != gone})

    def check(self, name: str, password: str) -> str:
        """The role of the person whose password this is, '' otherwise. An unknown name takes as long as a wrong password."""
        account = self._accounts().get(plain_name(name))
        try:
            _HASHER.verify(_NOBODY if account is None else account.hash, password[:MOST_LENGTH])
        except (VerificationError, InvalidHashError):
            return ""
        return "" if account is None else account.role

    def _known_one(self, name: str) -> Account:
        account = self._accounts().get(plain_name(name))
        if account is None:
            known = ", ".join(sorted(self._accounts())) or "nobody"
            raise AccountRefused(f"{name} has no account; known: {known}")
        return account

    def _accounts(self) -> dict[str, Account]:
        try:
            about = self.path.stat()
        except FileNotFoundError:
            self._read, self._known = None, {}
            return self._known
        if (about.st_mtime_ns, about.st_ino) != self._read:
            self._known = self._load(about)
            self._read = (about.st_mtime_ns, about.st_ino)
        return self._known

    def _load(self, about: os.stat_result) -> dict[str, Account]:
        if about.st_mode & 0o077:
            raise AccountRefused(f"{self.path} can be read by others; expected mode 0600: chmod 600 {self.path}")
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))["accounts"]
            return {row["name"]: Account(row["name"], row["role"], row["hash"]) for row in rows if row["role"] in ROLES}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AccountRefused(f"{self.path} is not a file of accounts: {error}") from error

    def _write(self, accounts: dict[str, Account]) -> None:
        rows = [{"name": each.name, "role": each.role, "hash": each.hash} for each in accounts.values()]
        part = self.path.with_suffix(".part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                if os.geteuid() == 0:  # `sudo campus-gateway account`: the page's user reads it, whom the folder belongs to
                    owner = self.path.parent.stat()
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                json.dump({"accounts": rows}, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            raise AccountRefused(f"{self.path} cannot be written: {error.strerror}") from error
        self._read = None


def plain_name(name: str) -> str:
    """The name as it is kept, however a keyboard composes its letters (NFC), without spaces around it."""
    return unicodedata.normalize("NFC", name).strip()


def _hash(password: str) -> str:
    if not LEAST_LENGTH <= len(password) <= MOST_LENGTH:
        raise AccountRefused(f"a password has {LEAST_LENGTH} to {MOST_LENGTH} characters")
    return _HASHER.hash(password)


_NOBODY = _HASHER.hash("nobody has this")
