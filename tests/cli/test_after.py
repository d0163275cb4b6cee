"""The commands after training, as they are typed; on ranks too."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.trainings import DIGITS, PLAIN

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def run(folder: Path, hpcadmm: Command) -> Path:
    """A run of two ranks, trained once."""
    if not (folder / "digits").exists():
        (folder / "digits.toml").write_text(DIGITS.format(**PLAIN))
        hpcadmm("train", folder / "digits.toml", "--out", folder / "digits", "--quiet", n=2).check()
    return folder / "digits"


def refused(done: Any, *words: str) -> None:
    """It ended with code 2 and one message without a traceback."""
    assert done.returncode == 2, done.output
    assert "Traceback" not in done.output
    assert done.stderr.count("Error: ") == 1
    for word in words:
        assert word in done.stderr


def test_evaluate_says_the_same_on_any_number_of_ranks(run: Path, hpcadmm: Command) -> None:
    texts = [hpcadmm("evaluate", run, "--json", n=n).check().stdout for n in (0, 1, 2, 3)]
    assert len(set(texts)) == 1
    found = json.loads(texts[0])
    row = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert found["accuracy"] == row["test_accuracy"]
    assert np.sum(found["confusion"]) == found["samples"] == 360
    assert hpcadmm("evaluate", run, "--part", "train", n=2).check().stdout.count("1437 samples") == 1


def test_json_has_no_nan(run: Path, inside: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 64)), y=np.array([1, 1, 1, 1]))
    text = inside("evaluate", run, "--data", "a.npz", "--json").check().stdout
    assert "NaN" not in text
    assert json.loads(text)["classes"][2]["recall"] is None
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    (copy / "summary.json").write_text('{"objective": NaN, "iterations": 6}')
    (row,) = json.loads(inside("show", copy, "--json").check().stdout, parse_constant=pytest.fail)
    assert row["objective"] is None


def test_predict_plot_export_and_show(run: Path, hpcadmm: Command, inside: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", X=np.arange(128.0).reshape(2, 64))
    assert "2 samples, class, name, scores" in inside("predict", run, "in.npz", "-o", "out.csv").check().stdout
    refused(inside("predict", run, "in.npz", "-o", "out.csv"), "out.csv exists", "--force")
    assert hpcadmm("predict", run, "in.npz", "-o", "out.csv", "--force", n=2).check().stdout.count("samples") == 1
    inside("plot", run, "-o", "a.svg", "--x", "seconds").check()
    hpcadmm("export", run, "-o", "a.onnx", n=2).check()
    inside("export", run, "-o", "a.npz").check()
    for name in ("out.csv", "a.svg", "a.onnx", "a.npz"):
        assert (tmp_path / name).stat().st_size > 100
    text = inside("show", run, tmp_path).check().stdout
    assert "finished" in text
    assert "not a run" in text
    assert "there are no runs in results/runs" in inside("show").check().stdout
    assert inside("show", "--json").check().stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "n", "words"),
    [
        ("evaluate none", 0, "there is no run folder none"),
        ("evaluate empty", 2, "empty holds no checkpoint"),
        ("export file -o out.npz", 0, "there is no run folder file"),
        ("predict empty in.npz -o out.npz", 2, "empty holds no checkpoint"),
    ],
)
def test_what_is_no_run_is_refused(
    hpcadmm: Command, inside: Command, tmp_path: Path, command: str, n: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no run")
    np.savez(tmp_path / "in.npz", X=np.ones((2, 64)))
    refused(hpcadmm(*command.split(), n=n) if n else inside(*command.split()), words)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "none"], "there is no run folder none"),
        (["plot", "none", "-o", "a.png"], "there is no run folder none"),
        (["plot", "-o", "a.png"], "RUNS"),
        (["plot", "RUN", "-o", "a.gif"], "must end in .png, .svg, .pdf"),
        (["export", "RUN", "-o", "a.pt"], "must end in .npz, .onnx"),
        (["predict", "RUN", "none.csv", "-o", "a.csv"], "none.csv: there is no such file"),
        (["predict", "RUN", "hostile.npz", "-o", "a.csv"], "never objects"),
        (["predict", "RUN", "narrow.npz", "-o", "a.csv"], "3 features, but the network was trained on 64"),
        (["evaluate", "RUN", "--data", "hostile.npz"], "never objects"),
        (["evaluate", "RUN", "--data", "narrow.npz"], "3 features, but the network was trained on 64"),
        (["evaluate", "RUN", "--iteration", "4"], "no such checkpoint; it has 3, 6"),
        (["evaluate", "RUN", "--part", "other"], "'other' is not one of"),
    ],
)
def test_one_line_for_what_will_not_do(
    run: Path, inside: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    np.savez(tmp_path / "hostile.npz", X=np.array([{}], dtype=object), y=np.array([0]))
    np.savez(tmp_path / "narrow.npz", X=np.ones((2, 3)), y=np.array([0, 1]))
    refused(inside(*(run if word == "RUN" else word for word in arguments)), words)
