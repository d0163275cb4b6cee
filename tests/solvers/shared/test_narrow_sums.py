"""`solver.sums = "bfloat16"` and 8: what remains true of training whose sums travel in fewer bits."""

from dataclasses import replace

import numpy as np
import pytest

from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.solvers import Adam, MpAdmm, Sgd, Soap
from hpcadmm.testing.problems import posed, started, stepped
from hpcadmm.testing.runs import assert_same_bits, digest, resumed, run
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.measure import measure
from hpcadmm.training.setup import set_up

SHORT = MpAdmm(cut=6, batch=96, warm=2, refresh=2)
SOLVERS = {
    "adam": Adam(cut=6, sums="bfloat16"),
    "soap": Soap(cut=6, sums=8, average=0.5),
    "mpadmm": replace(SHORT, sums=8),
    "mpadmm late": replace(SHORT, sums=8, late=1, overlap="always"),
    "mpadmm grid": replace(SHORT, sums="bfloat16", grid=[2, 2]),
}
every = pytest.mark.parametrize("name", SOLVERS)
OPTIONS = {"loss": "cross-entropy", "samples": 333, "dtype": np.float32}


def size_of(name):
    return 4 if "grid" in name else 3


@every
def test_a_run_repeats_and_resumes_bit_for_bit_on_as_many_ranks(name):
    solver, size = SOLVERS[name], size_of(name)
    whole = run(size, solver, 6, **OPTIONS)
    assert max(np.abs(x).max() for path, x in whole[0].items() if path.startswith("errors/")) > 0
    again = resumed(size, solver, run(size, solver, 3, **OPTIONS)[0], 3, **OPTIONS)
    assert_same_bits(again[0], whole[0])
    assert again[1] == whole[1]


@every
@pytest.mark.parametrize("size", [1, 2])
def test_other_ranks_take_over_what_was_not_sent(name, size):
    solver = SOLVERS[name] if "grid" not in name else replace(SOLVERS[name], grid=[size, 1])
    saved = run(3, replace(solver, grid="samples") if "grid" in name else solver, 4, **OPTIONS)[0]
    found = resumed(size, solver, saved, 0, **OPTIONS)[0]
    for path in (path for path in saved if path.startswith("errors/")):
        np.testing.assert_allclose(found[path].sum(axis=0), saved[path].sum(axis=0), rtol=1e-5, atol=1e-6)


@every
def test_on_one_rank_nothing_is_rounded(name):
    solver = replace(SOLVERS[name], **({"grid": "samples"} if "grid" in name else {}))
    found, plain = run(1, solver, 4, **OPTIONS)[0], run(1, replace(solver, sums="plain"), 4, **OPTIONS)[0]
    errors = [x for path, x in found.items() if path.startswith("errors/")]
    assert not any(x.any() for x in errors)
    assert_same_bits({path: x for path, x in found.items() if not path.startswith("errors/")}, plain)


@pytest.mark.parametrize("sums", ["plain", "bfloat16", 8])
def test_a_nan_on_one_rank_ends_all(sums):
    def work(world):
        solver = Sgd(cut=6, sums=sums)
        p, world = posed(solver, world, **OPTIONS)
        state = started(solver, p, world)
        if world.rank == 1:
            p.x[0] = np.nan
        solver.step(state, p, world)
        return solver.finite(state)

    assert on_ranks(3, work) == [False] * 3


DIGITS = """
precision = "float32"
[data]
name = "digits"
[network]
hidden = [32]
[loss]
name = "cross-entropy"
[solver]
name = "{name}"
batch = 256
cut = 4
"""


@pytest.mark.parametrize(("name", "steps"), [("adam", 150), ("mpadmm", 12)])
def test_training_is_as_accurate_as_with_exact_sums(name, steps):
    """Digits: the objective within 5 %, the test accuracy within 1.5 %."""

    def trained(sums):
        job = parse(DIGITS.format(name=name), [f"solver.sums={sums}"])

        def work(world):
            setup = set_up(job, world)
            state = stepped(job.solver, setup.problem, setup.world, steps)
            return measure(job.solver, state, setup.problem, setup.world)

        first, *others = on_ranks(2, work)
        assert others == [first]
        return first

    exact = trained("exact")
    assert exact["test_accuracy"] > 0.9
    for sums in ("bfloat16", "8"):
        found = trained(sums)
        assert abs(found["test_accuracy"] - exact["test_accuracy"]) < 0.015
        assert found["objective"] == pytest.approx(exact["objective"], rel=0.05)
        assert found["objective"] != exact["objective"]


def test_a_line_search_is_refused():
    for sums in ("bfloat16", 8):
        with pytest.raises(UsageError, match="line search"):
            MpAdmm(batch=0, sums=sums).check(2)
    MpAdmm(batch=0, sums="plain").check(2)


def test_another_size_is_refused_by_name():
    for solver in ("adam", "lbfgs"):
        with pytest.raises(UsageError, match=r"solver\.sums"):
            parse(DIGITS.format(name=solver).replace("batch = 256\ncut = 4", ""), ["solver.sums=4"])


def test_fewer_bytes_travel():
    """2 bytes or 1 an entry of the gradients, instead of 8 with a word more for each row and column."""

    def work(world, sums):
        solver = Adam(cut=6, sums=sums)
        p, world = posed(solver, world, (64,), features=30, **OPTIONS)
        state = stepped(solver, p, world, 1)
        before = world.traffic.messages, world.traffic.bytes
        solver.step(state, p, world)
        return world.traffic.messages - before[0], world.traffic.bytes - before[1]

    layers = [(64, 31), (3, 65)]
    entries, lines, blocks = (
        sum(f(*one) for one in layers) for f in (lambda r, c: r * c, lambda r, c: r + c, lambda r, c: -(-r * c // 512))
    )
    for sums, expected in (("exact", 8 * (entries + lines)), ("bfloat16", 2 * entries), (8, entries + 4 * blocks)):
        for messages, found in on_ranks(2, lambda world, sums=sums: work(world, sums)):
            assert messages == 1
            assert expected <= found < expected + 8 * 2 * len(layers)


def test_digest_differs_between_numbers_of_ranks():
    """What is lost: the same bits on other ranks."""
    found = {digest(run(size, SOLVERS["adam"], 4, **OPTIONS)[0]["W/1"]) for size in (1, 2, 3)}
    assert len(found) == 3
