"""The command line: campus-gateway rules list | explain, what the rules of a school are and what they would do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.core.reading import Now, Value

EPILOG = """examples:
  campus-gateway rules list                                       every rule of this site
  campus-gateway rules explain panic-gatehouse                    a press now, as the running daemon would take it
  campus-gateway rules explain gas-kitchen --value 30             gas at 30 %LEL
  campus-gateway rules explain panic-gatehouse --at "2026-09-01 07:30"        at that time, from the site file alone
  campus-gateway rules explain panic-gatehouse --mode drill       in a drill
  campus-gateway rules explain siren-gate                         of an output: which rules would switch it
Nothing is switched and nothing is sent by any of these."""
Ask = Callable[[argparse.Namespace, dict[str, object]], dict[str, object] | None]
FEW = 6  # names of a list that are written out


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Callable[[argparse.ArgumentParser], None], ask: Ask) -> None:
    """Add `rules`. site: adds the options that say which site; ask: puts a question to the daemon."""
    rules = commands.add_parser(
        "rules",
        help="the rules of this school, and what they would do now (规则)",
        description="What this school's rules are, and what each would do and why.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = rules.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = actions.add_parser(
        "list",
        help="every rule of this site: name, policy term, what it watches, what it does",
        description="List every rule of the site file with its name and its term in school-safety policy, what it watches and what\n"
        "it does. The daemon need not run.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site(listed)
    listed.add_argument("--json", action="store_true")
    listed.set_defaults(handler=_list)
    told = actions.add_parser(
        "explain",
        help="what would happen now if a point gave alarm, and why",
        description="Play what would follow if POINT showed a value, ten minutes ahead: events and who gets them, outputs, pictures,\n"
        "incident, escalation. Then every rule that looks at the point: what it does, or what stands in its way.\n"
        "Asks the running daemon, whose present state counts; with --at it reads the site file alone, in which no other\n"
        "point has shown anything yet. Nothing is switched and nothing is sent.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    told.add_argument("point", metavar="POINT", help="a point, an output, or a rule's own point")
    told.add_argument("--value", metavar="V", type=_value, help="what it shows: true, false, a number, a name; default: what gives alarm")
    told.add_argument(
        "--at", type=_at, metavar="TIME", help='local time of the school, such as "2026-09-01 07:30"; from the site file alone'
    )
    told.add_argument("--mode", choices=["normal", "drill", "test", "maintenance"], default="", help="as if the point were in this mode")
    site(told)
    told.add_argument("--json", action="store_true")
    told.set_defaults(handler=lambda arguments: _explain(arguments, ask))


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return text


def _at(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not a time such as "2026-09-01 07:30"') from None
    if at.tzinfo is not None:
        raise argparse.ArgumentTypeError("give the school's local time, without a zone")
    return at


def _load(arguments: argparse.Namespace) -> Settings | None:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused

    try:
        return load_site(arguments.config, state_dir=arguments.state_dir)
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return None


# --- list ---------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    settings = _load(arguments)
    if settings is None:
        return 1
    rows = list(rule_rows(settings))
    if arguments.json:
        print(json.dumps({"rules": rows}, ensure_ascii=False))
        return 0
    for row in rows:
        print(f"{row['rule']}  ({row['name']} {row['term']})")
        for name in ("watches", "does"):
            if row[name]:
                print(f"    {name:8} {row[name]}")
    print(f"{len(rows)} rules; what each does now: campus-gateway rules explain POINT")
    return 0


def rule_rows(settings: Settings) -> Iterator[dict[str, str]]:
    """Each rule of a site: rule (its id), name, term, watches, does."""
    from gateway.core.rule_names import RULES
    from gateway.rules.linkage import Linkage
    from gateway.runtime.school import rule_of

    for spec in settings.rules:
        rule = rule_of(spec)
        known = RULES.get(rule.name)
        watches = _some(sorted({*rule.alarms, *(point for point in rule.points if point not in settings.outputs)}))
        does = f"{known.text.zh} / {known.text.en}" if known else ""
        if isinstance(rule, Linkage):
            cause, effects = rule.cause_words(), rule.effect_words()
            watches = f"{watches}: {cause.zh} / {cause.en}" if rule.alarms else f"{cause.zh} / {cause.en}"
            does = f"{effects.zh} / {effects.en}{_limits(rule.spec)}"
        yield {"rule": rule.id, "name": rule.name, "term": known.term if known else "", "watches": watches, "does": does}
    for name in ("incident", "drill", "walk-test", "maintenance"):
        built_in = RULES[name]
        yield {"rule": name, "name": name, "term": built_in.term, "watches": "", "does": f"{built_in.text.zh} / {built_in.text.en}"}


def _limits(spec: Any) -> str:
    parts = []
    if spec.windows:
        parts.append(f"in {', '.join(sorted(spec.windows))}")
    if spec.modes != {"normal"}:
        parts.append(f"mode {', '.join(sorted(spec.modes))}")
    if spec.until:
        parts.append(f"until {spec.until}{'' if spec.give_back else ', and stays'}")
    return f"; {', '.join(parts)}" if parts else ""


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:FEW]) + (f" and {len(every) - FEW} more" if len(every) > FEW else "")


# --- explain ------------------------------------------------------------------------------------


def _explain(arguments: argparse.Namespace, ask: Ask) -> int:
    answer, at = _offline(arguments) if arguments.at is not None else _of_the_daemon(arguments, ask)
    if answer is None:
        return 1
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    from gateway.runtime.explain import lines

    print("\n".join(lines(answer, at)))
    return 0


def _of_the_daemon(arguments: argparse.Namespace, ask: Ask) -> tuple[dict[str, Any] | None, str]:
    request: dict[str, object] = {"op": "explain", "point": arguments.point, "mode": arguments.mode}
    if arguments.value is not None:
        request["value"] = arguments.value
    answer = ask(arguments, request)
    if answer is None:
        sys.stderr.write('campus-gateway: without a daemon, give a time: --at "2026-09-01 07:30" reads the site file alone\n')
        return None, ""
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return None, ""
    explained = answer["explain"]
    assert isinstance(explained, dict)
    return explained, "now 现在"


def _offline(arguments: argparse.Namespace) -> tuple[dict[str, Any] | None, str]:
    from gateway.runtime.explain import asked, explain, twin
    from gateway.runtime.houses import calendar_of, house_of

    settings = _load(arguments)
    if settings is None:
        return None, ""
    house = house_of(settings, calendar_of(settings))
    try:
        asking = asked({"point": arguments.point, "value": arguments.value, "mode": arguments.mode}, house)
    except ValueError as error:
        sys.stderr.write(f"campus-gateway: {error}\n")
        return None, ""
    return explain(house, twin(house), asking, _now(settings, arguments.at)), f"{arguments.at}"


def _now(settings: Settings, at: datetime) -> Now:
    from zoneinfo import ZoneInfo

    from gateway.core.reading import Now

    local = at.replace(tzinfo=ZoneInfo(settings.site.site.timezone))
    return Now(1000.0, round(local.timestamp() * 1000))
