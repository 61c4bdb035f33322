"""What a receipt says and who signed it."""

import json
from pathlib import Path

from joserfc import jws

from simulators.centre.keys import CentreKey, make_key, read_key
from simulators.centre.receipts import Answer, receipts


def centre(folder: Path) -> CentreKey:
    make_key(folder / "k", "police")
    return read_key(folder / "k")


def opened(compact: str, key: CentreKey) -> tuple[dict[str, str], dict[str, object]]:
    signed = jws.deserialize_compact(compact, key.key, algorithms=["EdDSA"])
    return dict(signed.headers()), json.loads(signed.payload)


def test_one_receipt(tmp_path: Path) -> None:
    key = centre(tmp_path)
    ((gateway, compact),) = receipts([Answer("/sites/s/gateways/g", "e1", "ab")], key, "2026-11-21T08:00:00.000Z")
    header, content = opened(compact, key)
    assert gateway == "/sites/s/gateways/g"
    assert header == {"alg": "EdDSA", "kid": key.kid, "typ": "campus-receipt"}
    assert content == {
        "by": "police",
        "at": "2026-11-21T08:00:00.000Z",
        "gateway": "/sites/s/gateways/g",
        "items": [{"id": "e1", "sha256": "ab"}],
        "result": "received",
        "reason": "",
    }


def test_batches(tmp_path: Path) -> None:
    """At most 100 items; gateways, results and reasons never share a receipt; a resend in the batch is named once."""
    key = centre(tmp_path)
    answers = [Answer("/g1", f"e{n}", "aa") for n in range(205)] + [Answer("/g1", "e0", "aa"), Answer("/g2", "x", "bb")]
    answers += [Answer("/g1", "u1", "cc", "unusable", "no type"), Answer("/g1", "u2", "dd", "unusable", "no time")]
    contents = [opened(compact, key)[1] for _, compact in receipts(answers, key, "t")]
    sizes = [(c["gateway"], c["result"], c["reason"], len(c["items"])) for c in contents]  # type: ignore[arg-type]
    assert sizes == [
        ("/g1", "received", "", 100),
        ("/g1", "received", "", 100),
        ("/g1", "received", "", 5),
        ("/g2", "received", "", 1),
        ("/g1", "unusable", "no type", 1),
        ("/g1", "unusable", "no time", 1),
    ]
