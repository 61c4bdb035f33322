"""What the documentation says is so: names exist, made parts are fresh, examples verify, lists are complete."""

import ast
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import TypeAdapter

from gateway.__main__ import main
from gateway.config.load import load_site
from gateway.config.profiles import Profile
from gateway.config.site import Site
from gateway.contract.canonical import canonical, digest
from gateway.contract.jws import TrustedKey, verify_detached
from gateway.contract.receipt import read_receipt

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "systemd/README.md"])
CODE = ("gateway", "drivers", "models", "simulators", "tests", "docs")
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=IDS)

FILE = re.compile(r"`((?:[\w.-]+/)+[\w.*-]*)`")
FUNCTION = re.compile(r"`(?:(\w+)\.)?(\w+)\(\)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
EXAMPLE = re.compile(r"<!-- example: ([\w.]+) -->\n```json\n(.*?)```", re.DOTALL)


@cache
def functions() -> dict[str, set[str]]:
    """Name of each function and method of the code -> the classes that have it, "" for a plain function."""
    found: dict[str, set[str]] = defaultdict(set)
    for folder in CODE:
        for file in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    for inner in node.body:
                        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                            found[inner.name].add(node.name)
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found[node.name].add("")
    return found


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def unknown_functions(text: str) -> list[str]:
    """Functions named in backticks that the code does not have."""
    return [f"{owner}.{name}" for owner, name in FUNCTION.findall(text) if not (owner in functions()[name] if owner else functions()[name])]


def unknown_files(text: str, page: Path) -> list[str]:
    """Paths in backticks that are neither in the repository, nor beside the page, nor in the room that the text is about."""
    names = [
        name
        for name in FILE.findall(text)
        if name.split("/")[0] in {*CODE, "deploy", "systemd", ".ci", "runtime"} or name.startswith("udev")
    ]
    roots = (ROOT, page.parent, ROOT / "gateway")
    return [name for name in names if not any((root / name).exists() for root in roots)]


@EACH_PAGE
def test_every_file_that_is_named_exists(page: Path) -> None:
    assert unknown_files(prose(page), page) == []


@EACH_PAGE
def test_every_function_that_is_named_exists(page: Path) -> None:
    assert unknown_functions(prose(page)) == []


def test_a_wrong_name_would_be_seen() -> None:
    text = "`gateway/bus/no_such.py` `Outbox.decide()` `no_such_function()` `Outbox.next()` `decide()`"
    assert unknown_functions(text) == ["Outbox.decide", ".no_such_function"]
    assert unknown_files(text, ROOT / "README.md") == ["gateway/bus/no_such.py"]


@EACH_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(prose(page)) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@EACH_PAGE
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = "\n".join(re.findall(r"`[^`]+`|```.*?```", page.read_text(encoding="utf-8"), re.DOTALL))
    benches = re.findall(r"^BENCHES *:= *(.*)$", makefile, re.MULTILINE)[0].split()
    known = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE), *(f"bench-{name}" for name in benches)}
    assert [name for name in TARGET.findall(text) if name not in known] == []


def test_life_of_one_alarm_names_many_functions() -> None:
    """The page is a walk through the code, so it must not be emptied of names."""
    assert len(set(FUNCTION.findall(prose(DOCS / "life-of-one-alarm.md")))) > 40


def test_made_parts_are_fresh() -> None:
    done = subprocess.run([sys.executable, str(DOCS / "make_reference.py"), "--check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_part_would_be_seen(tmp_path: Path) -> None:
    for part in DOCS.glob("make_*.py"):
        (tmp_path / part.name).write_text(part.read_text(encoding="utf-8"), encoding="utf-8")
    script = tmp_path / "make_reference.py"
    page = (DOCS / "alarm-states.md").read_text(encoding="utf-8")
    (tmp_path / "page.md").write_text(page.replace("A --> B: activate", "A --> C: activate"), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, "page.md" in done.stdout) == (1, True)


def test_the_small_site_file_is_accepted(tmp_path: Path) -> None:
    """The one that a technician copies from docs/site-file.md."""
    (text,) = re.findall(r"```toml\n(.*?)```", (DOCS / "site-file.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    settings = load_site(tmp_path / "site.toml")
    assert settings.warnings == []
    assert len(text.splitlines()) < 60


# --- the page on device profiles ----------------------------------------------------------------

SHOWN_FILE = re.compile(r"<!-- file: (\S+) -->\n```toml\n(.*?)```", re.DOTALL)
SHOWN_CHECK = re.compile(r"```console\n\$ campus-gateway ((?:devices )?check \S+)\n(.*?)```", re.DOTALL)
PROBED = re.compile(r"^SIGNAL +VALUE.*?(?=^\.\.\.|^function)", re.MULTILINE | re.DOTALL)
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that docs/profiles.md shows."""
    files = SHOWN_FILE.findall((DOCS / "profiles.md").read_text(encoding="utf-8"))
    assert len(files) == 3
    for name, text in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_profiles_of_the_page_are_checked_as_it_shows(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = SHOWN_CHECK.findall((DOCS / "profiles.md").read_text(encoding="utf-8"))
    good = [(command, output) for command, output in shown if "cannot be used" not in output]
    assert len(good) == 3
    for command, output in good:
        assert main(command.split()) == 0
        assert capsys.readouterr().out == output
    ((command, output),) = [each for each in shown if each not in good]
    wrong = bench / command.split()[-1]
    wrong.write_text(wrong.read_text(encoding="utf-8").replace('unit = "Cel"', 'unti = "Cel"'), encoding="utf-8")
    assert main(command.split()) == 1
    assert capsys.readouterr().err == output


def test_the_example_is_probed_as_the_page_shows(bench: Path) -> None:
    """A simulated device, probed by the command line: as it should be, with a broken wire, in calibration."""
    page = (DOCS / "profiles.md").read_text(encoding="utf-8")
    file = "device-profiles/example-et2.toml"
    with subprocess.Popen(
        [sys.executable, "-m", "simulators", "device", file, "--pty", "et2"], stdout=subprocess.PIPE, text=True, cwd=bench, env=HERE
    ) as device:
        assert device.stdout is not None
        try:
            url = next(line for line in device.stdout if line.startswith("ready")).split()[1]
            said = [probed(file, bench)]
            for signal, value in (("temperature2", "wire broken"), ("state", "calibration")):
                request = urllib.request.Request(f"{url}/devices/device/signals/{signal}", json.dumps({"value": value}).encode())
                urllib.request.urlopen(request, timeout=10).close()
                said.append(probed(file, bench))
        finally:
            device.terminate()
    for rows in said:
        running_time = rows.pop("running_time")
        assert running_time[-1] == "good"
    rows_of_page = [fields(block) for block in PROBED.findall(page)]
    assert len(rows_of_page) == 3
    for told, found in zip(rows_of_page, said, strict=True):
        told.pop("running_time", None)
        assert told
        assert {name: found[name] for name in told} == told


def probed(file: str, folder: Path) -> dict[str, list[str]]:
    """Signal -> value, quality, reason, as `devices probe` prints them."""
    command = [sys.executable, "-m", "gateway", "devices", "probe", "--port", "./et2", "--profile", file]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=HERE)
    assert done.returncode == 0, done.stdout + done.stderr
    return fields(PROBED.findall(done.stdout)[0])


def fields(table: str) -> dict[str, list[str]]:
    """First column -> the others."""
    rows = [re.split(r" {2,}", line.strip()) for line in table.splitlines()[1:] if line.strip()]
    return {row[0]: row[1:] for row in rows}


def test_every_trait_is_expressed_by_keys_that_exist() -> None:
    page = (DOCS / "profiles.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (T\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [trait for trait, _, _ in rows] == [f"T{n}" for n in range(1, 40)]
    known = keys_of(TypeAdapter(Profile).json_schema()) | keys_of(Site.model_json_schema())
    unknown, unused = [], []
    for trait, keys, examples in rows:
        named = set(re.findall(r"`(\w+)`", keys))
        unknown += [(trait, key) for key in named - known]
        for example in re.findall(r"`([\w-]+)`", examples):
            text = (ROOT / "drivers/profiles" / f"{example}.toml").read_text(encoding="utf-8")
            if not named.intersection(re.findall(r"\w+", text)):
                unused.append((trait, example))
    assert unknown == []
    assert unused == []


def keys_of(schema: dict[str, Any]) -> set[str]:
    """All keys that files of this schema may have."""
    return {key for model in [schema, *schema["$defs"].values()] for key in model.get("properties", {})}


def test_dependencies_are_all_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"": project["dependencies"], **project["optional-dependencies"]}
    names = {extra: sorted(re.split(r"[<>=!~\[; ]", line)[0].lower() for line in lines) for extra, lines in wanted.items()}
    explained: dict[str, list[str]] = {}
    for part in (DOCS / "dependencies.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, rest = part.partition("\n")
        extra = re.search(r"Extra `(\w+)`", title)
        if extra or title == "The gateway":
            explained[extra[1] if extra else ""] = sorted(re.findall(r"^\| `([\w.-]+)` \|", rest, re.MULTILINE))
    assert explained == names


# --- the contract's examples --------------------------------------------------------------------


def key(owner: str) -> TrustedKey:
    """A public key of the examples."""
    entry = json.loads((EXAMPLES / "keys.json").read_text())[owner]
    return TrustedKey(entry["kid"], entry["x"], owner)


def jws_payload(token: str) -> Any:
    """What a compact JWS says, unverified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def shown() -> dict[str, Any]:
    """Examples as docs/contract.md lays them out."""
    return {name: json.loads(text) for name, text in EXAMPLE.findall((DOCS / "contract.md").read_text(encoding="utf-8"))}


def test_the_contract_shows_the_example_files() -> None:
    files = {file.name: file.read_text(encoding="utf-8") for file in EXAMPLES.iterdir() if file.name not in {"keys.json", "codes.json"}}
    assert shown() == {name: jws_payload(text) if name.endswith(".jws") else json.loads(text) for name, text in files.items()}


@pytest.mark.parametrize("name", ["event.json", "heartbeat.json", "state.json"])
def test_examples_are_canonical_and_signed(name: str) -> None:
    raw = (EXAMPLES / name).read_bytes()
    message = json.loads(raw)
    assert canonical(message) == raw
    verify_detached(message, key("gateway"))


def test_the_example_receipt_is_for_the_example_event() -> None:
    raw = (EXAMPLES / "event.json").read_bytes()
    police = key("police")
    receipt = read_receipt((EXAMPLES / "receipt.jws").read_bytes(), {police.kid: police}, json.loads(raw)["source"])
    assert (receipt.recipient, receipt.unusable) == ("police", False)
    assert receipt.items == ((json.loads(raw)["id"], digest(raw)),)
    assert digest(raw) == hashlib.sha256(raw).hexdigest()


# --- pictures and words -------------------------------------------------------------------------


@pytest.mark.parametrize("picture", sorted((DOCS / "images").glob("*.svg")), ids=lambda path: path.name)
def test_pictures_are_well_formed_and_stand_alone(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "href" not in text.replace("xmlns", "")


def test_both_pictures_have_the_same_shape() -> None:
    shapes = [re.sub(r">[^<]+<", "><", file.read_text(encoding="utf-8")) for file in sorted((DOCS / "images").glob("road-*.svg"))]
    assert len(shapes) == 2
    assert shapes[0] == shapes[1]


def test_both_readmes_say_the_same_commands() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")]
    commands = [
        re.findall(r"^ *(?:\$ )?((?:make|sudo|campus-gateway|systemctl) [^#\n]*?) *(?:#.*)?$", text, re.MULTILINE) for text in texts
    ]
    assert commands[0] == commands[1]
    assert len(commands[0]) > 10
    headings = [len(re.findall(r"^## ", text, re.MULTILINE)) for text in texts]
    assert headings[0] == headings[1]
    links = [set(LINK.findall(text)) - {"README.md", "README.zh-CN.md"} for text in texts]
    assert {link.replace(".zh-CN", "") for link in links[1]} <= links[0]


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
