"""From a job to the problem that the solver sees: data, network, loss, on this rank."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcadmm import __version__
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Loaded, Samples
from hpcadmm.job import Job
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.tiles import narrowest_tile

PRECISIONS = {"float64": np.float64, "float32": np.float32}


@dataclass(frozen=True)
class Setup:
    """A problem, what a checkpoint must know of its data to serve `predict`, and the ranks as the solver wants them."""

    problem: Problem
    data: Loaded
    world: World


def set_up(job: Job, world: World) -> Setup:
    """Load this rank's columns; collective. Raises UsageError where data, ranks and the rest do not fit."""
    dtype = PRECISIONS[job.head.precision]
    world = world.arranged(*job.solver.grid_of(len(job.layers.hidden) + 1, world.size))
    tile = narrowest_tile(max(job.layers.hidden, default=0))
    with phase("reading the data"), world.together("reading the data"):
        data = job.data.load(
            job.head.seed, world.samples, dtype, ones=job.layers.bias, tile=tile, parts=job.solver.parts
        )
    labels = data.train.labels
    outputs = job.loss.outputs(data.classes)
    outputs = len(labels) if labels.ndim == 2 else outputs
    world.digest_agrees(digest(job, data), "the job and the data")
    network = Network((data.features, *job.layers.hidden, outputs), job.activation, job.layers.bias)
    parts = [part(samples, job, outputs, data.classes, dtype) for samples in (data.train, data.test)]
    problem = Problem(network, job.loss, parts[0], parts[1], data.classes, job.head.seed, dtype)
    job.solver.check_problem(problem, world)
    return Setup(problem, data, world)


def part(samples: Samples, job: Job, outputs: int, classes: int, dtype: Any) -> Part:
    """The columns of one part with the targets that the loss wants."""
    y = job.loss.targets(samples.labels, outputs, classes, dtype)
    return Part(samples.x, y, samples.labels, samples.tiles)


def digest(job: Job, data: Loaded) -> str:
    """What all ranks must agree on before they start."""
    return hashlib.sha256(f"{__version__}\n{job.to_toml()}\n{data.digest}".encode()).hexdigest()
