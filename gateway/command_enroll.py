"""The command line for enrolment: campus-gateway enroll, enroll --install CERT, enroll --renew."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.runtime.enrolment import Enrolment

Site = Callable[[argparse.ArgumentParser], None]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site) -> None:
    """Add it. site: adds the options that say which site file."""
    enroll = commands.add_parser(
        "enroll",
        help="this gateway's keys and certificate (入网登记)",
        description="Without an option: make the TLS key of an uplink path and the request for its certificate, and show what to send\n"
        "to whom. The key never leaves this box. With --install: check the certificate that came back as the broker will, and\n"
        "put it in its place; a running daemon takes it in its next quiet moment. See docs/enrolment.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site(enroll)
    enroll.add_argument("--path", metavar="ID", default="", help="the uplink path; default: the first with a certificate")
    what = enroll.add_mutually_exclusive_group()
    what.add_argument("--install", metavar="CERT.pem", help="the certificate that came back")
    what.add_argument("--renew", action="store_true", help="a new key and request; the old ones stay in use until --install")
    what.add_argument("--new-event-key", action="store_true", help="make the event key that is to follow; the daemon announces it")
    what.add_argument("--use-new-event-key", action="store_true", help="use it from the next start of the daemon on, once it is enrolled")
    enroll.add_argument("--json", action="store_true")
    enroll.set_defaults(handler=_enroll)


def _enroll(arguments: argparse.Namespace) -> int:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.enrolment import Enrolment, EnrolmentRefused
    from gateway.runtime.keys import KeyRefused, public_key

    if arguments.new_event_key or arguments.use_new_event_key:
        return _event_key(arguments)
    try:
        settings = load_site(arguments.config, state_dir=arguments.state_dir)
        enrolment = Enrolment(settings, arguments.path)
        if arguments.install:
            answer = _installed(enrolment, Path(arguments.install))
        elif not arguments.renew and enrolment.installed() is not None:
            answer = _installed(enrolment, None)
        else:
            answer = _requested(enrolment, renew=arguments.renew, event_key=public_key(settings.state_dir), source=settings.source)
    except (ConfigRefused, EnrolmentRefused, KeyRefused) as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else _text(answer))
    return 0


def _event_key(arguments: argparse.Namespace) -> int:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.key_change import ChangeRefused, make_next, use_next
    from gateway.runtime.keys import KeyRefused

    try:
        settings = load_site(arguments.config, state_dir=arguments.state_dir)
        if arguments.use_new_event_key:
            answer = {"used_from_next_start": True, **_told(settings.source, use_next(settings.state_dir))}
        else:
            public, made = make_next(settings.state_dir)
            answer = {"made": made, **_told(settings.source, public)}
    except (ConfigRefused, ChangeRefused, KeyRefused) as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else _event_key_text(answer))
    return 0


def _told(source: str, public: dict[str, str]) -> dict[str, Any]:
    from joserfc.util import urlsafe_b64decode

    from gateway.runtime.enrolment import fingerprint

    digits = fingerprint(urlsafe_b64decode(public["x"].encode()))
    return {"event_key": {"source": source, **public}, "event_key_fingerprint": digits}


def _event_key_text(answer: dict[str, Any]) -> str:
    if "used_from_next_start" in answer:
        return f"""event key {answer["event_key"]["kid"]} signs from the next start of the daemon on (重启后启用):
   sudo systemctl restart campus-gateway
the old one must stay enrolled at the centre until all that it signed is received"""
    return f"""1. The running daemon announces this key within seconds, by an event that the old one signs. Send it to the centre too:
   the event key {json.dumps(answer["event_key"])}
2. Call them, and let them read to you what they see (请电话核对指纹); they enrol it beside the old one:
   fingerprint of event key {answer["event_key_fingerprint"]}
3. When they have: campus-gateway enroll --use-new-event-key, and start the daemon anew. Until then the old key signs."""


def _installed(enrolment: Enrolment, file: Path | None) -> dict[str, Any]:
    found = enrolment.installed() if file is None else enrolment.install(file)
    assert found is not None
    return {"installed": str(found.file), "name": found.name, "good_until": f"{found.ends:%Y-%m-%d}", "new": file is not None}


def _requested(enrolment: Enrolment, *, renew: bool, event_key: dict[str, str], source: str) -> dict[str, Any]:
    request = enrolment.request(renew=renew)
    return {"request": str(request.file), "name": request.name, "fingerprint": request.fingerprint, **_told(source, event_key)}


def _text(answer: dict[str, Any]) -> str:
    if "installed" in answer:
        state = "installed" if answer["new"] else "there is a certificate already"
        hint = "" if answer["new"] else "\na new key and request: campus-gateway enroll --renew"
        return f"{state}: {answer['installed']}, for {answer['name']}, good until {answer['good_until']}{hint}"
    return f"""1. Send these two to those who enrol gateways at the linkage centre (联动中心), by any way; neither is secret:
   the request   {answer["request"]}
   the event key {json.dumps(answer["event_key"])}
2. Call them, and let them read to you what they see (请电话核对指纹); they sign only when all of it is the same:
   name                     {answer["name"]}
   fingerprint of request   {answer["fingerprint"]}
   fingerprint of event key {answer["event_key_fingerprint"]}
3. When the certificate comes back: campus-gateway enroll --install CERT.pem"""
