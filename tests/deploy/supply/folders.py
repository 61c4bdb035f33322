"""Folders of installed packages, made by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def package(site: Path, name: str, version: str, *headers: str, **files: str) -> Path:
    """One package with these lines of metadata and files (path with __ for /, the metadata's folder for `info`); gives that folder."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *headers]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = []
    for path, text in files.items():
        file = site / path.replace("__", "/").replace("info/", f"{info.name}/", 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        names.append(str(file.relative_to(site)))
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in names), encoding="utf-8")
    return info


def own_sbom(info: Path, *components: dict[str, object]) -> None:
    """The package's own list of what is compiled in (PEP 770)."""
    (info / "sboms").mkdir()
    (info / "sboms" / "own.cdx.json").write_text(json.dumps({"bomFormat": "CycloneDX", "components": list(components)}), encoding="utf-8")


def sha256(text: str) -> str:
    """Digest of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()
