"""HIGGS: 11,000,000 simulated collisions, 28 features, signal (1) or background (0).

P. Baldi, P. Sadowski, D. Whiteson: Searching for exotic particles in high-energy physics with deep learning,
Nature Communications 5 (2014) 4308. UCI, CC BY 4.0, doi:10.24432/C5V312.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.datasets.base import Count, Dataset, Remote
from hpcadmm.datasets.formats.lines import Style
from hpcadmm.datasets.formats.text import TextTable
from hpcadmm.datasets.table import Source
from hpcadmm.errors import UsageError

COLUMNS = 29  # the label and 28 features


@dataclass(frozen=True, kw_only=True)
class Higgs(Dataset):
    """The last test_rows rows are the test part (default: 500,000).

    Each rank unpacks the whole text twice and parses its own rows. For many runs or ranks convert it to HDF5 first:
    `hpcadmm data convert higgs higgs.h5`.
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

    def sources(self, seed: int) -> tuple[Source, Source | None]:
        table = TextTable(self.only_file(), 0, True, Style(header=False))
        if table.columns != COLUMNS or table.rows <= self.test_rows:
            needed = f"must have {COLUMNS} columns and more rows than data.test_rows = {self.test_rows}"
            raise UsageError(f"{table.where}: {table.rows} rows of {table.columns} columns; {needed}")
        table.values, table.names = (0, 1), ("background", "signal")
        cut = table.rows - self.test_rows
        return Source(table, range(cut)), Source(table, range(cut, table.rows))
