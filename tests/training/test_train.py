"""The training loop end to end: same bits at any rank count, resume, stop rules, signals, crashes, damage."""

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from hpcadmm.after.show import show
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.setup import set_up
from tests.conftest import finish, ranks

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "jobs" / "digits-taylor.toml"
SMALL = ("--set", "network.hidden=[13, 7]", "--set", "data.first=999", "--set", "evaluate.every=5", "--quiet")


def small(solver):
    """A smaller job of any solver: without the hidden layers that it cannot train."""
    return SMALL if SOLVERS[solver].most_layers is None else ("--set", "network.hidden=[]", *SMALL[2:])


def job(solver):
    """Every solver has one on the embedded digits."""
    return ROOT / "jobs" / f"digits-{solver}.toml"


def placed(n, layers):
    """The ranks (n, or as `make test-4` asks) as a grid of up to so many blocks of layers."""
    n = ranks(n)
    blocks = max(d for d in range(1, layers + 1) if n % d == 0)
    return ("--set", f"solver.grid=[{blocks}, {n // blocks}]")


def iterations(count):
    return ("--set", f"stop.iterations={count}")


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def saved(folder):
    return sorted(int(path.name.removeprefix("iteration-")) for path in (folder / "checkpoints").iterdir())


WIRES = [("float32", 8), ("float64", "float64")]  # precisions and wires


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """whole(solver): the summary of 20 iterations on one rank, for the runs that must end with the same weights."""
    known = {}

    def run(solver):
        if solver not in known:
            out = tmp_path_factory.mktemp("whole") / "run"
            argv = [sys.executable, "-m", "hpcadmm", "train", str(job(solver)), "--out", str(out)]
            finish([*argv, *small(solver), *iterations(20)], 0, 120, None, out.parent).check()
            known[solver] = summary(out)
        return known[solver]

    return run


@pytest.fixture
def uninterrupted(whole):
    """That of Taylor."""
    return whole("taylor")


# A wrapper of the command line that does something after the `step` of one iteration of one rank.
PATCHED = """
import os, signal, sys
import numpy as np
from hpcadmm.cli import main
from hpcadmm.comm.ending import current_phase
from hpcadmm.solvers import SOLVERS

solver = SOLVERS[{solver!r}]
step, done = solver.step, [0]

def patched(self, s, p, world):
    step(self, s, p, world)
    done[0] += current_phase().startswith("iteration")  # not in the rehearsal
    if done[0] == {iteration} and world.rank == {rank}:
        {deed}

solver.step = patched
sys.argv = ["hpcadmm", *{arguments!r}]
sys.exit(main())
"""


def assert_refused(finished, words, folder):
    """Exit code 2, one message with these words, and no run folder."""
    assert finished.returncode == 2, finished.output
    assert finished.output.count("Error:") == 1
    assert "Traceback" not in finished.output
    for word in words:
        assert word in finished.output
    assert not folder.exists()


@pytest.fixture
def patched(mpirun):
    """patched(n, deed, iteration, rank, *arguments): the command line on n ranks with a deed done in one of them."""

    def run(n, deed, iteration, rank, *arguments):
        solver = arguments[1].stem.removeprefix("digits-")
        arguments = [str(argument) for argument in arguments]
        program = PATCHED.format(solver=solver, iteration=iteration, rank=rank, deed=deed, arguments=arguments)
        return mpirun(n, program, timeout=120)

    return run


COMMANDS = """
import json, sys
from hpcadmm.cli import hpcadmm

for arguments in json.loads(sys.argv[1]):
    print(arguments[:2], file=sys.stderr)
    hpcadmm.main(arguments, prog_name="hpcadmm", standalone_mode=False)
"""


def together(mpirun, n, commands):
    """The same ranks do one command after the other."""
    mpirun(n, ["-c", COMMANDS, json.dumps(commands, default=str)], timeout=240).check()


def test_the_job_of_make_train_reaches_95_percent(hpcadmm, tmp_path):
    finished = hpcadmm("train", DIGITS, "--out", tmp_path / "run", n=2).check()
    result = summary(tmp_path / "run")
    assert result["test_accuracy"] >= 0.95
    assert (result["state"], result["stop_reason"]) == ("finished", "100 iterations")
    assert "test 96" in finished.stdout or "test 95" in finished.stdout
    assert "run folder" in finished.stdout
    first, second, *_ = finished.stderr.splitlines()
    assert first == f"taylor on digits, {finished.n} ranks, run folder: {tmp_path / 'run'}  (0 of 100 iterations done)"
    assert second.startswith("preparing kernels: ")
    assert result["kernels_seconds"] > 0
    assert result["prepare_seconds"] > 0


@pytest.mark.quick
def test_weights_are_bit_identical_at_any_rank_count(mpirun, tmp_path):
    """In float32; in float64 every solver is below. Ranks as threads are tested in solvers/test_ranks.py."""
    solvers = ("taylor", "gadmm")
    found = {solver: set() for solver in solvers}
    for n in (1, 3):
        common = {solver: [*small(solver), *iterations(10), "--set", "precision=float32"] for solver in solvers}
        together(mpirun, n, [["train", job(s), "--out", tmp_path / s / str(n), *common[s]] for s in solvers])
        for solver in solvers:
            result = summary(tmp_path / solver / str(n))
            keys = ("weights_sha256", "objective", "test_accuracy", "train_accuracy")
            found[solver].add(tuple(result[key] for key in keys))
    assert all(len(of_solver) == 1 for of_solver in found.values())


def test_weights_are_bit_identical_on_any_grid(mpirun, tmp_path):
    found = {}
    keys = ("weights_sha256", "objective", "primal_residual", "test_accuracy", "weight_movement", "payload_bytes")
    for n, blocks in ((1, (1,)), (2, (1, 2)), (4, (2,))):
        runs = {(w, layers): tmp_path / f"{w[0]}-{n}-{layers}" for w in WIRES for layers in blocks}
        commands = []
        for ((precision, wire), layers), run in runs.items():
            sets = ("--set", f"precision={precision}", "--set", f"solver.wire={wire}", *placed(n, layers))
            commands.append(["train", job("pdadmm"), "--out", run, *SMALL, *iterations(7), *sets])
        together(mpirun, n, commands)
        for (wire, layers), run in runs.items():
            found[wire, n, layers] = [summary(run)[key] for key in keys]
    assert all(one == found[wire, 1, 1] for (wire, _, _), one in found.items()), found


def test_a_run_goes_on_on_another_grid_bit_for_bit(hpcadmm, tmp_path):
    """On 4 ranks, then 3, then one; with a quantised wire, whose grids the checkpoint keeps too."""
    options = (*SMALL, "--set", "solver.wire=16")
    hpcadmm("train", job("pdadmm"), "--out", tmp_path / "whole", *options, *iterations(8)).check()
    run = tmp_path / "parts"
    hpcadmm("train", job("pdadmm"), "--out", run, *options, *iterations(3), *placed(4, 2), n=4).check()
    for count, n, layers in ((5, 3, 3), (8, 1, 1)):
        hpcadmm("resume", run, "--quiet", *iterations(count), *placed(n, layers), n=n).check()
    for key in ("weights_sha256", "objective", "primal_residual", "payload_bytes"):
        assert summary(run)[key] == summary(tmp_path / "whole")[key]
    assert "grid = [" in (run / "job.toml").read_text()


def test_resume_on_ranks_that_do_not_fit_the_grid_says_how(hpcadmm, tmp_path):
    run = tmp_path / "run"
    hpcadmm("train", job("pdadmm"), "--out", run, *SMALL, *iterations(2), *placed(2, 2), n=2).check()
    before = sorted(path.name for path in run.rglob("*"))
    finished = hpcadmm("resume", run, *iterations(4))
    assert finished.returncode == 2
    assert finished.output.count("Error:") == 1
    assert "solver.grid" in finished.output
    assert "there are 1" in finished.output
    assert sorted(path.name for path in run.rglob("*")) == before
    hpcadmm("resume", run, "--quiet", *iterations(4), *placed(1, 1)).check()


@pytest.mark.parametrize(
    ("n", "overrides", "words"),
    [
        (2, ["solver.grid=[3, 3]"], ["grid of 9 ranks", "start 9", "leave solver.grid out"]),
        (2, ["solver.grid=[4, 1]"], ["3 layers", "at most 3 blocks"]),
        (2, ["solver.grid=[0, 2]"], ["solver.grid", "greater than or equal to 1"]),
        (4, ["network.hidden=[5]", "data.first=60"], ["2 layers x 1 tiles", "at most 2 ranks"]),
        (2, ["network.hidden=[]", "data.first=60"], ["1 layers x 1 tiles", "at most 1 ranks"]),
    ],
    ids=str,
)
def test_grids_and_networks_that_do_not_fit(n, overrides, words):
    """That a refusal leaves nothing behind is tested below."""

    def refused(world):
        with pytest.raises(UsageError) as error:
            set_up(parse(job("pdadmm").read_text(), [*SMALL[1:-1:2], *overrides]), world)
        return str(error.value)

    (said,) = set(on_ranks(n, refused))
    assert all(word in said for word in words)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["solver.grid=[2]"], ["solver.grid"]),
        (["solver.grid=2"], ["solver.grid"]),
        (["solver.stages=[{layers = 2, iterations = 3}]"], ["solver.stages", "all 3"]),
        (["solver.wire=4"], ["solver.wire"]),
        (["solver.update=exact", "solver.penalty=l1", "solver.decay=0.1"], ["solver.penalty", "exact"]),
    ],
    ids=str,
)
def test_what_pdadmm_refuses_as_it_reads_the_job(overrides, words):
    """Before there are ranks that could leave anything behind."""
    with pytest.raises(UsageError) as refused:
        parse(job("pdadmm").read_text(), [*SMALL[1:-1:2], *overrides])
    assert all(word in str(refused.value) for word in words)


def test_stages_that_do_not_fit_the_widths_leave_nothing_behind(hpcadmm, tmp_path):
    stages = "solver.stages=[{layers = 2, iterations = 3}, {layers = 3, iterations = 1}]"
    finished = hpcadmm("train", job("pdadmm"), "--out", tmp_path / "run", *SMALL, "--set", stages, n=2)
    assert_refused(finished, ["layer 2", "13"], tmp_path / "run")


def test_every_solver_trains_and_resumes_bit_for_bit_on_other_ranks(mpirun, tmp_path):
    """15 solvers would need 90 processes."""
    whole, parts, again = [], [], []
    for solver in SOLVERS:
        common = ["train", job(solver), *small(solver)]
        whole.append([*common, "--out", tmp_path / solver / "whole", *iterations(20)])
        parts.append([*common, "--out", tmp_path / solver / "parts", *iterations(11)])
        again.append(["resume", tmp_path / solver / "parts", "--quiet", *iterations(20)])
    for n, commands in ((1, whole), (3, parts), (2, again)):
        together(mpirun, n, commands)
    for solver in SOLVERS:
        one, other = (summary(tmp_path / solver / run) for run in ("whole", "parts"))
        for key in ("weights_sha256", "objective", "primal_residual", "test_accuracy", "train_accuracy"):
            assert other[key] == one[key], (solver, key)


def test_more_ranks_than_tiles_and_samples(hpcadmm, tmp_path):
    sizes = ("data.first=3", "data.first_test=1", "network.hidden=[5]")
    few = (*(word for size in sizes for word in ("--set", size)), "--quiet", *iterations(3))
    for n in (1, 4):
        hpcadmm("train", DIGITS, "--out", tmp_path / str(n), *few, n=n).check()
    assert summary(tmp_path / "1")["weights_sha256"] == summary(tmp_path / "4")["weights_sha256"]


@pytest.mark.quick
def test_ten_and_resume_and_ten_are_twenty(hpcadmm, tmp_path, uninterrupted):
    run = tmp_path / "run"
    hpcadmm("train", DIGITS, "--out", run, *SMALL, *iterations(10)).check()
    hpcadmm("resume", run, "--quiet", *iterations(20), n=2).check()
    result = summary(run)
    assert result["weights_sha256"] == uninterrupted["weights_sha256"]
    assert result["objective"] == uninterrupted["objective"]
    assert [row["iteration"] for row in rows(run)] == [5, 10, 15, 20]
    seconds = [row["seconds"] for row in rows(run)]
    assert seconds == sorted(seconds)
    assert "stop" in (run / "job.toml").read_text()


def test_a_checkpoint_of_weights_restarts_from_them(mpirun, tmp_path):
    """What each solver makes of given weights is tested in solvers/test_ranks.py."""
    runs = {solver: tmp_path / solver for solver in ("taylor", "pdadmm", "gadmm", "adam")}
    common = [*iterations(10), "--set", "save.state=weights"]
    together(mpirun, 3, [["train", job(s), "--out", run, *small(s), *common] for s, run in runs.items()])
    assert all(sum(f.stat().st_size for f in run.glob("checkpoints/*/*")) < 100_000 for run in runs.values())
    together(mpirun, 2, [["resume", run, "--quiet", *iterations(15)] for run in runs.values()])
    for run in runs.values():
        assert summary(run)["iterations"] == 15
        assert summary(run)["test_accuracy"] >= rows(run)[0]["test_accuracy"] - 0.05


def test_a_finished_run_resumed_says_so(hpcadmm, tmp_path):
    run = tmp_path / "run"
    hpcadmm("train", DIGITS, "--out", run, *SMALL, *iterations(5)).check()
    before = summary(run)
    finished = hpcadmm("resume", run).check()
    assert "5 iterations were done before" in finished.stdout
    assert summary(run)["weights_sha256"] == before["weights_sha256"]


RULES = {
    "stop.accuracy=0.5": "reached 0.5",
    "stop.residual=0.9": "primal residual",
    "stop.minutes=1e-9": "minutes of solver time",
}


def test_stop_rules(mpirun, tmp_path):
    """One by a score, one by what the solver measures, one by the clock; each rule is tested in test_stopping.py."""
    common, runs = ["train", DIGITS, *SMALL, *iterations(500)], {rule: tmp_path / rule for rule in RULES}
    together(mpirun, 2, [[*common, "--out", run, "--set", rule] for rule, run in runs.items()])
    for rule, run in runs.items():
        result = summary(run)
        assert RULES[rule] in result["stop_reason"]
        assert result["iterations"] < 500
        assert saved(run)[-1] == result["iterations"] == rows(run)[-1]["iteration"]


@pytest.mark.quick
def test_rows_hold_what_is_promised(hpcadmm, tmp_path):
    hpcadmm("train", DIGITS, "--out", tmp_path / "run", *SMALL, *iterations(5), n=2).check()
    (row,) = rows(tmp_path / "run")
    for key in ("seconds", "objective", "primal_residual", "train_accuracy", "test_accuracy", "bytes", "messages"):
        assert row[key] > 0
    for key in ("compute_seconds", "communicate_seconds"):
        assert 0 <= row[key]["min"] <= row[key]["mean"] <= row[key]["max"] <= row["seconds"]


@pytest.mark.parametrize(
    ("solver", "deed"),
    [
        ("taylor", "s.lam[0, 0] = np.nan"),
        ("pdadmm", "s.z[s.mine[0]][0, 0] = np.nan"),
        ("pdadmm", "s.W[s.mine[-1]][0, 0] = np.inf"),
        ("gadmm", "s.theta.rows[0, 0] = np.nan"),
        ("consensus", "s.lam.rows[0, 0] = np.nan"),
        ("adam", "s.v[1][0, 0] = s.W[1][0, 0] = np.inf"),
    ],
)
def test_nan_on_one_rank_stops_all_and_the_last_good_checkpoint_stays(patched, tmp_path, solver, deed):
    run = tmp_path / "run"
    arguments = ("train", job(solver), "--out", run, *small(solver), *iterations(20), "--set", "save.every=2")
    finished = patched(2, deed, 5, 1, *arguments)
    assert finished.returncode == 1
    assert finished.output.count("NaN or infinity in iteration 5") == 1
    assert "Traceback" not in finished.output
    assert saved(run)[-1] == 4
    assert summary(run)["stop_reason"] == "diverged: NaN or infinity in iteration 5"
    assert summary(run)["state"] == "diverged"
    assert "the last good checkpoint, of iteration 4, is in" in finished.output


def test_a_run_that_diverges_says_what_may_help_and_nothing_else(hpcadmm, tmp_path):
    """No warning of numpy, no empty line, no best iteration where none was measured."""
    rows = [f"{k % 7},{k * 1e10},{k % 2}" for k in range(90)]
    (tmp_path / "big.csv").write_text("\n".join(["a,b,target", *rows]))
    data = ("--data", tmp_path / "big.csv", "--target", "target", "--set", "data.standardise=false")
    options = ("--set", "solver.name=sgd", "--set", "solver.rate=1e6", "--out", tmp_path / "run")
    finished = hpcadmm("train", *data, *options, n=2)
    assert finished.returncode == 1
    (error,) = (line for line in finished.output.splitlines() if line.startswith("Error: diverged"))
    assert re.search(r"smaller solver.rate than 1e\+06; .* b .*data.standardise = true; no checkpoint", error)
    assert not re.search("RuntimeWarning|best:|\n\n", finished.output)


@pytest.mark.parametrize("wire", ["float64", 8])
def test_nan_that_a_neighbour_sends_is_seen(patched, tmp_path, wire):
    """In q, which nobody looks at: w takes it to the layer above, where p and then z show it."""
    run = tmp_path / "run"
    options = (*SMALL, *iterations(20), "--set", "evaluate.every=100", "--set", f"solver.wire={wire}")
    deed = "s.q[s.mine[-1]][0, 0] = np.nan if 1 in s.mine else 0"
    finished = patched(2, deed, 4, 0, "train", job("pdadmm"), "--out", run, *options)
    assert finished.returncode == 1
    assert "Traceback" not in finished.output
    assert re.search("NaN or infinity in iteration [5-7]", summary(run)["stop_reason"])


INTERRUPTED = [("taylor", "SIGUSR2", 1), ("taylor", "SIGTERM", 0), ("pdadmm", "SIGINT", 1), ("lbfgs", "SIGHUP", 0)]


@pytest.mark.parametrize(("solver", "name", "rank"), INTERRUPTED)
def test_a_signal_saves_and_exits_with_75_and_resume_goes_on(patched, hpcadmm, tmp_path, whole, solver, name, rank):
    run = tmp_path / "run"
    deed = f"os.kill(os.getpid(), signal.{name})"
    options = (*small(solver), *iterations(20), "--set", "evaluate.every=10")
    finished = patched(2, deed, 7, rank, "train", job(solver), "--out", run, *options)
    assert finished.returncode == 75, finished.output
    assert f"hpcadmm resume {run}" in finished.output
    assert saved(run) == [7]
    assert (summary(run)["state"], summary(run)["iterations"]) == ("interrupted", 7)
    (row,) = show([run])
    assert (row["iterations"], row["seconds"]) == (7, summary(run)["seconds"])
    assert 0 < row["seconds"] < 60, "though nothing was measured yet"
    hpcadmm("resume", run, "--quiet", n=3).check()
    assert summary(run)["weights_sha256"] == whole(solver)["weights_sha256"]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_that_comes_while_the_ranks_agree_is_not_lost(patched, hpcadmm, tmp_path, uninterrupted, rank):
    """After this rank has said that it had none: they stop one iteration later."""
    run = tmp_path / "run"
    then = "(told(*flags), os.kill(os.getpid(), signal.SIGUSR1), setattr(world, 'max', told))[0]"
    deed = f"told = world.max; world.max = lambda *flags: {then}"
    options = (*small("taylor"), *iterations(20), "--set", "evaluate.every=20")
    finished = patched(2, deed, 7, rank, "train", job("taylor"), "--out", run, *options)
    assert finished.returncode == 75, finished.output
    assert saved(run) == [8]
    hpcadmm("resume", run, "--quiet").check()
    assert summary(run)["weights_sha256"] == uninterrupted["weights_sha256"]


@pytest.mark.parametrize(("solver", "rank"), [("taylor", 0), ("taylor", 1), ("pdadmm", 1)])
def test_kill_9_ends_the_job_and_loses_nothing_that_was_saved(patched, hpcadmm, tmp_path, whole, solver, rank):
    run = tmp_path / "run"
    options = (*small(solver), *iterations(20), "--set", "save.every=3", "--set", "evaluate.every=10")
    arguments = ("train", job(solver), "--out", run, *options)
    finished = patched(2, f"os.kill(os.getpid(), {int(signal.SIGKILL)})", 8, rank, *arguments)
    assert finished.returncode != 0
    assert saved(run) == [3, 6]
    (row,) = show([run])
    assert (row["state"], row["iterations"], row["checkpoint"]) == ("killed", 6, 6)
    assert row["seconds"] > 0
    hpcadmm("resume", run, "--quiet", n=3).check()
    assert summary(run)["weights_sha256"] == whole(solver)["weights_sha256"]


@pytest.mark.parametrize("solver", ["pdadmm", "cg"])
def test_an_exception_on_one_rank_ends_all_with_one_traceback(patched, tmp_path, solver):
    arguments = ("train", job(solver), "--out", tmp_path / "run", *small(solver), *iterations(20))
    finished = patched(2, "raise ZeroDivisionError('on purpose')", 4, 1, *arguments)
    assert finished.returncode != 0
    assert finished.output.count("Traceback (most recent call last)") == 1
    assert f"rank 1 of {finished.n}" in finished.output
    assert "iteration 4" in finished.output


@pytest.mark.quick
def test_a_damaged_checkpoint_is_passed_over(hpcadmm, tmp_path, uninterrupted):
    run = tmp_path / "run"
    hpcadmm("train", DIGITS, "--out", run, *SMALL, *iterations(10), "--set", "save.every=5", n=2).check()
    shard = sorted((run / "checkpoints" / "iteration-0000000010").glob("shard-*"))[-1]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    hpcadmm("resume", run, "--quiet", *iterations(20), n=2).check()
    assert summary(run)["weights_sha256"] == uninterrupted["weights_sha256"]
    assert shard.name in (run / "log.txt").read_text()


def test_a_folder_that_is_used_is_refused(hpcadmm, tmp_path):
    hpcadmm("train", DIGITS, "--out", tmp_path / "run", *SMALL, *iterations(2)).check()
    finished = hpcadmm("train", DIGITS, "--out", tmp_path / "run", *SMALL, *iterations(2), n=2)
    assert finished.returncode == 2
    assert finished.output.count("Error:") == 1
    assert "--out" in finished.output


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("solver.betta=1", ["solver.betta", "unknown key", "beta"]),
        ("data.classes=[3, 99]", ["99"]),
    ],
)
def test_bad_jobs_are_refused_before_any_work(hpcadmm, tmp_path, override, words):
    """One as the job is read (all such are in test_job_faults.py), one as the data are."""
    for n in (0, 2):
        finished = hpcadmm("train", DIGITS, "--out", tmp_path / "run", "--set", override, n=n)
        assert_refused(finished, words, tmp_path / "run")


def test_a_missing_job_and_a_run_that_is_none(hpcadmm, tmp_path):
    for arguments in (("train", tmp_path / "none.toml"), ("resume", tmp_path)):
        finished = hpcadmm(*arguments, n=2)
        assert finished.returncode == 2
        assert finished.output.count("Error:") == 1


def test_resume_refuses_to_become_another_run(hpcadmm, tmp_path):
    hpcadmm("train", DIGITS, "--out", tmp_path / "run", *SMALL, *iterations(2)).check()
    for override in ("solver.beta=2", "seed=1", "data.first=7", "name=other"):
        finished = hpcadmm("resume", tmp_path / "run", "--set", override)
        assert finished.returncode == 2
        assert f"--set {override}" in finished.output
        assert "save.every" in finished.output


def test_resume_refuses_other_data(hpcadmm, tmp_path):
    data, run = tmp_path / "data.csv", tmp_path / "run"
    rows = [f"{k % 7},{k % 5},{k % 2}" for k in range(200)]
    data.write_text("\n".join(rows))
    options = ("--set", "data.name=csv", "--set", f"data.path={data}", "--set", "network.hidden=[4]", "--quiet")
    hpcadmm("train", DIGITS, "--out", run, *options, *iterations(2)).check()
    data.rename(tmp_path / "data2.csv").rename(data)
    hpcadmm("resume", run, "--quiet", *iterations(3)).check()
    data.write_text("\n".join(rows[::-1]))
    finished = hpcadmm("resume", run, "--quiet", *iterations(4), n=2)
    assert finished.returncode == 2
    assert finished.output.count("Error:") == 1
    assert "the data are not those the run began with" in finished.output


def test_print_job_is_a_job(hpcadmm, tmp_path):
    printed = hpcadmm("train", DIGITS, "--print-job", *iterations(3), n=2).check().stdout
    (tmp_path / "again.toml").write_text(printed)
    assert hpcadmm("train", tmp_path / "again.toml", "--print-job").check().stdout == printed
    assert "iterations = 3" in printed
