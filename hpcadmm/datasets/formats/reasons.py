"""Why a file cannot be opened or read, in words and each with its cure."""

import errno
import stat
from pathlib import Path

from hpcadmm.errors import UsageError

LINKS = "too many links: a symbolic link leads back to itself; name the file itself, or mend the link"
DENIED = "permission denied; ask its owner for read access (chmod a+r the file, a+x the folders above it)"
FAILS = "the disk or file system fails (input/output error); copy the file to another disk, or ask the administrator"
IN_USE = "in use: another program has it open for writing; wait until that program has closed it"
WORDS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file: a part of the path is itself a file",
    errno.EISDIR: "is a folder; name a file in it",
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.ELOOP: LINKS,
    errno.EMLINK: LINKS,
    errno.ENOLCK: "no locks: the file system has none; set the variable HDF5_USE_FILE_LOCKING=FALSE",
    errno.EAGAIN: IN_USE,
    errno.EBUSY: IN_USE,
    errno.ETXTBSY: IN_USE,
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENFILE: "too many open files on this machine; close some, or ask the administrator",
    errno.ENAMETOOLONG: "the name is too long for the file system; rename the file",
    errno.EIO: FAILS,
    errno.ESTALE: FAILS,
}


def reason(error: OSError) -> str:
    """The cause of an error of the system, with its cure where one is known."""
    known = WORDS.get(error.errno) if error.errno else None
    return known or f"cannot be read: {error.strerror or error}"


def there(path: Path) -> bool:
    """Is `path` a file? Raises UsageError where that cannot be known (no permission, a circle of links)."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        return False
    except OSError as error:
        raise UsageError(f"{path}: {reason(error)}") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UsageError(f"{path}: is a pipe or a device; save its content in a file first")
    return stat.S_ISREG(mode)


def check_there(path: Path) -> None:
    """Raise UsageError unless `path` is a file."""
    if not there(path):
        raise UsageError(f"{path}: {WORDS[errno.EISDIR if folder(path) else errno.ENOENT]}")


def folder(path: Path) -> bool:
    """Is `path` a folder? False also where that cannot be known."""
    try:
        return path.is_dir()
    except OSError:
        return False
