"""pdADMM on grids of layers x samples: whatever its hyperparameters, the bits of one rank; also across a restart."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpcadmm.model.losses import LOSSES
from hpcadmm.solvers import PdAdmm
from hpcadmm.solvers.pdadmm.start import Stage
from hpcadmm.testing.problems import posed, started
from hpcadmm.testing.runs import assert_same_bits, digest, resumed, run
from hpcadmm.testing.threads import on_ranks
from tests.helpers.drawn import accepted

GRIDS = [[1, 2], [2, 1], [3, 1], [2, 2], [3, 2], [1, 3]]
DEEP_GRIDS = [[2, 1], [3, 1], [4, 1], [2, 2], [4, 2], [1, 3]]
DEEP = (5, 5, 5)
STAGES = [Stage(2, 2), Stage(3, 2), Stage(4, 1)]
UPDATES = ["quadratic", "backtracking", "exact"]
WIRES = [None, 8, 16, "float16", "float32"]
OPTIONS = [
    {"decay": 0.1},
    {"decay": 0.1, "update": "exact"},
    {"decay": 0.1, "penalty": "l1"},
    {"decay": 0.1, "penalty": "l1", "update": "backtracking"},
    {"pull": "plain", "update": "exact"},
    {"schedule": "every", "period": 2, "factor": 3.0},
    {"schedule": "every", "period": 1, "limit": 4.0, "update": "exact"},
    {"schedule": "balanced", "period": 1, "rho": 1e-3},
    {"schedule": "balanced", "period": 2, "rho": 1e3, "update": "exact", "wire": 8},
    {"init": "normal", "nu": 0.1, "rho": 7.0},
]
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
updates = pytest.mark.parametrize("update", UPDATES)
wires = pytest.mark.parametrize("wire", WIRES)


def on(grid, solver):
    """The same solver on a grid, and its number of ranks."""
    return replace(solver, grid=grid), grid[0] * grid[1]


KNOWN = {}


def whole(solver, steps, **options):
    """The run on one rank, made once."""
    key = repr((solver, steps, options))
    if key not in KNOWN:
        KNOWN[key] = run(1, solver, steps, **options)
    return KNOWN[key]


def assert_grids_agree(solver, grids, steps=5, **options):
    one = whole(solver, steps, **options)
    for grid in grids:
        placed, size = on(grid, solver)
        found = run(size, placed, steps, **options)
        assert_same_bits(one[0], found[0])
        assert one[1] == found[1]


def assert_restarts_agree(solver, grids, steps, **options):
    """Each grid makes so many steps from what the one before saved."""
    saved = measured = None
    for grid, more in zip(grids, steps, strict=True):
        placed, size = on(grid, solver)
        saved, measured = resumed(size, placed, saved, more, **options) if saved else run(size, placed, more, **options)
    one = whole(solver, sum(steps), **options)
    assert_same_bits(one[0], saved)
    assert one[1] == measured


@both
@updates
@wires
def test_every_update_and_wire(update, wire, dtype):
    """333 samples in tiles of 64."""
    assert_grids_agree(PdAdmm(update=update, wire=wire), GRIDS, dtype=dtype, samples=333)


@both
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_other_hyperparameter(options, dtype):
    assert_grids_agree(PdAdmm(**options), [[3, 1], [2, 2], [1, 3]], dtype=dtype, samples=200, activation="tanh")


@both
@updates
@pytest.mark.parametrize("wire", [None, 8])
def test_a_network_that_grows(update, wire, dtype):
    """Ranks of layers that have not joined yet wait; six steps pass both joins."""
    solver = PdAdmm(update=update, wire=wire, stages=STAGES)
    assert_grids_agree(solver, DEEP_GRIDS, 6, hidden=DEEP, dtype=dtype, samples=130)


@settings(max_examples=40)
@given(
    solver=st.builds(
        PdAdmm,
        update=st.sampled_from(UPDATES),
        wire=st.sampled_from(WIRES),
        grid=st.sampled_from([*GRIDS, [4, 1]]),
        schedule=st.sampled_from(["fixed", "every", "balanced"]),
        period=st.integers(1, 3),
        decay=st.sampled_from([0.0, 0.01]),
        nu=st.sampled_from([0.01, 1.0]),
        rho=st.sampled_from([0.01, 1.0, 100.0]),
    ),
    hidden=st.lists(st.integers(1, 6), max_size=3).map(tuple),
    samples=st.integers(1, 200),
    loss=st.sampled_from(list(LOSSES)),
    activation=st.sampled_from(["relu", "tanh"]),
    bias=st.booleans(),
    spread=st.sampled_from([0, 12]),
)
@example(PdAdmm(grid=[4, 1], wire=8), (1, 6, 1), 1, "hinge", "relu", False, 0)
def test_any_of_them_together(solver, hidden, samples, loss, activation, bias, spread):
    """Also one unit, one sample, tiles whose sizes differ by 2^24."""
    options = {"hidden": hidden, "samples": samples, "loss": loss, "bias": bias, "spread": spread}
    options["activation"] = activation
    size = solver.grid[0] * solver.grid[1]
    found = accepted(lambda: run(size, solver, 3, **options))
    one = run(1, replace(solver, grid=None), 3, **options)
    assert_same_bits(one[0], found[0])
    assert repr(one[1]) == repr(found[1])  # NaN is itself


@both
@updates
@wires
@pytest.mark.parametrize(
    "grids", [([2, 2], [1, 3], [1, 1]), ([1, 2], [3, 1], [2, 1]), ([3, 2], [1, 1], [2, 2])], ids=str
)
def test_a_restart_on_another_grid_goes_on_in_the_same_bits(update, wire, dtype, grids):
    """Saved after 2 steps, again after 4, compared after 6; rho changes and theta is kept on the way."""
    solver = PdAdmm(update=update, wire=wire, schedule="every", period=3)
    assert_restarts_agree(solver, grids, (2, 2, 2), dtype=dtype, samples=200)


@pytest.mark.parametrize("before", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("wire", [None, 16])
def test_a_restart_while_the_network_grows(wire, before):
    """Before, at and after the iterations in which layers join."""
    solver = PdAdmm(wire=wire, stages=STAGES)
    for grids in (([4, 1], [1, 2]), ([1, 1], [4, 1]), ([2, 2], [3, 1])):
        assert_restarts_agree(solver, grids, (before, 6 - before), hidden=DEEP, samples=130)


@pytest.mark.parametrize("grid", [[2, 1], [3, 1], [2, 2], [3, 2]])
@pytest.mark.parametrize("wire", [None, 8])
def test_what_neighbours_hold_of_one_another_is_what_the_others_have(grid, wire):
    """After every step and a join: w_in of a rank is w of the layer below, p_in is p of the one above, as agreed."""
    solver, size = on(grid, PdAdmm(wire=wire, stages=[Stage(3, 2), Stage(4, 9)]))

    def work(world):
        p, world = posed(solver, world, DEEP, samples=130)
        state = started(solver, p, world)
        seen = []
        for _ in range(4):
            solver.step(state, p, world)
            links = state.links
            seen.append(({"w": np.copy(links.w_in), "p": np.copy(links.p_in)}, ends(state, wire)))
        return seen

    found, samples = on_ranks(size, work), grid[1]
    for column in range(samples):
        for seen in zip(*found[column::samples], strict=True):  # by iteration: what each rank of a chain knows and has
            chain = [(known, mine) for known, mine in seen if mine]  # a rank may have no layers yet
            assert len(chain) > 1
            for (known, mine), (known_above, above) in pairwise(chain):
                assert digest(known_above["w"]) == digest(mine["w"]), "the layer above knows another w"
                assert digest(known["p"]) == digest(above["p"]), "the layer below knows another p"


def ends(state, wire):
    """w of this rank's highest layer that trains and p of its lowest, as they were agreed on."""
    links, found = state.links, {}
    if not links.layers:
        return found
    top, bottom = links.layers[-1], links.layers[0]
    if state.q[top] is not None:
        w = np.empty_like(state.z[top])
        for _, t in links.problem.tiles:
            links.form_w(top, t, w)
        found["w"] = w if wire is None else state.sent_w[top].copy()
    if bottom > 1:
        found["p"] = state.p[bottom].copy() if wire is None else state.sent_p[bottom].copy()
    return found


@pytest.mark.parametrize("wire", [None, 8, "float16"])
def test_a_step_is_two_messages_a_boundary_and_a_sum_or_two_a_layer(wire):
    """Between blocks of layers p goes down and w up, packed; nothing else but the sums over samples."""
    solver = PdAdmm(grid=[3, 1], wire=wire)

    def work(world):
        p, world = posed(solver, world)
        state = started(solver, p, world)
        solver.step(state, p, world)
        before, payload = (world.traffic.messages, world.traffic.bytes), state.payload.sum()
        solver.step(state, p, world)
        sent = world.traffic.messages - before[0], world.traffic.bytes - before[1]
        return (*sent, float(state.payload.sum() - payload))

    found = on_ranks(3, work)
    assert [messages for messages, _, _ in found] == [1, 2, 1]
    # samples.size is 1, so that sums are not messages: every byte is one of p or w
    assert sum(size for _, size, _ in found) == sum(payload for _, _, payload in found)
