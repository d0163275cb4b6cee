"""A problem: the network, the loss, and this rank's columns of the data."""

from dataclasses import dataclass
from typing import Any

from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles


@dataclass(frozen=True)
class Part:
    """Columns of the train or the test data: x (n_0 + ones, m), y (n_L, m), labels (m,), and their tiles."""

    x: Array
    y: Array
    labels: Array
    tiles: Tiles


@dataclass(frozen=True)
class Problem:
    """minimise the sum of loss(network(x), y) over the samples; `classes` is 0 for a regression."""

    network: Network
    loss: Loss
    train: Part
    test: Part
    classes: int
    seed: int
    dtype: Any

    @property
    def x(self) -> Array:
        return self.train.x

    @property
    def y(self) -> Array:
        return self.train.y

    @property
    def tiles(self) -> Tiles:
        return self.train.tiles
