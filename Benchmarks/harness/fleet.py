"""Starts servers pinned to a core, waits until they answer, and stops every one of them by its process id."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class DidNotStart(Exception):
    """A server ended, or did not listen in time; the text holds the end of its log."""


@dataclass
class Server:
    """A running process with all its children."""

    name: str
    process: subprocess.Popen
    port: int
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid


class Fleet:
    """Every process that a run starts. Leaving the `with` block stops them all, the last started first."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._servers: list[Server] = []

    def __enter__(self) -> "Fleet":
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for server in reversed(self._servers):
            self._signal(server, signal.SIGTERM)
        deadline = time.monotonic() + 5
        for server in reversed(self._servers):
            self._reap(server, deadline)
        self._servers.clear()

    def start(
        self,
        name: str,
        command: list[str],
        *,
        core: int,
        port: int,
        environment: dict[str, str] | None = None,
        ready_within: float = 20,
    ) -> Server:
        """Starts `command` on one core and returns when it listens on `port`."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as sink:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=lambda: _prepare(core),
            )
        server = Server(name, process, port, log)
        self._servers.append(server)
        deadline = time.monotonic() + ready_within
        while True:
            if process.poll() is not None:
                raise DidNotStart(f"{name} ended with {process.returncode}:\n{_tail(log)}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return server
            except OSError:
                if time.monotonic() > deadline:
                    raise DidNotStart(f"{name} does not listen after {ready_within:.0f} s:\n{_tail(log)}") from None
                time.sleep(0.05)

    def stop(self, server: Server) -> None:
        """Stops one server and waits for its end."""
        self._signal(server, signal.SIGTERM)
        self._reap(server, time.monotonic() + 5)
        self._servers.remove(server)

    def _signal(self, server: Server, number: signal.Signals) -> None:
        # Each server leads a session of its own, so its group is it and its children, and nobody else.
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            return

    def _reap(self, server: Server, deadline: float) -> None:
        try:
            server.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._signal(server, signal.SIGKILL)
            server.process.wait()
            return
        # Children that outlive their parent.
        self._signal(server, signal.SIGKILL)


def _prepare(core: int) -> None:
    os.sched_setaffinity(0, {core})
    # The kernel ends the server if the benchmark itself is killed.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
