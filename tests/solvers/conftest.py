import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

BESIDE = Path(__file__).parents[1]
# problems.py, threads.py, extended.py
sys.path[:0] = [str(Path(__file__).parent), str(BESIDE / "datasets"), str(BESIDE / "subproblems")]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """BLAS with more threads changes the last bits."""
    with threadpool_limits(1):
        yield
