"""Targets: every reader of data, as training, `data inspect`, `evaluate` and `predict` use it."""

import bz2
import gzip
import io
import lzma
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.given.inspect import feature_rows, inspect, summary
from hpcadmm.datasets.given.recognise import recognised
from hpcadmm.datasets.given.unlabelled import load_inputs
from hpcadmm.datasets.loaded import Transform
from hpcadmm.datasets.transform import Affine
from tests.fuzz.harness import Target

ROWS, FEATURES = 12, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((ROWS, FEATURES)).round(3)
Y = np.arange(ROWS) % 3
PIXELS = RNG.integers(0, 256, (ROWS, 36), np.uint8)
NAMED = Columns(["a", "b", "c", "d"], "label", 4)
PLAIN = Transform(Affine.identity(FEATURES))


def table(delimiter: str = ",", header: str = "", end: str = "\n", quote: str = "") -> bytes:
    rows = [[f"{quote}{v:g}{quote}" for v in (*x, y)] for x, y in zip(X, Y, strict=True)]
    lines = [delimiter.join(row) for row in rows]
    return (end.join(([header] if header else []) + lines) + end).encode()


HEAD = "a,b,c,d,label"
CSV = [
    table(),
    table(header=HEAD),
    table(header='"a","b, x",c,"d ""e""",label', quote='"'),
    table(header="\ufeff" + HEAD, end="\r\n"),
    table(end="\r"),
    table(";", "a;b;c;d;label"),
    table(header="0,1,2,3,4"),
    gzip.compress(table()),
    bz2.compress(table()),
    lzma.compress(table()),
]
SVM = "".join(
    f"{y - 1} {' '.join(f'{i + 1}:{v:g}' for i, v in enumerate(x) if v > -1)}\n" for x, y in zip(X, Y, strict=True)
)
LIBSVM = [SVM.encode(), ("# made\n" + SVM.replace(" ", " qid:1 ", 1)).encode(), gzip.compress(SVM.encode()), b"1\n-1\n"]
NUMBERS = b"0 1 -1 1.5 1e5 1e999 nan inf NA 1_0 9007199254740993 99999999999999999999 0x1 -0 .".split()
TOKENS = [*NUMBERS, b",", b";", b"\t", b" ", b"\n", b"\r", b'"', b'""', b"#", b"\xef\xbb\xbf", b"\xff", b"\0", b"label"]
PAIRS = [*NUMBERS, b" ", b":", b"1:", b"qid:1", b"9999999:1", b"4:2", b"#", b"\n", b"-", b"\xc3\xa9"]


def npz(**options: Any) -> bytes:
    out = io.BytesIO()
    save = np.savez_compressed if options.pop("pack", False) else np.savez
    save(out, **({"X": X, "y": Y} | options))
    return out.getvalue()


def hdf5(libver: str = "earliest", **options: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=libver) as file:
        x = file.create_dataset("X", data=X, **options)
        x.attrs["image"], x.attrs["maximum"] = (1, 2, 2), 3.0
        y = file.create_dataset("y", data=Y)
        y.attrs["names"], y.attrs["labels"] = '["a", "b", "c"]', [0, 1, 2]
    return out.getvalue()


def view() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver="latest") as file:
        file["Z"], file["y"] = X, Y
        layout = h5py.VirtualLayout(X.shape, "f8")
        layout[...] = h5py.VirtualSource(".", "Z", X.shape)
        file.create_virtual_dataset("X", layout)
    return out.getvalue()


def mat(pack: bool) -> bytes:
    out = io.BytesIO()
    pixels = RNG.integers(0, 256, (32, 32, 3, 2), np.uint8)
    savemat(out, {"X": pixels, "y": np.array([[1], [10]], np.uint8)}, do_compression=pack)
    return out.getvalue()


IMAGES = struct.pack(">4I", 0x803, ROWS, 6, 6) + PIXELS.tobytes()
LABELS = struct.pack(">2I", 0x801, ROWS) + Y.astype(np.uint8).tobytes()
CIFAR = b"".join(bytes([y % 10]) + RNG.bytes(3072) for y in (0, 9))

KEPT = tempfile.TemporaryDirectory(prefix="hpcadmm-fuzz-")  # until the process ends
FOLDER = Path(KEPT.name)


def one_of(data: bytes, *ways: Callable[[], Any]) -> None:
    """Go one of the ways that the program reads a file, chosen by its content."""
    ways[zlib.crc32(data) % len(ways)]()


def looked_at(path: Path) -> None:
    """As `data inspect`."""
    cls, options = recognised(str(path), None, DATASETS)
    found = inspect(cls(**options))
    for part in ("train", "test"):
        if part in found:
            summary(found[part])
            feature_rows(found[part])


def one_file(name: str, suffix: str = "", **options: Any) -> Callable[[bytes], None]:
    """A check of a format of one file: train on it, evaluate, inspect, predict."""
    path = FOLDER / f"input-{name}{suffix}"

    def load(columns: Columns | None = None, **more: Any) -> None:
        dataset = DATASETS[name](path=str(path), **options, **more)
        dataset.load(0, World.alone(), np.float64, ones=True, columns=columns)

    def predicted(columns: Columns) -> None:
        like = DATASETS[name](**options)
        load_inputs(path, like, PLAIN, World.alone(), np.float64, ones=True, columns=columns)

    def check(data: bytes) -> None:
        path.write_bytes(data)
        one_of(
            data,
            load,
            lambda: load(NAMED, task="regression", standardise=True),
            lambda: looked_at(path),
            lambda: predicted(NAMED),
            lambda: predicted(Columns([])),
        )

    return check


def several(name: str, files: dict[str, bytes], fuzzed: str, **options: Any) -> Callable[[bytes], None]:
    """A check of a format of several files, of which `fuzzed` is mutated."""
    folder = FOLDER / f"{name}-{fuzzed}"
    folder.mkdir()
    for file, data in files.items():
        (folder / file).write_bytes(data)

    def check(data: bytes) -> None:
        (folder / fuzzed).write_bytes(data)
        dataset = DATASETS[name](path=str(folder), **options)
        ways = [lambda: dataset.load(0, World.alone(), np.float32, ones=True), lambda: looked_at(folder / fuzzed)]
        one_of(data, *ways[: 1 if "labels" in fuzzed else 2])

    return check


IDX = {"train-images-idx3-ubyte": IMAGES, "train-labels-idx1-ubyte": LABELS}
IDX |= {name.replace("train", "t10k"): data for name, data in IDX.items()}
MAT = {"train_32x32.mat": mat(True), "test_32x32.mat": mat(True)}
BATCHES = {"data_batch_1.bin": CIFAR, "test_batch.bin": CIFAR}
ARRAYS = (b"X.npy", b"y.npy", b"PK\x05\x06", b"'<f8'", b"(4, 99999999999)", b"'fortran_order': True", b"O")

NAMES = {"target": "label", "header": True, "comment": "#"}

TARGETS = {
    "csv": Target(CSV, one_file("csv"), TOKENS),
    "csv with names": Target([*CSV[1:4], gzip.compress(CSV[1])], one_file("csv", "-2", **NAMES), TOKENS),
    "csv of blanks": Target([table(" "), table("\t")], one_file("csv", "-3", delimiter=" "), TOKENS),
    "libsvm": Target(LIBSVM, one_file("libsvm"), PAIRS),
    "npz": Target([npz(), npz(pack=True), npz(X_test=X, y_test=Y)], one_file("npz"), ARRAYS),
    "hdf5": Target(
        [hdf5(), hdf5("latest"), hdf5(chunks=(3, 4), compression="gzip"), hdf5("latest", chunks=(3, 4)), view()],
        one_file("hdf5"),
    ),
    "idx images": Target([IMAGES, gzip.compress(IMAGES)], several("mnist", IDX, "train-images-idx3-ubyte")),
    "idx labels": Target([LABELS, gzip.compress(LABELS)], several("mnist", IDX, "train-labels-idx1-ubyte")),
    "cifar": Target([CIFAR, gzip.compress(CIFAR)], several("cifar-10", BATCHES, "data_batch_1.bin")),
    "svhn": Target([mat(False), mat(True)], several("svhn", MAT, "train_32x32.mat")),
}
