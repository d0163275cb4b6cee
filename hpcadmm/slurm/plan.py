"""From a job file, or a run to go on with, and what was asked for, to the script."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpcadmm.comm.launcher import plugin
from hpcadmm.comm.library import ask
from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import read
from hpcadmm.job.tables import may_change
from hpcadmm.slurm.request import NAME, Request, matches
from hpcadmm.slurm.script import Training, training
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.storage.folders import newest
from hpcadmm.storage.readers import JOB, read_job
from hpcadmm.storage.run import RUNS

SUFFIX = ".sbatch"


def plan(target: Path, out: Path | None, settings: Sequence[str], asked: dict[str, Any]) -> tuple[Training, Request]:
    """What the script does, and asks of Slurm. `target` is a job file or a run folder; `asked`: fields of `Request`.

    Raises UsageError for a job that would not start, and for what `Request` refuses.
    """
    if target.is_dir():
        run, job = going_on(target, out, settings, asked)
    else:
        job = target
        read(job, settings)  # better refused now than after hours in a queue
        run = out or unused(asked.get("name") or job.stem)
    run, job = run.absolute(), job.absolute()
    name = asked.get("name") or named(run.name if target.is_dir() else job.stem)
    mpi = asked.get("mpi")
    if asked.get("launcher", "srun") == "srun" and mpi is None:
        mpi = own_plugin()
    request = Request(**{**asked, "name": name, "mpi": mpi, "output": run.with_name(f"{run.name}.out")})
    if request.launcher == "srun":
        return Training(job, run, settings, changes(settings)), request
    return Training(job, run, settings, changes(settings), mpirun()), request


def going_on(run: Path, out: Path | None, settings: Sequence[str], asked: dict[str, Any]) -> tuple[Path, Path]:
    """Folder and job of a run that is there. Raises UsageError if it cannot go on."""
    read_job(run)
    if out is not None or asked.get("array") is not None:
        raise UsageError(f"{run} is a run folder: it goes on there, without --out and --array")
    if not newest(run / "checkpoints"):
        raise UsageError(f"{run} has no checkpoint to go on with: name its job file, and --out {run}")
    if rest := sorted(set(settings) - set(changes(settings))):
        raise UsageError(f"--set {rest[0]}: a run goes on with its own job; name a job file for a new one")
    return run, run / JOB


def changes(settings: Sequence[str]) -> list[str]:
    """Those overrides with which a run may also go on."""
    return [one for one in settings if may_change(one)]


def own_plugin() -> str | None:
    """srun's --mpi for this environment's MPI library; None, the cluster's default, if no library can be loaded."""
    name, _ = ask(start=False)
    return plugin(name) if name else None


def mpirun() -> str:
    """The mpiexec of this environment's MPI; without one the mpirun on the PATH of the job."""
    from hpcadmm.bench.scaling import mpiexec

    try:
        return mpiexec()
    except UsageError:
        return "mpirun"


def named(text: str) -> str:
    """A job name made of any text.

    >>> named("-my run (2)")
    'my-run-2-'
    """
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).lstrip("-.+")[:100]
    return name if matches(NAME, name) else "hpcadmm"


def unused(name: str) -> Path:
    """A run folder in results/runs that is not there yet; it is made by the job."""
    stem = RUNS / f"{named(name)}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    found, k = stem, 1
    while found.exists() or found.with_name(found.name + SUFFIX).exists():
        k += 1
        found = stem.with_name(f"{stem.name}-{k}")
    return found


def write(run: Training, request: Request, to: Path | None = None) -> Path:
    """Write the script, by default beside the run folder as <run>.sbatch, and make the folder that it lies in."""
    place = to or run.run.with_name(run.run.name + SUFFIX)
    text = training(run, request)
    with spoken(f"write {place}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, text)
    return place
