"""plot: files of the kinds promised, with the curves of all runs."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from hpcadmm.after.plot import AXES, PANELS, USUAL, Curves, drawn, labels, plot
from hpcadmm.cli import after
from hpcadmm.errors import UsageError
from hpcadmm.storage.run import read_metrics

Run = Callable[[str], Path]


@pytest.mark.parametrize(("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_every_format(run: Run, tmp_path: Path, suffix: str, begins: bytes) -> None:
    out = plot([run("digits"), run("leaky"), run("regression")], tmp_path / f"a.{suffix}")
    assert out.read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_the_panels_and_curves(run: Run) -> None:
    runs = [Curves(name, read_metrics(run(name))) for name in ("digits", "regression")]
    panels = [panel for panel in PANELS if any(one.measured(panel) for one in runs)]
    figure = drawn(runs, panels, USUAL)
    named = {axes.get_ylabel(): axes for axes in figure.axes if axes.get_ylabel()}
    assert set(named) == {
        "objective",
        "primal residual",
        "accuracy (%)",
        "mean squared error\n(target units, squared)",
        "RMSE",
        "MAE",
        "R^2",
    }
    assert {axes.get_xlabel() for axes in figure.axes} == {"", "iteration", "solver time (s)"}
    drawn_lines = [line.get_ydata() for line in named["accuracy (%)"].lines if len(line.get_ydata())]
    expected = [[100 * row[key] for row in runs[0].rows] for key in ("train_accuracy", "test_accuracy")]
    assert [list(line) for line in drawn_lines] == expected
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["digits", "regression", "test", "train"]


def test_one_axis_is_narrower(run: Run, tmp_path: Path) -> None:
    widths = [imread(plot([run("digits")], tmp_path / f"{len(x)}.png", x)).shape[1] for x in (USUAL, ["seconds"])]
    assert widths[0] > 1.4 * widths[1]


def test_rows_that_are_not_numbers_are_left_out(run: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run("digits"), tmp_path / "copy"))
    rows = [*read_metrics(folder), {"iteration": 7, "objective": None}, {"iteration": "x", "objective": 1.0}]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(Curves("copy", read_metrics(folder)).points("iteration", "objective")[0]) == len(rows) - 2
    plot([folder], tmp_path / "a.svg", ["iterations"])


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
            plot(folders, tmp_path / out)


def made(**columns: list[float]) -> Curves:
    """A run of which these columns were measured."""
    return Curves("made", [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])


def test_against_payload_runs_of_other_orders_lie_on_a_logarithmic_axis() -> None:
    few, many = (made(payload_bits=[1e3, n], rounds=[1, 8], objective_error=[1.0, 1e-4]) for n in (1e4, 1e6))
    (panel,) = (p for p in PANELS if p.name == "objective error")
    figure = drawn([few, many], [panel], ["rounds", "payload"])
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log"]
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}


def test_what_nobody_measured_or_counted_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="measured objective error"):
        plot([run("digits")], tmp_path / "a.png", y=["objective error"])
    with pytest.raises(UsageError, match="counted payload"):
        plot([run("digits")], tmp_path / "a.png", x=["payload"])


def test_the_command_offers_what_there_is() -> None:
    assert tuple(AXES) == after.ACROSS
    assert [panel.name for panel in PANELS] == list(after.UP)


def test_without_matplotlib_the_cure_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'hpcadmm\[plot\]'"):
        plot([run("digits")], tmp_path / "a.png")


def test_names_are_as_short_as_tells_them_apart(tmp_path: Path) -> None:
    assert labels([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert labels([tmp_path / "x" / "a", tmp_path / "y" / "a"]) == ["x/a", "y/a"]
    assert labels([tmp_path / "a", tmp_path / "a"]) == ["a", "a"]


def test_solvers_whose_objectives_differ_have_panels_of_their_own() -> None:
    runs = [Curves(name, made(iteration=[1, 2], objective=[9.0, y], test_accuracy=[0.5, 0.6]).rows, name)
            for name, y in (("taylor", 5.0), ("dladmm", 7.0))]  # fmt: skip
    panels = [panel for panel in PANELS if panel.name in ("objective", "accuracy")]
    figure = drawn(runs, panels, ["iterations"])
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "objective\nof taylor",
        "objective\nof dladmm",
        "accuracy (%)",
    ]
    assert [[list(line.get_ydata()) for line in axes.lines] for axes in figure.axes[:2]] == [[[9.0, 5.0]], [[9.0, 7.0]]]
    colours = [axes.lines[0].get_color() for axes in figure.axes[:2]]
    assert colours == [handle.get_color() for handle in figure.legends[0].legend_handles[:2]]


def test_round_off_does_not_stretch_a_logarithmic_axis() -> None:
    panels = [panel for panel in PANELS if panel.name == "primal residual"]
    figure = drawn([made(iteration=[1, 2, 3, 4], primal_residual=[1e-13, 10.0, 1.0, 0.1])], panels, ["iterations"])
    low, high = figure.axes[0].get_ylim()
    assert 0.01 < low < 0.1 < 10 < high
