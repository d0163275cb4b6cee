"""From a job file or a run folder and the requested options to a batch script."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpcadmm.comm.launcher import ask, plugin
from hpcadmm.datasets.disk.lookup import expanded
from hpcadmm.errors import UsageError, nearby
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
    """What the script runs, and what it requests from Slurm.

    target: a job file or a run folder; settings: overrides of the job; asked: fields of `Request`.
    Raises UsageError for a job that could not start, and for values that `Request` refuses.
    """
    name = asked.get("name")
    if target.is_dir():
        check_resumable(target, out, settings, asked.get("array"))
        run, job, name = target, target / JOB, name or job_name(target.name)
    else:
        read(target, settings)  # refuse a bad job now, not after hours in the queue
        run, job, name = out or unused(name or target.stem), target, name or job_name(target.stem)
    run, job, image, mpi = run.absolute(), job.absolute(), found_image(asked), asked.get("mpi")
    srun = asked.get("launcher", "srun") == "srun"
    if srun and mpi is None:
        mpi = "pmi2" if image else own_plugin()
    own = {"name": name, "mpi": mpi, "container": image, "output": run.with_name(f"{run.name}.out")}
    starter = "mpirun" if srun or image or asked.get("modules") else mpirun()
    data = outside(job, settings) if image else ()
    return Training(job, run, settings, changes(settings), starter, data), Request(**{**asked, **own})


def found_image(asked: dict[str, Any]) -> Path | None:
    """The path of the image, if one is asked for. Raises UsageError if there is none."""
    image: Path | None = asked.get("container")
    if image is not None and not image.exists():
        raise UsageError(f"--container {image}: there is no such image{nearby(image)}")
    return image and image.absolute()


def outside(job: Path, settings: Sequence[str]) -> list[Path]:
    """The absolute paths of the job's data; others lie in the working folder, $HPCADMM_DATA or the home."""
    data = read(job, settings).data
    named = (expanded(one) for one in (data.path, data.train, data.test) if one)
    return [one for one in named if one.is_absolute()]


def check_resumable(run: Path, out: Path | None, settings: Sequence[str], array: str | None) -> None:
    """Raise UsageError if the run cannot be resumed with these options."""
    read_job(run)
    if out is not None or array is not None:
        raise UsageError(f"{run} is a run folder and resumes in place: remove --out and --array")
    if not newest(run / "checkpoints"):
        raise UsageError(f"{run} has no checkpoint to resume from: give its job file and --out {run}")
    if fixed := sorted(set(settings) - set(changes(settings))):
        raise UsageError(f"--set {fixed[0]}: a resumed run keeps its job; give a job file to start a new run")


def changes(settings: Sequence[str]) -> list[str]:
    """The overrides that are also allowed when a run resumes."""
    return [one for one in settings if may_change(one)]


def own_plugin() -> str | None:
    """srun's --mpi for the MPI library of this environment; None, the cluster's default, if none can be loaded."""
    name, _ = ask(start=False)
    return plugin(name) if name else None


def mpirun() -> str:
    """The mpiexec of this environment's MPI, or the mpirun on the PATH of the job."""
    from hpcadmm.experiments.launcher import mpiexec

    try:
        return mpiexec()
    except UsageError:
        return "mpirun"


def job_name(text: str) -> str:
    """A valid job name made from any text.

    >>> job_name("-my run (2)")
    'my-run-2-'
    """
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).lstrip("-.+")[:100]
    return name if matches(NAME, name) else "hpcadmm"


def unused(name: str) -> Path:
    """The path of a new run folder in results/runs; the job creates the folder."""
    stem = RUNS / f"{job_name(name)}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    found, k = stem, 1
    while found.exists() or found.with_name(found.name + SUFFIX).exists():
        k += 1
        found = stem.with_name(f"{stem.name}-{k}")
    return found


def write(run: Training, request: Request, to: Path | None = None) -> Path:
    """Write the script to `to` (default: <run>.sbatch next to the run folder) and return its path."""
    place = to or run.run.with_name(run.run.name + SUFFIX)
    text = training(run, request)
    with spoken(f"write {place}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, text)
    return place
