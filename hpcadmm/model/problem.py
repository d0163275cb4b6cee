"""A problem: the network, the loss, and this rank's columns of the data."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hpcadmm.model.inputs import Inputs
from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.model.weighted import Weight, at
from hpcadmm.products.base import Engine, Operand


@dataclass(frozen=True)
class Part:
    """Columns of the train or the test data: x (n_0 + ones, m), y (n_L, m), labels (m,), and their tiles.

    weight: w (m,), how often each column counts, in the precision of x; None: each counts once.
    sum: of all w over the ranks. by_class: the weights are those of classes, for training only.
    """

    x: Array
    y: Array
    labels: Array
    tiles: Tiles
    weight: Weight = None
    sum: float = 0.0
    by_class: bool = False

    @property
    def total(self) -> float:
        """sum_i w_i over all ranks; without weights the number of samples."""
        return self.tiles.n if self.weight is None else self.sum


@dataclass(frozen=True)
class Problem:
    """minimise the sum of w loss(network(x), y) over the samples; `classes` is 0 for a regression.

    dtype: of the arrays. products: computes the products over the samples.
    penalty: of a linear model's coefficients, added to the mean loss; None: the job has none.
    """

    network: Network
    loss: Loss
    train: Part
    test: Part
    classes: int
    seed: int
    dtype: Any
    products: Engine
    penalty: Any = None

    @property
    def x(self) -> Array:
        return self.train.x

    @cached_property
    def engines(self) -> list[Engine]:
        """The engine of the products of each layer l = 1..L; entry 0 is not used."""
        found = [self.products, *(self.products.at(*self.network.shape(l)) for l in range(1, self.network.depth + 1))]
        x: Any = self.x
        return [*found[:1], x.engine(found[1]) if isinstance(x, Inputs) else found[1], *found[2:]]

    @cached_property
    def inputs(self) -> Operand:
        """x as an operand of the products of layer 1, for a solver that uses all samples in every iteration."""
        return self.engines[1].data(self.x) if self.network.clear else self.x

    @property
    def y(self) -> Array:
        return self.train.y

    @property
    def tiles(self) -> Tiles:
        return self.train.tiles

    @property
    def weighted(self) -> bool:
        """Do some samples count more than others?"""
        return self.train.weight is not None

    @property
    def total(self) -> float:
        """sum_i w_i over the training samples of all ranks; without weights m."""
        return self.train.total

    def w(self, columns: slice | Array) -> Weight:
        """The weights of some columns of this rank; None: each counts once."""
        return at(self.train.weight, columns)
