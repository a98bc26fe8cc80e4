"""What callers that wait for a slot cost their replica, beside connections that wait for nothing."""

import asyncio
import collections
import json
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from . import cost, peers
from .cases import GENERATE
from .fleet import Fleet, free_port
from .report import MIB, Verdict, table, verdict_json
from .stage import start_redis
from .streams import TooFewStreams

KEY = "waiters"
NEEDS = {"redis"}
ADDED_LIMIT_MIB = 40
"""For 10,000; fewer are held to their part of it."""
CPU_LIMIT_PERCENT = 1.0
"""Of one core, beyond what the same replica takes with as many idle connections."""
_BODY_BYTES = 1024
_STORES = ("redis", "embedded")


@dataclass(frozen=True)
class Waiters:
    """Bytes, and CPU seconds a second. `idle`: `count` connections that were answered once and ask for nothing."""

    store: str
    count: int
    start: cost.Memory
    idle: cost.Memory
    waiting: cost.Memory
    idle_cpu: float
    entry_cpu_micros: float
    waiting_cpu: float
    redis_waiting_cpu: float
    redis_bytes_a_waiter: float
    gone_after_seconds: float

    @property
    def added(self) -> int:
        return self.waiting.rss - self.idle.rss


def measure(fleet: Fleet, gateway: Path, server_core: int, load_core: int, count: int, seconds: float, tell) -> list[Waiters]:
    """The queue in Redis, then in the process; each with a gateway of its own."""
    figures = []
    for store in _STORES:
        tell(f"waiters: {count}, queue in {'Redis' if store == 'redis' else 'the process'}")
        figures.append(asyncio.run(_measure_one(fleet, gateway, server_core, load_core, store, count, seconds)))
    return figures


async def _measure_one(
    fleet: Fleet, gateway: Path, server_core: int, load_core: int, store: str, count: int, seconds: float
) -> Waiters:
    upstream = free_port()
    server = await asyncio.start_server(_answer, "127.0.0.1", upstream)
    redis = start_redis(fleet, load_core, name=f"redis-{store}") if store == "redis" else None
    redis_table = f'\n[redis]\nurl = "redis://127.0.0.1:{redis.port}/0"\ntimeout = "1s"\n' if redis else ""
    values = {"UPSTREAM": upstream, "REDIS_TABLE": redis_table, "WAITING": count}
    around = peers.Surroundings(fleet, server_core, values, gateway, {})
    replica = peers.start_gateway(around, f"waiters-{store}", source="gateway/waiters.conf")
    await asyncio.sleep(2)
    start = cost.memory(replica.pid)
    callers = Callers(replica.port)
    try:
        await callers.open(count)
        await callers.ask(_HEALTH)
        await asyncio.sleep(2)
        idle = cost.memory(replica.pid)
        idle_cpu = await _cpu_a_second(replica.pid, seconds)
        before = redis_bytes(redis.port) if redis else 0

        # The only slot for four minutes, without a connection of those.
        first = Callers(replica.port)
        await first.open(1)
        await first.ask(_call(0))
        if set(first.last_statuses) != {"HTTP/1.1 200 OK"}:
            raise TooFewStreams(f"the first call was answered {first.last_statuses}")
        await first.close()
        began = cost.cpu_seconds(replica.pid)
        await callers.send(_call)
        await _until_waiting(replica.port, count, within=60 + count / 100, callers=callers)
        entry_cpu = cost.cpu_seconds(replica.pid) - began
        await asyncio.sleep(2)
        waiting = cost.memory(replica.pid)
        redis_cpu = cost.cpu_seconds(redis.pid) if redis else 0.0
        waiting_cpu = await _cpu_a_second(replica.pid, seconds)
        redis_cpu = (cost.cpu_seconds(redis.pid) - redis_cpu) / seconds if redis else 0.0
        held = redis_bytes(redis.port) - before if redis else 0
        if callers.answered:
            raise TooFewStreams(f"{callers.answered} of {count} callers were answered in place of waiting")
    finally:
        await callers.close()
    left = time.monotonic()
    await _until_waiting(replica.port, 0, within=60)
    gone = time.monotonic() - left
    fleet.stop(replica)
    if redis:
        fleet.stop(redis)
    server.close()
    return Waiters(
        store, count, start, idle, waiting, idle_cpu, entry_cpu * 1e6 / count, waiting_cpu, redis_cpu, held / count, gone
    )


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An upstream that answers whatever comes."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        writer.close()


async def _cpu_a_second(pid: int, seconds: float) -> float:
    before, began = cost.cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    return (cost.cpu_seconds(pid) - before) / (time.monotonic() - began)


_HEALTH = b"GET /health HTTP/1.1\r\nHost: gateway\r\n\r\n"


def _call(number: int) -> bytes:
    """A call as an SDK sends it, with a body of 1 KiB, by one of a hundred users."""
    body = GENERATE.body.replace(b"}]", b" " * (_BODY_BYTES - len(GENERATE.body)) + b"}]", 1)
    fields = {**GENERATE.headers, "x-user-id": f"user-{number % 100}", "Content-Length": str(len(body))}
    lines = [f"POST {GENERATE.path} HTTP/1.1", "Host: gateway"] + [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _until_waiting(port: int, count: int, within: float, callers: "Callers | None" = None) -> None:
    """Returns when the replica tells that so many of its callers wait."""
    deadline = time.monotonic() + within
    while True:
        waiting = sum(row["waiting"] for row in (await _stats(port))["quotas"])
        if waiting == count:
            return
        if time.monotonic() > deadline:
            answered = f"; answered: {callers.statuses}" if callers else ""
            raise TooFewStreams(f"{waiting} calls wait after {within:.0f} s, in place of {count}{answered}")
        await asyncio.sleep(0.05)


async def _stats(port: int) -> dict:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /admin/stats HTTP/1.0\r\nHost: gateway\r\nAuthorization: Bearer bench\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


class _Caller(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answers = 0
        self.answered = asyncio.Event()
        self.status = ""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.answers += 1
        self.status = data.partition(b"\r\n")[0].decode(errors="replace")
        self.answered.set()

    def connection_lost(self, error) -> None:
        self.answers += 1
        self.answered.set()


class Callers:
    """Connections that each send one request at a time."""

    def __init__(self, port: int):
        self._port = port
        self._all: list[_Caller] = []
        self.last_statuses: list[str] = []

    @property
    def answered(self) -> int:
        """How many got anything since they last sent."""
        return sum(one.answers > 0 for one in self._all)

    @property
    def statuses(self) -> dict[str, int]:
        """How often they got which answer since they last sent; "" for a connection that was closed."""
        return collections.Counter(one.status for one in self._all if one.answers > 0)

    async def open(self, count: int, at_once: int = 100) -> None:
        loop = asyncio.get_running_loop()
        while len(self._all) < count:
            wanted = min(at_once, count - len(self._all))
            made = await asyncio.gather(
                *(loop.create_connection(_Caller, "127.0.0.1", self._port) for _ in range(wanted))
            )
            self._all += [caller for _, caller in made]

    async def ask(self, request: bytes) -> None:
        """Sends one request on each connection and waits for all answers."""
        for first in range(0, len(self._all), 200):
            part = self._all[first : first + 200]
            for one in part:
                one.transport.write(request)
            await asyncio.wait_for(asyncio.gather(*(one.answered.wait() for one in part)), 30)
        self.last_statuses = [one.status for one in self._all]
        for one in self._all:
            one.answers, one.status = 0, ""
            one.answered.clear()

    async def send(self, request, at_once: int = 200) -> None:
        """Sends each connection's request, and waits for nothing."""
        for number, one in enumerate(self._all):
            one.transport.write(request(number))
            if number % at_once == at_once - 1:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        for one in self._all:
            one.transport.abort()
        await asyncio.sleep(0)


def redis_bytes(port: int) -> int:
    """What its data takes, by Redis's own count."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"INFO memory\r\n")
        told = b""
        while b"used_memory_dataset:" not in told or not told.endswith(b"\r\n"):
            told += connection.recv(65536)
    return int(told.partition(b"used_memory_dataset:")[2].partition(b"\r\n")[0])


def verdicts(figures: list[Waiters]) -> list[Verdict]:
    lines = []
    for one in figures:
        part = one.count / 10_000
        name = f"waiters: {one.count}, queue in {'Redis' if one.store == 'redis' else 'the process'}"
        lines.append(Verdict(f"{name}, add", ADDED_LIMIT_MIB * part, one.added / MIB, " MiB"))
        lines.append(
            Verdict(f"{name}, CPU while they wait", CPU_LIMIT_PERCENT, (one.waiting_cpu - one.idle_cpu) * 100, " % of a core")
        )
    return lines


def as_table(figures: list[Waiters]) -> str:
    head = [
        "queue in", "start RSS MiB", "idle RSS MiB", "waiting RSS MiB", "KiB a waiter", "CPU µs an entry",
        "idle CPU %", "waiting CPU %", "Redis CPU %", "Redis B a waiter", "gone after s",
    ]  # fmt: skip
    rows = [head] + [
        [
            "Redis" if one.store == "redis" else "process",
            f"{one.start.rss / MIB:.1f}",
            f"{one.idle.rss / MIB:.1f}",
            f"{one.waiting.rss / MIB:.1f}",
            f"{one.added / 1024 / one.count:.2f}",
            f"{one.entry_cpu_micros:.0f}",
            f"{one.idle_cpu * 100:.2f}",
            f"{one.waiting_cpu * 100:.2f}",
            f"{one.redis_waiting_cpu * 100:.2f}",
            f"{one.redis_bytes_a_waiter:.0f}",
            f"{one.gone_after_seconds:.2f}",
        ]
        for one in figures
    ]
    lines = [f"waiters · {figures[0].count} connections, idle, then each with a call that waits", table(rows)]
    return "\n".join(lines + [verdict.line() for verdict in verdicts(figures)])


def as_json(figures: list[Waiters]) -> dict:
    return {
        "case": KEY,
        "figures": [asdict(one) for one in figures],
        "verdicts": [verdict_json(verdict) for verdict in verdicts(figures)],
    }
