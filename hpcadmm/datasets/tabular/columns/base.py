"""The interface of what a column becomes, and what encoding a file met beyond the schema."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.columns.values import Vector
from hpcadmm.datasets.tabular.raw import Kind
from hpcadmm.errors import UsageError

if TYPE_CHECKING:
    import pyarrow

SOME = 5  # values that a warning names


@dataclass
class Met:
    """Values of one column that the schema does not know: their number, and the first few in text order."""

    count: int = 0
    some: list[str] = field(default_factory=list)

    def add(self, count: int, some: list[str]) -> None:
        """Count more of them."""
        self.count += count
        self.some = sorted({*self.some, *some})[:SOME]


class Tally(dict[tuple[str, str], Met]):
    """By (name of the column, sentence): what encoding met on this rank."""

    def add(self, column: str, sentence: str, count: int, some: list[str]) -> None:
        """Count `count` values; `some`: examples of them."""
        if count:
            self.setdefault((column, sentence), Met()).add(count, some)

    def lines(self, where: str, world: World) -> list[str]:
        """One warning for each kind of value, over all ranks. Collective."""
        total, own = Tally(), [[*key, met.count, met.some] for key, met in self.items()]
        for column, sentence, count, some in chain.from_iterable(world.gather(own)):
            total.add(column, sentence, count, some)
        return [
            f"{where}: column {shown([column])}: {met.count} {sentence}" + (f": {shown(met.some)}" if met.some else "")
            for (column, sentence), met in sorted(total.items())
        ]


@dataclass(frozen=True)
class Here:
    """Where the values of one column of a shard come from. start: number of the first row. kind: of the column."""

    place: Callable[[int, int], str]
    column: int
    start: int
    kind: Kind
    tally: Tally = field(default_factory=Tally)

    def fault(self, row: int, why: str) -> UsageError:
        """The error for row `row` of the shard."""
        return UsageError(f"{self.place(self.start + row, self.column)}: {why}")


@dataclass(frozen=True)
class Column(ABC):
    """A column of the training file that becomes features. name, place: in that file, place from 0."""

    becomes: ClassVar[str]  # "number", "date" or "category"

    name: str
    place: int

    @property
    @abstractmethod
    def features(self) -> list[str]:
        """The names of the features."""

    @abstractmethod
    def encode(self, values: "pyarrow.Array", out: Vector, here: Here) -> None:
        """Write the features of the rows into `out`, (rows, features) and all 0. Raises UsageError."""

    def record(self) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        return {"becomes": self.becomes, **asdict(self)}
