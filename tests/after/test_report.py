"""report: one well-formed page that needs nothing but itself and says what the other commands say."""

import re
import shutil
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpcadmm
from hpcadmm.after.evaluate import evaluate
from hpcadmm.after.reached import at
from hpcadmm.after.report.page import report
from hpcadmm.after.show import line, row
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.storage.run import Run as RunFolder
from hpcadmm.storage.run import read_metrics, read_summary

Run = Callable[[str], Path]
OLD = Path(__file__).parents[1] / "training" / "runs-0.2.0" / "adam"
EVIL = "<script>alert('1')</script>"
NAMES = sorted([EVIL, "a&b", '"><img src=x>'])
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """The attributes, the text by element, and the tables by caption of a page whose elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.tables[-1][1].append([])
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.setdefault(self.open[-1], []).append(data)
        if self.open[-1:] == ["caption"]:
            self.tables.append((data, []))
        if {"td", "th"} & set(self.open):
            self.tables[-1][1][-1][-1] += data

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]

    def table(self, caption: str) -> list[dict[str, str]]:
        """The rows of the first table whose caption begins so, by its head."""
        head, *rows = next(rows for text, rows in self.tables if text.startswith(caption))
        return [dict(zip(head, row, strict=True)) for row in rows]


def paged(folders: list[Path], out: Path, data: bool = True, targets: tuple[float, ...] = ()) -> Page:
    return Page(report(folders, out, False, targets, data, pytest.fail).read_text())


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Of four runs, one of an early version."""
    folders = [run("digits"), run("leaky"), run("regression"), OLD]
    return paged(folders, tmp_path_factory.mktemp("page") / "a.html", targets=(0.5, 2.0))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take half a second each."""
    monkeypatch.setattr("hpcadmm.after.report.page.figure", lambda name, caption, drawn: "<figure></figure>")
    monkeypatch.setattr("hpcadmm.after.plot.drawn", lambda *given: None)


def test_the_page_is_well_formed_and_needs_nothing_else(page: Page) -> None:
    assert [found for found in page.attributes if re.search(r"https?:|//|url\((?!#)|javascript:", found[2])] == []
    assert not re.search(r"url\(|@import|//", "".join(page.texts["style"]))
    assert {tag for tag, *_ in page.attributes} <= {
        *("html", "meta", "section", "h2", "th", "td", "div", "p", "a", "svg", "g", "path", "use", "text", "tspan"),
        *("rect", "clippath"),
    }
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    inside = page.values("href") + [f"#{name}" for name in page.values("aria-labelledby")]
    inside += re.findall(r"url\((#[^)]*)\)", " ".join(page.values("clip-path")))
    assert {name.removeprefix("#") for name in inside} <= set(ids)
    assert ("html", "lang", "en") in page.attributes
    assert [tag for tag, key, _ in page.attributes if (tag, key) == ("svg", "aria-label")] == ["svg", "svg"]
    assert page.values("scope").count("row") > 30


def test_its_numbers_are_those_of_the_other_commands(run: Run, page: Page) -> None:
    folders = [run("digits"), run("leaky"), run("regression"), OLD]
    for found, folder in zip(page.table("The runs"), folders, strict=True):
        said = line(row(folder))
        assert {key: found[key] for key in said if key in found and key not in ("run", "best")} == {
            key: text for key, text in said.items() if key in found and key not in ("run", "best")
        }
        assert {key for key in said if said[key]} - {"best", "scaling", "weights", "why"} <= set(found)
        first = at(read_metrics(folder), 0.5)
        reached = f"{first['seconds']:.2f} ({first['iteration']})" if first else "not reached"
        regression = folder == run("regression")
        assert found["s to 50 %"] == ("" if regression else reached)
        assert found["s to 200 %"] == ("" if regression else "not reached")
        values = [value for one in read_metrics(folder) if (value := one.get("test_accuracy")) is not None]
        assert regression or found["best"].startswith(f"{100 * max(values):.2f} % (")
    result = evaluate(run("digits"), (), None, None, World.alone(), pytest.fail)
    matrix = [list(one.values())[1:] for one in page.table("Confusion matrix")]
    assert matrix == [[str(count) if count else "." for count in counts] for counts in result["confusion"]]
    targets = page.table("Scores by target")
    scores = evaluate(run("regression"), (), None, None, World.alone(), pytest.fail)["targets"]
    assert [(one["target"], one["rmse"]) for one in targets] == [(one["name"], f"{one['rmse']:.5g}") for one in scores]
    time = {one["phase"]: one for one in page.table("Seconds of the ranks")}
    assert time["computing"]["mean (s)"] == f"{read_summary(folders[0])['compute_seconds']['mean']:.4g}"


def test_what_comes_from_the_user_is_text(tmp_path: Path) -> None:
    names = np.resize(NAMES, 90)
    rows = [f'{k % 7},{k % 3}.5,"{name.replace(chr(34), 2 * chr(34))}"' for k, name in enumerate(names)]
    (tmp_path / "a.csv").write_text("\n".join(["<b>one</b>,two,label", *rows]))
    job = {"name": EVIL, "loss": {"name": "cross-entropy"}, "solver": {"name": "lbfgs"}, "stop": {"iterations": 4}}
    hpcadmm.train(job, tmp_path / "a.csv", "label", out=tmp_path / "<i>&amp;\"'$x")
    page = paged([tmp_path / "<i>&amp;\"'$x"], tmp_path / "a.html")
    assert page.texts["h1"] == page.texts["h2"][1:] == ["<i>&amp;\"'$x"] == [page.texts["text"][-3].replace("\\", "")]
    assert not {"script", "img", "i", "b"} & {*page.texts, *(tag for tag, *_ in page.attributes)}
    assert [one["true \\ predicted"] for one in page.table("Confusion matrix")] == NAMES
    assert any(EVIL in text for text in page.texts["pre"])


def test_a_path_of_strengths_is_drawn(run: Run, tmp_path: Path) -> None:
    data = run("table").parent / "abcdlabel.csv"
    job = {"loss": {"name": "cross-entropy"}, "solver": {"name": "unwrapped", "path": [0.1, 0.01], "folds": 3},
           "penalty": {"name": "l1"}, "stop": {"iterations": 20}}  # fmt: skip
    hpcadmm.train(job, data, "label", out=tmp_path / "run")
    page = paged([tmp_path / "run"], tmp_path / "a.html")
    assert "Coefficients and deviance by the strength of the penalty" in page.values("aria-label")
    assert any("a linear model" in text for text in page.texts["p"])
    (tmp_path / "run" / "path-coefficients.csv").unlink()
    page = paged([tmp_path / "run"], tmp_path / "b.html")
    assert any("has no path-coefficients.csv" in text for text in page.texts["p"])


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_is_said_on_the_page(run: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run("digits"), tmp_path / "copy"))
    page = paged([copy], tmp_path / "0.html", data=False)
    assert "Not evaluated: the data were not read" in page.texts["p"]
    (copy / "summary.json").unlink()
    with RunFolder.reopen(World.alone(), copy, {}):
        assert paged([copy], tmp_path / "1.html").table("The runs")[0]["state"] == "running"
    shutil.rmtree(copy / "checkpoints")
    (copy / "metrics.jsonl").unlink()
    (copy / "environment.json").write_text("[")
    page = paged([copy], tmp_path / "2.html")
    (said,) = page.table("The runs")
    assert (said["state"], said["iterations"]) == ("killed", "0")
    texts = page.texts["p"]
    assert texts.count("Nothing has been measured yet.") == 2
    assert any(re.match("Not evaluated: .*no checkpoint", text) for text in texts)
    assert "The environment is not known." in texts
    text = (copy / "job.toml").read_text()
    (copy / "job.toml").write_text(text.replace('name = "taylor"', 'name = "of-a-plug-in"'))
    assert any("of-a-plug-in" in text for text in paged([copy], tmp_path / "3.html").texts["p"])
    page = paged([copy, run("regression")], tmp_path / "4.html")
    assert [one["run"] for one in page.table("The runs")] == ["copy", "run"]


@pytest.mark.usefixtures("undrawn")
def test_refusals(run: Run, tmp_path: Path, inside: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.html"
    out.write_text("mine")
    for arguments, words in (
        ([run("digits"), "-o", "a.html"], "a.html exists; replace it with --force"),
        ([run("digits"), "-o", "a.pdf"], "must end in .html"),
        ([run("digits"), tmp_path, "-o", "b.html"], "is not a run folder"),
        ([run("digits"), "-o", "nowhere/b.html"], "cannot write"),
        (["-o", "b.html"], "Missing argument 'RUNS...'"),
    ):
        done = inside("report", *arguments)
        assert (done.returncode, words in done.stderr) == (2, True), done.output
    assert out.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    assert inside("report", run("digits"), "-o", "a.html", "--force", "--no-data").check().stdout == "a.html\n"
    assert out.read_text().startswith("<!doctype html>")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="pip install"):
        report([run("digits")], tmp_path / "c.html", False, (), False, pytest.fail)
