"""A file that a command writes for its user: whole or not at all."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from hpcadmm.errors import UsageError
from hpcadmm.storage.durable import spoken


def kind(out: Path, known: Iterable[str]) -> str:
    """The suffix of a file to be written, in lower case. Raises UsageError if it is none of those known.

    >>> kind(Path("curves.PNG"), [".png", ".svg"])
    '.png'
    """
    suffix = out.suffix.lower()
    if suffix not in known:
        raise UsageError(f"-o {out}: must end in {', '.join(known)}")
    return suffix


def absent(out: Path, force: bool) -> None:
    """Raise UsageError if the file is there and is not to be replaced."""
    if os.path.exists(out) and not force:
        raise UsageError(f"{out}: is there already; replace it with --force")


def written(out: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `out`, then give it that name. Raises UsageError where the disk refuses."""
    aside = out.with_name(f".{out.stem}.{os.getpid()}{out.suffix}")
    try:
        with spoken(f"write {out}"):
            write(aside)
            os.replace(aside, out)
    finally:
        with suppress(OSError):
            aside.unlink()
