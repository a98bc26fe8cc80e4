"""Fills @NAME@ in a peer's configuration: the files use $ and { themselves."""

import re
from pathlib import Path

from .paths import PEERS

_PLACE = re.compile(r"@([A-Z][A-Z0-9_]*)@")


def render(source: str, target: Path, values: dict[str, object]) -> Path:
    """Writes the configuration `source` (a path below peers/) with its places filled to `target`.

    A place without a value is a KeyError: a configuration is never half filled.
    """
    text = (PEERS / source).read_text()
    target.write_text(_PLACE.sub(lambda place: str(values[place.group(1)]), text))
    return target
