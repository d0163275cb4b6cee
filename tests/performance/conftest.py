import pytest

from hpcadmm.solvers import SOLVERS
from tests.examples.block_descent import BlockDescent


@pytest.fixture
def unbilled(monkeypatch):
    """The name of a registered solver without a bill."""
    monkeypatch.setattr(SOLVERS, "_classes", SOLVERS._classes.copy())
    SOLVERS.add(BlockDescent)
    return BlockDescent.name
