"""Names of checkpoint folders; a folder is written as `.partial` and committed by renaming.

iteration-0000000010                    committed
iteration-0000000010.1a2b3c4d.partial   being written or removed; an orphan if the job has ended
iteration-0000000010.old                committed, about to be replaced by one of the same iteration
best/iteration-0000000010               the weights of the best measured iteration, see `needed`
"""

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from hpcadmm.storage.durable import sync_folder

MASTER = "checkpoint.h5"
BEST = "best"  # folder of the best weights, among the checkpoints
COMMITTED = re.compile(r"iteration-(\d{10,18})(\.old)?", re.ASCII)
ORPHAN = re.compile(r"iteration-\d{10,18}\.[0-9a-z]{1,8}\.partial", re.ASCII)


def place(folder: Path, iteration: int) -> Path:
    """The folder of the checkpoint of an iteration.

    >>> place(Path("checkpoints"), 10).name
    'iteration-0000000010'
    """
    return folder / f"iteration-{iteration:010d}"


def beside(final: Path, suffix: str) -> Path:
    """The folder of the same iteration with a suffix."""
    return final.with_name(final.name.removesuffix(".old") + suffix)


def iteration_of(path: Path) -> int:
    """The iteration in the name of a committed checkpoint; -1 for other names."""
    found = COMMITTED.fullmatch(path.name)
    return int(found[1]) if found else -1


def newest(folder: Path) -> list[Path]:
    """The committed checkpoints in a folder, newest first; none if the folder does not exist."""
    try:
        names = {entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)}
    except (FileNotFoundError, NotADirectoryError):
        return []
    there = [n for n in names if COMMITTED.fullmatch(n) and not (n.endswith(".old") and n[:-4] in names)]
    return sorted((folder / name for name in there), key=iteration_of, reverse=True)


def make(folder: Path) -> None:
    """Make a folder of checkpoints durably, unless it exists."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        sync_folder(folder.parent)


def sweep(folder: Path) -> None:
    """Remove what a killed job left; finish or undo a replacement it had begun."""
    for entry in list(folder.iterdir()) if folder.is_dir() else []:
        final = beside(entry, "")
        if ORPHAN.fullmatch(entry.name) or (entry != final and COMMITTED.fullmatch(entry.name) and final.exists()):
            shutil.rmtree(entry, ignore_errors=True)
        elif entry != final and COMMITTED.fullmatch(entry.name):
            os.rename(entry, final)


def commit(partial: Path, final: Path) -> None:
    """Rename a written folder durably to its final name, replacing one of the same iteration."""
    sync_folder(partial)
    old = beside(final, ".old")
    if final.exists():
        os.rename(final, old)
    os.rename(partial, final)
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def prune(folder: Path, iteration: int, keep: int) -> None:
    """Keep the newest `keep` checkpoints up to `iteration`; remove later ones, of an abandoned run, too."""
    there = [k for k in map(iteration_of, newest(folder)) if k <= iteration]
    retain(folder, there[: max(keep, 1)])


def retain(folder: Path, kept: Collection[int]) -> None:
    """Remove the checkpoints of other iterations.

    A folder that cannot be removed now (in use on a network file system) stays as an orphan for the next sweep.
    """
    for path in newest(folder):
        if iteration_of(path) not in kept:
            gone = beside(path, ".gone.partial")
            os.rename(path, gone)
            shutil.rmtree(gone, ignore_errors=True)


def needed(folder: Path) -> set[int]:
    """The iterations of the best weights to keep: the newest best, and for each checkpoint the best at that time, since
    a resume from this checkpoint undoes the later ones."""
    best = [iteration_of(path) for path in newest(folder / BEST)]
    then = ([b for b in best if b <= iteration_of(path)] for path in newest(folder))
    return {*best[:1], *(before[0] for before in then if before)}
