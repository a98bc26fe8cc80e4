"""Counts a server's instructions with valgrind's callgrind: user space only, untouched by what else the machine does."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .fleet import Fleet, Server
from .install import CannotInstall

_TOTAL = re.compile(r"^(?:summary|totals):\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """How to start a server under callgrind."""

    name: str
    command: list[str]
    port: int


def without_debug_information(binary: Path, folder: Path) -> Path:
    """A copy that keeps its symbols. Valgrind takes minutes over Swift's debug information, or gives up on it."""
    copy = folder / f"{binary.name}-stripped"
    if not copy.exists():
        subprocess.run(["strip", "-g", "-o", str(copy), str(binary)], check=True)
    return copy


def _sigsuspend(folder: Path) -> Path:
    """The library that keeps valgrind from dying in libdispatch's sigsuspend(2), see sigsuspend.c."""
    library = folder / "sigsuspend.so"
    if not library.exists():
        compiler = shutil.which("clang") or shutil.which("cc")
        if compiler is None:
            raise CannotInstall("a C compiler is missing: clang comes with Swift, or install gcc")
        source = Path(__file__).with_name("sigsuspend.c")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def start(fleet: Fleet, program: Program, core: int) -> Server:
    """Starts it; its counts are written when it is stopped."""
    command = [
        "valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={fleet.folder}/{program.name}.callgrind.%p",
        *program.command,
    ]  # fmt: skip
    environment = {"LD_PRELOAD": str(_sigsuspend(fleet.folder))}
    return fleet.start(
        program.name, command, core=core, port=program.port, environment=environment, ready_within=180
    )


def counts(folder: Path, name: str) -> list[Path]:
    """The files of a server and of its children."""
    return sorted(folder.glob(f"{name}.callgrind.*"))


def total(files: list[Path]) -> int:
    """The instructions of all of them."""
    instructions = 0
    for file in files:
        with file.open() as lines:
            found = [match for line in lines if (match := _TOTAL.match(line))]
        instructions += int(found[-1].group(1)) if found else 0
    return instructions


def profile(file: Path, *, inclusive: bool, rows: int) -> list[tuple[int, str]]:
    """The functions with the most instructions, with Swift's names readable."""
    command = ["callgrind_annotate", "--threshold=100", f"--inclusive={'yes' if inclusive else 'no'}", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300).stdout
    functions = []
    for line in told.splitlines():
        found = re.match(r"^\s*([\d,]+)\s+(?:\([\d. ]+%\)\s+)?(\S.*)$", line)
        if found and "PROGRAM TOTALS" not in line:
            functions.append((int(found.group(1).replace(",", "")), found.group(2)))
        if len(functions) == rows:
            break
    return functions


def readable(names: list[str]) -> list[str]:
    """Swift's and C++'s mangled names demangled, where `swift` is there to do it; the object file left out."""
    short = [re.sub(r"\s*\[[^]]*\]$", "", re.sub(r"^\?\?\?:|^[^:]*:(?=\S)", "", name)) for name in names]
    try:
        told = subprocess.run(
            ["swift", "demangle", "--compact", "--simplified"], input="\n".join(short), capture_output=True, text=True
        )
    except OSError:
        return short
    return told.stdout.splitlines() if told.returncode == 0 else short


