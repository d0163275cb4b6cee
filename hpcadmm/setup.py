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

PRECISIONS = {"float64": np.float64, "float32": np.float32}


@dataclass(frozen=True)
class Setup:
    """A problem and what a checkpoint must know of its data to serve `predict`."""

    problem: Problem
    data: Loaded


def set_up(job: Job, world: World) -> Setup:
    """Load this rank's columns; collective. Raises UsageError where the data and the rest do not fit."""
    dtype = PRECISIONS[job.head.precision]
    with phase("reading the data"):
        data = job.data.load(job.head.seed, world, dtype, ones=job.layers.bias)
    labels = data.train.labels
    outputs = job.loss.outputs(data.classes)
    outputs = len(labels) if labels.ndim == 2 else outputs
    world.digest_agrees(digest(job, data), "the job and the data")
    network = Network((data.features, *job.layers.hidden, outputs), job.activation, job.layers.bias)
    parts = [part(samples, job, outputs, data.classes, dtype) for samples in (data.train, data.test)]
    return Setup(Problem(network, job.loss, parts[0], parts[1], data.classes, job.head.seed, dtype), data)


def part(samples: Samples, job: Job, outputs: int, classes: int, dtype: Any) -> Part:
    """The columns of one part with the targets that the loss wants."""
    y = job.loss.targets(samples.labels, outputs, classes, dtype)
    return Part(samples.x, y, samples.labels, samples.tiles)


def digest(job: Job, data: Loaded) -> str:
    """What all ranks must agree on before they start."""
    return hashlib.sha256(f"{__version__}\n{job.to_toml()}\n{data.digest}".encode()).hexdigest()
