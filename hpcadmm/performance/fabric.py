"""The network between ranks: the memory of a node, and the links between nodes.

Messages cost latency + bytes / bandwidth. A sum over p ranks takes the cheapest of recursive doubling (short ones:
log2 p messages of the whole), Rabenseifner's (2 log2 p messages, about 2 bytes sent for each byte summed) and the ring
(2 (p - 1) of them) [Thakur, Rabenseifner, Gropp: Optimization of Collective Communication Operations in MPICH, 2005].
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt

from hpcadmm.errors import UsageError
from hpcadmm.job.tables import plain, toml_file
from hpcadmm.performance.machine import Machine

Positive = Annotated[float, Gt(0)]
ADDING = 1e-10  # seconds a byte that a sum adds to a message between nodes: assumed, the speed of memory


@dataclass(frozen=True)
class Fabric:
    """A network file.

    latency_us, gigabytes_per_second: of a message between nodes; the ranks of a node share its one connection.
    ranks_per_node: ranks on a full node.
    shared_latency_us, shared_gigabytes_per_second: between ranks of a node; default: as measured on the machine.
    name: default: the name of the file.
    """

    latency_us: Positive
    gigabytes_per_second: Positive
    ranks_per_node: Annotated[int, Ge(1)]
    shared_latency_us: Positive | None = None
    shared_gigabytes_per_second: Positive | None = None
    name: str = "network"


PRESETS = {  # assumed numbers of good fabrics of these speeds, with MPI; measured on none
    "100g": Fabric(1.5, 12.5, 32, name="100 Gb/s (assumed: 1.5 us, 12.5 GB/s, 32 ranks a node)"),
    "200g": Fabric(1.2, 25.0, 64, name="200 Gb/s (assumed: 1.2 us, 25 GB/s, 64 ranks a node)"),
}
HERE = 'the measured machine ("this": all ranks as if on one node)'
THERE = "that between the {} measured nodes"


@dataclass(frozen=True)
class Link:
    """Seconds of latency and a byte; of a step of a sum, with the adding."""

    latency: float
    byte: float
    sum_latency: float
    sum_byte: float

    def allreduce(self, ranks: int, size: float) -> tuple[float, float]:
        """(latency, bytes) seconds of a sum of `size` bytes over `ranks` ranks; zero for one."""
        if ranks <= 1:
            return 0.0, 0.0
        steps, part = math.ceil(math.log2(ranks)), (ranks - 1) / ranks
        adding = max(self.sum_byte - self.byte, 0.0)
        long = part * size * (2 * self.byte + adding)
        ways = [
            (steps * self.sum_latency, steps * size * self.sum_byte),
            (2 * steps * self.sum_latency, long),
            (2 * (ranks - 1) * self.latency, long),
        ]
        return min(ways, key=sum)


@dataclass(frozen=True)
class Network:
    """The links within and between nodes, and the cost of a rank's message over them."""

    name: str
    shared: Link
    between: Link | None
    ranks_per_node: int

    def allreduce(self, ranks: int, size: float) -> tuple[float, float]:
        """(latency, bytes) seconds of a sum over neighbouring ranks: within each node, then between nodes."""
        local, nodes = min(ranks, self.ranks_per_node), -(-ranks // self.ranks_per_node)
        here = self.shared.allreduce(local, size)
        if self.between is None or nodes == 1:
            return here
        there = self.between.allreduce(nodes, size)
        return here[0] + there[0], here[1] + there[1]

    def send(self, ranks: int, distance: int, size: float) -> tuple[float, float]:
        """(latency, bytes) seconds of a message to the rank at this distance, if all ranks send at once: messages that
        leave a node share its connection."""
        if self.between is None or ranks <= self.ranks_per_node:
            return self.shared.latency, size * self.shared.byte
        crossing = min(distance, self.ranks_per_node)
        return self.between.latency, size * self.between.byte * crossing


def network(machine: Machine, wanted: str = "this") -> Network:
    """ "this", a preset, or a network file. Raises UsageError for anything else."""
    shared = measured(machine, "messages")
    if wanted == "this":
        if machine.nodes == 1:
            return Network(HERE, shared, None, 1 << 60)
        return Network(THERE.format(machine.nodes), shared, measured(machine, "between"), machine.cores)
    fabric = PRESETS.get(wanted) or read(Path(wanted))
    latency, byte = 1e-6 * fabric.latency_us, 1e-9 / fabric.gigabytes_per_second
    if fabric.shared_latency_us is not None or fabric.shared_gigabytes_per_second is not None:
        near = 1e-6 * fabric.shared_latency_us if fabric.shared_latency_us else shared.latency
        fast = 1e-9 / fabric.shared_gigabytes_per_second if fabric.shared_gigabytes_per_second else shared.byte
        shared = Link(near, fast, near, fast + ADDING)
    return Network(fabric.name, shared, Link(latency, byte, latency, byte + ADDING), fabric.ranks_per_node)


def measured(machine: Machine, where: str) -> Link:
    """The link within a node or `where` = "between" nodes, as measured."""
    send, total = machine.messages("send", where), machine.messages("sum", where)
    return Link(send[0], send[1], total[0], total[1])


def read(path: Path) -> Fabric:
    """Read a network file. Raises UsageError that lists every fault."""
    presets = ", ".join(["this", *PRESETS])
    unreadable = f"--fabric {path}: neither one of {presets} nor a file that can be read"
    table = toml_file(path, f"the network file {path}", unreadable)
    needed = [key for key in ("latency_us", "gigabytes_per_second", "ranks_per_node") if key not in table]
    faults = [f"{key} is missing" for key in needed]
    found = None if needed else plain(Fabric, {"name": path.stem, **table}, "", faults, (), "a network file")
    if found is None or faults:
        raise UsageError(f"the network file {path}:\n  " + "\n  ".join(faults))
    one: Fabric = found
    return one
