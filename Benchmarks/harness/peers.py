"""How each peer is started. What it does stands in its configuration below peers/."""

import os
from dataclasses import dataclass
from pathlib import Path

from .fleet import Fleet, Server, free_port
from .install import python_of
from .paths import PEERS
from .templates import render


@dataclass(frozen=True)
class Surroundings:
    """What the peers of a case share: where to lie, which core to run on, and what their configurations name."""

    fleet: Fleet
    core: int
    values: dict[str, object]
    gateway: Path
    gateway_environment: dict[str, str]

    @property
    def folder(self) -> Path:
        return self.fleet.folder


def _configuration(around: Surroundings, source: str, name: str, port: int) -> Path:
    values = {**around.values, "PORT": port, "NAME": name}
    return render(source, around.folder / f"{name}{Path(source).suffix}", values)


def nginx_values() -> dict[str, object]:
    """What every nginx configuration names. A worker of root's nginx would become a user that cannot read the run's files."""
    return {"USER": "user root;" if os.geteuid() == 0 else "", "MODULES": "/usr/lib/nginx/modules", "PEERS": PEERS}


def start_nginx(around: Surroundings, name: str, source: str) -> Server:
    port = free_port()
    configuration = _configuration(around, source, name, port)
    command = ["/usr/sbin/nginx", "-p", f"{around.folder}/", "-c", str(configuration), "-e", "stderr"]
    return around.fleet.start(name, command, core=around.core, port=port)


def start_haproxy(around: Surroundings, name: str, source: str) -> Server:
    port = free_port()
    configuration = _configuration(around, source, name, port)
    return around.fleet.start(name, ["/usr/sbin/haproxy", "-db", "-f", str(configuration)], core=around.core, port=port)


def start_envoy(around: Surroundings, name: str, source: str) -> Server:
    port = free_port()
    configuration = _configuration(around, source, name, port)
    binary = python_of("envoy").parent / "envoy"
    command = [str(binary), "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id", "-c", str(configuration)]
    return around.fleet.start(name, command, core=around.core, port=port)


def start_fastapi(around: Surroundings, name: str, source: str) -> Server:
    port = free_port()
    environment = {
        "UPSTREAM": str(around.values["UPSTREAM_URL"]),
        "UPSTREAM_CA": str(around.values["UPSTREAM_CA"]),
        "REDIS": f"redis://127.0.0.1:{around.values['REDIS']}/0" if "REDIS" in around.values else "",
        "RATE": str(around.values.get("SLOWAPI_RATE", "")),
    }
    command = [
        str(python_of("fastapi")), "-m", "uvicorn", "--app-dir", str(PEERS / "fastapi"), source, "--host", "127.0.0.1",
        "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error",
    ]  # fmt: skip
    return around.fleet.start(name, command, core=around.core, port=port, environment=environment)


def start_litellm(around: Surroundings, name: str, source: str) -> Server:
    port = free_port()
    configuration = _configuration(around, source, name, port)
    environment = {
        "GEMINI_API_BASE": str(around.values["UPSTREAM_URL"]),
        "GEMINI_API_KEY": "upstream-key",
        "LITELLM_MASTER_KEY": "caller-key",
        "LITELLM_LOG": "ERROR",
        # Its price list, from its own package: a benchmark asks nobody outside this machine.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    binary = python_of("litellm").parent / "litellm"
    command = [str(binary), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return around.fleet.start(name, command, core=around.core, port=port, environment=environment, ready_within=120)


def start_gateway(around: Surroundings, name: str, source: str) -> Server:
    port = free_port()
    configuration = _configuration(around, source, name, port)
    command = [str(around.gateway), "--config", str(configuration)]
    return around.fleet.start(
        name, command, core=around.core, port=port, environment=around.gateway_environment
    )
