"""A trained network read from a checkpoint, with all that evaluate, predict and export need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tomli_w

from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.loaded import Transform
from hpcadmm.datasets.tabular.schema import Schema, columns_of
from hpcadmm.errors import UsageError, nearby
from hpcadmm.job.job import Job, parse
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.products import PRECISIONS
from hpcadmm.storage import folders
from hpcadmm.storage.durable import spoken
from hpcadmm.storage.readers import current
from hpcadmm.storage.weights import read_weights
from hpcadmm.training.measure import weights_sha256
from hpcadmm.training.origin import Origin
from hpcadmm.training.setup import Given

Warn = Callable[[str], None]
Which = int | Literal["last"] | None  # an iteration, the last checkpoint, or the best one if the run keeps it


@dataclass(frozen=True)
class Trained:
    """The network of one iteration, the same on every rank.

    weights: W[1..L]; W[0] is None.
    classes: their number; 0 for a regression.
    names: the names of the classes, in order.
    transform: from raw features (and targets) to those of the training.
    columns: the columns of the training files; None in checkpoints of version 0.1.0.
    best: the metric of save.best, if these are the best weights.
    """

    job: Job
    iteration: int
    network: Network
    weights: Arrays
    classes: int
    names: list[str]
    transform: Transform
    columns: Schema | Columns | None = None
    best: str = ""

    @property
    def which(self) -> str:
        """Which weights these are, in words."""
        return f"iteration {self.iteration}" + (f" (best {self.best})" if self.best else "")

    @property
    def dtype(self) -> Any:
        """The dtype of the weights: numpy.float64 or numpy.float32."""
        return PRECISIONS[self.job.head.precision]

    @property
    def features(self) -> int:
        """n_0, without the row of ones."""
        return self.network.n[0]

    def inputs(self, columns: int) -> Array:
        """An array (features + ones, columns) for samples; only its row of ones is filled in."""
        return self.network.activations(0, columns, self.dtype)

    def layers(self) -> list[tuple[Array, Array | None]]:
        """W_l (n_l, n_{l-1}) and b_l (n_l,), None without biases, for l = 1..L."""
        W = [w for w in self.weights if w is not None]
        cut = zip(W, self.network.n[:-1], strict=True)
        return [(w[:, :below], w[:, below] if self.network.bias else None) for w, below in cut]

    def output(self, x: Array) -> Array:
        """z_L (n_L, columns) for transformed inputs x (features + ones, columns)."""
        return self.network.forward(self.weights, x)


def read(run: Path, iteration: Which, world: World, warn: Warn) -> Trained:
    """The network of one checkpoint of a run: the best by save.best, else the newest; or the one of `iteration`.
    Collective.

    Passes invalid checkpoints to `warn` and uses the one before. Raises UsageError, on all ranks, if the folder is
    not a run, has no valid checkpoint, or was not written by this program.
    """
    meta: dict[str, Any] = {}
    weights: list[Array] = []
    with phase("reading the checkpoint"):
        with world.together("reading the checkpoint"), spoken(f"read {run}"):
            if world.first:
                meta, weights = read_weights(located(run, iteration), warn, last=iteration == "last")
                update_paths(meta, run)
        meta, shapes = world.share([meta, [[w.shape, w.dtype.str] for w in weights]])
        if not world.first:
            weights = [np.empty(shape, dtype, order="F") for shape, dtype in shapes]
        for w in weights:
            world.broadcast(w.T)
    return made(meta, weights, run)


def update_paths(meta: dict[str, Any], run: Path) -> None:
    """Update the paths of the data in the untrusted meta of a checkpoint."""
    job = meta.get("job")
    if isinstance(job, dict) and isinstance(job.get("data"), dict):
        job["data"] = current(job["data"], run)


def located(run: Path, iteration: Which) -> Path:
    """The path for `read_weights`: the run itself, or its checkpoint of an iteration."""
    if not run.is_dir() and run.name != folders.MASTER:
        raise UsageError(f"there is no run folder {run}{nearby(run)}")
    if iteration is None or iteration == "last":
        return run
    there = folders.newest(run / "checkpoints")
    there += folders.newest(run / "checkpoints" / folders.BEST)
    found = [path for path in there if folders.iteration_of(path) == iteration]
    if not found:
        kept = ", ".join(map(str, sorted(set(map(folders.iteration_of, there))))) or "none"
        raise UsageError(f"--iteration {iteration}: {run} has no such checkpoint; it has {kept}")
    return found[0]


def made(meta: dict[str, Any], weights: Sequence[Array], run: Path) -> Trained:
    """A trained network from the untrusted meta of a checkpoint and its weights W_1..W_L."""
    try:
        job = parse(tomli_w.dumps(meta["job"]))
        network = Network(tuple(meta["network"]["sizes"]), job.activation, bool(meta["network"]["bias"]))
        classes, names = int(meta["classes"]), [str(name) for name in meta["names"] or []]
        transform = Transform.of(meta["transform"])
        columns = columns_of(meta["columns"]) if "columns" in meta else None
        best = str(meta["best"]["metric"]) if "best" in meta else ""
        W = [None, *weights]
        trained = Trained(job, int(meta["iteration"]), network, W, classes, names, transform, columns, best)
        whole = consistent(trained)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{run}: the checkpoint's record was not written by `hpcadmm train`: {error!r}") from error
    except UsageError as error:
        raise UsageError(f"{run}: this version cannot read the checkpoint's job: {error}") from error
    if not whole:
        raise UsageError(f"{run}: the checkpoint's network, transform and classes do not fit together")
    return trained


def consistent(trained: Trained) -> bool:
    """Whether weights, transform and names have the sizes of the network."""
    n, targets, W = trained.network.n, trained.transform.targets, trained.weights
    vectors = [(trained.transform.inputs, n[0])] + ([(targets, n[-1])] if targets else [])
    affine = all(v.shape == (size,) for one, size in vectors for v in (one.shift, one.divisor))
    shapes = len(W) == trained.network.depth + 1 and all(
        w is not None and w.shape == trained.network.shape(l) and w.dtype == trained.dtype
        for l, w in enumerate(W[1:], 1)
    )
    outputs = trained.job.loss.outputs(trained.classes) == n[-1] if trained.classes else targets is not None
    return affine and shapes and outputs and len(trained.names) == trained.classes


def origin_of(run: Path, iteration: Which, world: World, warn: Warn) -> Origin:
    """The trained network that another run begins from. Collective. Raises UsageError as `read` does."""
    t = read(run, iteration, world, warn)
    given = Given(t.transform, t.columns)
    return Origin(run, t.iteration, weights_sha256(t.weights), t.job, t.network, t.weights, t.names, given)
