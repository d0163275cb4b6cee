"""The rules by which a run ends, each with its sentence."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.job.job import Stop
from hpcadmm.training.best import better
from hpcadmm.training.stopping import DIVERGED, Stopping


def row(objective=100.0, residual=1.0, scale=10.0, **score):
    known = {"iteration": 1, "objective": objective, "primal_residual": residual, "scale": scale}
    return known | score | ({} if "test_error" in score or "test_accuracy" in score else {"test_accuracy": 0.5})


def metric(rows):
    return "test_error" if "test_error" in rows[0] else "test_accuracy"


def first_reason(rules, rows):
    """(number of the row that ends the run, why)."""
    stopping = Stopping(rules, metric(rows))
    for k, one in enumerate(rows):
        reason = stopping.diverged(one) or stopping.satisfied(one)
        if reason:
            return k, reason
    return None


CASES = {
    "accuracy": (
        Stop(accuracy=0.95),
        [row(test_accuracy=0.9499), row(test_accuracy=0.95)],
        "test accuracy 0.9500 reached 0.95",
    ),
    "relative tolerance": (
        Stop(tolerance=1e-2),
        [row(100.0), row(90.0), row(89.2)],
        "objective changed by 0.8, within tolerance 0.01 of 90",
    ),
    "relative tolerance, rising": (
        Stop(tolerance=1e-2),
        [row(-100.0), row(-99.5)],
        "objective changed by 0.5, within tolerance 0.01 of 100",
    ),
    "relative tolerance, to the value before": (
        Stop(tolerance=0.25),
        [row(4.0), row(3.0)],
        "objective changed by 1, within tolerance 0.25 of 4",
    ),
    "absolute tolerance": (
        Stop(tolerance_absolute=0.5),
        [row(3.0), row(2.0), row(1.5)],
        "objective changed by 0.5, within tolerance_absolute 0.5",
    ),
    "relative residual": (
        Stop(residual=1e-2),
        [row(residual=0.2), row(residual=0.1)],
        "primal residual 0.1 is within 0.01 of 10",
    ),
    "error, also at the mean and with workers that agree": (
        Stop(error=1e-4),
        [
            row(residual=0.1, objective_error=1e-5, mean_error=1e-3),
            row(residual=0.1, objective_error=1e-3, mean_error=1e-5),
            row(residual=0.11, objective_error=1e-5, mean_error=1e-5),
            row(residual=0.1, objective_error=1e-5, mean_error=9e-5),
        ],
        "objective within 9e-05 of the optimum, also at the mean, reached error 0.0001",
    ),
    "absolute residual": (
        Stop(residual_absolute=0.2),
        [row(residual=0.3), row(residual=0.2)],
        "primal residual 0.2 is within 0.2",
    ),
    "patience": (
        Stop(patience=2),
        [row(test_accuracy=x) for x in (0.5, 0.6, 0.6, 0.7, 0.7, 0.65)],
        "no better test accuracy than 0.7000 in 2 measured iterations",
    ),
    "patience in a regression": (
        Stop(patience=2),
        [row(test_error=x) for x in (0.5, 0.4, 0.4, 0.3, 0.3, 0.35)],
        "no better test error than 0.3000 in 2 measured iterations",
    ),
    "NaN": (Stop(), [row(), row(objective=math.nan)], "diverged: the objective is nan"),
    "infinity": (Stop(), [row(), row(objective=math.inf)], "diverged: the objective is inf"),
    "growth": (
        Stop(),
        [row(100.0), row(99e6), row(101e6)],
        "diverged: the objective 1.01e+08 is 1e+06 times the first, 100",
    ),
    "growth downwards": (
        Stop(),
        [row(0.01), row(-1.1e6)],
        "diverged: the objective -1.1e+06 is 1e+06 times the first, 0.01",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule_stops_at_its_row_and_says_so(case):
    rules, rows, sentence = CASES[case]
    assert first_reason(rules, rows) == (len(rows) - 1, sentence)


@pytest.mark.parametrize("case", [case for case in CASES if not CASES[case][2].startswith("diverged")])
def test_without_the_rule_the_run_goes_on(case):
    assert first_reason(Stop(), CASES[case][1]) is None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cut", range(5))
def test_a_restart_in_between_changes_nothing(case, cut):
    """Its state travels in the checkpoint, as JSON."""
    rules, rows, sentence = CASES[case]
    stopping, reasons = Stopping(rules, metric(rows)), []
    for k, one in enumerate(rows):
        if k == cut:
            state, stopping = json.loads(json.dumps(stopping.state())), Stopping(rules, metric(rows))
            stopping.restore(state)
        reasons.append(stopping.diverged(one) or stopping.satisfied(one))
    assert reasons == [None] * (len(rows) - 1) + [sentence]


def test_the_accuracy_of_a_regression_is_never_reached():
    assert first_reason(Stop(accuracy=0.5), [row(test_error=0.1)] * 3) is None


def test_a_first_row_has_no_change():
    assert first_reason(Stop(tolerance=0.5, tolerance_absolute=1e9), [row(0.0)]) is None
    assert first_reason(Stop(tolerance=1e-9), [row(0.0), row(0.0)])[0] == 1


def test_the_first_rule_met_is_the_one_said():
    both = Stop(accuracy=0.4, residual=0.5)
    assert first_reason(both, [row()])[1].startswith("test accuracy")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 5))
def test_patience_counts_rows_since_the_best(scores, patience):
    found = first_reason(Stop(patience=patience), [row(test_accuracy=score) for score in scores])
    since, best, expected = 0, -1.0, None
    for k, score in enumerate(scores):
        since, best = (0, score) if score > best else (since + 1, best)
        if since >= patience:
            expected = k
            break
    assert (found[0] if found else None) == expected


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=10))
def test_divergence_is_relative_to_the_first_row(objectives):
    found = first_reason(Stop(), [row(objective) for objective in objectives])
    limit = DIVERGED * max(abs(objectives[0]), 1)
    assert (found[0] if found else None) == next((k for k, x in enumerate(objectives) if abs(x) > limit), None)


@given(st.floats(0, 1), st.floats(0, 1))
def test_better_is_a_higher_accuracy_or_a_lower_error(new, best):
    assert better(new, best, "test_accuracy") == (new > best)
    assert better(new, best, "test_error") == (new < best)
    assert better(new, None, "test_error")
    assert not better(None, best, "test_accuracy")


def test_rows_without_the_training_part_end_a_run_by_the_test_part_only():
    stopping = Stopping(Stop(accuracy=0.9, patience=2))
    rows = [{"iteration": k, "test_accuracy": accuracy} for k, accuracy in enumerate((0.5, 0.4, 0.3), 1)]
    assert [stopping.diverged(one) or stopping.satisfied(one) for one in rows[:2]] == [None, None]
    assert "no better test accuracy" in stopping.satisfied(rows[2])
    assert "reached 0.9" in stopping.satisfied({"iteration": 4, "test_accuracy": 0.95})
