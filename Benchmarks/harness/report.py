"""Tables for people, JSON for programs."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .cases import GATEWAY, Case
from .measure import Sample, Series

MIB = 1024 * 1024


@dataclass(frozen=True)
class Verdict:
    """One target and what was measured. Smaller is better."""

    what: str
    limit: float
    measured: float
    unit: str

    @property
    def passed(self) -> bool:
        return self.measured <= self.limit

    def line(self) -> str:
        word = "pass" if self.passed else "FAIL"
        return f"  {word}  {self.what}: {self.measured:.3g}{self.unit}, target ≤ {self.limit:g}{self.unit}"


def verdicts(case: Case, connections: int, series: list[Series]) -> list[Verdict]:
    """The case's targets against the measured CPU time a request."""
    by_name = {one.peer: one for one in series}
    if GATEWAY not in by_name:
        return []
    return [
        Verdict(
            f"{case.key}, {connections} connections: gateway ÷ {target.peer}, CPU a request",
            target.ratio,
            by_name[GATEWAY].ratio(by_name[target.peer], lambda sample: sample.cpu_micros),
            " ×",
        )
        for target in case.targets
        if target.peer in by_name
    ]


def table(rows: list[list[str]]) -> str:
    """Columns aligned: the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths)))
        for row in rows
    )


def _with_ratio(one: Series, base: Series, of, digits: int) -> str:
    value = one.median(of)
    return f"{value:,.{digits}f} ({one.ratio(base, of):.2f} ×)"


def case_table(case: Case, connections: int, series: list[Series]) -> str:
    """Medians over the rounds; in brackets the median of each round's ratio to the first peer."""
    base = series[0]
    head = ["", "CPU µs/request", "requests/s", "p50 ms", "p99 ms", "RSS MiB"]
    if case.needs_redis:
        head.append("Redis CPU µs/request")
    rows = [head]
    for one in series:
        row = [
            one.peer,
            _with_ratio(one, base, lambda sample: sample.cpu_micros, 1),
            _with_ratio(one, base, lambda sample: sample.requests_per_second, 0),
            _with_ratio(one, base, lambda sample: sample.p50_millis, 2),
            _with_ratio(one, base, lambda sample: sample.p99_millis, 2),
            _with_ratio(one, base, lambda sample: sample.rss / MIB, 1),
        ]
        if case.needs_redis:
            row.append(f"{one.median(lambda sample: sample.redis_cpu_micros):.1f}")
        rows.append(row)
    return f"{case.title} · {connections} connections · medians of {len(base.samples)} rounds, × = of {base.peer}\n{table(rows)}"


def case_json(case: Case, connections: int, series: list[Series]) -> dict:
    """Every sample of every round, so that anybody can work out other figures."""
    return {
        "case": case.key,
        "title": case.title,
        "connections": connections,
        "base": series[0].peer,
        "peers": [
            {
                "name": one.peer,
                "idle_rss": one.idle_rss,
                "cpu_ratio": one.ratio(series[0], lambda sample: sample.cpu_micros),
                "median": {
                    field: one.median(lambda sample: getattr(sample, field)) for field in Sample.__dataclass_fields__
                },
                "rounds": [asdict(sample) for sample in one.samples],
            }
            for one in series
        ],
        "verdicts": [verdict_json(verdict) for verdict in verdicts(case, connections, series)],
    }


def verdict_json(verdict: Verdict) -> dict:
    return {**asdict(verdict), "unit": verdict.unit.strip(), "passed": verdict.passed}


def machine() -> dict:
    """What the figures were measured on."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": model.group(1) if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
    }


def versions(gateway: Path) -> dict:
    """What the servers call themselves."""

    def first_line(*command: str) -> str:
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return "not there"
        return ((told.stdout or told.stderr).strip().splitlines() or ["?"])[0]

    return {
        "gateway": first_line(str(gateway), "--version"),
        "nginx": first_line("/usr/sbin/nginx", "-v"),
        "haproxy": first_line("/usr/sbin/haproxy", "-v"),
        "redis": first_line("/usr/bin/redis-server", "--version"),
        "wrk": first_line("wrk", "-v"),
    }


def write_json(target: str, document: dict) -> None:
    """To a file, or to stdout for "-"."""
    text = json.dumps(document, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text)
