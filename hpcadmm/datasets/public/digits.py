"""The digits in the package: 1,797 images 8 x 8 with values 0 to 16.

E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, the test set; UCI, doi:10.24432/C50P49, CC BY 4.0.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.formats.hdf5 import Hdf5Table
from hpcadmm.datasets.table import Parts, Source


@dataclass(frozen=True, kw_only=True)
class Digits(Dataset):
    """Split into 1,437 + 360 by the permutation of split_seed 0, unless data.split is set."""

    name: ClassVar[str] = "digits"
    what: ClassVar[str] = "handwritten digits, 1,797 grey images 8 x 8, 10 classes; part of the package"
    expects: ClassVar[tuple[str, ...]] = ("digits.h5",)

    def has_test(self) -> bool:
        return False

    def parts(self, seed: int) -> Parts:
        self.refuse_files()
        path = Path(str(resources.files("hpcadmm.datasets") / "files" / "digits.h5"))
        return Source.whole(Hdf5Table(path, "X", "y", "classification")), None
