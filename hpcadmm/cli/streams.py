"""Standard streams that never fail: output that cannot be written is dropped, unencodable characters are escaped."""

import errno
import io
import os
import select
import stat
import sys
from typing import TextIO

from hpcadmm.comm.launcher import ancestors, launcher_name
from hpcadmm.errors import UsageError

FULL = os.makedev(1, 7)  # /dev/full
QUIET = (errno.EPIPE, errno.EBADF, errno.EIO, errno.EFBIG)  # `| head`, `>&-`, a closed terminal, `ulimit -f`


class Lasting(io.FileIO):
    """Writes to a descriptor. Drops data that it refuses, and keeps its first error in `error`."""

    error: OSError | None = None

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        done = 0
        while done < len(view):
            try:
                done += os.write(self.fileno(), view[done:])
            except BlockingIOError:
                select.select([], [self.fileno()], [])
            except OSError as error:
                self.error = self.error or error
                break
        return len(view)


def secure() -> None:
    """Make the standard streams of this process `Lasting`, and open closed descriptors on the null device.

    Otherwise the next opened file would take the number of a closed stream and receive what MPI prints.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (open as long as the process)
    sys.stdout, sys.stderr = _lasting(sys.stdout, sys.__stdout__, 1), _lasting(sys.stderr, sys.__stderr__, 2)


def _pipe_of_launcher(descriptor: int) -> int:
    """The output pipe of MPICH's mpiexec, opened anew; the descriptor itself without one.

    mpiexec ends itself and all ranks when nobody reads that pipe.
    """
    if launcher_name() != "mpiexec (MPICH)":
        return descriptor
    try:
        path = f"/proc/{ancestors()[-1]}/fd/{descriptor}"
        there = os.stat(path)
        if stat.S_ISFIFO(there.st_mode) or there.st_rdev == FULL:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, IndexError):
        pass
    return descriptor


def _lasting(stream: TextIO | None, own: TextIO | None, descriptor: int) -> TextIO:
    """The stream rebuilt on `Lasting`. A stream that was redirected (it is not Python's own) stays as it is."""
    if stream is not None and stream is not own:
        return stream
    raw = Lasting(_pipe_of_launcher(descriptor), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace",
        line_buffering=descriptor == 2 or raw.isatty(),
        write_through=bool(getattr(stream, "write_through", False)),
    )


def delivered() -> None:
    """Raise UsageError if standard output lost data that somebody wanted, on a full disk or over a quota."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, Lasting) and raw.error and raw.error.errno not in QUIET:
        raise UsageError(f"cannot write standard output: {raw.error.strerror}")
