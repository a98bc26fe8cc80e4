"""What a case runs on: the simulator with a strict window, an empty Redis, so many replicas of the gateway."""

import http.client
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from .. import cost
from ..counted import UnexpectedAnswer
from ..fleet import Fleet, Server, free_port
from ..stage import start_redis
from ..templates import render
from .callers import Client
from .quota import Arrival, Quota

# From an arrival to the first byte of its answer.
LATENCY_MILLIS = 50
# From a caller's send to the upstream's arrival where nothing waits, until a run has measured it.
USUAL_LAG_MICROS = 3000


@dataclass(frozen=True)
class Binaries:
    gateway: Path
    simulator: Path


@dataclass(frozen=True)
class Cores:
    server: int
    load: int


class Upstream:
    """The simulator, which refuses what a window has no room for."""

    def __init__(self, fleet: Fleet, binary: Path, core: int, quota: Quota, *, counts_refused: bool = True):
        self.quota = quota
        self.port = free_port()
        command = [
            str(binary), "--listen", f"127.0.0.1:{self.port}", "--requests-per-minute", str(quota.requests),
            "--window", f"{quota.seconds}s", "--latency", f"{LATENCY_MILLIS}ms", "--dimension", "4", "--answer-words", "20",
            "--chunks", "2", "--log-capacity", "1000000", "--count-refused" if counts_refused else "--no-count-refused",
        ]  # fmt: skip
        self.server = fleet.start("simulator", command, core=core, port=self.port)

    def arrivals(self, units: dict[str, int]) -> list[Arrival]:
        """All that came, in order.

        - Parameter units: of each call, by its id; a call that is not in it took one.
        """
        log = self._get("/simulator/log")
        if log["dropped"]:
            raise UnexpectedAnswer(f"the simulator's log dropped {log['dropped']} arrivals")
        arrivals = [
            Arrival(one["at"], units.get(one.get("request_id") or "", 1), one.get("status"), one.get("request_id") or "")
            for one in log["arrivals"]
            if one.get("call")
        ]
        return sorted(arrivals, key=lambda one: one.at)

    def fullest(self) -> int:
        """The most that any window held, as the simulator itself counted."""
        buckets = self._get("/simulator/stats")["buckets"]
        return max((bucket["largest"] for bucket in buckets if bucket["quota"] == "requests-per-minute"), default=0)

    def _get(self, path: str) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@dataclass(frozen=True)
class Spent:
    """Since the start of the processes."""

    at: float
    # Calls of each replica's queue to its store.
    queue_calls: tuple[int, ...]
    # All scripts that Redis ran, the statistics' too.
    scripts: int
    gateway_cpu: float
    redis_cpu: float

    def __sub__(self, before: "Spent") -> "Spent":
        return Spent(
            self.at - before.at,
            tuple(now - then for now, then in zip(self.queue_calls, before.queue_calls)),
            self.scripts - before.scripts,
            self.gateway_cpu - before.gateway_cpu,
            self.redis_cpu - before.redis_cpu,
        )


class Replicas:
    """The gateways and their Redis."""

    def __init__(
        self,
        fleet: Fleet,
        binary: Path,
        cores: Cores,
        upstream: Upstream,
        clients: tuple[Client, ...],
        count: int,
        heartbeat: str = "0s",
    ):
        self.count = count
        self.redis = start_redis(fleet, cores.load)
        self.gateways: list[Server] = []
        self._admin_ports: list[int] = []
        values = {
            "REDIS": self.redis.port,
            "UPSTREAM": upstream.port,
            "REQUESTS": upstream.quota.requests,
            "PER": f"{upstream.quota.seconds}s",
            "HEARTBEAT": heartbeat,
            "CLIENTS": "\n".join(_client(client) for client in clients),
        }
        for number in range(count):
            name, port, admin = f"gateway-{number + 1}", free_port(), free_port()
            self._admin_ports.append(admin)
            places = {**values, "PORT": port, "ADMIN": admin}
            configuration = render("gateway/pacing.conf", fleet.folder / f"{name}.conf", places)
            command = [str(binary), "--config", str(configuration)]
            self.gateways.append(fleet.start(name, command, core=cores.server, port=port))

    @property
    def ports(self) -> list[int]:
        return [gateway.port for gateway in self.gateways]

    def spent(self) -> Spent:
        return Spent(
            time.monotonic(),
            tuple(_queue_calls(port) for port in self._admin_ports),
            _scripts(self.redis.port),
            sum(cost.cpu_seconds(gateway.pid) for gateway in self.gateways),
            cost.cpu_seconds(self.redis.pid),
        )


def _queue_calls(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    told = [int(float(line.split()[-1])) for line in lines if line.startswith("gateway_queue_store_calls_total{")]
    if not told:
        raise UnexpectedAnswer("the gateway's /metrics has no gateway_queue_store_calls_total")
    return sum(told)


def _scripts(port: int) -> int:
    calls = 0
    for line in _redis_info(port, "commandstats").splitlines():
        if line.startswith(("cmdstat_evalsha:", "cmdstat_eval:")):
            calls += int(dict(field.split("=") for field in line.split(":", 1)[1].split(","))["calls"])
    return calls


def _client(client: Client) -> str:
    return (
        f'[[client]]\nname = "{client.name}"\nkey = "key-of-{client.name}"\n'
        f"weight = {client.weight}\npriority = {client.priority}\n"
    )


def _redis_info(port: int, section: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"INFO {section}\r\n".encode())
        received = b""
        while b"\r\n" not in received:
            received += connection.recv(65536)
        head, _, rest = received.partition(b"\r\n")
        length = int(head[1:])
        while len(rest) < length:
            rest += connection.recv(65536)
        return rest[:length].decode()
