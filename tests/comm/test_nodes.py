"""Ranks on several nodes: who is where, and sums that cross the network once a node."""

import json
import os
from unittest.mock import patch

import numpy as np
import pytest

from hpcadmm.comm import nodes as module
from hpcadmm.comm import world as world_module
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.testing.threads import on_ranks
from tests.helpers.sums import summed, wild

MAPS = [[0, 0, 1, 1, 1], [0, 1, 0, 2, 1], [0, 0, 0, 0, 0], [0, 1, 2, 3, 4]]
maps = pytest.mark.parametrize("nodes", MAPS, ids=str)


@maps
def test_each_rank_knows_its_node(nodes):
    def work(world):
        layout = world.layout
        assert layout.ordered.exchange(nodes[world.rank]) == sorted(nodes, key=nodes.index)
        between = layout.between.gather(world.rank) if layout.between else None
        return layout.here.gather(world.rank), between, layout.count, layout.mixed, world.nodes

    firsts = sorted({nodes.index(n) for n in nodes})
    mixed = 1 < len(firsts) < 5
    for rank, found in enumerate(on_ranks(5, work, nodes=nodes)):
        here = [other for other in range(5) if nodes[other] == nodes[rank]]
        assert found == (here, firsts if rank in firsts else None, len(firsts), mixed, len(firsts))


def test_a_variable_and_the_network_make_nodes_too():
    with patch.dict(os.environ, {module.VARIABLE: "left"}):
        name = module.node_name()
    assert name.endswith(" left")
    assert name != module.node_name()
    with patch.object(module, "NETWORK", "/nowhere"):
        assert module.node_name() != name


@maps
def test_large_sums_are_made_by_nodes_in_the_same_bits(nodes, monkeypatch):
    """Exact sums do not depend on the order; nor do maxima."""
    parts = [wild([7, rank], 3, np.float64, (5, 4)) for rank in range(5)]
    every = [p for part in parts for p in part]
    monkeypatch.setattr(world_module, "LARGE", 8)
    monkeypatch.setattr(world_module, "CHUNK", 7)

    def work(world):
        total = Exact((5, 4), np.float64, len(every))
        bits, _ = summed(world, every, total, parts[world.rank] if world.size > 1 else every)
        started = np.arange(6.0) * 2.0**world.rank
        world.start_sum(started).wait()
        return (
            bits,
            started.tolist() if world.size > 1 else (31 * np.arange(6.0)).tolist(),
            world.max(np.arange(20.0) * (-1) ** world.rank)[0].tolist(),
        )

    (one,) = on_ranks(1, work)
    assert on_ranks(5, work, nodes=nodes) == [one] * 5


PROGRAM = """
import json, os
import numpy as np
from mpi4py import MPI
os.environ["HPCADMM_NODE"] = str(MPI.COMM_WORLD.rank % 2)
from hpcadmm.comm import world as module
from hpcadmm.comm.wire.narrow import Narrow
from hpcadmm.comm.wire.narrow_sum import NarrowSum
module.LARGE = 8
w = module.World()
flat = w.sum_flat(np.arange(5.0) + w.rank)
found = [flat.tolist(), w.nodes, w.layout.mixed]
for name in ("bfloat16", 8):
    error, total, exact = np.zeros(2000), 0.0, 0.0
    for k in range(3):
        x = np.random.default_rng([k, w.rank]).standard_normal(2000)
        v = Narrow(x.copy(), name, error)
        started = NarrowSum(w, [v], k)
        started.progress()
        started.finish()
        total, exact = total + v.x, exact + w.sum(x)[0]
    found.append(float(np.abs(total + w.sum(error)[0] - exact).max()))
    digest = v.x.tobytes()
    assert w.share(digest.hex()) == digest.hex()
if w.first:
    print(json.dumps(found))
"""


def test_on_real_ranks(mpirun):
    done = mpirun(3, PROGRAM).check()
    n, (flat, nodes, mixed, *errors) = done.n, json.loads(done.stdout)
    assert flat == [n * k + n * (n - 1) / 2 for k in range(5)]
    assert (nodes, mixed) == (2, n > 2)
    assert max(errors) < 1e-12
