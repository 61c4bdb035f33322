"""What is left out of the loop's complaints, and what is not."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest

from simulators.quiet import hush, is_hang_up


@pytest.mark.parametrize(
    ("error", "left_out"),
    [
        (OSError(errno.EBADF, "Bad file descriptor"), True),
        (ValueError("Invalid file descriptor: -1"), True),
        (OSError(errno.ENOSPC, "No space left"), False),
        (ValueError("something else"), False),
        (None, False),
    ],
)
def test_what_is_left_out(error: Exception | None, left_out: bool) -> None:
    assert is_hang_up(error) is left_out


async def test_the_loop_reports_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    hush(loop)
    loop.call_exception_handler({"message": "closed", "exception": OSError(errno.EBADF, "Bad file descriptor")})
    with caplog.at_level(logging.ERROR, "asyncio"):
        loop.call_exception_handler({"message": "a defect of ours", "exception": RuntimeError("x")})
    assert [record.message.splitlines()[0] for record in caplog.records] == ["a defect of ours"]
