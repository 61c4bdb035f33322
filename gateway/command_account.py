"""The command line for the people who may sign in at the guard-room page: account list, add, password, remove."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add them. site: adds the options that say which site."""
    text = "people who may sign in at the guard-room page (值守账户)"
    account = commands.add_parser(
        "account", help=text, description=f"{text[:1].upper()}{text[1:]}. There is no account, and no password, by default."
    )
    deeds = account.add_subparsers(title="deeds", metavar="DEED", required=True)
    shown = deeds.add_parser("list", help="names and roles")
    made = deeds.add_parser(
        "add", help="a new person", description="Asks for the password twice; with --password-stdin it is read from there."
    )
    made.add_argument("name", metavar="NAME")
    made.add_argument("--role", required=True, choices=["guard", "duty_leader", "technician", "viewer"], help="值守、带班、技术、只看")
    changed = deeds.add_parser("password", help="another password for a person; whoever is signed in with the old one is out")
    changed.add_argument("name", metavar="NAME")
    gone = deeds.add_parser("remove", help="a person is out at once")
    gone.add_argument("name", metavar="NAME")
    for parser in (made, changed):
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input, one line")
    for parser, deed in ((shown, "list"), (made, "add"), (changed, "password"), (gone, "remove")):
        site(parser)
        parser.set_defaults(handler=_account, deed=deed)


def _account(arguments: argparse.Namespace) -> int:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused

    try:
        from gateway.console.accounts import AccountRefused
        from gateway.runtime.console_process import accounts_of
    except ImportError as error:
        sys.stderr.write(f"campus-gateway account needs the packages of the extra `console`: {error}\n")
        return 1
    try:
        accounts = accounts_of(load_site(arguments.config, state_dir=arguments.state_dir))
        accounts.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if arguments.deed == "list":
            for account in accounts.all():
                print(f"{account.name}\t{account.role}")
        elif arguments.deed == "add":
            accounts.add(arguments.name, arguments.role, _password(from_stdin=arguments.password_stdin))
            print(f"{arguments.name} may sign in as {arguments.role.replace('_', ' ')}")
        elif arguments.deed == "password":
            accounts.set_password(arguments.name, _password(from_stdin=arguments.password_stdin))
            print(f"{arguments.name} has another password; who was signed in with the old one is out")
        else:
            accounts.remove(arguments.name)
            print(f"{arguments.name} is out")
    except (ConfigRefused, AccountRefused) as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    return 0


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password (密码): ")
    if first != getpass.getpass("Once more (再输一次): "):
        from gateway.console.accounts import AccountRefused

        raise AccountRefused("the two are not the same; nothing was changed")
    return first
