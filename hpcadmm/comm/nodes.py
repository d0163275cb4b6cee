"""The nodes that the ranks of a world are on, and a sum that crosses the network between them once a node."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from hpcadmm.comm.late import MPI

if TYPE_CHECKING:
    from hpcadmm.comm.world import World

VARIABLE = "HPCADMM_NODE"
NETWORK = "/proc/self/ns/net"  # of this process; containers may have one each


def node_name() -> str:
    """Of this process: its host, its network namespace (Linux), and the variable HPCADMM_NODE."""
    network = ""
    with suppress(OSError):
        network = os.readlink(NETWORK)
    return f"{platform.node()} {network} {os.environ.get(VARIABLE, '')}"


class Nodes:
    """Ranks are on one node if they can share memory and have the same `node_name`. Collective.

    here: the ranks of this rank's node. between: the first ranks of all nodes, on those; None on the others.
    count: of the nodes. most: ranks on the node that has most. ordered: the communicator with the ranks of a node side
    by side, so that nonblocking sums of MPICH cross the network half as often.
    """

    def __init__(self, world: World) -> None:
        shared = world._part(world.mpi.Split_type(MPI.COMM_TYPE_SHARED, world.rank))
        names = shared.gather(node_name())
        self.here = world._part(shared.mpi.Split(names.index(names[shared.rank]), shared.rank))
        firsts = world._part(world.mpi.Split(int(not self.here.first), world.rank))
        self.between = firsts if self.here.first else None
        found, members = world.gather([self.here.first, self.here.size]), self.here.gather(world.rank)
        self.ordered: Any = world.mpi.Split(0, members[0] * world.size + world.rank)
        self.count, self.most = sum(first for first, _ in found), max(size for _, size in found)

    @property
    def mixed(self) -> bool:
        """Are there several nodes, and several ranks on one of them?"""
        return self.count > 1 and self.most > 1

    def reduce(self, flat: NDArray[Any], operation: MPI.Op) -> None:
        """Reduce a vector in place over all ranks: within each node, between the nodes, then within each node."""
        here = self.here.mpi
        if self.between is None:
            here.Reduce(flat, None, operation, 0)
        else:
            here.Reduce(MPI.IN_PLACE, flat, operation, 0)
            self.between.mpi.Allreduce(MPI.IN_PLACE, flat, operation)
        here.Bcast(flat, 0)
