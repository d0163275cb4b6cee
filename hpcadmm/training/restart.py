"""What lets a run go on later: its job with what may change, and its checkpoints."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job, parse
from hpcadmm.job.tables import RESUMABLE, may_change
from hpcadmm.model.state import items, take_numbers
from hpcadmm.storage import checkpoint
from hpcadmm.storage.moved import placed
from hpcadmm.storage.run import Run, read_job
from hpcadmm.training.setup import Setup, blank

if TYPE_CHECKING:
    from hpcadmm.training.loop import Training


def job_of(folder: Path, overrides: Sequence[str], world: World) -> Job:
    """The run's own job with the overrides that do not make it another run."""
    text = ""
    with world.together("reading the run"):
        if world.first:
            text = placed(read_job(folder), folder, overrides)
    for override in overrides:
        if not may_change(override):
            allowed = ", ".join(known + "*" if known.endswith(".") else known for known in RESUMABLE)
            raise UsageError(f"--set {override}: a run goes on with its own job; only {allowed} may change")
    return parse(world.share(text), overrides)


def restore(job: Job, setup: Setup, run: Run) -> tuple[Any, dict[str, Any]]:
    """The state and the meta of the newest valid checkpoint."""
    problem, solver, world = setup.problem, job.solver, setup.world
    state = blank(job.solver, setup)
    saved = _saved(state, job)
    meta = checkpoint.load_newest(run.checkpoints, saved, problem.tiles, world, run.log)
    take_numbers(state, saved)
    if meta["data"] not in (setup.data.digest, setup.data.former):
        raise UsageError(f"{run.folder}: the data are not those the run began with (other contents or shapes)")
    if job.save.state == "weights":
        weights = [None if W is None else W.copy() for W in state.W]
        solver.set_weights(state, weights, problem, world)
    return state, meta


def _saved(state: Any, job: Job) -> list[Any]:
    """What a checkpoint holds of the state."""
    everything = list(items(state))
    return everything if job.save.state == "full" else [i for i in everything if i.path.startswith("W/")]


def write_checkpoint(t: "Training") -> None:
    """A checkpoint of this iteration."""
    problem, data = t.problem, t.setup.data
    meta = {
        "iteration": t.iteration,
        "seed": problem.seed,
        "data": data.digest,
        "job": t.job.resolved(),
        "network": {"sizes": list(problem.network.n), "bias": problem.network.bias},
        "classes": problem.classes,
        "names": data.names,
        "transform": data.transform.record(),
        "columns": asdict(data.columns),
        "totals": t.clock.row(),
        "row": t.row,
        "stopping": t.stopping.state(),
    }
    with phase("writing the checkpoint"):
        t.job.solver.weights(t.state, t.world)  # now the first rank has all
        checkpoint.save(t.run.checkpoints, _saved(t.state, t.job), problem.tiles, meta, t.world, t.job.save.keep)
    t.saved, t.saved_at = t.iteration, t.clock.total_seconds
