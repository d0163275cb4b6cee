"""Checkpoints of a run, and how `resume` begins from one: the run's own job, its state or its weights alone."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcadmm import __version__
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job, parse
from hpcadmm.job.tables import RESUMABLE, may_change
from hpcadmm.model.state import Item, items, take_numbers
from hpcadmm.storage import checkpoint, folders
from hpcadmm.storage.durable import spoken
from hpcadmm.storage.parts import read_record
from hpcadmm.storage.readers import ENVIRONMENT, placed
from hpcadmm.storage.record import Record
from hpcadmm.storage.run import Run, read_job
from hpcadmm.training.callbacks import tell
from hpcadmm.training.setup import Setup, blank
from hpcadmm.training.stopping import Stopping

if TYPE_CHECKING:
    from hpcadmm.training.current import Training


def job_of(folder: Path, overrides: Sequence[str], world: World) -> Job:
    """The run's own job with overrides that do not make it another run."""
    text = ""
    with world.together("reading the run"):
        if world.first:
            text = placed(read_job(folder), folder, overrides)
    for override in overrides:
        if not may_change(override):
            allowed = ", ".join(known + "*" if known.endswith(".") else known for known in RESUMABLE)
            raise UsageError(f"--set {override}: resume keeps the job of the run; only {allowed} may change")
    return parse(world.share(text), overrides)


def restore(job: Job, setup: Setup, run: Run) -> tuple[Any, dict[str, Any]]:
    """The state and the meta of the newest valid checkpoint."""
    problem, solver, world = setup.problem, job.solver, setup.world
    state = blank(job.solver, setup)
    held: list[str] = []
    with world.together("comparing the checkpoint with this version"):
        if world.first:
            held = _held(run, _saved(state, job), job)
    held = world.share(held)
    saved = [_named(item, held) for item in _saved(state, job)]
    meta = checkpoint.load_newest(run.checkpoints, saved, problem.tiles, world, run.log)
    take_numbers(state, saved)
    if meta["data"] not in (setup.data.digest, setup.data.former):
        raise UsageError(
            f"{run.folder}: the data are not those the run began with (other contents or shapes){dense(setup)}"
        )
    if job.save.state == "weights":
        weights = [None if W is None else W.copy() for W in state.W]
        solver.set_weights(state, weights, problem, world)
    return state, meta


def dense(setup: Setup) -> str:
    """How to resume a run of a version that did not keep samples sparse, if these are sparse."""
    from hpcadmm.model.sparse import Sparse  # scipy.sparse, rarely needed

    x: Any = setup.data.train.x
    if not isinstance(x, Sparse):
        return ""
    return "; if an earlier version began it, its samples are dense: resume it with --set data.sparse=false"


def restore_best(job: Job, stopping: Stopping, iteration: int, run: Run) -> None:
    """Remove the best weights of iterations that a resume undoes; forget a best whose weights are gone. Collective."""
    there: list[int] = []
    folder, world = run.checkpoints / folders.BEST, run.world
    with world.together("looking for the best weights"), spoken(f"read {folder}"):
        if world.first:
            folders.sweep(folder)
            there = [k for k in map(folders.iteration_of, folders.newest(folder)) if k <= iteration]
            folders.retain(folder, there)
    if job.save.best and stopping.at not in world.share(there):
        stopping.forget()


def _saved(state: Any, job: Job) -> list[Item]:
    """The arrays of the state that a checkpoint of this job holds."""
    everything = list(items(state))
    return everything if job.save.state == "full" else [i for i in everything if i.path.startswith("W/")]


def _named(item: Item, held: Collection[str]) -> Item:
    """The item by the name that it has in the checkpoint: a former one if it holds only that."""
    return replace(item, path=item.former) if item.path not in held and item.former in held else item


def _held(run: Run, saved: Sequence[Item], job: Job) -> list[str]:
    """The paths of the newest checkpoint. Raises UsageError if it holds the state of another version's solver."""
    try:
        record = Record.parse(read_record(checkpoint.newest(run.checkpoints)[0]))
    except (UsageError, IndexError):
        return []  # load_newest finds an older one, or says what is wrong
    missing = [item.path for item in saved if _named(item, record.entries).path not in record.entries]
    if not missing or all(path.startswith("W/") for path in record.entries):
        return list(record.entries)
    version = record.meta.get("version") or _former_version(run.folder)
    raise UsageError(
        f"{run.folder}: its checkpoints are from hpcadmm {version}, whose {job.solver.name} keeps other arrays (no "
        f"{missing[0]}). Resume with that version; or go on from the weights alone, without the other variables: "
        f"hpcadmm resume {run.folder} --set save.state=weights"
    )


def _former_version(folder: Path) -> str:
    """The version of the last session by another version than this one, by environment.json."""
    try:
        earlier = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))["earlier"]
        versions = [str(session["hpcadmm"]) for session in reversed(earlier)]
        return next((version for version in versions if version != __version__), versions[0])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return "of an unknown version"


def described(t: "Training") -> dict[str, Any]:
    """What a checkpoint of this iteration says beside its arrays. Collective."""
    problem, data = t.problem, t.setup.data
    return {
        "version": __version__,
        "iteration": t.iteration,
        "seed": problem.seed,
        "data": data.digest,
        "job": t.job.resolved(),
        "network": {"sizes": list(problem.network.n), "bias": problem.network.bias},
        "classes": problem.classes,
        "names": data.names,
        "transform": data.transform.record(),
        "columns": data.columns.record(),
        "totals": t.clock.row(),
        "row": t.row,
        "stopping": t.stopping.state(),
    }


def write_checkpoint(t: "Training") -> None:
    """Write a checkpoint of this iteration, if the run is saved. Collective."""
    if not t.run.saves:
        t.saved, t.saved_at = t.iteration, t.clock.total_seconds
        return
    with t.clock.solver():
        t.job.solver.complete(t.state, t.world)
    meta, folder = described(t), t.run.checkpoints
    with phase("writing the checkpoint"):
        t.job.solver.weights(t.state, t.world)  # brings all layers to the first rank
        checkpoint.save(folder, _saved(t.state, t.job), t.problem.tiles, meta, t.world, t.job.save.keep)
        _prune_best(t)
    t.saved, t.saved_at = t.iteration, t.clock.total_seconds
    tell(t.callbacks, "checkpoint", t)


def write_best(t: "Training") -> None:
    """Write the weights of this iteration, the best so far, if the run is saved. Collective."""
    if not t.run.saves:
        return
    meta, folder = described(t), t.run.checkpoints / folders.BEST
    with phase("writing the best weights"):
        W = t.job.solver.weights(t.state, t.world)
        saved = [Item(f"W/{l}", "replicated", w) for l, w in enumerate(W) if l]
        checkpoint.save(folder, saved, t.problem.tiles, {**meta, "best": t.stopping.record()}, t.world)
        _prune_best(t)


def _prune_best(t: "Training") -> None:
    """Remove the best weights that neither the run nor a resume from one of its checkpoints needs. Collective."""
    if t.job.save.best:
        folder = t.run.checkpoints
        with t.world.together("removing old checkpoints"), spoken(f"remove checkpoints in {folder / folders.BEST}"):
            if t.world.first:
                folders.retain(folder / folders.BEST, folders.needed(folder))
