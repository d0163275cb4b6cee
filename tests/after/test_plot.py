"""plot: files of the kinds promised, with the curves of all runs."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from hpcadmm.after.plot import Curves, drawn, labels, plot
from hpcadmm.errors import UsageError
from hpcadmm.storage.run import read_metrics

Run = Callable[[str], Path]


@pytest.mark.parametrize(("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_every_format(run: Run, tmp_path: Path, suffix: str, begins: bytes) -> None:
    out = plot([run("digits"), run("leaky"), run("regression")], tmp_path / f"a.{suffix}", "both")
    assert out.read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_the_panels_and_curves(run: Run) -> None:
    runs = [Curves(name, read_metrics(run(name))) for name in ("digits", "regression")]
    figure = drawn(runs, ["iterations", "seconds"])
    named = {axes.get_ylabel(): axes for axes in figure.axes if axes.get_ylabel()}
    assert set(named) == {"objective", "primal residual", "accuracy (%)", "mean squared error"}
    assert {axes.get_xlabel() for axes in figure.axes} == {"", "iteration", "solver time (s)"}
    drawn_lines = [line.get_ydata() for line in named["accuracy (%)"].lines if len(line.get_ydata())]
    expected = [[100 * row[key] for row in runs[0].rows] for key in ("train_accuracy", "test_accuracy")]
    assert [list(line) for line in drawn_lines] == expected
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["digits", "regression", "test", "train"]


def test_one_axis_is_narrower(run: Run, tmp_path: Path) -> None:
    widths = [imread(plot([run("digits")], tmp_path / f"{x}.png", x)).shape[1] for x in ("both", "seconds")]
    assert widths[0] > 1.4 * widths[1]


def test_rows_that_are_not_numbers_are_left_out(run: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run("digits"), tmp_path / "copy"))
    rows = [*read_metrics(folder), {"iteration": 7, "objective": None}, {"iteration": "x", "objective": 1.0}]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(Curves("copy", read_metrics(folder)).points("iteration", "objective")[0]) == len(rows) - 2
    plot([folder], tmp_path / "a.svg", "iterations")


def test_what_cannot_be_drawn(run: Run, tmp_path: Path) -> None:
    empty = Path(shutil.copytree(run("digits"), tmp_path / "empty"))
    (empty / "metrics.jsonl").unlink()
    for folders, out, why in (
        ([run("digits")], "a.txt", "must end in .png, .svg, .pdf"),
        ([run("digits"), tmp_path], "a.png", "is not a run folder"),
        ([empty], "a.png", "nothing has been measured yet"),
        ([run("digits")], "nowhere/a.png", "cannot write"),
    ):
        with pytest.raises(UsageError, match=why):
            plot(folders, tmp_path / out, "both")


def test_without_matplotlib_the_cure_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'hpcadmm\[plot\]'"):
        plot([run("digits")], tmp_path / "a.png", "both")


def test_names_are_as_short_as_tells_them_apart(tmp_path: Path) -> None:
    assert labels([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert labels([tmp_path / "x" / "a", tmp_path / "y" / "a"]) == ["x/a", "y/a"]
    assert labels([tmp_path / "a", tmp_path / "a"]) == ["a", "a"]
