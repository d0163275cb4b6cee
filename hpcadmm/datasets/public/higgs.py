"""HIGGS: 11,000,000 simulated collisions, 28 features, signal (1) or background (0).

P. Baldi, P. Sadowski, D. Whiteson: Searching for exotic particles in high-energy physics with deep learning,
Nature Communications 5 (2014) 4308. UCI, CC BY 4.0, doi:10.24432/C5V312.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Count, Dataset, Remote
from hpcadmm.datasets.public.numbers import learn_numbers, number_table
from hpcadmm.datasets.table import READING, Parts, Source
from hpcadmm.datasets.tabular.options import Asked
from hpcadmm.errors import UsageError

COLUMNS = 29  # the label and 28 features


@dataclass(frozen=True, kw_only=True)
class Higgs(Dataset):
    """Simulated collisions of particles.

    test_rows: the last rows, this many, are the test part (default 500,000).

    For many runs convert it to HDF5 first: `hpcadmm data convert higgs higgs.h5`.
    """

    name: ClassVar[str] = "higgs"
    what: ClassVar[str] = "simulated collisions, 10,500,000 + 500,000, 28 features, 2 classes"
    expects: ClassVar[tuple[str, ...]] = ("HIGGS.csv",)
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            "https://archive.ics.uci.edu/ml/machine-learning-databases/00280/HIGGS.csv.gz",
            "HIGGS.csv.gz",
            "ea302c18164d4e3d916a1e2e83a9a8d07069fa6ebc7771e4c0540d54e593b698",
        ),
    )

    test_rows: Count = 500_000

    def sources(self, seed: int, world: World, classes: bool | None = None, columns: Any = None) -> Parts:
        with world.together(READING):
            path = self.only_file()
        table = number_table(path, Asked(target=0, task="classification"), COLUMNS, world, self.held)
        if table.rows <= self.test_rows:
            needed = f"must have more rows than data.test_rows = {self.test_rows}"
            raise UsageError(f"{table.where}: {table.rows} rows; {needed}")
        table.names = ("background", "signal") if table.names == ["0", "1"] else table.names
        cut = table.rows - self.test_rows
        return Source(table, range(cut)), Source(table, range(cut, table.rows))

    def learn(self, train: Source, test: Source, world: World, columns: Any = None) -> None:
        learn_numbers(train, COLUMNS, world)
