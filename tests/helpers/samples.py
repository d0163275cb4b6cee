"""Small files in the formats of the real datasets, made of known numbers."""

import gzip
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.formats.arrays import holding
from hpcadmm.datasets.formats.held import hold
from hpcadmm.datasets.tabular.frame import rows_of

TRAIN, TEST = 203, 37  # neither divides by anything useful


def packed(path: Path, data: bytes, pack: bool) -> None:
    """Write plain, or as gzip under the name + .gz."""
    if pack:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data))
    else:
        path.write_bytes(data)


def images(n: int, pixels: int, classes: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, pixels), np.uint8), rng.integers(0, classes, n).astype(np.uint8)


def rows(n: int, features: int, seed: int) -> tuple[Any, Any]:
    """Normal features and classes 0..2."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, features)) * 3 + 1, rng.integers(0, 3, n)


def idx_images(pixels: Any, side: int) -> bytes:
    return struct.pack(">4I", 0x803, len(pixels), side, side) + pixels.tobytes()


def idx_labels(labels: Any) -> bytes:
    return struct.pack(">2I", 0x801, len(labels)) + labels.tobytes()


def idx(folder: Path, pack: bool) -> dict[str, Any]:
    for part, n, seed in (("train", TRAIN, 1), ("t10k", TEST, 2)):
        x, y = images(n, 36, 10, seed)
        packed(folder / f"{part}-images-idx3-ubyte", idx_images(x, 6), pack)
        packed(folder / f"{part}-labels-idx1-ubyte", idx_labels(y), pack)
    return {}


def cifar10(folder: Path, pack: bool) -> dict[str, Any]:
    for name, n, seed in (("data_batch_1", 70, 1), ("data_batch_2", 31, 2), ("test_batch", TEST, 3)):
        x, y = images(n, 3072, 10, seed)
        packed(folder / f"{name}.bin", np.column_stack([y, x]).tobytes(), pack)
    return {}


def cifar100(folder: Path, pack: bool) -> dict[str, Any]:
    for name, n, seed in (("train", TRAIN, 1), ("test", TEST, 2)):
        x, y = images(n, 3072, 100, seed)
        packed(folder / f"{name}.bin", np.column_stack([y // 5, y, x]).astype(np.uint8).tobytes(), pack)
    return {}


def svhn(folder: Path, pack: bool) -> dict[str, Any]:
    for name, n, seed in (("train", TRAIN, 1), ("test", TEST, 2)):
        x, y = images(n, 3072, 10, seed)
        pixels = x.reshape(n, 3, 32, 32).transpose(2, 3, 1, 0)
        file = folder / f"{name}_32x32.mat"
        savemat(file, {"X": pixels, "y": np.where(y == 0, 10, y)[:, None]}, do_compression=pack)
        with open(file, "r+b") as written:
            written.write(b"MATLAB 5.0 MAT-file".ljust(116))  # else the header tells the second of its making
    return {}


def text(table: Any, head: str = "") -> bytes:
    lines = [",".join(f"{v:.17g}" for v in row) for row in table]
    return (head + "\n".join(lines) + "\n").encode()


def higgs(folder: Path, pack: bool) -> dict[str, Any]:
    x, y = rows(TRAIN + TEST, 28, 1)
    packed(folder / "HIGGS.csv", text(np.column_stack([y > 0, x])), pack)
    return {"test_rows": TEST}


def california(folder: Path, pack: bool) -> dict[str, Any]:
    x, _ = rows(TRAIN + TEST, 9, 1)
    packed(folder / "cal_housing.data", text(np.abs(x)), pack)
    return {}


def hdf5(folder: Path, pack: bool) -> dict[str, Any]:
    with h5py.File(folder / "data.h5", "w") as file:
        for suffix, n, seed in (("", TRAIN, 1), ("_test", TEST, 2)):
            x, y = rows(n, 7, seed)
            file.create_dataset(f"X{suffix}", data=x, compression="gzip" if pack else None)
            file.create_dataset(f"y{suffix}", data=y, chunks=(10,) if pack else None)
    return {"path": str(folder / "data.h5")}


def npz(folder: Path, pack: bool) -> dict[str, Any]:
    (x, y), (x_test, y_test) = rows(TRAIN, 7, 1), rows(TEST, 7, 2)
    save = np.savez_compressed if pack else np.savez
    save(folder / "data.npz", X=x, y=y, X_test=x_test, y_test=y_test)
    return {"path": str(folder / "data.npz")}


def csv(folder: Path, pack: bool) -> dict[str, Any]:
    for name, n, seed in (("train", TRAIN, 1), ("test", TEST, 2)):
        x, y = rows(n, 7, seed)
        packed(folder / f"{name}.csv", text(np.column_stack([x, y]), "a,b,c,d,e,f,g,y\n"), pack)
    return {"train": "train.csv", "test": "test.csv"}


def tables(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    for name, n, seed in (("train", TRAIN, 1), ("test", TEST, 2)):
        x, y = rows(n, 7, seed)
        yield name, pa.table({**dict(zip("abcdefg", x.T, strict=True)), "y": y})


def parquet(folder: Path, pack: bool) -> dict[str, Any]:
    for name, table in tables(folder):
        pq.write_table(table, folder / f"{name}.pq", row_group_size=100, compression="zstd" if pack else "none")
    return {"train": "train.pq", "test": "test.pq"}


def arrow(folder: Path, pack: bool) -> dict[str, Any]:
    for name, table in tables(folder):
        options = pa.ipc.IpcWriteOptions(compression="lz4" if pack else None)
        with pa.ipc.new_file(str(folder / f"{name}.arrow"), table.schema, options=options) as file:
            file.write_table(table, max_chunksize=100)
    return {"train": "train.arrow", "test": "test.arrow"}


def libsvm(folder: Path, pack: bool) -> dict[str, Any]:
    for name, n, seed in (("train", TRAIN, 1), ("test", TEST, 2)):
        x, y = rows(n, 7, seed)
        lines = (
            f"{label - 1} " + " ".join(f"{i + 1}:{v:.17g}" for i, v in enumerate(row) if v > -2)
            for row, label in zip(x, y, strict=True)
        )
        packed(folder / f"{name}.txt", ("\n".join(lines) + "\n").encode(), pack)
    return {"train": "train.txt", "test": "test.txt"}


def memory(folder: Path, pack: bool) -> dict[str, Any]:
    """Rows in memory, see `made`."""
    return {"split": 0.8}


def drawn(folder: Path, pack: bool) -> dict[str, Any]:
    return {"samples": TRAIN, "test_samples": TEST, "features": 5, "hidden": [7, 4]}


def nothing(folder: Path, pack: bool) -> dict[str, Any]:
    return {}


MAKERS: Mapping[str, Callable[[Path, bool], dict[str, Any]]] = {
    "digits": nothing,
    "synthetic": drawn,
    "mnist": idx,
    "fashion-mnist": idx,
    "kmnist": idx,
    "cifar-10": cifar10,
    "cifar-100": cifar100,
    "svhn": svhn,
    "higgs": higgs,
    "california": california,
    "hdf5": hdf5,
    "npz": npz,
    "csv": csv,
    "parquet": parquet,
    "arrow": arrow,
    "libsvm": libsvm,
    "arrays": memory,
    "frame": memory,
}
assert list(MAKERS) == list(DATASETS), "a dataset was registered: add a maker of small files in its format"


def made(name: str, folder: Path, pack: bool = False, **options: Any) -> Dataset:
    """A dataset with small files in `folder`."""
    folder.mkdir(exist_ok=True)
    path = {} if MAKERS[name] in (nothing, drawn, memory) else {"path": str(folder)}
    found: Dataset = DATASETS[name](**{**path, **MAKERS[name](folder, pack), **options})
    if MAKERS[name] is memory:
        x, y = rows(TRAIN, 7, 1)
        held = hold(x, y) if name == "arrays" else rows_of({**dict(zip("abcdefg", x.T, strict=True)), "y": y}, {})
        found = holding(type(found), found, held)
    return found
