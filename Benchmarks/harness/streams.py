"""Opens many server-sent event streams at once and keeps them open."""

import asyncio

from .load import Request


class TooFewStreams(Exception):
    """Not all streams got their events."""


class OpenStreams:
    """Streams that are read until closed. Use it within one event loop."""

    def __init__(self, port: int, request: Request):
        self._port = port
        self._head = (
            f"POST {request.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(request.body)}\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
            + "\r\n"
        ).encode() + request.body
        self._writers: list[asyncio.StreamWriter] = []
        self._readers: list[asyncio.Task] = []
        self._events: list[int] = []

    async def open(self, count: int, at_once: int = 50) -> None:
        """Opens `count` streams, so many at a time that no listening queue overflows."""
        for first in range(0, count, at_once):
            await asyncio.gather(*(self._open_one() for _ in range(first, min(first + at_once, count))))

    async def wait_for_events(self, count: int, within: float) -> None:
        """Returns when every stream has had so many events.

        - Throws: `TooFewStreams` after `within` seconds.
        """
        deadline = asyncio.get_running_loop().time() + within
        while min(self._events, default=0) < count:
            if asyncio.get_running_loop().time() > deadline:
                ready = sum(events >= count for events in self._events)
                raise TooFewStreams(f"{ready} of {len(self._events)} streams had {count} events after {within:.0f} s")
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    async def _open_one(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        self._writers.append(writer)
        self._events.append(0)
        writer.write(self._head)
        self._readers.append(asyncio.create_task(self._read(reader, len(self._events) - 1)))

    async def _read(self, reader: asyncio.StreamReader, at: int) -> None:
        while piece := await reader.read(4096):
            self._events[at] += piece.count(b"data: {")
