"""All licence texts of a release in one file, each text once; and what is not allowed or not known, which stops a build.

python -m deploy.supply.licences [--site-packages FOLDER] [--out FILE] [--all]
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from deploy.supply.shipped import Package, needed, packages, permitted

HEAD = """Licences of the programs that are part of this release

Each package with its terms (SPDX) and what is packed inside it; below all licence texts and notices of the packages, each text once.
Whoever passes on libx264 and libx265 (GPL-2.0-or-later, inside the package av) owes their source code as well: docs/supply-chain.md.
"""
RULE = "=" * 100


def licences(site_packages: Path, *, only: Iterable[Package] | None = None) -> str:
    """The text. All packages of the folder, unless `only` names some."""
    found = list(packages(site_packages) if only is None else only)
    texts: dict[str, list[str]] = {}
    for package in found:
        for file in package.texts:
            text = _plain(file)
            if text:
                texts.setdefault(text, []).append(f"{package.name} {package.version}: {file.name}")
    lines = [HEAD]
    for package in found:
        lines.append(f"{package.name} {package.version}: {package.licence or 'unknown'}")
        lines += [
            f"    {part.name} {part.version}: {part.licence or 'not told'}{' (optional)' if part.optional else ''}"
            for part in package.inside
        ]
    for text, owners in texts.items():
        lines += ["", RULE, *dict.fromkeys(owners), RULE, "", text]
    return "\n".join(lines) + "\n"


def problems(found: Iterable[Package]) -> list[str]:
    """What has terms that are unknown or not on the allow list, a line for each; nothing when all is well.

    A part that is compiled in and of which the package's own SBOM names no terms is covered by the package's own. One that it calls
    optional is judged by its file, where it has one.
    """
    out = []
    for package in found:
        if not permitted(package.licence):
            out.append(_complaint(package.name, package.licence, "packages"))
        for part in package.inside:
            covered = not part.file and not part.licence and not part.purl.startswith("pkg:golang/")
            if not part.optional and not covered and not permitted(part.licence):
                out.append(_complaint(f"{part.name} in {package.name}", part.licence, "libraries" if part.file else "modules"))
    return out


def _complaint(what: str, licence: str, table: str) -> str:
    if not licence:
        return f"{what}: its terms are not known: find them out and name them in [{table}] of deploy/supply/terms.toml"
    return f"{what}: {licence} is not allowed: replace it, or say in [allowed] of deploy/supply/terms.toml why it is no obstacle"


def _plain(file: Path) -> str:
    """The text with its line ends made equal, so that copies count once."""
    return "\n".join(line.rstrip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()).strip()


def main() -> int:
    """The command line; ends with 1 when a licence is unknown or not allowed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply.licences", description="Licence texts of what ships; judges them too.")
    here = Path(sysconfig.get_path("purelib"))
    parser.add_argument("--site-packages", type=Path, default=here, help="folder of installed packages; default: that of this Python")
    parser.add_argument("--all", action="store_true", help="all packages of the folder, not only those that a release needs")
    parser.add_argument("--out", type=Path, help="file to write; default: only judge")
    arguments = parser.parse_args()
    found = packages(arguments.site_packages)
    chosen = found if arguments.all else needed(found)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(licences(arguments.site_packages, only=chosen), encoding="utf-8")
    wrong = problems(chosen)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(chosen)} packages, {sum(len(package.inside) for package in chosen)} parts inside them, {len(wrong)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
