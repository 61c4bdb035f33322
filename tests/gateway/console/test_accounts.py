"""Accounts: one file, argon2id, nobody by default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.console.accounts import AccountRefused, Accounts

PASSWORD = "correct horse"


def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "accounts.json")


def test_a_person_comes_changes_and_goes(tmp_path: Path) -> None:
    known = accounts(tmp_path)
    assert known.all() == []
    known.add("张三", "guard", PASSWORD)
    assert known.check("张三", PASSWORD) == "guard"
    assert (known.check("张三", PASSWORD + " "), known.check("李四", PASSWORD), known.check("张三", "")) == ("", "", "")
    assert ((tmp_path / "accounts.json").stat().st_mode & 0o777, PASSWORD in (tmp_path / "accounts.json").read_text()) == (0o600, False)
    assert "$argon2id$" in (tmp_path / "accounts.json").read_text()
    known.set_password("张三", "battery staple")
    assert (known.check("张三", PASSWORD), known.check("张三", "battery staple")) == ("", "guard")
    other = accounts(tmp_path)
    other.remove("张三")
    assert (known.role_of("张三"), known.check("张三", "battery staple")) == ("", ""), "another process took the account away"


@pytest.mark.parametrize(
    ("name", "role", "password", "words"),
    [
        ("", "guard", PASSWORD, "1 to 40 characters"),
        ("a\nb", "guard", PASSWORD, "can be seen"),
        ("a" * 41, "guard", PASSWORD, "1 to 40"),
        ("a", "boss", PASSWORD, "is not a role"),
        ("a", "guard", "short", "8 to 200 characters"),
        ("known", "guard", PASSWORD, "has an account already"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, role: str, password: str, words: str) -> None:
    known = accounts(tmp_path)
    known.add("known", "viewer", PASSWORD)
    with pytest.raises(AccountRefused, match=words):
        known.add(name, role, password)
    with pytest.raises(AccountRefused, match="known: known"):
        known.remove("nobody")
    assert [account.name for account in known.all()] == ["known"]


@pytest.mark.parametrize("text", ["", "{}", '{"accounts": [1]}', '{"accounts": [{"name": "a"}]}', "\x00"])
def test_a_file_that_is_none_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "accounts.json").write_text(text)
    (tmp_path / "accounts.json").chmod(0o600)
    with pytest.raises(AccountRefused, match="is not a file of accounts"):
        accounts(tmp_path).all()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    known = accounts(tmp_path)
    known.add("a", "guard", PASSWORD)
    known.path.chmod(0o644)
    with pytest.raises(AccountRefused, match="chmod 600"):
        accounts(tmp_path).check("a", PASSWORD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a file for another user")
def test_what_root_writes_belongs_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    known = accounts(tmp_path)
    known.add("a", "guard", PASSWORD)
    about = known.path.stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (12345, 12346, 0o600)
