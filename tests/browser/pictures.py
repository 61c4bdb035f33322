"""Takes the pictures of docs/images/: each page at three sizes, of a school in which something happens.

python -m tests.browser.pictures            every page, Chinese; the panel's size also in English
python -m tests.browser.pictures --to DIR   elsewhere
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from tests.browser.desk import SIZES, all_pages, chromium, seat, settled, sign_in
from tests.browser.school import LEADER, school
from tests.browser.stories import busy_day

IMAGES = Path(__file__).parents[2] / "docs/images"


def name_of(path: str) -> str:
    """`/reports/{kind}/{number}` -> `reports-kind-number`."""
    return re.sub(r"[^a-z]+", "-", path).strip("-") or "now"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Takes the pictures of the guard-room page.")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder")
    folder: Path = parser.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, school(Path(place)) as campus, chromium() as browser:
        busy_day(campus)
        for language, sizes in (("zh", SIZES), ("en", {"panel": SIZES["panel"]})):
            with seat(browser, campus.base, language) as page:
                sign_in(page, LEADER)
                for path, address in all_pages(page).items():
                    page.goto(address)
                    settled(page)
                    for size, (width, height) in sizes.items():
                        page.set_viewport_size({"width": width, "height": height})
                        page.screenshot(path=folder / f"console-{name_of(path)}-{size}-{language}.png", full_page=size == "phone")


if __name__ == "__main__":
    main()
