"""What is written about samples that are known."""

import csv
import json
import math
import re

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.scaling.experiment import Point, points
from hpcadmm.scaling.figure import drawn
from hpcadmm.scaling.folder import Folder, Sample, measurements
from hpcadmm.scaling.report import report as reporting
from hpcadmm.scaling.study import Study
from tests.helpers.studies import ENVIRONMENT, SESSION, SYNTHETIC, experiment, put, report, study


def told(folder, out=None):
    """Exit code and lines of a report."""
    said = []
    code = reporting([folder.path], out, said.append)
    return code, "\n".join(said)


def figures(text):
    return {m["name"]: float(m["value"]) for m in re.finditer(r"^FOM (?P<name>\S+) = (?P<value>\S+)", text, re.M)}


def rows(folder):
    return Study.of(folder.path).rows


def halves(point, repeat):
    """1 s and 0.625 s on one and two ranks, 100 s in the first repeat, which does not count."""
    least, middle = {1: (0.9, 1.0), 2: (0.4, 0.625)}.get(point.ranks, (0.3, 0.3))
    return [100.0] if repeat == 0 else [least, 50, middle]


def strict(text):
    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_the_table_by_hand(tmp_path):
    one, two = rows(study(experiment(tmp_path), halves))
    assert (one.seconds, two.seconds) == (1.0, 0.625)
    assert (one.speedup, two.speedup, two.efficiency) == (1.0, 1.6, 0.8)
    assert (two.speedup_low, two.speedup_high) == (1.6, 1.6)
    assert two.serial_fraction == pytest.approx(0.25)
    assert one.serial_fraction is None
    assert (one.gflops, two.gflops, two.floor_share) == (40.0, 40.0, 0.8)
    assert (two.nodes, two.grid, two.kept, two.load) == (1, "1 x 2", 4, 0.5)
    assert two.compute_seconds == pytest.approx(0.5)


def test_weak_studies_count_the_growth_of_the_problem(tmp_path):
    path = experiment(tmp_path, source=SYNTHETIC, kind="weak", samples_per_rank=50, ranks=[2, 8])
    two, eight = rows(study(path, lambda point, repeat: [{2: 1.0, 8: 1.25}[point.ranks]], cores=8))
    assert (eight.speedup, eight.efficiency) == (3.2, 0.8)
    assert (two.efficiency, eight.serial_fraction) == (1.0, None)


def test_threads_count_as_cores_and_values_have_a_base_of_their_own(tmp_path):
    path = experiment(tmp_path, kind="layers", values=[2, 4], width=5, threads=[1, 2])
    found = rows(study(path, lambda point, repeat: [point.value / point.cores], cores=4))
    assert [(row.value, row.cores, row.speedup, row.efficiency) for row in found] == [
        (value, cores, cores, 1.0) for value in (2, 4) for cores in (1, 2, 2, 4)
    ]


def test_lines_and_files(tmp_path):
    folder = study(experiment(tmp_path), halves)
    code, text = told(folder)
    found = figures(text)
    assert code == 0
    assert found["void"] == found["points_missing"] == 0
    assert (found["iteration_seconds[2]"], found["speedup[2]"], found["efficiency[2]"]) == (0.625, 1.6, 0.8)
    assert "FOM iteration_seconds[2] = 0.625 s\n" in text
    with open(folder.path / "report.csv", newline="") as file:
        table = [(line["study"], line["ranks"], line["speedup"]) for line in csv.DictReader(file)]
    assert table == [("study", "1", "1.0"), ("study", "2", "1.6")]
    kept = strict((folder.path / "report.json").read_text())
    assert kept["figures"] == pytest.approx(found, rel=1e-5)
    assert [one["speedup"] for one in kept["studies"]["study"]["rows"]] == [1.0, 1.6]
    page = (folder.path / "report.md").read_text()
    assert "| 2     | 1     | 1       | 1 x 2 | 0.625 (0.625-0.625) | 1.6 (1.6-1.6) | 80.0 %     | 0.25" in page
    assert "- results: the same weights, bit for bit, at every number of ranks" in page
    assert "![study](figure.png)" in page
    assert (folder.path / "figure.png").stat().st_size > 10_000
    assert "VOID" not in page


def test_the_file_for_extra_p(tmp_path):
    folder = study(experiment(tmp_path, threads=[1, 2], oversubscribe=True), lambda p, k: [float(k), 1.0 * p.cores])
    told(folder)
    found = strict((folder.path / "extrap.json").read_text())
    assert found["parameters"] == ["ranks", "threads"]
    parts = [f"iteration->{part}" for part in ("compute", "communicate", "wait")]
    assert list(found["measurements"]) == ["iteration", *parts]
    time = found["measurements"]["iteration"]["time"]
    assert [one["point"] for one in time] == [[1, 1], [1, 2], [2, 1]]  # 2 x 2 is oversubscribed
    assert time[1]["values"] == [1.5, 2.0, 2.5, 3.0]


def test_a_void_study_says_so_on_top(tmp_path):
    folder = study(experiment(tmp_path), halves)
    put(folder, Sample(Point(2), 0, 2, report([1.0], Point(2), "other", objective=99.0), SESSION))
    code, text = told(folder)
    assert code == 1
    assert figures(text)["void"] == 1
    assert (folder.path / "report.md").read_text().split("\n")[2].startswith("**VOID: points 1, 2: the weights differ")


def test_what_is_missing_is_said(tmp_path):
    folder = study(experiment(tmp_path), halves)
    for repeat in range(1, 5):
        (folder.path / f"samples/2_{repeat}.json").unlink()
    (folder.path / "samples/1_4.json").unlink()
    code, text = told(folder)
    assert code == 0
    assert "# point 1: 3 of 4 samples are there\n# point 2: 0 of 4 samples are there" in text
    assert figures(text)["points_missing"] == 2
    assert "missing: point 2: 0 of 4" in (folder.path / "report.md").read_text()


def test_nothing_but_the_first_repeat(tmp_path):
    folder = study(experiment(tmp_path), halves, repeats=1)
    code, text = told(folder)
    assert (code, list(figures(text))) == (1, ["void", "points_missing"])
    assert "No samples yet." in (folder.path / "report.md").read_text()


def test_oversubscribed_points_are_marked_everywhere(tmp_path):
    folder = study(experiment(tmp_path, ranks=[1, 2, 4], oversubscribe=True), halves)
    _, text = told(folder)
    found = figures(text)
    assert "oversubscribed_efficiency[4]" in found
    assert "efficiency[4]" not in found
    assert "| 4*    |" in (folder.path / "report.md").read_text()
    assert "oversubscribed, no measurement of scaling (ranks x threads > cores): 4" in text
    faces = drawn(Study.of(folder.path)).axes[1].collections[0].get_facecolors()
    assert [tuple(face[:3]) == (1, 1, 1) for face in faces] == [False, False, True]
    assert [one.ranks for one in measurements(folder.path)] == [1, 2]


def test_samples_that_were_not_taken_alike(tmp_path):
    folder = study(experiment(tmp_path), halves)
    other = report([0.625], Point(2), iteration_cpu_share=0.5) | {
        "environment": {**ENVIRONMENT, "commit": {"commit": "fedcba", "changed": True}}
    }
    put(folder, Sample(Point(2), 2, 2, other, SESSION))
    _, text = told(folder)
    assert "# the samples are of different commits: 0123456789abcdef, fedcba" in text
    assert "# other programs used the cores; the smallest share of its core that a rank had: 2 (0.50)" in text


def test_time_to_a_target(tmp_path):
    path = experiment(tmp_path, kind="accuracy", target=0.9, iterations=None, ranks=[1, 2])
    folder = study(path, halves)
    for point in points(folder.experiment()):
        for repeat in range(5):
            found = report([], point)
            seconds = 8.0 / point.ranks
            curve = [[seconds / 2, 0.6], [seconds, 0.91]]
            found["samples"] = {"seconds_to_target": [seconds], "curve": curve}
            found["problem"] = {"solver": "taylor", "grid": [1, point.ranks], "precision": "float32"}
            put(folder, Sample(point, repeat, 2, found, SESSION))
    _, text = told(folder)
    assert figures(text)["seconds_to_target[2]"] == 4.0
    assert "solver time to a test accuracy of 90 %" in (folder.path / "report.md").read_text()
    assert len(drawn(Study.of(folder.path)).axes) == 4
    assert measurements(folder.path) == []
    late = Folder(folder.path).sample(Point(2), 3)
    late.report["samples"]["seconds_to_target"] = []
    for repeat in (1, 2, 3):
        put(folder, Sample(Point(2), repeat, 2, late.report, SESSION))
    code, text = told(folder)
    assert "the target was not reached: 2" in text
    assert "| never " in (folder.path / "report.md").read_text()
    assert strict((folder.path / "report.json").read_text())["studies"]["study"]["rows"][1]["seconds"] is None
    assert code == 0
    assert math.isinf(rows(folder)[1].seconds)


def test_several_studies_in_one_report(tmp_path):
    folders = [study(experiment(tmp_path, name=name), halves, out=name) for name in ("a", "b")]
    paths = [folder.path for folder in folders]
    with pytest.raises(UsageError, match="-o DIR"):
        reporting(paths, None, print)
    with pytest.raises(UsageError, match="experiment called a"):
        reporting([paths[0], paths[0]], tmp_path / "both", print)
    said = []
    assert reporting(paths, tmp_path / "both", said.append) == 0
    found = figures("\n".join(said))
    assert (found["a.speedup[2]"], found["b.speedup[2]"]) == (1.6, 1.6)
    names = {path.name for path in (tmp_path / "both").iterdir()}
    own = {f"{name}-{file}" for name in "ab" for file in ("extrap.json", "figure.png")}
    assert names == {"report.md", "report.csv", "report.json", *own}


def test_what_is_no_folder_of_an_experiment(tmp_path):
    with pytest.raises(UsageError, match="is not the folder of a scaling experiment"):
        reporting([tmp_path], None, print)
    (tmp_path / "experiment.json").write_text('{"nosuch": 1}')
    with pytest.raises(UsageError, match="is damaged"):
        reporting([tmp_path], None, print)


def test_what_the_model_reads(tmp_path):
    folder = study(experiment(tmp_path), halves)
    one, two = measurements(folder.path)
    assert (two.kind, two.solver, two.sizes, two.samples) == ("strong", "taylor", (64, 12, 10), 300)
    assert (two.ranks, two.threads, two.grid, two.precision) == (2, 1, (1, 2), "float32")
    assert two.seconds == (0.4, 50, 0.625) * 4
    assert one.job["network"]["hidden"] == [12]


@pytest.mark.parametrize("keys", [
    {"kind": "neurons", "values": [3, 30, 300], "depth": 2},
    {"ranks": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512], "kind": "weak", "samples_per_rank": 10, "source": SYNTHETIC},
    {"ranks": [4], "threads": [1, 2, 4]},
    {"ranks": [1]},
])  # fmt: skip
def test_every_kind_can_be_drawn(tmp_path, keys):
    folder = study(experiment(tmp_path, **keys), lambda point, repeat: [1.0 + repeat / 100], cores=4096)
    time, efficiency, parts = drawn(Study.of(folder.path)).axes
    for panel in (time, efficiency, parts):
        assert panel.get_xlabel()
        assert panel.get_ylabel()
    assert len(time.get_xticks()) <= 8
    heights = [[bar.get_height() for bar in part] for part in parts.containers]
    assert {round(sum(stack)) for stack in zip(*heights, strict=True)} == {100}
