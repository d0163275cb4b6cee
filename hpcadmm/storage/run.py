"""A run folder: job, environment, metrics, log, checkpoints, summary. One job at a time writes it.

job.toml environment.json origin.json metrics.jsonl log.txt checkpoints/ summary.json lock
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from hpcadmm.errors import UsageError
from hpcadmm.storage import readers
from hpcadmm.storage.durable import append, comma_separated, spoken, write_text
from hpcadmm.storage.lock import LOCK, OWNER, Lock
from hpcadmm.storage.readers import (
    ENVIRONMENT,
    JOB,
    LOG,
    METRICS,
    ORIGIN,
    SUMMARY,
    plain,
    read_job,
    read_metrics,
    read_summary,
)

if TYPE_CHECKING:
    from hpcadmm.comm.world import World

__all__ = ["Run", "read_job", "read_metrics", "read_summary"]
RUNS = Path("results", "runs")
CHECKPOINTS = "checkpoints"
BEGUN = {LOCK, OWNER, CHECKPOINTS, *(f"{name}{end}" for name in (ENVIRONMENT, ORIGIN) for end in ("", ".partial"))}
BEGUN |= {f"{JOB}.partial"}  # written before job.toml
WEAK = "this file system has no locks: only the file lock.owner keeps a second job out"


class Run:
    """A run folder that this job uses, on every rank; only the first rank writes.

    All methods but `log` and `close` are collective and fail on all ranks. If the disk refuses a line of the log, the
    next `metric` or `summary` raises the error.
    """

    saves: ClassVar[bool] = True

    def __init__(self, world: "World", folder: Path, lock: Lock | None) -> None:
        self.world = world
        self.folder = folder
        self._lock = lock
        self._unlogged: OSError | None = None  # the last error of log.txt, until it is raised

    @classmethod
    def create(
        cls,
        world: "World",
        folder: Path | None,
        name: str,
        job_toml: str,
        environment: dict[str, Any],
        origin: dict[str, Any] | None = None,
    ) -> "Run":
        """Make and lock the folder of a new run (default: results/runs/<name>-<UTC time>). Collective.

        origin: the content of origin.json, of a run that begins from another one.
        Raises UsageError if it is not empty, is in use, cannot be written, or a rank does not see it.
        """
        lock: Lock | None = None
        with world.together("making the run folder"), spoken(f"make the run folder {folder or RUNS}"):
            if world.first:
                lock = Lock(_unused(name)) if folder is None else _occupy(folder)
                folder = lock.folder
                _furnish(lock, environment, job_toml, origin)
        return cls._seen(world, folder, lock)

    @classmethod
    def reopen(cls, world: "World", folder: Path, environment: dict[str, Any], job_toml: str | None = None) -> "Run":
        """Lock an existing run folder to continue the run; keep its content. Collective.

        environment.json gets this environment, and the former ones as the list "earlier". job_toml, if given, replaces
        job.toml. Raises UsageError if it is not a run folder, is in use, or cannot be written.
        """
        lock: Lock | None = None
        with world.together("opening the run folder"), spoken(f"open the run folder {folder}"):
            if world.first:
                read_job(folder)
                lock = Lock(folder)
                _furnish(lock, environment, job_toml)
        return cls._seen(world, folder, lock)

    @classmethod
    def _seen(cls, world: "World", folder: Path | None, lock: Lock | None) -> "Run":
        """The run on all ranks. Raises UsageError if a rank does not see the folder."""
        run = cls(world, Path(world.share(str(folder))), lock)
        try:
            with world.together("looking for the run folder"):
                if not (run.folder / JOB).is_file():
                    raise UsageError(
                        f"rank {world.rank} on {world.host} does not see the run folder {run.folder}; "
                        "put it on a file system that all nodes share"
                    )
        except Exception:
            run.close()
            raise
        if lock and lock.weak:
            run.log(WEAK)
        return run

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / CHECKPOINTS

    @property
    def continued(self) -> str:
        """How to continue the run, for messages."""
        return f"continue with: hpcadmm resume {self.folder}"

    def kept(self, saved: int) -> str:
        """What remains of a run that diverged, for messages. saved: the last checkpoint, if above 0."""
        if saved < 1:
            return "no checkpoint was due before (save.every, save.minutes)"
        return f"the last good checkpoint, of iteration {saved}, is in {self.checkpoints}"

    def metric(self, row: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl; NaN and infinity become null. Collective."""
        self._write(METRICS, lambda path: append(path, json.dumps(plain(row), allow_nan=False)))

    def cut_metrics(self, iteration: int, last: dict[str, Any]) -> None:
        """Drop rows after an iteration and damaged ones, in one step. Collective.

        last: the row that the checkpoint holds; it is added if a full disk lost it.
        """
        self._write(METRICS, lambda path: write_text(path, readers.rows_until(path, iteration, last)))

    def log(self, line: str) -> None:
        """Append lines to log.txt, each after the UTC time. Does not communicate and never fails."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self.world.first:
            try:
                append(self.folder / LOG, "\n".join(f"{now} {part}" for part in line.splitlines() or [""]))
            except OSError as error:
                self._unlogged = error

    def summary(self, summary: dict[str, Any]) -> None:
        """Write or replace summary.json in one step; NaN and infinity become null. Collective."""
        text = json.dumps(plain(summary), allow_nan=False, indent=2) + "\n"
        self._write(SUMMARY, lambda path: write_text(path, text))

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write or replace a csv file in one step. Collective."""
        self._write(name, lambda path: write_text(path, comma_separated(rows)))

    def _write(self, name: str, write: Callable[[Path], None]) -> None:
        """Write a file on the first rank. Raises UsageError on all ranks if that fails or a log line was lost."""
        with self.world.together(f"writing {name}"), spoken(f"write {self.folder / name}"):
            if self.world.first:
                write(self.folder / name)
                if self._unlogged:
                    raise self._unlogged

    @contextmanager
    def telling(self, saved: Callable[[], int]) -> Iterator[None]:
        """Add to the error of a full disk which checkpoint exists and how to continue.

        saved: the iteration of the last checkpoint, -1 if there is none.
        """
        try:
            yield
        except UsageError as error:
            there = f"the checkpoint of iteration {saved()} is valid: continue with `hpcadmm resume {self.folder}`"
            none = "no checkpoint was saved: start again, with save.every"
            raise UsageError(f"{error}\n{there if saved() >= 0 else none}") from error

    def close(self) -> None:
        """Release the folder for the next job; a second call does nothing."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unused(name: str) -> Path:
    """Make a new folder results/runs/<name>-<UTC time>[-k]."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:50] or "run"  # 50 characters are at most 200 bytes
    encoding = sys.getfilesystemencoding()  # in an ASCII locale file names are ASCII
    stem = stem.encode(encoding, "replace").decode(encoding).replace("?", "-")
    stem += time.strftime("-%Y%m%dT%H%M%S", time.gmtime())
    RUNS.mkdir(parents=True, exist_ok=True)
    k = 1
    while True:
        folder = RUNS / (stem if k == 1 else f"{stem}-{k}")
        try:
            folder.mkdir()
        except FileExistsError:
            k += 1
        else:
            return folder


def _occupy(folder: Path) -> Lock:
    """Make and lock a folder; an existing one must be empty, or of a job that ended before it wrote job.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    there = set(os.listdir(folder))
    lock = Lock(folder) if not there or LOCK in there else None
    if lock is None or set(os.listdir(folder)) - BEGUN or any((folder / CHECKPOINTS).glob("*")):
        if lock:
            lock.close()
        raise UsageError(f"{folder} is not empty: choose another --out, or continue with `hpcadmm resume {folder}`")
    return lock


def _furnish(
    lock: Lock, environment: dict[str, Any], job_toml: str | None, origin: dict[str, Any] | None = None
) -> None:
    """Write the first files of a run folder, job.toml last; release the lock if that fails."""
    folder = lock.folder
    try:
        (folder / CHECKPOINTS).mkdir(exist_ok=True)
        earlier = _earlier(folder / ENVIRONMENT)
        text = json.dumps({**plain(environment), "folder": os.path.abspath(folder), **earlier}, indent=2)
        write_text(folder / ENVIRONMENT, text + "\n")
        if origin is not None:
            write_text(folder / ORIGIN, json.dumps(plain(origin)) + "\n")
        if job_toml is not None:
            write_text(folder / JOB, job_toml)
    except Exception:
        lock.close()
        raise


def _earlier(path: Path) -> dict[str, Any]:
    """The environments of earlier starts, if any."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        return {"earlier": [*old.pop("earlier", []), old]}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}
