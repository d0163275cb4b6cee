"""Set up a job: the problem on this rank, with its data, network and loss."""

import hashlib
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from hpcadmm import __version__
from hpcadmm.comm import memory
from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.lean.keeping import Keeping
from hpcadmm.datasets.loaded import Loaded, Samples, Transform
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.state import Array, items
from hpcadmm.model.tiles import pieces, tile_limits
from hpcadmm.model.weighted import sum_of
from hpcadmm.products import PRECISIONS, engine_of
from hpcadmm.solvers import SOLVERS, Solver
from hpcadmm.training import best
from hpcadmm.training.scores import chosen
from hpcadmm.training.scores.scored import Meaning


@dataclass(frozen=True)
class Given:
    """What a run keeps of the one that it began from, also after a resume.

    transform: of the inputs, and of the targets of a regression (None: the run's own).
    columns: of the table that the first run was trained on.
    """

    transform: Transform
    columns: Schema | Columns | None


@dataclass(frozen=True)
class Setup:
    """A problem, its data as a checkpoint records them, and the ranks arranged for the solver.

    job: complete, with the data options that follow from the files.
    """

    problem: Problem
    data: Loaded
    world: World
    job: Job

    @property
    def meaning(self) -> Meaning:
        """What the network's outputs are."""
        return Meaning(self.job.loss.name, self.data.names or (), self.data.transform.targets)


def set_up(job: Job, world: World, given: Given | None = None) -> Setup:
    """Load this rank's columns. Raises UsageError if data, ranks and job do not fit together. Collective.

    given: the scaling and the columns of the run that this one began from.
    """
    dtype = PRECISIONS[job.head.precision]
    with world.together("loading the products"):
        products = engine_of(job.head.precision)
    world = world.arranged(*job.solver.grid_of(len(job.layers.hidden) + 1, world.size))
    tile = tile_limits(max(job.layers.hidden, default=0), job.head.tile)
    with phase("reading the data"), world.together("reading the data"):
        data = job.data.load(
            job.head.seed,
            world,
            dtype,
            ones=job.layers.bias,
            tile=tile,
            parts=job.solver.parts,
            transform=given.transform if given else None,
            columns=given.columns if given else None,
            training=True,
            keeping=keeping(job),
            classes=needs_classes(job),
        )
    check_data(job, data, world)
    outputs = outputs_of(job, data)
    world.digest_agrees(digest(job, data), "the job and the data")
    network = job.layers.network(data.features, outputs, job.activation)
    check_memory(job, network, data, world)
    with world.together("the targets"):
        targets = [job.loss.targets(one.labels, outputs, data.classes, dtype) for one in (data.train, data.test)]
    sides = zip((data.train, data.test), targets, strict=True)
    parts = [part(samples, y, world.samples) for samples, y in sides]
    penalty = job.penalty.bound(data.feature_names) if job.penalty else None
    problem = Problem(network, job.loss, parts[0], parts[1], data.classes, job.head.seed, dtype, products, penalty)
    job.solver.check_problem(problem, world)
    return Setup(problem, data, world, replace(job, data=data.dataset))


def keeping(job: Job) -> Keeping:
    """How the job's solver can take its samples."""
    solver, L, noise = job.solver, len(job.layers.hidden) + 1, job.layers.noise_inputs

    def names(kind: str) -> list[str]:
        return [name for name, one in SOLVERS.items() if getattr(one, kind)]

    streaming, sparsely = (partial(names, kind) for kind in ("streamed", "sparse"))
    who = f"{solver.name} with network.noise_inputs" if noise and solver.sparse else solver.name
    return Keeping(
        solver.streams(L, job.loss.name) and not job.penalty, solver.sparse and not noise, who, streaming, sparsely
    )


def needs_classes(job: Job) -> bool:
    """Does the loss need classes?"""
    try:
        job.loss.outputs(0)
    except UsageError:
        return True
    return False


def outputs_of(job: Job, data: Loaded) -> int:
    """n_L. Raises UsageError if the loss needs classes and the data have none."""
    try:
        outputs = job.loss.outputs(data.classes)
    except UsageError as error:
        raise UsageError(f"{error}; {data.real}" if not data.classes else str(error)) from None
    return len(data.train.labels) if data.train.labels.ndim == 2 else outputs


def check_data(job: Job, data: Loaded, world: World) -> None:
    """Raise UsageError if the samples do not suit the loss or the rules of [stop]. Collective."""
    if data.classes and not data.dataset.partial:
        check_classes(data, world)
    chosen.check(job.metrics, data.classes, job.loss.name)
    best.check(job, data.classes, data.test.n)
    if job.loss.raw and data.transform.targets and not data.transform.targets.trivial:
        cure = 'set data.standardise_targets = false, and data.scale to another kind than "max"'
        raise UsageError(f'loss.name = "{job.loss.name}" needs targets in their own units, and they are scaled: {cure}')
    rules = {"patience": job.stop.patience, "accuracy": job.stop.accuracy}
    for key, value in rules.items():
        if value is not None and not data.test.n:
            cure = "set data.split below 1, name a data.test, or hold samples out by data.validation"
            raise UsageError(f"stop.{key} = {value} needs a test part, and there are no test samples: {cure}")


def check_classes(data: Loaded, world: World) -> None:
    """Raise UsageError if all samples, or all of the train part, have one label; collective."""
    labels, names = data.train.labels, data.names or []
    if data.classes == 1:
        samples = data.train.n + data.test.n
        raise UsageError(f"all {samples} labels are {names[0]}: a classification needs two classes")
    low, high = world.min(labels.min(initial=data.classes))[0], world.max(labels.max(initial=-1))[0]
    if low == high:
        said = f"all {data.train.n} labels of the train part are {names[int(low)]}: a classification needs two classes"
        raise UsageError(f"{said}; see data.shuffle, data.order, data.split and data.first")


def check_memory(job: Job, network: Network, data: Loaded, world: World) -> None:
    """Raise UsageError if a node lacks the memory that any solver needs. Collective.

    W, a step of W and a draw of its largest layer; the inputs and outputs of a layer for the widest piece of a tile;
    a and z, if the solver keeps variables of each sample; and the inputs in bfloat16, if it uses all of them at once.
    """
    n, columns, tiles = network.n, len(data.train.labels.T), data.train.tiles
    width = np.dtype(PRECISIONS[job.head.precision]).itemsize
    units = n if isinstance(data.train.x, np.ndarray) else n[1:]  # others give no array of a whole tile of x
    layers = [network.shape(l)[0] * network.shape(l)[1] for l in range(1, len(n))]
    piece = max((p.stop - p.start for _, t in tiles for p in pieces(t)), default=0)
    needs = {"weights": 2.0 * width * sum(layers) + 8 * max(layers), "a tile": 2.0 * width * piece * max(units)}
    if any(f.metadata.get("lies") in ("columns", "cells") for f in fields(job.solver.state_type)):
        needs["states"] = width * columns * (2.0 * sum(n[1:-1]) + n[-1]) / world.chain.size
    whole = isinstance(data.train.x, np.ndarray) and not getattr(job.solver, "batch", 0)
    if whole and job.head.precision == "bfloat16":
        needs["rounded inputs"] = 2.0 * columns * n[0]
    memory.check(world, needs, cure(width))


def cure(width: int) -> str:
    """What needs less memory than numbers of `width` bytes.

    >>> cure(8)
    'use more ranks on more nodes, fewer units in network.hidden, fewer samples, or precision = "float32"'
    """
    ways = ["more ranks on more nodes", "fewer units in network.hidden", "fewer samples", 'precision = "float32"']
    ways = ways if width == 8 else ways[:-1]
    return f"use {', '.join(ways[:-1])}, or {ways[-1]}"


def blank(solver: Solver, setup: Setup) -> Any:
    """The solver's blank state. Raises UsageError, on all ranks, if it does not fit a node's memory. Collective."""
    free = memory.available()
    with memory.spared("the solver's state"):
        state = solver.blank(setup.problem, setup.world)
    sizes: dict[str, float] = {}
    for item in items(state):
        name = item.path.partition("/")[0]
        sizes[name] = sizes.get(name, 0.0) + item.array.nbytes
    memory.check(setup.world, sizes, cure(np.dtype(setup.problem.dtype).itemsize), free)
    return state


def part(samples: Samples, y: Array, world: World) -> Part:
    """The columns of one part, with the targets of the loss and the weights in the precision of x. Collective."""
    dtype, tiles = samples.x.dtype.type, samples.tiles
    if samples.weight is None:
        return Part(samples.x, y, samples.labels, tiles)
    weight = samples.weight.astype(dtype)
    own = np.array([[sum_of(weight[t], t.stop - t.start)] for _, t in tiles]).reshape(-1, 1)
    total = float(sum_by_tile(world, tiles, own)[0])
    return Part(samples.x, y, samples.labels, tiles, weight, total, samples.by_class)


def digest(job: Job, data: Loaded) -> str:
    """A digest on which all ranks must agree before they start."""
    return hashlib.sha256(f"{__version__}\n{job.to_toml()}\n{data.digest}\n{data.former}".encode()).hexdigest()
