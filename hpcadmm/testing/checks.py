"""What every solver must do: functions that assert it of a solver. `SolverTests` asks all of one solver."""

import json
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.job.job import parse
from hpcadmm.job.keys import keys
from hpcadmm.model.losses.base import decide
from hpcadmm.model.problem import Problem
from hpcadmm.storage.run import read_metrics
from hpcadmm.testing.problems import floor_of, posed, started, stepped
from hpcadmm.testing.runs import Piece, assert_same_bits, digest, held, joined, resumed, run
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.loop import resume, train
from hpcadmm.training.progress import Progress

JOB = """
data = { name = "digits", first = 300, first_test = 100 }
network = { hidden = %s }
loss = { name = "%s" }
solver = { name = "%s" }
stop = { iterations = 6 }
"""


def is_described(solver: Any) -> None:
    """It is a frozen record of hyperparameters with a citation, whose docstring explains every key."""
    assert any(year in solver.paper for year in map(str, range(1950, 2100)))
    assert [key.name for key in keys(type(solver)) if not key.meaning] == []
    for key in asdict(solver):
        try:
            setattr(solver, key, 1)
        except FrozenInstanceError:
            continue
        raise AssertionError(f"{key} can be set: decorate the class by @dataclass(frozen=True)")


def learns(solver: Any, loss: str) -> None:
    """Training lowers the residual and the objective, and finds the classes of most samples."""
    world = World.alone()
    p, _ = posed(solver, world, (12,), loss=loss, samples=300)
    state = stepped(solver, p, world, 2)
    first = solver.measure(state, p, world)
    for _ in range(150 if solver.constrained else 1000):
        solver.step(state, p, world)
    last = solver.measure(state, p, world)
    assert {"objective", "primal_residual", "scale"} <= set(first) == set(last)
    assert all(isinstance(value, float | int | list) and np.isfinite(value).all() for value in last.values())
    assert json.loads(json.dumps(last)) == dict(last), "a row of metrics is JSON"
    assert last["primal_residual"] < first["primal_residual"] or not solver.constrained
    known = solver.knows_optimum(p.network.depth, loss)
    falls = "objective_error" if known else "objective"  # off consensus an objective may also rise
    assert last[falls] < first[falls]
    z = p.network.forward(solver.weights(state, world), p.x)
    assert not p.classes or np.mean(decide(z) == p.train.labels) > 0.8


def weights_fit(solver: Any, hidden: tuple[int, ...]) -> None:
    """Its weights have the shapes of the network and the type of the job."""
    world = World.alone()
    p, _ = posed(solver, world, hidden, dtype=np.float32)
    solver.check(p.network.depth)
    W = solver.weights(stepped(solver, p, world, 1), world)
    assert W[0] is None
    assert [w.shape for w in W[1:]] == [p.network.shape(l) for l in range(1, p.network.depth + 1)]
    assert {w.dtype for w in W[1:]} == {np.dtype(np.float32)}


def has_a_floor(solver: Any, hidden: tuple[int, ...]) -> None:
    """The products of its bill can be timed."""
    world = World.alone()
    p, _ = posed(solver, world, hidden)
    products = floor_of(solver, p, world)
    assert products
    for product in products.values():
        product()
        assert product.flops > 0


def tells_a_nan(solver: Any) -> None:
    """`finite` is true of an iterate, and false with a NaN in the weights."""
    world = World.alone()
    p, _ = posed(solver, world)
    state = started(solver, p, world)
    solver.step(state, p, world)
    assert solver.finite(state)
    solver.weights(state, world)[-1][1, 1] = np.nan
    assert not solver.finite(state)


def measuring_changes_nothing(solver: Any) -> None:
    """Iterates are the same whether they are measured or not."""
    world = World.alone()
    p, _ = posed(solver, world)
    one, other = (started(solver, p, world) for _ in range(2))
    for _ in range(3):
        solver.step(one, p, world)
        solver.measure(one, p, world)
        solver.step(other, p, world)
    assert digest(*solver.weights(one, world)[1:]) == digest(*solver.weights(other, world)[1:])


def ranks_agree(solver: Any, sizes: Sequence[int], steps: int, **options: Any) -> None:
    """State and measures have the same bits on any number of ranks."""
    one = run(1, solver, steps, **options)
    for size in sizes:
        other = run(size, solver, steps, **options)
        assert_same_bits(one[0], other[0])
        assert one[1] == other[1]


def resumes(solver: Any, dtype: type) -> None:
    """From what is saved it goes on in the same bits, on other ranks too."""
    whole = run(1, solver, 7, dtype=dtype)
    for before, afters in ((1, (1, 3)), (3, (2,)), (6, (1,))):
        saved = run(before, solver, 4, dtype=dtype)[0]
        for after in afters:
            again = resumed(after, solver, saved, 3, dtype=dtype)
            assert_same_bits(again[0], whole[0])
            assert again[1] == whole[1]


def restarts_from_weights(solver: Any, dtype: type) -> None:
    """From weights alone it starts with those weights, and trains."""
    whole, _ = run(1, solver, 5, dtype=dtype)
    depth = sum(path.startswith("W/") for path in whole)
    weights = [None, *(whole[f"W/{l}"] for l in range(1, depth + 1))]

    def work(world: World) -> dict[str, Piece]:
        p, world = posed(solver, world, dtype=dtype)
        state = solver.blank(p, world)
        solver.set_weights(state, [None if w is None else w.copy() for w in weights], p, world)
        assert digest(*solver.weights(state, world)[1:]) == digest(*weights[1:])
        return trained(solver, state, p, world)

    one = joined(on_ranks(1, work))
    assert digest(one[f"W/{depth}"]) != digest(weights[depth])
    for size in (2, 3):
        assert_same_bits(joined(on_ranks(size, work)), one)


def trained(solver: Any, state: Any, p: Problem, world: World) -> dict[str, Piece]:
    """The state after three steps."""
    solver.prepare(state, p, world)
    for _ in range(3):
        solver.step(state, p, world)
    solver.weights(state, world)
    return held(state, p)


def a_seed_is_a_run(solver: Any) -> None:
    """A seed gives the same weights again, another seed others."""
    first, again, other = (run(1, solver, 2, seed=seed)[0] for seed in (5, 5, 6))
    assert_same_bits(first, again)
    assert digest(first["W/1"]) != digest(other["W/1"])


def weights_of_one_change_nothing(solver: Any, dtype: type, steps: int, samples: int) -> None:
    """With data.weight 1 everywhere the bits are those without weights."""
    plain, ones = (run(1, solver, steps, samples=samples, dtype=dtype, weight=w) for w in (None, np.ones(samples)))
    assert_same_bits(plain[0], ones[0])
    assert plain[1] == ones[1]


def trains_from_a_job_and_resumes(solver: Any, loss: str, folder: Path) -> None:
    """A job file trains it, what is measured falls, and a resumed run ends with the same weights."""
    text, quiet = JOB % ([] if solver.most_layers == 1 else [12, 9], loss, solver.name), Progress(False)
    job = replace(parse(text), solver=solver)
    whole = train(job, folder / "whole", World.alone(), quiet)
    rows = read_metrics(folder / "whole")
    assert rows[-1]["objective"] < rows[0]["objective"]
    train(replace(job, stop=replace(job.stop, iterations=3)), folder / "half", World.alone(), quiet)
    again = resume(folder / "half", ["stop.iterations=6"], World.alone(), quiet)
    assert again["weights_sha256"] == whole["weights_sha256"]
