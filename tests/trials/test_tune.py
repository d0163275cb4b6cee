"""`hpcadmm tune` end to end, and what it makes of runs written by hand."""

import csv
import json
import math
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from hpcadmm.cli import main
from hpcadmm.errors import UsageError
from hpcadmm.experiments.folder import Folder
from hpcadmm.experiments.plan import resolved
from hpcadmm.experiments.runner import run_all
from hpcadmm.solvers import Consensus
from hpcadmm.trials.checks import check_metric, check_ranks
from hpcadmm.trials.reading import results
from hpcadmm.trials.tune import Options, check, planned, ranked, report
from hpcadmm.trials.tune_report import drawn
from hpcadmm.trials.vary import varied
from tests.helpers.made import GADMM, TAYLOR, row, run, write

GAMMAS = ["solver.gamma=choice:1e-9,10.0"]


def table(out):
    with open(out / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def plan_of(options, texts=GAMMAS, text=TAYLOR, overrides=()):
    text = text.format(name="small")
    base = resolved(text, overrides, Path("x.toml"))
    return planned(Path("x.toml"), text, overrides, varied(texts), base, options), base


@pytest.fixture
def trials(tmp_path):
    """trials(options, [rows of a trial, ...]): the plan, with runs of these rows; None: one that was not begun."""

    def make(options, found, texts=("solver.gamma=log:0.1:100", "solver.sums=choice:exact,plain")):
        plan, base = plan_of(replace(options, budget=len(found)), texts)
        for one, rows in zip(plan, found, strict=True):
            if rows is not None:
                run(tmp_path, one, rows)
        return Folder(tmp_path), plan, base, varied(texts)

    return make


@pytest.mark.mpi
def test_the_better_of_two_values_is_found_on_samples_held_out(inside, hpcadmm, tmp_path):
    write(tmp_path, TAYLOR.replace('"taylor"', '"taylor"\ngamma = 1e-9'))
    arguments = ["tune", "small.toml", "--vary", *GAMMAS, "--validation", 0.2, "--out", "out", "--budget"]
    done = hpcadmm(*arguments, 5).check()
    assert "only 2 different sets of values" in done.stdout
    out = tmp_path / "out"
    found = table(out)
    assert [(line["trial"], float(line["solver.gamma"])) for line in found] == [("trial-000", 1e-9), ("trial-001", 10)]
    assert float(found[1]["score"]) > float(found[0]["score"])
    best = tomllib.loads((out / "best.toml").read_text())
    assert best["solver"]["gamma"] == 10.0
    assert "validation" not in best["data"]
    assert "accuracy" not in best["stop"]
    for line in found:
        last = json.loads((out / "runs" / line["trial"] / "metrics.jsonl").read_text().splitlines()[-1])
        assert float(line["score"]) == last["test_accuracy"]
        assert math.isclose(60 * last["test_accuracy"], round(60 * last["test_accuracy"]))  # a fifth of 300 samples
    assert (out / "figure.png").exists()
    assert "data.validation = 0.2" in (out / "summary.md").read_text()
    inside("train", "out/best.toml", "--print-job").check()

    kept = (out / "runs/trial-000/metrics.jsonl").stat().st_mtime_ns
    shutil.rmtree(out / "runs/trial-001")
    inside(*arguments, 2).check()
    assert table(out)[1]["weights_sha256"] == found[1]["weights_sha256"]
    assert (out / "runs/trial-000/metrics.jsonl").stat().st_mtime_ns == kept


@pytest.mark.mpi
def test_trials_that_fail_are_rows_and_a_larger_budget_goes_on(inside, tmp_path):
    write(tmp_path)
    arguments = ["tune", "small.toml", "--vary", "data.first=choice:200,3000", "--ranks", 2, "--out", "out", "--budget"]
    inside(*arguments, 1).check()
    inside(*arguments, 3).check()
    found = {line["data.first"]: line for line in table(tmp_path / "out")}
    assert {key: line["state"] for key, line in found.items()} == {
        "300": "finished",
        "200": "finished",
        "3000": "failed",
    }
    assert found["3000"]["score"] == ""
    assert "data.first = 3000" in found["3000"]["message"]
    assert found["300"]["ranks"] == "2"


@pytest.mark.mpi
def test_another_plan_in_the_same_folder_is_refused_and_its_results_stay(inside, tmp_path):
    write(tmp_path)
    arguments = ["tune", "small.toml", "--vary", *GAMMAS, "--out", "out", "--budget"]
    inside(*arguments, 2).check()
    out = tmp_path / "out"
    kept = {path.name: path.read_bytes() for path in out.glob("*.*")}
    for more, words in (
        ([2, "--metric", "test_error"], "--metric test_error: needs real targets, the job's data have classes"),
        ([2, "--metric", "objective"], "metric is test_accuracy there and objective here"),
        ([1], "it holds 1 runs more than are asked for"),
        ([2, "--set", "seed=1"], "seed is 0 there and 1 here"),
    ):
        done = inside(*arguments, *more)
        assert (done.returncode, done.output.count("Error:")) == (2, 1)
        assert words in done.output
    assert {path.name: path.read_bytes() for path in out.glob("*.*")} == kept
    assert {"best.toml", "summary.md", "table.csv"} < set(kept)


def test_the_best_job_of_an_earlier_call_stays_where_none_has_a_score(trials):
    folder, plan, base, vary = trials(Options(2), [rows(A), rows(B)])
    report(folder, plan, vary, base, Options(2), lambda text: None)
    best = (folder.path / "best.toml").read_text()
    for one in plan:
        shutil.rmtree(folder.run(one.name))
    assert report(folder, plan, vary, base, Options(2), lambda text: None) == 1
    assert (folder.path / "best.toml").read_text() == best


SOLVERS = ["solver.name=choice:taylor,dladmm,consensus", "solver.sums=choice:exact,plain"]


@pytest.fixture(autouse=True)
def _linear(monkeypatch):
    """consensus as a solver of linear models only."""
    monkeypatch.setattr(Consensus, "most_layers", 1)


def test_a_solver_that_does_not_fit_is_a_row(trials):
    folder, plan, base, vary = trials(Options(6), [rows(A), *[None] * 5], texts=SOLVERS)
    faults = {one.values["solver.name"]: one.fault for one in plan}
    assert not faults["taylor"]
    assert "trains at most 1 layers of weights" in faults["consensus"]
    said = []
    unfit = [one for one in plan if one.fault]
    run_all(folder, unfit, None, said.append)
    assert len(said) == len(unfit) > 0
    assert report(folder, plan, vary, base, Options(6), said.append) == 0
    states = {line["trial"]: (line["state"], line["message"]) for line in table(folder.path)}
    assert all(states[one.name] == ("unfit", one.fault) for one in unfit)


def test_the_best_job_may_have_another_solver(trials):
    options = Options(3, metric="seconds-to-target", target=0.85)
    folder, plan, base, vary = trials(options, [rows(C), rows(A), rows(A)], texts=SOLVERS[:1])
    assert report(folder, plan, vary, base, options, lambda text: None) == 0
    best = resolved((folder.path / "best.toml").read_text(), [], Path("x.toml"))
    assert (base.solver.name, best.solver.name) == ("taylor", "dladmm")
    assert (best.stop, best.data) == (base.stop, base.data)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vary", "solver.gama=log:1:2"], "solver.gama: unknown key"),
        (["--vary", "gama=log:1:2"], "gama: unknown key"),
        (["--vary", "solver.gamma=log:1:"], "takes two numbers"),
        (["--vary", "solver.gamma=choice:1,-1"], "must be greater than 0"),
        (["--vary", "data.validation=uniform:0.1:0.2"], "use --validation"),
        (["--vary", "solver.gamma=log:1:2", "--validation", "1"], "--validation"),
        (["--vary", "solver.gamma=log:1:2", "--metric", "seconds-to-target"], "needs --target"),
        (["--vary", "solver.gamma=log:1:2", "--metric", "seconds-to-target", "--target", "97"], "needs --target"),
        (["--vary", "solver.gamma=log:1:2", "--target", "0.9"], "--target goes with"),
        (["--vary", "solver.gamma=log:1:2", "--set", "solver.x=1"], "solver.x: unknown key"),
        (["--vary", "solver.gamma=uniform:-1:1"], "solver.gamma = -1.0: must be greater than 0"),
        (["--vary", "stop.iterations=log:1:8"], "must be a whole number; write int:LOW:HIGH"),
        (
            ["--vary", "solver.name=choice:taylor,tailor"],
            "solver.name = 'tailor': did you mean taylor? known are taylor",
        ),
        (["--vary", "solver.name=choice:taylor,adam", "--vary", "solver.nonsense=int:1:2"], "nonsense: unknown key"),
        (["--vary", "solver.name=choice:consensus"], "no trial besides the unchanged job is valid"),
        (["--vary", "solver.gamma=log:1:2", "--metric", "test_error"], "needs real targets"),
        (["--vary", "solver.gamma=log:1:2", "--set", "data.name=csv", "--set", "data.path=2024-01-01"], "2024-01-01"),
        ([], "--vary"),
    ],
)
def test_what_is_refused_before_the_first_trial(tmp_path, monkeypatch, capsys, arguments, words):
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["hpcadmm", "tune", "small.toml", *arguments, "--budget", "4", "--out", "out"])
    assert main() == 2
    out, said = capsys.readouterr()
    assert (out, said.count("Error:")) == ("", 1)
    assert words in said
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_the_data_or_the_ranks_is_refused():
    with pytest.raises(UsageError, match="needs classes, the job's data have real targets; use test_error"):
        check_metric("test_accuracy", targets=True)
    check_metric("objective", targets=True)
    _, base = plan_of(Options(budget=1), ["solver.rho=log:0.1:10"], GADMM)
    check_ranks(base, 4)
    with pytest.raises(UsageError, match=r"--ranks 5: small: 5 ranks, but solver.workers = 4"):
        check_ranks(base, 5)


def test_values_are_typed_by_their_key():
    plan, _ = plan_of(Options(budget=5), ["data.path=choice:2024-01-01,12:30:00", "solver.gamma=choice:.5,2"],
                      overrides=["data.name=csv"])  # fmt: skip
    assert {one.job.data.path for one in plan[1:]} == {"2024-01-01", "12:30:00"}
    assert {one.job.solver.gamma for one in plan[1:]} == {0.5, 2}


def test_the_trials_hold_out_and_the_first_is_the_job_as_it_stands():
    plan, base = plan_of(Options(budget=4), ["solver.gamma=log:0.1:100", "solver.beta=log:0.1:10"])
    assert plan[0].values == {"solver.gamma": base.solver.gamma, "solver.beta": base.solver.beta}
    assert {one.job.data.validation for one in plan} == {0.1}
    assert [one.name for one in plan] == ["trial-000", "trial-001", "trial-002", "trial-003"]
    for one in plan:
        assert (one.job.solver.gamma, one.job.solver.beta) == tuple(one.values.values())
        assert one.job.head == base.head
    plan, _ = plan_of(Options(budget=2), overrides=["data.validation=0.3"])
    assert {one.job.data.validation for one in plan} == {0.3}
    plan, _ = plan_of(Options(budget=2, validation=0.2), overrides=["data.validation=0.3"])
    assert {one.job.data.validation for one in plan} == {0.2}


def test_a_key_that_the_job_leaves_unset_may_be_varied():
    plan, _ = plan_of(Options(budget=3), ["stop.tolerance=log:1e-9:1e-3"])
    assert plan[0].values == {"stop.tolerance": None}
    assert [one.job.stop.tolerance for one in plan] == [None, *(one.values["stop.tolerance"] for one in plan[1:])]


A, B, C = [0.5, 0.9, 0.8], [0.6, 0.7, 0.85], [0.1, 0.2, 0.3]


def rows(accuracies, pace=1.0):
    return [row(i, a, pace * i) for i, a in enumerate(accuracies, 1)]


@pytest.mark.parametrize(
    ("options", "order", "scores"),
    [
        (Options(1), [1, 0, 2, 3], [0.85, 0.8, 0.3, None]),
        (Options(1, metric="objective"), [0, 1, 2, 3], [1 / 3, 1 / 3, 1 / 3, None]),
        (Options(1, metric="seconds-to-target", target=0.85), [0, 1, 2, 3], [2.0, 6.0, None, None]),
        (Options(1, metric="seconds-to-target", target=0.95), [0, 1, 2, 3], [None] * 4),
        (Options(1, metric="iterations-to-target", target=0.85), [0, 1, 2, 3], [2, 3, None, None]),
        (Options(1, metric="test_error"), [0, 1, 2, 3], [None] * 4),
    ],
)
def test_the_order_of_the_trials(trials, options, order, scores):
    folder, plan, _, _ = trials(options, [rows(A), rows(B, 2.0), rows(C), None])
    found = ranked(results(folder, plan), options)
    assert [int(trial.result.planned.name[-1]) for trial in found] == order
    assert [trial.score for trial in found] == scores


def test_of_equal_scores_the_unchanged_job_is_the_best(trials):
    folder, plan, _, _ = trials(Options(2), [rows([0.5, 0.8]), rows([0.9, 0.8])])
    assert [trial.result.planned for trial in ranked(results(folder, plan), Options(2))] == plan


def test_the_target_stops_the_trials_but_not_the_best_job(trials):
    options = Options(3, metric="seconds-to-target", target=0.85)
    folder, plan, base, vary = trials(options, [rows(A, 5.0), rows(B), rows(C)])
    assert {one.job.stop.accuracy for one in plan} == {0.85}
    assert report(folder, plan, vary, base, options, lambda text: None) == 0
    best = tomllib.loads((folder.path / "best.toml").read_text())
    assert best["solver"]["gamma"] == plan[1].values["solver.gamma"]
    assert best["solver"]["sums"] == plan[1].values["solver.sums"]
    assert "accuracy" not in best["stop"]


def test_the_trial_nearest_to_a_target_that_none_reached(trials):
    options = Options(3, metric="seconds-to-target", target=0.95)
    folder, plan, base, vary = trials(options, [rows(A), rows([0.94]), rows(C)])
    assert report(folder, plan, vary, base, options, lambda text: None) == 1
    best = (folder.path / "best.toml").read_text()
    assert "0.95, which none reached: 0.94 on" in best
    assert tomllib.loads(best)["solver"]["gamma"] == plan[1].values["solver.gamma"]


def test_an_error_is_better_the_smaller(trials):
    options = Options(2, metric="test_error")
    folder, plan, _, _ = trials(options, [None, None], texts=["solver.gamma=log:1:2"])
    for one, error in zip(plan, (0.5, 0.25), strict=True):
        run(folder.path, one, [row(1, None, 1.0, test_error=error)])
    assert [trial.score for trial in ranked(results(folder, plan), options)] == [0.25, 0.5]


def test_a_panel_for_each_key(trials):
    options = Options(4)
    folder, plan, _, vary = trials(options, [rows(A), rows(B), rows(C), None])
    found = sorted(ranked(results(folder, plan), options), key=lambda trial: trial.result.planned.name)
    figure = drawn(found, vary, "test_accuracy")
    gamma, sums = figure.axes
    assert (gamma.get_xlabel(), sums.get_xlabel()) == ("solver.gamma", "solver.sums")
    assert gamma.get_xscale() == "log"
    assert [label.get_text() for label in sums.get_xticklabels()] == ["exact", "plain"]
    drawn_ = [(line.get_marker(), *line.get_xydata()[0]) for line in gamma.lines]
    values = [one.values["solver.gamma"] for one in plan]
    assert drawn_ == [("o", values[0], 80.0), ("o", values[1], 85.0), ("v", values[2], 0.03), ("x", values[3], 0.03)]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["trial", "the job unchanged", "trial below the axis", "trial without a score"]
    assert drawn(found[3:], vary, "test_accuracy") is None


def test_options_that_do_not_go_together():
    for options in (Options(1, metric="seconds-to-target"), Options(1, target=0.9)):
        with pytest.raises(UsageError, match="--target"):
            check(options)


def test_any_score_can_be_the_metric(trials):
    options = Options(2, metric="test_roc_auc")
    folder, plan, _, vary = trials(options, [None, None], texts=["solver.gamma=log:1:2"])
    assert {tuple(one.job.evaluate.metrics) for one in plan} == {("test_roc_auc",)}
    for one, area in zip(plan, (0.5, 0.75), strict=True):
        run(folder.path, one, [row(1, 0.9, 1.0, test_roc_auc=area)])
    found = ranked(results(folder, plan), options)
    assert [trial.score for trial in found] == [0.75, 0.5]
    (place,) = drawn(found, vary, options.metric).axes
    assert place.get_ylabel() == "ROC AUC on held-out samples"
    check_metric("test_roc_auc", targets=False)
    for options in (Options(1, metric="test_nonsense"), Options(1, metric="roc_auc")):
        with pytest.raises(UsageError, match=r"known are test_accuracy, .*test_roc_auc"):
            check(options)


def test_a_linear_model_is_tuned_too():
    plan, _ = plan_of(Options(budget=3), ["solver.rho=log:0.1:10"], GADMM)
    assert len({one.text for one in plan}) == 3
