"""The servers behind the peers: the upstream, a certificate for it, and Redis where a case needs it."""

import json
import socket
import subprocess
from pathlib import Path

from . import peers
from .fleet import Fleet, Server, free_port
from .templates import render

NEEDS = {"nginx-lua", "nginx-lua-module", "openssl", "redis"}
ANSWER_BYTES = 1300


def answer() -> str:
    """A generateContent answer of 1.3 KB, in a form that nginx takes between single quotes."""
    document = {
        "candidates": [
            {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0, "avgLogprobs": -0.21}
        ],
        "usageMetadata": {"promptTokenCount": 118, "candidatesTokenCount": 214, "totalTokenCount": 332},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "mWk3aKrXJ5mz7M8P2dGh4Ao",
    }
    sentence = "The group agreed to ship on Thursday and to measure first. "
    room = ANSWER_BYTES - len(json.dumps(document))
    document["candidates"][0]["content"]["parts"][0]["text"] = (sentence * 40)[:room]
    return json.dumps(document)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A fresh certificate (ECDSA P-256) for localhost and 127.0.0.1, and its key."""
    certificate, key = folder / "upstream.pem", folder / "upstream.key"
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class Stage:
    """Upstream and Redis on the load's core."""

    def __init__(self, fleet: Fleet, core: int):
        certificate, key = make_certificate(fleet.folder)
        self._ports = {"plain": free_port(), "tls": free_port(), "tls-h2": free_port()}
        self.certificate = certificate
        self._fleet = fleet
        self._core = core
        values = {
            **peers.nginx_values(),
            "UPSTREAM": self._ports["plain"],
            "UPSTREAM_TLS": self._ports["tls"],
            "UPSTREAM_H2": self._ports["tls-h2"],
            "CERTIFICATE": certificate,
            "CERTIFICATE_KEY": key,
            "ANSWER": answer(),
        }
        configuration = render("upstream/nginx.conf", fleet.folder / "upstream.conf", values)
        command = ["/usr/sbin/nginx", "-p", f"{fleet.folder}/", "-c", str(configuration), "-e", "stderr"]
        self.upstream = fleet.start("upstream", command, core=core, port=self._ports["plain"])

    def start_redis(self) -> Server:
        return start_redis(self._fleet, self._core)

    def values(self, upstream: str) -> dict[str, object]:
        """What the configurations of a case with this upstream name."""
        port = self._ports[upstream]
        is_plain = upstream == "plain"
        return {
            **peers.nginx_values(),
            "UPSTREAM": port,
            "TLS_PORT": port,
            "UPSTREAM_URL": f"http://127.0.0.1:{port}" if is_plain else f"https://localhost:{port}",
            "UPSTREAM_CA": "" if is_plain else self.certificate,
            "CERTIFICATE": self.certificate,
        }


def start_redis(fleet: Fleet, core: int, name: str = "redis") -> Server:
    """An empty Redis that keeps nothing on disk."""
    port = free_port()
    command = [
        "/usr/bin/redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
        "--dir", str(fleet.folder),
    ]  # fmt: skip
    server = fleet.start(name, command, core=core, port=port)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        if not connection.recv(16).startswith(b"+PONG"):
            raise RuntimeError("Redis does not answer PING")
    return server
