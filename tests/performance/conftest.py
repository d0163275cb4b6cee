import pytest
from threadpoolctl import threadpool_limits

from hpcadmm.solvers import SOLVERS
from tests.examples.block_descent import BlockDescent


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """BLAS with more threads changes the last bits."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def unbilled(monkeypatch):
    """The name of a registered solver without a bill."""
    monkeypatch.setattr(SOLVERS, "_classes", SOLVERS._classes.copy())
    SOLVERS.add(BlockDescent)
    return BlockDescent.name
