"""Data of any size from a teacher network: normal inputs, labelled by a network with random weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hpcadmm.comm import memory
from hpcadmm.datasets.base import Count, Dataset
from hpcadmm.datasets.table import Array, Parts, Read, Source, Table
from hpcadmm.errors import UsageError

BLOCK = 64  # rows drawn together on any number of ranks; divides the width of every tile
PROBE = 64  # blocks that centre the outputs


class Teacher(Table):
    """Rows are drawn in blocks from (seed, part, block), so every rank draws the same row.

    Inputs of correlation r: x_j = sqrt(1 - r) e_j + sqrt(r) g, with e_j and g normal.
    Layers: ReLU, normal weights with variance 2 / inputs. A probe centres and scales the outputs, which balances the
    classes.
    """

    made = True

    def __init__(self, job: "Synthetic", seed: int, part: int, rows: int) -> None:
        self.job, self.seed, self.part, self.rows = job, seed, part, rows
        self.features = job.features
        self.targets = 0 if job.task == "classification" else job.outputs
        self.values = range(job.outputs) if job.task == "classification" else None

    def drawn(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, *key]))

    @cached_property
    def weights(self) -> list[NDArray[np.float64]]:
        sizes = [self.features, *self.job.hidden, self.job.outputs]
        rng = self.drawn(0)
        weights = [rng.standard_normal((n, m)) * np.sqrt(2 / n) for n, m in pairwise(sizes)]
        weights[0][self.job.informative or self.features :] = 0
        return weights

    def inputs(self, rng: np.random.Generator) -> Array:
        """The features of a block (BLOCK, features)."""
        x, r = rng.standard_normal((BLOCK, self.features)), self.job.correlation
        return np.sqrt(1 - r) * x + np.sqrt(r) * rng.standard_normal((BLOCK, 1)) if r else x

    def forward(self, x: Array) -> Array:
        """The network's output for x (samples, features)."""
        for weight in self.weights[:-1]:
            x = np.maximum(x @ weight, 0)
        return np.asarray(x @ self.weights[-1])

    @cached_property
    def centre(self) -> tuple[Array, Array]:
        """Mean and deviation of each output on the probe."""
        outputs = np.concatenate([self.forward(self.inputs(self.drawn(1, b))) for b in range(PROBE)])
        return outputs.mean(axis=0), outputs.std(axis=0)

    def block(self, index: int) -> tuple[Array, Array]:
        """One block: inputs, and outputs with noise."""
        rng = self.drawn(2 + self.part, index)
        x = self.inputs(rng)
        mean, deviation = self.centre
        outputs = (self.forward(x) - mean) / np.where(deviation > 0, deviation, 1.0)
        return x, outputs + self.job.noise * rng.standard_normal(outputs.shape)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        def read(start: int, stop: int) -> tuple[Array, Array]:
            first = start // BLOCK
            drawn = [self.block(b) for b in range(first, -(-stop // BLOCK))]
            own = slice(start - first * BLOCK, stop - first * BLOCK)
            outputs = np.concatenate([y for _, y in drawn])[own]
            return np.concatenate([x for x, _ in drawn])[own], outputs if self.targets else outputs.argmax(axis=1)

        with threadpool_limits(1, "blas"):  # the bits of a product may depend on the threads
            yield read


@dataclass(frozen=True, kw_only=True)
class Synthetic(Dataset):
    """Samples drawn from a teacher network.

    samples, test_samples: number of each.
    features: normal inputs of variance 1.
    informative: the teacher looks at the first n of them only (default: all), so a sparse model can be right.
    correlation: of any two features, in [0, 1) (default 0). With r and n features the largest eigenvalue of their
    covariance is 1 + (n - 1) r, the others are 1 - r.
    hidden, outputs: layers of the teacher; the class is its largest output ("classification"), or the outputs are the
    targets ("regression").
    task: what the outputs are: the class, or the targets. Default "classification".
    noise: standard deviation of the noise added to an output, whose own is 1.
    draw: seed (default: the job's).
    """

    name: ClassVar[str] = "synthetic"
    what: ClassVar[str] = "drawn from a teacher network, any size, classification or regression"

    samples: Count = 10_000
    test_samples: Count = 2_000
    features: Count = 20
    informative: Count | None = None
    correlation: Annotated[float, Ge(0), Lt(1)] = 0.0
    outputs: Count = 3
    hidden: list[Count] = field(default_factory=lambda: [32])
    noise: Annotated[float, Ge(0)] = 0.0
    task: Literal["classification", "regression"] = "classification"
    draw: Annotated[int, Ge(0)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task == "classification" and self.outputs < 2:
            raise UsageError(f"data.outputs = {self.outputs}: a classification needs 2 or more")
        if (self.informative or 0) > self.features:
            raise UsageError(f"data.informative = {self.informative}: there are {self.features} features")

    def parts(self, seed: int) -> Parts:
        self.refuse_files()
        sizes = [self.features, *self.hidden, self.outputs]
        need, free = 8 * sum(n * m for n, m in pairwise(sizes)), memory.available()
        if need > free:
            said = f"the teacher's weights need {memory.size(need)}, but {memory.size(free)} are free"
            raise UsageError(f"data.hidden = {self.hidden}: {said}; use fewer units or features")
        chosen = seed if self.draw is None else self.draw
        parts = [Teacher(self, chosen, part, rows) for part, rows in enumerate((self.samples, self.test_samples))]
        return Source.whole(parts[0]), Source.whole(parts[1])
