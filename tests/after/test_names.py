"""Runs may be called anything: figures, tables and pages show the name, and nothing in it is taken for markup."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hpcadmm.after.plot import plot
from hpcadmm.after.show import show, shown
from hpcadmm.cli.options import report
from hpcadmm.experiments.report import markdown

Run = Callable[[str], Path]
NAMES = ["$x^2$", "$\\frac{$", "a$b", "\\$", "_hidden", "50%", "{x}", "<b>&", "😀 🇩🇪", "a\nb", "x\x1b[31m",
         "[bold]y", ":smile:", "שלום", "\u202eabc", "a|b", "long-" * 45, "\\begin{a}", "日本語",
         "#1", "\udcff"]  # fmt: skip


@pytest.fixture
def runs(run: Run, tmp_path: Path) -> list[Path]:
    """A run under each name."""
    made = [tmp_path / name for name in NAMES]
    for path in made:
        path.symlink_to(run("digits"))
    return made


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_figure_of_runs_with_any_names(runs: list[Path], tmp_path: Path, suffix: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = plot(runs, tmp_path / f"out.{suffix}", ["iterations"], ["objective"])
    if suffix == "svg":
        texts = {
            "".join(node.itertext()).strip() for node in ElementTree.parse(out).iter() if node.tag.endswith("text")
        }
        assert {"$x^2$", "$\\frac{$", "\\$", "_hidden", "<b>&", "a\\nb", "\\u202eabc", "\\udcff"} <= texts


def test_a_table_of_runs_with_any_names(
    runs: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs[0].parent)
    rows = show([Path(path.name) for path in runs if len(path.name) < 60])
    report(rows, False, lambda width: [shown(rows, width)])
    out = capsys.readouterr().out
    for name in ("[bold]y", ":smile:", "a\\nb", "x\\x1b[31m", "\\u202eabc", "$x^2$"):
        assert name in out
    assert "\x1b[31m" not in out
    report(rows, True, None)
    assert [row["run"] for row in json.loads(capsys.readouterr().out)] == [row["run"] for row in rows]


def test_a_page_of_any_cells() -> None:
    for text in NAMES:
        lines = markdown([{"job": text, "seconds": "1"}]).split("\n")
        assert len(lines) == 3
        assert lines[2].replace("\\\\", "").replace("\\|", "").count("|") == 3
        assert "<" not in lines[2]
