"""Factors fitted to measured points, their validation on points left out, and curves."""

from dataclasses import replace

import pytest

from hpcadmm.performance.curves import best, counts, curve, grids, series, words
from hpcadmm.performance.fabric import network
from hpcadmm.performance.fit import by_ranks, by_shape, fit, know, middle, shapes
from hpcadmm.performance.predict import NONE, estimate
from hpcadmm.solvers import SOLVERS, PdAdmm
from hpcadmm.solvers.shared.case import Case, places
from hpcadmm.solvers.shared.ops import Message
from tests.helpers.made_machine import MACHINE, measured, wider

TAYLOR = Case(SOLVERS["taylor"](), (100, 80, 60, 10), 20_000)
PDADMM = Case(SOLVERS["pdadmm"](), (200, *[200] * 5, 10), 5_000, loss="squared")
HERE = network(MACHINE)
FACTOR = {"products": 1.3, "passes": 2.0, "serial": 0.7, "communicate": 1.0}


def points(case, count=8, factors=FACTOR, ranks=(1, 2)):
    return [measured(wider(case, k), n, factors) for k in range(count) for n in ranks]


# Fit and validation.


def test_factors_that_made_the_points_are_found_again():
    known = know(points(TAYLOR), MACHINE)
    found = fit(known)
    assert found["products"] == pytest.approx(FACTOR["products"], rel=0.1)
    assert found["passes"] == pytest.approx(FACTOR["passes"], rel=0.1)
    assert found["serial"] < 1, "a small part here, which a fit knows little of"
    assert [one.estimate.predict(found).seconds for one in known] == pytest.approx([k.seconds for k in known], rel=0.03)
    assert fit([]) == NONE


def test_leave_one_out_leaves_out():
    """A shape whose measurement is wrong is predicted by the others, which do not know of it."""
    good = know(points(TAYLOR, 6), MACHINE)
    wrong = [replace(one, seconds=1.5 * one.seconds) if one.case.n == good[0].case.n else one for one in good]
    misses = by_shape(wrong)
    (first, *rest) = [m.error for m in misses if m.known.point.ranks == 1]
    assert first == pytest.approx(1 / 1.5 - 1, abs=0.03)
    assert sorted(map(abs, rest))[2] < 0.1
    assert [m.predicted for m in misses[:2]] == [m.predicted for m in by_shape(good)[:2]]
    assert shapes(good) == 6
    assert middle(by_shape(good)) < 0.01


def test_a_rank_count_may_be_left_out_too():
    assert by_ranks(know(points(TAYLOR, 3, ranks=(1,)), MACHINE)) == []
    assert middle(by_ranks(know(points(TAYLOR, 4), MACHINE))) < 0.05


# Curves.


def test_a_curve_says_where_it_stops_and_why():
    known = know(points(TAYLOR, 1), MACHINE)
    (one,) = series(known, None)
    found = curve(one, 10_000, MACHINE, HERE)
    assert found.found[-1].ranks == 10_000
    assert "do not make it faster: too few tiles" in words(found)
    assert found.efficiency(found.found[0]) == 1
    least = min(found.found, key=lambda p: p.seconds)
    assert least.ranks <= TAYLOR.tiles().count


def test_weak_scaling_adds_samples_with_the_ranks():
    cases = {n: replace(TAYLOR, samples=4096 * n) for n in (1, 2)}
    known = know([measured(case, n, kind="weak") for n, case in cases.items()], MACHINE)
    (one,) = series(known, None)
    assert (one.kind, len(one.points), one.at(100).samples) == ("weak", 2, 409_600)
    found = curve(one, 1000, MACHINE, HERE)
    assert found.efficiency(found.found[0]) == 1
    assert all(found.efficiency(p) > 0.5 for p in found.found)
    (later,) = series(know([measured(replace(TAYLOR, samples=8192), 2, kind="weak")], MACHINE), None)
    assert (later.base, later.at(2).samples, later.at(100).samples) == (2, 8192, 409_600)
    assert "efficiency" in words(found)


def test_a_curve_deals_as_its_points_were_dealt():
    def dealt(*grids):
        known = know([measured(PDADMM.gridded(*grid), grid[0] * grid[1]) for grid in grids], MACHINE)
        (one,) = series(known, None)
        return {p.grid for p in curve(one, 4, MACHINE, HERE).found if p.ranks == 4}

    assert dealt((1, 1), (1, 2)) == {(1, 4)}
    assert dealt((2, 1), (3, 1)) == {(4, 1)}
    assert dealt((2, 1), (1, 2)) == {(4, 1)}, "as the solver does by itself"
    mine = replace(PDADMM, solver=replace(PDADMM.solver, grid=None))
    (one,) = series(know([measured(mine, 2)], MACHINE), None)
    assert (one.dealt, one.case.solver.grid) == (None, None)


def test_grids_and_layers():
    known = know(points(PDADMM, 1), MACHINE)
    (one,) = series(known, "grids")
    found = curve(one, 1000, MACHINE, HERE)
    assert all(p.grid[0] * p.grid[1] == p.ranks for p in found.found)
    assert "no grid of" in found.refused
    assert "The solver takes no more" in words(found)
    assert found.found[-1].ranks <= PDADMM.L * PDADMM.tiles().count
    (deep,) = series(known, "layers")
    assert deep.at(7).L == 7
    assert curve(deep, 32, MACHINE, HERE).found[-1].grid == (32, 1)
    assert "layers" not in [one.kind for one in series(know(points(TAYLOR, 1), MACHINE), "layers")]


def test_the_best_grid_is_the_obvious_one():
    """Equal layers are dealt evenly, samples are not; where one layer has nearly all work, samples must be dealt."""
    two = replace(PDADMM, n=(200, *[200] * 6), samples=1024)
    assert two.tiles().count == 16
    assert best(two, 6, MACHINE, HERE, NONE).grid == (6, 1)
    assert {case.grid(8) for case in grids(two, 8)} == {(1, 8), (2, 4), (4, 2)}
    thin = replace(PDADMM, n=(2000, 10, 10), samples=4096)
    assert best(thin, 2, MACHINE, HERE, NONE).grid == (1, 2), "nearly all work is in the first layer"


def test_layers_that_are_alike_are_looked_at_once(monkeypatch):
    seen = []
    bill = PdAdmm.bill
    monkeypatch.setattr(PdAdmm, "bill", lambda solver, place: seen.append(place.layers) or bill(solver, place))
    deep = replace(PDADMM, n=(200, *[200] * 999, 10)).gridded(1000, 1)
    one = estimate(deep, 1000, MACHINE, HERE)
    assert len(one.blocks) == 1000
    assert {tuple(layers) for layers in seen} == {(1,), (2,), (1000,)}, "the first, those between, the last"
    assert one.blocks[1] == one.blocks[500] != one.blocks[0]


def test_rank_counts_are_increasing_and_end_at_the_most():
    found = counts(PDADMM, 777)
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (1, 777)


def test_overlapped_messages_cost_their_start():
    (message,) = [op for op in bill_of(PDADMM.gridded(2, 1), 2)[0] if isinstance(op, Message) and op.verb == "send"]
    assert not message.overlapped, "w goes up at the end"
    (message,) = [op for op in bill_of(PDADMM.gridded(2, 1), 2)[1] if isinstance(op, Message) and op.verb == "send"]
    assert message.overlapped, "p goes down while other layers are worked on"


def bill_of(case, ranks):
    return [place.case.solver.bill(place) for place in places(case, *case.grid(ranks))]
