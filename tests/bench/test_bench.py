"""`hpcadmm bench`: what it prints and that its parts add up; never how fast anything is."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.bench.iteration import against_another, against_floor
from hpcadmm.bench.options import Options
from hpcadmm.bench.subject import WARM, Subject
from hpcadmm.comm.world import World
from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.experiments.launcher import child, usable_cores
from hpcadmm.experiments.report import Report, mark
from hpcadmm.job.job import parse
from hpcadmm.scaling import speedup
from hpcadmm.scaling.speedup import Scaling, scale
from tests.conftest import ranks

Run = Callable[..., Any]
LINE = re.compile(r"FOM (?P<name>[^=]+) = (?P<value>\S+)( \S+)?|NOTE [^=]+ = .+")
JOB = """
precision = "float32"
[data]
name = "synthetic"
features = 6
outputs = 3
samples = 700
test_samples = 50
[network]
hidden = [8, 5]
[loss]
name = "hinge"
[solver]
name = "taylor"
"""
PRODUCTS = [
    *("W1 a0", "z1 a0^T", "W2 h1", "P1 e1", "W2 a1", "z2 a1^T", "a1 a1^T"),
    *("W3 h2", "P2 e2", "W3 a2", "z3 a2^T", "a2 a2^T"),
]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(JOB)
    return path


def strict(text: str) -> dict[str, Any]:
    """Parse JSON that must not hold NaN or Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def figures(text: str) -> dict[str, float]:
    """The figures of printed lines, all of which must parse."""
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    named = [(m["name"], float(m["value"])) for m in found if m and m["name"]]
    assert len(dict(named)) == len(named), "a name stands for one figure"
    return dict(named)


def subject(*overrides: str) -> Subject:
    return Subject.start(parse(JOB, overrides), World.alone())


# What is printed


def test_lines_and_json_hold_the_same() -> None:
    report = Report()
    report.add("count", 3)
    report.seconds("a_seconds[x y^T]", [2.0, 4.0, 3.0])
    report.rate("rate", 12.0, [2.0, 4.0, 3.0], "GFLOP/s")
    report.ratio("ratio", [2.0, 4.0, 6.0], [1.0, 1.0, 2.0])
    report.notes["blas"] = "a = b"
    want = {
        "count": 3,
        "a_seconds[x y^T]": 3.0,
        "a_seconds_min[x y^T]": 2.0,
        "rate": 4.0,
        "rate_best": 6.0,
        "ratio": 3.0,
        "ratio_q1": 2.5,
        "ratio_q3": 3.5,
        "ratio_min": 2.0,
    }
    assert figures(report.text()) == want
    assert strict(report.json())["figures"] == want
    assert "FOM count = 3\n" in report.text()
    assert "FOM rate = 4 GFLOP/s\n" in report.text()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_a_note(value: float) -> None:
    report = Report()
    report.add("x", value)
    report.ratio("y", [1.0, 1.0], [0.0, 1.0])
    found = strict(report.json())
    assert not found["figures"]
    assert set(found["notes"]) == {"x", "y"}


@pytest.mark.parametrize(
    ("target", "at_least", "missed"), [(None, False, False), (2.0, False, False), (1.0, False, True), (2.0, True, True)]
)
def test_a_target(target: float | None, at_least: bool, missed: bool) -> None:
    report = Report()
    report.add("x", 1.5)
    report.aim("x", target, at_least=at_least)
    assert report.missed is missed
    report.aim("not measured", 1.0)
    assert report.missed


# The floor


def test_a_floor_has_the_products_of_the_step_just_made() -> None:
    """Of mpadmm with a refresh every second sweep: sweeps 3, 4 and 5 after the warm ones."""
    one = subject("solver={name = 'mpadmm', batch = 64, cut = 1, warm = 1, refresh = 2}")
    for _ in range(3):
        one.step()
        one.floor()
    refreshed = ["lam1 lam1^T" in products for products in one.floors]
    assert refreshed == [False, True, False]
    assert [sum(flops for _, flops in products.values()) for products in one.floors][-1] == one.bill.flops


@pytest.mark.parametrize(("late", "order"), [(0, "sfsfsf"), (1, "sssfff")])
def test_nothing_comes_between_iterations_whose_sums_travel_on(late: int, order: str, monkeypatch: Any) -> None:
    """A floor there would hide them. Each floor has the products of its iteration in both cases."""
    one = subject(f"solver={{name = 'mpadmm', batch = 64, cut = 1, warm = 1, refresh = 2, late = {late}}}")
    called: list[str] = []
    for name in ("step", "floor"):
        plain = getattr(Subject, name)
        noted = lambda *given, plain=plain, name=name: (called.append(name[0]), plain(*given))  # noqa: E731
        monkeypatch.setattr(Subject, name, noted)
    against_floor(Report(), one, 3)
    assert "".join(called[1:]) == order
    assert ["lam2 lam2^T" in products for products in one.floors] == [False, True, False]


def test_parts_of_the_floor_add_up() -> None:
    report, one = Report(), subject()
    against_floor(report, one, 3)
    found = report.figures
    assert sum(found[f"floor[{name}]"] for name in PRODUCTS) == pytest.approx(found["floor_seconds_min"])
    assert found["floor_seconds_min"] == min(report.samples["floor_seconds"]) <= found["floor_seconds"]
    pairs = zip(report.samples["iteration_seconds"], report.samples["floor_seconds"], strict=True)
    assert found["iteration_over_floor"] == sorted(a / b for a, b in pairs)[1]
    assert found["iterations_done"] == WARM + 3 == one.state.sweeps


# Two jobs


def test_both_jobs_take_the_same_steps_on_shared_data() -> None:
    report, one = Report(), subject()
    other = Subject.start(parse(JOB, ["stop.iterations=3"]), one.world, one)
    assert other.setup is one.setup
    against_another(report, one, other, 3)
    assert report.notes["weights_sha256"] == report.notes["against_weights_sha256"]
    assert report.figures["iterations_done"] == report.figures["against_iterations_done"] == WARM + 3
    assert report.figures["seconds_over_against"] > 0


@pytest.mark.parametrize("override", ["precision='float64'", "seed=1", "data.samples=600", "network.hidden=[4]"])
def test_another_problem_has_its_own_data(override: str) -> None:
    one = subject()
    assert Subject.start(parse(JOB, [override]), one.world, one).setup is not one.setup


def test_memory_that_a_rank_holds() -> None:
    one = subject()
    p, n, m = one.setup.problem, (6, 8, 5, 3), 700
    parts = sum(np.asarray(x).nbytes for part in (p.train, p.test) for x in (part.x, part.y, part.labels))
    columns = 4 * m * ((8 + 1) + (5 + 1) + sum(n[1:]) + n[-1])
    assert 0 < one.held_bytes - parts - columns < 10_000  # weights and sums


def test_the_peak_is_that_of_this_process(spawn: Run) -> None:
    """One that a large process starts begins anew."""
    show = "from hpcadmm.bench.timing import peak_bytes; print(peak_bytes())"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {show!r}])"
    code = f"import numpy; x = numpy.ones(50_000_000); {show}; {start}"
    large, small = map(int, spawn(0, "-u", "-c", code).check().stdout.split())
    assert small < 400e6 < large


# The command


def test_the_machine_alone(hpcadmm: Run) -> None:
    found = figures(hpcadmm("bench", "--iterations", 1).check().stdout)
    assert found.keys() >= {"gemm_gflops", "gemm_gflops[float32]", "triad_gb_per_second", "ranks", "threads", "cores"}
    assert not any(name.startswith(("iteration", "floor", "allreduce")) for name in found)
    assert found["gemm_gflops"] == found["gemm_gflops[float64]"]
    assert found["gemm_gflops[bfloat16]"] > 0
    assert min(found.values()) >= 0


def test_a_job_on_two_ranks(hpcadmm: Run, job: Path) -> None:
    done = hpcadmm("bench", job, "--iterations", 2, "--warm", 1, "--json", n=2).check()
    report = strict(done.stdout)
    found = report["figures"]
    wanted = [
        *("iteration_seconds", "iteration_seconds_min", "floor_seconds", "floor_seconds_min"),
        *("iteration_over_floor", "iteration_over_floor_min", "iteration_over_floor_cpu", "communicate_share"),
        *("iteration_gemm_gflops", "gemm_gflops", "peak_memory_mb", "memory_bar_mb"),
        *("memory_over_bar", "pingpong_seconds", "pingpong_gb_per_second", "allreduce_bytes"),
        *("triad_total_gb_per_second", "load_before", "load_after"),
    ]
    wanted += ["allreduce_seconds[8 B]", "allreduce_seconds[job]", *(f"floor[{name}]" for name in PRODUCTS)]
    assert not set(wanted) - set(found)
    assert all(found[name] > 0 for name in found if "_over_" in name or "gflops" in name or "seconds" in name)
    assert found["ranks"] == done.n
    assert found["gemm_gflops"] == found["gemm_gflops[float32]"]
    assert sum(found[f"floor[{name}]"] for name in PRODUCTS) == pytest.approx(found["floor_seconds_min"])
    assert found["allreduce_bytes"] * found["messages_per_iteration"] <= found["bytes_per_iteration"]
    assert found["memory_over_bar"] == pytest.approx(found["peak_memory_mb"] / found["memory_bar_mb"])
    assert len(report["samples"]["iteration_seconds"]) == len(report["samples"]["floor_seconds"]) == 2
    assert found["iterations_done"] == 3
    parts = [report["samples"][f"{part}_seconds"] for part in ("compute", "communicate", "wait")]
    assert [sum(one) for one in zip(*parts, strict=True)] == pytest.approx(report["samples"]["iteration_seconds"])
    assert found["imbalance"] >= 1
    assert found["samples_per_second"] == pytest.approx(700 / found["iteration_seconds"])
    problem = {"name": "small", "solver": "taylor", "sizes": [6, 8, 5, 3], "samples": 700, "samples_per_iteration": 700}
    lies = {"precision": "float32", "threads": 1, "ranks": done.n, "grid": [1, done.n]}
    assert report["problem"] == problem | lies
    assert report["environment"]["ranks"] == done.n
    assert "architecture" in report["environment"]["blas"][0]


def test_exact_steps_of_workers_take_all_samples_and_those_of_adam_their_minibatches() -> None:
    text = JOB.replace('"taylor"', '"gadmm"\nworkers = 3').replace("[8, 5]", "[]").replace('"hinge"', '"cross-entropy"')
    assert Subject.start(parse(text), World.alone()).problem["samples_per_iteration"] == 700
    adam = parse(text, ["solver.local=adam", "solver.batch=20", "solver.local_steps=2"])
    assert Subject.start(adam, World.alone()).problem["samples_per_iteration"] == 2 * 700 // 12


def test_lines_and_the_exit_code_of_a_target(hpcadmm: Run, job: Path) -> None:
    arguments = ("bench", job, "--iterations", 2, "--only", "floor", "--target")
    met, missed = hpcadmm(*arguments, 1e9), hpcadmm(*arguments, 1e-9, n=2)
    assert (met.returncode, missed.returncode) == (0, 1), met.output + missed.output
    assert figures(met.stdout).keys() == figures(missed.stdout).keys() >= {"iteration_over_floor"}
    assert "gemm_gflops[float32]" not in figures(met.stdout)
    assert "iteration_over_floor <= 1e-09: missed" in missed.stdout


def test_the_first_iteration_against_later_ones(hpcadmm: Run, job: Path) -> None:
    done = hpcadmm("bench", job, "--only", "first", "--target", 1e9, "--json", n=2).check()
    report = strict(done.stdout)
    found, samples = report["figures"], report["samples"]["iteration_seconds"]
    assert found["first_over_later"] == pytest.approx(samples[0] / np.median(samples[1:]))
    assert len(samples) > 60
    assert found["kernels_seconds"] > 0


def test_against_plain_sums(hpcadmm: Run, job: Path) -> None:
    arguments = ("bench", job, "--iterations", 2, "--only", "iteration", "--against", "solver.sums=plain", "--json")
    report = strict(hpcadmm(*arguments, n=2).check().stdout)
    names = {"seconds_over_against", "seconds_over_against_min", "against_iteration_seconds", "iteration_seconds"}
    assert names <= report["figures"].keys()
    assert "iteration_over_floor" not in report["figures"]
    assert report["notes"]["against"] == "solver.sums=plain"
    assert report["figures"]["seconds_over_against"] > 0


PDADMM = ("--set", "solver.name=pdadmm", "--json")


def test_layers_dealt_to_two_ranks(hpcadmm: Run, job: Path) -> None:
    """Ranks have products of their own; those of the slowest are told, and add up."""
    done = hpcadmm("bench", job, "--iterations", 2, "--only", "floor", "--only", "iteration", *PDADMM, n=2).check()
    report = strict(done.stdout)
    found = report["figures"]
    products = [name for name in found if name.startswith("floor[")]
    everything = {f"floor[{name}{l}" for l in (1, 2, 3) for name in ("D", "z", "W")}
    assert 2 <= len(products) < 10
    assert all(name.startswith(tuple(everything)) for name in products)
    assert sum(found[name] for name in products) == pytest.approx(found["floor_seconds_min"])
    assert found["ranks"] == done.n
    assert found["iteration_over_floor"] > 0
    assert found["messages_per_iteration"] >= 1
    assert found["iterations_done"] == WARM + 2


@pytest.mark.parametrize(
    ("against", "same"), [("solver.grid=[1, RANKS]", True), ("solver.wire=8", False), ("solver.sums=plain", None)]
)
def test_against_another_grid_or_wire(hpcadmm: Run, job: Path, against: str, same: bool | None) -> None:
    """Another grid has data of its own and takes the same steps."""
    against = against.replace("RANKS", str(ranks(2)))
    report = strict(hpcadmm("bench", job, "--iterations", 2, "--against", against, *PDADMM, n=2).check().stdout)
    assert report["figures"]["seconds_over_against"] > 0
    assert report["notes"]["against"] == against
    if same is not None:
        assert (report["notes"]["weights_sha256"] == report["notes"]["against_weights_sha256"]) is same


def test_a_grid_of_other_ranks_is_refused(hpcadmm: Run, job: Path) -> None:
    for arguments in (("--set", "solver.grid=[3, 3]"), ("--against", "solver.grid=[3, 3]")):
        done = hpcadmm("bench", job, "--iterations", 1, *PDADMM, *arguments, n=2)
        assert done.returncode == 2, done.output
        assert done.stderr.count("solver.grid") >= 1
        assert done.stderr.count("Error:") == 1
        assert "Traceback" not in done.stderr


def test_scaling(hpcadmm: Run, job: Path) -> None:
    arguments = ("bench", job, "--scaling", "--iterations", 2, "--repeats", 1, "--oversubscribe", "--target", 1e-9)
    found = figures(hpcadmm(*arguments, timeout=120).check().stdout)
    two = mark(usable_cores() < 2)
    assert found[two + "speedup[2]"] > 0
    ratio = found["iteration_seconds_min[1]"] / found[two + "iteration_seconds_min[2]"]
    assert found[two + "speedup_min[2]"] == pytest.approx(ratio, rel=1e-4)
    assert found["weights_agree"] == 1


def test_figures_of_more_ranks_than_cores_are_marked() -> None:
    assert (mark(False), mark(True)) == ("", "oversubscribed_")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "a.b=1"], "name the JOB"),
        (["--scaling"], "name the JOB"),
        (["--against", "seed=1"], "name the JOB"),
        (["--only", "floor"], "name the JOB"),
        (["--target", "1.1"], "needs a ratio"),
        (["JOB", "--only", "iteration", "--target", "1.1"], "needs a ratio"),
        (["JOB", "--only", "floor", "--against", "seed=1"], "one after the other"),
        (["JOB", "--only", "first", "--only", "floor"], "one first iteration"),
        (["--only", "first"], "name the JOB"),
        (["JOB", "--against", "solver.sums=fancy"], "solver.sums"),
        (["JOB", "--iterations", "0"], "--iterations"),
        (["JOB", "--ranks", "1,2"], "needs --scaling"),
        (["JOB", "--scaling", "--only", "floor"], "cannot be combined with --scaling"),
        (["JOB", "--scaling", "--ranks", "2"], "two or more"),
        (["JOB", "--scaling", "--ranks", "2,1"], "increasing"),
        (["JOB", "--scaling", "--ranks", "1,99999"], "--oversubscribe"),
        (["JOB", "--scaling", "--oversubscribe", "--launcher", "no-such-launcher"], "no-such-launcher"),
        (["JOB", "--scaling", "--oversubscribe", "--set", "solver.beta=-1"], "solver.beta"),
        (["no-such-file.toml"], "no-such-file.toml"),
    ],
)
def test_what_will_not_do(inside: Run, job: Path, arguments: list[str], says: str) -> None:
    done = inside("bench", *(str(job) if a == "JOB" else a for a in arguments))
    assert done.returncode == 2, done.output
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_errors_on_several_ranks_are_said_once(hpcadmm: Run, job: Path) -> None:
    done = hpcadmm("bench", job, "--set", "network.hidden=[0]", n=2)
    assert done.returncode == 2, done.output
    assert done.stderr.count("network.hidden") == 1


def test_scaling_under_a_launcher_is_refused(hpcadmm: Run, job: Path) -> None:
    done = hpcadmm("bench", job, "--scaling", n=2)
    assert done.returncode == 2, done.output
    assert "run it without" in done.stderr


def test_a_command_that_fails_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="exit code 3"):
        child(["sh", "-c", "exit 3"])
    with pytest.raises(RuntimeError, match="no report"):
        child(["echo", "hello"])
    with pytest.raises(UsageError, match="that is wrong"):
        child(["sh", "-c", "echo Error: that is wrong >&2; exit 2"])
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(UsageError, match="run it without"):
        scale(Path("any.toml"), (), Scaling())


def test_what_is_measured_by_default() -> None:
    assert [part for part in ("machine", "floor", "iteration") if Options().wants(part)] == [
        "machine",
        "floor",
        "iteration",
    ]
    assert not Options(against=("seed=1",)).wants("floor")
    assert not Options(only=("floor",)).wants("machine")


def test_a_signal_during_scaling_keeps_nothing(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> int:
        raise Interrupted("SIGTERM: the same command continues: somewhere")

    monkeypatch.setattr(speedup, "take_all", stopped)
    with pytest.raises(Interrupted, match=r"^SIGTERM: the measurement was stopped, and nothing of it is kept$"):
        scale(job, (), Scaling(oversubscribe=True))


def test_a_process_of_scaling_that_fails_ends_it(job: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no >&2; exit 3\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match="1_0 failed: no"):
        scale(job, (), Scaling(launcher=str(broken), oversubscribe=True))
