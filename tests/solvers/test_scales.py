"""One feature multiplied by up to 1e12: solvers with exact sums are as accurate as with plain ones, judged by sums in
extended precision, and give the same bits on any number of ranks."""

import numpy as np
import pytest

from hpcadmm.comm.exact.sums import HELD, Exact
from hpcadmm.comm.world import World
from hpcadmm.solvers import SOLVERS, DlAdmm, MpAdmm, PdAdmm, Taylor
from hpcadmm.testing.problems import fitting, posed, stepped
from hpcadmm.testing.runs import assert_same_bits, run

BOTH = {
    "taylor": Taylor(),
    "taylor-ridgeless": Taylor(ridge=0.0),
    "dladmm": DlAdmm(),
    "pdadmm": PdAdmm(),
    "pdadmm-exact": PdAdmm(update="exact"),
    "mpadmm": MpAdmm(batch=96),
}
EXACT = {name: SOLVERS[name]() for name in ("gadmm", "consensus", "gd", "lbfgs")}
scales = pytest.mark.parametrize("scale", [1.0, 1e4, 1e8, 1e12])
LONG = np.longdouble


@pytest.fixture
def in_extended_precision(monkeypatch):
    """A function that replaces all exact sums by sums in extended precision, rounded once."""
    sums = {}

    def add(total, partial):
        sums[id(total)] += partial

    def clear(total):
        sums[id(total)] = np.zeros(total.shape, LONG)

    def finish(total):
        total.total[...] = sums[id(total)]

    def install():
        for name, does in (("add", add), ("clear", clear), ("finish", finish)):
            monkeypatch.setattr(Exact, name, does)
        for name in ("close", "follow"):
            monkeypatch.setattr(Exact, name, lambda *_: None)
        monkeypatch.setattr(Exact, "verdict", lambda total, attempt: HELD)

    return install


def weights(solver, hidden, scale, steps=4, **options):
    """The weights of the scaled feature, those of the others, and each later W."""
    p, world = posed(solver, World.alone(), hidden, samples=400, scale=scale, **options)
    with np.errstate(all="ignore"):
        state = stepped(solver, p, world, steps)
        W = [w.astype(np.float64) for w in solver.weights(state, world)[1:]]
    return [W[0][:, 0], W[0][:, 1:], *W[1:]]


def plain(solver):
    return type(solver)(**{**vars(solver), "sums": "plain"})


@scales
@pytest.mark.parametrize("hidden", [(6,), ()])
@pytest.mark.parametrize("name", [*BOTH, *EXACT])
def test_exact_sums_cost_no_accuracy(name, hidden, scale, in_extended_precision):
    """Within ten times the error of plain sums, or 1e-10."""
    solver = {**BOTH, **EXACT}[name]
    if fitting(solver, hidden) != hidden or (name == "taylor-ridgeless" and hidden):  # singular: hidden units are alike
        return
    exact = weights(solver, hidden, scale)
    ordinary = weights(plain(solver) if name in BOTH else solver, hidden, scale)
    in_extended_precision()
    for one, other, true in zip(exact, ordinary, weights(solver, hidden, scale), strict=True):
        error, without = (np.abs(found - true).max() for found in (one, other))
        assert error <= max(1e-10 * np.abs(true).max(), 10 * without * (name in BOTH))


@pytest.mark.parametrize("scale", [1e8, 1e12])
@pytest.mark.parametrize("name", [*BOTH, *EXACT])
def test_ranks_agree_in_every_bit(name, scale):
    solver, options = {**BOTH, **EXACT}[name], {"samples": 450, "scale": scale}
    with np.errstate(all="ignore"):
        one = run(1, solver, 3, **options)[0]
        for size in (2, 3, 7):
            assert_same_bits(one, run(size, solver, 3, **options)[0])


@pytest.mark.parametrize("condition", [1e4, 1e6])
def test_ill_conditioned_data_are_no_worse_than_with_plain_sums(condition, in_extended_precision):
    """Nearly equal features, so that no scaling helps; no ridge."""

    def fitted(solver):
        p, world = posed(solver, World.alone(), (), samples=700)
        random = np.random.default_rng(1)
        p.x[1:6] = p.x[0] + random.standard_normal((5, p.x.shape[1])) / condition
        return solver.weights(stepped(solver, p, world, 3), world)[1]

    exact, ordinary = fitted(Taylor(ridge=0.0)), fitted(Taylor(ridge=0.0, sums="plain"))
    in_extended_precision()
    true = fitted(Taylor(ridge=0.0))
    assert np.abs(exact - true).max() <= max(np.abs(ordinary - true).max(), 1e-10 * np.abs(true).max())
