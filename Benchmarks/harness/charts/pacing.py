"""The charts of docs/how-queueing-works.md, from what `Benchmarks/pacing --json` wrote."""

import math
from pathlib import Path

from .svg import Sheet

_WIDTH = 760
_NAMES = {"sluice": "Sluice", "litellm": "LiteLLM", "bullmq": "BullMQ"}


class _Panel:
    """A pair of axes: seconds to the right, units in the window upwards."""

    def __init__(self, sheet: Sheet, left: float, top: float, width: float, height: float, seconds: float, most: float):
        self.sheet, self.left, self.top, self.width, self.height = sheet, left, top, width, height
        self.seconds, self.most = seconds, most

    def x(self, seconds: float) -> float:
        return self.left + self.width * seconds / self.seconds

    def y(self, units: float) -> float:
        return self.top + self.height * (1 - units / self.most)

    def draw(self, arrivals: list[list], requests: int, per: int) -> None:
        """What the window that ends at each moment holds, and the quota."""
        self.sheet.line(self.left, self.y(0), self.left + self.width, self.y(0))
        self.sheet.steps(self._window(arrivals, per))
        self.sheet.line(self.left, self.y(requests), self.left + self.width, self.y(requests), colour="limit", dashes="5 3")

    def _window(self, arrivals: list[list], per: int) -> list[tuple[float, float]]:
        """The fullest window that ends within each pixel."""
        events = sorted([(at, 1, units) for at, units, _ in arrivals] + [(at + per, 0, -units) for at, units, _ in arrivals])
        points, held, next_event = [], 0, 0
        for pixel in range(int(self.width) + 1):
            end, fullest = (pixel + 1) / self.width * self.seconds, held
            while next_event < len(events) and events[next_event][0] < end:
                held += events[next_event][2]
                fullest = max(fullest, held)
                next_event += 1
            points.append((self.left + pixel, self.y(fullest)))
        return points


def _find(document: dict, key: str, requests: int, replicas: int) -> dict:
    return next(
        one for one in document["scenes"] if (one["scene"], one["requests"], one["replicas"]) == (key, requests, replicas)
    )


def window(document: dict) -> Sheet:
    """How full the window was."""
    scenes = [_find(document, "mixed", requests, 3) for requests in (60, 360, 200)]
    sheet = Sheet(
        _WIDTH, 290, "Requests in the window that ends at each moment",
        "Three quotas, three replicas, more demand than quota: the line touches the quota and never crosses it.",
    )  # fmt: skip
    width = 200
    for number, scene in enumerate(scenes):
        left = 50 + number * (width + 38)
        per = scene["per"]
        panel = _Panel(sheet, left, 66, width, 160, scene["seconds"], scene["requests"] * 1.12)
        sheet.text(left, 52, scene["label"].removeprefix("mixed, "), kind="small", colour="muted")
        for share in (0, 0.5, 1):
            units = scene["requests"] * share
            sheet.line(left, panel.y(units), left + width, panel.y(units))
            sheet.text(left - 5, panel.y(units) + 4, f"{units:.0f}", kind="small", colour="muted", anchor="end")
        panel.draw(scene["arrivals_at"], scene["requests"], per)
        for seconds in (0, per, scene["seconds"]) if panel.x(per) - left > 30 else (0, scene["seconds"]):
            sheet.text(panel.x(seconds), 242, f"{seconds:g} s", kind="small", colour="muted", anchor="middle")
        sheet.text(left, 270, f"fullest {scene['fullest']} of {scene['requests']} · use {scene['use']:.1%}")
    return sheet


def waits(document: dict) -> Sheet:
    """Each client's mean and longest wait, beside the order rule's."""
    scene = _find(document, "mixed", 60, 3)
    clients = list(scene["waits"].items())
    top, row = 78, 34
    sheet = Sheet(
        _WIDTH, top + row * len(clients) + 46, f"What each client waited ({scene['label'].removeprefix('mixed, ')})",
        "Mean and longest wait of each kind of client, as measured and by the order rule applied to the same slots.",
    )  # fmt: skip
    low, high = -2, math.ceil(math.log10(max(one["longest"] for _, one in clients)))
    left, width = 150, _WIDTH - 150 - 40

    def x(seconds: float) -> float:
        return left + width * (math.log10(max(seconds, 10**low)) - low) / (high - low)

    sheet.dot(left + 6, 48, 5)
    sheet.text(left + 16, 52, "mean", kind="small")
    sheet.dot(left + 66, 48, 3.5, colour="other")
    sheet.text(left + 76, 52, "longest", kind="small")
    sheet.dot(left + 142, 48, 7, colour="mark", is_open=True)
    sheet.text(left + 154, 52, "the same by the order rule alone", kind="small")
    bottom = top + row * len(clients)
    for power in range(low, high + 1):
        sheet.line(x(10.0**power), top - 10, x(10.0**power), bottom)
        sheet.text(x(10.0**power), bottom + 18, f"{10.0**power:g} s", kind="small", colour="muted", anchor="middle")
    for number, (name, one) in enumerate(clients):
        y = top + row * number + row / 2 - 6
        sheet.text(left - 12, y + 4, f"{name} ({one['count']})", anchor="end")
        sheet.line(x(one["mean"]), y, x(one["longest"]), y, colour="other", width=1.5)
        for real, ideal, radius, colour in (
            (one["longest"], one["ideal_longest"], 3.5, "other"),
            (one["mean"], one["ideal_mean"], 5, "main"),
        ):
            sheet.dot(x(real), y, radius, colour=colour)
            sheet.dot(x(ideal), y, radius + 2, colour="mark", is_open=True)
    sheet.text(left, bottom + 36, "in brackets: calls; the scale is logarithmic", kind="small", colour="muted")
    return sheet


_LEAST_USE = {5: 0.98, 60: 0.99, 1: 0.95}


def use(document: dict) -> Sheet:
    """How much of the quota was used."""
    scenes = [one for one in document["scenes"] if one["scene"] == "mixed"]
    top, row, left = 70, 30, 190
    sheet = Sheet(
        _WIDTH, top + row * len(scenes) + 40, "Use of the quota while somebody always waits",
        "Arrivals from the second window on, as a part of what the quota allows.",
    )  # fmt: skip
    low, width = 0.90, _WIDTH - left - 110

    def x(part: float) -> float:
        return left + width * (max(part, low) - low) / (1 - low)

    bottom = top + row * len(scenes)
    for percent in range(90, 101, 2):
        sheet.line(x(percent / 100), top - 8, x(percent / 100), bottom)
        sheet.text(x(percent / 100), bottom + 18, f"{percent} %", kind="small", colour="muted", anchor="middle")
    for number, one in enumerate(scenes):
        y = top + row * number
        sheet.text(left - 12, y + 14, one["label"].removeprefix("mixed, "), anchor="end")
        target = _LEAST_USE[one["per"]]
        sheet.line(x(target), y, x(target), y + 20, colour="limit", width=2)
        sheet.line(x(target), y + 10, x(one["use"]), y + 10, colour="main", width=2)
        sheet.dot(x(one["use"]), y + 10, 5)
        sheet.text(x(1) + 10, y + 14, f"{one['use']:.2%}")
    sheet.line(left, 44, left, 56, colour="limit", width=2)
    sheet.text(left + 8, 54, "target", kind="small")
    return sheet


def _in_order(compared: dict) -> list[dict]:
    names = ["sluice", "litellm", "llmratelimiter", "bullmq"]
    return sorted(compared["peers"], key=lambda one: names.index(one["name"]) if one["name"] in names else len(names))


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "none came"
    if unit == "s":
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    return f"{value:.0f}{unit}"


def peers(compared: dict) -> Sheet:
    """The same callers in front of each way to share a quota."""
    rows = _in_order(compared)
    light = [one["waits"].get("light") for one in rows]
    columns = (
        ("answers,", "of the quota", [one["part"] * 100 for one in rows], " %"),
        ("429s at", "the upstream", [one["refused"] for one in rows], ""),
        ("calls that", "failed", [one["failed"] for one in rows], ""),
        ("light calls", "answered", [one["count"] if one else 0 for one in light], ""),
        ("light caller,", "median", [one and one["p50"] for one in light], "s"),
        ("light caller,", "99 %", [one and one["p99"] for one in light], "s"),
    )
    top, row, left, width, gap = 100, 30, 132, 50, 52
    quota = f"{compared['requests']} in {compared['per']} s"
    sheet = Sheet(
        _WIDTH,
        top + row * len(rows) + 16,
        f"The same callers, quota {quota}, for {compared['seconds']:g} s",
        "Answers, refusals by the upstream, failed calls, and what a light caller waits beside a heavy one.",
    )
    told = "one client with 100 calls at once, five with one now and then; three processes share the quota"
    sheet.text(16, 46, told, kind="small", colour="muted")
    for number, (head, more, values, unit) in enumerate(columns):
        x = left + number * (width + gap)
        sheet.text(x, top - 26, head, kind="small", colour="muted")
        sheet.text(x, top - 12, more, kind="small", colour="muted")
        most = max(100 if unit == " %" else 0, *(value or 0 for value in values)) or 1
        for at, value in enumerate(values):
            y, length = top + row * at, width * (value or 0) / most
            sheet.bar(x, y, length, 14, colour="main" if rows[at]["name"] == "sluice" else "other")
            sheet.text(x + length + 5, y + 12, _amount(value, unit), kind="small")
    for at, one in enumerate(rows):
        sheet.text(left - 10, top + row * at + 12, _NAMES.get(one["name"], one["name"]), anchor="end")
    return sheet


def peer_windows(compared: dict) -> Sheet:
    """How full the window was in front of each."""
    rows = _in_order(compared)
    most = max(one["fullest"] for one in rows) * 1.08
    height, top, left, width = 62, 56, 150, _WIDTH - 150 - 90
    sheet = Sheet(
        _WIDTH, top + (height + 14) * len(rows) + 30,
        f"Arrivals in the window that ends at each moment, quota {compared['requests']} in {compared['per']} s",
        "For each way to share a quota: the arrivals in the last window, refused ones included, and the quota.",
    )  # fmt: skip
    for at, one in enumerate(rows):
        y = top + (height + 14) * at
        panel = _Panel(sheet, left, y, width, height, compared["seconds"], most)
        panel.draw(
            [arrival for arrival in one["arrivals_at"] if arrival[0] < compared["seconds"]],
            compared["requests"],
            compared["per"],
        )
        sheet.text(left - 12, y + height / 2, _NAMES.get(one["name"], one["name"]), anchor="end")
        sheet.text(left + width + 8, y + height / 2 - 2, f"{one['fullest']} most", kind="small")
        sheet.text(left + width + 8, y + height / 2 + 13, f"{one['refused']} × 429", kind="small")
    bottom = top + (height + 14) * len(rows) + 6
    for seconds in range(0, int(compared["seconds"]) + 1, max(5, int(compared["seconds"]) // 8 // 5 * 5)):
        sheet.text(
            left + width * seconds / compared["seconds"],
            bottom + 6,
            f"{seconds} s",
            kind="small",
            colour="muted",
            anchor="middle",
        )
    return sheet


def draw(document: dict, folder: Path) -> list[Path]:
    """Writes every chart that the document has figures for."""
    written: list[Path] = []

    def write(name: str, sheet: Sheet) -> None:
        target = folder / f"{name}.svg"
        sheet.write(target)
        written.append(target)

    present = {(one["scene"], one["requests"], one["replicas"]) for one in document["scenes"]}
    if {("mixed", 60, 3), ("mixed", 360, 3), ("mixed", 200, 3)} <= present:
        write("queue-window", window(document))
    if ("mixed", 60, 3) in present:
        write("queue-waits", waits(document))
        write("queue-use", use(document))
    for compared in document["compared"]:
        suffix = f"{compared['requests']}-in-{compared['per']}s"
        write(f"queue-peers-{suffix}", peers(compared))
        write(f"queue-peer-windows-{suffix}", peer_windows(compared))
    return written
