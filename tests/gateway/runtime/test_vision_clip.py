"""Clips out of a ring: copied or coded again, masks black in every picture, and never in clear on the disk."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from drivers.camera_ring import KEY as KEY_PICTURE
from drivers.camera_ring import PARAMETERS, Coded, PacketRing, Parameters
from gateway.runtime import vision_clip
from gateway.runtime.evidence_file import file_key, opened, read_head
from gateway.vision.picture import to_bgr

FPS = 10
SITE_KEY = bytes(range(32))
MASK = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]
SIZE = (160, 120)


def film(
    ring: PacketRing, seconds: float, *, codec: str = "libx264", begin_s: float = 100.0, session: int = 1, size: tuple[int, int] = SIZE
) -> None:
    """Bright pictures with something that moves, as a camera sends them."""
    encoder: Any = av.codec.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(FPS), Fraction(1, FPS)
    encoder.gop_size, encoder.thread_count = FPS, 1
    if codec == "libx264":
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
        encoder.flags |= av.codec.context.Flags.global_header
    encoder.open()
    name = encoder.codec.canonical_name
    words = {"codec": name, "width": size[0], "height": size[1], "extradata": bytes(encoder.extradata or b"").hex()}
    for number in range(round(seconds * FPS)):
        picture = np.full((size[1], size[0], 3), 180, np.uint8)
        picture[:, number % size[0]] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=encoder.pix_fmt)
        frame.pts = number
        for packet in encoder.encode(frame):
            at_s = begin_s + number / FPS
            if packet.is_keyframe:
                ring.write(json.dumps(words).encode(), PARAMETERS, session, at_s, number / FPS)
            ring.write(bytes(packet), KEY_PICTURE if packet.is_keyframe else 0, session, at_s, number / FPS)


@pytest.fixture
def ring() -> Iterator[PacketRing]:
    made = PacketRing.create()
    yield made
    made.close()


def order(ring: PacketRing, folder: Path, from_s: float, to_s: float, masks: Any = ()) -> dict[str, Any]:
    about = {"id": "x", "kind": "clip", "camera": "gate-camera", "cause": [], "by": ""}
    file = str(folder / "x.clip.sealed")
    return {
        "ring": ring.fd, "from_s": from_s, "to_s": to_s, "masks": masks, "file": file, "about": about, "key": SITE_KEY.hex(), "at_ms": 0,
    }  # fmt: skip


def asked(order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The real child's answer."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.runtime.vision_clip"],
        input=json.dumps(order | changes).encode() + b"\n", stdout=subprocess.PIPE, pass_fds=(order["ring"],), check=True, timeout=30,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def pictures(body: bytes) -> list[tuple[float, np.ndarray]]:
    """(seconds, BGR) of every picture of a clip."""
    with av.open(io.BytesIO(body)) as container:
        frames = list(container.decode(video=0))
    return [(frame.time, to_bgr(frame.reformat(format="yuv420p").to_ndarray())) for frame in frames]


def test_a_clip_is_copied_sealed_and_plays(ring: PacketRing, tmp_path: Path) -> None:
    film(ring, 30)
    answer = asked(order(ring, tmp_path, 110.5, 120.0))
    assert (answer["from_s"], answer["to_s"]) == (110.0, 120.0), "from the key picture before"
    file = tmp_path / "x.clip.sealed"
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600
    head = read_head(file)
    assert (head["from"], head["to"], head["media_type"]) == ("1970-01-01T00:01:50.000Z", "1970-01-01T00:02:00.000Z", "video/mp4")
    plain = opened(file.read_bytes(), file_key(file, SITE_KEY))
    seen = pictures(plain)
    assert len(seen) == 101
    assert (round(seen[0][0], 3), round(seen[-1][0], 3)) == (0.0, 10.0)
    assert b"ftyp" in plain[:16]
    assert b"ftypisom" not in file.read_bytes()
    assert b"x264" not in file.read_bytes()
    sent = [packet.body for packet in ring.read()]
    assert sum(body[4:][-40:] in plain for body in sent[100:201]) == 101, "as it came from the camera: coded once"


@pytest.mark.parametrize("codec", ["libx264", "mjpeg", "mpeg4"])
def test_masks_are_black_in_every_picture(ring: PacketRing, codec: str) -> None:
    film(ring, 3, codec=codec)
    span = vision_clip.chosen(ring.read(), 100.5, 102.5)
    seen = pictures(vision_clip.clip(span, [MASK]))
    assert len(seen) == 26 if codec != "mjpeg" else 21
    for _, bgr in seen:
        assert bgr[:58, :78].max() < 12, "black, but for what coding leaves"
        assert bgr[64:, 84:].min() > 140
    bare = pictures(vision_clip.clip(span, []))
    assert all(bgr[:58, :78].min() > 140 for _, bgr in bare), "the mask is what made it black"


def test_a_stream_that_came_back_in_another_size_is_one_clip(ring: PacketRing) -> None:
    film(ring, 3)
    film(ring, 3, begin_s=105.0, session=2, size=(320, 240))
    seen = pictures(vision_clip.clip(vision_clip.chosen(ring.read(), 100.0, 108.0), []))
    assert len(seen) == 60
    assert {bgr.shape for _, bgr in seen} == {(120, 160, 3)}
    assert [round(seen[30][0], 2), round(seen[-1][0], 2)] == [5.0, 7.9], "a gap stays a gap"


def test_what_cannot_be_cut_is_told(ring: PacketRing, tmp_path: Path) -> None:
    film(ring, 3)
    whole = order(ring, tmp_path / "evidence", 100.0, 103.0)
    assert asked(whole, from_s=200.0, to_s=210.0) == {"failure": "no pictures of this time are in memory"}
    (tmp_path / "evidence").write_text("a file where the folder should be")
    assert asked(whole)["failure"].startswith("the clip cannot be stored:")
    garbage = [Coded(os.urandom(900), i == 0, 1, 100 + i / 10, i / 10, Parameters("h264", 160, 120, b"")) for i in range(10)]
    with pytest.raises(vision_clip.NoClip, match="not one picture of this time can be decoded"):
        vision_clip.clip([(coded.arrival_s, coded) for coded in garbage], [MASK])


def test_without_the_encoder_it_says_so(ring: PacketRing, monkeypatch: pytest.MonkeyPatch) -> None:
    film(ring, 1)
    monkeypatch.setattr(vision_clip, "ENCODER", "no-such-encoder")
    span = vision_clip.chosen(ring.read(), 100.0, 101.0)
    assert len(pictures(vision_clip.clip(span, []))) == 10, "a copy needs none"
    with pytest.raises(vision_clip.NoClip, match="this PyAV has no no-such-encoder"):
        vision_clip.clip(span, [MASK])


def test_the_child_is_last_in_line(ring: PacketRing, tmp_path: Path) -> None:
    film(ring, 1)
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway.runtime.vision_clip"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(ring.fd,)
    )
    deadline_s = time.monotonic() + 20
    while os.getpriority(os.PRIO_PROCESS, child.pid) < 19 and time.monotonic() < deadline_s and child.poll() is None:
        time.sleep(0.01)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
    out, _ = child.communicate(json.dumps(order(ring, tmp_path, 100.0, 101.0)).encode() + b"\n", timeout=30)
    assert "sha256" in json.loads(out)
