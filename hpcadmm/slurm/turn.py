"""What a job does each time Slurm starts it: train, resume, nothing, or stop with a message."""

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
from hpcadmm.storage.lock import LOCK, OWNER, holder
from hpcadmm.storage.readers import (
    ENVIRONMENT,
    JOB,
    LOG,
    METRICS,
    ORIGIN,
    SUMMARY,
    read_job,
    read_metrics,
    read_summary,
)

OWN = {JOB, ENVIRONMENT, ORIGIN, METRICS, LOG, SUMMARY, LOCK, OWNER, "checkpoints"}  # the files of a run folder
KEPT = 200  # starts on record
VAIN = 2  # starts in a row without progress after which a job stops


def turn(run: Path, changes: Sequence[str]) -> str:
    """What this start has to do: "train", "resume" or "finished". Records the start next to the run folder.

    changes: overrides for resuming. Raises UsageError if the folder is not a run or is in use, if the run has
    diverged, and at the third start in a row of one job with the same newest checkpoint.
    """
    if not (run / JOB).is_file():
        record_start(run)
        return "train"
    if holder(run):
        raise UsageError(f"{run}: another job is using this run folder")
    if ended(run, changes):
        return "finished"
    record_start(run)
    if newest(run / "checkpoints"):
        return "resume"
    clear(run)
    return "train"


def ended(run: Path, changes: Sequence[str]) -> bool:
    """Whether the run has met its stop rule and the changes keep that rule. Raises UsageError if it has diverged."""
    summary, rows = read_summary(run), read_metrics(run)
    if summary is None or int(summary.get("iterations", 0)) < int((rows or [{}])[-1].get("iteration", 0)):
        return False
    if summary.get("state") == "diverged":
        raise UsageError(f"{run}: {summary.get('stop_reason')}; a restart would diverge again: change the job")
    return summary.get("state") == "finished" and not differs(run, changes)


def differs(run: Path, changes: Sequence[str]) -> bool:
    """Whether the overrides change the job."""
    text = read_job(run)
    relevant = [change for change in changes if change.partition("=")[0].strip() not in PLACES]
    return bool(relevant) and parse(text, relevant) != parse(text)


def record_start(run: Path) -> None:
    """Record a start. Raises UsageError if this job has made no progress in its last two starts."""
    job, there = os.environ.get("SLURM_JOB_ID", ""), reached(run)
    starts = records(run)
    if job and [start.get("iteration") for start in starts if start.get("job") == job][-VAIN:] == [there] * VAIN:
        last = f"the newest checkpoint is still that of iteration {there}" if there else "no checkpoint was saved"
        raise UsageError(
            f"{run}: no progress in the last {VAIN} starts: {last}. The job stops. Allow more --time, or more time to "
            "save (--signal), or save more often (--set save.minutes=...), and submit it again"
        )
    restart = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    start = {"job": job, "restart": restart, "iteration": there, "started": now}
    with spoken(f"write next to the run folder {run}"):
        record_file(run).parent.mkdir(parents=True, exist_ok=True)
        write_text(record_file(run), json.dumps([*starts, start][-KEPT:], indent=1) + "\n")


def reached(run: Path) -> int:
    """The iteration of the newest checkpoint, 0 if there is none."""
    return max(map(iteration_of, newest(run / "checkpoints")), default=0)


def record_file(run: Path) -> Path:
    """The file that records the starts."""
    return run.with_name(f"{run.name}.starts.json")


def records(run: Path) -> list[dict[str, Any]]:
    """The starts so far; none if the file is missing or damaged."""
    try:
        found = json.loads(record_file(run).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [start for start in found if isinstance(start, dict)] if isinstance(found, list) else []


def clear(run: Path) -> None:
    """Delete a run that was killed before its first checkpoint, unless the folder holds other files, too."""
    strange = sorted(name for name in os.listdir(run) if name.removesuffix(".partial") not in OWN)
    if strange:
        raise UsageError(f"{run}: no checkpoint to resume from, and {strange[0]} is not part of a run; change --out")
    with spoken(f"remove the files in {run}"):
        shutil.rmtree(run)
