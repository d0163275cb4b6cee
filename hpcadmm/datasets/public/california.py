"""California housing: 20,640 block groups in geographic order, 8 features, the median house value as target.

R. K. Pace, R. Barry: Sparse spatial autoregressions, Statistics and Probability Letters 33 (1997) 291.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.datasets.base import Dataset, Remote
from hpcadmm.datasets.formats.lines import Style
from hpcadmm.datasets.formats.text import TextTable
from hpcadmm.datasets.table import Source
from hpcadmm.errors import UsageError

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

    def sources(self, seed: int) -> tuple[Source, Source | None]:
        table = TextTable(self.only_file(), -1, False, Style(header=False))
        if table.columns != COLUMNS:
            raise UsageError(f"{table.where}: {table.columns} columns, must be {COLUMNS}: 8 features, then the target")
        if self.columns is not None:
            table.only(self.columns)
        return Source.whole(table), None
