"""Quotas, and what a strict upstream makes of a list of arrivals."""

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """So many requests in any half-open window [t, t + seconds)."""

    requests: int
    seconds: int

    @property
    def name(self) -> str:
        return f"{self.requests}/{ {1: 's', 60: 'min'}.get(self.seconds, f'{self.seconds} s') }"

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def slot(self) -> float:
        """Seconds between two slots, evenly spaced."""
        return self.seconds / self.requests

    @property
    def least_use(self) -> float:
        """The part of the quota that has to be used where somebody always waits."""
        return 0.99 if self.seconds >= 60 else 0.98 if self.seconds >= 5 else 0.95


@dataclass(frozen=True)
class Arrival:
    """A request at the upstream. Times in microseconds of the machine's monotonic clock."""

    at: int
    units: int
    status: int | None
    call: str


@dataclass(frozen=True)
class Windows:
    """What the windows held."""

    # The most units in any window.
    fullest: int
    # Arrivals with which a window held more than the quota.
    over: int


def windows(arrivals: list[Arrival], quota: Quota) -> Windows:
    """Looks at every window: the fullest ones end with an arrival, and hold what came less than a window before it."""
    arrivals = sorted(arrivals, key=lambda one: one.at)
    length = quota.seconds * 1_000_000
    first = held = fullest = over = 0
    for arrival in arrivals:
        held += arrival.units
        while arrival.at - arrivals[first].at >= length:
            held -= arrivals[first].units
            first += 1
        fullest = max(fullest, held)
        over += held > quota.requests
    return Windows(fullest, over)


@dataclass(frozen=True)
class Use:
    """Units that came from one window after the first arrival until `end`, as a part of what the quota allows."""

    units: int
    seconds: float
    part: float


def use(arrivals: list[Arrival], quota: Quota, end: int) -> Use:
    """- Parameter end: the last moment at which anybody waits."""
    times = sorted((one.at, one.units) for one in arrivals)
    begin = times[0][0] + quota.seconds * 1_000_000
    first, last = bisect_left(times, (begin, 0)), bisect_left(times, (end, 0))
    units = sum(units for _, units in times[first:last])
    seconds = (end - begin) / 1e6
    return Use(units, seconds, units / (quota.rate * seconds) if seconds > 0 else 0.0)
