"""save.best: the weights of the best measured iteration stay, over kills and resumes, and are used afterwards."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.after.evaluate import evaluate, shown
from hpcadmm.after.show import line, row
from hpcadmm.after.trained import read
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.solvers import Solver
from hpcadmm.storage.folders import BEST, iteration_of, newest
from hpcadmm.storage.run import read_metrics
from hpcadmm.training import loop
from hpcadmm.training.best import check, of_solver
from hpcadmm.training.measure import measure, weights_sha256
from hpcadmm.training.progress import Progress
from hpcadmm.training.setup import blank, set_up

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "network.hidden=[5]",
    "evaluate.every=1",
    "data.first=100",
    "save.every=3",
    "save.keep=2",
    "save.best=test_accuracy",
]


class Killed(Exception):
    """The process ends at once."""


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Any:
    """scored(0.5, ..., key=...): the run measures these values in iterations 1, 2, ...; None: the run is killed."""
    measure = loop.measure

    def script(*values: float | None, key: str = "test_accuracy") -> None:
        clock = iter(values)

        def measured(*arguments: Any) -> dict[str, Any]:
            value = next(clock)
            if value is None:
                raise Killed
            return measure(*arguments) | {key: value}

        monkeypatch.setattr(loop, "measure", measured)

    return script


def train(out: Path, iterations: int, *more: str, shown: bool = False) -> dict[str, Any]:
    text = (ROOT / "jobs" / "digits-adam.toml").read_text()
    job = parse(text, [*SMALL, f"stop.iterations={iterations}", *more])
    return loop.train(job, out, World.alone(), Progress(shown))


def resume(out: Path, *more: str) -> dict[str, Any]:
    return loop.resume(out, more, World.alone(), Progress(False))


def kept(out: Path) -> list[int]:
    """The iterations of the best weights on disk, the newest first."""
    return list(map(iteration_of, newest(out / "checkpoints" / BEST)))


def weights(out: Path, which: Any = None) -> str:
    return weights_sha256(read(out, which, World.alone(), pytest.fail).weights)


def test_the_best_iteration_stays_and_is_used(tmp_path: Path, scored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    scored(0.5, 0.7, 0.6, 0.7, 0.65)
    summary = train(out, 5, "save.every=1", "save.keep=9", shown=True)
    assert summary["best"] == {"metric": "test_accuracy", "value": 0.7, "iteration": 2}
    assert (summary["iterations"], summary["test_accuracy"]) == (5, 0.65)
    assert "best: test accuracy 70.00 % in iteration 2" in capsys.readouterr().out
    assert kept(out) == [2, 1]  # 1 was the best when the checkpoint of iteration 1 was written
    assert weights(out) == weights(out, 2) == weights(out / "checkpoints" / "iteration-0000000002")
    assert weights(out, "last") == weights(out, 5) == summary["weights_sha256"] != weights(out)
    assert line(row(out))["best"] == "70.00 % (2)"
    found = evaluate(out, [], None, None, World.alone(), pytest.fail)
    assert (found["iteration"], found["best"]) == (2, "test_accuracy")
    assert "iteration 2 (best test_accuracy)" in str(next(iter(shown(found))))
    assert evaluate(out, [], None, "last", World.alone(), pytest.fail)["iteration"] == 5


def test_the_least_objective_is_the_best_and_patience_follows_it(tmp_path: Path, scored: Any) -> None:
    out = tmp_path / "run"
    scored(5.0, 3.0, 4.0, 3.5, 2.0, key="objective")
    summary = train(out, 5, "save.best=objective", "stop.patience=2", "save.every=1", "save.keep=1")
    assert summary["stop_reason"] == "no better objective than 3.0000 in 2 measured iterations"
    assert (summary["iterations"], summary["best"]["iteration"], kept(out)) == (4, 2, [2])


def test_undefined_values_are_never_the_best(tmp_path: Path, scored: Any) -> None:
    scored(float("nan"), 0.4, float("nan"))
    assert train(tmp_path / "run", 3)["best"]["iteration"] == 2


@pytest.fixture
def killed(tmp_path: Path, scored: Any) -> Path:
    """A run that was killed after iteration 5, its best; its newest checkpoint is of iteration 3, when 2 was best."""
    out = tmp_path / "killed"
    scored(0.5, 0.7, 0.6, 0.6, 0.8, None)
    with pytest.raises(Killed):
        train(out, 6)
    assert kept(out) == [5, 2]
    return out


def test_a_resume_finds_the_same_best_again(tmp_path: Path, killed: Path, scored: Any) -> None:
    scored(0.5, 0.7, 0.6, 0.6, 0.8, 0.7)
    train(tmp_path / "whole", 6)
    scored(0.6, 0.8, 0.7)
    assert resume(killed)["best"] == {"metric": "test_accuracy", "value": 0.8, "iteration": 5}
    assert weights(killed) == weights(tmp_path / "whole")


def test_a_best_that_a_resume_undoes_is_gone(killed: Path, scored: Any) -> None:
    before = weights(killed, 2)
    scored(0.6, 0.6, 0.6)
    assert resume(killed)["best"]["iteration"] == 2
    assert kept(killed) == [2]
    assert weights(killed) == before


def test_a_best_whose_weights_are_gone_is_forgotten(killed: Path, scored: Any) -> None:
    shutil.rmtree(killed / "checkpoints" / BEST)
    scored(0.6, 0.65, 0.6)
    assert resume(killed)["best"] == {"metric": "test_accuracy", "value": 0.65, "iteration": 5}


def test_another_metric_begins_anew(killed: Path, scored: Any) -> None:
    scored(3.0, 2.0, 2.5, key="objective")
    assert resume(killed, "save.best=objective")["best"]["iteration"] == 5


def test_a_damaged_best_gives_way_to_the_newest_checkpoint(killed: Path) -> None:
    for k in kept(killed):
        (killed / "checkpoints" / BEST / f"iteration-{k:010d}" / "checkpoint.h5").write_bytes(b"damaged")
    said: list[str] = []
    assert read(killed, None, World.alone(), said.append).iteration == 3
    assert "iteration-0000000005 is not used" in said[0]


@pytest.mark.parametrize(
    ("metric", "more", "words"),
    [
        ("test_acuracy", [], "its metrics are test_accuracy, train_accuracy, objective, primal_residual$"),
        ("mean_error", [], "not a metric of this run"),
        ("test_error", [], "not a metric of this run"),
        ("seconds", [], "not a metric of this run"),
        ("test_accuracy", ["data.split=1.0"], "needs a test part, and there are no test samples"),
    ],
)
def test_a_wrong_metric_is_refused_before_the_start(tmp_path: Path, metric: str, more: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train(tmp_path / "run", 3, f"save.best={metric}", *more)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("solver", "hidden", "last"),
    [
        ("adam", "[]", "objective, primal_residual"),
        ("gd", "[]", "primal_residual, objective_error, mean_error"),
        ("gadmm", "[]", "primal_residual, dual_residual, objective_error, mean_error"),
        ("qgadmm", "[5]", "primal_residual, dual_residual"),
        ("consensus", "[]", "primal_residual, dual_residual, objective_error, mean_error"),
    ],
)
def test_a_wrong_metric_is_answered_with_those_that_the_job_measures(solver: str, hidden: str, last: str) -> None:
    text = f'[data]\nname = "digits"\n[network]\nhidden = {hidden}\n[solver]\nname = "{solver}"'
    job = parse(text, ["loss.name=cross-entropy", "save.best=seconds"])
    with pytest.raises(UsageError, match=f"{last}$"):
        check(job, 10, 100)
    setup = set_up(replace(job, save=replace(job.save, best="objective")), World.alone())
    state = blank(job.solver, setup)
    job.solver.start(state, setup.problem, World.alone())
    job.solver.prepare(state, setup.problem, World.alone())
    assert {*of_solver(job)} <= {*measure(job.solver, state, setup.problem, World.alone())}


def test_a_metric_that_rows_lack_is_refused_at_the_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a checkpoint, so that nothing is lost. Only a solver of your own can lack what it declares."""
    out = tmp_path / "run"
    monkeypatch.setattr(Solver, "metrics", (*Solver.metrics, "mean_error"))
    with pytest.raises(UsageError, match=r"mean_error.*its metrics are objective, primal_residual"):
        train(out, 3, "save.best=mean_error")
    assert resume(out, "save.best=objective")["iterations"] == 3
    assert read_metrics(out)[-1]["iteration"] == 3


def test_layers_on_several_ranks_are_gathered(hpcadmm: Any, tmp_path: Path) -> None:
    """The same best weights as on one rank, also of a solver that deals layers to ranks."""
    out = tmp_path / "run"
    more = ["network.hidden=[6]", "data.first=100", "stop.iterations=4", "save.best=objective"]
    options = [word for one in more for word in ("--set", one)]
    hpcadmm("train", ROOT / "jobs" / "digits-pdadmm.toml", *options, "--out", out, n=2).check()
    job = parse((ROOT / "jobs" / "digits-pdadmm.toml").read_text(), more)
    alone = loop.train(job, tmp_path / "alone", World.alone(), Progress(False))
    assert weights(out) == weights(tmp_path / "alone")
    assert json.loads((out / "summary.json").read_text())["best"] == alone["best"]
    assert all(np.isfinite(w).all() for w in read(out, None, World.alone(), pytest.fail).weights[1:])


def test_a_score_of_the_best_is_measured_without_being_asked_for(tmp_path: Path) -> None:
    train(tmp_path / "run", 3, "save.best=test_roc_auc")
    rows = [row["test_roc_auc"] for row in read_metrics(tmp_path / "run")]
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["best"]["value"] == max(rows)
