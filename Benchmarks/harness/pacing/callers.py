"""Callers: many clients on one event loop, each call over a connection that is kept, as an SDK's pool would."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from .quota import Quota

MODEL = "gemini-2.5-flash"
EMBEDDING_MODEL = "gemini-embedding-001"
_GENERATE = b'{"contents":[{"role":"user","parts":[{"text":"Summarise these notes in three sentences."}]}]}'
_CHAT = b'{"model":"' + MODEL.encode() + b'","stream":true,"messages":[{"role":"user","content":"Summarise these notes."}]}'


@dataclass(frozen=True)
class Client:
    """Who calls, and how."""

    name: str
    # Closed loops: each sends its next call when the last was answered. 0: an open loop, see `share`.
    callers: int = 1
    weight: int = 1
    # Configured; the client's default and best urgency.
    priority: int = 3
    # Sent as `Priority`.
    urgency: int | None = None
    # A batch of embeddings of so many items, which cost as many units; 0: one generateContent.
    items: int = 0
    # Pause between an answer and the next call, on average, in slots of the quota.
    pause: float = 0
    # Hangs up after so many slots, evenly distributed, unless it was answered.
    patience: tuple[float, float] | None = None
    # Open loop: calls come at random (Poisson), at this part of the quota's rate, answered or not.
    share: float = 0
    # The replica that all its calls go to; None: all in turns.
    replica: int | None = None
    # OpenAI's streaming calls, whose heartbeats tell the expected wait.
    streams: bool = False

    @property
    def group(self) -> str:
        """Clients of one kind are numbered: light-1, light-2."""
        return self.name.partition("-")[0]

    @property
    def units(self) -> int:
        return max(1, self.items)

    @property
    def rank(self) -> int:
        """The urgency that counts: the lower number goes first, and `Priority` cannot better the client's own."""
        return self.priority if self.urgency is None else max(self.priority, self.urgency)

    def message(self, call: str, port: int) -> bytes:
        """One request."""
        if self.streams:
            path, body = "/v1beta/openai/chat/completions", _CHAT
        elif self.items:
            item = b'{"model":"models/%b","content":{"parts":[{"text":"a line"}]}}' % EMBEDDING_MODEL.encode()
            path = f"/v1beta/models/{EMBEDDING_MODEL}:batchEmbedContents"
            body = b'{"requests":[' + b",".join([item] * self.items) + b"]}"
        else:
            path, body = f"/v1beta/models/{MODEL}:generateContent", _GENERATE
        urgency = "" if self.urgency is None else f"Priority: u={self.urgency}\r\n"
        key = f"Authorization: Bearer key-of-{self.name}" if self.streams else f"x-goog-api-key: key-of-{self.name}"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{key}\r\n"
            f"x-request-id: {call}\r\n{urgency}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class Call:
    """What became of one call. Times in microseconds of the monotonic clock; None: it did not come to that."""

    id: str
    client: Client
    sent: int
    # When its caller hangs up if it has no answer by then.
    leaves: int | None = None
    left: bool = False
    answered: int | None = None
    status: int | None = None
    # What the gateway told: how long it waited in the queue, in ms; where a heartbeat began the answer, the expected wait in s.
    queued: float | None = None
    expected: float | None = None


@dataclass
class Load:
    """All calls of a run, and when it ended."""

    calls: list[Call] = field(default_factory=list)
    began: int = 0
    ended: int = 0


def now() -> int:
    return time.monotonic_ns() // 1000


class BrokenOff(Exception):
    """The connection ended in the middle of an answer."""


class _Connection:
    def __init__(self, port: int):
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def exchange(self, call: Call, message: bytes) -> None:
        reader, writer = self._streams
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        call.status = int(head[9:12])
        if (at := head.find("queue;dur=")) >= 0:
            call.queued = float(head[at + 10 :].split(",", 1)[0].split("\r", 1)[0])
        if "\r\ntransfer-encoding: chunked" in head:
            await self._read_chunks(reader, call)
        elif (at := head.find("\r\ncontent-length:")) >= 0:
            await reader.readexactly(int(head[at + 17 :].split("\r\n", 1)[0]))
        else:
            raise BrokenOff(head)
        call.answered = now()

    async def _read_chunks(self, reader: asyncio.StreamReader, call: Call) -> None:
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            piece = await reader.readexactly(size + 2)
            if call.expected is None and (at := piece.find(b" wait=")) >= 0 and piece.startswith(b": queued"):
                call.expected = float(piece[at + 6 :].split(b"\n", 1)[0])
        await reader.readexactly(2)


class Callers:
    """Runs clients against replicas for a while, then hangs up on all that still wait."""

    def __init__(self, clients: tuple[Client, ...], ports: list[int], quota: Quota):
        self._clients = clients
        self._ports = ports
        self._quota = quota
        self._load = Load()
        self._connections: set[_Connection] = set()
        self._number = 0

    async def run(self, seconds: float) -> Load:
        loops = [
            asyncio.create_task(self._closed(client, index))
            for client in self._clients
            for index in range(client.callers)
            if not client.share
        ]
        loops += [asyncio.create_task(self._open(client)) for client in self._clients if client.share]
        self._load.began = now()
        try:
            done, _ = await asyncio.wait(loops, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            for loop in done:
                loop.result()
        finally:
            self._load.ended = now()
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            for connection in self._connections:
                connection.close()
        return self._load

    def _connection(self, client: Client, index: int) -> _Connection:
        at = client.replica if client.replica is not None else index
        connection = _Connection(self._ports[at % len(self._ports)])
        self._connections.add(connection)
        return connection

    async def _closed(self, client: Client, index: int) -> None:
        dice = random.Random(f"{client.name} {index}")
        connection = self._connection(client, index)
        while True:
            await self._call(client, connection, dice)
            if client.pause:
                await asyncio.sleep(dice.uniform(0.5, 1.5) * client.pause * self._quota.slot)

    async def _open(self, client: Client) -> None:
        dice = random.Random(client.name)
        idle: list[_Connection] = []
        running: set[asyncio.Task] = set()

        async def one(connection: _Connection) -> None:
            await self._call(client, connection, dice)
            idle.append(connection)

        try:
            index = 0
            due = asyncio.get_running_loop().time()
            while True:
                due += dice.expovariate(client.share * self._quota.rate)
                await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
                connection = idle.pop(0) if idle else self._connection(client, index)
                index += 1
                task = asyncio.create_task(one(connection))
                running.add(task)
                task.add_done_callback(running.discard)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _call(self, client: Client, connection: _Connection, dice: random.Random) -> None:
        await connection.open()
        self._number += 1
        call = Call(f"{client.name}-{self._number}", client, 0)
        message = client.message(call.id, connection.port)
        self._load.calls.append(call)
        call.sent = now()
        if client.patience is None:
            await connection.exchange(call, message)
            return
        patience = dice.uniform(*client.patience) * self._quota.slot
        call.leaves = call.sent + int(patience * 1e6)
        try:
            await asyncio.wait_for(connection.exchange(call, message), patience)
        except TimeoutError:
            call.left = True
            connection.close()
