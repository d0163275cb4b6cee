"""Damaged, wrong and hostile files: refused with the file, the numbers and the cure."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.errors import UsageError
from tests.helpers.samples import idx_images, idx_labels, images, made, text


def refused(dataset: Dataset, said: str, dtype: Any = np.float64) -> None:
    with pytest.raises(UsageError, match=said):
        dataset.load(0, World.alone(), dtype, ones=True)


X, Y = images(203, 36, 10, 1)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "ends 4 bytes too early"),
        (b"\x00\x00\x08", "ends 1 bytes too early"),
        (
            b"\x00\x00\x0d\x03" + bytes(100),
            "bytes 00 00 0d 03; an IDX file of images begins with 00 00 08 03",
        ),
        (idx_labels(Y), "begins with the bytes 00 00 08 01"),
        (idx_images(X, 6)[:-1], "bytes, but its header says"),
        (idx_images(X, 6) + b"!", "bytes, but its header says"),
        (struct.pack(">4I", 0x803, 203, 0, 6), "are impossible"),
        (struct.pack(">4I", 0x803, 2**32 - 1, 65535, 65535), "bytes, but its header says"),
        (struct.pack(">4I", 0x803, 203, 2**31, 6), "are impossible"),
        (idx_images(X[:200], 6), "has 200 images, but .* has 203 labels"),
    ],
)
def test_idx(content: bytes, said: str, pack: bool, tmp_path: Path) -> None:
    dataset = made("mnist", tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if pack else content)
    refused(dataset, said)


def test_idx_labels_beyond_the_classes(tmp_path: Path) -> None:
    dataset = made("mnist", tmp_path)
    labels = Y.copy()
    labels[7] = 10
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_labels(labels))
    refused(dataset, "row 8 has the label 10; the labels are 0, 1")


@pytest.mark.parametrize("name", ["mnist", "cifar-10", "higgs", "csv", "libsvm"])
def test_a_cut_or_garbled_gzip(name: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path, pack=True)
    first = min(tmp_path.glob("*train*images*.gz"), default=next(iter(sorted(tmp_path.glob("*.gz")))))
    data = first.read_bytes()
    first.write_bytes(data[: len(data) // 2])
    refused(dataset, r"the gzip file is damaged or incomplete|bytes, but its header says")
    first.write_bytes(data[:30] + bytes(40) + data[70:])
    refused(
        dataset,
        r"gzip file is damaged or incomplete|bytes, but its header says|not a number|columns|impossible",
    )


def test_cifar_of_a_wrong_length(tmp_path: Path) -> None:
    dataset = made("cifar-10", tmp_path)
    for content in (b"", bytes(3072), bytes(2 * 3073 + 1)):
        (tmp_path / "data_batch_2.bin").write_bytes(content)
        refused(dataset, "not a whole number of 3073-byte records")


def test_svhn_that_is_none(tmp_path: Path) -> None:
    from scipy.io import savemat

    dataset, path = made("svhn", tmp_path), tmp_path / "train_32x32.mat"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    refused(dataset, "is not a Matlab file|y is")
    path.write_bytes(b"nothing of the kind")
    refused(dataset, "is not a Matlab file")
    for arrays in (
        {"X": np.zeros((32, 32, 3, 4)), "y": np.ones((4, 1))},
        {"X": np.zeros((32, 30, 3, 4), np.uint8), "y": np.ones((4, 1))},
        {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((5, 1))},
        {"X": np.zeros((32, 32, 3, 4), np.uint8)},
    ):
        savemat(path, arrays)
        refused(dataset, "must be uint8|y is")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty: 0 rows of 0 columns"),
        (b"a,b,y\n", "0 rows"),
        (b"1\n2\n", "no column is left as a feature"),
        (b"1,2,0\n3,4\n", "line 2: has 2 columns, the others have 3"),
        (b"1,2,0\n3,4,1\n3,4,1,5\n", "line 3: has 4 columns, the others have 3"),
        (b"1,2,0\n3,x,1\n", "line 2, column 2: 'x' is not a number"),
        (b"1,2,0\n3,-inf,1\n", "line 2, column 2: '-inf' is not a number: it is not finite"),
        (b"1,2,0\n3,\xff\xfe,1\n", "line 2, column 2"),
    ],
)
def test_csv(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    refused(DATASETS["csv"](path=str(tmp_path / "a.csv"), split=1.0), said)


def test_a_regression_target_that_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2,0\n3,4,inf\n")
    refused(DATASETS["csv"](path=str(tmp_path / "a.csv"), task="regression"), "line 2, column 3: 'inf' is not a number")


def test_a_value_too_large_for_the_precision(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2,0\n3,1e300,1\n")
    dataset = DATASETS["csv"](path=str(tmp_path / "a.csv"), scale="none")
    refused(dataset, r"row 2, column 2 \(counted from 1\): 1e\+300 is too large for float32", np.float32)
    dataset.load(0, World.alone(), np.float64, ones=True)


def test_higgs_and_california_of_a_wrong_width(tmp_path: Path) -> None:
    for name, file in (("higgs", "HIGGS.csv"), ("california", "cal_housing.data")):
        dataset = made(name, tmp_path)
        (tmp_path / file).write_bytes(text(np.ones((60, 5))))
        refused(dataset, "5 columns, must be")
    (tmp_path / "HIGGS.csv").write_bytes(text(np.ones((37, 29))))
    refused(DATASETS["higgs"](path=str(tmp_path), test_rows=37), "more rows than data.test_rows = 37")


def test_parts_of_different_width(tmp_path: Path) -> None:
    dataset = made("csv", tmp_path)
    (tmp_path / "test.csv").write_bytes(text(np.ones((9, 5)), "a,b,c,d,y\n"))
    refused(dataset, "test.csv: the columns differ from those of the training; missing: e, f, g")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no rows"),
        ("1 0:3\n", "row 1: index '0' is not a whole number from 1 .*zero_based"),
        ("1 1:3\n-1 2:1 2:4\n", "row 2: the indices must increase"),
        ("1 1:3\n-1 3:1 2:4\n", "row 2: the indices must increase"),
        ("1 1:3\n-1 2:one\n", "row 2: '2:one' is not index:value"),
        ("1 1:3\n-1 2\n", "row 2: '2' is not index:value"),
        ("1 qid:3 qid:5\n", "row 1: index 'qid'"),
        ("a 1:3\n", "row 1: the label 'a' must be a number"),
        ("1 1:3\n1 99999999999:3\n", "row 2: index '99999999999'"),
        ("1 1:nan\n", "row 1, column 1 .*nan is not a finite"),
    ],
)
def test_libsvm(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(content)
    refused(DATASETS["libsvm"](path=str(tmp_path / "a.txt"), split=1.0), said)


def save_pickle(path: Path) -> None:
    np.savez(path, X=np.array([[1, "a"], [2, None]], object), y=np.arange(2))


def save_torn(path: Path) -> None:
    np.savez(path, X=np.ones((40, 9)), y=np.arange(40))
    path.write_bytes(path.read_bytes()[:-200])


def save_garbled(path: Path) -> None:
    np.savez(path, X=np.ones((40, 9)), y=np.arange(40))
    data = bytearray(path.read_bytes())
    data[400:408] = b"\x01" * 8
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (save_pickle, "never objects"),
        (save_torn, "is not an .npz archive, or is damaged"),
        (save_garbled, "Bad CRC-32"),
        (lambda p: p.write_bytes(b"PK nothing"), "is not an .npz archive"),
        (lambda p: np.savez(p, X=np.ones((4, 9))), "no array 'y'; the archive has X"),
        (lambda p: np.savez(p, X=np.ones((4, 9)), y=np.arange(5)), r"X is \(4, 9\), y is \(5,\); must be"),
        (lambda p: np.savez(p, X=np.ones(4), y=np.arange(4)), "must be"),
        (lambda p: np.savez(p, X=np.ones((9, 4)).T, y=np.arange(4)), "Fortran order; save it with"),
        (lambda p: np.savez(p, X=np.array([["a"]]), y=np.arange(1)), "must be integers or floats"),
        (lambda p: np.savez(p, X=np.full((4, 2), np.nan), y=np.arange(4)), "row 1, column 1 .*nan is not a finite"),
    ],
)
def test_npz(save: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save(path)
    refused(DATASETS["npz"](path=str(path), split=1.0, shuffle=False), said)


def external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(bytes(320))
    file.create_dataset("X", (4, 10), "f8", external=[(str(folder / "secret"), 0, 320)])


def external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["X"] = np.ones((4, 3))
    file["X"] = h5py.ExternalLink(str(folder / "other.h5"), "/X")


def foreign_view(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["X"] = np.ones((4, 3))
    layout = h5py.VirtualLayout((4, 3), "f8")
    layout[...] = h5py.VirtualSource(str(folder / "other.h5"), "X", (4, 3))
    file.create_virtual_dataset("X", layout)


def view_of_external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(bytes(320))
    file.create_dataset("hidden", (4, 10), "f8", external=[(str(folder / "secret"), 0, 320)])
    layout = h5py.VirtualLayout((4, 10), "f8")
    layout[...] = h5py.VirtualSource(".", "hidden", (4, 10))
    file.create_virtual_dataset("X", layout)


def soft_link(file: h5py.File, folder: Path) -> None:
    file["Z"] = np.ones((4, 3))
    file["X"] = h5py.SoftLink("/Z")


def huge(file: h5py.File, folder: Path) -> None:
    file.create_dataset("X", (4, 10**12), "f8", chunks=(1, 1000))


def huge_chunks(file: h5py.File, folder: Path) -> None:
    file.create_dataset("X", (4, 2**28), "f8", chunks=(4, 2**26))


def strings(file: h5py.File, folder: Path) -> None:
    file.create_dataset("X", data=np.array([[b"a"]] * 4))


def group(file: h5py.File, folder: Path) -> None:
    file.create_group("X")


def flat(file: h5py.File, folder: Path) -> None:
    file["X"] = np.ones(4)


def long(file: h5py.File, folder: Path) -> None:
    file["X"] = np.ones((5, 3))


def nothing(file: h5py.File, folder: Path) -> None:
    file["Z"] = np.ones((5, 3))


def infinite(file: h5py.File, folder: Path) -> None:
    file["X"] = np.full((4, 3), np.inf, np.float32)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (external_storage, "is stored in other files"),
        (external_link, "soft or external link"),
        (foreign_view, "virtual view of other files"),
        (view_of_external_storage, "is stored in other files"),
        (soft_link, "soft or external link"),
        (huge, "claims the shape"),
        (huge_chunks, "claims the shape|chunks"),
        (strings, "must be integers or floats"),
        (group, "X is a group"),
        (flat, "must be \\(n, features\\)"),
        (long, r"X is \(5, 3\), y is \(4,\)"),
        (nothing, "no dataset 'X'; the file has Z, y"),
        (infinite, "row 1, column 1 .*inf is not a finite"),
    ],
)
def test_hdf5(make: Callable[[h5py.File, Path], None], said: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file, tmp_path)
        file["y"] = np.arange(4)
    refused(DATASETS["hdf5"](path=str(tmp_path / "a.h5"), split=1.0, shuffle=False), said)


def test_hdf5_own_view_is_fine(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["Z"], file["y"] = np.arange(12.0).reshape(4, 3), np.arange(4) % 2
        layout = h5py.VirtualLayout((4, 3), "f8")
        layout[...] = h5py.VirtualSource(".", "Z", (4, 3))
        file.create_virtual_dataset("X", layout)
    dataset = DATASETS["hdf5"](path=str(tmp_path / "a.h5"), split=1.0, shuffle=False, scale="none")
    loaded = dataset.load(0, World.alone(), np.float64, ones=False)
    np.testing.assert_array_equal(loaded.train.x.T, np.arange(12.0).reshape(4, 3))


def test_hdf5_whose_heap_has_no_end(tmp_path: Path) -> None:
    """The HDF5 library (2.0.0) reads such a heap for ever."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"], file["y"] = np.arange(12.0).reshape(4, 3), np.arange(4) % 2
        file["X"].attrs["text"] = "in a global heap"
    data = bytearray((tmp_path / "a.h5").read_bytes())
    dataset = DATASETS["hdf5"](path=str(tmp_path / "a.h5"))
    dataset.load(0, World.alone(), np.float64, ones=False)
    at = data.index(b"GCOL") + 16
    data[at : at + 2], data[at + 8 : at + 16] = bytes(2), bytes(8)
    (tmp_path / "a.h5").write_bytes(data)
    refused(dataset, "the objects of the heap at byte .* do not end")


def test_hdf5_cut(tmp_path: Path) -> None:
    dataset = made("hdf5", tmp_path)
    data = (tmp_path / "data.h5").read_bytes()
    for cut in (0, 8, 100, len(data) // 2):
        (tmp_path / "data.h5").write_bytes(data[:cut])
        refused(dataset, "is not an HDF5 file, or is damaged")


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    refused(DATASETS["csv"](path=str(tmp_path / "none.csv")), "data.path: not found: .*none.csv; set data.path")
    refused(DATASETS["csv"](path=str(tmp_path)), "set data.path to a file, or data.train to the name of one")
    refused(DATASETS["csv"](train="none.csv"), "not found: none.csv")
    made("csv", tmp_path)
    refused(DATASETS["csv"](path=str(tmp_path), train="train.csv", test="none.csv"), "not found: none.csv")
