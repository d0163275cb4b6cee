"""What tables say of runs whose metrics were written by hand."""

import csv
import io
import json
import math
from typing import Any

import pytest

from hpcadmm.experiments.folder import Folder
from hpcadmm.experiments.report import markdown
from hpcadmm.experiments.runner import message
from hpcadmm.storage.durable import comma_separated
from hpcadmm.trials.compare import report
from hpcadmm.trials.figure import bands, drawn
from hpcadmm.trials.reading import result, results
from hpcadmm.trials.reading import row as cells
from hpcadmm.trials.summary import page, summarised
from tests.helpers.made import GADMM, TAYLOR, planned, row, run, sessions

# Three seeds: the accuracies after 2, 4 and 6 iterations, and the seconds of one iteration.
SEEDS = [([0.5, 0.9, 0.8], 1.0), ([0.95, 0.7, 0.97], 3.0), ([0.2, 0.3, 0.4], 2.0)]


@pytest.fixture
def three(tmp_path):
    """The folder and the plan of three seeds."""
    plan = [planned(k=k) for k in range(3)]
    for one, (accuracies, pace) in zip(plan, SEEDS, strict=True):
        run(tmp_path, one, [row(2 * i, a, pace * 2 * i, 4 * i) for i, a in enumerate(accuracies, 1)])
        sessions(tmp_path, one, {})
    return Folder(tmp_path), plan


def test_the_row_of_a_run(three):
    folder, plan = three
    found = cells(result(folder, plan[1]), 0.96)
    assert (found["run"], found["job"], found["seed"], found["state"]) == ("small-1", "small", 1, "finished")
    assert (found["best"], found["final"], found["measure"]) == (0.97, 0.97, "accuracy")
    costs = {"seconds": 18, "iterations": 6, "synchronisations": 6, "bytes": 1200}
    assert {cost: found[cost] for cost in costs} == costs
    assert {cost: found[f"target_{cost}"] for cost in costs} == costs
    assert (found["load_before"], found["load_most"]) == (0.5, 1.0)
    first = cells(result(folder, plan[0]), 0.9)
    assert (first["best"], first["final"], first["target_iterations"]) == (0.9, 0.8, 4)
    assert cells(result(folder, plan[2]), 0.9)["target_seconds"] is None
    assert cells(result(folder, plan[2]), None)["target_seconds"] is None


def test_medians_and_ranges_over_the_seeds(three):
    folder, plan = three
    (found,) = summarised(results(folder, plan), 0.9)
    assert (found["runs"], found["finished"], found["reached"]) == (3, 3, 2)
    assert found["best"] == (0.9, 0.4, 0.97)
    assert found["final"] == (0.8, 0.4, 0.97)
    assert found["seconds"] == (12, 6, 18)
    assert found["target_seconds"] == (6, 4, math.inf)  # 4, 6, never
    assert found["target_iterations"] == (4, 2, math.inf)
    assert found["target_synchronisations"] == (4, 2, math.inf)
    (found,) = summarised(results(folder, plan), 0.96)
    assert found["reached"] == 1
    assert found["target_seconds"] == (math.inf, 18, math.inf)


def test_a_failed_seed_counts_as_one_that_did_not_get_there(three, tmp_path):
    folder, plan = three
    plan = [*plan, planned(k=3), planned(k=4)]
    run(tmp_path, plan[3], [row(2, 0.99, 0.1)], state="diverged")
    sessions(tmp_path, plan[4], {"code": 2, "message": "no such file | <b>"})
    found = results(folder, plan)
    assert [one.state for one in found] == ["finished"] * 3 + ["diverged", "failed"]
    (summary,) = summarised(found, 0.9)
    assert (summary["runs"], summary["finished"], summary["reached"]) == (5, 3, 2)
    assert summary["target_seconds"] == (math.inf, 4, math.inf)
    assert summary["best"] == (0.9, 0.4, 0.97)
    text = page(found, {0.9: [summary]})
    assert "| small-4 | failed   | no such file \\| &lt;b> |" in text
    assert "| small-3 | diverged | 1 rows" in text


def test_a_seed_that_is_still_to_come_does_not_count(three, tmp_path):
    """Also one that was interrupted before it reached the target."""
    folder, plan = three
    plan = [*plan, planned(k=3), planned(k=4)]
    run(tmp_path, plan[3], [row(2, 0.5, 0.1)], state="interrupted")
    found = results(folder, plan)
    assert [one.state for one in found] == ["finished"] * 3 + ["interrupted", "absent"]
    (summary,) = summarised(found, 0.9)
    (without,) = summarised(found[:3], 0.9)
    assert (summary.pop("runs"), summary.pop("pending")) == (5, 2)
    assert (without.pop("runs"), without.pop("pending")) == (3, 0)
    assert summary == without
    text = page(found, {0.9: [{**summary, "runs": 5, "pending": 2}]})
    assert "| 3 of 5" in text  # finished
    assert "| 2 of 3" in text  # reached


def test_a_regression_is_read_by_its_error(tmp_path):
    one = planned(text=GADMM)
    rows = [row(i, None, i, test_error=e) for i, e in ((1, 0.5), (2, 0.1), (3, 0.2))]
    for each in rows:
        del each["test_accuracy"]
    run(tmp_path, one, rows)
    found = cells(result(Folder(tmp_path), one), 0.3)
    assert (found["measure"], found["best"], found["final"], found["target_iterations"]) == ("error", 0.1, 0.2, 2)


def test_nan_is_no_score_and_reaches_nothing(tmp_path):
    one = planned()
    run(tmp_path, one, [row(1, 0.5, 1.0), row(2, None, 2.0)])
    found = result(Folder(tmp_path), one)
    assert (found.best(), found.final(), found.at(0.6)) == (0.5, None, None)
    assert found.at(0.5)["iteration"] == 1


def test_damaged_metrics_are_a_row(three):
    folder, plan = three
    (folder.run("small-0") / "metrics.jsonl").write_text("{\n{}\n")
    found = result(folder, plan[0])
    assert (found.state, found.rows) == ("damaged", [])
    assert cells(found, 0.5)["best"] is None


def test_the_files(three):
    folder, plan = three
    said: list[str] = []
    assert report(folder, plan, [0.9], said.append) == 0
    with open(folder.path / "table.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["run"] for line in table] == ["small-0", "small-1", "small-2"]
    assert [line["target_iterations"] for line in table] == ["4", "2", ""]
    with open(folder.path / "summary.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["best_median"], line["best_min"], line["best_max"]) == ("0.9", "0.4", "0.97")
    assert (line["reached"], line["target_seconds_median"], line["target_seconds_max"]) == ("2", "6.0", "")
    text = (folder.path / "summary.md").read_text()
    assert "6 (4-never)" in text
    assert "90.00 % (40.00-97.00)" in text
    assert "one every: small 2." in text
    assert (folder.path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert any(text in one for one in said)


def test_no_finished_run_is_exit_code_1_and_no_figure(tmp_path):
    said: list[str] = []
    assert report(Folder(tmp_path), [planned()], [], said.append) == 1
    assert "figure.png: there is nothing to draw" in said
    assert not (tmp_path / "figure.png").exists()


def test_without_matplotlib_there_are_tables(three, monkeypatch):
    from hpcadmm import plotting
    from hpcadmm.errors import UsageError

    def missing() -> Any:
        raise UsageError("plot needs matplotlib")

    monkeypatch.setattr(plotting, "library", missing)
    folder, plan = three
    said: list[str] = []
    assert report(folder, plan, [], said.append) == 0
    assert "figure.png is not drawn: plot needs matplotlib" in said


def test_the_curves_are_medians_with_the_range(three):
    folder, plan = three
    (found,) = bands(results(folder, plan))
    assert found.middle == [50.0, 70.0, 80.0]
    assert (found.low, found.high) == ([20.0, 30.0, 40.0], [95.0, 90.0, 97.0])
    assert found.costs["seconds"] == [4.0, 8.0, 12.0]
    assert found.costs["synchronisations"] == [2.0, 4.0, 6.0]


def test_a_curve_ends_with_the_seed_that_stopped_first(three, tmp_path):
    folder, plan = three
    plan = [*plan, planned(k=3)]
    run(tmp_path, plan[3], [row(2, 0.5, 1.0)])
    assert bands(results(folder, plan))[0].costs["iterations"] == [2.0]


def test_the_panels_of_the_figure(three, tmp_path):
    folder, plan = three
    other = planned("$x_", text=TAYLOR)
    run(tmp_path, other, [row(2, 0.6, 0.001, 2), row(4, 0.65, 900.0, 4)])
    figure = drawn(bands(results(folder, [*plan, other])), [0.9])
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "solver time (s)",
        "iterations",
        "synchronisations",
        "bytes sent, all ranks",
    ]
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear", "linear", "linear"]
    for axes in figure.axes:
        assert [list(line.get_ydata()) for line in axes.lines] == [[50.0, 70.0, 80.0], [60.0, 65.0], [90.0, 90.0]]
        assert axes.get_ylim()[0] < 60
        assert axes.get_ylim()[1] > 90
    (legend,) = figure.legends
    labels = ["small", "\\$x_", "range over the seeds", "target: 90 %"]
    assert [text.get_text() for text in legend.get_texts()] == labels


def test_on_one_rank_there_is_nothing_sent_to_draw(tmp_path):
    one = planned()
    run(tmp_path, one, [row(2, 0.6, 0.1), row(4, 0.65, 0.2)], ranks=1)
    found = results(Folder(tmp_path), [one])
    figure = drawn(bands(found), [])
    assert [axes.get_xlabel() for axes in figure.axes] == ["solver time (s)", "iterations"]
    assert "On one rank nothing is sent" in page(found, {None: summarised(found, None)})


def test_what_differs_between_jobs_is_said(tmp_path):
    plan = [planned("a"), planned("b", text=TAYLOR.replace("[12]", "[13]").replace("= 300", "= 200"))]
    for number, one in enumerate(plan):
        run(tmp_path, one, [row(2, 0.6, 0.1)])
        facts = {"hpcadmm": "1", "commit": {"commit": str(number)}}
        facts |= {"hosts": [{"processor": "P", "cores": 1, "ranks": [0, 1]}]}
        (Folder(tmp_path).run(one.name) / "environment.json").write_text(json.dumps(facts))
        sessions(tmp_path, one, {})
    found = results(Folder(tmp_path), plan)
    text = page(found, {None: summarised(found, None)})
    for said in ("different data", "different networks", "several versions", "2 ranks on 1 cores", "Processor: P"):
        assert said in text
    assert "Load average before the runs: 0.50 to 0.50" in text


def test_hostile_text_stays_in_its_cell():
    text = 'a,"b"\n|c\r\n=1+1'
    (line,) = csv.DictReader(io.StringIO(comma_separated([{"x": text, "y": None}]), newline=""))
    assert (line["x"], line["y"]) == (text, "")
    assert markdown([{"x": text}]).count("\n") == 2


def test_the_message_of_a_run_that_failed():
    assert message("rank 1 of 2\nError: a\n  b\n") == "a b"
    assert message("") == ""
    assert len(message("Error: " + "x" * 1000)) == 300
