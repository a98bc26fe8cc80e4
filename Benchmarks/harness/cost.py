"""CPU time and memory of a process and its children, from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """The process and its living descendants."""
    members, at = [pid], 0
    while at < len(members):
        parent = members[at]
        at += 1
        for task in Path(f"/proc/{parent}/task").glob("*"):
            try:
                members += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue
    return members


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads, living and ended, of the process and its descendants.

    Fields 14 to 17 of /proc/PID/stat: utime and stime, and those of children that were waited for (proc(5)). The kernel
    scales their sum to the scheduler's exact run time, so the error is one tick (10 ms) a process, not one a sample.
    """
    ticks = 0
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS_PER_SECOND


@dataclass(frozen=True)
class Memory:
    """Bytes in RAM: `rss` counts a page once for each process that maps it, `pss` shares it out among them."""

    rss: int
    pss: int


def memory(pid: int) -> Memory:
    """The sum over the process and its descendants."""
    rss = pss = 0
    for member in family(pid):
        try:
            rss += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * _PAGE
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    pss += int(line.split()[1]) * 1024
        except OSError:
            continue
    return Memory(rss, pss)
