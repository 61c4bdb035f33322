"""Where the labelled pictures and clips are that may not be shipped, and the reason a test gives without them.

They are named by VISION_DATA, or lie in a folder `shared/vision` beside this repository. No picture of them may be copied into
the repository: they show people, and their licences forbid it.
"""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "vision"


def vision_data() -> Path | None:
    """Return the folder of the labelled pictures and clips, or None where there is none."""
    folder = Path(os.environ.get("VISION_DATA") or BESIDE)
    return folder if (folder / "dev").is_dir() else None


def need_data(*parts: str) -> Path:
    """Return the path of a file or folder below the data, as `need_data("dev", "pets-s2l1")`; the calling test is skipped without it."""
    folder = vision_data()
    if folder is None:
        pytest.skip("the labelled pictures are not here: name their folder in VISION_DATA")
    found = folder.joinpath(*parts)
    if not found.exists():
        pytest.skip(f"the labelled pictures in {folder} have no {'/'.join(parts)}")
    return found
