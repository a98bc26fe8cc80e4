"""Runs the peers of a case in turns and keeps what each run cost."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from . import cost, load
from .cases import Case, Peer
from .fleet import Server


@dataclass(frozen=True)
class Sample:
    """One run of one peer."""

    cpu_micros: float
    redis_cpu_micros: float
    requests_per_second: float
    p50_millis: float
    p99_millis: float
    rss: int


@dataclass
class Series:
    """All runs of one peer under one number of connections, in the order of the rounds."""

    peer: str
    idle_rss: int
    samples: list[Sample]

    def median(self, of: Callable[[Sample], float]) -> float:
        return median(of(sample) for sample in self.samples)

    def ratio(self, base: "Series", of: Callable[[Sample], float]) -> float:
        """The median of the rounds' ratios: both runs of a round saw the same machine, runs of other rounds did not."""
        return median(of(mine) / of(theirs) for mine, theirs in zip(self.samples, base.samples))


class WrongAnswer(Exception):
    """A peer does not do the case's work; its figures would mean nothing."""


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    warm_up: float
    connections: tuple[int, ...]

    def length(self, peer: Peer, seconds: float) -> float:
        return seconds * 3 if peer.is_slow else seconds


def request_of(case: Case, peer: Peer) -> load.Request:
    return load.Request(peer.path_prefix + case.request.path, case.request.body, case.request.headers)


def settle(case: Case, peer: Peer, server: Server) -> None:
    """Asks until the answer is what the case is about: the first may be a miss, or let through.

    - Throws: `WrongAnswer` if ten answers are not.
    """
    check = peer.check or case.check
    for _ in range(10):
        answer = load.ask(server.port, request_of(case, peer))
        if check(answer):
            return
        time.sleep(0.1)
    raise WrongAnswer(f"{peer.name}, {case.title}: {answer.status} {answer.headers} {answer.body[:300]!r}")


def measure(
    case: Case,
    running: list[tuple[Peer, Server]],
    *,
    connections: int,
    effort: Effort,
    load_core: int,
    redis: Server | None,
    tell: Callable[[str], None],
) -> list[Series]:
    """All rounds of a case under so many connections: A B C, A B C, …"""
    series = [Series(peer.name, cost.memory(server.pid).rss, []) for peer, server in running]
    for peer, server in running:
        tell(f"{case.key}, {connections} connections: warming up {peer.name}")
        settle(case, peer, server)
        load.run(
            server.port,
            request_of(case, peer),
            connections=connections,
            seconds=effort.length(peer, effort.warm_up),
            core=load_core,
        )
    for round_number in range(effort.rounds):
        for (peer, server), kept in zip(running, series):
            tell(f"{case.key}, {connections} connections, round {round_number + 1} of {effort.rounds}: {peer.name}")
            settle(case, peer, server)
            kept.samples.append(_sample(case, peer, server, connections, effort.length(peer, effort.seconds), load_core, redis))
    return series


def _sample(
    case: Case, peer: Peer, server: Server, connections: int, seconds: float, load_core: int, redis: Server | None
) -> Sample:
    before = cost.cpu_seconds(server.pid)
    redis_before = cost.cpu_seconds(redis.pid) if redis else 0
    seen = load.run(server.port, request_of(case, peer), connections=connections, seconds=seconds, core=load_core)
    spent = cost.cpu_seconds(server.pid) - before
    redis_spent = (cost.cpu_seconds(redis.pid) - redis_before) if redis else 0
    _refuse_mixed_answers(case, peer, seen)
    return Sample(
        cpu_micros=spent / seen.requests * 1e6,
        redis_cpu_micros=redis_spent / seen.requests * 1e6,
        requests_per_second=seen.requests / seen.seconds,
        p50_millis=seen.p50 * 1e3,
        p99_millis=seen.p99 * 1e3,
        rss=cost.memory(server.pid).rss,
    )


def _refuse_mixed_answers(case: Case, peer: Peer, seen: load.LoadResult) -> None:
    """A case's answers are all of one kind: all 2xx, or all refused. One in a thousand may be otherwise."""
    wrong = seen.requests - seen.not_2xx if case.is_refusal else seen.not_2xx
    if wrong + seen.socket_errors > seen.requests / 1000:
        raise WrongAnswer(
            f"{peer.name}, {case.title}: {wrong} of {seen.requests} answers of the wrong kind, {seen.socket_errors} broken off"
        )
