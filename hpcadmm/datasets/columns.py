"""The columns of a training's table as checkpoints up to version 0.3.0 keep them, and names in messages."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Columns:
    """The columns that a network was trained on: feature names in order (empty: no header), target name and position.

    target, place: None if there is none.
    """

    features: list[str]
    target: str | None = None
    place: int | None = None

    def record(self) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        return asdict(self)

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Columns":
        """From a checkpoint's record, which is untrusted. Raises TypeError, KeyError or ValueError."""
        target, place = record["target"], record["place"]
        features = [str(name) for name in record["features"]]
        return cls(features, None if target is None else str(target), None if place is None else int(place))


def shown(names: Sequence[str], most: int = SHOWN) -> str:
    """Some of the names, as a message lists them.

    >>> shown(["a", "b, c", ""]), shown("abc", 2)
    ("a, 'b, c', ''", 'a, b, ... (3 in all)')
    """
    cut = [name[:40] for name in names[:most]]
    text = ", ".join(name if name.isprintable() and name and "," not in name else repr(name) for name in cut)
    return text if len(names) <= most else f"{text}, ... ({len(names)} in all)"


def key(name: str) -> str:
    """A name as a job file writes it in a dotted key.

    >>> key("age"), key("a b")
    ('age', '"a b"')
    """
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
