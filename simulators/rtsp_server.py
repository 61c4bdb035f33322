"""A small RTSP server for simulated cameras: H.264 or H.265 over interleaved TCP, several paths on one port.

Sources: RFC 2326 (RTSP 1.0), RFC 3550 (RTP), RFC 6184 (H.264 payload), RFC 7798 (H.265 payload). Runs in a thread of its own, so that
asyncio programs, plain scripts and tests can use it alike. Time stamps are true: 90 kHz of the moment a picture was made.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

MAX_PAYLOAD = 1400
MAX_REQUEST_BYTES = 8192
BACKLOG_BYTES = 4_000_000  # a reader that takes nothing is left behind, not fed for ever
CLOCK_HZ = 90_000


@dataclass(slots=True)
class Stream:
    """One camera's stream. credentials: `user:password` that readers must give (Basic), empty for none. h265: else H.264."""

    parameter_sets: tuple[bytes, ...] = ()  # (VPS,) SPS, PPS as the encoder wrote them
    credentials: str = ""
    readers: set[Reader] = field(default_factory=set)
    wants_key: threading.Event = field(default_factory=threading.Event)
    h265: bool = False

    def send(self, nals: list[bytes], stamp: int, key: bool) -> None:
        """One picture to all readers; in the server's thread."""
        for reader in tuple(self.readers):
            reader.send(nals, stamp, key)

    def cut_off(self) -> None:
        """Ends all readers' connections; in the server's thread."""
        for reader in self.readers:
            reader.abort()


class Reader:
    """One client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, streams: dict[str, Stream]) -> None:
        self._reader, self._writer, self._streams = reader, writer, streams
        self._stream: Stream | None = None
        self._session = secrets.token_hex(4)
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._playing = False
        self._begun = False

    async def serve(self) -> None:
        """Answers requests until the client leaves."""
        try:
            while (request := await self._request()) is not None:
                if not self._answer(*request):
                    break
                await self._writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            if self._stream is not None:
                self._stream.readers.discard(self)
            self._writer.close()

    def send(self, nals: list[bytes], stamp: int, key: bool) -> None:
        """One picture as RTP packets; waits for a key picture first. stamp: 90 kHz, 32 bits."""
        self._begun = self._begun or key
        if not self._playing or not self._begun:
            return
        if self._writer.transport.get_write_buffer_size() > BACKLOG_BYTES:
            self.abort()
            return
        out = bytearray()
        for nal in nals:
            pieces = fragments(nal, h265=self._stream is not None and self._stream.h265)
            for i, piece in enumerate(pieces):
                marker = 0x80 if nal is nals[-1] and i == len(pieces) - 1 else 0
                self._sequence = (self._sequence + 1) & 0xFFFF
                out += struct.pack(">BBHBBHII", 0x24, 0, 12 + len(piece), 0x80, 96 | marker, self._sequence, stamp, self._ssrc) + piece
        self._writer.write(bytes(out))

    def abort(self) -> None:
        """Ends the connection at once."""
        self._writer.transport.abort()

    async def _request(self) -> tuple[str, str, dict[str, str]] | None:
        while True:
            first = await self._reader.read(1)
            if not first:
                return None
            if first != b"$":
                break
            head = await self._reader.readexactly(3)  # RTCP of the client, in between
            await self._reader.readexactly(int.from_bytes(head[1:], "big"))
        text = (first + await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
        lines = text.strip().split("\r\n")
        method, address = lines[0].split(" ")[:2]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        await self._reader.readexactly(min(int(headers.get("content-length", "0")), MAX_REQUEST_BYTES))
        return method, address, headers

    def _answer(self, method: str, address: str, headers: dict[str, str]) -> bool:
        cseq = headers.get("cseq", "0")
        path = "/" + address.split("://", 1)[-1].partition("/")[2].split("?")[0].strip("/")
        stream = next((each for name, each in self._streams.items() if path == name or path == f"{name}/track0"), None)
        if method == "OPTIONS":
            self._reply(cseq, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
        elif stream is None:
            self._reply(cseq, "404 Not Found")
        elif not _admitted(stream, headers):
            self._reply(cseq, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"')
        elif method == "DESCRIBE":
            self._reply(cseq, "200 OK", f"Content-Base: {address.rstrip('/')}/", "Content-Type: application/sdp", body=_sdp(stream))
        elif method == "SETUP" and "TCP" not in headers.get("transport", ""):
            self._reply(cseq, "461 Unsupported Transport")
        elif method == "SETUP":
            self._reply(cseq, "200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1", f"Session: {self._session};timeout=60")
        elif method == "PLAY":
            self._reply(cseq, "200 OK", f"Session: {self._session}", "Range: npt=0.000-")
            self._stream, self._playing = stream, True
            stream.readers.add(self)
            stream.wants_key.set()
        elif method == "GET_PARAMETER":
            self._reply(cseq, "200 OK", f"Session: {self._session}")
        elif method == "TEARDOWN":
            self._reply(cseq, "200 OK", f"Session: {self._session}")
            return False
        else:
            self._reply(cseq, "501 Not Implemented")
        return True

    def _reply(self, cseq: str, status: str, *headers: str, body: str = "") -> None:
        length = [f"Content-Length: {len(body)}"] if body else []
        self._writer.write(("\r\n".join([f"RTSP/1.0 {status}", f"CSeq: {cseq}", *headers, *length]) + "\r\n\r\n" + body).encode())


class RtspServer:
    """One listening port with its thread. Paths come and go with `mount` and `unmount`; one server a port and process."""

    _shared: dict[tuple[str, int], RtspServer] = {}  # noqa: RUF012 - a register of the whole process
    _register = threading.Lock()

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = int(self._listener.getsockname()[1])
        self._key = (host, self.port)
        self._streams: dict[str, Stream] = {}
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rtsp:{self.port}", daemon=True)
        self._thread.start()
        self._serving.wait()  # or an unmount that comes at once would stop the loop before it runs, and the port would stay open

    @classmethod
    def mount(cls, host: str, port: int, path: str, stream: Stream) -> RtspServer:
        """Serves the stream under `path`; opens the port with the first path. port 0: any free one. Raises OSError."""
        with cls._register:
            server = cls._shared.get((host, port)) or cls(host, port)
            if path in server._streams:
                raise OSError(f"path {path} on port {port} is taken already")
            cls._shared[server._key] = server
            server._streams[path] = stream
            return server

    def unmount(self, path: str) -> None:
        """Cuts the path's readers off; closes the port after the last path."""
        with self._register:
            stream = self._streams.pop(path)
            self.call(stream.cut_off)
            if not self._streams:
                self._shared.pop(self._key, None)
                self.call(self._loop.stop)
                self._thread.join()

    def call(self, what: Callable[[], object]) -> None:
        """Runs `what` in the server's thread, soon."""
        with suppress(RuntimeError):  # closed meanwhile
            self._loop.call_soon_threadsafe(what)

    def send(self, stream: Stream, access_unit: bytes, stamp: int, key: bool) -> None:
        """One encoded picture (Annex B) to all readers of a stream; from any thread."""
        nals = split_nals(access_unit)
        if nals:
            self.call(lambda: stream.send(nals, stamp, key))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, sock=self._listener, limit=MAX_REQUEST_BYTES))
        self._serving.set()
        self._loop.run_forever()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await Reader(reader, writer, self._streams).serve()
        finally:
            self._writers.discard(writer)


def split_nals(access_unit: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream, without their start codes."""
    return [nal for part in access_unit.split(b"\x00\x00\x01") if (nal := part.rstrip(b"\x00"))]


def fragments(nal: bytes, *, h265: bool = False) -> list[bytes]:
    """Payloads of one NAL unit: itself where it fits, else pieces of at most MAX_PAYLOAD bytes.

    FU-A of RFC 6184 5.8, FU of RFC 7798 4.4.3.
    """
    if len(nal) <= MAX_PAYLOAD:
        return [nal]
    if h265:
        head, kind, first = bytes(((nal[0] & 0x81) | 49 << 1, nal[1])), (nal[0] >> 1) & 0x3F, 2
    else:
        head, kind, first = bytes(((nal[0] & 0xE0) | 28,)), nal[0] & 0x1F, 1
    size = MAX_PAYLOAD - len(head) - 1
    out = []
    for start in range(first, len(nal), size):
        edge = (0x80 if start == first else 0) | (0x40 if start + size >= len(nal) else 0)
        out.append(head + bytes((edge | kind,)) + nal[start : start + size])
    return out


def parameter_sets(extradata: bytes, *, h265: bool = False) -> tuple[bytes, ...]:
    """(VPS,) SPS and PPS of an encoder's extradata."""
    return tuple(nal for nal in split_nals(extradata) if ((nal[0] >> 1) & 0x3F in (32, 33, 34) if h265 else nal[0] & 0x1F in (7, 8)))


def _admitted(stream: Stream, headers: dict[str, str]) -> bool:
    wanted = "Basic " + base64.b64encode(stream.credentials.encode()).decode()
    return not stream.credentials or headers.get("authorization", "") == wanted


def _sdp(stream: Stream) -> str:
    sets = [base64.b64encode(each).decode() for each in stream.parameter_sets]
    if stream.h265:
        codec, described = "H265", ";".join(f"sprop-{name}={each}" for name, each in zip(("vps", "sps", "pps"), sets, strict=False))
    else:
        codec, described = "H264", f"packetization-mode=1;sprop-parameter-sets={','.join(sets)}"
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "m=video 0 RTP/AVP 96",
             f"a=rtpmap:96 {codec}/{CLOCK_HZ}", f"a=fmtp:96 {described}", "a=control:track0"]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"
