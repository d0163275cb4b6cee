"""The bills against real iterations: flops of the products, messages and bytes, and the memory held."""

from collections import defaultdict
from threading import get_ident

import numpy as np
import pytest

from hpcadmm.errors import UsageError
from hpcadmm.model.state import items
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.case import place_here
from hpcadmm.solvers.shared.ops import Gemm
from hpcadmm.testing.problems import posed, stepped
from hpcadmm.testing.threads import on_ranks
from tests.examples.block_descent import BlockDescent

HIDDEN, SAMPLES, STEPS = (7, 5, 9), 288, 3
LOCAL = {"batch": 12, "local_steps": 3}  # of 48 samples of a worker
VARIANTS = {
    "taylor": [{}, {"warm": 1}],
    "pdadmm": [{}, {"update": "exact"}, {"wire": 8}, {"wire": "float32"}, {"update": "exact", "grid": [2, 3]}],
    "mpadmm": [
        {"batch": 96},
        {"batch": 96, "warm": 4, "late": 1},
        {"batch": 96, "grid": "layers"},
        {"batch": 96, "warm": 1, "refresh": 1, "sums": 8, "late": 1},
        {"batch": 96, "warm": 1, "refresh": 1, "inverses": "dealt"},
        {"batch": 96, "local_steps": 2, "local_batch": 12, "workers": 6},
        {"batch": 96, "local_steps": 2, "local_batch": 12, "workers": 6, "local_after": 1, "warm": 1, "sums": 8},
    ],
    "gd": [{"workers": 6}],
    "qgd": [{"workers": 6, "bits": 3}, {"workers": 6, "bits": 3, "batch": 12}],
    "dpsgd": [{"workers": 6}, {"workers": 6, "batch": 12, "topology": "complete"}],
    "diging": [{"workers": 6, "topology": "star"}],
    "extra": [{"workers": 6, "topology": [[0, 3], [3, 5], [5, 0], [1, 3], [2, 4], [4, 5]]}],
    "consensus": [
        {"workers": 6, **LOCAL},
        {"workers": 6, "local": "exact"},
        {"workers": 6, **LOCAL, "server": "nesterov", "moments": "shared"},
        {"workers": 6, **LOCAL, "local": "mpadmm"},
    ],
    "gadmm": [
        {"workers": 6, **LOCAL},
        {"workers": 6, "topology": "ring", **LOCAL, "periods": [1, 3, 2, 1], "wire": "float32"},
        {"workers": 6, "local": "exact", "topology": "star"},
    ],
    "qgadmm": [{"workers": 6, "bits": 3, **LOCAL}, {"workers": 6, "local": "exact", "topology": "grid"}],
    **{name: [{"batch": 96, "cut": 6}] for name in ("sgd", "adam", "adagrad", "adadelta")},
    "muon": [{"batch": 96, "cut": 6, "ends": "muon", "sums": "bfloat16"}],
    "soap": [{"batch": 96, "cut": 6, "refresh": 3}, {"batch": 96, "cut": 6, "largest": 7}],
}
BILLED = [name for name in SOLVERS if SOLVERS[name].billed()]
CASES = [(name, options) for name in BILLED for options in VARIANTS.get(name, [{}])]
SIZES = {"sgd": [6]} | {name: [2] for name in ("adagrad", "adadelta", "muon", "soap", "gd")}  # others: 1, 2 and 6 ranks


@pytest.fixture
def multiplied(monkeypatch):
    """Flops of np.matmul so far, by thread; a product x x^T counts half."""
    plain, found = np.matmul, defaultdict(float)

    def matmul(a, b, **options):
        (rows, inner), columns = a.shape[-2:], b[..., 0, :].size  # of a stack of products: all of their columns
        same = a.ctypes.data == b.ctypes.data and a.shape == b.T.shape and a.strides == b.T.strides
        found[get_ident()] += (rows + 1) * rows * inner if same else 2 * rows * inner * columns
        return plain(a, b, **options)

    monkeypatch.setattr(np, "matmul", matmul)
    return found


def observed(world, solver, multiplied):
    """Flops of the products, messages and bytes of a step (of cg and lbfgs: an evaluation): counted, and billed; bytes
    held: counted, and billed."""
    linear = getattr(solver, "local", None) == "exact"
    p, world = posed(
        solver, world, () if linear else HIDDEN, samples=SAMPLES, **({"loss": "squared"} if linear else {})
    )
    state = stepped(solver, p, world, STEPS)
    traffic, evaluations = world.traffic, getattr(state.work, "evaluations", 0)
    before = np.array([multiplied[get_ident()], traffic.messages, traffic.bytes])
    solver.step(state, p, world)
    times = getattr(state.work, "evaluations", 1) - evaluations
    done = (np.array([multiplied[get_ident()], traffic.messages, traffic.bytes]) - before) / times
    solver.complete(state, world)
    held = sum(item.array.nbytes for item in items(state)) + p.y.nbytes + p.train.labels.nbytes
    held += p.x.nbytes if not any(item.array is p.x for item in items(state)) else 0
    place = place_here(solver, p, world, state)
    bill = solver.bill(place, STEPS)
    flops = sum(op.flops for op in bill if isinstance(op, Gemm))
    return done, (flops, *bill.sent(place)), held, solver.held_bytes(place) if place.columns else None


@pytest.mark.parametrize(("name", "options", "size"), [(n, o, p) for n, o in CASES for p in SIZES.get(n, [1, 2, 6])])
def test_flops_messages_and_bytes_are_those_of_a_real_iteration(multiplied, name, options, size):
    if "grid" in options and isinstance(options["grid"], list) and size != 6:
        return
    solver = SOLVERS[name](**options, **({"sums": "plain"} if name == "pdadmm" else {}))  # never sums once more
    for done, billed, held, held_bytes in on_ranks(size, lambda world: observed(world, solver, multiplied)):
        assert billed == pytest.approx(done, rel=1e-12)
        if name in ("taylor", "dladmm", "pdadmm") and held_bytes is not None:
            assert 0.9 < held_bytes / held < 3  # pdadmm also has buffers of two whole arrays


def test_a_solver_without_a_bill_is_named():
    with pytest.raises(UsageError, match="block-descent"):
        BlockDescent().check_billed()
