"""Which rank inverts which penalty matrix, among the ranks that hold the same layers."""

from collections.abc import Mapping, Sequence

from hpcadmm.model.network import Network

Key = tuple[str, int]  # ("P", l) or ("Q", l)
INVERSE_FLOPS, BYTES, WORTH = 40e9, 4e9, 0.01  # a second of a core and of a message; seconds that must be saved


def inverters(
    inverses: str, network: Network, layers: Sequence[int], ranks: int, itemsize: int, inputs: bool
) -> dict[Key, int]:
    """The rank that inverts each matrix of a refresh, P[1] only with `inputs`; empty: every rank inverts all."""
    sizes: dict[Key, int] = {("P", l): network.shape(l)[1] for l in layers if l > 1 or inputs}
    sizes |= {("Q", l): network.n[l] for l in layers}
    owners = spread(sizes, ranks)
    worth = inverses == "auto" and seconds_saved(sizes, owners, itemsize) >= WORTH
    return owners if inverses == "dealt" or worth else {}


def spread(sizes: Mapping[Key, int], ranks: int) -> dict[Key, int]:
    """A rank for each matrix of `sizes` rows: the largest first, each to the rank with the least work so far.

    >>> spread({("P", 1): 785, ("P", 2): 301, ("Q", 1): 300}, 2)
    {('P', 1): 0, ('P', 2): 1, ('Q', 1): 1}
    """
    loads, found = [0] * ranks, {}
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        found[key] = loads.index(min(loads))
        loads[found[key]] += sizes[key] ** 3
    return found


def seconds_saved(sizes: Mapping[Key, int], owners: Mapping[Key, int], itemsize: int) -> float:
    """The estimated gain of a refresh in which one rank inverts each matrix and sends it to the others."""
    loads: dict[int, int] = {}
    for key, rank in owners.items():
        loads[rank] = loads.get(rank, 0) + sizes[key] ** 3
    spared = (sum(loads.values()) - max(loads.values(), default=0)) / INVERSE_FLOPS
    return spared - sum(n * n for n in sizes.values()) * itemsize / BYTES
