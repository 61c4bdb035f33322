"""The command line: campus-gateway support-bundle, one redacted archive for whoever helps from afar."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.runtime.support_bundle import Bundle


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add it. site: adds the options that say which site."""
    bundle = commands.add_parser(
        "support-bundle",
        help="one archive for support, without secrets (技术支持包)",
        description="Pack what support needs to know: the site file, status, metrics, doctor's findings, versions, the log, statistics\n"
        "and the last 200 events of the journal, profiles, mounts. Passwords, keys, cards, pictures and accounts never go in; names\n"
        "of persons become P1, P2 unless --with-names; one in somebody's free words stays. Says what is inside and what is not.\n"
        "Look at it before you send it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bundle.add_argument("out", metavar="OUT.tar.gz", type=Path)
    site(bundle)
    bundle.add_argument("--with-names", action="store_true", help="keep the names of persons")
    bundle.add_argument("--json", action="store_true")
    bundle.set_defaults(handler=_bundle)


def _bundle(arguments: argparse.Namespace) -> int:
    from gateway.runtime.support_bundle import BundleRefused, write

    try:
        bundle = _collected(arguments)
        rows = write(bundle, arguments.out)
    except BundleRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    if arguments.json:
        files = [{"file": name, "bytes": size, "sha256": sha256} for name, size, sha256 in rows]
        print(json.dumps({"archive": str(arguments.out), "files": files, "left_out": bundle.left_out}, ensure_ascii=False))
        return 0
    print(f"{arguments.out}:")
    for name, size, _ in rows:
        print(f"  {size:9} {name}")
    print("not in it:")
    for name, why in bundle.left_out.items():
        print(f"  {name}: {why}")
    return 0


def _collected(arguments: argparse.Namespace) -> Bundle:
    import asyncio

    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.doctor import examine, hear
    from gateway.runtime.support_bundle import collect, collect_without_site

    try:
        settings = load_site(arguments.config, state_dir=arguments.state_dir)
    except ConfigRefused as refused:
        return collect_without_site(Path(arguments.config), str(refused))
    heard = asyncio.run(hear(settings))
    return collect(settings, heard, asyncio.run(examine(settings)), with_names=arguments.with_names)
