"""The rehearsal: whatever a solver does afterwards, no kernel is compiled on the clock; and nothing of it remains."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing.problems import minimises, posed, started, stepped
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.measure import measure
from hpcadmm.training.rehearsal import narrow, play, rehearse, tiny
from tests.helpers.variants import variants
from tests.kernels import compiled_by, forget

EVERY = dict(variants())
every = pytest.mark.parametrize("solver", EVERY.values(), ids=list(EVERY))
HIDDEN = (5, 5)


def compiled_late(solver, world, steps=8, **options):
    """What the iterations of a run compile that the rehearsal has not."""
    p, world = posed(solver, world, HIDDEN, **options)
    rehearse(solver, p, world)
    return compiled_by(lambda: measure(solver, stepped(solver, p, world, steps), p, world))


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_kernel_is_compiled_after_it(solver, dtype):
    """The last tile has one sample, so have some parts of a batch; a step of another size compiles nothing either."""
    forget()
    losses = [loss for loss in LOSSES if minimises(solver, loss)]
    for loss in losses:
        assert not compiled_late(solver, World.alone(), loss=loss, dtype=dtype, samples=193)


@pytest.mark.parametrize("name", SOLVERS)
def test_nor_with_another_activation(name):
    for activation in ACTIVATIONS:
        forget()
        assert not compiled_late(EVERY[name], World.alone(), 3, activation=activation, spread=12)


NOISES = {"noise": "gaussian", "noise_inputs": 0.1, "noise_units": 0.1}


@pytest.mark.parametrize(("name", "training"), [("adam", {**NOISES, "norm": True}), ("mpadmm", {})])
def test_nor_with_dropout_and_noise(name, training):
    forget()
    options = {"loss": "cross-entropy", "dropout": (0.2, 0.5, 0.5), "training": training}
    assert not compiled_late(EVERY[name], World.alone(), 3, **options)


PROGRAM = """
from dataclasses import fields, replace
import numpy as np
from hpcadmm.comm.world import World
from tests.helpers.variants import variants
from tests.training.test_rehearsal import compiled_late, forget

world = World()
for name, solver in variants():
    several = {"grid", "workers", "cut"} & {field.name for field in fields(solver)}
    grids = [[1, world.size], [2, world.size // 2]] if hasattr(solver, "grid") else []
    del grids[1 if getattr(solver, "local_steps", 0) else 2 :]  # a worker has all layers
    for one in [replace(solver, grid=grid) for grid in grids] or [solver] * bool(several):
        forget()
        late = compiled_late(one, world, 6, dtype=np.float32, loss="cross-entropy", samples=333)
        assert not late, (name, late)
"""


def test_nor_on_several_ranks(mpirun, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    mpirun(2, [tmp_path / "program.py"], timeout=240).check()


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("size", [1, 2])
def test_nothing_of_it_remains(name, size):
    solver = EVERY[name]

    def work(world):
        p, world = posed(solver, world, HIDDEN)
        one = stepped(solver, p, world, 3)
        before = vars(world.traffic).copy()
        rehearse(solver, p, world)
        assert vars(world.traffic) == before
        other = started(solver, p, world)
        rehearse(solver, p, world)
        for _ in range(3):
            solver.step(other, p, world)
        pairs = zip(solver.weights(one, world)[1:], solver.weights(other, world)[1:], strict=True)
        assert all((v == w).all() for v, w in pairs)

    on_ranks(size, work)


@pytest.mark.parametrize("samples", [1, 2, 65])
@pytest.mark.parametrize("size", [1, 4])
def test_ranks_without_samples_rehearse_too(samples, size):
    for name in ("taylor", "gadmm", "mpadmm", "sgd", "consensus"):
        on_ranks(size, lambda world, name=name: compiled_late(EVERY[name], world, 1, samples=samples))


def test_what_goes_wrong_in_it_is_of_no_consequence(monkeypatch):
    solver, world = SOLVERS["gd"](rate=1e300), World.alone()
    p, world = posed(solver, world)
    rehearse(solver, p, world)  # diverges

    def failing(*arguments):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(SOLVERS["gd"], "step", failing)
    rehearse(solver, p, world)
    on_ranks(2, lambda world: rehearse(solver, posed(solver, world)[0], world))


def test_a_tiny_problem_is_like_the_whole_one():
    solver = SOLVERS["taylor"]()
    for options in ({"loss": "hinge", "classes": 2}, {"loss": "squared", "classes": 0}, {"loss": "cross-entropy"}):
        p, world = posed(solver, World.alone(), (30, 30, 7), features=50, **options)
        small = tiny(p, world)
        assert max(small.network.n) <= 8
        assert (small.dtype, bool(small.classes)) == (p.dtype, bool(p.classes))
        for one, other in zip((small.train, small.test), (p.train, p.test), strict=True):
            assert (one.x.ndim, one.y.ndim, one.labels.ndim) == (other.x.ndim, other.y.ndim, other.labels.ndim)
            assert (one.x.dtype, one.y.dtype, one.labels.dtype) == (other.x.dtype, other.y.dtype, other.labels.dtype)
            assert one.x.flags.f_contiguous
        play(solver, p, world)


def test_widths_keep_their_order():
    assert narrow((1, 1000, 999, 1000, 2)) == (1, 6, 4, 6, 2)
