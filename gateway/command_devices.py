"""The command line for technicians: campus-gateway devices list, show, probe, scan, check."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.profile_frames import FramesProfile
    from gateway.config.profile_modbus import ModbusProfile
    from gateway.config.profiles import Profile
    from gateway.config.settings import Settings
    from gateway.core.reading import Reading
    from gateway.runtime.probing import Target

EPILOG = """examples:
  campus-gateway devices                                        what is known
  campus-gateway devices show honeywell-xnx                     what one device offers
  campus-gateway devices scan --port /dev/ttyUSB0 --baud 9600   which units answer on a line
  campus-gateway devices probe --port /dev/ttyUSB0 --profile honeywell-xnx --unit 3
  campus-gateway devices probe --port 192.168.1.20:502 --profile advantech-adam-6060
  campus-gateway devices check my-device.toml                   a profile of your own, before it is used
Only reads are sent. A port that the daemon owns is asked through it, behind all its own requests."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: str) -> None:
    """Add `devices` to the command line."""
    devices = commands.add_parser(
        "devices",
        help="device profiles: list, show, probe a live device, scan a line, check a profile",
        description="Device types that can be read, and a technician's tools at the line.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    devices.set_defaults(handler=_list, profile_dir=[], json=False)
    words = devices.add_subparsers(metavar="COMMAND")

    listing = words.add_parser("list", help="all profiles")
    listing.set_defaults(handler=_list)
    show = words.add_parser("show", help="what one device offers, in readable form")
    show.add_argument("name", metavar="PROFILE")
    show.set_defaults(handler=_show)
    check = words.add_parser("check", help="check a profile of your own and show how it would be read")
    check.add_argument("file", metavar="FILE.toml")
    check.add_argument("--baud", type=int, help="for the times; default: the profile's")
    check.set_defaults(handler=_check)
    probe = words.add_parser("probe", help="read a live device and show every signal decoded")
    probe.add_argument("--profile", required=True, metavar="NAME|FILE.toml")
    probe.add_argument("--unit", type=_unit, help="unit id; default: the profile's factory value")
    probe.add_argument("--offset", type=int, default=0, metavar="N", help="added to every address (a base set on the device)")
    probe.add_argument("--seconds", type=float, default=10.0, metavar="S", help="how long to listen to a device that speaks unasked")
    probe.set_defaults(handler=_probe)
    scan = words.add_parser("scan", help="find the units on a line")
    scan.add_argument("--units", type=_units, default=range(1, 248), metavar="FIRST-LAST", help="default: 1-247")
    scan.set_defaults(handler=_scan)
    for each in (probe, scan):
        each.add_argument("--port", required=True, metavar="PATH|HOST[:PORT]", help="serial port, or a TCP device or converter")
        each.add_argument("--transport", choices=["rtu", "ascii", "tcp", "rtu-tcp"], help="default: rtu on a path, tcp on a host")
        each.add_argument("--baud", type=int, help="default: the profile's, or 9600")
        each.add_argument("--parity", choices=["N", "E", "O"])
        each.add_argument("--stop-bits", type=int, choices=[1, 2])
        each.add_argument("--timeout-ms", type=int, metavar="MS", help="until a reply begins; default: the profile's, or 100")
        each.add_argument("--config", metavar="SITE.toml", default=site, help="site file of a daemon that may own the port")
    for each in (listing, show, probe, scan, check):
        each.add_argument("--json", action="store_true", help="one JSON object")
    for each in (listing, show, probe, scan):
        each.add_argument("--profile-dir", action="append", default=[], metavar="DIR", help="a further folder with profiles")


def _unit(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 255:
        raise argparse.ArgumentTypeError("a unit id is 0 to 255")
    return number


def _units(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        found = range(int(first), int(last or first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not a range of unit ids such as 1-32') from None
    if not found or not 0 <= found[0] <= found[-1] <= 255:
        raise argparse.ArgumentTypeError("unit ids are 0 to 255, the smaller one first")
    return found


def _profiles(arguments: argparse.Namespace) -> dict[str, Path]:
    """Those of the folders that were named, of the site file's own, and those that are shipped."""
    import tomllib

    from gateway.config.load import profile_files

    folders = [Path(folder) for folder in arguments.profile_dir]
    site = Path(getattr(arguments, "config", ""))
    if site.is_file():
        try:
            own = tomllib.loads(site.read_text(encoding="utf-8-sig")).get("profile_dirs", [])
        except (OSError, ValueError):
            own = []  # `check` says what is wrong with it
        folders += [site.parent / folder for folder in own if isinstance(folder, str)]
    return profile_files(folders)


def _load(name: str, arguments: argparse.Namespace) -> Profile | None:
    """A profile by name or file; None after its errors were told."""
    from gateway.config.load import load_profile
    from gateway.config.problems import unknown
    from gateway.config.settings import ConfigRefused

    known = _profiles(arguments) if hasattr(arguments, "profile_dir") else {}
    file = Path(name) if name.endswith(".toml") else known.get(name)
    if file is None:
        sys.stderr.write(f"campus-gateway: {unknown('a device profile', name, known)}\n")
        return None
    try:
        return load_profile(file)
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return None


def _list(arguments: argparse.Namespace) -> int:
    from gateway.config.load import load_profile
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.devices_text import profile_list

    profiles, status = [], 0
    for _, file in sorted(_profiles(arguments).items()):
        try:
            profiles.append(load_profile(file))
        except ConfigRefused as refused:
            sys.stderr.write(f"{refused}\n")
            status = 1
    if arguments.json:
        keys = ("id", "vendor", "model", "summary", "summary_zh", "protocol", "transports", "confidence", "map_only", "source")
        print(json.dumps({"profiles": [{key: getattr(p, key) for key in keys} for p in profiles]}, ensure_ascii=False))
    else:
        print("\n".join(profile_list(profiles)))
        print(f"{len(profiles)} profiles; `campus-gateway devices show PROFILE` says what one offers")
    return status


def _show(arguments: argparse.Namespace) -> int:
    from gateway.runtime.devices_text import profile_page

    profile = _load(arguments.name, arguments)
    if profile is None:
        return 1
    print(profile.model_dump_json(by_alias=True) if arguments.json else "\n".join(profile_page(profile)))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from gateway.runtime.devices_text import block_plan, profile_page, readable

    profile = _load(arguments.file, arguments)
    if profile is None:
        sys.stderr.write(f"{arguments.file}: this profile cannot be used\n")
        return 1
    if Path(arguments.file).stem != profile.id:
        sys.stderr.write(f'{arguments.file}: id: is "{profile.id}"; a profile is found by its file name, so both must be the same\n')
        return 1
    if arguments.json:
        print(json.dumps({"ok": True, "id": profile.id, "signals": len(profile.signals)}))
        return 0
    print("\n".join(profile_page(profile)))
    if profile.protocol == "modbus":
        print("\nIf every signal were a point:")
        print("\n".join(block_plan(profile, readable(profile), arguments.baud or profile.serial.baud)))
    print(f"{arguments.file}: ok")
    return 0


def _target(arguments: argparse.Namespace, profile: ModbusProfile | FramesProfile | None) -> Target:
    from gateway.bus.serial_line import SerialSettings
    from gateway.runtime.probing import Target

    port: str = arguments.port
    if port.startswith((".", "/")):
        factory = profile.serial if profile else None
        settings = SerialSettings(
            arguments.baud or (factory.baud if factory else 9600),
            arguments.parity or (factory.parity if factory else "N"),
            arguments.stop_bits or (factory.stop_bits if factory else 1),
            factory.data_bits if factory else 8,
        )
        return Target(arguments.transport or "rtu", path=port, serial=settings)
    host, _, number = port.rpartition(":") if port.count(":") == 1 else (port, "", "")
    return Target(arguments.transport or "tcp", host=host or port, port=int(number) if number.isdecimal() else 502)


def _settings(arguments: argparse.Namespace) -> Settings | None:
    """The site file of a daemon that may be running; silence when there is none."""
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused

    if not Path(arguments.config).exists():
        return None
    try:
        return load_site(arguments.config)
    except ConfigRefused:
        return None


def _probe(arguments: argparse.Namespace) -> int:
    profile = _load(arguments.profile, arguments)
    if profile is None:
        return 1
    if profile.protocol == "modbus":
        return _run(_probed(arguments, profile))
    if profile.protocol == "frames":
        return _run(_listened(arguments, profile))
    sys.stderr.write(f"campus-gateway: {profile.id} speaks {profile.protocol}; `probe` reads Modbus devices and listens to frames\n")
    return 1


async def _listened(arguments: argparse.Namespace, profile: FramesProfile) -> int:
    from gateway.runtime.devices_text import names_of, reading_rows
    from gateway.runtime.probing import listen

    target = _target(arguments, profile)
    unit = profile.serial.unit if arguments.unit is None else arguments.unit
    signals = names_of(profile)
    _say(f"{profile.id} on {target}: listening for {arguments.seconds:g} s at most", arguments)
    readings = await listen(target, profile, unit, signals, arguments.seconds)
    if arguments.json:
        print(json.dumps({"profile": profile.id, "unit": unit, "signals": _signals_json(readings)}, ensure_ascii=False))
    else:
        print("\n".join(reading_rows(readings, signals, {signal.name: signal.unit for signal in profile.signals})))
        if not readings:
            print("nothing was heard; is it wired, powered, and set to this speed? A reader speaks only when a card is shown")
    return 0 if readings else 1


async def _probed(arguments: argparse.Namespace, profile: ModbusProfile) -> int:
    from gateway.bus.promise import Wire, frames_s
    from gateway.runtime.devices_text import readable, reading_rows, request_words, units_of
    from gateway.runtime.probing import asker, probe

    target = _target(arguments, profile)
    unit = profile.serial.unit if arguments.unit is None else arguments.unit
    signals = readable(profile)
    timeout_s = arguments.timeout_ms and arguments.timeout_ms / 1000
    async with asker(target, _settings(arguments)) as line:
        _say(f"{profile.id}, unit {unit} on {target}, {line.through}", arguments)
        found = await probe(line, profile, unit, signals, timeout_s, arguments.offset)
    if arguments.json:
        print(json.dumps(_probe_json(found, profile, unit), ensure_ascii=False))
    else:
        print("\n".join(reading_rows(found.readings, signals, units_of(profile))))
        for block, fault, took_s in found.blocks:
            print(f"{request_words(block)}: {fault or 'ok'}, {took_s * 1000:.0f} ms")
        if found.answered:
            wire = Wire(target.transport, target.serial.baud if target.path else None)
            slowest_s = max(took_s - frames_s(block, wire) for block, fault, took_s in found.blocks if not fault)
            delay_ms = max(0.0, slowest_s) * 1000
            print(f"it took {delay_ms:.0f} ms to begin its slowest answer; the profile's delay_ms is {profile.limits.delay_ms}")
        else:
            print(f"nothing answered; is it wired, powered, and set to {target.serial.baud if target.path else 'Modbus TCP'}, unit {unit}?")
    return 0 if found.blocks and all(not fault for _, fault, _ in found.blocks) else 1


def _probe_json(found: Any, profile: ModbusProfile, unit: int) -> dict[str, Any]:
    from gateway.runtime.devices_text import request_words

    return {
        "profile": profile.id,
        "unit": unit,
        "signals": _signals_json(found.readings),
        "requests": [
            {"request": request_words(block), "fault": fault, "took_ms": round(took_s * 1000, 1)} for block, fault, took_s in found.blocks
        ],
    }


def _signals_json(readings: dict[str, Reading]) -> list[dict[str, Any]]:
    return [
        {"signal": name, "value": reading.value, "quality": str(reading.quality), "reason": reading.reason}
        for name, reading in readings.items()
    ]


def _scan(arguments: argparse.Namespace) -> int:
    return _run(_scanned(arguments))


async def _scanned(arguments: argparse.Namespace) -> int:
    from gateway.runtime.probing import SCAN_TIMEOUT_S, asker, scan

    target = _target(arguments, None)
    timeout_s = (arguments.timeout_ms or SCAN_TIMEOUT_S * 1000) / 1000
    units, begun_s, count, seen = arguments.units, time.monotonic(), 0, []

    def progress(unit: int) -> None:
        nonlocal count
        count += 1
        if sys.stderr.isatty():
            left_s = (time.monotonic() - begun_s) / count * (len(units) - count)
            sys.stderr.write(f"\rasking unit {unit}, {count} of {len(units)}, about {left_s:.0f} s left ")
            sys.stderr.flush()

    async with asker(target, _settings(arguments)) as line:
        _say(f"units {units[0]} to {units[-1]} on {target}, {line.through}", arguments)
        async for found in scan(line, units, timeout_s, progress):
            seen.append(found)
            if not arguments.json:
                sys.stderr.write("\r\033[K" if sys.stderr.isatty() else "")
                words = ", ".join(f"function {function}: {said}" for function, said in found.answers.items())
                print(f"unit {found.unit} answers; {words}", flush=True)
    sys.stderr.write("\r\033[K" if sys.stderr.isatty() else "")
    if arguments.json:
        print(json.dumps({"found": [{"unit": f.unit, "answers": f.answers} for f in seen]}, ensure_ascii=False))
    else:
        print(
            f"{len(seen)} of {len(units)} units answered"
            + ("" if seen else "; try another --baud or --parity, and check A and B of the cable")
        )
    return 0 if seen else 1


def _say(words: str, arguments: argparse.Namespace) -> None:
    if not arguments.json:
        print(words, flush=True)


def _run(work: Any) -> int:
    import asyncio
    import logging

    from gateway.core.errors import GatewayError

    logging.getLogger("gateway.bus").setLevel(logging.CRITICAL)  # what went wrong is said below
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    try:
        return int(asyncio.run(work))
    except GatewayError as error:
        sys.stderr.write(f"campus-gateway: {error}\n")
        return 1
