"""A small made-up table as text, and the columns to make one of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Cells = list[str]
random = np.random.default_rng(14)


@dataclass(frozen=True)
class Look:
    """A table as text: its columns, by name, and how they are written.

    target: the column of the labels, or several. quote: around text cells; head: around names ("" none).
    labels: what a class is called by the network, if not as in the file. options: further keys of [data].
    before: lines at the beginning of the file; trailing: after each row. row_names: without a name in the header.
    """

    columns: dict[str, Cells]
    target: str | list[str]
    options: dict[str, Any] = field(default_factory=dict)
    loss: str = "cross-entropy"
    separator: str = ","
    header: bool = True
    quote: str = ""
    head: str = ""
    newline: str = "\n"
    before: str = ""
    trailing: str = ""
    encoding: str = "utf-8"
    row_names: bool = False
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def truth(self) -> Cells:
        """The label of each row, as the network calls its class."""
        assert isinstance(self.target, str)
        return [self.labels.get(cell, cell) for cell in self.columns[self.target]]

    @property
    def others(self) -> list[str]:
        """The names of the columns without the target."""
        return [name for name in self.columns if name not in np.atleast_1d(self.target)]

    def written(self, names: Sequence[str] | None = None) -> bytes:
        """The file with these columns, in this order (default: all)."""
        names = list(self.columns) if names is None else list(names)
        lines = [self.separator.join(f"{self.head}{name}{self.head}" for name in names)] if self.header else []
        rows = zip(*(self.columns[name] for name in names), strict=True)
        lines += [self._line(k, row) for k, row in enumerate(rows, 1)]
        text = self.before + "".join(line + self.newline for line in lines)
        return text.encode(self.encoding)

    def _line(self, number: int, row: Sequence[str]) -> str:
        first = [f'"{number}"'] if self.row_names else []
        return self.separator.join([*first, *map(self._cell, row)]) + self.trailing

    def _cell(self, text: str) -> str:
        number = text.lstrip("-").replace(".", "", 1).isdecimal()
        return (
            text
            if number or not self.quote or text == "nan" or self.quote in text
            else f"{self.quote}{text}{self.quote}"
        )

    def part(self, start: int, stop: int, **changes: Any) -> "Look":
        """Some of its rows."""
        return replace(self, columns={name: cells[start:stop] for name, cells in self.columns.items()}, **changes)


def numbers(rows: int, how: str = ".3f", scale: float = 1.0, shift: float = 0.0, missing: str = "") -> Cells:
    """Normal numbers; with `missing`, this text in a fifth of the cells."""
    cells = [format(x, how) for x in scale * random.standard_normal(rows) + shift]
    return [missing if missing and random.random() < 0.2 else cell for cell in cells]


def counts(rows: int, low: int, high: int, missing: str = "") -> Cells:
    """Whole numbers in [low, high)."""
    cells = [str(x) for x in random.integers(low, high, rows)]
    return [missing if missing and random.random() < 0.2 else cell for cell in cells]


def texts(rows: int, *values: str) -> Cells:
    """One of these values a row, each of them at least once."""
    return [values[k] for k in random.permutation([*range(len(values)), *random.integers(0, len(values), rows)])[:rows]]


def cycled(rows: int, *values: str) -> Cells:
    """The values in turn."""
    return [values[k % len(values)] for k in range(rows)]


Maker = Callable[[], Look]
