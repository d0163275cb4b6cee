"""Where data files lie."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from hpcadmm.datasets.formats.reasons import there
from hpcadmm.errors import UsageError

VARIABLE = "HPCADMM_DATA"
PACKED = ("", ".gz", ".bz2", ".xz")


def cache() -> Path:
    """The user's cache folder, where downloads go."""
    from platformdirs import user_cache_dir  # seldom needed; pooch, which gives the same folder, is slow to import

    return Path(user_cache_dir("hpcadmm"))


def roots() -> list[Path]:
    """The folders of data, most wanted first: $HPCADMM_DATA, then the user's cache."""
    given = os.environ.get(VARIABLE)
    return [*([Path(given)] if given else []), cache()]


def expanded(path: str) -> Path:
    """The path with ~ and ~user filled in. Raises UsageError for a user that does not exist."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:  # ValueError: a NUL
        raise UsageError(f"{path!a}: {error}") from error


def places(path: str | None, name: str) -> list[Path]:
    """The folders (or one file) where dataset `name` may lie.

    An absolute `path` is the only place; a relative one counts from the working folder, then from the roots;
    without one the roots and their subfolders `name` are searched.
    """
    if path is None:
        return [place for root in roots() for place in (root / name, root)]
    given = expanded(path)
    return [given] if given.is_absolute() else [Path.cwd() / given, *(root / given for root in roots())]


def find(names: Sequence[str], where: Sequence[Path]) -> Path | None:
    """The first file of `names`, each plain or packed (PACKED), in the first place that has one.

    Raises UsageError if there is none, but a place that may not be looked into.
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


def missing(dataset: str, names: Sequence[str], where: Sequence[Path], cure: str) -> UsageError:
    """The error for files that are nowhere: what was expected, where it was sought, and what gets it."""
    lines = [
        f"data.name = {dataset!r}: not found: {' or '.join(names)} (plain or {', '.join(PACKED[1:])})",
        "searched:",
    ]
    lines += [f"  {place}" for place in where]
    return UsageError("\n".join([*lines, f"set data.path or {VARIABLE} to the folder, or get the files: {cure}"]))


def fingerprint(path: Path) -> list[object]:
    """A cheap description of a file: its name, its size, and a hash of its first and last 4 kB."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(4096)
        file.seek(max(0, size - 4096))
        ends += file.read(4096)
    return [path.name, size, hashlib.sha256(ends).hexdigest()]
