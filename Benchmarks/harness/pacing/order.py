"""The order rule alone: who would have had each slot, had the queue known everything at once and lost no time.

Lower urgency first, each waiting urgency at least 5 % of the slots; between clients start-time fair queueing by weight
(Goyal, Vin, Chen 1996) and cost; within a client, order of entry. It is given what was recorded (who entered and left when)
and the slots that occurred, and knows nothing of replicas and Redis.
"""

from collections import deque
from dataclasses import dataclass, field

from .callers import Call

# What an urgency that is passed over gains: at one slot it goes first, so that it has a twentieth of all.
_CREDIT = 0.05 / 0.95
_MOST_CREDIT = 2.0
# Far less than any call's tag grows by.
_LEAST = 1e-6
_LEFT, _ENTERED, _SLOT = range(3)


@dataclass
class _Client:
    weight: int
    entered: deque[Call] = field(default_factory=deque)
    start: float = 0.0
    finish: float = 0.0


@dataclass
class _Urgency:
    clients: dict[str, _Client] = field(default_factory=dict)
    virtual: float = 0.0
    furthest: float = 0.0
    credit: float = 0.0
    waiting: int = 0

    def enter(self, call: Call) -> None:
        client = self.clients.setdefault(call.client.name, _Client(call.client.weight))
        if not client.entered:
            client.start = max(self.virtual, client.finish)
        client.entered.append(call)
        self.waiting += 1

    def leave(self, call: Call) -> None:
        client = self.clients[call.client.name]
        client.entered.remove(call)
        self._part()

    def first(self) -> Call:
        client = min(
            (client for client in self.clients.values() if client.entered),
            key=lambda client: (client.start, client.entered[0].client.name),
        )
        return client.entered[0]

    def follow(self, call: Call) -> None:
        """It was served, so its client's tag was the least, if by a rounding error."""
        if self.first().client is not call.client:
            least = min(client.start for client in self.clients.values() if client.entered)
            self.clients[call.client.name].start = least - _LEAST

    def serve(self, call: Call) -> None:
        client = self.clients[call.client.name]
        client.entered.remove(call)
        self.virtual = max(self.virtual, client.start)
        client.finish = client.start = client.start + call.client.units / client.weight
        self.furthest = max(self.furthest, client.finish)
        self._part()

    def _part(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self.virtual = max(self.virtual, self.furthest)


def replay(calls: list[Call], slots: list[tuple[int, str]], lag: int, begin: int) -> dict[str, int]:
    """When each of the calls would have been served; who is missing was not.

    - Parameters:
      - slots: when the upstream saw an arrival, and the id of the call that had it, in order; microseconds.
      - lag: from a caller's send to the upstream's arrival where nothing waits. Who sent later than that before a slot
        could not have had it.
      - begin: until then it follows what happened, and learns from it how far each client is.
    """
    by_id = {call.id: call for call in calls}
    queue = _Queue()
    served: dict[str, int] = {}
    for time, kind, id in _events(calls, slots, lag):
        if kind == _ENTERED:
            if id not in served:
                queue.enter(by_id[id])
        elif kind == _LEFT:
            queue.leave(by_id[id])
        elif time < begin:
            queue.follow(by_id[id])
            served[id] = time
        elif (first := queue.first()) is not None:
            queue.serve(first)
            served[first.id] = time
    return served


def obeyed(calls: list[Call], slots: list[tuple[int, str]], lag: int, begin: int) -> tuple[int, int]:
    """Of how many slots the client that had it is the one whom the rule names after all that happened before, and how many
    there were. Parameters as for `replay`.

    A slot that went to a call which the rule could not know of yet is left out: it came just before the slot.
    """
    by_id = {call.id: call for call in calls}
    queue = _Queue()
    served: set[str] = set()
    right = count = 0
    for time, kind, id in _events(calls, slots, lag):
        call = by_id[id]
        if kind == _ENTERED:
            if id not in served:
                queue.enter(call)
        elif kind == _LEFT:
            queue.leave(call)
        else:
            if time >= begin and queue.holds(call):
                count += 1
                right += queue.first().client is call.client
            queue.follow(call)
            served.add(id)
    return right, count


def first_come(calls: list[Call], slots: list[tuple[int, str]], lag: int) -> list[tuple[int, str]]:
    """The same slots handed out first come, first served: shows that `obeyed` tells one order from another."""
    by_id = {call.id: call for call in calls}
    waiting: deque[str] = deque()
    handed: list[tuple[int, str]] = []
    for time, kind, id in _events(calls, slots, lag):
        if kind == _ENTERED:
            waiting.append(id)
        elif kind == _SLOT:
            while waiting and (by_id[waiting[0]].leaves or time) < time:
                waiting.popleft()
            if waiting:
                handed.append((time, waiting.popleft()))
    return handed


def _events(calls: list[Call], slots: list[tuple[int, str]], lag: int) -> list[tuple[int, int, str]]:
    events = [(call.sent + lag, _ENTERED, call.id) for call in calls]
    events += [(call.leaves, _LEFT, call.id) for call in calls if call.leaves is not None]
    events += [(time, _SLOT, id) for time, id in slots]
    return sorted(events)


class _Queue:
    def __init__(self):
        self._urgencies: dict[int, _Urgency] = {}
        self._waiting: set[str] = set()

    def enter(self, call: Call) -> None:
        self._urgencies.setdefault(call.client.rank, _Urgency()).enter(call)
        self._waiting.add(call.id)

    def holds(self, call: Call) -> bool:
        return call.id in self._waiting

    def leave(self, call: Call) -> None:
        if self.holds(call):
            self._urgencies[call.client.rank].leave(call)
            self._waiting.discard(call.id)

    def follow(self, call: Call) -> None:
        if not self.holds(call):
            self.enter(call)
        for rank, urgency in self._urgencies.items():
            # A less urgent call was served because its credit was full by then; of a full one that was not, it was not full.
            if rank == call.client.rank and any(other.waiting for at, other in self._urgencies.items() if at < rank):
                urgency.credit = 1.0
            elif rank != call.client.rank:
                urgency.credit = min(urgency.credit, 1 - _CREDIT)
        self._urgencies[call.client.rank].follow(call)
        self.serve(call)

    def first(self) -> Call | None:
        waiting = sorted(rank for rank, urgency in self._urgencies.items() if urgency.waiting)
        owed = [rank for rank in waiting if self._urgencies[rank].credit >= 1]
        return self._urgencies[(owed or waiting)[0]].first() if waiting else None

    def serve(self, call: Call) -> None:
        for rank, urgency in self._urgencies.items():
            if rank == call.client.rank:
                urgency.credit = max(0.0, urgency.credit - 1)
            elif urgency.waiting:
                urgency.credit = min(_MOST_CREDIT, urgency.credit + _CREDIT)
            else:
                urgency.credit = 0.0
        self._urgencies[call.client.rank].serve(call)
        self._waiting.discard(call.id)
