"""Tables for people, JSON for programs and charts."""

from dataclasses import asdict

from ..report import table
from .outcome import Outcome, quantile
from .peers import PeerOutcome
from .quota import Arrival
from .verdicts import Verdict, verdicts


def outcome_text(outcome: Outcome) -> str:
    scene, quota = outcome.scene, outcome.scene.quota
    use, right = outcome.use, outcome.obeyed
    lines = [
        f"{scene.label} · {scene.title} · {scene.seconds:g} s",
        f"  upstream: {len(outcome.arrivals)} arrivals, {outcome.refused} 429s, fullest window {outcome.windows.fullest} of "
        f"{quota.requests} (the simulator counted {outcome.simulator_fullest}), {outcome.windows.over} arrivals over it",
    ]
    if scene.key != "lone":
        lines.append(f"  use: {use.units} units in {use.seconds:.1f} s from the second window on = {use.part:.2%} of the quota")
        control = outcome.first_come
        lines.append(
            f"  order: {right[0]} of {right[1]} slots went to the client that the order rule names (had it been first come, first "
            f"served: {control[0]} of {control[1]}); {outcome.left} calls hung up"
        )
    lines.append(
        f"  cost a slot: {outcome.calls_a_slot:.2f} Redis calls of the queue, {outcome.calls_a_slot_beyond_beats:.2f} beyond one a "
        f"second and replica ({outcome.scripts_a_slot:.2f} scripts with everything else); {outcome.gateway_cpu_a_slot:.0f} µs CPU of "
        f"all gateways, {outcome.redis_cpu_a_slot:.0f} µs of Redis"
    )
    if scene.key == "lone":
        lines.append(
            f"  wait in the queue: median {quantile(outcome.queued, 0.5):.1f} ms, longest {max(outcome.queued):.1f} ms; "
            f"until the upstream's arrival: median {quantile(outcome.reached, 0.5):.1f} ms"
        )
    if outcome.expected:
        lines.append(
            f"  expected wait: right within a quarter or a slot for {outcome.expected_right:.1%} of {len(outcome.expected)} callers"
        )
    if outcome.shares:
        lines.append(
            "  units served: "
            + ", ".join(
                f"{name} {share.units} = {share.part:.2%} (by weight {share.due:.2%})" for name, share in outcome.shares.items()
            )
        )
    if outcome.waits:
        rows = [["client", "calls", "mean s", "order rule", "off by", "p99 s", "longest s", "order rule", "may be"]]
        for name, waits in outcome.waits.items():
            rows.append(
                [
                    name, f"{waits.count}", f"{waits.mean:.3f}", f"{waits.ideal_mean:.3f}",
                    f"{waits.mean / waits.ideal_mean - 1:+.1%}", f"{waits.p99:.3f}", f"{waits.longest:.3f}",
                    f"{waits.ideal_longest:.3f}", f"{waits.ideal_longest + waits.allowed:.3f}",
                ]
            )  # fmt: skip
        lines.append(table(rows))
    return "\n".join(lines + [verdict.line() for verdict in verdicts(outcome)])


def outcome_json(outcome: Outcome) -> dict:
    """With the arrivals, so that anybody can count windows by another rule, and draw them."""
    return {
        "scene": outcome.scene.key,
        "label": outcome.scene.label,
        "requests": outcome.scene.quota.requests,
        "per": outcome.scene.quota.seconds,
        "replicas": outcome.scene.replicas,
        "seconds": outcome.scene.seconds,
        "arrivals": len(outcome.arrivals),
        "refused": outcome.refused,
        "errors": outcome.errors,
        "fullest": outcome.windows.fullest,
        "over": outcome.windows.over,
        "use": outcome.use.part,
        "obeyed": outcome.obeyed,
        "obeyed_by_first_come": outcome.first_come,
        "calls_a_slot": outcome.calls_a_slot,
        "calls_a_slot_beyond_beats": outcome.calls_a_slot_beyond_beats,
        "scripts_a_slot": outcome.scripts_a_slot,
        "gateway_cpu_micros_a_slot": outcome.gateway_cpu_a_slot,
        "redis_cpu_micros_a_slot": outcome.redis_cpu_a_slot,
        "queued_millis": {"p50": quantile(outcome.queued, 0.5), "max": max(outcome.queued, default=0)},
        "expected": outcome.expected,
        "waits": {name: asdict(waits) for name, waits in outcome.waits.items()},
        "shares": {name: asdict(share) for name, share in outcome.shares.items()},
        "arrivals_at": arrivals_at(outcome.arrivals, outcome.arrivals[0].at),
        "verdicts": [verdict_json(verdict) for verdict in verdicts(outcome)],
    }


def arrivals_at(arrivals: list[Arrival], begin: int) -> list[tuple[float, int, int | None]]:
    """Of each: seconds from the beginning, units, status."""
    return [((one.at - begin) / 1e6, one.units, one.status) for one in arrivals]


def verdict_json(verdict: Verdict) -> dict:
    return {**asdict(verdict), "passed": verdict.passed}


def peers_text(outcomes: list[PeerOutcome], title: str) -> str:
    head = [
        "", "answers", "of the quota", "429s upstream", "most in a window", "refusals seen", "calls failed",
        "heavy answers", "p50 s", "p99 s", "light answers", "p50 s", "p99 s",
    ]  # fmt: skip
    rows = [head]
    for one in outcomes:
        row = [
            one.name,
            f"{one.answers}",
            f"{one.part:.0%}",
            f"{one.refused}",
            f"{one.fullest}",
            f"{one.refusals}",
            f"{one.failed}",
        ]
        for group in ("heavy", "light"):
            times = one.times.get(group, [])
            row.append(f"{len(times)}")
            row += [f"{quantile(times, part):.2f}" if times else "none" for part in (0.5, 0.99)]
        rows.append(row)
    return f"{title}\n{table(rows)}"


def peer_json(one: PeerOutcome) -> dict:
    return {
        "name": one.name, "answers": one.answers, "part": one.part, "refused": one.refused, "fullest": one.fullest,
        "refusals": one.refusals, "failed": one.failed, "arrivals_at": arrivals_at(one.arrivals, one.began),
        "waits": {group: {"p50": one.p50(group), "p99": one.p99(group), "count": len(times)} for group, times in one.times.items()},
    }  # fmt: skip
