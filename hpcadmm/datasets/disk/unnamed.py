"""A scratch file without a name, which goes with the process, however that ends."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from hpcadmm.comm import memory
from hpcadmm.errors import UsageError


def unnamed(size: int = 0) -> IO[bytes]:
    """A file in the folder for temporary files (TMPDIR), with room for this many bytes. Raises OSError."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (whoever asked for it closes it)
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    return file


@contextmanager
def full(size: int) -> Iterator[None]:
    """Turn an error of writing a scratch file of this many bytes into a UsageError."""
    try:
        yield
    except OSError as error:
        where = f"a scratch file of {memory.size(size)} in {tempfile.gettempdir()}"
        cure = "set TMPDIR to a folder on a disk with more room"
        raise UsageError(f"data.memory: {where}: {error.strerror or error}; {cure}") from error
