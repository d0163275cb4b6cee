"""scipy in a thread, an iteration at a time: what it says comes out, and the thread ends."""

import threading

import numpy as np
import pytest

from hpcadmm.solvers.gradients.iterations import Iterations
from tests.helpers.minimisers import all_threads_end, minimisers  # noqa: F401 (a fixture)


def test_what_scipy_raises_comes_out():
    iterations = Iterations("no such method", np.zeros(3), {})
    with pytest.raises(ValueError, match="Unknown solver"):
        iterations.next(lambda x: (0.0, x))
    iterations = Iterations("CG", np.zeros(3), {"gtol": 1e-5})
    with pytest.raises(TypeError):
        iterations.next(lambda x: ("text", x))


def test_a_thread_waits_only_as_long_as_it_is_wanted():
    def f(x):
        assert threading.current_thread() is main
        return float(((x - 1) ** 4).sum()), 4 * (x - 1) ** 3

    main = threading.current_thread()
    one, other = Iterations("L-BFGS-B", np.zeros(3), {}), Iterations("CG", np.zeros(3), {})
    assert len(minimisers()) == 2
    for iterations in (one, other):
        assert f(iterations.next(f))[0] < 3
    one.close()
    one.close()
    assert len(minimisers()) == 1
    del other, iterations


def test_a_function_at_its_minimum_ends_scipy():
    iterations = Iterations("CG", np.zeros(3), {})
    assert iterations.next(lambda x: (0.0, x)) is None
