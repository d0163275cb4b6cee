"""A disk that is full at any byte is an OSError that names the file, and HDF5 does not end the process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.storage.durable import Source, spoken, write_text

FULL = """
import resource
from pathlib import Path
import numpy as np
from hpcadmm.storage.hdf5 import reading, read_array, write_array, write_text, writing

def write(path, sizes):
    with writing(path, sizes) as file:
        write_text(file, "text", "hello")
        for k in range(12):
            write_array(file, f"z/{k}", np.full((90, 30), float(k)), 64)

path, sizes = Path("file.h5"), {}
write(path, sizes)
size = sizes["file.h5"]
for limit in [*range(0, size, size // 150), size - 1]:
    path.unlink()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write(path, {})
    except OSError as error:
        assert (error.errno, error.filename) == (27, "file.h5"), error
    else:
        raise SystemExit(f"{limit} of {size} bytes were enough")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
path.unlink()
write(path, sizes)
with reading(path, size) as file:
    read_array(file, "z/3", found := np.zeros((90, 30)))
assert (found == 3).all()
"""


def test_a_disk_full_at_any_byte(spawn: Callable, tmp_path: Path) -> None:
    spawn(0, "-c", FULL).check()


def test_errors_are_told_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^cannot go on: No such file or directory \(.*absent\)$"), spoken("go on"):
        (tmp_path / "absent").read_text()


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    for text in ("one\n", "zwei äöü\n", ""):
        write_text(tmp_path / "file", text)
        assert (tmp_path / "file").read_text(encoding="utf-8") == text
    assert len(list(tmp_path.iterdir())) == 1


def test_a_source_ends_where_its_file_ends(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    buffer = bytearray(b"xxxx")
    with Source(tmp_path / "file") as source:
        assert source.seek(4) == 4
        assert source.readinto(buffer) == 2
        assert bytes(buffer) == b"ef\0\0"
        assert source.seek(-6, 2) == 0
        assert source.seek(1, 1) == 1
        assert source.read(3) == b"bcd"
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="symbolic links"):
        Source(tmp_path / "link")
