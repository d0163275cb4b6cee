"""Train from Python, on arrays or a dataset."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hpcadmm.after.otherdata import described
from hpcadmm.after.trained import made
from hpcadmm.api.model import Model, load
from hpcadmm.comm.launch import lasting_world
from hpcadmm.comm.signals import Signals
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.formats.arrays import options
from hpcadmm.datasets.formats.frames import in_memory
from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.job.job import Job
from hpcadmm.job.python import changed
from hpcadmm.model.state import Array
from hpcadmm.training import loop
from hpcadmm.training.callbacks import Callback
from hpcadmm.training.current import Training
from hpcadmm.training.measure import Row, weights_sha256
from hpcadmm.training.origin import Origin
from hpcadmm.training.progress import Progress
from hpcadmm.training.restart import described as record
from hpcadmm.training.setup import Given


def train(
    job: Job | str | Path | Mapping[str, Any],
    X: Any = None,
    y: Any = None,
    comm: Any = None,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    *,
    weight: Any = None,
    origin: "Model | str | Path | None" = None,
    quiet: bool = True,
) -> Model:
    """Train the network of a job and return it. Collective: every rank of `comm` calls it.

    job: what `Job.read` returns or takes.
    X: the samples (samples, features), or images (samples, height, width): an array, a table with names, a sparse
        matrix of scipy, or the path of a file, or the name of a dataset; default: the job's own data.
    y: labels or targets (samples,) or (samples, targets); of a file the name of the target's column.
        On several ranks each gives its own rows; or all the same arrays, which then count once.
    comm: a communicator of mpi4py; default: all ranks of mpirun, without it this process.
    out: the run folder; default: nothing is saved.
    callbacks: see `Callback`.
    weight: how often each sample counts (samples,); default: once.
    origin: a trained network, or a run folder, to begin from, as with `hpcadmm train --from`.
    quiet: do not show the progress.

    Raises UsageError for a job, arrays or folder that do not fit, on all ranks; KeyboardInterrupt after Ctrl-C, once
    the run has saved; Interrupted after another signal; Diverged.
    """
    world = world_of(comm)
    found = job if isinstance(job, Job) else Job.read(job)
    check_given(X, y, weight, world)
    if isinstance(X, str | Path):
        found = of_file(found, str(X), y)
    elif X is not None:
        found = replace(found, data=in_memory(found.data, X, y, weight, world))
    start = None if origin is None else origin_of(load(origin))
    return run(found, world, Path(out) if out else None, callbacks, start, quiet)


def resume(
    run: str | Path | Model,
    X: Any = None,
    y: Any = None,
    comm: Any = None,
    callbacks: Sequence[Callback] = (),
    *,
    weight: Any = None,
    quiet: bool = True,
    **overrides: Any,
) -> Model:
    """Continue a run from its newest checkpoint, on any number of ranks, as `hpcadmm resume` does. Collective.

    run: the run folder. X, y, weight: the arrays it was trained on, if it was trained on arrays.
    overrides: what may change, such as stop={"iterations": 200}. The others, and errors, as for `train`.
    """
    world, folder = world_of(comm), run.folder if isinstance(run, Model) else Path(run)
    check_given(X, y, weight, world)
    if folder is None:
        raise UsageError("resume: the run was not saved; train it with out=FOLDER")
    held = None if X is None else partial(in_memory, X=X, y=y, weight=weight, world=world)
    with interruptible():
        progress = Progress(world.first and not quiet)
        loop.resume(folder, list(changed({}, [], overrides)), world, progress, callbacks, held)
    return load(folder)


def check_given(X: Any, y: Any, weight: Any, world: World) -> None:
    """Raise UsageError, on all ranks, for arrays that do not go together. Collective."""
    file = isinstance(X, str | Path)
    with world.together("the arguments"):
        if X is None and not (y is None and weight is None):
            raise UsageError("y and weight belong to X")
        if X is not None and y is None and not file:
            raise UsageError("X needs y, too")
        if file and weight is not None:
            raise UsageError("weight is for arrays; of a file it is a column: data.weight")
    if len(set(world.gather("file" if file else "none" if X is None else "arrays"))) > 1:
        raise UsageError("some ranks give arrays and others do not: each must give its own rows, perhaps none")


def run(
    job: Job, world: World, out: Path | None, callbacks: Sequence[Callback], origin: Origin | None, quiet: bool
) -> Model:
    """Train a job whose data are chosen. Collective."""
    kept, progress = Kept(), Progress(world.first and not quiet)
    with interruptible():
        loop.train(job, out, world, progress, origin, [kept, *callbacks], saves=out is not None)
    return kept.model(out)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, once the run has saved; a second one at once."""
    try:
        with Signals(exits=False):
            yield
    except Interrupted as error:
        if "SIGINT" in str(error):
            raise KeyboardInterrupt(str(error)) from error
        raise


def world_of(comm: Any) -> World:
    """The ranks that train together."""
    return lasting_world() if comm is None else comm if isinstance(comm, World) else World(comm)


def of_file(job: Job, name: str, target: Any) -> Job:
    """The job with a file, or a dataset, as its data, and those of its options that do not name files."""
    data = described(name) | ({} if target is None else {"target": target})
    return Job.read({**job.resolved(), "data": options(job.data, DATASETS[data["name"]]) | data})


def origin_of(model: Model) -> Origin:
    """The trained network as the origin of another run."""
    t, given = model.trained, Given(model.trained.transform, model.trained.columns)
    run = model.folder or Path("memory")
    return Origin(run, t.iteration, weights_sha256(t.weights), t.job, t.network, t.weights, t.names, given)


class Kept(Callback):
    """Keeps the rows of a run, and its network as a checkpoint would: the best if the job keeps it, else the last."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.summary: Row = {}
        self.meta: dict[str, Any] = {}
        self.weights: list[Array] = []

    def row(self, run: Training, row: Row) -> None:
        self.rows.append(dict(row))
        if run.job.save.best and run.stopping.at == run.iteration:
            self.keep(run, {"best": run.stopping.record()})

    def end(self, run: Training, summary: Row) -> None:
        self.summary = summary
        if not self.weights:
            self.keep(run, {})

    def keep(self, run: Training, more: dict[str, Any]) -> None:
        """Take the weights of this iteration. Collective."""
        self.weights = [W.copy(order="F") for W in run.job.solver.weights(run.state, run.world)[1:]]
        self.meta = record(run) | more

    def model(self, folder: Path | None) -> Model:
        """The network."""
        return Model(made(self.meta, self.weights, folder or Path("memory")), self.rows, self.summary, folder)
