"""`hpcadmm scaling run --slurm`: a batch job for each number of ranks takes its samples in its own allocation."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpcadmm.experiments.folder import default
from hpcadmm.scaling.experiment import Experiment
from hpcadmm.scaling.folder import Folder, furnish
from hpcadmm.scaling.run import Options, ended, prepared, wanted
from hpcadmm.scaling.study import missing
from hpcadmm.slurm.plan import job_name, own_plugin
from hpcadmm.slurm.request import Request
from hpcadmm.slurm.script import script
from hpcadmm.slurm.submit import ask, submit
from hpcadmm.storage.durable import spoken, write_text

Say = Callable[[str], None]
EVERY = 5.0  # seconds between two calls of squeue
JOBS = "jobs.json"  # in the folder's slurm/


def submit_all(path: Path, options: Options, asked: dict[str, Any], wait: bool, say: Say, every: float = EVERY) -> int:
    """Submit a job for each number of ranks that lacks samples. With `wait`, return when all have ended, with the exit
    code of `run`. asked: fields of `Request`.

    Raises UsageError for a bad experiment, folder or option, and with Slurm's message if Slurm refuses.
    """
    experiment, plan = prepared(path)
    ranks = list(dict.fromkeys(point.ranks for point, _ in wanted(experiment, plan, options.only)))
    where = (options.out or default("scaling") / experiment.name).absolute()
    requests = {n: request(experiment, n, where, asked) for n in ranks}
    with spoken(f"make the folder {where}"):
        furnish(where, experiment, plan)
        (where / "slurm").mkdir(exist_ok=True)
    mpi = asked.get("mpi") or own_plugin()
    folder, words = Folder(where), options.launcher or ("srun" if mpi is None else f"srun --mpi={mpi}")
    ids: dict[int, str] = {}
    for n in ranks:
        if not lacking(folder, n):
            say(f"{n} ranks: all samples are there")
            continue
        command = ["scaling", "run", str(path.absolute()), "--out", str(where)]
        command += ["--only-ranks", str(n), "--launcher", words]
        file = where / "slurm" / f"{n}.sbatch"
        write_text(file, script([command], requests[n]))
        ids[n] = submit(file)
        say(f"job {ids[n]}: {n} ranks")
        write_text(where / "slurm" / JOBS, json.dumps(ids, indent=2) + "\n")
    if not wait:
        say(f"folder: {where}; when they have ended: hpcadmm scaling report {where}")
        return 0
    while set(ids.values()) & set(ask(["squeue", "--me", "--noheader", "--format=%i"]).split()):
        time.sleep(every)
    lines = missing(folder.experiment(), folder.kept())
    for line in lines:
        say(f"missing: {line}; see {folder.path / 'slurm'}")
    return max(ended(folder, 0, say), int(bool(lines)))


def request(experiment: Experiment, ranks: int, where: Path, asked: dict[str, Any]) -> Request:
    """What a job asks of Slurm: a task per rank, with cores for the largest number of threads."""
    threads = max(experiment.threads)
    return Request(
        name=job_name(f"{experiment.name}-{ranks}"),
        ntasks=ranks,
        cpus_per_task=threads if threads > 1 else None,
        output=where / "slurm" / f"{ranks}.out",
        **asked,
    )


def lacking(folder: Folder, ranks: int) -> bool:
    """Does this number of ranks lack a sample?"""
    repeats = range(folder.experiment().repeats)
    return any(folder.sample(p, k) is None for p in folder.kept() if p.ranks == ranks for k in repeats)
