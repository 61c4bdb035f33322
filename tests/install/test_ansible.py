"""The Ansible role on a new Debian under its own systemd: check mode, first run, nothing the second time, a new site file, a new release.

Ansible runs inside the box (connection local), from the environment that `make check-ansible` makes. Run by `make test-install`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.package.build import BUILD, build
from deploy.package.release import development_key
from gateway import __version__
from gateway.__main__ import main
from tests.install.root import Box, Root, fresh_root
from tests.real_parts import missing

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "deploy/fleet"
SCHOOL = "6101030002"
NEXT = "{}.{}.{}".format(*__version__.split(".")[:2], int(__version__.split(".")[2]) + 1)
HOST = """campus_gateways:
  hosts:
    "{school}": {{ ansible_connection: local, ansible_become: false, ansible_python_interpreter: /usr/bin/python3 }}
"""
RELEASE = """campus_gateway_packages: /srv/packages
campus_gateway_sites: /srv/sites
campus_gateway_enrolment: /srv/enrolment
campus_gateway_camera_login: gate:not-a-real-word
campus_gateway_receipt: false
"""
RECAP = re.compile(rf"{SCHOOL}\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def ansible() -> Path:
    """site-packages with ansible-core, for Python 3.11 as Debian 12 has it."""
    found = list((PROJECT / "build/ansible/lib/python3.11").glob("site-packages/ansible"))
    if not found:
        missing("there is no Ansible in build/ansible: make check-ansible, with Python 3.11")
    return found[0].parent


@pytest.fixture(scope="module")
def root(ansible: Path) -> Iterator[Root]:
    """A Debian with the role, packages of two releases and the sample's site files."""
    key = development_key(BUILD / "development-key.pem")
    with fresh_root("python3-apt") as new:
        packages = new.at("/srv/packages")
        packages.mkdir()
        for version in (__version__, NEXT):
            build("amd64", packages, key, version=version)
        new.put(PROJECT / "deploy/ansible", "/srv/ansible")
        new.write("/srv/hosts.yml", HOST.format(school=SCHOOL))
        new.write("/srv/release.yml", RELEASE)
        new.at("/srv/enrolment").mkdir()
        generated(new, (EXAMPLES / "schools.csv").read_text(encoding="utf-8-sig"))
        yield new


def generated(root: Root, table: str) -> None:
    """Site files from a table, as the office makes them."""
    file = root.write("/srv/schools.csv", table)
    words = ["--devices", str(EXAMPLES / "devices.csv"), "--template", str(EXAMPLES / "template.toml")]
    assert main(["fleet", "generate", str(file), *words, "--out", str(root.at("/srv/sites"))]) == 0


def unchanged(box: Box, **more: str) -> None:
    """One more run, which must change nothing."""
    changed, said = play(box, "--diff", **more)
    assert changed == 0, said


def play(box: Box, *more: str, version: str = __version__) -> tuple[int, str]:
    """(number of changes, all that was said) of one run; fails when a task failed."""
    command = ["python3", "-m", "ansible.cli.playbook", "-i", "/srv/hosts.yml", "/srv/ansible/rollout.yml", "-e", "@/srv/release.yml"]
    environment = ["env", "PYTHONPATH=/srv/site-packages", "ANSIBLE_CONFIG=/srv/ansible/ansible.cfg", "PYTHONDONTWRITEBYTECODE=1"]
    done = box.run(*environment, *command, "-e", f"campus_gateway_version={version}", *more, check=False)
    found = RECAP.search(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert found is not None, done.stdout[-4000:]
    return int(found[2]), done.stdout


def test_the_role(root: Root, ansible: Path) -> None:
    with root.boot(binds=[f"{ansible}:/srv/site-packages"]) as box:
        _, said = play(box, "--check")
        assert not root.at("/opt/campus-gateway").exists(), said

        changed, said = play(box)
        assert changed > 3, said
        assert "not-a-real-word" not in said
        assert root.at("/etc/campus-gateway/site.toml").read_bytes() == root.at(f"/srv/sites/{SCHOOL}.toml").read_bytes()
        assert root.at("/var/lib/campus-gateway/cameras").stat().st_mode & 0o777 == 0o600
        assert "BEGIN CERTIFICATE REQUEST" in root.at(f"/srv/enrolment/{SCHOOL}.csr").read_text()
        box.wait("the gateway runs", "systemctl", "is-active", "campus-gateway")
        box.wait("the gateway answers", "campus-gateway", "status", "--json")
        unchanged(box)

        before = root.at("/etc/campus-gateway/site.toml").read_bytes()
        generated(root, (EXAMPLES / "schools.csv").read_text(encoding="utf-8-sig").replace("南村小学（教学点）", "南村小学"))
        assert play(box, "--check")[0] > 0
        assert root.at("/etc/campus-gateway/site.toml").read_bytes() == before, "check mode only looks"
        assert play(box)[0] > 0
        assert 'name = "南村小学"' in root.at("/etc/campus-gateway/site.toml").read_text(encoding="utf-8")
        unchanged(box)

        assert play(box, version=NEXT)[0] > 0
        assert box.run("campus-gateway", "--version").stdout.split()[-1] == NEXT
        unchanged(box, version=NEXT)


def test_a_site_file_that_the_gateway_refuses_changes_nothing(root: Root, ansible: Path) -> None:
    """The checker of the box has the last word, whatever the office's said."""
    shutil.copy(root.at(f"/srv/sites/{SCHOOL}.toml"), root.at("/srv/good.toml"))
    broken = root.at(f"/srv/sites/{SCHOOL}.toml")
    before = root.at("/etc/campus-gateway/site.toml").read_bytes()
    broken.write_text(broken.read_text(encoding="utf-8") + "nonsense = 1\n", encoding="utf-8")
    with root.boot(binds=[f"{ansible}:/srv/site-packages"]) as box, pytest.raises(AssertionError, match="unknown key"):
        play(box, version=NEXT)
    assert root.at("/etc/campus-gateway/site.toml").read_bytes() == before
    assert not root.at("/etc/campus-gateway/site.new.toml").exists()
