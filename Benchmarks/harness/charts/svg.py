"""A sheet to draw on. Colours are classes, so that one file serves light and dark pages; the paper is drawn too, for viewers
that know neither."""

from html import escape
from pathlib import Path

_LIGHT = {
    "paper": "#ffffff", "ink": "#1c2733", "muted": "#5b6775", "grid": "#dfe4ea",
    "main": "#2563c9", "other": "#8b97a5", "limit": "#c0272d", "mark": "#c2570c",
}  # fmt: skip
_DARK = {
    "paper": "#12181f", "ink": "#e6ebf1", "muted": "#9aa7b5", "grid": "#2b3540",
    "main": "#6ea8ff", "other": "#6b7886", "limit": "#ff7b72", "mark": "#f0a35a",
}  # fmt: skip


def _rules(colours: dict[str, str]) -> str:
    return "".join(f".{name}{{fill:{colour}}}.{name}-line{{stroke:{colour}}}" for name, colour in colours.items())


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


class Sheet:
    """Pixels from the top left corner. Colours are the names above."""

    def __init__(self, width: int, height: int, title: str, description: str):
        self.width, self.height = width, height
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>",
            "<style>text{font:12px system-ui,sans-serif}.small{font-size:11px}.head{font-size:14px;font-weight:600}"
            f"path,line{{fill:none}}{_rules(_LIGHT)}@media (prefers-color-scheme:dark){{{_rules(_DARK)}}}</style>",
            f'<rect class="paper" width="{width}" height="{height}" rx="6"/>',
        ]
        self.text(16, 24, title, kind="head")

    def text(self, x: float, y: float, words: str, *, colour: str = "ink", kind: str = "", anchor: str = "start") -> None:
        names = f"{colour} {kind}".strip()
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text class="{names}" x="{_number(x)}" y="{_number(y)}"{place}>{escape(words)}</text>')

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, colour: str = "grid", width: float = 1, dashes: str = ""
    ) -> None:
        pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._parts.append(
            f'<line class="{colour}-line" x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}" '
            f'stroke-width="{width}"{pattern}/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, *, colour: str = "main") -> None:
        self._parts.append(
            f'<rect class="{colour}" x="{_number(x)}" y="{_number(y)}" width="{_number(max(width, 0.5))}" height="{_number(height)}" rx="1.5"/>'
        )

    def dot(self, x: float, y: float, radius: float, *, colour: str = "main", is_open: bool = False) -> None:
        if is_open:
            shape = f'class="{colour}-line" fill="none" stroke-width="2"'
        else:
            shape = f'class="{colour}"'
        self._parts.append(f'<circle {shape} cx="{_number(x)}" cy="{_number(y)}" r="{radius}"/>')

    def steps(self, points: list[tuple[float, float]], *, colour: str = "main", width: float = 1.5) -> None:
        """Each point's height holds until the next one."""
        (x, y), *rest = points
        path = [f"M{_number(x)} {_number(y)}"]
        for next_x, next_y in rest:
            path.append(f"H{_number(next_x)}")
            if _number(next_y) != _number(y):
                path.append(f"V{_number(next_y)}")
            y = next_y
        self._parts.append(f'<path class="{colour}-line" d="{"".join(path)}" stroke-width="{width}"/>')

    def write(self, target: Path) -> None:
        target.write_text("\n".join([*self._parts, "</svg>"]) + "\n")
