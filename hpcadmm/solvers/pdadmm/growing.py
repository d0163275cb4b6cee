"""Networks that grow while they train: the first layers and the last one, then more; new ones begin as identities.

Wang et al., ICDM 2020, section on training deep networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from hpcadmm.errors import UsageError
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array

Count = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class Stage:
    """A network of `layers` layers of weights, trained for so many iterations; the last stage goes on to the end."""

    layers: Count
    iterations: Count


def check_stages(stages: Sequence[Stage], L: int) -> None:
    """Raise UsageError unless the stages grow, up to all L layers."""
    layers = [stage.layers for stage in stages]
    if layers != sorted(set(layers)) or (layers and (layers[-1] != L or (layers[0] < 2 <= L))):
        raise UsageError(f"solver.stages with {layers} layers: must rise from 2 or more to all {L} of the network")


def check_identities(stages: Sequence[Stage], network: Network) -> None:
    """Raise UsageError where a layer that joins later cannot begin as an identity: it is not square, or h(h(z)) is not
    h(z), so that the network with it would be another one."""
    later = sorted(set(range(1, network.depth)) - set(active(stages, network.depth, 0)))
    for l in later:
        if network.n[l] != network.n[l - 1]:
            raise UsageError(
                f"solver.stages: layer {l} joins later as an identity, but has {network.n[l]} units on "
                f"{network.n[l - 1]}; give network.hidden equal widths from there on, or begin with more layers"
            )
    z = np.linspace(-3, 3, 13)[None].copy(order="F")
    once = network.activation.value(z, out=np.empty_like(z))
    if later and not np.allclose(network.activation.value(once, out=np.empty_like(z)), once):
        raise UsageError(
            f"solver.stages: layers {later} join later as identities, but {network.activation.name} changes its own "
            f'values; use network.activation = "relu"'
        )


def active(stages: Sequence[Stage], L: int, done: int) -> list[int]:
    """The layers that train in iteration `done` + 1.

    >>> stages = [Stage(2, 10), Stage(4, 10)]
    >>> active(stages, 4, 9), active(stages, 4, 10), active([], 3, 0)
    ([1, 4], [1, 2, 3, 4], [1, 2, 3])
    """
    for stage in stages:
        if done < stage.iterations:
            return [*range(1, stage.layers), L]
        done -= stage.iterations
    return list(range(1, L + 1))


def make_identity(W: Array, units: int) -> None:
    """W (units, units + ones) = identity with zero bias."""
    W[...] = 0
    W[np.arange(units), np.arange(units)] = 1
