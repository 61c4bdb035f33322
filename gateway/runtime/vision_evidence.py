"""Pictures and clips that the daemon asks for, taken by the vision process: sealed files beside the journal.

A picture is the newest frame of a camera. A clip's packets are copied out of the camera's ring as soon as its last second is over, and
a child process makes it of the copy, one clip at a time. Masks are black in both. Nothing is written in clear.

Heads are blurred in the picture in which they were looked for last, never in a newer one: people walk.
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
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera_memory import Frame
from drivers.camera_ring import RING_BYTES, PacketRing
from gateway.contract.envelope import rfc3339
from gateway.core import said
from gateway.core.errors import Permanent
from gateway.core.linkage import CLIP, STILL
from gateway.runtime.evidence_file import SUFFIX, UNDATED, Stored, load_key, store
from gateway.vision.clip import chosen
from gateway.vision.heads import Boxes, blurred
from gateway.vision.mask import Polygon, blackened
from gateway.vision.picture import to_bgr, to_jpeg

LOOK_S = 0.1
LOOKED_MOST_S = 1.0  # the picture in which people were looked for last shows the present for so long
LOOK_WAIT_S = 1.0  # for a look at the present
COPIES_MOST = 16  # clips that wait to be made
COPIES_MOST_BYTES = 64_000_000
LOST = "the seconds of the alarm are no longer in memory"
REMEMBERED = 1000  # ids of pictures that were taken; a daemon that has not heard the answer yet asks again
SETTLE_S = 1.5  # packets of a clip's last moment are on their way, or the daemon's word that it became longer
OUTGOING = "outgoing"  # kind of the copy that may leave
OUTGOING_MOST_BYTES = 200_000  # an alarm may have to wait behind it on a slow line: 25 s at 64 kbit/s
OUTGOING_QUALITIES = (85, 70, 50, 30)

Bytes = NDArray[np.uint8]

_ID = re.compile(r"[0-9a-f-]{36}")

log = logging.getLogger(__name__)


class NoPackets(Permanent):
    """The ring does not have what a clip needs."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture in which people were looked for. i420 (H * 3 / 2, W) uint8; captured_s: monotonic; people: boxes (N, 4) xyxy in it."""

    i420: Bytes
    captured_s: float
    people: Boxes


@dataclass(frozen=True, slots=True)
class View:
    """What evidence must know of a camera. ring(): its last packets, None while it does not run. judged(): the last picture in which
    people were looked for, None while nothing is known. hurry(): they are to be looked for in the next one.
    """

    masks: Sequence[Polygon] = ()
    ring: Callable[[], PacketRing | None] = lambda: None
    judged: Callable[[], Judged | None] = lambda: None
    hurry: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One that the daemon awaits. about: head of its file. to_s: end of a clip, at_s: its alarm. outgoing: a copy may leave, heads blurred
    or not. undated: nobody knows the time at present.
    """

    id: str
    camera: str
    kind: str
    until_s: float
    from_s: float = 0.0
    to_s: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)
    outgoing: str = ""
    at_s: float = 0.0
    undated: bool = False


@dataclass(frozen=True, slots=True)
class _Copy:
    """The packets of one clip, in memory of their own."""

    wish: Wanted
    masks: Sequence[Polygon]
    packets: PacketRing
    size_bytes: int


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
        self._held: dict[str, tuple[Frame, float]] = {}  # pictures whose copy waits for a look, since when
        self._clips: dict[str, Wanted] = {}
        self._copies: deque[_Copy] = deque()
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
            group.create_task(self._copy_clips(), name="copies")
            group.create_task(self._cut_clips(), name="clips")

    async def _take_stills(self) -> None:
        while True:
            if not self._pending:
                self._wake.clear()
                await self._wake.wait()
            for wish in list(self._pending.values()):
                held = self._held.get(wish.id)
                if held is None and self._now() > wish.until_s:
                    del self._pending[wish.id]
                elif (frame := held[0] if held else self._newest(wish.camera)) is not None and self._ripe(wish, frame):
                    await self._take(wish, frame)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    self._wake.clear()
                    await self._wake.wait()

    def _ripe(self, wish: Wanted, frame: Frame) -> bool:
        """Whether it can be stored now. A copy with blurred heads waits a moment where nobody was looked for lately, as nothing moved."""
        view = self._views.get(wish.camera, View())
        judged = view.judged() if wish.outgoing == "blurred" else None
        if judged is None or self._shows_the_present(judged):
            return True
        _, since_s = self._held.setdefault(wish.id, (frame, self._now()))
        view.hurry()
        return self._now() - since_s > LOOK_WAIT_S

    def _shows_the_present(self, judged: Judged) -> bool:
        return self._now() - judged.captured_s <= LOOKED_MOST_S

    async def _take(self, wish: Wanted, frame: Frame) -> None:
        del self._pending[wish.id]
        self._held.pop(wish.id, None)
        self._remember(wish)
        view = self._views.get(wish.camera, View())
        judged = view.judged() if wish.outgoing == "blurred" else None
        try:
            told = await asyncio.to_thread(self._keep, wish, frame, view.masks, judged)
        except (OSError, Permanent) as error:
            self._failed(wish, f"the picture cannot be stored: {_words(error)}")
            return
        self._tell({"op": "picture", "picture": wish.id, "captured_s": round(frame.captured_s, 6), **told})

    def _keep(self, wish: Wanted, frame: Frame, masks: Sequence[Polygon], judged: Judged | None) -> dict[str, Any]:
        """Write the still, and the copy that may leave where there is one. Raises OSError, KeyRefused."""
        about = {**wish.about, **self._taken_at(frame.captured_s), "media_type": "image/jpeg"}
        seen = to_bgr(blackened(frame.i420, masks))
        self._mark(wish)
        told = _told(store(self._folder / f"{wish.id}.{STILL}{SUFFIX}", to_jpeg(seen), about, self._site_key()))
        if wish.outgoing == "as it is":
            told |= self._keep_outgoing(wish, seen, about)
        elif wish.outgoing:
            told |= self._keep_blurred(wish, masks, judged, about)
        return told

    def _keep_blurred(self, wish: Wanted, masks: Sequence[Polygon], judged: Judged | None, about: dict[str, Any]) -> dict[str, Any]:
        """Where nobody knows where the heads are now, nothing leaves."""
        why = ""
        if judged is None:
            why = "where the heads are is not known: no picture is judged at present"
        elif not self._shows_the_present(judged):
            why = f"where the heads are is not known: the last look for people is more than {LOOKED_MOST_S:g} s old"
        if judged is None or why:
            log.warning("the picture %s of camera %s is not sent: %s", wish.id, wish.camera, why, extra=said.about(camera=wish.camera))
            return {"unsent": why}
        seen = blurred(to_bgr(blackened(judged.i420, masks)), judged.people)
        return self._keep_outgoing(wish, seen, about | self._taken_at(judged.captured_s))

    def _keep_outgoing(self, wish: Wanted, seen: Bytes, about: dict[str, Any]) -> dict[str, Any]:
        body = outgoing_jpeg(seen)
        try:
            store(self._folder / f"{wish.id}.{OUTGOING}{SUFFIX}", body, {**about, "kind": OUTGOING}, self._site_key())
        except OSError as error:  # the still itself is kept
            log.error("the picture %s cannot be made ready for sending: %s", wish.id, error)
            return {"unsent": f"it cannot be stored: {_words(error)}"}
        return {"outgoing_sha256": hashlib.sha256(body).hexdigest()}

    def _taken_at(self, captured_s: float) -> dict[str, str]:
        at = rfc3339(round((time.time() - self._now() + captured_s) * 1000))
        return {"from": at, "to": at}

    def _mark(self, wish: Wanted) -> None:
        """Before anything of it is written, so that its date is believed by nobody, however this ends. Raises OSError."""
        if wish.undated:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / f"{wish.id}{UNDATED}").touch(mode=0o600)

    async def _copy_clips(self) -> None:
        """Their packets are saved from being overwritten, those that ended first; where there is no room they wait in the ring."""
        while True:
            for wish in sorted(self._clips.values(), key=lambda wish: wish.to_s):
                if self._now() < wish.to_s + SETTLE_S:
                    break
                if self._room_for_a_copy():
                    await self._copy(wish)
                elif self._now() > wish.until_s:
                    del self._clips[wish.id]
                    self._remember(wish)
                    self._failed(wish, "the clip was not ready in time: too many others were to be made")
            await asyncio.sleep(LOOK_S)

    def _room_for_a_copy(self) -> bool:
        used = sum(copy.size_bytes for copy in self._copies)
        return len(self._copies) < COPIES_MOST and used + RING_BYTES <= COPIES_MOST_BYTES

    async def _copy(self, wish: Wanted) -> None:
        wish = self._clips.pop(wish.id)  # it may have become longer
        self._remember(wish)
        view = self._views.get(wish.camera, View())
        ring = view.ring()
        if ring is None:
            self._failed(wish, "this camera has no memory of its last pictures")
            return
        try:
            self._copies.append(await asyncio.to_thread(copied, ring, wish, view.masks))
        except Permanent as error:
            self._failed(wish, str(error))
        except (OSError, ValueError) as error:
            self._failed(wish, f"the clip cannot be made: {_words(error)}")

    async def _cut_clips(self) -> None:
        """One at a time, the one that was copied first."""
        while True:
            if self._copies:
                copy = self._copies[0]
                try:
                    await self._cut(copy)
                finally:
                    self._copies.popleft()
                    copy.packets.close()
            else:
                await asyncio.sleep(LOOK_S)

    async def _cut(self, copy: _Copy) -> None:
        wish = copy.wish
        try:
            await asyncio.to_thread(self._mark, wish)
            order = {
                "ring": copy.packets.fd,
                "from_s": wish.from_s,
                "to_s": wish.to_s,
                "masks": [[list(corner) for corner in polygon] for polygon in copy.masks],
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
        log.error("camera %s: %s", wish.camera, why, extra=said.about(camera=wish.camera))
        self._tell({"op": "picture", "picture": wish.id, "failure": why})


def copied(ring: PacketRing, wish: Wanted, masks: Sequence[Polygon] = ()) -> _Copy:
    """The packets of a clip, which nothing overwrites any more. Raises NoPackets, OSError."""
    overwritten = ring.overwritten
    packets = ring.read()
    if overwritten and (not packets or packets[0].arrival_s > wish.at_s):
        raise NoPackets(LOST)
    span = chosen(packets, wish.from_s, wish.to_s)
    if not span:
        raise NoPackets("no pictures of this time are in memory")
    return _Copy(wish, masks, PacketRing.holding(span), sum(len(packet.body) for _, packet in span))


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
    """`picture` (id), `camera`, `until_s` (monotonic); of a clip `kind`, `from_s`, `to_s`, `at_s`; `about`, `outgoing`, `undated`.

    None: not such an item.
    """
    picture, camera, kind = item.get("picture"), item.get("camera"), item.get("kind", STILL)
    times = [item.get(name, 0.0) for name in ("until_s", "from_s", "to_s")]
    times.append(item.get("at_s", times[-1]))
    about, outgoing = item.get("about", {}), item.get("outgoing", "")
    if not isinstance(picture, str) or not _ID.fullmatch(picture) or not isinstance(camera, str) or kind not in (STILL, CLIP):
        return None
    if not all(isinstance(at_s, int | float) for at_s in times) or "until_s" not in item or not isinstance(about, dict):
        return None
    head = {"id": picture, "kind": kind, "camera": camera, "cause": about.get("cause", []), "by": about.get("by", "")}
    until_s, from_s, to_s, at_s = map(float, times)
    outgoing = outgoing if outgoing in ("blurred", "as it is") else ""
    return Wanted(picture, camera, kind, until_s, from_s, to_s, head, outgoing, at_s, item.get("undated") is True)


def _told(stored: Stored) -> dict[str, Any]:
    return {
        "sha256": stored.sha256,
        "bytes": stored.size_bytes,
        "file_sha256": stored.file_sha256,
        "file_bytes": stored.file_bytes,
    }


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
