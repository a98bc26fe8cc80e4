"""Where things lie."""

from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
REPOSITORY = BENCHMARKS.parent
PEERS = BENCHMARKS / "peers"
LOAD = BENCHMARKS / "load"
# Kept between runs: virtual environments. Below it, one folder a run: rendered configurations and logs.
STATE = REPOSITORY / ".build" / "bench"
DEFAULT_GATEWAY = REPOSITORY / ".build" / "release" / "gateway"
