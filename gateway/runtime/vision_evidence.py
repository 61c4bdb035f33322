"""Pictures and clips that the daemon asks for, taken by the vision process: sealed files beside the journal.

A picture is the newest frame of a camera, a clip is cut from its ring by a child process once its last second is over, one clip at a
time. Masks are black in both. Nothing is written in clear.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera_memory import Frame
from drivers.camera_ring import PacketRing
from gateway.contract.envelope import rfc3339
from gateway.core.errors import Permanent
from gateway.core.linkage import CLIP, STILL
from gateway.runtime.evidence_file import SUFFIX, Stored, load_key, store
from gateway.vision.heads import Boxes, blurred
from gateway.vision.mask import Polygon, blackened
from gateway.vision.picture import to_bgr, to_jpeg

LOOK_S = 0.1
REMEMBERED = 1000  # ids of pictures that were taken; a daemon that has not heard the answer yet asks again
SETTLE_S = 1.5  # packets of a clip's last moment are on their way, or the daemon's word that it became longer
OUTGOING = "outgoing"  # kind of the copy that may leave
OUTGOING_MOST_BYTES = 200_000  # an alarm may have to wait behind it on a slow line: 25 s at 64 kbit/s
OUTGOING_QUALITIES = (85, 70, 50, 30)

Bytes = NDArray[np.uint8]

_ID = re.compile(r"[0-9a-f-]{36}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """What evidence must know of a camera. ring(): its last packets, None while it does not run. people(): boxes (N, 4) xyxy in pixels of
    its newest judged frame, None while nothing is known.
    """

    masks: Sequence[Polygon] = ()
    ring: Callable[[], PacketRing | None] = lambda: None
    people: Callable[[], Boxes | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One that the daemon awaits. about: head of its file. to_s: end of a clip. outgoing: a copy may leave, heads blurred or not."""

    id: str
    camera: str
    kind: str
    until_s: float
    from_s: float = 0.0
    to_s: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)
    outgoing: str = ""


class Evidence:
    """newest(camera): its newest frame, None while there is none that shows the present. tell(request): to the daemon. now(): monotonic.

    views: what else must be known of each camera. Files go into `folder`, the key lies in the folder above.
    """

    def __init__(
        self,
        folder: Path,
        newest: Callable[[str], Frame | None],
        tell: Callable[[dict[str, Any]], None],
        now: Callable[[], float],
        views: Mapping[str, View] | None = None,
    ) -> None:
        self._folder, self._newest, self._tell, self._now = folder, newest, tell, now
        self._views = views or {}
        self._pending: dict[str, Wanted] = {}
        self._clips: dict[str, Wanted] = {}
        self._taken: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._key = b""

    def wanted(self, items: list[dict[str, Any]]) -> None:
        """What the daemon awaits now, see `_read`. A camera that is blind is asked for a picture until its time is over."""
        for item in items:
            wish = _read(item)
            if wish is None or wish.id in self._taken:
                continue
            if wish.kind == CLIP:
                self._clips[wish.id] = wish  # it may have become longer
            else:
                self._pending[wish.id] = wish
            self._wake.set()

    async def run(self) -> None:
        """Take them until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_stills(), name="stills")
            group.create_task(self._cut_clips(), name="clips")

    async def _take_stills(self) -> None:
        while True:
            if not self._pending:
                self._wake.clear()
                await self._wake.wait()
            for wish in list(self._pending.values()):
                if self._now() > wish.until_s:
                    del self._pending[wish.id]
                elif (frame := self._newest(wish.camera)) is not None:
                    await self._take(wish, frame)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    self._wake.clear()
                    await self._wake.wait()

    async def _take(self, wish: Wanted, frame: Frame) -> None:
        del self._pending[wish.id]
        self._remember(wish)
        view = self._views.get(wish.camera, View())
        people = view.people() if wish.outgoing else None
        try:
            told = await asyncio.to_thread(self._keep, wish, frame, view.masks, people)
        except (OSError, Permanent) as error:
            self._failed(wish, f"the picture cannot be stored: {_words(error)}")
            return
        self._tell({"op": "picture", "picture": wish.id, "captured_s": round(frame.captured_s, 6), **told})

    def _keep(self, wish: Wanted, frame: Frame, masks: Sequence[Polygon], people: Boxes | None) -> dict[str, Any]:
        """Write the still, and the copy that may leave where there is one. Raises OSError, KeyRefused."""
        at = rfc3339(round((time.time() - self._now() + frame.captured_s) * 1000))
        about = {**wish.about, "from": at, "to": at, "media_type": "image/jpeg"}
        seen = to_bgr(blackened(frame.i420, masks))
        told = _told(store(self._folder / f"{wish.id}.{STILL}{SUFFIX}", to_jpeg(seen), about, self._site_key()))
        if wish.outgoing:
            told |= self._keep_outgoing(wish, seen, people, about)
        return told

    def _keep_outgoing(self, wish: Wanted, seen: Bytes, people: Boxes | None, about: dict[str, Any]) -> dict[str, Any]:
        """Where the heads must be blurred and nobody knows where they are, nothing leaves."""
        if wish.outgoing == "blurred":
            if people is None:
                log.warning("the picture %s of camera %s is not sent: where the heads are is not known", wish.id, wish.camera)
                return {}
            seen = blurred(seen, people)
        body = outgoing_jpeg(seen)
        try:
            store(self._folder / f"{wish.id}.{OUTGOING}{SUFFIX}", body, {**about, "kind": OUTGOING}, self._site_key())
        except OSError as error:  # the still itself is kept
            log.error("the picture %s cannot be made ready for sending: %s", wish.id, error)
            return {}
        return {"outgoing_sha256": hashlib.sha256(body).hexdigest()}

    async def _cut_clips(self) -> None:
        """One at a time, the one that ended first."""
        while True:
            ended = [wish for wish in self._clips.values() if self._now() >= wish.to_s + SETTLE_S]
            if ended:
                await self._cut(min(ended, key=lambda wish: wish.to_s))
            else:
                await asyncio.sleep(LOOK_S)

    async def _cut(self, wish: Wanted) -> None:
        del self._clips[wish.id]
        self._remember(wish)
        view = self._views.get(wish.camera, View())
        ring = view.ring()
        if ring is None:
            self._failed(wish, "this camera has no memory of its last pictures")
            return
        try:
            order = {
                "ring": ring.fd,
                "from_s": wish.from_s,
                "to_s": wish.to_s,
                "masks": [[list(corner) for corner in polygon] for polygon in view.masks],
                "file": str(self._folder / f"{wish.id}.{CLIP}{SUFFIX}"),
                "about": wish.about,
                "key": (await asyncio.to_thread(self._site_key)).hex(),
                "at_ms": round((time.time() - time.monotonic()) * 1000),
            }
            told = await _cutter(order, wish.until_s - self._now())
        except TimeoutError:
            self._failed(wish, "the clip was not ready in time")
            return
        except (OSError, Permanent, ValueError) as error:
            self._failed(wish, f"the clip cannot be made: {_words(error)}")
            return
        if "failure" in told:
            self._failed(wish, str(told["failure"]))
            return
        about = {"captured_s": told.pop("from_s"), "ends_s": told.pop("to_s")}
        self._tell({"op": "picture", "picture": wish.id, **told, **about})

    def _site_key(self) -> bytes:
        if not self._key:
            self._key = load_key(self._folder.parent)
        return self._key

    def _remember(self, wish: Wanted) -> None:
        self._taken[wish.id] = None
        while len(self._taken) > REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def _failed(self, wish: Wanted, why: str) -> None:
        log.error("camera %s: %s", wish.camera, why)
        self._tell({"op": "picture", "picture": wish.id, "failure": why})


def outgoing_jpeg(bgr: Bytes) -> bytes:
    """A JPEG of at most OUTGOING_MOST_BYTES, as good as fits."""
    while True:
        for quality in OUTGOING_QUALITIES:
            body = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
            if len(body) <= OUTGOING_MOST_BYTES:
                return body
        bgr = cv2.resize(bgr, (bgr.shape[1] // 2, bgr.shape[0] // 2), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


async def _cutter(order: dict[str, Any], within_s: float) -> dict[str, Any]:
    """What the child answers. It is killed when its time is over. Raises TimeoutError, OSError, ValueError."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.runtime.vision_clip",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=(order["ring"],),
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(within_s):
            out, _ = await child.communicate(json.dumps(order).encode() + b"\n")
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await asyncio.shield(child.wait())
        if child.returncode:  # it had no time to tidy up
            with suppress(OSError):
                Path(f"{order['file']}.part").unlink(missing_ok=True)
    answer = json.loads(out) if out else {"failure": f"the process that cuts clips ended with {child.returncode}"}
    if not isinstance(answer, dict):
        return {"failure": "the process that cuts clips answers in riddles"}
    return answer


def _read(item: dict[str, Any]) -> Wanted | None:
    """`picture` (id), `camera`, `until_s` (monotonic); of a clip `kind`, `from_s`, `to_s`; `about`, `outgoing`. None: not such an item."""
    picture, camera, kind = item.get("picture"), item.get("camera"), item.get("kind", STILL)
    times = [item.get(name, 0.0) for name in ("until_s", "from_s", "to_s")]
    about, outgoing = item.get("about", {}), item.get("outgoing", "")
    if not isinstance(picture, str) or not _ID.fullmatch(picture) or not isinstance(camera, str) or kind not in (STILL, CLIP):
        return None
    if not all(isinstance(at_s, int | float) for at_s in times) or "until_s" not in item or not isinstance(about, dict):
        return None
    head = {"id": picture, "kind": kind, "camera": camera, "cause": about.get("cause", []), "by": about.get("by", "")}
    until_s, from_s, to_s = map(float, times)
    return Wanted(picture, camera, kind, until_s, from_s, to_s, head, outgoing if outgoing in ("blurred", "as it is") else "")


def _told(stored: Stored) -> dict[str, Any]:
    return {
        "sha256": stored.sha256,
        "bytes": stored.size_bytes,
        "file_sha256": stored.file_sha256,
        "file_bytes": stored.file_bytes,
    }


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
