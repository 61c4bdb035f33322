"""The bill of materials of a release (CycloneDX 1.6, JSON): every package, what others packed into it, and the models.

    python -m deploy.supply.sbom [--site-packages FOLDER] [--out FILE] [--all]

The same folder gives the same bytes: no random serial number, and a time only where SOURCE_DATE_EPOCH names one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import sysconfig
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.supply.shipped import OURS, Inside, Package, needed, normal, packages

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
MODELS = ROOT / "models"
_NAMESPACE = uuid.UUID("8f6f1a0e-3f0a-5a52-9d0e-6d8f3a6a2c11")  # any fixed one: serial numbers are made of the content
_PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)")


def sbom(site_packages: Path, version: str, *, architecture: str = "", only: Iterable[Package] | None = None) -> dict[str, Any]:
    """The document. site_packages: what is described, all of it unless `only` names packages; version, architecture: of the release.

    Packages have the digests that requirements.lock allows; shared libraries within them have that of the very file.
    """
    found = list(packages(site_packages) if only is None else only)
    locked = lock_digests(LOCK) if LOCK.is_file() else {}
    ref = f"pkg:generic/{OURS}@{version}" + (f"?arch={architecture}" if architecture else "")
    others = [package for package in found if package.name != OURS]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ref,
                "name": OURS,
                "version": version,
                "purl": ref,
                "licenses": [{"expression": "Apache-2.0"}],
                **({"properties": [{"name": "architecture", "value": architecture}]} if architecture else {}),
            }
        },
        "components": [*(_component(package, locked) for package in others), *models(_models_folder(site_packages))],
        "dependencies": _dependencies(found, ref),
    }
    content = json.dumps(document, sort_keys=True, ensure_ascii=False)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        document["metadata"]["timestamp"] = datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return document


def models(folder: Path) -> Iterator[dict[str, Any]]:
    """The neural networks: name, digest and terms as their manifests give them."""
    for file in sorted(folder.glob("*/manifest.toml")):
        manifest = tomllib.loads(file.read_text(encoding="utf-8"))
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"model:{manifest['id']}",
            "name": manifest["id"],
            "hashes": [{"alg": "SHA-256", "content": manifest["sha256"]}],
            "licenses": [{"expression": manifest["licence"]}],
        }


def lock_digests(lock: Path) -> dict[tuple[str, str], list[str]]:
    """(name, version) -> the SHA-256 digests of the files that may be installed for it."""
    found: dict[tuple[str, str], list[str]] = {}
    digests: list[str] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            digests = found.setdefault((normal(pin.group(1)), pin.group(2)), [])
        digests += re.findall(r"--hash=sha256:([0-9a-f]{64})", line)
    return found


def _models_folder(site_packages: Path) -> Path:
    """A checkout that is installed as editable has its models in its own folder."""
    return site_packages / "models" if (site_packages / "models").is_dir() else MODELS


def _component(package: Package, locked: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    allowed = locked.get((package.name, package.version), [])
    properties = [{"name": "installed:record-sha256", "value": package.record_sha256}] if package.record_sha256 else []
    return _without_empty(
        {
            "type": "library",
            "bom-ref": package.purl,
            "name": package.name,
            "version": package.version,
            "description": package.summary,
            "purl": package.purl,
            "licenses": _licences(package.licence),
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": package.purl,
                    "comment": "the file that was installed is one of these",
                    "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(set(allowed))],
                }
            ]
            if allowed
            else [],
            "properties": properties,
            "components": [_inner(package, place, part) for place, part in enumerate(package.inside)],
        }
    )


def _inner(package: Package, place: int, part: Inside) -> dict[str, Any]:
    return _without_empty(
        {
            "type": "library",
            "bom-ref": f"{package.purl}#{place}-{part.name}",
            "name": part.name,
            "version": part.version,
            "scope": "optional" if part.optional else "",
            "purl": part.purl,
            "hashes": [{"alg": "SHA-256", "content": part.sha256}] if part.sha256 else [],
            "licenses": _licences(part.licence),
            "properties": [{"name": "file", "value": part.file}] if part.file else [],
        }
    )


def _licences(expression: str) -> list[dict[str, Any]]:
    return [{"expression": expression}] if expression else []


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", [], None)}


def _dependencies(found: list[Package], ref: str) -> list[dict[str, Any]]:
    refs = {package.name: ref if package.name == OURS else package.purl for package in found}
    rows = {
        refs[package.name]: sorted(
            {refs[name] for name, extra in package.requires if name in refs and (not extra or package.name == OURS)} - {ref}
        )
        for package in found
    }
    return [{"ref": name, **({"dependsOn": needs} if needs else {})} for name, needs in sorted(rows.items())]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply.sbom", description="Bill of materials of what ships, CycloneDX 1.6.")
    here = Path(sysconfig.get_path("purelib"))
    parser.add_argument("--site-packages", type=Path, default=here, help="folder of installed packages; default: that of this Python")
    parser.add_argument("--all", action="store_true", help="all packages of the folder, not only those that a release needs")
    parser.add_argument("--architecture", default="", help="amd64 or arm64")
    parser.add_argument("--out", type=Path, help="file to write; default: standard output")
    arguments = parser.parse_args()
    found = packages(arguments.site_packages)
    ours = [package.version for package in found if package.name == OURS]
    if not ours:
        sys.exit(f"{arguments.site_packages}: {OURS} is not installed there: name the folder with its .dist-info")
    document = sbom(arguments.site_packages, ours[0], architecture=arguments.architecture, only=found if arguments.all else needed(found))
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
