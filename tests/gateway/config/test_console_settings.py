"""The guard-room page in a site file: loopback, or TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.settings import ConfigRefused
from tests.gateway.config.test_load import site


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_certificate(tmp_path: Path, host: str) -> None:
    console = site(tmp_path, f'[console]\nhost = "{host}"\n').site.console
    assert console is not None
    assert console.host == host


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ('host = "0.0.0.0"', "console.host", "loopback only"),
        ('host = "192.0.2.7"', "console.host", "loopback only"),
        ('host = "192.0.2.7"\ncert_file = "page.pem"', "console.key_file", "belong together"),
        ('key_file = "page.key"', "console.cert_file", "belong together"),
    ],
)
def test_nothing_in_the_clear_off_loopback(tmp_path: Path, keys: str, key: str, words: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path, f"[console]\n{keys}\n")
    assert [(problem.key, words in problem.text) for problem in refused.value.problems] == [(key, True)]
