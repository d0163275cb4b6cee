"""A dataset from what a user types: a registered name, or a file whose bytes say what it is."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.cifar import PIXELS, CifarTable
from hpcadmm.datasets.hdf5 import Hdf5
from hpcadmm.datasets.idx import IdxTable, labels_of
from hpcadmm.datasets.libsvm import Libsvm
from hpcadmm.datasets.lookup import length, opened
from hpcadmm.datasets.npz import Npz
from hpcadmm.datasets.svhn import SvhnTable
from hpcadmm.datasets.table import Source, Table
from hpcadmm.datasets.text import Csv
from hpcadmm.errors import UsageError
from hpcadmm.registry import Registry

PAIRS = re.compile(rb"\s*[-+0-9.eE]+(\s+\d+:\S+)+\s*(#.*)?$")


@dataclass(frozen=True, kw_only=True)
class OneFile(Dataset):
    """One file of a format that usually comes in several: IDX images, an SVHN .mat, a CIFAR-10 batch."""

    name: ClassVar[str] = "file"
    what: ClassVar[str] = "one file of images"

    def sources(self, seed: int) -> tuple[Source, Source | None]:
        path = Path(self.path or "")
        return Source.whole(self.table(path)), None

    def table(self, path: Path) -> Table:
        """The file as a table."""
        top = beginning(path)
        if top[:3] == b"\0\0\x08":
            labels = path.with_name(labels_of(path.name))
            if top[3] != 3 or not labels.is_file():
                raise UsageError(f"{path}: must be IDX images with their labels beside them as {labels.name}")
            return IdxTable(path, labels, None, None)
        if top.startswith(b"MATLAB"):
            return SvhnTable(path)
        return CifarTable([path], 1, 0, range(10), None)


def beginning(path: Path) -> bytes:
    """The first unpacked bytes."""
    with opened(path) as file:
        return file.read(4096)


def format_of(path: Path) -> type[Dataset]:
    """The class that reads the file, by its content."""
    top = beginning(path)
    if top.startswith(b"\x89HDF\r\n\x1a\n"):
        return Hdf5
    if top.startswith(b"PK\x03\x04"):
        return Npz
    if top[:3] == b"\0\0\x08" or top.startswith(b"MATLAB"):
        return OneFile
    if b"\0" in top or (".bin" in path.suffixes and length(path) % (PIXELS + 1) == 0):
        if length(path) % (PIXELS + 1):
            raise UsageError(f"{path}: no format that is known (see `hpcadmm data list`); say which with --as")
        return OneFile
    return Libsvm if PAIRS.match(top.split(b"\n")[0]) else Csv


def recognised(what: str, kind: str | None, datasets: Registry) -> tuple[type[Dataset], dict[str, Any]]:
    """The class for `what`, a dataset's name or a path, and the options that follow; kind: its name if given."""
    path = Path(what).expanduser()
    if kind is not None:
        return datasets[kind], {} if what == kind else {"path": str(path.absolute())}
    if path.is_file():
        return format_of(path), {"path": str(path.absolute())}
    if what in datasets:
        return datasets[what], {}
    raise UsageError(f"{what}: neither a file nor a dataset; known are {', '.join(datasets)}")
