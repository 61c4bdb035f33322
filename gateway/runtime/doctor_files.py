"""What is wrong with the files of a gateway: rights of keys, certificates, model, ports, journal, reports. The daemon need not run."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from gateway.config.resolve_console import answers_nobody
from gateway.config.settings import Settings
from gateway.console import reasons
from gateway.core.errors import ModelRefused
from gateway.core.points import Text
from gateway.journal.files import Unreadable, journal_files, open_readonly
from gateway.runtime.board_facts import ROOT, Files, who_has_open
from gateway.runtime.credentials import wallets
from gateway.runtime.evidence_file import KEY_NAME as EVIDENCE_KEY_NAME
from gateway.runtime.findings import Finding, soon, unknown, wrong
from gateway.runtime.keys import CARD_KEY_NAME, event_key_file
from gateway.runtime.page import certificate_trouble

ACCOUNTS_NAME = "console-accounts.json"
FILES_USED = 0.8  # of those that a process may have open
REPORT_LATE_S = 26 * 3600.0  # a daily report, with two hours of grace


def judge_files(settings: Settings, at_s: float, clock: str, daemon_pid: int | None, root: Path = ROOT) -> Iterator[Finding]:
    """Everything. at_s: Unix time; daemon_pid: whose ports they are, None while no daemon runs."""
    yield from judge_rights(settings)
    yield from _certificates(settings, at_s, clock)
    yield from _page(settings)
    yield from _model(settings)
    yield from _ports(settings, daemon_pid, root)
    yield from _journal(settings.state_dir)
    yield from _reports(settings.state_dir, at_s)


# --- who may read what --------------------------------------------------------------------------


def secret_files(settings: Settings) -> list[Path]:
    """Every file that holds a key, a password or the credentials of a camera, there or not."""
    site = settings.site
    names = [name for path in site.uplink.paths for name in (path.key_file, path.password_file)]
    names += [camera.credentials_file for camera in site.cameras]
    names += [device.key_file for device in site.devices]
    names += [site.console.key_file] if site.console is not None else []
    return list(dict.fromkeys([settings.beside(name) for name in names if name] + _own_secrets(settings)))


def _own_secrets(settings: Settings) -> list[Path]:
    """Those that the gateway makes itself, when it needs them."""
    folder = settings.state_dir
    return [event_key_file(folder), *(folder / name for name in (CARD_KEY_NAME, EVIDENCE_KEY_NAME, ACCOUNTS_NAME))]


def judge_rights(settings: Settings) -> Iterator[Finding]:
    """Secrets that others can read, or that are not there; a site file that anybody can write."""
    made_later = _own_secrets(settings)
    for path in secret_files(settings):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            if path not in made_later:
                yield wrong(str(path), "文件不存在", "the file is not there", "按场所文件放置它", "put it where the site file says")
        except OSError as error:
            yield unknown(
                str(path), f"无法查看：{error.strerror}", f"cannot be looked at: {error.strerror}", "用 sudo 再试", "try again with sudo"
            )
        else:
            if mode & 0o077 and os.environ.get("CREDENTIALS_DIRECTORY", "//") not in str(path):
                yield wrong(
                    str(path), "他人可读的密钥或密码", "a key or password that others can read", f"chmod 600 {path}", f"chmod 600 {path}"
                )
    with suppress(OSError):
        if settings.file.stat().st_mode & stat.S_IWOTH:
            yield wrong(
                str(settings.file),
                "任何人都可改的场所文件",
                "a site file that anybody can write",
                f"chmod o-w {settings.file}",
                f"chmod o-w {settings.file}",
            )


# --- certificates, model ------------------------------------------------------------------------


def _certificates(settings: Settings, at_s: float, clock: str) -> Iterator[Finding]:
    for name, wallet in wallets(settings, lambda: clock != "unknown").items():
        words, urgent = wallet.trouble(at_s)
        if words:
            make = wrong if urgent else soon
            yield make(f"path {name}", f"证书：{words}", words, "续证：campus-gateway enroll", "renew it: campus-gateway enroll")


def _page(settings: Settings) -> Iterator[Finding]:
    """Can the guard-room page be opened with its files, and by anybody? A missing key is told with the other secrets."""
    console = settings.site.console
    if console is None:
        return
    down = Text("值守页面打不开", "the guard-room page cannot be opened")
    if answers_nobody(console):
        yield wrong(
            "console",
            f"{down.zh}：host 为 {console.host}，而没有 names，局域网内的请求全部被拒",
            f"{down.en}: its host is {console.host} and it has no names: whoever asks from the network is refused",
            "在 [console] names 中写明浏览器使用的名称和地址",
            "write the names and addresses that browsers use into [console] names",
        )
    try:
        trouble = certificate_trouble(settings, console)
    except PermissionError as error:
        yield unknown(
            str(error.filename),
            f"无法查看：{error.strerror}",
            f"cannot be looked at: {error.strerror}",
            "用 sudo 再试",
            "try again with sudo",
        )
        return
    if trouble:
        yield wrong(
            "console",
            f"{down.zh}：{reasons.say(trouble, 'zh')}",
            f"{down.en}: {trouble}",
            "按场所文件放置证书与密钥（PEM，密钥不加密码）",
            "put certificate and key where the site file says, in PEM, the key without a password",
        )


def _model(settings: Settings) -> Iterator[Finding]:
    """Is the model of this site there, and is it the one that its manifest names?"""
    if not settings.site.cameras:
        return
    from models.manifest import FOLDER_NAME, folder_of, read_manifest

    try:
        folder = folder_of(settings.site.vision.model, settings.state_dir / FOLDER_NAME)
        manifest = read_manifest(folder)
        with (folder / manifest.file).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fault = "" if digest == manifest.sha256 else f"{folder / manifest.file}: sha256 is {digest}, the manifest says {manifest.sha256}"
    except (ModelRefused, OSError) as error:
        fault = str(error)
    if fault:
        yield wrong(
            "model",
            f"识别模型不可用：{fault}",
            f"the model cannot be used: {fault}",
            "campus-gateway models add，或重新安装软件包",
            "campus-gateway models add, or install the package again",
        )


# --- ports --------------------------------------------------------------------------------------


def serial_ports(settings: Settings) -> set[str]:
    """The site's serial ports as /dev names without links; those that are there."""
    named = (settings.beside(bus.device) for bus in settings.site.buses if hasattr(bus, "device"))
    return {os.path.realpath(path) for path in named if path.exists()}


def _ports(settings: Settings, daemon_pid: int | None, root: Path) -> Iterator[Finding]:
    for bus in settings.site.buses:
        if bus.transport == "tcp" or bus.transport == "rtu-tcp" or bus.transport == "raw-tcp" or bus.transport == "gpio":
            continue
        path = settings.beside(bus.device)
        if not path.exists():
            yield wrong(
                bus.id,
                f"串口不存在：{path}",
                f"there is no {path}",
                "插好转换器；用 /dev/serial/by-path 的名字",
                "plug the converter in; use its name in /dev/serial/by-path",
            )
            continue
        others = [f"{name} ({pid})" for pid, name in who_has_open(path, root) if pid not in (daemon_pid, os.getpid())]
        if others:
            yield wrong(
                bus.id,
                f"{path} 被其他程序打开：{'、'.join(others)}",
                f"{path} is also open in {', '.join(others)}",
                "结束它：一条线只能有一个主站",
                "end it: a line has one master",
            )


def judge_open_files(files: Files) -> Iterator[Finding]:
    """A daemon that soon cannot open another file."""
    if files.open is not None and files.most and files.open > files.most * FILES_USED:
        yield soon(
            "daemon",
            f"已打开 {files.open} 个文件，上限 {files.most}",
            f"{files.open} files are open, the limit is {files.most}",
            "服务单元中增大 LimitNOFILE",
            "raise LimitNOFILE of the unit",
        )


# --- journal, reports ---------------------------------------------------------------------------


def _journal(state_dir: Path) -> Iterator[Finding]:
    """Can it be opened, and was a file set aside? Whether it is whole, only `journal verify` proves."""
    verify = "campus-gateway journal verify", "campus-gateway journal verify"
    for path in journal_files(state_dir):
        if ".set-aside-" in path.name:
            yield soon(str(path), "曾有损坏的日志被封存", "a damaged journal was set aside", *verify)
        try:
            with closing(open_readonly(path)) as db:
                db.execute("SELECT max(row) FROM event").fetchone()
        except (Unreadable, sqlite3.Error) as error:
            make = unknown if isinstance(error, Unreadable) and not os.access(path, os.R_OK) else wrong
            yield make(str(path), f"事件日志读不出：{error}", f"the journal cannot be read: {error}", *verify)


def _reports(state_dir: Path, at_s: float) -> Iterator[Finding]:
    """The newest daily report, where there are any."""
    files = sorted((state_dir / "reports").glob("daily-*.json"))
    if not files:
        return
    try:
        issued = datetime.fromisoformat(json.loads(files[-1].read_bytes())["issued_at"])
        issued = issued if issued.tzinfo else issued.replace(tzinfo=UTC)
    except (OSError, ValueError, KeyError, TypeError):
        yield soon(
            str(files[-1]), "日报读不出", "the daily report cannot be read", "campus-gateway report list", "campus-gateway report list"
        )
        return
    if at_s - issued.timestamp() > REPORT_LATE_S:
        yield soon(
            "report",
            f"最近一份日报是 {issued:%Y-%m-%d %H:%M} 的",
            f"the newest daily report is of {issued:%Y-%m-%d %H:%M}",
            "看守护进程日志；零报告也要按时出",
            "see the daemon's log; a day on which nothing happened is reported too",
        )
