"""The Ansible role, without Ansible: what it calls exists, what it takes is documented, and no secret can be logged."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from gateway.__main__ import main

ANSIBLE = Path(__file__).parents[1] / "deploy/ansible"
ROLE = ANSIBLE / "roles/campus_gateway"
TASKS = {file.name: file.read_text(encoding="utf-8") for file in sorted((ROLE / "tasks").glob("*.yml"))}
CALL = re.compile(r"\{\{ campus_gateway_command \}\} (\w+)((?:\s+(?:\{\{.*?\}\}|[^\s\"{]+))*)")
NEEDED = {"campus_gateway_version", "campus_gateway_packages", "campus_gateway_sites"}
SPECIFIED = set(re.findall(r"^ {6}(campus_gateway_\w+):$", (ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"), re.MULTILINE))
DEFAULTS = set(re.findall(r"^(campus_gateway_\w+):", (ROLE / "defaults/main.yml").read_text(encoding="utf-8"), re.MULTILINE))


def help_of(command: str) -> str:
    """What `campus-gateway COMMAND --help` prints; SystemExit with another status than 0 fails the test."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0, f"campus-gateway {command} does not exist"
    return text.getvalue()


def calls() -> list[tuple[str, str, list[str]]]:
    """(file, command, options) of each call of campus-gateway."""
    return [(name, word, re.findall(r"--[a-z-]+", rest)) for name, text in TASKS.items() for word, rest in CALL.findall(text)]


def test_every_command_that_it_calls_exists_with_its_options() -> None:
    assert {command for _, command, _ in calls()} == {"apply", "check", "enroll", "upgrade"}
    for name, command, options in calls():
        shown = help_of(command)
        assert [option for option in options if option not in shown] == [], f"{name}: {command}"
    assert any("--within" in options for _, command, options in calls() if command == "apply")


def test_every_variable_is_documented_and_has_its_default() -> None:
    readme = (ANSIBLE / "README.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(campus_gateway_\w+)` \|", readme, re.MULTILINE))
    assert documented == SPECIFIED == DEFAULTS | NEEDED


def test_every_variable_that_is_used_is_known() -> None:
    made = set(re.findall(r"^\s*(?:register: )?(campus_gateway_\w+)(?::|$)", "\n".join(TASKS.values()), re.MULTILINE))
    fixed = set(re.findall(r"^(campus_gateway_\w+):", (ROLE / "vars/main.yml").read_text(encoding="utf-8"), re.MULTILINE))
    used = {word for text in TASKS.values() for word in re.findall(r"\bcampus_gateway_\w+", text)}
    assert used - made - fixed - DEFAULTS - NEEDED == set()


def test_secrets_are_not_logged() -> None:
    tasks = [task for text in TASKS.values() for task in re.split(r"\n\s*- name: ", text)]
    secret = [task for task in tasks if "{{ campus_gateway_camera_login }}" in task]
    assert len(secret) == 1
    assert all("no_log: true" in task for task in secret)


def test_the_files_are_those_of_yaml_without_tabs() -> None:
    files = [file for file in ANSIBLE.rglob("*.yml") if ".ansible" not in file.parts]
    assert len(files) > 10
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.startswith("---\n"), file
        assert "\t" not in text, file
