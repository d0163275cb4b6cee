"""`hpcadmm scaling model` and `advise`: what they write and say."""

import csv
import json
from dataclasses import replace

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.performance import advise as advising
from hpcadmm.performance import machine as measure
from hpcadmm.performance import options, study
from hpcadmm.performance.fabric import network
from hpcadmm.performance.fit import case_of
from hpcadmm.performance.predict import FACTORS, TERMS, Prediction
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.case import Case
from tests.helpers.made_machine import MACHINE, measured, wider

TAYLOR = Case(SOLVERS["taylor"](), (100, 80, 60, 10), 20_000)
PDADMM = Case(SOLVERS["pdadmm"](), (200, *[200] * 5, 10), 5_000, loss="squared")
JOB = """
precision = "float32"
[data]
name = "synthetic"
features = 200
outputs = {outputs}
samples = 5000
[network]
hidden = [200, 200, 200, 200, 200]
[loss]
name = "{loss}"
[solver]
name = "{solver}"
"""


def job(tmp_path, solver="pdadmm", outputs=10, loss="cross-entropy"):
    file = tmp_path / "job.toml"
    file.write_text(JOB.format(solver=solver, outputs=outputs, loss=loss))
    return file


@pytest.fixture
def machine(tmp_path):
    file = tmp_path / "machine.json"
    file.write_text(MACHINE.text())
    return file


def noisy(case, count):
    return [measured(wider(case, k), n, off=1 + 0.02 * (-1) ** k) for k in range(count) for n in (1, 2)]


def run(monkeypatch, tmp_path, machine, points, **options):
    monkeypatch.setattr(study, "measurements", lambda folder: points)
    said = []
    options = {"most": 200, **options}
    assert study.study([tmp_path], machine, tmp_path / "out", said.append, **options) == 0
    return tmp_path / "out", said


def test_a_study_writes_tables_a_figure_and_what_it_found(monkeypatch, tmp_path, machine):
    points = [*noisy(TAYLOR, 5), *noisy(PDADMM, 3)]
    out, said = run(monkeypatch, tmp_path, machine, points)
    assert {file.name for file in out.iterdir()} == {"model.md", "model.csv", "model.json", "model.png"}
    with (out / "model.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert {row["kind"] for row in rows} == {"strong"}
    assert sum(bool(row["measured_seconds"]) for row in rows) == len(points)
    for row in rows:
        parts = sum(float(row[f"modelled_{name}"]) for name in TERMS)
        assert float(row["modelled_seconds"]) == pytest.approx(parts)
    record = json.loads((out / "model.json").read_text())
    assert set(record["factors"]) == {"taylor", "pdadmm"}
    assert len(record["leave_one_shape_out"]) == len(record["leave_one_rank_count_out"]) == len(points)
    page = (out / "model.md").read_text()
    assert "leave-one-out over 8 measured shapes" in page
    assert "predicted, not measured" in page
    assert any(line.startswith("FOM model_median_error = 0.0") for line in said)
    assert any("More ranks do not make it faster" in line or "The solver takes no more" in line for line in said)


def test_what_the_model_does_not_know_is_left_out_and_named(monkeypatch, tmp_path, machine, unbilled):
    strange = replace(measured(TAYLOR, 1), solver=unbilled)
    threads = replace(measured(TAYLOR, 1), threads=2)
    out, _ = run(monkeypatch, tmp_path, machine, [measured(TAYLOR, 1), strange, threads], fabric="100g")
    page = (out / "model.md").read_text()
    assert "block-descent on 1 ranks, whose costs the model does not know" in page
    assert "2 threads a rank; the model knows one" in page
    assert "100 Gb/s (assumed" in page
    with pytest.raises(UsageError, match=r"no measured points.*block-descent"):
        run(monkeypatch, tmp_path, machine, [strange])


def test_the_case_of_a_point_is_its_job():
    point = measured(PDADMM, 2)
    found = case_of(point)
    assert (found.n, found.samples, found.loss, found.solver.name) == (PDADMM.n, 5000, "squared", "pdadmm")


def test_measured_points_and_predictions_are_drawn_apart(monkeypatch, tmp_path, machine):
    from hpcadmm.performance.pages import drawn

    one = study.studied(noisy(TAYLOR, 2), MACHINE, most=100)
    figure = drawn(one.curves, one.network.name)
    for place in figure.axes:
        styles = [(line.get_linestyle(), line.get_marker()) for line in place.get_lines()]
        assert styles.count(("None", "o")) == 2
        assert styles.count(("--", "None")) == 2
        assert "modelled" in [text.get_text() for text in place.texts]
        points = [line for line in place.get_lines() if line.get_marker() == "o"]
        assert all(len(line.get_xdata()) == 2 for line in points), "as many as were measured"


def test_the_case_of_a_job_is_what_training_would_set_up(tmp_path):
    from hpcadmm.comm.world import World
    from hpcadmm.training.setup import set_up

    for text in (job(tmp_path).read_text(), job(tmp_path, "taylor", 2, "hinge").read_text()):
        asked = parse(text)
        found, p = advising.case_of(asked), set_up(asked, World.alone()).problem
        assert (found.n, found.samples, found.tiles()) == (p.network.n, p.tiles.n, p.tiles)


def test_advice_is_the_fewest_ranks_that_are_as_fast(tmp_path):
    case = advising.case_of(parse(job(tmp_path).read_text()))
    found = advising.advice(case, 40, MACHINE, network(MACHINE))
    chosen, fastest = found.chosen, found.tried[0]
    assert found.efficiency(chosen) >= 0.5
    useful = [p for p in found.tried if found.efficiency(p) >= 0.5]
    assert chosen.seconds <= 1.1 * min(p.seconds for p in useful)
    assert all(p.seconds > 1.1 * min(q.seconds for q in useful) for p in useful if p.ranks < chosen.ranks)
    assert fastest.seconds == min(p.seconds for p in found.tried)
    assert {p.grid for p in found.tried if p.ranks == 6} == {(1, 6), (2, 3), (3, 2), (6, 1)}


def test_the_choice_among_given_times():
    def at(ranks, seconds):
        return Prediction(ranks, (1, ranks), seconds, dict.fromkeys(TERMS, 0.0), 1.0)

    alone, two, four, five, nine = at(1, 10.0), at(2, 5.2), at(4, 3.0), at(5, 2.8), at(9, 2.5)
    tried = [nine, five, four, two, alone]
    assert advising.choose(tried, alone) is four, "nine are too many, and four as good as five"
    assert advising.choose([nine], alone) is alone
    found = advising.Advice(TAYLOR, network(MACHINE), alone, tuple(tried), four)
    assert [found.efficiency(p) for p in (alone, two, four)] == pytest.approx([1, 10 / 10.4, 10 / 12])
    assert [p.ranks for p in advising.best_few(found)] == [9, 5, 4, 2, 1]


def test_where_talking_is_dear_the_advice_is_one_rank(tmp_path):
    slow = tmp_path / "slow.toml"
    slow.write_text("latency_us = 1e8\ngigabytes_per_second = 1\nranks_per_node = 1\n")
    found = advising.advice(TAYLOR, 20, MACHINE, network(MACHINE, str(slow)))
    assert found.chosen.ranks == 1


def test_advise_prints_a_table_and_command_lines(tmp_path, machine):
    said = []
    options = {"ranks": 12, "fabric": "200g"}
    file = job(tmp_path)
    assert advising.advising(file, ["solver.rho=2.0", "solver.grid=[1, 2]"], machine, said.append, **options) == 0
    text = "\n".join(said)
    assert "predicted, not measured" in text
    assert text.count("| -> |") == 1
    chosen = next(line for line in said if line.startswith("| -> |")).split("|")[2:4]
    ranks, grid = int(chosen[0]), chosen[1].strip().replace("x", ", ")
    settings = f"--set solver.rho=2.0 --set 'solver.grid=[{grid}]'"
    assert f"mpirun -n {ranks} hpcadmm train {file} {settings}" in text
    assert f"hpcadmm slurm submit {file} {settings} --nodes 1 --ntasks {ranks}" in text
    said.clear()
    advising.advising(file, [], machine, said.append, **options, as_json=True)
    assert json.loads(said[0])["advice"]["ranks"] == ranks


def test_advice_may_use_what_was_fitted(tmp_path, machine):
    fitted = tmp_path / "model.json"
    fitted.write_text(json.dumps({"factors": {"pdadmm": {**dict.fromkeys(FACTORS, 2.0)}}}))
    said, options = [], {"ranks": 3, "as_json": True}
    advising.advising(job(tmp_path), [], machine, said.append, **options)
    advising.advising(job(tmp_path), [], machine, said.append, **options, fitted=fitted)
    plain, slower = (json.loads(text)["one_rank"]["seconds"] for text in said)
    assert slower == pytest.approx(2 * plain)
    with pytest.raises(UsageError, match="no factors of taylor"):
        advising.factors_of(fitted, "taylor")


def test_what_cannot_be_advised_on(tmp_path, machine, unbilled):
    options, drop = {"ranks": 4}, lambda line: None
    with pytest.raises(UsageError, match="does not know the costs of block-descent"):
        advising.advising(job(tmp_path, unbilled), [], machine, drop, **options)
    with pytest.raises(UsageError, match="threads = 2"):
        advising.advising(job(tmp_path), ["threads=2"], machine, drop, **options)
    with pytest.raises(UsageError, match="cannot read the machine file"):
        advising.advising(job(tmp_path), [], tmp_path / "none.json", drop, **options)
    probes = [{**one, "kernels": {"float32": {}}} for one in MACHINE.probes]
    machine.write_text(type(MACHINE)({}, probes).text())
    with pytest.raises(UsageError, match="measured without float32, relu or cross-entropy"):
        advising.advising(job(tmp_path), [], machine, drop, **options)


def test_the_machine_is_measured_by_children(monkeypatch, tmp_path):
    """One for each number of ranks; what they say becomes the file."""
    asked = []

    def child(argv):
        asked.append(argv)
        ranks = int(argv[argv.index("-n") + 1])
        return {**next(one for one in MACHINE.probes if one["ranks"] == ranks), "environment": {}}

    monkeypatch.setattr(measure, "child", child)
    found = measure.measured([1, 2], None, ["--quick"], lambda line: None)
    assert [argv[-3:] for argv in asked] == [["scaling", "probe", "--quick"]] * 2
    measure.write(found, tmp_path / "new" / "m.json")
    assert type(MACHINE).read(tmp_path / "new" / "m.json").rates == MACHINE.rates
    monkeypatch.setattr(measure, "child", lambda argv: {**MACHINE.probes[0], "environment": {}})
    with pytest.raises(UsageError, match="started 1 ranks instead of 2"):
        measure.measured([2], None, [], lambda line: None)


@pytest.mark.parametrize("text", ["x", "0", "3", "1,9", ""])
def test_rank_counts_that_cannot_be_measured(text):
    with pytest.raises(UsageError, match="numbers of ranks from 1 to 2"):
        measure.counts(text, 2)


def test_rank_counts():
    assert measure.counts(None, 1) == [1]
    assert measure.counts(None, 8) == [1, 8]
    assert measure.counts("4,2,2", 8) == [2, 4]
    assert measure.counts("1,64", 8, far=True) == [1, 64]


def test_a_busy_machine_is_doubted():
    assert measure.doubts(MACHINE) == []
    busy = type(MACHINE)({"loads": [0.3, 4.0]}, MACHINE.probes)
    assert "other processes ran" in measure.doubts(busy)[0]


def test_the_command_line(hpcadmm, tmp_path, machine):
    done = hpcadmm("scaling", "advise", job(tmp_path), "--ranks", 4, "--machine", machine, "--fabric", "nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: --fabric nowhere: neither one of this, 100g, 200g nor a file")
    assert "Traceback" not in done.output


SLOW = "latency_us = 50\ngigabytes_per_second = 0.125\nranks_per_node = 1\n"


def test_options_are_advised_where_sums_are_dear(tmp_path, machine):
    (tmp_path / "slow.toml").write_text(SLOW)
    file = job(tmp_path, "mpadmm")
    settings = ["data.features=784", "data.samples=60000", "network.hidden=[300, 300]"]
    near, far = [], []
    for said, fabric in ((near, "this"), (far, str(tmp_path / "slow.toml"))):
        assert advising.advising(file, settings, machine, said.append, ranks=8, fabric=fabric) == 0
    assert any(line.startswith("advice: no option: messages take ") for line in near)
    (advice,) = (line for line in far if line.startswith("advice: solver."))
    key = advice.removeprefix("advice: ").split(": ")[0]
    assert all(f"--set {word}" in far[-1] for word in key.split())
    assert len([line for line in far if line.startswith("| -> |")]) == 2


def test_a_job_that_has_chosen_is_not_offered_options():
    plain = Case(SOLVERS["mpadmm"](), (64, 30, 10), 1000)
    assert len(options.cases(plain)) > 1
    assert len(options.cases(replace(plain, solver=replace(plain.solver, late=1)))) == 1
    assert len(options.cases(TAYLOR)) == 1
