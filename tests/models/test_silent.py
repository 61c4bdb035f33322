"""The library that runs the networks tells its maker nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "models/nanodet-g-person-int8"
LOAD = "import sys; from pathlib import Path; from models.runner import load; load(Path(sys.argv[1]))"
QUIET_ANYWAY = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI", "TF_BUILD", "GITHUB_ACTIONS", "XDG_CACHE_HOME")


def test_a_model_that_is_loaded_leaves_no_mark(tmp_path: Path) -> None:
    """With telemetry the library keeps an id of this computer, and what it has not sent yet, below the home folder."""
    environment = {name: value for name, value in os.environ.items() if name not in QUIET_ANYWAY} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LOAD, str(FOLDER)], env=environment, cwd=FOLDER.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [str(path) for path in tmp_path.rglob("*")] == []
