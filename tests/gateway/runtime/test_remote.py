"""Which outputs let a door be opened, by the site file."""

from __future__ import annotations

from pathlib import Path

from gateway.config.load import load_site
from gateway.runtime.houses import calendar_of, house_of
from gateway.runtime.remote import locks

SITE = Path(__file__).parents[2] / "scenarios" / "sites" / "links.toml"
LOCK = 'id = "exit-lock"\nkind = "lock"'


def test_locks_and_whatever_a_fire_lets_go(tmp_path: Path) -> None:
    text = SITE.read_text(encoding="utf-8")
    assert text.count(LOCK) == 1
    for kind in ("lock", "relay"):
        site = tmp_path / f"{kind}.toml"
        site.write_text(text.replace(LOCK, LOCK.replace('"lock"', f'"{kind}"')), encoding="utf-8")
        settings = load_site(site)
        assert len({spec.kind for spec in settings.outputs.values()}) > 2
        assert locks(house_of(settings, calendar_of(settings))) == {"exit-lock"}
    without = tmp_path / "no-rule.toml"
    without.write_text(site.read_text(encoding="utf-8").replace("[rules.fire]", "[rules.fire]\nenabled = false"), encoding="utf-8")
    settings = load_site(without)
    assert locks(house_of(settings, calendar_of(settings))) == set(), "a relay that no rule calls a door's"
