"""Load by wrk: one thread, so many connections, each sending its next request when the answer to the last is in."""

import http.client
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .paths import LOAD


@dataclass(frozen=True)
class Request:
    """What every call of a case sends."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadResult:
    """What wrk saw. Latencies in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    not_2xx: int
    socket_errors: int


class LoadFailed(Exception):
    """wrk could not run, or got no answers."""


def run(port: int, request: Request, *, connections: int, seconds: float, core: int) -> LoadResult:
    """Loads 127.0.0.1:`port` for `seconds` from a wrk pinned to `core`."""
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(request.body)
        environment = {
            **os.environ,
            "BENCH_BODY": str(body),
            "BENCH_HEADERS": "\n".join(f"{name}: {value}" for name, value in request.headers.items()),
        }
        command = [
            "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s",
            "--timeout", "30s", "--latency", "--script", str(LOAD / "request.lua"), f"http://127.0.0.1:{port}{request.path}",
        ]  # fmt: skip
        finished = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            timeout=seconds + 40,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    told = [line for line in finished.stdout.splitlines() if line.startswith("RESULT ")]
    if finished.returncode != 0 or not told:
        raise LoadFailed(f"wrk: {finished.stdout}{finished.stderr}")
    figures = json.loads(told[0].removeprefix("RESULT "))
    if figures["requests"] == 0:
        raise LoadFailed("wrk got no answer")
    return LoadResult(
        requests=figures["requests"],
        seconds=figures["duration_us"] / 1e6,
        p50=figures["p50_us"] / 1e6,
        p99=figures["p99_us"] / 1e6,
        not_2xx=figures["status_errors"],
        socket_errors=figures["socket_errors"],
    )


@dataclass(frozen=True)
class Answer:
    """One answer, looked at closely: load alone would not show that a peer answers the wrong thing quickly."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, request: Request, timeout: float = 30) -> Answer:
    """Sends one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", request.path, request.body, request.headers)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    finally:
        connection.close()
