"""First iterates. Random numbers belong to the tile, so any number of ranks draws the same."""

import numpy as np

from hpcadmm.model.inputs import product
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays


def gaussian(problem: Problem, key: int, rows: int, out: Array) -> None:
    """Fill the first `rows` rows of out (any, m) from N(0, 1); each array of a state has its own `key`."""
    for t, columns in problem.tiles:
        random = np.random.default_rng([problem.seed, 2, key, t])
        draw = random.standard_normal((columns.stop - columns.start, rows), dtype=problem.dtype)
        out[:rows, columns] = draw.T


def forward(problem: Problem, W: Arrays, a: Arrays, z: Arrays) -> None:
    """z_l = W_l a_{l-1} and a_l = h(z_l) through all layers, tile by tile; a[0] is given."""
    L = problem.network.depth
    for _, t in problem.tiles:
        for l in range(1, L + 1):
            product(W[l], a[l - 1][:, t], z[l][:, t])
            if l < L:
                problem.network.activation.value(z[l][:, t], out=a[l][:, t])


def first_layer(problem: Problem, init: str, l: int) -> Array:
    """W_l at the start: He's random weights, or with "normal" N(0, 0.1), biases too [Wang et al., KDD 2019]."""
    W = problem.network.random_layer(l, problem.seed, problem.dtype)
    if init == "normal":
        W[...] = 0.1 * np.random.default_rng([problem.seed, 3, l]).standard_normal(W.shape)
    return W
