"""Street View House Numbers, format 2: Matlab files with X (32, 32, 3, n) bytes and y, where 10 is the digit 0.

Y. Netzer et al.: Reading digits in natural images with unsupervised feature learning, 2011.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, cast

import numpy as np

from hpcadmm.datasets.base import Dataset, Remote
from hpcadmm.datasets.disk.stream import INFLATION, length, opened
from hpcadmm.datasets.table import Array, Parts, Read, Source, Table
from hpcadmm.errors import UsageError

URL = "http://ufldl.stanford.edu/housenumbers/"
FILES = ("train_32x32.mat", "test_32x32.mat")
HASHES = (
    "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
)


@contextmanager
def matlab(path: Path) -> Iterator[IO[bytes]]:
    """The open file; any error of scipy becomes a UsageError: the file is not a .mat file, or is damaged."""
    with opened(path) as file:
        try:
            yield cast(IO[bytes], file)
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"{path}: is not a Matlab file, or is damaged: {error}") from error


class SvhnTable(Table):
    """A .mat file. The format cannot be read in parts: the first rank holds all of X (225 MB in the train part) while
    it reads; `hpcadmm data convert svhn svhn.h5` makes a file that avoids this."""

    dtype = np.uint8
    maximum = 255.0
    features = 3 * 32 * 32
    image = (3, 32, 32)
    apart = False
    values = range(10)

    def __init__(self, path: Path) -> None:
        from scipy.io import whosmat

        with matlab(path) as file:
            shapes = {name: (tuple(shape), kind) for name, shape, kind in whosmat(file)}
        shape, kind = shapes.get("X", ((), "nothing"))
        if len(shape) != 4 or shape[:3] != (32, 32, 3) or kind != "uint8" or shape[3] < 1:
            raise UsageError(f"{path}: X is {kind} {shape}, must be uint8 (32, 32, 3, n)")
        self.rows = shape[3]
        if shapes.get("y", ((), ""))[0] != (self.rows, 1):
            raise UsageError(f"{path}: y is {shapes.get('y', 'missing')}, must be ({self.rows}, 1)")
        if self.rows * self.features > INFLATION * length(path):
            raise UsageError(f"{path}: X claims the shape {shape}, far more than the file holds; the file is damaged")
        self.files = (path,)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        from scipy.io import loadmat

        with matlab(self.files[0]) as file:
            found = loadmat(file, variable_names=["X", "y"])
            planes = found["X"].transpose(3, 2, 0, 1)  # to samples, channels, height, width
            digits = found["y"][:, 0].astype(np.int64)
            if planes.shape != (self.rows, 3, 32, 32) or planes.dtype != np.uint8 or len(digits) != self.rows:
                raise UsageError(f"{self.where}: damaged: X is {planes.dtype} {found['X'].shape}; get the file again")
        digits[digits == 10] = 0

        def read(start: int, stop: int) -> tuple[Array, Array]:
            return np.ascontiguousarray(planes[start:stop]).reshape(stop - start, -1), digits[start:stop]

        yield read


@dataclass(frozen=True, kw_only=True)
class Svhn(Dataset):
    """Two .mat files; train = "extra_32x32.mat" selects the larger set."""

    name: ClassVar[str] = "svhn"
    what: ClassVar[str] = "house numbers, 73,257 + 26,032 colour images 32 x 32, 10 classes"
    expects: ClassVar[tuple[str, ...]] = FILES
    remotes: ClassVar[tuple[Remote, ...]] = tuple(
        Remote(f"{URL}{name}", name, sha256) for name, sha256 in zip(FILES, HASHES, strict=True)
    )

    def parts(self, seed: int) -> Parts:
        train, test = self.train or FILES[0], self.test or FILES[1]
        return Source.whole(SvhnTable(self.located(train))), Source.whole(SvhnTable(self.located(test)))
