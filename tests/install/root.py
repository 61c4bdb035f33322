"""Fresh Debian 12 systems for tests: made once by mmdebstrap, copied for each use (under 2 s), run in or booted without any network.

with fresh_root() as root:
    root.put(package, "/srv/x.deb")
    root.run("apt-get", "install", "-y", "/srv/x.deb")
    with root.boot() as box:
        box.run("systemctl", "is-active", "campus-gateway")
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from simulators.leash import Leashed
from tests.proof.rig import wait_for
from tests.real_parts import need

PROJECT = Path(__file__).parents[2]
CACHE = PROJECT / "build/install"
PACKAGES = ("systemd-sysv", "dbus", "python3", "udev")
SUITE = "bookworm"
BOOT_WITHIN_S = 120.0
OFF_WITHIN_S = 60.0
RUN_WITHIN_S = 600.0
FORBIDDEN = ("Operation not permitted", "Permission denied", "Function not implemented")
QUIET = ("--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--kill-signal=SIGKILL")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}

_number = itertools.count(1)


class Failed(AssertionError):
    """A command in a root or box ended with another status than 0. The message holds all that it said."""


class Root:
    """A Debian system in a folder. path: as seen from this machine. emulated: of another kind of processor."""

    def __init__(self, path: Path, *, emulated: bool = False) -> None:
        self.path = path
        self.emulated = emulated

    def run(self, *command: str, check: bool = True, binds: Sequence[str] = (), stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as root in it: no network but loopback, no systemd, /tmp and /run empty and gone afterwards.

        binds: more folders, "/here:/there". Raises Failed when it ends with another status than 0, unless check is False.
        """
        if self.emulated:
            return _ended([*_chroot(self.path), *command], command, check, stdin)
        nspawn = [*_nspawn(self.path), "--pipe", "--as-pid2", "--chdir=/"]
        nspawn += [f"--setenv={name}={value}" for name, value in ENVIRONMENT.items()]
        return _ended([*nspawn, *(f"--bind={bind}" for bind in binds), "--", *command], command, check, stdin)

    def put(self, source: Path, there: str, *, mode: int | None = None) -> Path:
        """Copy a file or folder to the path `there` inside; where it lies now, seen from this machine."""
        target = self.at(there)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
        if mode is not None:
            target.chmod(mode)
        return target

    def write(self, there: str, text: str, *, mode: int = 0o644) -> Path:
        """Make a text file at the path `there` inside."""
        target = self.at(there)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)
        return target

    def at(self, there: str) -> Path:
        """The absolute path `there` as this machine sees it. Absolute links inside are not followed: use run for those."""
        return self.path / there.lstrip("/")

    def files(self) -> set[str]:
        """Absolute path of everything in it: files, folders, links."""
        return {f"/{path.relative_to(self.path)}" for path in self.path.rglob("*")}

    @contextlib.contextmanager
    def boot(self, *, binds: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[Box]:
        """Start its own systemd as process 1 and wait until all of its start is done. Powered off at the end.

        binds: "/here:/there". options: more of systemd-nspawn's. Skips where this machine lets no container boot.
        """
        log = self.path.parent / f"{self.path.name}.log"
        command = [*_nspawn(self.path), "--boot"]
        machine = Leashed([*command, *(f"--bind={bind}" for bind in binds), *options], log)
        try:
            box = Box(machine, log)
            box.wait_booted()
            yield box
            box.power_off()
        finally:
            machine.stop()  # nspawn kills process 1 in it, and all others with that


class Box:
    """A Root whose systemd runs. log: what its console said."""

    def __init__(self, machine: Leashed, log: Path) -> None:
        self.log = log
        self._machine = machine
        self._first = 0

    @property
    def running(self) -> bool:
        return self._machine.running

    def run(self, *command: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as root in it, beside its systemd. Raises Failed when it ends with another status than 0, unless check is False."""
        enter = [need("nsenter", package="util-linux"), f"--target={self._first}", "--mount", "--pid", "--uts", "--ipc", "--net"]
        enter += ["--root", "--wd", "env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items())]
        return _ended([*enter, *command], command, check, stdin)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit, such as ("campus-gateway", "NRestarts")."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def wait(self, what: str, *command: str, within_s: float = 60.0) -> str:
        """Repeat a command until it ends with status 0; what it printed then. The failure carries its last words and the console's."""
        last = [""]

        def done() -> bool:
            ended = self.run(*command, check=False)
            last[0] = ended.stdout + ended.stderr
            return ended.returncode == 0

        try:
            wait_for(done, what, within_s)
        except AssertionError as error:
            raise Failed(f"{error}\n{last[0]}\n{self.said()[-2000:]}") from None
        return last[0]

    def said(self) -> str:
        """What the console said since the first boot of this root."""
        return self.log.read_text(errors="replace")

    def wait_booted(self) -> None:
        """Return once every unit of the start has started or failed."""
        try:
            wait_for(self._is_up, "the container has booted", BOOT_WITHIN_S)
        except AssertionError as error:
            raise Failed(f"{error}\n{self.said()[-3000:]}") from None
        if not self.running:
            if any(word in self.said() for word in FORBIDDEN):
                pytest.skip(f"this machine lets no container boot: {self.said().strip()[-300:]}")
            raise Failed(f"the container ended: {self.said()[-3000:]}")

    def power_off(self) -> None:
        """Ask its systemd to end everything in good order, and wait."""
        if self.running:
            self.run("systemctl", "poweroff", "--no-block", check=False)
            wait_for(lambda: not self.running, "the container is off", OFF_WITHIN_S)

    def _is_up(self) -> bool:
        if not self.running:
            return True
        self._first = self._first or _first_process(self._machine.pid)
        if not self._first:
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")


@contextlib.contextmanager
def fresh_root(*more: str, architecture: str = "amd64") -> Iterator[Root]:
    """A copy of a new Debian 12 with PACKAGES and `more` packages, removed at the end. Skips when a program for making it is missing.

    The first use of a set of packages takes half a minute and needs Debian's archive; later ones take the copy in build/install/.
    """
    base = _base(architecture, tuple(sorted({*PACKAGES, *more})))
    with tempfile.TemporaryDirectory(prefix="root-", dir=CACHE) as folder:
        root = Path(folder) / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
        yield Root(root, emulated=architecture != "amd64")


def _base(architecture: str, packages: tuple[str, ...]) -> Path:
    """The folder that is copied; made if it is not there. A lock lets several test runs share it."""
    if os.geteuid() != 0:
        pytest.skip("a Debian root needs root")
    mmdebstrap = need("mmdebstrap", package="mmdebstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    base = CACHE / f"debian-{SUITE}-{architecture}-{mark}"
    with (CACHE / f"{base.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            _make(mmdebstrap, architecture, packages, base)
    return base


def _make(mmdebstrap: str, architecture: str, packages: tuple[str, ...], base: Path) -> None:
    """mmdebstrap's tar, unpacked under another name first: a broken attempt is never taken for a root."""
    archive, half = base.with_suffix(".tar"), base.with_suffix(".half")
    command = [mmdebstrap, "--quiet", "--variant=minbase", f"--include={','.join(packages)}", f"--architectures={architecture}"]
    made = subprocess.run([*command, SUITE, str(archive)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise Failed(f"mmdebstrap made no Debian root: {made.stderr[-2000:]}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    subprocess.run(["tar", "-xpf", str(archive), "-C", str(half), "--numeric-owner", "--exclude=./dev/*"], check=True)
    archive.unlink()
    (half / "etc/apt/sources.list").write_text("")  # without network there is nothing to ask
    half.rename(base)


def _nspawn(path: Path) -> list[str]:
    """The start of every call. The name is its own, so that several test runs can stand side by side."""
    name = f"box-{os.getpid()}-{next(_number)}"
    return [need("systemd-nspawn", package="systemd-container"), *QUIET, f"--machine={name}", "-D", str(path)]


def _chroot(path: Path) -> list[str]:
    """As _nspawn, without /sys: programs that ask there for the processor trip over one that is not of their kind."""
    variables = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    unshare = [need("unshare", package="util-linux"), "--net", "--mount", "--pid", "--fork", f"--mount-proc={path}/proc"]
    return [*unshare, "chroot", str(path), "env", "-i", *variables]


def _ended(words: list[str], command: Sequence[str], check: bool, stdin: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=RUN_WITHIN_S, errors="replace")
    if check and done.returncode:
        raise Failed(f"{' '.join(command)} ended with status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _first_process(nspawn: int) -> int:
    """Process id, on this machine, of the container's process 1; 0 while there is none."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split():
            ids = next(line for line in Path(f"/proc/{child}/status").read_text().splitlines() if line.startswith("NSpid:")).split()
            if ids[-1] == "1" and Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
    return 0
