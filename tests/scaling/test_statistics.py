"""By hand."""

import math

import numpy as np
import pytest

from hpcadmm.bench.iteration import breakdown
from hpcadmm.experiments.report import Report
from hpcadmm.scaling.rows import interval, karp_flatt, ratio_interval


@pytest.mark.parametrize("serial", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("cores", [2, 3, 64])
def test_karp_and_flatt_give_amdahls_serial_part_back(serial, cores):
    speedup = 1 / (serial + (1 - serial) / cores)
    assert karp_flatt(speedup, cores) == pytest.approx(serial, abs=1e-12)


def test_more_than_ideal_is_less_than_nothing():
    assert karp_flatt(2.5, 2) == pytest.approx((0.4 - 0.5) / 0.5)
    assert karp_flatt(1.0, 1) is None


def test_an_interval_holds_the_median_and_stays_within_the_values():
    values = [1.0, 1.1, 1.2, 1.3, 9.0]
    low, high = interval(values)
    assert 1.0 <= low < 1.2 < high <= 9.0
    assert interval(values) == (low, high)
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert interval([1.0]) is None
    assert interval([1.0, math.inf]) is None


def test_what_slows_a_whole_repeat_leaves_the_ratio_alone():
    slow = np.array([1.0, 2.0, 1.5, 1.2, 1.1])
    assert ratio_interval(2 * slow, slow) == (2.0, 2.0)
    low, high = ratio_interval((2 * slow)[:4], slow)  # not paired
    assert low < 2 < high


def test_where_the_seconds_went():
    """Two ranks: one computes 3 s and sends for 1, the other computes 1 s and then waits 2 and sends 0.5."""
    report = Report()
    breakdown(report, np.array([[4.0], [3.5]]), np.array([[1.0], [2.5]]))
    found = report.figures
    assert found["compute_seconds"] == 2.0
    assert found["communicate_seconds"] == 1.0
    assert found["wait_seconds"] == 1.0  # 0.75 in communication, and 0.25 at the end
    assert found["imbalance"] == 1.5
    assert (found["compute_seconds_least"], found["compute_seconds_most"]) == (1.0, 3.0)
