"""What a row of metrics holds: scores by their plain formulas, the clock's totals, the digest of weights."""

import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing.problems import minimises, posed, problem, shared, stepped
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.measure import Clock, measure, score, weights_sha256


def plain_score(W, p, part):
    z = p.network.forward(W, part.x)
    if not p.classes:
        return np.mean((z - part.y) ** 2)
    decided = np.argmax(z, axis=0) if len(z) > 1 else z[0] > 0
    return np.mean(decided == part.labels)


CASES = [{"loss": "hinge"}, {"loss": "cross-entropy", "classes": 2}, {"loss": "hinge", "classes": 2}]
CASES += [{"loss": "squared"}, {"loss": "squared", "classes": 0}]


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_their_plain_formulas(options, dtype):
    world = World.alone()
    p = problem(world, (5,), dtype=dtype, samples=200, **options)
    W = p.network.random_weights(3, dtype)
    for part in (p.train, p.test):
        assert score(W, p, part, world) == pytest.approx(
            plain_score(W, p, part), rel=1e-6 if dtype == np.float32 else 1e-12
        )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param(name, case, id=f"{name}-{case}")
        for name in SOLVERS
        for case in CASES
        if minimises(SOLVERS[name], case["loss"])
    ],
)
def test_a_row_is_the_same_on_any_number_of_ranks(name, options):
    solver = shared(name)

    def work(world):
        p, world = posed(solver, world, samples=300, **options)
        return measure(solver, stepped(solver, p, world, 2), p, world)

    (whole,) = on_ranks(1, work)
    kind = "accuracy" if options.get("classes", 3) else "error"
    assert {"objective", "primal_residual", "scale", f"train_{kind}", f"test_{kind}"} <= set(whole)
    for size in (2, 4, 5):
        assert on_ranks(size, work) == [whole] * size


def test_without_the_training_part_a_row_has_the_scores_of_the_test_part_alone():
    world, solver = World.alone(), shared("adam")
    p, world = posed(solver, world)
    state = stepped(solver, p, world, 2)
    whole = measure(solver, state, p, world)
    assert measure(solver, state, p, world, train=False) == {"test_accuracy": whole["test_accuracy"]}


@pytest.mark.parametrize("grid", [(1, 4), (2, 2), (4, 1), (3, 2)])
def test_ranks_with_the_same_columns_share_the_scoring(grid):
    """Each tile is scored once, on one rank, and the score is that of one rank."""
    (alone,) = on_ranks(1, lambda world: scored(world, (1, 1)))
    found = on_ranks(grid[0] * grid[1], lambda world: scored(world, grid))
    assert {value for value, _ in found} == {alone[0]}
    assert sum(columns for _, columns in found) == alone[1] == 500


def scored(world, grid):
    """The score of some weights on 500 samples, and how many columns this rank looked at."""
    world, seen = world.arranged(*grid), []
    p = problem(world, samples=500)

    class Counting(type(p.network)):
        def forward(self, W, x):
            seen.append(x.shape[1])
            return super().forward(W, x)

    network = Counting(p.network.n, p.network.activation, p.network.bias)
    counted = replace(p, network=network)
    return score(p.network.random_weights(0, p.dtype), counted, counted.train, world), sum(seen)


@pytest.mark.parametrize("classes", [3, 0])
@pytest.mark.parametrize("parts", [1, 2])
def test_wide_tiles_are_scored_in_pieces(classes, parts):
    """So that scoring needs no memory for all columns of a tile at once."""
    world, widest = World.alone(), []
    p = problem(world, loss="squared", classes=classes, samples=2500, parts=parts)

    class Watched(type(p.network)):
        def forward(self, W, x):
            widest.append(x.shape[1])
            return super().forward(W, x)

    W = p.network.random_weights(0, p.dtype)
    watched = replace(p, network=Watched(*vars(p.network).values()))
    assert score(W, watched, p.train, world) == pytest.approx(plain_score(W, p, p.train), rel=1e-12)
    assert max(widest) <= 1024
    assert sum(widest) == 2500


def test_no_test_samples_have_no_score():
    world = World.alone()
    p = problem(world)
    nothing = type(p.train)(p.x[:, :0], p.y[:, :0], p.train.labels[:0], type(p.tiles)(0, 64))
    assert score(p.network.random_weights(0, np.float64), p, nothing, world) is None


def test_the_digest_of_weights_is_that_of_their_rows():
    W = [None, np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.ones((1, 2))]
    other = [None, np.arange(6.0).reshape(2, 3), np.ones((1, 2), order="F")]
    assert weights_sha256(W) == weights_sha256(other)
    assert len(weights_sha256(W)) == 64
    for changed in (np.nextafter(1.0, 2), -1.0):
        other[2] = np.array([[1.0, changed]])
        assert weights_sha256(W) != weights_sha256(other)


class Stopped:
    """A clock for each thread, that moves when told to."""

    def __init__(self):
        self.own = threading.local()

    def __call__(self):
        return getattr(self.own, "now", 0.0)

    def advance(self, seconds):
        self.own.now = self() + seconds


@pytest.fixture
def time(monkeypatch):
    stopped = Stopped()
    monkeypatch.setattr("hpcadmm.comm.traffic.time", SimpleNamespace(perf_counter=stopped))
    return stopped


def step(clock, time, seconds, talking=0.25):
    """A step of so many seconds; then an evaluation, which does not count."""
    traffic = clock.world.traffic
    with clock.solver():
        time.advance(seconds)
        traffic.seconds += talking
        traffic.bytes += 100
        traffic.messages += 2
    time.advance(50)
    traffic.seconds += 10
    traffic.bytes += 10**6


def test_the_clock_counts_the_solver_on_all_ranks(time):
    def work(world):
        clock = Clock(world)
        for k in (1, 2, 3):
            step(clock, time, k * (world.rank + 1))
        return clock.row(), clock.total_seconds

    found = on_ranks(3, work)
    assert [total for _, total in found] == [6, 12, 18]
    row = found[0][0]
    assert all(other == row for other, _ in found)
    assert row["seconds"] == 18
    assert row["communicate_seconds"] == {"min": 0.75, "mean": pytest.approx(0.75), "max": 0.75}
    assert row["compute_seconds"] == {"min": 5.25, "mean": pytest.approx(11.25), "max": 17.25}
    assert (row["bytes"], row["messages"]) == (3 * 300, 3 * 6)


def test_hidden_seconds_are_those_of_work_while_a_sum_travels(time):
    """Two at a time count once; the seconds between steps do not count."""

    def work(world):
        clock = Clock(world)
        with clock.solver():
            time.advance(1)
            one = world.start_sum(np.ones(3))
            time.advance(2)
            other = world.start_sum(np.ones(2))
            time.advance(4)
            one.wait()
            time.advance(8)
        time.advance(100)
        with clock.solver():
            time.advance(16)
            other.wait()
            time.advance(32)
        return clock.row()["hidden_seconds"]

    assert on_ranks(2, work) == [{"min": 30, "mean": 30, "max": 30}] * 2


def test_the_totals_of_earlier_sessions_are_added(time):
    world = World.alone()
    first = Clock(world)
    step(first, time, 4)
    before = json.loads(json.dumps(first.row()))  # as a checkpoint has it
    second = Clock(world, before=before)
    assert second.total_seconds == 4
    assert second.row() == first.row()
    step(second, time, 2)
    row = second.row()
    assert second.total_seconds == row["seconds"] == 6
    assert row["compute_seconds"] == {"min": 5.5, "mean": 5.5, "max": 5.5}
    assert (row["bytes"], row["messages"]) == (200, 4)


def test_a_step_that_fails_is_not_counted(time):
    clock = Clock(World.alone())
    with pytest.raises(ZeroDivisionError), clock.solver():
        raise ZeroDivisionError
    assert clock.row()["seconds"] == 0
