import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "datasets")]  # problems.py, threads.py


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """BLAS with more threads changes the last bits."""
    with threadpool_limits(1):
        yield
