"""What a file is, by its bytes: packed, of another format, of another encoding, or not to be read at all."""

import bz2
import errno
import fcntl
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.disk import stream
from hpcadmm.datasets.formats.libsvm import Libsvm
from hpcadmm.datasets.formats.tables import Csv
from hpcadmm.datasets.given.inspect import catalogue
from hpcadmm.datasets.given.recognise import format_of, recognised
from hpcadmm.errors import UsageError
from tests.helpers.samples import made, rows, text

X, Y = rows(40, 4, 3)
CSV = text(np.column_stack([X, Y]), "a,b,c,d,label\n")
SVM = "".join(f"{y} {' '.join(f'{i + 1}:{v:.17g}' for i, v in enumerate(x))}\n" for x, y in zip(X, Y, strict=True))


def load(name: str, path: Path, **options: Any) -> Any:
    dataset = DATASETS[name](path=str(path), split=1.0, shuffle=False, scale="none", **options)
    return dataset.load(0, World.alone(), np.float64, ones=False).train


@pytest.mark.parametrize("pack", [gzip, bz2, lzma])
@pytest.mark.parametrize(("name", "data"), [("csv", CSV), ("libsvm", SVM.encode())])
def test_packed_files_are_read(pack: Any, name: str, data: bytes, tmp_path: Path) -> None:
    packed = pack.compress(data)
    (tmp_path / "a").write_bytes(packed)
    np.testing.assert_array_equal(load(name, tmp_path / "a").x.T, X)
    assert format_of(tmp_path / "a").name == name
    for damage in (packed[: len(packed) // 2], packed[:40] + b"\xff" * 9 + packed[49:]):
        (tmp_path / "a").write_bytes(damage)
        with pytest.raises(UsageError, match=r"the (gzip|bzip2|xz) file is damaged or incomplete"):
            load(name, tmp_path / "a")


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.csv", CSV)
    return out.getvalue()


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, X)
    return out.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "zip": (zipped(), "zip archive.*unpack it"),
    "twice": (gzip.compress(gzip.compress(CSV)), "is packed twice; unpack it once"),
    "bzip2 in gzip": (gzip.compress(bz2.compress(CSV)), "is packed twice"),
    "zstd": (b"\x28\xb5\x2f\xfd" + CSV, "the zstd file is damaged or incomplete"),
    "npy": (npy(), r"one numpy array.*numpy\.savez"),
    "parquet": (b"PAR1" + bytes(40), "a Parquet file"),
    "html": (b"<!DOCTYPE html><html>", "an HTML page"),
    "tar": (bytes(257).replace(b"\0", b"a") + b"ustar\0", "is a tar archive; unpack it"),
    "pickle": (b"\x80\x04\x95" + bytes(40), "a Python pickle, which is never loaded"),
    "nul": (b"1,2,0\n3,\0,1\n", "line 2 contains NUL bytes"),
    "empty": (b"", "the file is empty"),
    "blank": (b"\n \n\t\n", "the file is empty"),
}


@pytest.mark.parametrize("key", FOREIGN)
@pytest.mark.parametrize("name", ["csv", "libsvm"])
def test_what_is_no_table_in_text_is_named(key: str, name: str, tmp_path: Path) -> None:
    data, said = FOREIGN[key]
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UsageError, match=said):
        load(name, tmp_path / "a")
    if key not in ("nul", "blank"):
        with pytest.raises(UsageError, match=said):
            load(format_of(tmp_path / "a").name, tmp_path / "a")


def test_a_zip_archive_without_arrays_is_no_npz(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(zipped())
    with pytest.raises(UsageError, match=r"zip archive of a\.csv, not of numpy arrays; unpack it"):
        load("npz", tmp_path / "a.npz")


@pytest.mark.parametrize("width", [3, 2000, 70_000])
@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
def test_a_long_first_line_does_not_hide_the_format(
    width: int, pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpcadmm.datasets.formats.lines.CHUNK", 1000)
    pairs = " ".join(f"{i + 1}:0.123456789" for i in range(width))
    sparse = [f"1 {pairs}", f"# {'x' * width}\n-1 qid:3 {pairs}", f"1\n1\n-1 {pairs}"]
    dense = [",".join(["0.5"] * width), " ".join(["0.5"] * width)]
    for head, kind in [*((head, Libsvm) for head in sparse), *((head, Csv) for head in dense)]:
        (tmp_path / "a").write_bytes(pack(f"{head}\n{head}\n".encode()))
        assert format_of(tmp_path / "a") is kind, head[:40]


def test_a_text_that_may_be_of_two_formats_is_of_the_run_s_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n-1\n")
    assert [format_of(tmp_path / "a", own) for own in (None, Csv, Libsvm)] == [Csv, Csv, Libsvm]


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_the_same_whatever_block_is_read(
    block: int, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpcadmm.datasets.formats.lines.CHUNK", block)
    data = ("\ufeff" + CSV.decode()).replace("a,b", '"h\u00f6he, cm",b').replace("\n", end).encode()
    (tmp_path / "a.csv").write_bytes(data)
    np.testing.assert_array_equal(load("csv", tmp_path / "a.csv").x.T, X)


def test_comments_and_queries_of_libsvm(tmp_path: Path) -> None:
    lines = SVM.splitlines()
    other = ["# made by scikit-learn", "#", *(line.replace(" ", " qid:7 ", 1) + " # note" for line in lines), "  # end"]
    (tmp_path / "a").write_text("\n".join(other))
    np.testing.assert_array_equal(load("libsvm", tmp_path / "a").x.T, X)
    (tmp_path / "a").write_text("1,3 1:2\n")
    with pytest.raises(UsageError, match="row 1: the label '1,3' must be one number; keep one of several labels"):
        load("libsvm", tmp_path / "a")


FILES = {"csv": CSV, "libsvm": SVM.encode(), "npz": b"PK\x03\x04", "hdf5": b"\x89HDF\r\n\x1a\n"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "permission denied; .*chmod"),
        (errno.EMLINK, "too many symbolic links"),
        (errno.ESTALE, "input/output error"),
        (errno.ENOTTY, "cannot be read"),
    ],
)
def test_the_system_s_errors_are_told_with_their_cure(
    name: str, number: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(FILES[name])

    def failing(*arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    for method in ("stat", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, failing)
            patch.setattr("io.open", failing)
            patch.setattr("zipfile.io.open", failing)
            with pytest.raises(UsageError, match=said):
                load(name, tmp_path / "a")


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path / "loop", "too many symbolic links"),
        (tmp_path / "pipe", "is a pipe or a device"),
        (tmp_path, "set data.path to a file"),
        (tmp_path / "loop" / "a", "too many symbolic links"),
        (tmp_path / ("a" * 300), "name is too long"),
        (Path("~nobody-of-this-name/a"), "home directory"),
        (tmp_path / "a\0b", "not found"),
    ):
        with pytest.raises(UsageError, match=said):
            load(name, path)
        if path not in (tmp_path, tmp_path / "a\0b"):
            with pytest.raises(UsageError, match=said):
                recognised(str(path), None, DATASETS)


def test_a_folder_that_may_not_be_read_does_not_hide_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setenv("HPCADMM_DATA", str(tmp_path / "loop"))
    (tmp_path / "cache" / "hpcadmm").mkdir(parents=True)
    made("mnist", tmp_path / "cache" / "hpcadmm" / "mnist")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert DATASETS["mnist"]().parts(0)[0].table.rows == 203
    with pytest.raises(UsageError, match="too many symbolic links"):
        DATASETS["kmnist"]().parts(0)
    assert "too many symbolic links" in {entry.name: entry.found for entry in catalogue(DATASETS)}["kmnist"]


def test_hdf5_needs_no_locks_and_sees_who_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["X"], file["y"] = X, Y
    with path.open("r+b") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="in use: another program has it open for writing"):
            load("hdf5", path)
        monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "FALSE")
        np.testing.assert_array_equal(load("hdf5", path).x.T, X)
        monkeypatch.delenv("HDF5_USE_FILE_LOCKING")

    def none(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    np.testing.assert_array_equal(load("hdf5", path).x.T, X)


def test_hdf5_that_a_killed_writer_left(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["X"], file["y"] = X, Y
        file.flush()
        left = path.read_bytes()  # its header says that it is open for writing
    path.write_bytes(left)
    with pytest.raises(UsageError, match=r"in use: .*h5clear"):
        load("hdf5", path)


def test_an_unpacking_that_memory_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(CSV)
    with pytest.raises(UsageError, match="needs more memory"), stream.blamed(tmp_path / "a"):
        raise MemoryError
