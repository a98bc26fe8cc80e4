"""What the queue is held to."""

from dataclasses import dataclass

from .outcome import Outcome

MOST_CALLS_A_SLOT = 2.2
MOST_CALLS_LONE = 1.2
MOST_LONE_WAIT_MILLIS = 20.0
MEAN_TOLERANCE = 0.10
LEAST_EXPECTED_RIGHT = 0.90


@dataclass(frozen=True)
class Verdict:
    """One target and what was measured."""

    what: str
    measured: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def passed(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def line(self) -> str:
        word, sign = "pass" if self.passed else "FAIL", "≥" if self.at_least else "≤"
        return f"  {word}  {self.what}: {self.measured:.4g}{self.unit}, target {sign} {self.limit:.4g}{self.unit}"


def verdicts(outcome: Outcome) -> list[Verdict]:
    scene = outcome.scene
    label = scene.label
    found = [
        Verdict(f"{label}: arrivals over any window", outcome.windows.over, 0),
        Verdict(f"{label}: 429s at the upstream", outcome.refused, 0),
        Verdict(f"{label}: errors that reached callers", outcome.errors, 0),
    ]
    if scene.key == "lone":
        return found + [
            Verdict(f"{label}: Redis calls a slot", outcome.calls_a_slot, MOST_CALLS_LONE),
            Verdict(f"{label}: longest wait in the queue", max(outcome.queued), MOST_LONE_WAIT_MILLIS, " ms"),
        ]
    if all(client.units == 1 for client in scene.clients):
        found.append(Verdict(f"{label}: use", outcome.use.part * 100, scene.quota.least_use * 100, " %", at_least=True))
    if scene.key == "apart":
        found.append(
            Verdict(
                f"{label}: Redis calls a slot, beyond one a second and replica",
                outcome.calls_a_slot_beyond_beats,
                MOST_CALLS_A_SLOT,
            )
        )
    if scene.key == "steady":
        found.append(
            Verdict(
                f"{label}: expected wait right within a quarter or a slot", outcome.expected_right * 100,
                LEAST_EXPECTED_RIGHT * 100, " % of callers", at_least=True,
            )
        )  # fmt: skip
    if outcome.waits:
        slot, all_waits = scene.quota.slot, outcome.waits.values()
        found += [
            Verdict(
                f"{label}: clients whose mean wait is off the order rule's by over 10 % and a slot",
                sum(abs(waits.mean - waits.ideal_mean) > max(MEAN_TOLERANCE * waits.ideal_mean, slot) for waits in all_waits), 0,
            ),
            Verdict(
                f"{label}: clients whose longest wait is over the order rule's by more than a call of each other client",
                sum(waits.longest > waits.ideal_longest + waits.allowed for waits in all_waits), 0,
            ),
        ]  # fmt: skip
    return found
