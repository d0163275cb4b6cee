import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

tests = Path(__file__).parents[1]
# studies.py and made_machine.py; problems.py; threads.py
sys.path[:0] = [str(Path(__file__).parent), str(tests / "solvers"), str(tests / "datasets")]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """BLAS with more threads changes the last bits."""
    with threadpool_limits(1):
        yield
