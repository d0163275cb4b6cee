"""IDX files (MNIST and its relatives): big-endian header, then bytes, one file of images and one of labels.

Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits. http://yann.lecun.com/exdb/mnist/
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from hpcadmm.datasets.base import Dataset, Remote
from hpcadmm.datasets.disk.stream import check_length, opened, packing, take
from hpcadmm.datasets.table import Array, Parts, Read, Source, Table, records
from hpcadmm.errors import UsageError

FILES = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
LARGEST = 1 << 16  # pixels a side


def header(path: Path, dimensions: int) -> tuple[int, ...]:
    """The dimensions in the header of an IDX file of bytes, checked against its length."""
    with opened(path) as file:
        magic = take(file, 4, path)
        if magic[:3] != b"\0\0\x08" or magic[3] != dimensions:
            wanted, what = bytes([0, 0, 8, dimensions]).hex(" "), "images" if dimensions == 3 else "labels"
            said = f"begins with the bytes {magic.hex(' ')}"
            raise UsageError(f"{path}: {said}; an IDX file of {what} begins with {wanted}")
        shape = struct.unpack(f">{dimensions}I", take(file, 4 * dimensions, path))
    if not all(shape) or max(shape[1:], default=1) > LARGEST:
        raise UsageError(f"{path}: the dimensions {shape} are impossible; the file is damaged, get it again")
    check_length(path, 4 + 4 * dimensions + int(np.prod(shape, dtype=object)))
    return shape


class IdxTable(Table):
    """A file of images and one of labels (None: no labels, all are 0)."""

    dtype = np.uint8
    maximum = 255.0
    stride = 1 << 16

    def __init__(
        self, images: Path, labels: Path | None, names: Sequence[str] | None, values: Sequence[int] | None
    ) -> None:
        self.rows, height, width = header(images, 3)
        if labels and (count := header(labels, 1)[0]) != self.rows:
            raise UsageError(f"{images} has {self.rows} images, but {labels} has {count} labels")
        self.files = (images, labels) if labels else (images,)
        self.image = (1, height, width)
        self.features = height * width
        self.apart = all(packing(path) is None for path in self.files)
        self.names, self.values = names, values

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with ExitStack() as stack:
            images, *labels = [(path, stack.enter_context(opened(path))) for path in self.files]

            def read(start: int, stop: int) -> tuple[Array, Array]:
                found = np.zeros(stop - start, np.int64)
                for path, file in labels:
                    found = records(file, path, 8, 1, start, stop)[:, 0].astype(np.int64)
                return records(images[1], images[0], 16, self.features, start, stop), found

            yield read

    @contextmanager
    def label_reader(self) -> Iterator[Callable[[int, int], Array]]:
        with opened(self.files[1]) as file:
            yield lambda start, stop: records(file, self.files[1], 8, 1, start, stop)[:, 0].astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Idx(Dataset):
    """Four IDX files; train and test may name other files of images (their labels: images -> labels, idx3 -> idx1)."""

    expects: ClassVar[tuple[str, ...]] = FILES
    names: ClassVar[tuple[str, ...] | None] = None

    def parts(self, seed: int) -> Parts:
        return self.part(self.train or FILES[0]), self.part(self.test or FILES[2])

    def part(self, images: str) -> Source:
        """The images file and its labels."""
        values = range(10) if images in FILES else None
        return Source.whole(IdxTable(self.located(images), self.located(labels_of(images)), self.names, values))


def labels_of(images: str) -> str:
    """The name of the file of labels for a file of images.

    >>> labels_of("t10k-images-idx3-ubyte.gz")
    't10k-labels-idx1-ubyte.gz'
    """
    return images.replace("images", "labels").replace("idx3", "idx1")


def remotes(url: str, *hashes: str) -> tuple[Remote, ...]:
    """The four files at one address, with their sha256."""
    return tuple(Remote(f"{url}{name}.gz", f"{name}.gz", sha256) for name, sha256 in zip(FILES, hashes, strict=True))


@dataclass(frozen=True, kw_only=True)
class Mnist(Idx):
    """Handwritten digits, 60,000 + 10,000, 28 x 28."""

    name: ClassVar[str] = "mnist"
    what: ClassVar[str] = "handwritten digits, 60,000 + 10,000 grey images 28 x 28, 10 classes"
    remotes: ClassVar[tuple[Remote, ...]] = remotes(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    )


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Idx):
    """H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST. arXiv:1708.07747 (MIT licence)."""

    name: ClassVar[str] = "fashion-mnist"
    what: ClassVar[str] = "Zalando's articles, 60,000 + 10,000 grey images 28 x 28, 10 classes"
    names: ClassVar[tuple[str, ...] | None] = (
        *("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag"),
        "ankle boot",
    )
    remotes: ClassVar[tuple[Remote, ...]] = remotes(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    )


@dataclass(frozen=True, kw_only=True)
class Kmnist(Idx):
    """T. Clanuwat et al.: Deep learning for classical Japanese literature. arXiv:1812.01718 (CC BY-SA 4.0)."""

    name: ClassVar[str] = "kmnist"
    what: ClassVar[str] = "cursive Japanese, 60,000 + 10,000 grey images 28 x 28, 10 classes"
    names: ClassVar[tuple[str, ...] | None] = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    remotes: ClassVar[tuple[Remote, ...]] = remotes(
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    )
