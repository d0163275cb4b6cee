"""Every solver in bfloat16: the same bits at any number of ranks and after a restart, near to what float32 gives."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hpcadmm.errors import UsageError
from hpcadmm.products import ENGINES, engine_of
from hpcadmm.solvers import SOLVERS, DlAdmm, PdAdmm, Taylor
from hpcadmm.testing.problems import fitting, shared
from hpcadmm.testing.runs import assert_same_bits, resumed, run

# Layers wide enough to be rounded, and one that is not.
WIDE: dict[str, Any] = {"hidden": (40, 36), "features": 20, "samples": 333, "dtype": np.float32}
every = pytest.mark.parametrize("solver", [shared(name) for name in SOLVERS], ids=list(SOLVERS))


def options(solver: Any, **others: Any) -> dict[str, Any]:
    """Of a problem that the solver takes."""
    hidden, loss = fitting(solver, WIDE["hidden"]), "cross-entropy"
    return {**WIDE, "hidden": hidden, "loss": loss, "precision": "bfloat16", **others}


@every
def test_ranks_agree(solver: Any) -> None:
    solver = replace(solver, cut=8) if hasattr(solver, "cut") else solver
    one = run(1, solver, 3, **options(solver))
    for size in (2, 3, 4, 8):
        other = run(size, solver, 3, **options(solver))
        assert_same_bits(one[0], other[0])
        assert one[1] == other[1]


@every
def test_a_restart_goes_on_in_the_same_bits(solver: Any) -> None:
    whole, saved = run(1, solver, 5, **options(solver)), run(3, solver, 3, **options(solver))[0]
    assert_same_bits(resumed(2, solver, saved, 2, **options(solver))[0], whole[0])


VARIANTS = [
    (Taylor(init="gaussian", warm=1), "tanh"),
    (Taylor(decay=0.1), "leaky-relu"),
    (PdAdmm(update="exact", pull="proximal"), "relu"),
    (PdAdmm(schedule="balanced", period=2), "sigmoid"),
    (PdAdmm(wire=8), "relu"),
    (DlAdmm(penalty="l1", decay=1e-3), "tanh"),
]


@pytest.mark.parametrize(("solver", "activation"), VARIANTS, ids=lambda x: x if isinstance(x, str) else x.name)
def test_a_restart_of_a_variant_goes_on_in_the_same_bits(solver: Any, activation: str) -> None:
    """The operands that are kept from step to step are those of the saved arrays."""
    given = options(solver, activation=activation)
    whole, saved = run(1, solver, 5, **given), run(3, solver, 3, **given)[0]
    assert_same_bits(resumed(2, solver, saved, 2, **given)[0], whole[0])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_restart_between_two_refreshes_of_the_penalties(precision: str) -> None:
    solver = replace(shared("mpadmm"), warm=1, refresh=9)
    given = options(solver, precision=precision)
    whole, saved = run(1, solver, 5, **given), run(1, solver, 3, **given)[0]
    assert_same_bits(resumed(2, solver, saved, 2, **given)[0], whole[0])


@pytest.mark.parametrize("grid", [[1, 4], [2, 1], [2, 2], [3, 1]])
@pytest.mark.parametrize("name", ["mpadmm", "pdadmm"])
def test_grids_agree(name: str, grid: list[int]) -> None:
    solver = shared(name)
    one, other = (
        run(n, replace(solver, grid=g), 4, **options(solver)) for n, g in ((1, [1, 1]), (grid[0] * grid[1], grid))
    )
    assert_same_bits(one[0], other[0])
    assert one[1] == other[1]


@every
def test_operands_are_rounded_and_the_result_stays_near(solver: Any) -> None:
    """5e-3 is the rounding of some products, 2^-9 each."""
    found = {p: run(1, solver, 3, **options(solver, precision=p)) for p in ("float32", "bfloat16")}
    (rounded, measured), (exact, expected) = found["bfloat16"], found["float32"]
    assert measured["objective"] == pytest.approx(expected["objective"], rel=0.02)
    for path, array in exact.items():
        assert rounded[path].dtype == array.dtype
    if solver.most_layers != 1:  # a linear model of few outputs has no product that is rounded
        assert not np.array_equal(rounded["W/2"], exact["W/2"])
        assert np.linalg.norm(rounded["W/2"] - exact["W/2"]) < 0.05 * np.linalg.norm(exact["W/2"])


@pytest.mark.parametrize("name", ["adam", "mpadmm", "taylor", "pdadmm", "dladmm"])
def test_weights_of_samples(name: str) -> None:
    solver = shared(name)
    weight = np.random.default_rng(0).integers(0, 3, WIDE["samples"])
    one, other = (run(n, solver, 3, **options(solver, weight=weight)) for n in (1, 3))
    assert_same_bits(one[0], other[0])
    exact = run(1, solver, 3, **options(solver, weight=weight, precision="float32"))
    assert one[1]["objective"] == pytest.approx(exact[1]["objective"], rel=0.02)


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES._classes, "bfloat16", "hpcadmm.products.bf16:Bf16")  # as if it was not needed yet
    monkeypatch.setitem(sys.modules, "hpcadmm.products.bf16", None)
    with pytest.raises(UsageError, match=r"precision = \"bfloat16\" needs .*pip install 'hpcadmm\[bf16\]'"):
        engine_of("bfloat16")
    assert engine_of("float32").precision == "float32"
