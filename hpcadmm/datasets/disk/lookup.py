"""Find data files, and say why one cannot be read and what to do about it."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from hpcadmm.errors import UsageError, nearby

VARIABLE = "HPCADMM_DATA"
PACKED = ("", ".gz", ".bz2", ".xz")
LINKS = "too many symbolic links: a link leads back to itself; name the file itself, or repair the link"
DENIED = "permission denied; ask its owner for read access (chmod a+r the file, a+x the folders above it)"
FAILS = "input/output error of the disk or file system; copy the file to another disk, or ask the administrator"
IN_USE = "in use: another program has it open for writing; wait until that program has closed it"
REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file: a part of the path is itself a file",
    errno.EISDIR: "is a folder; name a file in it",
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.ELOOP: LINKS,
    errno.EMLINK: LINKS,
    errno.ENOLCK: "the file system has no locks; set the variable HDF5_USE_FILE_LOCKING=FALSE",
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
    """The cause of a system error, with the cure where one is known."""
    near = nearby(Path(error.filename)) if error.errno == errno.ENOENT and error.filename else ""
    return (REASONS.get(error.errno or 0) or f"cannot be read: {error.strerror or error}") + near


def there(path: Path) -> bool:
    """Is `path` a file? Raises UsageError if the system does not say (no permission, a circle of links)."""
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
        raise UsageError(f"{path}: {REASONS[errno.EISDIR] if folder(path) else REASONS[errno.ENOENT] + nearby(path)}")


def folder(path: Path) -> bool:
    """Is `path` a folder? False also if the system does not say."""
    try:
        return path.is_dir()
    except OSError:
        return False


def cache() -> Path:
    """The user's cache folder, where downloads go."""
    from platformdirs import user_cache_dir  # rarely needed

    return Path(user_cache_dir("hpcadmm"))


def expanded(path: str) -> Path:
    """The path with ~ and ~user filled in. Raises UsageError for an unknown user."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:  # ValueError: a NUL
        raise UsageError(f"{path!a}: {error}") from error


def places(path: str | None, name: str) -> list[Path]:
    """The folders (or the one file) to search for dataset `name`.

    An absolute `path` is the only place. A relative one is sought in the working folder, $HPCADMM_DATA and the user's
    cache. Without a path: the latter two and their subfolders `name`.
    """
    given = os.environ.get(VARIABLE)
    roots = [*([Path(given)] if given else []), cache()]
    if path is None:
        return [place for root in roots for place in (root / name, root)]
    wanted = expanded(path)
    return [wanted] if wanted.is_absolute() else [root / wanted for root in (Path.cwd(), *roots)]


def find(names: Sequence[str], where: Sequence[Path]) -> Path | None:
    """The first file of `names`, each plain or packed (PACKED), in the first place that has one.

    Raises UsageError if none is found and a place may not be searched.
    """
    refused: UsageError | None = None
    for place in where:
        for candidate in (place / f"{name}{ending}" for name in names for ending in PACKED):
            try:
                if there(candidate):
                    return candidate
            except UsageError as error:
                refused = refused or error
    if refused:
        raise refused
    return None


def near(name: str, where: Sequence[Path]) -> str:
    """The end of a message about a file that no place has: which one there may be meant."""
    return next((found for place in where if (found := nearby(place / name))), "")


def missing(dataset: str, names: Sequence[str], where: Sequence[Path], cure: str) -> UsageError:
    """The error for files that were not found: their names, the places searched, and the cure."""
    searched = "\n".join(f"  {place}" for place in where)
    return UsageError(
        f"data.name = {dataset!r}: not found: {' or '.join(names)} (plain or {', '.join(PACKED[1:])})\nsearched:\n"
        f"{searched}\nset data.path or {VARIABLE} to the folder, or get the files: {cure}"
    )
