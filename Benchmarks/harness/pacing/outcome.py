"""Runs a scene and works out its figures."""

import asyncio
import math
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, median

from ..fleet import Fleet
from . import order
from .callers import Callers, Client, Load
from .quota import Arrival, Use, Windows, use, windows
from .rig import Binaries, Cores, Replicas, Spent, Upstream
from .scenes import Scene

# After start, until the replicas know of each other.
_SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Waits:
    """From a caller's send to the upstream's arrival, in seconds: as it was, and as the order rule would have had it."""

    count: int
    mean: float
    p99: float
    longest: float
    ideal_mean: float
    ideal_longest: float
    # What the longest may differ by: one call of each other client.
    allowed: float


@dataclass(frozen=True)
class Share:
    """Units a client was served while all clients always waited, as a part of all, beside its part by weight."""

    units: int
    part: float
    due: float


@dataclass
class Outcome:
    scene: Scene
    arrivals: list[Arrival]
    began: int
    ended: int
    refused: int
    errors: int
    windows: Windows
    simulator_fullest: int
    use: Use
    waits: dict[str, Waits]
    # Of how many slots the client that had it is the one that the order rule names, and how many there were.
    obeyed: tuple[int, int]
    # The same for first come, first served.
    first_come: tuple[int, int]
    shares: dict[str, Share]
    # For each caller that was told: the expected wait and the real one, in seconds.
    expected: list[tuple[float, float]]
    spent: Spent
    slots: int
    # In the queue, as the gateway told; from the send to the upstream's arrival. In ms.
    queued: list[float]
    reached: list[float]
    left: int

    @property
    def calls_a_slot(self) -> float:
        """Calls of all queues to Redis, everything counted. Of a lone caller's: of the replica that it came through."""
        calls = self.spent.queue_calls
        return (max(calls) if self.scene.key == "lone" else sum(calls)) / max(1, self.slots)

    @property
    def calls_a_slot_beyond_beats(self) -> float:
        """Without the one a second that each replica with waiters may make for its sign of life."""
        return self.calls_a_slot - self.scene.replicas * self.spent.at / max(1, self.slots)

    @property
    def scripts_a_slot(self) -> float:
        """All that Redis ran, the statistics of idle replicas too."""
        return self.spent.scripts / max(1, self.slots)

    @property
    def lag(self) -> int:
        """The median time from send to arrival, in microseconds."""
        return int(median(self.reached) * 1e3)

    @property
    def gateway_cpu_a_slot(self) -> float:
        """Microseconds of all replicas together, with everything that a call costs them."""
        return self.spent.gateway_cpu / max(1, self.slots) * 1e6

    @property
    def redis_cpu_a_slot(self) -> float:
        return self.spent.redis_cpu / max(1, self.slots) * 1e6

    @property
    def expected_right(self) -> float:
        """The part of callers whose expected wait was right within a quarter or one slot."""
        slot = self.scene.quota.slot
        right = sum(abs(told - real) <= max(real / 4, slot) for told, real in self.expected)
        return right / max(1, len(self.expected))


def run(fleet: Fleet, binaries: Binaries, cores: Cores, scene: Scene, lag: int) -> Outcome:
    """- Parameter lag: what a call takes to the upstream where nothing waits, in microseconds."""
    upstream = Upstream(fleet, binaries.simulator, cores.load, scene.quota)
    replicas = Replicas(fleet, binaries.gateway, cores, upstream, scene.clients, scene.replicas, scene.heartbeat)
    os.sched_setaffinity(0, {cores.load})
    time.sleep(_SETTLE_SECONDS)
    before = replicas.spent()
    load = asyncio.run(Callers(scene.clients, replicas.ports, scene.quota).run(scene.seconds))
    spent = replicas.spent() - before
    time.sleep(0.3)
    arrivals = upstream.arrivals({call.id: call.client.units for call in load.calls})
    return _work_out(scene, load, arrivals, upstream.fullest(), spent, lag)


def _work_out(scene: Scene, load: Load, arrivals: list[Arrival], fullest: int, spent: Spent, lag: int) -> Outcome:
    at = {arrival.call: arrival.at for arrival in arrivals if arrival.status != 429}
    slots = sorted((time, call) for call, time in at.items())
    contended = len(scene.clients) > 1
    begin = load.began + scene.quota.seconds * 1_000_000
    return Outcome(
        scene=scene,
        arrivals=arrivals,
        began=load.began,
        ended=load.ended,
        refused=sum(arrival.status == 429 for arrival in arrivals),
        errors=sum(call.status not in (None, 200) for call in load.calls),
        windows=windows(arrivals, scene.quota),
        simulator_fullest=fullest,
        use=use(arrivals, scene.quota, load.ended),
        waits=_waits(scene, load, slots, lag) if contended else {},
        obeyed=order.obeyed(load.calls, slots, lag, begin) if contended else (0, 0),
        first_come=order.obeyed(load.calls, order.first_come(load.calls, slots, lag), lag, begin) if contended else (0, 0),
        shares=_shares(scene, load, at),
        expected=_expected(scene, load, at),
        spent=spent,
        slots=len(arrivals),
        queued=[call.queued for call in load.calls if call.queued is not None],
        reached=[(at[call.id] - call.sent) / 1e3 for call in load.calls if call.id in at],
        left=sum(call.left and call.id not in at for call in load.calls),
    )


def quantile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


def _waits(scene: Scene, load: Load, slots: list[tuple[int, str]], lag: int) -> dict[str, Waits]:
    """Of calls that were sent when the first window was over. Clients that do the same are taken together.

    The order rule begins anew from what really happened with each window. Left to itself it would drift away: callers in
    closed loops come when they really were answered, not when the rule would have had them answered.
    """
    at = {call: time for time, call in slots}
    window = scene.quota.seconds * 1_000_000
    real, due = defaultdict(list), defaultdict(list)
    for begin in range(load.began + window, load.ended, window):
        ideal = order.replay(load.calls, slots, lag, begin)
        for call in load.calls:
            if begin <= call.sent < begin + window and call.id in at and call.id in ideal:
                real[call.client.group].append((at[call.id] - call.sent) / 1e6)
                due[call.client.group].append((ideal[call.id] - call.sent) / 1e6)
    waits = {}
    for client in scene.clients:
        mine, its = real[client.group], due[client.group]
        if mine and client.group not in waits:
            others = sum(other.units for other in scene.clients if other is not client)
            waits[client.group] = Waits(
                len(mine), fmean(mine), quantile(mine, 0.99), max(mine), fmean(its), max(its), others * scene.quota.slot
            )
    return waits


def _always_waits(client: Client) -> bool:
    return not client.share and not client.pause and not client.patience


def _shares(scene: Scene, load: Load, at: dict[str, int]) -> dict[str, Share]:
    if not all(_always_waits(client) and client.rank == 3 for client in scene.clients) or len(scene.clients) < 2:
        return {}
    begin = min(at.values()) + scene.quota.seconds * 1_000_000
    units: dict[str, int] = defaultdict(int)
    for call in load.calls:
        if begin <= at.get(call.id, 0) < load.ended:
            units[call.client.name] += call.client.units
    every, weights = sum(units.values()), sum(client.weight for client in scene.clients)
    return {
        client.name: Share(units[client.name], units[client.name] / every, client.weight / weights) for client in scene.clients
    }


def _expected(scene: Scene, load: Load, at: dict[str, int]) -> list[tuple[float, float]]:
    """Of those that entered in the third window or later: until then the load was not steady. What is told is cut to tenths
    of a second, so half of one is added."""
    begin = load.began + 2 * scene.quota.seconds * 1_000_000
    return [
        (call.expected + 0.05, (at[call.id] - call.sent) / 1e6)
        for call in load.calls
        if call.expected is not None and call.id in at and call.sent >= begin
    ]
