"""The folder of a run: job, environment, metrics, log, checkpoints, summary. One job at a time may write it.

job.toml environment.json metrics.jsonl log.txt checkpoints/ summary.json lock
"""

import json
import os
import re
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from hpcadmm.errors import UsageError
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.storage.lock import LOCK, OWNER, Lock
from hpcadmm.storage.readers import (
    ENVIRONMENT,
    JOB,
    LOG,
    METRICS,
    SUMMARY,
    plain,
    read_job,
    read_metrics,
    read_summary,
    rows_until,
)

if TYPE_CHECKING:
    from hpcadmm.comm.world import World

__all__ = ["Run", "read_job", "read_metrics", "read_summary"]
RUNS = Path("results", "runs")
WEAK = "this file system has no locks: nothing but the file lock.owner keeps a second job away"


class Run:
    """A run folder in use by this job, on every rank; on ranks other than the first every write does nothing.

    `create`, `reopen` and `truncate_metrics` are collective and fail on all ranks; `metric`, `log`, `summary` and
    `close` do not communicate.
    """

    def __init__(self, world: "World", folder: Path, lock: Lock | None) -> None:
        self.world = world
        self.folder = folder
        self._lock = lock
        self._files: dict[str, IO[str]] = {}

    @classmethod
    def create(
        cls, world: "World", folder: Path | None, name: str, job_toml: str, environment: dict[str, Any]
    ) -> "Run":
        """Make the folder of a new run, by default results/runs/<name>-<UTC time>, and take its lock. Collective.

        UsageError if it exists and is not empty, is in use, cannot be written, or is not seen by all ranks.
        """
        lock: Lock | None = None
        with world.together("making the run folder"), spoken(f"make the run folder {folder or RUNS}"):
            if world.first:
                lock = Lock(_unused(name)) if folder is None else _occupy(folder)
                folder = lock.folder
                _furnish(lock, environment, job_toml)
        return cls._seen(world, folder, lock)

    @classmethod
    def reopen(cls, world: "World", folder: Path, environment: dict[str, Any], job_toml: str | None = None) -> "Run":
        """Take an existing run folder to go on with it; keeps what is in it. Collective.

        environment.json then holds this environment and the former ones as the list "earlier"; job_toml, if given,
        replaces job.toml. UsageError if it is not a run folder, is in use, or cannot be written.
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
        """The run on all ranks, if all ranks see the folder."""
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
    def job_toml(self) -> str:
        """The resolved job."""
        return read_job(self.folder)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    def metric(self, row: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl, at once; NaN and infinity become null."""
        self._append(METRICS, json.dumps(plain(row), allow_nan=False))

    def truncate_metrics(self, iteration: int) -> None:
        """Drop the rows past an iteration, and damaged ones, in one step. Collective."""
        with self.world.together("cutting the metrics"), spoken(f"cut {self.folder / METRICS}"):
            if self.world.first:
                self._files.pop(METRICS, None)
                write_text(self.folder / METRICS, rows_until(self.folder / METRICS, iteration))

    def log(self, line: str) -> None:
        """Append to log.txt, at once, with the UTC time before each line."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._append(LOG, "\n".join(f"{now} {part}" for part in line.splitlines() or [""]))

    def summary(self, summary: dict[str, Any]) -> None:
        """Write or replace summary.json in one step; NaN and infinity become null."""
        if self.world.first:
            write_text(self.folder / SUMMARY, json.dumps(plain(summary), allow_nan=False, indent=2) + "\n")

    def _append(self, name: str, line: str) -> None:
        if not self.world.first:
            return
        if name not in self._files:
            self._files[name] = open(self.folder / name, "a", encoding="utf-8")  # noqa: SIM115 closed by close()
        self._files[name].write(line + "\n")
        self._files[name].flush()

    def close(self) -> None:
        """Release the folder for the next job. May be called twice."""
        for file in self._files.values():
            file.close()
        self._files.clear()
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
    """Make a folder, or take an empty one, and lock it."""
    folder.mkdir(parents=True, exist_ok=True)
    there = set(os.listdir(folder))
    lock = Lock(folder) if not there or LOCK in there else None
    if lock is None or set(os.listdir(folder)) - {LOCK, OWNER}:
        if lock:
            lock.close()
        raise UsageError(f"{folder} is not empty: choose another --out, or go on with `hpcadmm resume {folder}`")
    return lock


def _furnish(lock: Lock, environment: dict[str, Any], job_toml: str | None) -> None:
    """Write what a run folder holds from the start, job.toml last; release the lock if that fails."""
    folder = lock.folder
    try:
        (folder / "checkpoints").mkdir(exist_ok=True)
        text = json.dumps(
            {**plain(environment), "folder": os.path.abspath(folder), **_earlier(folder / ENVIRONMENT)}, indent=2
        )
        write_text(folder / ENVIRONMENT, text + "\n")
        if job_toml is not None:
            write_text(folder / JOB, job_toml)
    except Exception:
        lock.close()
        raise


def _earlier(path: Path) -> dict[str, Any]:
    """The environments of the starts before this one, if there were any."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        return {"earlier": [*old.pop("earlier", []), old]}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}
