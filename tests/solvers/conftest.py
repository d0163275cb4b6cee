import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """BLAS with more threads changes the last bits."""
    with threadpool_limits(1):
        yield
