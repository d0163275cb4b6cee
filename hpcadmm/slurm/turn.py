"""What a job does when Slurm starts it, for the first time or again: train, resume, nothing, or stop with a message."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.job.tables import PLACES
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.storage.folders import iteration_of, newest
from hpcadmm.storage.holder import holder
from hpcadmm.storage.lock import LOCK, OWNER
from hpcadmm.storage.readers import ENVIRONMENT, JOB, LOG, METRICS, SUMMARY, read_job, read_metrics, read_summary

OWN = {JOB, ENVIRONMENT, METRICS, LOG, SUMMARY, LOCK, OWNER, "checkpoints"}  # of a run folder
KEPT = 200  # starts that are remembered
VAIN = 2  # starts in a row without progress after which a job stops


def turn(run: Path, changes: Sequence[str]) -> str:
    """What to do, train, resume or finished, in one of these words; records the start beside the run folder.

    changes: overrides with which the run is to go on. Raises UsageError if the folder is no run or is in use, if the
    run has diverged, and at the third start in a row of one job with the same newest checkpoint.
    """
    if not (run / JOB).is_file():
        begin(run)
        return "train"
    if holder(run):
        raise UsageError(f"{run}: another job is at work in this run folder")
    if ended(run, changes):
        return "finished"
    begin(run)
    if newest(run / "checkpoints"):
        return "resume"
    clear(run)
    return "train"


def ended(run: Path, changes: Sequence[str]) -> bool:
    """Has the run met its stop rule, which the changes leave as it is? Raises UsageError if it has diverged."""
    summary, rows = read_summary(run), read_metrics(run)
    if summary is None or int(summary.get("iterations", 0)) < int((rows or [{}])[-1].get("iteration", 0)):
        return False
    if summary.get("state") == "diverged":
        raise UsageError(f"{run}: {summary.get('stop_reason')}; started again it would do the same")
    return summary.get("state") == "finished" and not changed(run, changes)


def changed(run: Path, changes: Sequence[str]) -> bool:
    """Would the overrides make another job of it?"""
    text = read_job(run)
    told = [change for change in changes if change.partition("=")[0].strip() not in PLACES]
    return bool(told) and parse(text, told) != parse(text)


def begin(run: Path) -> None:
    """Record a start. Raises UsageError if this job has made no progress in its last two."""
    job, there = os.environ.get("SLURM_JOB_ID", ""), reached(run)
    starts = [start for start in records(run) if isinstance(start, dict)]
    before = [start.get("iteration") for start in starts if start.get("job") == job][-VAIN:]
    if job and before == [there] * VAIN:
        newest_one = f"that of iteration {there}" if there else "missing"
        raise UsageError(
            f"{run}: no progress in the last {VAIN} starts, the newest checkpoint is still {newest_one}. The job "
            "stops. Give it more --time, or the ranks more time to save (--signal), or save more often "
            "(--set save.minutes=...), and submit it again"
        )
    restart = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    start = {"job": job, "restart": restart, "iteration": there, "started": now}
    with spoken(f"write beside the run folder {run}"):
        beside(run).parent.mkdir(parents=True, exist_ok=True)
        write_text(beside(run), json.dumps([*starts, start][-KEPT:], indent=1) + "\n")


def reached(run: Path) -> int:
    """The iteration of the newest checkpoint, 0 if there is none."""
    return max(map(iteration_of, newest(run / "checkpoints")), default=0)


def beside(run: Path) -> Path:
    """The file of the starts."""
    return run.with_name(f"{run.name}.starts.json")


def records(run: Path) -> list[Any]:
    """The starts so far; none if the file is missing or damaged."""
    try:
        found = json.loads(beside(run).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def clear(run: Path) -> None:
    """Remove what a run left that was killed before its first checkpoint, but no file that is not of a run."""
    strange = sorted(name for name in os.listdir(run) if name.removesuffix(".partial") not in OWN)
    if strange:
        raise UsageError(f"{run}: has no checkpoint to go on with, and holds {strange[0]}: choose another --out")
    with spoken(f"remove what was left in {run}"):
        shutil.rmtree(run)
