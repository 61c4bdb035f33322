"""The command line: campus-gateway journal migrate, for an older program after a newer one."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path


def add(parts: argparse._SubParsersAction[argparse.ArgumentParser], site: str) -> None:
    """Add it to `journal`."""
    migrate = parts.add_parser(
        "migrate",
        help="have the journal fit an older version (降级)",
        description="Undo steps of the journal's schema, so that an older version can use it. No event is lost. The daemon must not run;\n"
        "a copy is kept beside the file. `campus-gateway upgrade --back` does this by itself.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    migrate.add_argument("--to", metavar="N", type=int, required=True, help="schema that the older version knows")
    migrate.add_argument("--config", metavar="SITE.toml", default=site, help=f"site file; default: {site}")
    migrate.add_argument("--state-dir", metavar="DIR", type=Path, help="where the journal lies; the site file is then not needed")
    migrate.set_defaults(handler=_migrate)


def _migrate(arguments: argparse.Namespace) -> int:
    from gateway.config.apart import Loading
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import GatewayError
    from gateway.journal import migration
    from gateway.journal.files import JOURNAL_NAME
    from gateway.runtime.keys import lock

    try:
        state_dir = arguments.state_dir or Loading(arguments.config).result().state_dir
        path = state_dir / JOURNAL_NAME
        _become_owner(path)
        held = lock(state_dir)
    except (GatewayError, ConfigRefused, OSError) as error:
        sys.stderr.write(f"campus-gateway: {error}\n")
        return 1
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, timeout=5.0)) as db:
            have = migration.schema_of(db)
            if have <= arguments.to:
                print(f"{path} has schema {have}: nothing to do")
                return 0
            copy = migration.keep_copy(db, path)
            migration.down(db, arguments.to)
            print(f"{path} had schema {have} and has {arguments.to} now{f'; as it was: {copy}' if copy else ''}")
    except sqlite3.Error as error:
        sys.stderr.write(f"campus-gateway: {path} stays as it is: {error}\n")
        return 1
    finally:
        os.close(held)
    return 0


def _become_owner(path: Path) -> None:
    """A journal tells itself how it is undone: that is not done as root, and new files are the owner's. Raises OSError."""
    owner = path.stat()
    if os.geteuid() == 0 and owner.st_uid:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
