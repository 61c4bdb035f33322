"""Reports as they were issued: a file each under STATE_DIR/reports, canonical JSON with its signature, exactly the bytes that are sent."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from gateway.core.errors import Permanent

FOLDER = "reports"
KEPT = {"daily": 400, "weekly": 1000, "monthly": 1000, "drill": 1000}  # weeks and months: twenty years and more
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
            report = read(state_dir, kind, number)
        except ReportUnreadable:
            continue
        found.append({name: report[name] for name in TOLD if name in report})
    return found


def prune(state_dir: Path, kind: str) -> None:
    """Remove the oldest above what is kept. Raises ReportUnreadable, OSError."""
    for number in numbers(state_dir, kind)[KEPT[kind] :]:
        path_of(state_dir, kind, number).unlink(missing_ok=True)
