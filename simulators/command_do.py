"""campus-sim do: lets something happen in a school that runs, over its HTTP API.

What may be said is in the API, and so are all checks; here words of a command line become one request of it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from simulators.kinds import near

LOOPBACK = "127.0.0.1"
TIMEOUT_S = 60.0
DEFAULT_PRESS_MS = 300
SORT_PATHS = {
    "device": "/devices/{id}/fault",
    "bus": "/buses/{id}/fault",
    "camera": "/cameras/{id}/trouble",
    "network": "/network/{id}",
    "broker": "/broker",
    "clock": "/clock",
    "disk": "/disk",
    "point": "/points/{id}/fault",
}
EPILOG = """examples:
  campus-sim do --http 8600 list                       what there is, what is wrong with it at present
  campus-sim do --http 8600 kinds camera               what can be wrong with a camera
  campus-sim do --http 8600 press panic-gate --ms 300
  campus-sim do --http 8600 set gas-kitchen 25
  campus-sim do --http 8600 fault gas-sensor late ms=400 for_s=30
  campus-sim do --http 8600 fault panic-gate stuck     of a point: its signal
  campus-sim do --http 8600 fault gate-camera covered
  campus-sim do --http 8600 fault main delay ms=200    the way to the broker, by the path's id
  campus-sim do --http 8600 fault broker kill
  campus-sim do --http 8600 cut network                every connection to the broker is reset
  campus-sim do --http 8600 fault clock jump jump_s=3600
  campus-sim do --http 8600 heal gas-sensor            without a name: everything
  campus-sim do --http 8600 post /points/panic-gate press_ms=300     any request of the API
"""


class Refused(Exception):
    """The school's answer, or that there is none. The message is one line."""


class Caller:
    """Requests to one school. Refused when it says no, or nobody is there."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, quote(path), None if body is None else json.dumps(body))
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            raise Refused(f"no school answers at {LOOPBACK}:{self._port} ({error}): start it with --http {self._port}") from error
        finally:
            connection.close()
        if response.status in (404, 405) and not content.startswith(b"{"):
            raise Refused(f"the API has no {method} {path}")
        try:
            answer = json.loads(content)
        except ValueError:
            raise Refused(f"{LOOPBACK}:{self._port} is not the API of a school: status {response.status}") from None
        if response.status != 200:
            raise Refused(str(answer.get("error", answer)))
        return answer


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="campus-sim do",
        description="Lets something happen in a school that runs (campus-sim school ... --http PORT).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--http", type=int, default=8600, metavar="PORT", help="where the school's API is; default: 8600")
    top.add_argument("--json", action="store_true", help="print the answer as it came")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="what there is, and what is wrong at present")
    verbs.add_parser("kinds", help="what can go wrong").add_argument("sort", nargs="?", help="with this sort of thing only")
    press = verbs.add_parser("press", help="press a button, open a contact for a while")
    press.add_argument("point")
    press.add_argument("--ms", type=int, default=DEFAULT_PRESS_MS, help=f"for so long; default: {DEFAULT_PRESS_MS}")
    setter = verbs.add_parser("set", help="set a point to a value")
    setter.add_argument("point")
    setter.add_argument("value")
    fault = verbs.add_parser("fault", help="let a device, point, bus, camera, way, broker, clock or disk go wrong")
    fault.add_argument("name")
    fault.add_argument("kind")
    fault.add_argument("options", nargs="*", metavar="KEY=VALUE", help="what the kind can be told, and for_s=SECONDS")
    heal = verbs.add_parser("heal", help="put it right")
    heal.add_argument("name", nargs="?", help="left out: everything")
    for verb, words in (
        ("cut", "reset the connections of a way to the broker"),
        ("unplug", "pull a device or bus out"),
        ("plug", "and in again"),
    ):
        one = verbs.add_parser(verb, help=words)
        one.add_argument("name", help="`network`: all ways" if verb == "cut" else "device or bus")
    for verb in ("get", "post", "delete"):
        raw = verbs.add_parser(verb, help="any request of the API")
        raw.add_argument("path")
        if verb == "post":
            raw.add_argument("options", nargs="*", metavar="KEY=VALUE")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Does one thing. Exit code 0 when it is done, 2 when the school says no."""
    given = parser().parse_args(argv)
    call = Caller(given.http)
    try:
        answer = _do(call, given)
    except Refused as error:
        print(f"campus-sim: {error}", file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif given.verb == "list":
        _show_list(answer)
    elif given.verb == "kinds":
        _show_kinds(answer, given.sort)
    elif given.verb in ("get", "post", "delete"):
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    return 0


def _do(call: Caller, given: argparse.Namespace) -> Any:
    match given.verb:
        case "list":
            return {path: call("GET", f"/{path}") for path in ("points", "devices", "faults", "troubles", "network")}
        case "kinds":
            return call("GET", "/faults")
        case "press":
            return call("POST", f"/points/{given.point}", {"press_ms": given.ms})
        case "set":
            return call("POST", f"/points/{given.point}", {"value": _value(given.value)})
        case "fault":
            return call("POST", _path(call, given.name), {"kind": given.kind} | _options(given.options))
        case "heal":
            return call("DELETE", _path(call, given.name) if given.name else "/troubles")
        case "cut":
            ways = list(call("GET", "/network"))
            names = ways if given.name == "network" else [given.name]
            if not names:
                raise Refused("there is no way to a broker: start the school with --broker")
            return [call("POST", f"/network/{name}", {"kind": "cut"}) for name in names][-1]
        case "unplug":
            return call("POST", _path(call, given.name), {"kind": "unplugged"})
        case "plug":
            return call("DELETE", _path(call, given.name))
        case _:
            return call(given.verb.upper(), given.path, _options(given.options) if given.verb == "post" else None)


def _path(call: Caller, name: str) -> str:
    """Where faults of the thing with this name are told. Refused when nothing has it, or several do."""
    names = {sort: list(of) for sort, of in call("GET", "/faults")["targets"].items()}
    names["point"] = list(call("GET", "/points"))
    sort, _, plain = name.rpartition(":")
    found = [each for each, those in names.items() if plain in those and sort in ("", each)]
    found = found[:-1] if len(found) > 1 and found[-1] == "point" else found  # a device of the same name goes before
    if not found:
        raise Refused(f"nothing here is called {name!r}{near(plain, [each for those in names.values() for each in those])}")
    if len(found) > 1:
        raise Refused(f"{name!r} is a {' and a '.join(found)}: say {found[0]}:{plain} or {found[1]}:{plain}")
    return SORT_PATHS[found[0]].format(id=plain)


def _options(pairs: Sequence[str]) -> dict[str, Any]:
    out = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise Refused(f"options are KEY=VALUE, not {pair!r}")
        out[key] = _value(text)
    return out


def _value(text: str) -> Any:
    """A number, true, false, a list, or the word itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show_list(answer: dict[str, Any]) -> None:
    for name, device in answer["devices"].items():
        print(f"device   {name}: {device['profile']}, unit {device['unit']} on {device['bus']}")
    for name, point in answer["points"].items():
        print(f"point    {name}: {point['role']} = {point['value']} ({point['device']} {point['signal']})")
    for sort in ("bus", "camera", "broker", "clock", "disk"):
        for name in answer["faults"]["targets"].get(sort, {}):
            print(f"{sort:<8} {name}")
    for name, link in answer["network"].items():
        print(f"network  {name}: {link['address']} -> {link['target']}, {link['connections']} connected")
    for trouble in answer["troubles"]["troubles"]:
        rest = {key: value for key, value in trouble.items() if key not in ("of", "id", "what", "kind", "at_ns")}
        print(f"WRONG    {trouble['of']} {trouble['id']}: {trouble['kind']}", *(f"{key}={value}" for key, value in rest.items()))


def _show_kinds(answer: dict[str, Any], sort: str | None) -> None:
    kinds = answer["kinds"]
    if sort is not None and sort not in kinds:
        raise SystemExit(f"campus-sim: there are kinds of {', '.join(kinds)}, not of {sort}")
    for each in (sort,) if sort else kinds:
        print(f"{each}:")
        for name, kind in kinds[each].items():
            print(f"  {name:<18} {kind['en']} ({kind['zh']})")
            for key, option in kind["options"].items():
                default = "needed" if option["default"] is None else f"default {option['default']}"
                reach = " or ".join(option["choices"]) or (f"{option['low']:g} to {option['high']:g}" if option["high"] else "a name")
                print(f"      {key}: {option['en']}; {reach}; {default}")


if __name__ == "__main__":
    raise SystemExit(main())
