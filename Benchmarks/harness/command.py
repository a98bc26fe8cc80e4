"""What every benchmark's command has in common: flags, signals, exit codes, a folder of its own."""

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from .counted import UnexpectedAnswer
from .fleet import DidNotStart, Fleet
from .install import CannotInstall
from .load import LoadFailed
from .measure import WrongAnswer
from .paths import DEFAULT_GATEWAY, REPOSITORY, STATE
from .streams import TooFewStreams

_FAILURES = (DidNotStart, LoadFailed, TooFewStreams, UnexpectedAnswer, WrongAnswer)


def parser(description: str) -> argparse.ArgumentParser:
    """The flags of every benchmark."""
    arguments = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    arguments.add_argument(
        "--gateway", type=Path, default=DEFAULT_GATEWAY, metavar="PATH", help="the gateway's release binary (%(default)s)"
    )
    arguments.add_argument("--quick", action="store_true", help="fewer and shorter runs: shows that all works, and a trend")
    arguments.add_argument("--json", metavar="FILE", help='write the figures as JSON too; "-" for stdout, without tables')
    arguments.add_argument(
        "--no-install", action="store_true", help="install nothing: fail where a program is missing (no network is used)"
    )
    return arguments


def add_core_flags(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--server-core", type=int, default=0, metavar="N", help="the core of the measured (%(default)s)")
    arguments.add_argument(
        "--load-core", type=int, default=1, metavar="N", help="the core of load, upstream and Redis (%(default)s)"
    )


def run(main: Callable[[], int]) -> None:
    """Runs a benchmark. Exit code 0: all targets met; 1: some not; 64 … 78 as in sysexits.h; 130: interrupted."""
    # A shell starts what runs in its background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    try:
        code = main()
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        code = 130
    except CannotInstall as problem:
        print(problem, file=sys.stderr)
        code = 69
    except _FAILURES as problem:
        print(problem, file=sys.stderr)
        code = 70
    sys.exit(code)


def check_gateway(gateway: Path) -> Path:
    """The binary's full path.

    - Throws: `CannotInstall` if it is not there: a benchmark does not build, as that takes minutes of both cores.
    """
    return check_binary(gateway, "gateway")


def check_binary(binary: Path, product: str) -> Path:
    """The same for any of the package's products."""
    if not os.access(binary, os.X_OK):
        raise CannotInstall(f"{binary} is not there. Build it with\n    swift build -c release --product {product}")
    return binary.resolve()


def check_cores(*cores: int) -> None:
    """- Throws: `CannotInstall` if this machine lacks one."""
    usable = os.sched_getaffinity(0)
    for core in cores:
        if core not in usable:
            raise CannotInstall(f"core {core} cannot be used here; there are {sorted(usable)}")


@contextmanager
def fleet_in_own_folder():
    """A fleet with a fresh folder. It goes with the run, unless the run fails: then the logs stay and are named."""
    STATE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=STATE))
    try:
        with Fleet(folder) as fleet:
            yield fleet
    except _FAILURES:
        print(f"logs: {folder.relative_to(REPOSITORY)}", file=sys.stderr)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def teller(is_quiet: bool) -> Callable[[str], None]:
    """Tells what goes on, on one line of a terminal; not at all where nobody looks."""
    if is_quiet or not sys.stderr.isatty():
        return lambda text: None
    return lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
