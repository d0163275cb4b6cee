"""What the train part holds in one column: enough to decide what the column becomes."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.columns.date import FORMATS, days
from hpcadmm.datasets.tabular.columns.values import floats, texts

if TYPE_CHECKING:
    import pyarrow

LIMIT = 100_000  # different texts of one column that are counted

Piece = tuple["pyarrow.Array", NDArray[np.bool_]]  # a column of a shard, and which rows are of the train part


@dataclass
class Survey:
    """valid, missing: rows with and without a value.

    Of numbers: whole: are all whole? low, high: the least and largest, as long as all are whole or equal; then at least
    two different ones.
    Of text: counts: rows of each text; None: more than LIMIT texts. formats: the forms of dates that all texts have.
    """

    valid: int = 0
    missing: int = 0
    whole: bool = True
    low: float = np.inf
    high: float = -np.inf
    counts: dict[str, int] | None = field(default_factory=dict)
    formats: list[str] = field(default_factory=lambda: list(FORMATS))

    @property
    def constant(self) -> bool:
        """Does the train part hold one number only?"""
        return self.low == self.high

    def add_numbers(self, piece: Piece) -> None:
        """Take a column of numbers into account."""
        values, train = piece
        self.count(values, train)
        if hasattr(values, "dictionary"):  # text that is said to be numbers
            self.whole, self.low, self.high = False, -np.inf, np.inf
        elif self.whole or not self.low < self.high:
            found = floats(values)[train]
            found = found[~np.isnan(found)]
            self.whole = self.whole and bool((found == np.floor(found)).all())
            self.low = min(self.low, float(found.min(initial=np.inf)))
            self.high = max(self.high, float(found.max(initial=-np.inf)))

    def add_texts(self, piece: Piece, limit: float) -> None:
        """Take a column of text into account, counting at most `limit` different texts."""
        different, codes = texts(piece[0])
        own = codes[piece[1]]
        found = np.bincount(own[own >= 0], minlength=len(different))
        self.valid += int(found.sum())
        self.missing += len(own) - int(found.sum())
        here = {different[code]: int(found[code]) for code in np.flatnonzero(found).tolist()}
        self.formats = common(self.formats, list(here))
        self.add_counts(here, limit)

    def add_counts(self, more: dict[str, int] | None, limit: float) -> None:
        """Add the rows of each text."""
        if more is None or self.counts is None:
            self.counts = None
            return
        for text, count in more.items():
            self.counts[text] = self.counts.get(text, 0) + count
        if len(self.counts) > limit:
            self.counts = None

    def count(self, values: "pyarrow.Array", train: NDArray[np.bool_]) -> None:
        """Count the rows with and without a value."""
        lost = np.asarray(values.is_null().to_numpy(zero_copy_only=False))[train] if values.null_count else ()
        self.missing += int(np.count_nonzero(lost))
        self.valid += int(np.count_nonzero(train)) - int(np.count_nonzero(lost))

    def merge(self, other: "Survey", limit: float) -> None:
        """Take the survey of another rank into account."""
        self.valid, self.missing = self.valid + other.valid, self.missing + other.missing
        self.whole = self.whole and other.whole
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.formats = [form for form in self.formats if form in other.formats]
        self.add_counts(other.counts, limit)


def common(formats: Sequence[str], values: list[str]) -> list[str]:
    """The forms of dates that all the texts have."""
    for some in (values[:1], values):
        formats = [form for form in formats if not some or not np.isnan(days(some, form)).any()]
    return list(formats)


def surveyed(pieces: Iterable[Piece], text: bool, limit: float) -> Survey:
    """The survey of one column of this rank's shards, as text or as numbers."""
    found = Survey() if text else Survey(formats=[])
    for piece in pieces:
        if text:
            found.add_texts(piece, limit)
        else:
            found.add_numbers(piece)
    return found


def merged(own: Sequence[Survey], limits: Sequence[float], world: World) -> list[Survey]:
    """The surveys of all columns over all ranks. Collective."""
    total = [Survey() for _ in own]
    everyone: list[list[dict[str, Any]]] = world.gather([asdict(survey) for survey in own])
    for surveys in everyone:
        for whole, part, limit in zip(total, surveys, limits, strict=True):
            whole.merge(Survey(**part), limit)
    return total
