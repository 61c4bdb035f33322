"""The command line for pictures kept as evidence: campus-gateway snapshot."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    site: Callable[[argparse.ArgumentParser], None],
    handler: Callable[[argparse.Namespace], int],
) -> None:
    """Add it. site: adds the options that say which daemon; handler: sends the command."""
    snapshot = commands.add_parser(
        "snapshot",
        help="keep a camera's present picture as evidence (抓拍)",
        description="Ask for the present picture of a camera. It is kept encrypted in STATE_DIR/evidence for [vision] evidence_hours\n"
        "(`evidence list`, `evidence export`); the event evidence.ready tells its sha-256, evidence.failed why there is none.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    snapshot.add_argument("target", metavar="CAMERA", help="id of a camera")
    site(snapshot)
    snapshot.add_argument("--by", metavar="NAME", default="", help="who asks; default: your login name")
    snapshot.set_defaults(handler=handler, command="take_snapshot")
