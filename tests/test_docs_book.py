"""The pages as one book: each is found from the index, headings of links exist, commands are told of and can be typed, figures hold."""

from __future__ import annotations

import argparse
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from gateway.__main__ import _parser, main
from gateway.config.site import Storage, Vision
from tests.test_docs import prose

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "systemd/README.md"]
APART = {"decisions"}  # an index of its own: the folder
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"^    ([a-z][a-z-]+)(?: |$)", re.MULTILINE)


def slug(heading: str) -> str:
    """The anchor of a heading, as the usual Markdown sites make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def anchors(page: Path) -> set[str]:
    """Of all headings of a page; a heading of the same words gets a number there, which nobody links to."""
    return {slug(heading) for heading in HEADING.findall(prose(page))}


def links(page: Path) -> list[tuple[Path, str]]:
    """(file, anchor or '') of the links that stay here."""
    found = [(file, anchor) for file, anchor in LINK.findall(prose(page)) if "://" not in file]
    return [((page.parent / file).resolve() if file else page, anchor) for file, anchor in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    known = [(file, anchor) for file, anchor in links(page) if anchor and file.suffix == ".md" and file.exists()]
    assert [f"{file.name}#{anchor}" for file, anchor in known if anchor not in anchors(file)] == []


def test_a_wrong_heading_would_be_seen() -> None:
    assert slug("A first visit (调试验收)") == "a-first-visit-调试验收"
    assert "a-first-visit-调试验收" in anchors(DOCS / "technician.md")
    assert "no-such-heading" not in anchors(DOCS / "technician.md")


def test_every_page_is_found_from_the_index() -> None:
    found, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in found and page.is_file() and page.suffix == ".md" and page.is_relative_to(DOCS):
            found.add(page)
            waiting += [file for file, _ in links(page)]
    pages = {page for page in DOCS.rglob("*.md") if page.relative_to(DOCS).parts[0] not in APART}
    assert len(pages) > 30
    assert {str(page.relative_to(DOCS)) for page in pages - found} == set()


def commands(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit):
        main(["--help"])
    _, _, listed = capsys.readouterr().out.partition("COMMAND\n")
    return COMMAND.findall(listed.partition("\n\n")[0])


def test_every_command_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    names = commands(capsys)
    assert {"run", "check", "return-to-service", "support-bundle", "journal"} <= set(names)
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    assert [name for name in names if not re.search(rf"`{name}`|campus-gateway {name}\b", text)] == []


def typed(page: Path) -> list[str]:
    """What follows `campus-gateway` where the page shows it as code, without what is explained or piped behind it."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", prose(page))
    found = [re.match(r"\$? *(?:sudo (?:-u \S+ )?)?campus-gateway +(.*)", line) for line in lines]
    return [re.split(r" {4}| #| [>|] |\[| \.\.\.", match[1])[0] for match in found if match]


@cache
def parser() -> argparse.ArgumentParser:
    return _parser()


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line has against these words; nothing where only more of them are wanted."""
    try:
        parser().parse_args(words)
    except SystemExit as end:
        said = capsys.readouterr().err
        return said if end.code and "arguments are required" not in said else ""
    return ""


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_of_a_page_can_be_typed(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in typed(page) if line != "evidence 1"]  # docs/vision.md: info of a key derivation
    assert {line: said for line in lines if (said := refused(shlex.split(line), capsys))} == {}


def test_a_wrong_command_line_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice" in refused(["test", "start", "panic"], capsys)
    assert "unrecognized arguments: --nobody" in refused(["doctor", "--nobody"], capsys)
    assert refused(["doctor", "--lang", "zh"], capsys) == ""


# --- figures that pages repeat ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["observation", "access", "duty", "mode", "fault", "audit"])
def test_how_long_a_class_is_kept_is_told_as_it_is(name: str) -> None:
    page = (DOCS / "privacy.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("|") and f"class `{name}`" in line]
    storage = Storage()
    days = getattr(storage, f"{name}_days")
    assert (f"{days:g} days" if days else "for ever") in row
    assert f"{getattr(storage, f'{name}_mb')} MB" in row


def test_alarms_and_pictures_are_kept_as_told() -> None:
    page, zh = (DOCS / "privacy.md").read_text(encoding="utf-8"), (DOCS / "privacy.zh-CN.md").read_text(encoding="utf-8")
    storage, vision = Storage(), Vision()
    assert storage.alarm_days == 0
    assert f"{vision.evidence_hours:g} hours, at most 720; {vision.evidence_mb:g} MB and {vision.clips_mb:g} MB" in page
    assert f"{vision.evidence_hours:g} 小时；{vision.evidence_mb:g} MB、{vision.clips_mb:g} MB" in zh
    assert (vision.send_stills, vision.heads_blurred) == (False, True)


def test_the_room_on_the_disk_is_the_sum_of_the_limits() -> None:
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    storage, vision = Storage(), Vision()
    most = sum(getattr(storage, f"{name}_mb") for name in ("observation", "access", "duty", "mode", "fault", "audit"))
    assert f"| journal without alarms | {most / 1000:.1f} GB:" in page
    assert f"| pictures and clips | {(vision.evidence_mb + vision.clips_mb) / 1000:.1f} GB, {vision.evidence_hours:g} h |" in page
