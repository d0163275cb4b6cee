"""A line of doctor's report."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Level
    name: str
    text: str
    cure: str = ""
