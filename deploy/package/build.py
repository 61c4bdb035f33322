"""Builds the Debian packages: python -m deploy.package.build [--arch amd64|arm64] [--out FOLDER] [--key FILE]. `make deb` does."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.package import deb, release, tree, wheels
from deploy.package.wheels import NotBuilt
from deploy.supply import licences, sbom, shipped

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / "build/deb"
SOURCES = ("gateway", "drivers", "models", "simulators", "deploy/examples", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
_VERSION = re.compile(r'(?m)^__version__ = "(.*)"$')
_SOME_DAY_S = 1767225600  # 2026-01-01, for a source tree without git


def build(architecture: str, out: Path, key: Ed25519PrivateKey, *, version: str = "", note: str = "") -> Path:
    """One package; its path. version: another than the source's, note: a comment in its code (both for tests of upgrades). NotBuilt."""
    epoch_s = source_epoch_s()
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{architecture}-", dir=BUILD) as folder:
        work = Path(folder)
        ours, version = product_wheel(work, version, epoch_s, note)
        _say(f"{architecture}: fetching what is locked")
        others = wheels.fetch(ours, shipped.EXTRAS, architecture, PROJECT / "requirements.lock", BUILD / f"wheels-{architecture}")
        _say(f"{architecture}: putting {len(others) + 1} packages together")
        made = work / "release"
        tree.make([ours, *others], made, f"/opt/campus-gateway/versions/{version}")
        supply_lists(made, version, architecture)
        release.seal(made, tree.SITE_PACKAGES, version, architecture, key)
        public = key.public_key()
        facts = deb.Facts(version, architecture, release.key_id(public), release.public_pem(public), epoch_s)
        _say(f"{architecture}: packing")
        deb.stage(made, work / "package", facts)
        return deb.pack(work / "package", out, facts)


def product_wheel(work: Path, version: str, epoch_s: int, note: str = "") -> tuple[Path, str]:
    """(wheel, version) of the product, built from a copy of its sources."""
    source = work / "source"
    for name in SOURCES:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(PROJECT / name, target)
    named = source / "gateway/__init__.py"
    text = named.read_text(encoding="utf-8")
    version = version or _VERSION.findall(text)[0]
    named.write_text(_VERSION.sub(f'__version__ = "{version}"', text) + (f"# {note}\n" if note else ""), encoding="utf-8")
    command = [sys.executable, "-c", "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))", str(work)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s)}
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise NotBuilt(f"the product's wheel cannot be built:\n{done.stderr.strip()}")
    return work / done.stdout.splitlines()[-1], version


def supply_lists(made: Path, version: str, architecture: str) -> None:
    """sbom.cdx.json and licences.txt of exactly what lies in the release. NotBuilt: a licence is unknown or not allowed."""
    site = made / tree.SITE_PACKAGES
    found = shipped.packages(site)
    wrong = licences.problems(found)
    if wrong:
        raise NotBuilt("\n".join(wrong))
    document = sbom.sbom(site, version, architecture=architecture, only=found)
    (made / "sbom.cdx.json").write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    (made / "licences.txt").write_text(licences.licences(site, only=found), encoding="utf-8")


def source_epoch_s() -> int:
    """The time that all files get: SOURCE_DATE_EPOCH, else that of the last commit, else a fixed day. Seconds since 1970."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=PROJECT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else _SOME_DAY_S


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.package.build", description="Build the Debian packages of campus-gateway.")
    parser.add_argument("--arch", choices=wheels.ARCHITECTURES, action="append", help="default: both")
    parser.add_argument("--out", type=Path, default=BUILD, help="folder for the packages; default: build/deb")
    parser.add_argument("--key", type=Path, help="private Ed25519 key (PEM) that signs the release; default: a development key, made once")
    parser.add_argument(
        "--as-version", default="", metavar="VERSION", help="the same programs under another version, for trying an upgrade"
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.key is None:
            file = BUILD / "development-key.pem"
            key = release.development_key(file)
            _say(f"signed with the development key {file}: for trying only, a real release needs --key")
        else:
            key = release.read_key(arguments.key)
        for architecture in arguments.arch or wheels.ARCHITECTURES:
            made = build(architecture, arguments.out, key, version=arguments.as_version)
            _say(f"{architecture}: {made} ({made.stat().st_size / 1e6:.0f} MB)")
    except NotBuilt as wrong:
        print(f"not built: {wrong}", file=sys.stderr)
        return 1
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
