"""Checks the site file in a short-lived process, so that the daemon starts sooner and stays small.

The schemas and their validator cost some 15 MB and 0.3 s of CPU; the daemon needs neither once the file is checked.
The child runs while the daemon loads its other parts. What comes back is `Settings` of plain records, by pickle:
both ends are this program.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from gateway.config.settings import ConfigRefused, Problem, Settings


class Loading:
    """A site file that is being checked. `result` waits for it."""

    def __init__(self, path: str | Path, state_dir: str | None = None) -> None:
        self._path = str(path)
        command = [sys.executable, "-m", "gateway.config.apart", self._path, state_dir or ""]
        environment = os.environ | {"PYDANTIC_DISABLE_PLUGINS": "1"}  # looking for plug-ins in every installed package takes 20 ms
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)

    def result(self) -> Settings:
        """The settings. Raises ConfigRefused with every problem found."""
        out, said = self._child.communicate()
        if self._child.returncode or not out:
            last = said.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise ConfigRefused(
                [Problem(self._path, 1, "", f"could not be checked: the checker ended with {self._child.returncode}: {last[0]}")]
            )
        found = pickle.loads(out)
        if isinstance(found, Settings):
            return found
        raise ConfigRefused(found)


def main(path: str, state_dir: str) -> None:
    """The child: check, and write Settings or the list of problems to standard output."""
    from dataclasses import replace

    from gateway.config.load import load_site
    from gateway.config.plain import plain

    found: Settings | list[Problem]
    try:
        settings = load_site(path, state_dir=state_dir or None)
        profiles = {name: plain(profile) for name, profile in settings.profiles.items()}
        found = replace(settings, site=plain(settings.site), profiles=profiles)
    except ConfigRefused as refused:
        found = refused.problems
    sys.stdout.buffer.write(pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
