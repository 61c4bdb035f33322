"""campus-sim: the simulated field of a school, one device, a camera, a card reader, or a broker.

Each program prints one line that begins with `ready` when it can be used, and ends with Ctrl-C. What a person can put right is said
in one line, with exit code 2.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import signal
import sys
from pathlib import Path

from simulators.broker import KINDS, Broker
from simulators.errors import SimError
from simulators.library import AnyProfile, load_any, read_any
from simulators.profiles import OWN_FOLDER, Profile
from simulators.site import ON_A_LINE, ON_TCP, BusPlan, SitePlan, read_site
from simulators.surroundings import Surroundings

# name -> module with a main() and arguments of its own
OF_THEIR_OWN = {
    "camera": "simulators.camera",
    "reader": "simulators.osdp_reader",
    "fleet": "simulators.fleet_run",
    "do": "simulators.command_do",
}
EPILOG = """examples:
  campus-sim school site.toml --http 8600          every bus and device of a site file
  curl -d '{"press_ms": 300}' http://127.0.0.1:8600/points/panic-gatehouse
  campus-sim device honeywell-xnx --pty /tmp/xnx --unit 2 --http 8600
  mbpoll -1 -m rtu -a 2 -b 19200 -P none -t 4:float -B -r 3 /tmp/xnx
  campus-sim device rdm6300 --pty /tmp/reader --http 8600
  curl -d '{"value": "0A1B2C3D4E"}' http://127.0.0.1:8600/points/card
  campus-sim broker --kind mosquitto --port 1883
  campus-sim camera --help
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="campus-sim",
        description="Plays the field of a school on real wires: devices over TCP and serial lines (Modbus, frames of their own, OSDP), "
        "cameras, and MQTT brokers. Needs no gateway; any Modbus master, player or MQTT client can use it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    programs = top.add_subparsers(dest="program", required=True, metavar="PROGRAM")

    school = programs.add_parser(
        "school",
        help="every bus, device and camera of a site file",
        description="Plays every bus and device of a site file: TCP on the ports that it names, serial lines as a pty behind a symlink "
        "at the path that it names (relative to the file), cameras at their rtsp:// addresses. What happens is told over HTTP.",
    )
    school.add_argument("site", type=Path, metavar="SITE.toml", help="the very site file that the gateway runs")
    school.add_argument("--alive", action="store_true", help="let it live: sensors tremble, circuits leak, cables are warm, posts go up")
    school.add_argument("--no-cameras", action="store_true", help="leave the cameras out")
    school.add_argument(
        "--broker",
        default="",
        metavar="KIND|URL",
        help="nats or mosquitto: start one, reached through proxies at the addresses of the site file's paths; or mqtt://HOST:PORT of "
        "one that runs: the proxies lead there",
    )
    school.add_argument("--clock", type=Path, metavar="FILE", help="write here how far off the gateway's clock is; says how to start it")
    school.add_argument("--disk", type=Path, metavar="DIR", help="mount a small disk in this folder for the gateway's files (root)")
    school.add_argument("--disk-mb", type=int, default=64, metavar="MB", help="its size; default: 64")
    _add_play_options(school)

    device = programs.add_parser(
        "device",
        help="one device alone, for an integrator's bench",
        description="Plays one device of a profile, on a TCP port or behind a pty.",
    )
    device.add_argument("profile", metavar="PROFILE", help="id of a device profile, or the path of a profile file")
    wire = device.add_mutually_exclusive_group(required=True)
    wire.add_argument("--tcp", metavar="HOST:PORT", help="listen here; port 0 takes a free one")
    wire.add_argument("--pty", type=Path, metavar="LINK", help="a serial line: symlink to a pty, paced at the baud rate")
    device.add_argument(
        "--transport",
        choices=(*ON_TCP, *ON_A_LINE),
        help="what goes over the wire; default: tcp or rtu for Modbus, else what the profile speaks there",
    )
    device.add_argument("--key-file", type=Path, metavar="FILE", help="of an OSDP reader: 32 hex digits; default: as delivered")
    device.add_argument("--unit", type=int, metavar="N", help="unit id; default: the profile's factory setting")
    device.add_argument("--baud", type=int, help="default: the profile's factory setting")
    _add_play_options(device)

    broker = programs.add_parser(
        "broker",
        help="an MQTT broker on loopback",
        description="Starts a real MQTT broker on loopback, without accounts: nats (3.1.1, keeps what it acknowledged through any "
        "crash) or mosquitto (5 and 3.1.1). It ends with this program, even if that is killed.",
    )
    broker.add_argument("--kind", choices=KINDS, default="nats", help="default: nats")
    broker.add_argument("--port", type=int, default=1883, help="default: 1883; 0 takes a free one")
    broker.add_argument("--dir", type=Path, metavar="DIR", help="folder for its data; default: a temporary one, removed at the end")
    _add_ready_option(broker)

    programs.add_parser("camera", help="one camera (RTSP)", add_help=False)
    programs.add_parser("reader", help="one card reader (OSDP), worked from the keyboard", add_help=False)
    programs.add_parser("do", help="let something happen in a school that runs: press, fault, cut, heal, list", add_help=False)
    programs.add_parser("fleet", help="many gateways at a cluster of brokers: a load", add_help=False)
    return top


def _add_play_options(program: argparse.ArgumentParser) -> None:
    program.add_argument("--http", type=int, default=0, metavar="PORT", help="port of the HTTP API on loopback; default: a free one")
    program.add_argument("--profiles", type=Path, metavar="DIR", help="folder with device profiles; default: those shipped")
    program.add_argument("--delay-ms", type=float, default=5.0, metavar="MS", help="what a serial device takes to answer; default: 5")
    program.add_argument("--jitter-ms", type=float, default=2.0, metavar="MS", help="and how much longer at most; default: 2")
    _add_ready_option(program)


def _add_ready_option(program: argparse.ArgumentParser) -> None:
    program.add_argument("--ready-fd", type=int, metavar="FD", help="write the ready line to this file descriptor as well")


def main(argv: list[str] | None = None) -> int:
    """Runs one program; returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in OF_THEIR_OWN:
        return _program_of_its_own(argv[0], argv[1:])
    given = parser().parse_args(argv)
    programs = {"school": _school, "device": _device, "broker": _broker}
    try:
        return programs[given.program](given)
    except SimError as error:
        print(f"campus-sim: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _school(given: argparse.Namespace) -> int:
    plan = read_site(given.site, given.profiles)
    around = Surroundings(given.broker, plan.paths, given.clock, given.disk, given.disk_mb)
    return asyncio.run(_play(plan, given, cameras=not given.no_cameras, around=around))


def _device(given: argparse.Namespace) -> int:
    from simulators.school import lone_device

    profile = _profile(given)
    if given.pty:
        bus = BusPlan("bench", _transport(given, profile, ON_A_LINE), link=given.pty.absolute(), baud=given.baud or profile.baud)
    else:
        host, _, port = given.tcp.rpartition(":")
        if not host or not port.isdigit():
            raise SimError(f"--tcp takes HOST:PORT, not {given.tcp!r}")
        bus = BusPlan("bench", _transport(given, profile, ON_TCP), host=host, port=int(port))
    unit = profile.unit if given.unit is None else given.unit
    return asyncio.run(_play(lone_device(profile, unit, bus, given.key_file), given, cameras=False))


def _profile(given: argparse.Namespace) -> AnyProfile:
    path = Path(given.profile)
    return read_any(path) if path.suffix == ".toml" else load_any(given.profile, [given.profiles or OWN_FOLDER])


def _transport(given: argparse.Namespace, profile: AnyProfile, possible: tuple[str, ...]) -> str:
    """What goes over the wire: as given, else the first of the possible ones that the profile speaks."""
    if given.transport and given.transport not in possible:
        raise SimError(f"--transport {given.transport} does not go over this wire; it takes {', '.join(possible)}")
    spoken = [each for each in possible if each in profile.transports]
    if not spoken and not given.transport:
        if isinstance(profile, Profile):
            return possible[0]
        raise SimError(f"{profile.id} speaks {', '.join(profile.transports)}, none of which goes over this wire")
    return str(given.transport or spoken[0])


async def _play(plan: SitePlan, given: argparse.Namespace, cameras: bool, around: Surroundings | None = None) -> int:
    """Plays a site until SIGINT or SIGTERM."""
    try:
        from simulators.api import LOOPBACK, ApiServer, listen
    except ImportError as error:
        raise SimError(f"the HTTP API needs more packages ({error}): pip install 'campus-gateway[sim]'") from error
    from simulators.alive import Alive
    from simulators.school import School

    with listen(given.http) as sock:
        async with School(plan, given.delay_ms / 1000, given.jitter_ms / 1000, cameras, around) as school, Alive(school) as alive:
            server = ApiServer(school, alive)
            if getattr(given, "alive", False):
                alive.liven()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, setattr, server, "should_exit", True)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.serve(sockets=[sock]), name="http")
                await server.up.wait()
                for bus_id, wire in school.wires.items():
                    print(f"{bus_id}: {wire.address}")
                for line in around.lines() if around else ():
                    print(line)
                _say_ready(f"ready http://{LOOPBACK}:{sock.getsockname()[1]}", given.ready_fd)
    return 0


def _broker(given: argparse.Namespace) -> int:
    broker = Broker(given.kind, given.port, given.dir)
    try:
        broker.start()
        ends = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # only now, or the broker would be deaf to them too
        _say_ready(f"ready {broker.url}", given.ready_fd)
        while broker.running:
            if signal.sigtimedwait(ends, 0.5):
                return 0
    finally:
        broker.close()
    raise SimError(f"{broker.kind} ended by itself (log: {broker.log})")


def _program_of_its_own(name: str, argv: list[str]) -> int:
    """A part that needs libraries of its own, and has its own arguments."""
    try:
        module = importlib.import_module(OF_THEIR_OWN[name])
    except ImportError as error:
        print(f"campus-sim: the {name} is not there: {error}", file=sys.stderr)
        return 2
    return int(module.main(argv) or 0)


def _say_ready(line: str, ready_fd: int | None) -> None:
    print(line, flush=True)
    if ready_fd is not None:
        os.write(ready_fd, f"{line}\n".encode())


if __name__ == "__main__":
    raise SystemExit(main())
