"""The wheel holds what the product needs and nothing else, and works in an environment of its own."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"gateway", "drivers", "models", "simulators"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

pytestmark = pytest.mark.slow


def sources(*patterns: str) -> set[str]:
    """Files of the source tree, as the wheel names them."""
    return {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}


def built(root: Path, folder: Path, **environment: str) -> Path:
    """The wheel of a source tree, made with the backend that pyproject.toml names, without network."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))", str(folder)],
        cwd=root,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1764547200", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this tree."""
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """All files in it."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment that has the wheel, and the dependencies of this one."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    site = folder / f"lib/python3.{sys.version_info.minor}/site-packages"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index",
         "--prefix", str(folder), "--ignore-installed", str(wheel)],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    assert (site / "gateway").is_dir()
    here = Path(str(metadata.distribution("pydantic").locate_file(""))).resolve()
    (site / "dependencies.pth").write_text(f"{here}\n")  # a .pth names folders only: this checkout's own .pth there is not followed
    return folder / "bin/python"


def run(python: Path, *arguments: str) -> str:
    """Standard output of a program that must succeed, started away from the checkout."""
    done = subprocess.run([str(python), *arguments], cwd=python.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_sources_give_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Built again from a copy elsewhere: files of another age, in another order of making, other rights, time zone and language."""
    copy = tmp_path / "copy"
    for name in sorted((*PACKAGES, "deploy/examples"), reverse=True):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy / name)
    for file in copy.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
        file.chmod(0o700 if file.is_dir() else 0o600)
    (tmp_path / "out").mkdir()
    again = built(copy, tmp_path / "out", TZ="Asia/Shanghai", LC_ALL="C", PYTHONHASHSEED="7")
    assert again.name == wheel.name
    assert hashlib.sha256(again.read_bytes()).hexdigest() == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_only_our_packages_stand_at_the_top(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert tops - PACKAGES == {top for top in tops if top.endswith(".dist-info")}
    assert tops >= PACKAGES


def test_everything_that_is_not_code_is_in_it(names: set[str]) -> None:
    wanted = sources(
        "drivers/profiles/*.toml", "gateway/journal/migrations/*.sql", "models/*/*.onnx", "models/*/*.toml", "models/*/CARD.md",
        "models/*/NOTICE", "models/*/fixtures/*", "simulators/scenes/*", "gateway/**/*.py", "drivers/**/*.py", "models/**/*.py",
        "simulators/**/*.py",
    )  # fmt: skip
    assert len(wanted) > 50
    assert wanted <= names, sorted(wanted - names)


def test_nothing_else_is_in_it(names: set[str]) -> None:
    strays = [name for name in names if name.endswith((".pyc", ".db", ".pem", ".log", ".jwk")) or "/tests/" in name]
    assert strays == []


def test_licence_and_notices_travel_with_it(names: set[str]) -> None:
    licences = {name.split("/licenses/")[1] for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", *sources("models/*/NOTICE")}


def test_metadata(wheel: Path, names: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        data = Parser().parsestr(archive.read(name).decode())
    assert (data["Name"], data["License-Expression"], data["Requires-Python"]) == ("campus-gateway", "Apache-2.0", ">=3.11")
    plain = {line for line in data.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert len(plain) == len(PROJECT["dependencies"])


def test_the_command_runs_in_a_clean_environment(python: Path) -> None:
    assert run(python, str(python.parent / "campus-gateway"), "--version").startswith("campus-gateway 0.")
    for script in PROJECT["scripts"]:
        assert "usage" in run(python, str(python.parent / script), "--help")


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_our_packages_come_from_the_wheel(python: Path, package: str) -> None:
    """These names are common: another distribution with a package `models` would hide or overwrite ours."""
    file = run(python, "-c", f"import {package}; print({package}.__file__)").strip()
    assert Path(file).is_relative_to(python.parents[1]), file


def test_data_is_found_where_it_was_installed(python: Path, tmp_path: Path) -> None:
    """Profiles and migrations are looked up beside the code: a site file that uses a profile is accepted, a journal is made."""
    site = tmp_path / "site.toml"
    site.write_text((ROOT / "deploy/examples/demo-school.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "demo-plan.svg").write_bytes((ROOT / "deploy/examples/demo-plan.svg").read_bytes())
    assert "ok, " in run(python, "-m", "gateway", "check", str(site))
    migrations = "import importlib.resources as r; print(sorted(f.name for f in (r.files('gateway.journal') / 'migrations').iterdir()))"
    assert "0001_initial.sql" in run(python, "-c", migrations)


def test_no_other_package_of_this_environment_uses_our_names() -> None:
    tops = metadata.packages_distributions()
    assert {name: set(tops.get(name, ())) - {"campus-gateway"} for name in PACKAGES} == {name: set() for name in PACKAGES}
