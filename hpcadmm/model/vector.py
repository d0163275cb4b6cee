"""All weights of a network as one vector, as a decentralized worker keeps them: W_1 by columns, then W_2, ..."""

from itertools import pairwise

import numpy as np

from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays


def spans(network: Network) -> list[slice]:
    """The places of W_1, ..., W_L in the vector."""
    ends = np.cumsum([0, *(np.prod(network.shape(l)) for l in range(1, network.depth + 1))]).tolist()
    return [slice(lo, hi) for lo, hi in pairwise(ends)]


def flat(W: Arrays) -> Array:
    """The vector (d,) of W[1..L]."""
    return np.concatenate([w.reshape(-1, order="F") for w in W[1:]])


def shaped(theta: Array, network: Network) -> Arrays:
    """W[1..L] as views of a vector (d,), in Fortran order; W[0] is None."""
    return [None, *(theta[t].reshape(network.shape(l), order="F") for l, t in enumerate(spans(network), 1))]
