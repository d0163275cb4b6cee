"""The bills against what solvers do: the flops of their floors, and what the communicator counts."""

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.model.state import items
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.case import Case, place_of
from tests.helpers.problems import posed, stepped
from tests.helpers.threads import on_ranks

HIDDEN, SAMPLES, STEPS = (7, 5, 9), 288, 3
VARIANTS = {
    "taylor": [{}, {"warm": 1}],
    "pdadmm": [{}, {"update": "exact"}, {"wire": 8}, {"wire": "float32"}, {"update": "exact", "grid": [2, 3]}],
    "mpadmm": [{"batch": 96}, {"batch": 96, "warm": 1, "refresh": 1}, {"batch": 96, "grid": "layers"}],
    "gd": [{"workers": 6}],
    **{name: [{"batch": 96, "cut": 6}] for name in ("sgd", "adam", "adagrad", "adadelta")},
}
BILLED = [name for name in SOLVERS if SOLVERS[name].billed()]
CASES = [(name, options) for name in BILLED for options in VARIANTS.get(name, [{}])]
SIZES = {"sgd": [6], "adagrad": [2], "adadelta": [2], "gd": [2]}  # the others on 1, 2 and 6 ranks


def observed(world, solver):
    """Flops of the floor, messages and bytes of a step, and the bytes held."""
    p, world = posed(solver, world, HIDDEN, samples=SAMPLES, loss="hinge")
    state = stepped(solver, p, world, STEPS)
    traffic, evaluations = world.traffic, getattr(state.work, "evaluations", 0)
    before = traffic.messages, traffic.bytes
    solver.step(state, p, world)
    times = getattr(state.work, "evaluations", 1) - evaluations
    sent = (traffic.messages - before[0]) / times, (traffic.bytes - before[1]) / times
    flops = sum(product.flops for product in solver.floor(state, p).values())
    held = sum(item.array.nbytes for item in items(state)) + p.y.nbytes + p.train.labels.nbytes
    return flops, sent, held + (p.x.nbytes if not any(item.array is p.x for item in items(state)) else 0)


@pytest.mark.parametrize(("name", "options", "size"), [(n, o, p) for n, o in CASES for p in SIZES.get(n, [1, 2, 6])])
def test_flops_messages_and_bytes_are_those_of_a_real_iteration(name, options, size):
    if "grid" in options and isinstance(options["grid"], list) and size != 6:
        return
    solver = SOLVERS[name](**options, **({"sums": "plain"} if name == "pdadmm" else {}))  # never sums once more
    case = Case(solver, (6, *HIDDEN, 3), SAMPLES, "float64")
    chain, samples = case.grid(size)
    for rank, (flops, sent, held) in enumerate(on_ranks(size, lambda world: observed(world, solver))):
        place = place_of(case, chain, samples, rank)
        mine = solver.bill(place, STEPS)
        assert mine.flops == pytest.approx(flops, rel=1e-12)
        assert mine.sent(place) == pytest.approx(sent, rel=1e-12)
        if name in ("taylor", "dladmm", "pdadmm") and place.columns:
            assert 0.9 < solver.held_bytes(place) / held < 3  # besides the state buffers, for pdadmm two whole arrays


def test_a_solver_without_a_bill_is_named():
    with pytest.raises(UsageError, match="gadmm"):
        SOLVERS["gadmm"]().check_billed()
