"""No thread of scipy outlives the test that began it: import the fixture."""

import gc
import threading

import pytest


def minimisers():
    """Threads of scipy that are alive."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("minimize")]


@pytest.fixture(autouse=True)
def all_threads_end():
    yield
    gc.collect()
    assert not minimisers()
