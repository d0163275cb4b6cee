"""California housing: 20,640 block groups in geographic order, 8 features, the median house value as target.

R. K. Pace, R. Barry: Sparse spatial autoregressions, Statistics and Probability Letters 33 (1997) 291.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset, Remote
from hpcadmm.datasets.public.numbers import learn_numbers, number_table
from hpcadmm.datasets.table import READING, Parts, Source
from hpcadmm.datasets.tabular.options import Asked

COLUMNS = 9


@dataclass(frozen=True, kw_only=True)
class California(Dataset):
    """A regression. scale = "max" divides each column and the target by its maximum, as the authors of GADMM do.

    columns: use only these features, in this order: 0 longitude, 1 latitude, 2 median age, 3 rooms, 4 bedrooms,
    5 population, 6 households, 7 median income.
    """

    name: ClassVar[str] = "california"
    what: ClassVar[str] = "house values, 20,640 rows, 8 features, regression"
    expects: ClassVar[tuple[str, ...]] = ("cal_housing.data",)
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            "https://ndownloader.figshare.com/files/5976036",
            "cal_housing.tgz",
            "aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681",
            {"CaliforniaHousing/cal_housing.data": "cal_housing.data"},
        ),
    )

    columns: list[int] | None = None

    def has_test(self) -> bool:
        return False

    def sources(self, seed: int, world: World, classes: bool | None = None, columns: Any = None) -> Parts:
        with world.together(READING):
            path = self.only_file()
        table = number_table(path, Asked(target=-1, task="regression"), COLUMNS, world, self.held)
        return table.whole(), None

    def learn(self, train: Source, test: Source, world: World, columns: Any = None) -> None:
        learn_numbers(train, COLUMNS, world, self.columns)
