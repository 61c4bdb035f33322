"""The command line for many schools: campus-gateway fleet generate, fleet table."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.fleet.generate import Outcome
    from gateway.fleet.table import Fault, Sheet

EPILOG = """examples:
  campus-gateway fleet table --out schools.xlsx                       the empty table, for the office
  campus-gateway fleet generate schools.xlsx --template county.toml --out sites --report missing.xlsx
  campus-gateway fleet generate schools.csv --devices devices.csv --template county.toml --out sites --inventory hosts.json
Files that did not change are not touched, files of schools that left the table are named and kept. See docs/fleet.md."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `fleet` to the command line."""
    fleet = commands.add_parser(
        "fleet",
        help="site files for many schools from one table (批量生成配置)",
        description="Site files for many schools: from a table that an office fills in and a template that an engineer writes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = fleet.add_subparsers(metavar="COMMAND", required=True)
    generate = words.add_parser(
        "generate",
        help="one checked site file for each row",
        description="Write one site file for each school, checked like `campus-gateway check`. A school with an error gets no file, the\n"
        "others do. Then what is missing by policy (缺项), by kind of school. Exit status 0 when every school has a good file.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    generate.add_argument("table", metavar="TABLE.xlsx|TABLE.csv", help="the schools; a workbook holds the devices on its second sheet")
    generate.add_argument("--devices", metavar="FILE.csv", help="the devices, where the schools are CSV")
    generate.add_argument("--template", metavar="FILE.toml", required=True, help="what all schools have in common")
    generate.add_argument("--out", metavar="DIR", default="sites", help="folder of the site files, ID.toml each; default: sites")
    generate.add_argument("--report", metavar="FILE.xlsx|FILE.csv", help="what each school misses, for the bureau")
    generate.add_argument(
        "--inventory", metavar="FILE.json", help="an Ansible inventory of the schools that have a gateway_host (网关地址)"
    )
    generate.add_argument("--dry-run", action="store_true", help="check everything, keep nothing")
    generate.add_argument("--overwrite", action="store_true", help="also files that were changed by hand or are somebody else's")
    generate.add_argument("--jobs", metavar="N", type=_jobs, help="processes that check; default: one for each processor")
    generate.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    generate.set_defaults(handler=_generate)

    table = words.add_parser(
        "table", help="the empty table, with notes and drop-downs", description="Write the empty table for the office."
    )
    table.add_argument("--out", metavar="FILE.xlsx", required=True)
    table.set_defaults(handler=_table)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError("expected 1 to 256")
    return int(text)


def _generate(arguments: argparse.Namespace) -> int:
    from gateway.fleet.generate import generate
    from gateway.fleet.table import TableRefused, read_tables
    from gateway.fleet.template import read_template

    folder = Path(arguments.out)
    try:
        schools, devices = read_tables(Path(arguments.table), Path(arguments.devices) if arguments.devices else None)
        template = read_template(Path(arguments.template))
        outcome = generate(
            schools,
            devices,
            template,
            folder,
            dry=arguments.dry_run,
            overwrite=arguments.overwrite,
            processes=arguments.jobs,
            progress=_progress if sys.stderr.isatty() and not arguments.json else lambda done, of: None,
        )
        if outcome.missing:
            _files(arguments, outcome)
    except (TableRefused, OSError) as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    _tell(arguments, outcome, [schools, devices], folder)
    return 1 if outcome.faults or outcome.refused else 0


def _files(arguments: argparse.Namespace, outcome: Outcome) -> None:
    from gateway.fleet.files import inventory_text, write_whole
    from gateway.fleet.text import write_report

    if arguments.report:
        write_report(Path(arguments.report), outcome)
    if arguments.inventory and not arguments.dry_run:
        write_whole(Path(arguments.inventory), inventory_text([outcome.schools[name] for name in outcome.good]).encode())


def _progress(done: int, of: int) -> None:
    sys.stderr.write(f"\rchecked {done} of {of}" + ("\n" if done == of else ""))
    sys.stderr.flush()


def _tell(arguments: argparse.Namespace, outcome: Outcome, sheets: list[Sheet], folder: Path) -> None:
    from gateway.fleet.text import lines

    if arguments.json:
        print(json.dumps(_as_json(outcome), ensure_ascii=False))
        return
    for sheet in sheets:
        for said in sheet.said:
            print(said)
    for warning in outcome.warnings:
        print(f"warning: {warning}")
    if outcome.faults:
        sys.stderr.write("".join(f"{fault}\n" for fault in outcome.faults))
        sys.stderr.write(f"{len(outcome.faults)} to put right; no file was written for {len(outcome.refused) or 'any'} of the schools\n")
        sys.stderr.flush()
    if not outcome.schools:
        return
    print("\n".join(lines(outcome, folder, dry=arguments.dry_run)))


def _as_json(outcome: Outcome) -> dict[str, object]:
    from gateway.fleet.text import counts

    return {
        "ok": not outcome.faults and not outcome.refused,
        "schools": len(outcome.schools),
        "written": outcome.written,
        "unchanged": len(outcome.unchanged),
        "refused": outcome.refused,
        "removed": outcome.removed,
        "errors": [_fault(fault) for fault in outcome.faults],
        "warnings": [_fault(fault) for fault in outcome.warnings],
        "missing": {
            school: [{"item": each.item, "place": each.place, "answer": each.answer} for each in found]
            for school, found in outcome.missing.items()
            if found
        },
        "counts": {item: {kind or "all": number for kind, number in row.items()} for item, row in counts(outcome).items()},
    }


def _fault(fault: Fault) -> dict[str, object]:
    return {"sheet": fault.sheet, "row": fault.row, "column": fault.column, "text": fault.text}


def _table(arguments: argparse.Namespace) -> int:
    from gateway.config.load import profile_files
    from gateway.config.roles import ROLES
    from gateway.fleet.columns import DEVICES
    from gateway.fleet.table import TableRefused
    from gateway.fleet.xlsx import write_empty_table

    file = Path(arguments.out)
    if file.exists():
        sys.stderr.write(f"{file} is there already and may be filled in: give another name\n")
        return 1
    roles = ["摄像机", *(role.text.zh for role in ROLES.values() if role.kinds - {"vision"})]
    try:
        write_empty_table(file, {(DEVICES, "role"): roles, (DEVICES, "profile"): sorted(profile_files([]))})
    except (TableRefused, OSError) as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    print(f"{file}: two sheets, 学校 and 设备; what belongs into a column stands in the note of its heading")
    return 0
