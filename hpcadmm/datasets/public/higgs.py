"""HIGGS: 11,000,000 simulated collisions, 28 features, signal (1) or background (0).

P. Baldi, P. Sadowski, D. Whiteson: Searching for exotic particles in high-energy physics with deep learning,
Nature Communications 5 (2014) 4308. UCI, CC BY 4.0, doi:10.24432/C5V312.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.datasets.base import Count, Dataset
from hpcadmm.datasets.formats.lines import Style
from hpcadmm.datasets.formats.lookup import find, missing, places
from hpcadmm.datasets.formats.reasons import there
from hpcadmm.datasets.formats.text import TextTable
from hpcadmm.datasets.public.remote import Remote
from hpcadmm.datasets.table import Source
from hpcadmm.errors import UsageError

COLUMNS = 29  # the label and 28 features


@dataclass(frozen=True, kw_only=True)
class Higgs(Dataset):
    """The last test_rows rows are the test part. Each rank unpacks the whole text twice and parses its own rows:

    for many runs or ranks make an HDF5 file first: `hpcadmm data convert higgs higgs.h5`.
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
        names, where = [self.train or self.expects[0]], places(self.path, self.name)
        path = next(filter(there, where), None) or find(names, where)
        if path is None:
            raise missing(self.name, names, where, f"hpcadmm data download {self.name}")
        table = TextTable(path, 0, True, Style(header=False))
        if table.columns != COLUMNS or table.rows <= self.test_rows:
            needed = f"needed are {COLUMNS} columns and more rows than data.test_rows = {self.test_rows}"
            raise UsageError(f"{path}: {table.rows} rows of {table.columns} columns; {needed}")
        table.values, table.names = (0, 1), ("background", "signal")
        cut = table.rows - self.test_rows
        return Source(table, range(cut)), Source(table, range(cut, table.rows))
