"""Reports as they were issued: a file each under STATE_DIR/reports, canonical JSON with its signature, exactly the bytes that are sent."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from gateway.core.errors import Permanent

FOLDER = "reports"
WATCHED = "watched"  # an empty file
KEPT = {"daily": 400, "weekly": 1000, "monthly": 1000, "drill": 1000}  # weeks and months: twenty years and more
GO_FIRST = ("daily", "drill", "weekly", "monthly")  # where all together are too large; the newest of each stays
MOST_BYTES_ALL = 200_000_000
END_BYTES = 4096  # what stands before and behind the sections is about 1 kB each
MOST_BYTES = 400_000  # of one report; a site with every table full makes about 150 kB
TOLD = ("report", "number", "from", "to", "issued_at", "late", "nothing_happened", "summary")  # of each report in a list


class ReportUnreadable(Permanent):
    """A report is not there, or cannot be read; the text says why."""


def path_of(state_dir: Path, kind: str, number: int) -> Path:
    """Where one lies. Raises ReportUnreadable for a kind that is not known."""
    if kind not in KEPT:
        raise ReportUnreadable(f"{kind[:20]!r} is no kind of report: {', '.join(KEPT)}")
    return state_dir / FOLDER / f"{kind}-{number:06d}.json"


def write(state_dir: Path, kind: str, number: int, body: bytes) -> None:
    """Put it there so that a power cut leaves the whole file or none. Raises OSError."""
    path = path_of(state_dir, kind, number)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    half = path.with_suffix(".half")
    with half.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def touch_watched(state_dir: Path, at_ms: int) -> None:
    """The gateway runs at this UTC time: it stands as the file's own time, which no power cut tears. Raises OSError."""
    path = state_dir / FOLDER / WATCHED
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch()
    os.utime(path, ns=(at_ms * 1_000_000, at_ms * 1_000_000))


def watched(state_dir: Path) -> int | None:
    """When it was touched last, UTC milliseconds; None where it never was."""
    try:
        return (state_dir / FOLDER / WATCHED).stat().st_mtime_ns // 1_000_000
    except OSError:
        return None


def body_of(state_dir: Path, kind: str, number: int) -> bytes:
    """The file's bytes. Raises ReportUnreadable."""
    path = path_of(state_dir, kind, number)
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except FileNotFoundError:
        raise ReportUnreadable(f"there is no {kind} report number {number}") from None
    except OSError as error:
        raise ReportUnreadable(f"{path}: {error.strerror}") from error


def read(state_dir: Path, kind: str, number: int) -> dict[str, Any]:
    """One report as it was issued. Raises ReportUnreadable."""
    return parsed(body_of(state_dir, kind, number), kind, number)


def parsed(body: bytes, kind: str, number: int) -> dict[str, Any]:
    """The report in these bytes. Raises ReportUnreadable where they are not that report."""
    try:
        report = json.loads(body)
    except (ValueError, RecursionError):
        raise ReportUnreadable(f"{kind} report {number} is damaged: it is no JSON") from None
    if not isinstance(report, dict) or (report.get("report"), report.get("number")) != (kind, number):
        raise ReportUnreadable(f"{kind} report {number} is damaged: the file holds something else")
    return report


def numbers(state_dir: Path, kind: str) -> list[int]:
    """Of the files that are there, newest first."""
    pattern = re.compile(rf"{kind}-([0-9]{{6,}})\.json")
    try:
        names = [pattern.fullmatch(name) for name in os.listdir(path_of(state_dir, kind, 0).parent)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReportUnreadable(f"{state_dir / FOLDER}: {error.strerror}") from error
    return sorted((int(name.group(1)) for name in names if name), reverse=True)


def kept(state_dir: Path, kind: str, most: int = 400) -> list[dict[str, Any]]:
    """The newest `most` of one kind, newest first, each with the members of TOLD that it has; one that is damaged is left out."""
    found = []
    for number in numbers(state_dir, kind)[:most]:
        try:
            report = _ends(path_of(state_dir, kind, number), kind, number) or read(state_dir, kind, number)
        except ReportUnreadable:
            continue
        found.append({name: report[name] for name in TOLD if name in report})
    return found


def _ends(path: Path, kind: str, number: int) -> dict[str, Any] | None:
    """All but the sections, which are nearly the whole file: canonical JSON has its members by name, so they stand in the middle.

    None where the file is not made so. A mark cannot stand within a text: there its quotation marks are escaped.
    """
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(END_BYTES)
            file.seek(max(len(head), os.fstat(file.fileno()).st_size - END_BYTES))
            tail = head + file.read(END_BYTES)
        begin, end = head.index(b',"sections":{'), tail.rindex(b',"signature":')
        report = json.loads(head[:begin] + tail[end:])
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and (report.get("report"), report.get("number")) == (kind, number) else None


def prune(state_dir: Path, kind: str) -> None:
    """Remove the oldest above what is kept, and of all kinds what is above MOST_BYTES_ALL. Raises ReportUnreadable, OSError."""
    for number in numbers(state_dir, kind)[KEPT[kind] :]:
        path_of(state_dir, kind, number).unlink(missing_ok=True)
    paths = [path_of(state_dir, each, number) for each in GO_FIRST for number in reversed(numbers(state_dir, each)[1:])]
    above = sum(entry.stat().st_size for entry in os.scandir(state_dir / FOLDER)) - MOST_BYTES_ALL
    for path in paths:
        if above <= 0:
            return
        above -= path.stat().st_size
        path.unlink()
