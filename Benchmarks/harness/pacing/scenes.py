"""Who calls in each case."""

from collections.abc import Callable
from dataclasses import dataclass

from .callers import Client
from .quota import Quota

FIVE_SECONDS = Quota(60, 5)
MINUTE = Quota(360, 60)
SECOND = Quota(200, 1)
QUOTAS = {quota.name: quota for quota in (FIVE_SECONDS, MINUTE, SECOND)}


@dataclass(frozen=True)
class Scene:
    """One run."""

    key: str
    title: str
    clients: tuple[Client, ...]
    quota: Quota
    replicas: int
    seconds: float
    heartbeat: str = "0s"

    @property
    def label(self) -> str:
        return f"{self.key}, {self.quota.name}, {self.replicas} replicas"


def _mixed() -> tuple[Client, ...]:
    """A crowd: one that asks for all it can get, a team with about twice the weight, three that call now and then, an urgent
    one, one that can wait, and one that hangs up early.

    The weights have no small common multiple: with plain ones tags are often equal, and which of two equals goes first is
    nobody's right, so that the order rule alone would not tell each one's wait.
    """
    return (
        Client("heavy", callers=30, weight=100),
        Client("team", callers=16, weight=213),
        *(Client(f"light-{number}", callers=1, weight=100 + number, pause=12) for number in (1, 2, 3)),
        Client("urgent", priority=1, share=0.1),
        Client("patient", callers=3, urgency=6),
        Client("leaver", callers=4, weight=97, patience=(2, 25)),
    )


def _apart() -> tuple[Client, ...]:
    """Each client on a replica of its own: shares must hold although no replica sees more than one client."""
    return (
        Client("one", callers=6, items=1, replica=0),
        Client("ten", callers=30, items=1, weight=10, replica=1),
        Client("bulky", callers=2, items=5, replica=2),
    )


def _steady() -> tuple[Client, ...]:
    """Closed loops that never pause: nobody joins, nobody leaves."""
    return (
        Client("heavy", callers=18, streams=True),
        Client("team", callers=12, weight=2, streams=True),
        Client("light", callers=2, streams=True),
        Client("urgent", callers=1, priority=1, pause=24, streams=True),
    )


def _lone() -> tuple[Client, ...]:
    """One caller that needs less than the quota gives."""
    return (Client("lone", callers=1, pause=3),)


@dataclass(frozen=True)
class _Kind:
    title: str
    clients: Callable[[], tuple[Client, ...]]
    heartbeat: str = "0s"


KINDS = {
    "mixed": _Kind("a crowd: heavy, weighted, light, urgent, patient and leaving clients, over all replicas", _mixed),
    "apart": _Kind("each client on a replica of its own, weights 1 : 10 : 1, the third in batches of 5", _apart),
    "steady": _Kind("steady backlog of streams, which are told the expected wait", _steady, heartbeat="100ms"),
    "lone": _Kind("one caller on an idle quota", _lone),
}


def _scene(key: str, quota: Quota, replicas: int, seconds: float) -> Scene:
    kind = KINDS[key]
    return Scene(key, kind.title, kind.clients(), quota, replicas, seconds, kind.heartbeat)


def scenes(is_quick: bool) -> tuple[Scene, ...]:
    """All runs, in the order of the report. The lone one first: it shows how long a call takes that need not wait."""
    lone = [_scene("lone", FIVE_SECONDS, 3, 10), _scene("lone", SECOND, 3, 5)]
    if is_quick:
        return (
            lone[0],
            _scene("mixed", FIVE_SECONDS, 3, 22),
            _scene("apart", FIVE_SECONDS, 3, 22),
            _scene("steady", FIVE_SECONDS, 3, 22),
        )
    return (
        *lone,
        _scene("mixed", FIVE_SECONDS, 3, 40),
        _scene("mixed", FIVE_SECONDS, 6, 40),
        _scene("mixed", SECOND, 3, 12),
        _scene("mixed", SECOND, 6, 12),
        _scene("mixed", MINUTE, 3, 250),
        _scene("apart", FIVE_SECONDS, 3, 60),
        _scene("apart", SECOND, 3, 12),
        _scene("steady", FIVE_SECONDS, 3, 30),
    )


def peer_runs(is_quick: bool) -> tuple[tuple[Quota, float], ...]:
    """On which quotas, and for how long, other ways are compared: whole windows, as some send all of one at its beginning."""
    return ((FIVE_SECONDS, 20),) if is_quick else ((FIVE_SECONDS, 40), (MINUTE, 120))
