"""The support archive: canaries in every place of a site where a secret or a name belongs, then a search of the whole archive."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.__main__ import main
from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.core.points import EventClass
from gateway.journal.store import Batch
from gateway.runtime.board_facts import look
from gateway.runtime.doctor import Heard, judge
from gateway.runtime.keys import card_hasher, load_signer
from gateway.runtime.redact import Redactor, names_in, without_secrets
from gateway.runtime.support_bundle import EVENTS, Bundle, BundleRefused, collect, write
from tests.gateway.journal.journals import draft, open_at
from tests.gateway.runtime.computer import computer

PASSWORD, CAMERA_PASSWORD, URL_PASSWORD, QUERY_PASSWORD = "Canary-mqtt-77", "Canary-camera-88", "Canary-url-99", "Canary-query-66"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$Y2FuYXJ5$Q2FuYXJ5LWhhc2g"
PHONE = "13912347701"
NAMES = ("王建国", "李所长", "张卫国", "赵敏", "陈卡主")
BASIC = base64.b64encode(f"admin:{CAMERA_PASSWORD}".encode()).decode()
SPOKEN = {  # what a person or another program may write into a text -> what must not leave of it
    f"rtsp://gate:{URL_PASSWORD}@camera refused {PASSWORD}": PASSWORD,
    "rtsp://gate:Canary/slash'quote@camera": "slash'quote",
    f"Authorization: Basic {BASIC}": BASIC,
    f"challenge {BASIC} refused": BASIC,
    "Authorization: Bearer Canary.bearer": "Canary.bearer",
    "psk=Canary-psk": "Canary-psk",
    "community=Canary-community": "Canary-community",
    'api_key: "Canary api key"': "api key",
    "call +86 139 1234 7702": "1234 7702",
    "call 139-1234-7703": "1234-7703",
    "call 0755-26881234": "26881234",
    "ID 440301199001011234": "440301199001011234",
}
SECRETS = (PASSWORD, CAMERA_PASSWORD, URL_PASSWORD, QUERY_PASSWORD, "Q2FuYXJ5LWhhc2g", PHONE, *SPOKEN.values())

SITE = f"""schema = 1
# a comment with {URL_PASSWORD}
[site]
id = "school"
name = "实验小学"
state_dir = "state"
[uplink]
paths = [{{ url = "mqtt://127.0.0.1:1883", username = "gate", password_file = "mqtt.password" }}]
[[uplink.recipients]]
id = "police"
keys = [{{ kid = "k", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }}]
[places]
gate = {{ name = "校门" }}
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
responsible = "{NAMES[0]}"
[[points]]
id = "badge"
role = "contact"
place = "gate"
device = "module"
signal = "di2"
[[cameras]]
id = "cam"
url = "rtsp://127.0.0.1/live?channel={QUERY_PASSWORD}"
place = "gate"
credentials_file = "cam.secret"
[[whistles]]
id = "departments"
addressees = [{{ name = "{NAMES[1]}", phone = "{PHONE}" }}]
"""


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A site with a secret in every file that may hold one, and a journal that knows a card and a person."""
    (tmp_path / "site.toml").write_text(SITE)
    for name, secret in (("mqtt.password", PASSWORD), ("cam.secret", f"admin:{CAMERA_PASSWORD}")):
        (tmp_path / name).write_text(f"{secret}\n")
        (tmp_path / name).chmod(0o600)
    settings = load_site(tmp_path / "site.toml")
    load_signer(settings.state_dir)
    accounts = settings.state_dir / "console-accounts.json"
    accounts.write_text(json.dumps({"accounts": [{"name": NAMES[3], "role": "guard", "hash": HASH}]}, ensure_ascii=False))
    accounts.chmod(0o600)
    card = card_hasher(settings.state_dir)(b"1234567")
    store, _ = open_at(settings.state_dir)
    text = {"zh": "门禁", "en": "access"}
    store.commit(
        [Batch([draft(EventClass.ACCESS, place="gate", card=card, holder=NAMES[4], by=NAMES[2], text=text, why="\n".join(SPOKEN))])], []
    )
    store.close()
    return settings


def archived(settings: Settings, tmp_path: Path, *, with_names: bool = False) -> tuple[dict[str, str], dict[str, Any]]:
    """The texts of the archive as they leave, and its manifest."""
    status: dict[str, Any] = {
        "faults": [], "alarms": [], "set_aside": [], "paths": [], "devices": {}, "not_good": [], "metrics": "", "pid": 1,
        "outbox": {"held_topics": [], "depth": 0}, "journal": {"refusing": ""},
        "modes": [{"kind": "test", "points": ["panic"], "by": NAMES[2], "why": "; ".join(SPOKEN)}],
    }  # fmt: skip
    heard = Heard(status, metrics=f'gw_up{{token="{QUERY_PASSWORD}"}} 1\n')
    root = computer(tmp_path / "root")
    found = judge(settings, heard, look(settings.state_dir, root), "synchronised", 0.0, root)
    out = tmp_path / f"support-{with_names}.tar.gz"
    rows = write(collect(settings, heard, found, with_names=with_names, root=root), out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with tarfile.open(out) as tar:
        raw = {member.name.removeprefix("support/"): tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    manifest = json.loads(raw["MANIFEST.json"])
    assert {each["file"]: each["sha256"] for each in manifest["files"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in raw.items() if name != "MANIFEST.json"
    }
    assert {name for name, _, _ in rows} == set(raw) - {"MANIFEST.json"}
    return {name: content.decode() for name, content in raw.items()}, manifest


def forms(settings: Settings) -> list[str]:
    """Every secret of the site in each form in which somebody could write it down."""
    pem = (settings.state_dir / "event-key.pem").read_text().splitlines()[1]
    card_key = (settings.state_dir / "card-key").read_bytes()
    card = card_hasher(settings.state_dir)(b"1234567")
    return [*SECRETS, pem, card_key.hex(), base64.b64encode(card_key).decode(), card]


def test_no_secret_and_no_name_is_in_it(site: Settings, tmp_path: Path) -> None:
    texts, manifest = archived(site, tmp_path)
    assert {"site.json", "status.json", "metrics.txt", "doctor.json", "versions.json", "journal.json", "events.ndjson"} <= set(texts)
    everything = "\n".join(texts.values())
    for canary in (*forms(site), *NAMES):
        assert canary not in everything, [name for name, text in texts.items() if canary in text]
    assert "keys, passwords and camera credentials" in manifest["left_out"]


@pytest.mark.parametrize("known_by", ["daemon", "journal", "last visit"])
def test_who_answers_for_a_hazard_of_long_ago_is_not_in_it(site: Settings, tmp_path: Path, known_by: str) -> None:
    """Faults and findings name those persons; their entry is older than all events that go into the archive."""
    who, long_name = "周小芳", "Aleksandra-Ekaterina Konstantinopolskaya"
    rows = [
        {"hazard": f"hz-{n}", "zh": "门", "en": "door", "state": "open", "overdue": True, "responsible": name}
        for n, name in enumerate((who, long_name))
    ]
    store, _ = open_at(site.state_dir)
    if known_by == "journal":
        store.commit([Batch([draft(EventClass.DUTY, place="gate", responsible=row["responsible"]) for row in rows])], [])
    store.commit([Batch([draft(EventClass.OBSERVATION, place="gate") for _ in range(EVENTS)])], [])
    store.close()
    if known_by == "last visit":
        (site.state_dir / "commission.json").write_text(json.dumps({"results": {str(n): row for n, row in enumerate(rows)}}))
    reason = f"2 项逾期 overdue: hz-0 {who} 2026-11-01, hz-1 {long_name[:20]} 2026-11-01"
    status: dict[str, Any] = {
        "faults": [{"alarm": "hazards/alarm", "state": "unacknowledged", "zh": "隐患", "en": "hazard", "reason": reason}],
        "alarms": [], "set_aside": [], "paths": [], "devices": {}, "not_good": [], "metrics": "", "pid": 1,
        "outbox": {"held_topics": [], "depth": 0}, "journal": {"refusing": ""}, "modes": [],
    }  # fmt: skip
    heard = Heard(status, hazards=rows if known_by == "daemon" else [])
    root = computer(tmp_path / "root")
    found = judge(site, heard, look(site.state_dir, root), "synchronised", 0.0, root)
    texts = collect(site, heard, found, with_names=False, root=root).files
    assert {"status.json", "doctor.json"} <= set(texts)
    everything = "\n".join(texts.values())
    assert "hz-1 P" in everything
    assert [name for name in (who, long_name, long_name[:20]) if name in everything] == []


def test_what_helps_is_in_it(site: Settings, tmp_path: Path) -> None:
    texts, _ = archived(site, tmp_path)
    told = json.loads(texts["site.json"])
    assert told["cameras"][0]["url"] == "rtsp://127.0.0.1/live?***"
    assert told["points"][0]["responsible"].startswith("P")
    assert told["uplink"]["recipients"][0]["id"] == "police"
    events = [json.loads(line) for line in texts["events.ndjson"].splitlines()]
    assert events[-1]["class"] == "access"
    assert events[-1]["data"]["place"] == "gate"
    assert events[-1]["data"]["by"].startswith("P")
    assert "card" not in events[-1]["data"]
    assert json.loads(texts["journal.json"])[0]["events"]["access"] == 1
    assert "gw_up" in texts["metrics.txt"]
    assert "advantech-adam-6060" in texts["profiles/advantech-adam-6060.toml"]
    assert "trixie" in texts["os-release.txt"]


def test_names_stay_where_they_are_wanted(site: Settings, tmp_path: Path) -> None:
    texts, _ = archived(site, tmp_path, with_names=True)
    assert json.loads(texts["site.json"])["points"][0]["responsible"] == NAMES[0]
    everything = "\n".join(texts.values())
    assert all(canary not in everything for canary in forms(site))


def test_an_archive_is_never_written_over_another_file(tmp_path: Path) -> None:
    out = tmp_path / "there"
    out.write_text("precious")
    with pytest.raises(BundleRefused, match="File exists"):
        write(Bundle({"a": "b"}), out)
    assert out.read_text() == "precious"


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("rtsp://u:p@h/x", "rtsp://***@h/x"),
        ("open http://:p@h", "open http://***@h"),
        ("password=abc;next", "password=***"),
        ('"token": "abc", "x": 1', '"token": "***", "x": 1'),
        ('password_file = "mqtt.password"', 'password_file = "mqtt.password"'),
        ("call 13912347701 now", "call <phone> now"),
        (f"card {'0a' * 32}.", "card <64 hex>."),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nx", "***\nx"),
        ("-----BEGIN PRIVATE KEY-----\nabc cut off", "***"),
        ("mail a@b.cn", "mail a@b.cn"),
        ("rtsp://admin:pa/ss@10.0.0.9/ch1 failed", "rtsp://***@10.0.0.9/ch1 failed"),
        ("rtsp://admin:p'w@10.0.0.9/", "rtsp://***@10.0.0.9/"),
        (r'"rtsp://admin:p\"w@10.0.0.9/", "x@y"', '"rtsp://***@10.0.0.9/", "x@y"'),
        ("http://h/x, mail a@b.cn", "http://h/x, mail a@b.cn"),
        ("Authorization: Basic YWRtaW46cGFzcw==", "Authorization: ***"),
        ("{'Authorization': 'Bearer eyJh.b-c', 'x': 1}", "{'Authorization': '***', 'x': 1}"),
        ('Authorization: Digest username="a", response="0123456789abcdef0123456789abcdef"', 'Authorization: ***"a", response="***"'),
        ("sent Bearer eyJhbGciOi.JIUzI1NiJ9_x", "sent Bearer ***"),
        ("basic settings", "basic settings"),
        ("psk=abcd1234 next", "psk=*** next"),
        ("community: public1", "community: ***"),
        ("api_key=a api-key=b apikey: 'c d'", "api_key=*** api-key=*** apikey: '***'"),
        ('password = "two words" x', 'password = "***" x'),
        (r'"why": "password=\"a b\" x"', r'"why": "password=\"***\" x"'),
        (r'{"password": "a\"b", "x": 1}', '{"password": "***", "x": 1}'),
        ('{"token": 5, "x": 1}', '{"token": ***, "x": 1}'),
        ("password=ab,cd x", "password=*** x"),
        ("+86 138 1234 5678, 138-1234-5678, 8613812345678", "<phone>, <phone>, <phone>"),
        ("电话0755-26881234转801 (010) 8888 1234", "电话<phone>转801 <phone>"),
        ("0755-26881234-801; 02188881234; +86 755 26881234", "<phone>; <phone>; <phone>"),
        ("身份证440301199001011234，11010519491231002X", "身份证<id number>，<id number>"),
        ("01936f2a-0312-4567-8901-a138-1234-5678", "01936f2a-0312-4567-8901-a138-1234-5678"),
        (
            "2026-11-22T10:00:00.123Z 1763804450000 1763804450 5 daily-000001.json",
            "2026-11-22T10:00:00.123Z 1763804450000 1763804450 5 daily-000001.json",
        ),
    ],
)
def test_by_its_look(text: str, instead: str) -> None:
    assert Redactor((), ()).text(text) == instead


@pytest.mark.parametrize("form", ["{}", "http://h/{quoted}", '{{"why": "{escaped}"}}'])
def test_a_known_secret_in_each_form(form: str) -> None:
    secret = 'a/b "c\\d" 密'
    text = form.format(secret, quoted=quote(secret, safe=""), escaped=json.dumps(secret, ensure_ascii=False)[1:-1])
    assert Redactor([secret], ()).text(text) == form.format("***", quoted="***", escaped="***")


def test_a_longer_name_goes_before_one_within_it() -> None:
    assert Redactor((), ("李工", "李工程", "x")).text("李工程 李工 x") == "P1 P2 x"


def test_by_its_key() -> None:
    keys = ("psk", "wifi_psk", "community", "authorization", "api-key", "apikey", "pre_shared_key", "landline", "id_number", "passcode")
    assert without_secrets(dict.fromkeys(keys, "a")) == dict.fromkeys(keys, "***")
    found = without_secrets({"password": "a", "password_file": "b", "url": "http://h/p?auth=1", "list": [{"api_key": "c"}]})
    assert found == {"password": "***", "password_file": "b", "url": "http://h/p?***", "list": [{"api_key": "***"}]}
    assert set(names_in({"a": [{"by": "甲", "persons": ["乙"]}], "leaders": [{"name": "丙"}], "name": "校门"})) == {"甲", "乙", "丙"}


def test_the_archive_is_a_plain_one(tmp_path: Path) -> None:
    out = tmp_path / "x.tar.gz"
    write(Bundle({"a.txt": "b"}, {"c": "d"}), out)
    with tarfile.open(fileobj=io.BytesIO(out.read_bytes())) as tar:
        assert tar.getnames() == ["support/MANIFEST.json", "support/a.txt"]


def test_a_site_file_that_cannot_be_used_goes_in_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, out = tmp_path / "site.toml", tmp_path / "x.tar.gz"
    broken.write_text(SITE.replace("rtsp://127", f"rtsp://admin:{URL_PASSWORD}@127").replace("panic_button", "panik_button"))
    assert main(["support-bundle", str(out), "--config", str(broken), "--json"]) == 0
    assert "status, metrics, doctor" in json.loads(capsys.readouterr().out)["left_out"]
    with tarfile.open(out) as tar:
        texts = {member.name: tar.extractfile(member).read().decode() for member in tar.getmembers()}  # type: ignore[union-attr]
    assert "panic_button" in texts["support/check.txt"]
    assert "rtsp://***@127" in texts["support/site.json"]
    everything = "\n".join(texts.values())
    assert all(canary not in everything for canary in (URL_PASSWORD, QUERY_PASSWORD, PHONE, *NAMES[:2]))
