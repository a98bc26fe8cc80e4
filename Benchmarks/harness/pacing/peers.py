"""The same callers in front of other ways to share a quota between processes, each with the same strict upstream.

All run as three processes with one Redis. A refusal is tried again as google-genai's retry options have it, by the caller
where it reaches one, by the library where that has retries of its own.
"""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .. import peers as servers
from ..fleet import DidNotStart, Fleet
from ..install import python_of
from ..paths import PEERS
from ..stage import start_redis
from .callers import MODEL, BrokenOff, Call, Callers, Client, now
from .outcome import quantile
from .quota import Arrival, Quota, windows
from .rig import Binaries, Cores, Replicas, Upstream

PROCESSES = 3
# google-genai's retry options, and what it tries again after.
_ATTEMPTS, _FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 5, 1.0, 60.0, 1.0
_AGAIN = {408, 429, 500, 502, 503, 504}
_CLIENTS = (
    Client("heavy", callers=100),
    *(Client(f"light-{number}", callers=1, pause=12) for number in range(1, 6)),
)
CALLERS = sum(client.callers for client in _CLIENTS)


@dataclass
class PeerOutcome:
    """What one way of sharing made of the load."""

    name: str
    answers: int
    # Of what the upstream would have let pass.
    part: float
    # 429s of the upstream, and the most that came in a window, refused ones included.
    refused: int
    fullest: int
    # Answers other than 200 that a caller, or its library, saw; calls that ended without a 200.
    refusals: int
    failed: int
    # From a caller's first try to its answer, in seconds, by kind of client.
    times: dict[str, list[float]]
    arrivals: list[Arrival]
    # When the load began, in microseconds.
    began: int

    def p50(self, group: str) -> float:
        return quantile(self.times.get(group, []), 0.5)

    def p99(self, group: str) -> float:
        return quantile(self.times.get(group, []), 0.99)


@dataclass(frozen=True)
class Ended:
    """A call that came to an end."""

    group: str
    seconds: float
    status: int
    refusals: int


# When the load began, in microseconds, and what ended.
Loaded = tuple[int, list[Ended]]


@dataclass(frozen=True)
class Around:
    """Where a peer runs."""

    fleet: Fleet
    binaries: Binaries
    cores: Cores
    quota: Quota
    upstream: Upstream
    seconds: float


class _Retrying(Callers):
    """Callers that try again, and whose call is one however many tries it takes."""

    def __init__(self, clients, ports, quota, message: Callable[[Client, str, int], bytes]):
        super().__init__(clients, ports, quota)
        self.ended: list[Ended] = []
        self._message = message

    async def _call(self, client: Client, connection, dice: random.Random) -> None:
        began, refusals = now(), 0
        for attempt in range(_ATTEMPTS):
            await connection.open()
            call = Call(f"{client.name}-{len(self._load.calls)}", client, now())
            self._load.calls.append(call)
            try:
                await connection.exchange(call, self._message(client, call.id, connection.port))
            except (OSError, EOFError, BrokenOff):
                call.status = 502
                connection.close()
            if call.status not in _AGAIN:
                break
            refusals += 1
            if attempt + 1 < _ATTEMPTS:
                await asyncio.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) + dice.uniform(0, _JITTER))
        self.ended.append(Ended(client.group, (now() - began) / 1e6, call.status, refusals))


def _gemini(client: Client, call: str, port: int) -> bytes:
    return client.message(call, port)


def _openai(client: Client, call: str, port: int) -> bytes:
    body = f'{{"model":"{MODEL}","messages":[{{"role":"user","content":"Summarise these notes."}}]}}'
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer caller-key\r\nx-request-id: {call}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _load(around: Around, ports: list[int], message) -> Loaded:
    callers = _Retrying(_CLIENTS, ports, around.quota, message)
    load = asyncio.run(callers.run(around.seconds))
    return load.began, callers.ended


def _sluice(around: Around) -> Loaded:
    replicas = Replicas(around.fleet, around.binaries.gateway, around.cores, around.upstream, _CLIENTS, PROCESSES)
    time.sleep(1)
    return _load(around, replicas.ports, _gemini)


def _surroundings(around: Around, **values: object) -> servers.Surroundings:
    redis = start_redis(around.fleet, around.cores.load)
    values = {
        **servers.nginx_values(),
        "REDIS": redis.port,
        "UPSTREAM": around.upstream.port,
        "UPSTREAM_URL": f"http://127.0.0.1:{around.upstream.port}",
        "REQUESTS": around.quota.requests,
        "WINDOW_MICROS": around.quota.seconds * 1_000_000,
        "RPM": around.quota.requests * 60 // around.quota.seconds,
        **values,
    }
    return servers.Surroundings(around.fleet, around.cores.server, values, around.binaries.gateway, {})


def _nginx(around: Around) -> Loaded:
    surroundings = _surroundings(around)
    ports = [servers.start_nginx(surroundings, f"nginx-{number}", "nginx/lua-window.conf").port for number in range(PROCESSES)]
    return _load(around, ports, _gemini)


def _litellm(around: Around) -> Loaded:
    surroundings = _surroundings(around)
    ports = [
        servers.start_litellm(surroundings, f"litellm-{number}", "litellm/router.yaml").port for number in range(PROCESSES)
    ]
    # The first call of each loads half of its modules.
    warm = _Retrying((Client("warm", callers=PROCESSES, pause=100),), ports, around.quota, _openai)
    asyncio.run(warm.run(8))
    time.sleep(around.quota.seconds if around.quota.seconds < 60 else 0)
    return _load(around, ports, _openai)


def _workers(around: Around, peer: str) -> Loaded:
    """Each process has every third caller."""
    redis = start_redis(around.fleet, around.cores.load)
    callers = [
        {"client": client.name, "pause": client.pause * around.quota.slot} for client in _CLIENTS for _ in range(client.callers)
    ]
    outs: list[Path] = []
    for number in range(PROCESSES):
        out = around.fleet.folder / f"{peer}-{number}.json"
        settings = {
            "upstream": around.upstream.port, "redis": redis.port, "requests": around.quota.requests,
            "per": around.quota.seconds, "seconds": around.seconds, "callers": callers[number::PROCESSES], "out": str(out),
        }  # fmt: skip
        command = [str(python_of(peer)), str(PEERS / peer / "worker.py"), json.dumps(settings)]
        # Nothing listens: what it waits for is that Redis does.
        around.fleet.start(out.stem, command, core=around.cores.server, port=redis.port)
        outs.append(out)
    deadline = time.monotonic() + around.seconds + 30
    while not all(out.exists() and out.stat().st_size for out in outs):
        if time.monotonic() > deadline:
            raise DidNotStart(
                f"{peer}: no result; its log:\n{around.fleet.folder.joinpath(outs[0].stem + '.log').read_text()[-1500:]}"
            )
        time.sleep(0.2)
    time.sleep(0.3)
    calls = [call for out in outs for call in json.loads(out.read_text())]
    ended = [
        Ended(call["client"].partition("-")[0], (call["answered"] - call["sent"]) / 1e6, call["status"], call["refusals"])
        for call in calls
        if call["answered"] is not None
    ]
    return min(call["sent"] for call in calls), ended


PEERS_BY_NAME: dict[str, Callable[[Around], Loaded]] = {
    "sluice": _sluice,
    "litellm": _litellm,
    "llmratelimiter": partial(_workers, peer="llmratelimiter"),
    "bullmq": partial(_workers, peer="bullmq"),
    "nginx+Lua+Redis": _nginx,
}


def needs(names: list[str] | None) -> set[str]:
    """What has to be installed for these, or for all."""
    packages = {"nginx+Lua+Redis": {"nginx-lua", "nginx-lua-module"}, "sluice": set()}
    return {need for name in names or PEERS_BY_NAME for need in packages.get(name, {name})}


def run(fleet: Fleet, binaries: Binaries, cores: Cores, name: str, quota: Quota, seconds: float) -> PeerOutcome:
    """The upstream does not count what it refuses: kinder to those who are refused than the other scenes' is."""
    upstream = Upstream(fleet, binaries.simulator, cores.load, quota, counts_refused=False)
    began, ended = PEERS_BY_NAME[name](Around(fleet, binaries, cores, quota, upstream, seconds))
    arrivals = [arrival for arrival in upstream.arrivals({}) if arrival.at >= began]
    held = windows(arrivals, quota)
    times: dict[str, list[float]] = defaultdict(list)
    for call in ended:
        if call.status == 200:
            times[call.group].append(call.seconds)
    answers = sum(len(group) for group in times.values())
    return PeerOutcome(
        name=name,
        answers=answers,
        part=answers / (quota.rate * seconds),
        refused=sum(arrival.status == 429 for arrival in arrivals),
        fullest=held.fullest,
        refusals=sum(call.refusals for call in ended),
        failed=sum(call.status != 200 for call in ended),
        times=dict(times),
        arrivals=arrivals,
        began=began,
    )
