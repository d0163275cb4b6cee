"""A job imports what it needs to start, and no more: the modules of other solvers and datasets cost every rank time."""

from pathlib import Path

import pytest

from hpcadmm.datasets import DATASETS
from hpcadmm.registry import Registry
from hpcadmm.solvers import SOLVERS

TAYLOR = Path(__file__).resolve().parents[2] / "jobs" / "digits-taylor.toml"
NOT_NEEDED = (
    "hpcadmm.solvers.workers.gadmm",
    "hpcadmm.datasets.public.idx",
    "scipy.special",
    "scipy.optimize",
    "rich",
    "pooch",
)
PROGRAM = f"""
import gc, sys
from hpcadmm.cli import main
sys.argv = ["hpcadmm", "train", {str(TAYLOR)!r}, "--set", "stop.iterations=1"]
code = main()
assert gc.isenabled()
assert "hpcadmm.solvers.taylor.taylor" in sys.modules
sys.exit(code or [name for name in {NOT_NEEDED} if name in sys.modules] or 0)
"""


@pytest.mark.parametrize("registry", [SOLVERS, DATASETS], ids=lambda registry: registry.kind)
def test_every_class_is_registered_by_its_own_name(registry):
    assert [cls.name for cls in registry.values()] == list(registry)


def test_a_module_is_imported_when_its_class_is_asked_for():
    registry = Registry("x", later={"there": "fractions:Fraction", "missing": "hpcadmm.nowhere:A"})
    assert (list(registry), len(registry), "missing" in registry) == (["there", "missing"], 2, True)
    assert registry["there"] is registry["there"] is __import__("fractions").Fraction
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        registry["missing"]


def test_a_job_of_one_solver_imports_no_other(spawn):
    spawn(0, "-c", PROGRAM).check()
