"""Every registered solver: the same bits at any number of ranks, also after a restart on another number."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.solvers import SOLVERS, Taylor
from hpcadmm.testing import checks
from hpcadmm.testing.problems import pairs, problem, shared, started, stepped
from hpcadmm.testing.runs import assert_same_bits, held, joined, run
from hpcadmm.testing.threads import on_ranks
from tests.helpers.drawn import accepted

every = pytest.mark.parametrize("solver", [shared(name) for name in SOLVERS], ids=list(SOLVERS))
with_loss = pytest.mark.parametrize(
    ("solver", "loss"),
    [pytest.param(shared(name), loss, id=f"{name}-{loss}") for name, loss in pairs()],
)
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@with_loss
@both
def test_ranks_agree_in_every_bit_of_the_iterate(solver, dtype, loss):
    """333 samples in tiles of 64: neither divides; 5 ranks have a tile or two each."""
    checks.ranks_agree(solver, (2, 3, 5), 4, loss=loss, dtype=dtype, samples=333)


@every
@settings(max_examples=30)
@given(
    samples=st.integers(1, 400),
    size=st.sampled_from([2, 3, 4, 5, 6]),
    hidden=st.sampled_from([(), (5,), (3, 6)]),
    bias=st.booleans(),
    activation=st.sampled_from(list(ACTIVATIONS)),
    spread=st.sampled_from([0, 12]),
)
@example(samples=1, size=4, hidden=(5,), bias=True, activation="relu", spread=0)
@example(samples=130, size=6, hidden=(3, 6), bias=True, activation="relu", spread=12)  # more ranks than tiles
def test_ranks_agree_whatever_the_sizes(solver, samples, size, hidden, bias, activation, spread):
    options = {"samples": samples, "hidden": hidden, "bias": bias, "activation": activation, "spread": spread}
    several = accepted(lambda: run(size, solver, 3, **options))
    assert_same_bits(run(1, solver, 3, **options)[0], several[0])


@both
@pytest.mark.parametrize(
    "solver", [Taylor(warm=1, init="gaussian"), Taylor(decay=0.1, ridge=0.0, beta=[0.5, 1.0, 2.0])]
)
def test_ranks_agree_with_other_hyperparameters(solver, dtype):
    assert_same_bits(run(1, solver, 4, dtype=dtype)[0], run(3, solver, 4, dtype=dtype)[0])


@every
@both
def test_a_restart_from_what_is_saved_goes_on_in_the_same_bits(solver, dtype):
    checks.resumes(solver, dtype)


@every
@both
def test_a_restart_from_weights_alone_has_those_weights_and_trains(solver, dtype):
    checks.restarts_from_weights(solver, dtype)


@every
def test_a_seed_is_a_run(solver):
    checks.a_seed_is_a_run(solver)


def test_a_first_iterate_belongs_to_the_tile():
    solver = Taylor(init="gaussian")

    def work(world):
        p = problem(world, samples=200)
        return held(started(solver, p, world), p)

    assert_same_bits(joined(on_ranks(1, work)), joined(on_ranks(4, work)))


@both
def test_communication_is_one_sum_a_layer(dtype):
    """L - 1 Allreduces a sweep, one if L = 1; of a a^T a triangle; a number for each row and column, and two
    words an entry. A sweep may be summed again only at the start."""

    def work(world, hidden):
        p = problem(world, hidden, dtype=dtype)
        solver = Taylor()
        state = stepped(solver, p, world, 5)
        messages, size = world.traffic.messages, world.traffic.bytes
        solver.step(state, p, world)
        return world.traffic.messages - messages, world.traffic.bytes - size

    def expected(hidden, features=6, outputs=3):
        n = [features, *hidden, outputs]
        entries, lines = n[1] * (n[0] + 1), n[1] + n[0] + 1
        for l in range(1, len(n) - 1):
            wide = n[l] + 1
            entries += n[l + 1] * wide + wide * (wide + 1) // 2
            lines += n[l + 1] + wide + wide
        return max(len(hidden), 1), 8 * (2 * entries + lines)

    for hidden in ((), (5,), (7, 5), (4, 6, 3)):
        assert on_ranks(2, lambda world, hidden=hidden: work(world, hidden)) == [expected(hidden)] * 2


PROGRAM = """
import hashlib, json
import numpy as np
from hpcadmm.testing.problems import pairs, posed, problem, shared, stepped
from hpcadmm.comm.world import World
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.solvers import SOLVERS, Taylor

world, found = World(), {}
def note(key, *arrays):
    found[key] = hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)).hexdigest()

for dtype in (np.float32, np.float64):
    for name in SOLVERS:
        solver = shared(name)
        for loss in (loss for one, loss in pairs() if one == name):
            p, ranks = posed(solver, world, loss=loss, samples=333, dtype=dtype)
            state = stepped(solver, p, ranks, 5)
            measured = np.hstack(list(solver.measure(state, p, ranks).values()))
            note(f"{name} {loss} {dtype.__name__}", *solver.weights(state, ranks)[1:], measured)
        for activation in ACTIVATIONS:
            p, ranks = posed(solver, world, activation=activation, samples=333, dtype=dtype)
            state = stepped(solver, p, ranks, 3)
            note(f"{name} {activation} {dtype.__name__}", *solver.weights(state, ranks)[1:])
    for sums in ("exact", "plain"):
        p = problem(world, (6,), samples=700, dtype=dtype, spread=12)
        state = stepped(Taylor(sums=sums, warm=0), p, world, 3)
        note(f"{sums} {dtype.__name__}", *state.W[1:], state.zaT)
for rank, other in enumerate(world.gather(found)):
    assert other == found, rank
if world.first:
    print(json.dumps(found))
"""


def test_real_ranks_agree_where_plain_sums_do_not(mpirun, tmp_path):
    """Tiles whose products differ in size by up to 2^48 leave no spare bits in float64, of float32 ones neither."""
    (tmp_path / "program.py").write_text(PROGRAM)
    runs = [json.loads(mpirun(n, [tmp_path / "program.py"]).check().stdout) for n in (1, 2, 3)]
    different = {key for key in runs[0] if len({run[key] for run in runs}) > 1}
    assert different == {"plain float32", "plain float64"}
