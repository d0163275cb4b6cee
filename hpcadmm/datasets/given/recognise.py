"""A dataset from what a user types: a registered name, or a file recognised by its bytes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.disk.lookup import expanded, folder, there
from hpcadmm.datasets.disk.stream import beginning, foreign, length, opened
from hpcadmm.datasets.formats.hdf5 import Hdf5
from hpcadmm.datasets.formats.libsvm import Libsvm, pairs_or_numbers
from hpcadmm.datasets.formats.lines import lines
from hpcadmm.datasets.formats.npz import Npz
from hpcadmm.datasets.formats.tables import Arrow, Csv, Parquet
from hpcadmm.datasets.public.cifar import PIXELS, Cifar, CifarTable
from hpcadmm.datasets.public.idx import IdxTable, labels_of
from hpcadmm.datasets.public.svhn import SvhnTable
from hpcadmm.datasets.table import Parts, Source, Table
from hpcadmm.datasets.tabular.sniff.encoding import wide_text
from hpcadmm.errors import UsageError, meant, nearby
from hpcadmm.registry import Registry

CONTROL = bytes(range(9))  # bytes that no text contains


@dataclass(frozen=True, kw_only=True)
class OneFile(Dataset):
    """One file of a dataset that usually has several: IDX images, an SVHN .mat, a CIFAR-10 batch."""

    name: ClassVar[str] = "file"
    what: ClassVar[str] = "one file of images"

    def has_test(self) -> bool:
        return False

    def parts(self, seed: int) -> Parts:
        return Source.whole(image_table(Path(self.path or ""))), None


def image_table(path: Path, labelled: bool = True) -> Table:
    """The table of one file of images; labelled: IDX images need their labels in the same folder."""
    top = beginning(path)
    if top[:3] == b"\0\0\x08":
        labels = path.with_name(labels_of(path.name))
        if top[3:4] == b"\x03" and not labelled:
            return IdxTable(path, None, None, None)
        if top[3:4] != b"\x03" or labels == path or not there(labels):
            raise UsageError(f"{path}: must be IDX images, with their labels in the same folder as {labels.name}")
        return IdxTable(path, labels, None, None)
    if top.startswith(b"MATLAB"):
        return SvhnTable(path)
    return CifarTable([path], 1, 0, range(10), None)


def format_of(path: Path, own: type[Dataset] | None = None) -> type[Dataset]:
    """The class that reads the file, by its content; `own`: the one to prefer for text of several formats."""
    top = beginning(path)
    if not top:
        raise UsageError(f"{path}: the file is empty")
    if top.startswith(b"\x89HDF\r\n\x1a\n"):
        return Hdf5
    if top.startswith(b"PAR1"):
        return Parquet
    if top.startswith(b"ARROW1"):
        return Arrow
    if top.startswith(b"PK\x03\x04"):
        return Npz
    if top[:3] == b"\0\0\x08" or top.startswith(b"MATLAB"):
        return OneFile
    if own is not None and issubclass(own, Cifar) and length(path) % (own.head + PIXELS) == 0:
        return own
    binary = any(byte in CONTROL for byte in top)
    if top[0] < 10 and (binary or ".bin" in path.suffixes) and length(path) % (PIXELS + 1) == 0:
        return OneFile
    if wide_text(top):
        return Csv
    if what := foreign(top):
        raise UsageError(f"{path}: {what}")
    if binary:
        known = "text, HDF5, npz, Parquet, Arrow, IDX, SVHN's .mat and CIFAR-10 batches"
        raise UsageError(f"{path}: unknown format; known are {known}")
    return text_of(path, own)


def text_of(path: Path, own: type[Dataset] | None) -> type[Dataset]:
    """Libsvm or Csv, by the first line that shows which; `own` if none does or it can read the file."""
    with opened(path) as file:
        for line in lines(file, "#"):
            if (pairs := pairs_or_numbers(line)) is not None:
                return Libsvm if pairs or (own is Libsvm and ":" in line) else Csv
    return Libsvm if own is Libsvm else Csv


def recognised(what: str, kind: str | None, datasets: Registry) -> tuple[type[Dataset], dict[str, Any]]:
    """The class for `what`, a dataset's name or a path, and its options; kind: the dataset's name if given."""
    path = expanded(what)
    if kind is not None:
        return datasets[kind], {} if what == kind else {"path": str(path.absolute())}
    if there(path):
        return format_of(path), {"path": str(path.absolute())}
    if what in datasets:
        return datasets[what], {}
    if folder(path):
        raise UsageError(f"{what}: is a folder; name a file in it, or the dataset that it belongs to")
    near = f"{nearby(path)[2:]} ".lstrip() or meant(what, datasets)
    raise UsageError(f"{what}: is neither a file nor a dataset; {near}the datasets are {', '.join(datasets)}")
