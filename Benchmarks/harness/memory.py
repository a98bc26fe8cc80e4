"""Memory of an idle server and of one that carries open streams."""

import asyncio
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from . import cost, peers
from .cases import GATEWAY, GENERATE, Start
from .fleet import Fleet, Server, free_port
from .load import Request
from .paths import LOAD
from .report import MIB, Verdict, table, verdict_json
from .streams import OpenStreams, TooFewStreams

KEY = "memory"
NEEDS = {"nginx", "haproxy", "envoy"}
IDLE_LIMIT_MIB = 40
STREAMS_LIMIT_MIB = 40
_STREAM = Request(
    "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", GENERATE.body, GENERATE.headers
)
_PEERS: tuple[tuple[str, Start], ...] = (
    ("nginx", partial(peers.start_nginx, source="nginx/pass.conf")),
    (GATEWAY, partial(peers.start_gateway, source="gateway/pass.conf")),
    ("haproxy", partial(peers.start_haproxy, source="haproxy/pass.cfg")),
    ("envoy", partial(peers.start_envoy, source="envoy/pass.yaml")),
)


@dataclass(frozen=True)
class Footprint:
    """Bytes. `streaming` holds while `streams` streams are open and have had events; `after` once they are closed."""

    peer: str
    streams: int
    idle: cost.Memory
    streaming: cost.Memory
    after: cost.Memory

    @property
    def added(self) -> int:
        return self.streaming.rss - self.idle.rss


def streams(is_quick: bool) -> int:
    return 200 if is_quick else 1000


def measure(fleet: Fleet, gateway: Path, server_core: int, load_core: int, count: int, tell) -> list[Footprint]:
    """One peer after the other, each with the same upstream."""
    upstream = free_port()
    command = [sys.executable, str(LOAD / "sse_upstream.py"), str(upstream)]
    fleet.start("sse-upstream", command, core=load_core, port=upstream)
    values = {
        **peers.nginx_values(),
        "UPSTREAM": upstream,
        "UPSTREAM_URL": f"http://127.0.0.1:{upstream}",
        "UPSTREAM_CA": "",
    }
    around = peers.Surroundings(fleet, server_core, values, gateway, {})
    footprints = []
    for name, start in _PEERS:
        tell(f"memory: {name}, {count} streams")
        server = start(around, f"memory-{name}")
        try:
            footprints.append(asyncio.run(_footprint(name, server, count)))
        except TooFewStreams as problem:
            raise TooFewStreams(f"{name}: {problem}") from None
        fleet.stop(server)
    return footprints


async def _footprint(name: str, server: Server, count: int) -> Footprint:
    time.sleep(2)
    idle = cost.memory(server.pid)
    opened = OpenStreams(server.port, _STREAM)
    try:
        await opened.open(count)
        await opened.wait_for_events(3, within=60)
        streaming = cost.memory(server.pid)
    finally:
        await opened.close()
    await asyncio.sleep(2)
    return Footprint(name, count, idle, streaming, cost.memory(server.pid))


def verdicts(footprints: list[Footprint]) -> list[Verdict]:
    """The gateway's targets. That for streams is stated for 1,000; fewer are held to their part of it."""
    own = next(one for one in footprints if one.peer == GATEWAY)
    part = own.streams / 1000
    return [
        Verdict("memory: gateway idle, RSS", IDLE_LIMIT_MIB, own.idle.rss / MIB, " MiB"),
        Verdict(f"memory: gateway, {own.streams} open streams add", STREAMS_LIMIT_MIB * part, own.added / MIB, " MiB"),
    ]


def as_table(footprints: list[Footprint]) -> str:
    head = ["", "idle RSS MiB", "idle PSS MiB", "streams add MiB", "KiB a stream", "after RSS MiB"]
    rows = [head] + [
        [
            one.peer,
            f"{one.idle.rss / MIB:.1f}",
            f"{one.idle.pss / MIB:.1f}",
            f"{one.added / MIB:.1f}",
            f"{one.added / 1024 / one.streams:.1f}",
            f"{one.after.rss / MIB:.1f}",
        ]
        for one in footprints
    ]
    lines = [f"memory · {footprints[0].streams} open event streams, an event a second on each", table(rows)]
    return "\n".join(lines + [verdict.line() for verdict in verdicts(footprints)])


def as_json(footprints: list[Footprint]) -> dict:
    return {
        "case": KEY,
        "footprints": [asdict(one) for one in footprints],
        "verdicts": [verdict_json(verdict) for verdict in verdicts(footprints)],
    }
