"""Passwords go into addresses in one place and out of messages everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera_address import redact, with_credentials


def test_credentials_are_escaped() -> None:
    assert with_credentials("rtsp://10.0.0.8:554/ch1", "admin:p@ss/w:rd\n") == "rtsp://admin:p%40ss%2Fw%3Ard@10.0.0.8:554/ch1"


def test_a_camera_may_want_them_elsewhere() -> None:
    url = "rtsp://10.0.0.8:554/user={user}&password={password}&channel=1"
    assert with_credentials(url, "ad{password}min:p@s&{user}\n") == (
        "rtsp://10.0.0.8:554/user=ad%7Bpassword%7Dmin&password=p%40s%26%7Buser%7D&channel=1"
    )
    assert redact(f"no {with_credentials(url, 'admin:p@s&s')}", "admin:p@s&s") == (
        "no rtsp://10.0.0.8:554/user=admin&password=***&channel=1"
    )


@pytest.mark.parametrize("line", ["", "\n", "admin", ":secret"])
def test_a_file_without_both_is_an_error_that_does_not_show_it(line: str) -> None:
    with pytest.raises(ValueError, match="user:password") as refused:
        with_credentials("rtsp://host/", line)
    assert "secret" not in str(refused.value)


def test_a_message_loses_user_and_password() -> None:
    text = "[Errno 111] Connection refused: 'rtsp://admin:geheim@10.0.0.8:554/ch1' after rtsp://a:b@c/"
    assert redact(text) == "[Errno 111] Connection refused: 'rtsp://***@10.0.0.8:554/ch1' after rtsp://***@c/"


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=6, max_size=20))
def test_no_password_survives_in_any_form(password: str) -> None:
    credentials = f"admin:{password}"
    url = with_credentials("rtsp://10.0.0.8/ch1", credentials)
    words = redact(f"cannot open {url} or rtsp://{credentials}@10.0.0.8/ch1 with {password}", credentials)
    assert password not in words.replace("***", "")
    assert "10.0.0.8/ch1" in words
