"""Jobs in a real Slurm: all are submitted at once, and each test waits for its own."""

import json
import re
import sys
import time
from pathlib import Path

import pytest

from hpcadmm.comm.launcher import plugin
from hpcadmm.experiments.launcher import mpiexec
from hpcadmm.slurm.plan import changes, write
from hpcadmm.slurm.request import Request
from hpcadmm.slurm.script import Training
from hpcadmm.storage.folders import newest
from tests.slurm.lab import Lab, until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "jobs" / "digits-taylor.toml"
SMALL = ("--set", "network.hidden=[13, 7]", "--set", "data.first=999", "--set", "evaluate.every=5")
SHORT = ("--set", "stop.iterations=20")
HOSTILE = "it is $(touch x) `touch y` ;touch x 100%"
LONG = ("--set", "stop.iterations=1000000", "--set", "network.hidden=[100]")


class Jobs:
    """Jobs by name: the run folder and the id of each."""

    def __init__(self, lab: Lab, folder: Path, mpi: str) -> None:
        self.lab, self.folder, self.mpi = lab, folder, mpi
        self.ids: dict[str, str] = {}

    def run(self, name: str) -> Path:
        return self.folder / name

    def hpcadmm(self, *arguments: object) -> str:
        done = self.lab.call(sys.executable, "-m", "hpcadmm", *arguments, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def submit(self, name: str, *options: object, target: Path = DIGITS) -> str:
        """By the command line."""
        there = () if target.is_dir() else ("--out", self.run(name), *SMALL)
        said = self.hpcadmm("slurm", "submit", target, *there, *options)
        job, folder = said.splitlines()
        assert folder.startswith(f"run folder {self.run(name)}")
        self.ids[name] = job.removeprefix("job ")
        return self.ids[name]

    def put(self, name: str, settings: tuple[str, ...], *sbatch: str, job: Path = DIGITS, **asked: object) -> str:
        """Without it, which is quicker."""
        run = self.run(name)
        mpi = None if asked.get("launcher") == "mpirun" else plugin(self.mpi)
        request = Request(**{"mpi": mpi, "output": run.with_name(f"{name}.out"), **asked})
        words = [word for word in (*SMALL, *settings) if word != "--set"]
        path = write(Training(job, run, words, changes(words), mpiexec()), request)
        done = self.lab.call("sbatch", "--parsable", *sbatch, path)
        assert done.returncode == 0, done.stderr
        self.ids[name] = done.stdout.strip()
        return self.ids[name]

    def ended(self, name: str) -> str:
        return self.lab.wait(self.ids[name])

    def said(self, name: str) -> str:
        out = self.run(name).with_name(f"{name}.out")
        return out.read_text() if out.exists() else ""

    def summary(self, name: str) -> dict:
        return json.loads((self.run(name) / "summary.json").read_text())

    def environment(self, name: str) -> dict:
        return json.loads((self.run(name) / "environment.json").read_text())

    def rows(self, name: str) -> int:
        path = self.run(name) / "metrics.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    def at_work(self, name: str) -> None:
        """Wait until the run has measured, and measures more."""
        before = self.rows(name)
        until(f"{name} iterates\n{self.said(name)}", lambda: self.hurried(name) and self.rows(name) > before + 1, 90)

    def hurried(self, name: str) -> bool:
        self.lab.hurry(self.ids[name])
        return True

    def saved(self, name: str) -> list[str]:
        return [path.name for path in newest(self.run(name) / "checkpoints")]


@pytest.fixture(scope="module")
def jobs(lab, tmp_path_factory, mpi_library):
    """All jobs but those that wait for another."""
    found = Jobs(lab, tmp_path_factory.mktemp("jobs"), mpi_library)
    begin = f"--begin=now+{lab.before_the_limits(8)}"
    endless = found.folder / "endless.toml"
    endless.write_text(re.sub(r"(?m)^iterations = .*", "iterations = 1000000", DIGITS.read_text()))
    found.put("limit", (), begin, job=endless, nodes=2, time="1", signal="USR2@55")
    found.put("low", LONG, partition="low")
    found.put("cancelled", LONG)
    found.put("none", SHORT, nodes=2, mpi="none")
    found.put("unstarted", SHORT, nodes=2, mpi="nosuch")
    found.put("vain", SHORT, setup=[f"source {stub(found.folder, 75)}"])
    found.put("mpirun", SHORT, nodes=2, launcher="mpirun")
    found.put(HOSTILE, SHORT)
    found.put("one", SHORT)
    found.submit("four", *SHORT, "--nodes", 4)
    found.submit("array", *SHORT, "--array", "3,5")
    return found


def stub(folder, code):
    """A file that replaces srun by something that only ends, with this code."""
    file = folder / f"stub-{code}"
    file.write_text(f"srun() {{ return {code}; }}\n")
    return file


def test_one_and_four_nodes_and_mpirun_give_the_same_weights(jobs):
    found = {}
    for name, ranks in (("one", 1), ("four", 4), ("mpirun", 2)):
        assert jobs.ended(name) == "COMPLETED", jobs.said(name)
        assert jobs.summary(name)["ranks"] == ranks
        found[name] = jobs.summary(name)["weights_sha256"]
    assert len(set(found.values())) == 1
    facts = jobs.environment("four")
    assert facts["variables"]["SLURM_JOB_ID"] == jobs.ids["four"]
    assert facts["variables"]["SLURM_JOB_NODELIST"] == "n[1-4]"
    assert sum(len(host["ranks"]) for host in facts["hosts"]) == 4


def test_preempted_it_saves_and_goes_on_when_the_node_is_free_again(jobs):
    jobs.at_work("low")
    jobs.put("high", SHORT, partition="high", setup=[f"source {stub(jobs.folder, 0)}"])
    assert jobs.ended("high") == "COMPLETED", jobs.said("high")
    before = jobs.saved("low")
    assert before
    jobs.at_work("low")
    jobs.lab.ask("scancel", jobs.ids["low"])
    assert jobs.ended("low") == "CANCELLED", jobs.said("low")
    starts = json.loads(jobs.run("low").with_name("low.starts.json").read_text())
    assert [s["restart"] for s in starts] == [0, 1]
    assert starts[1]["iteration"] == int(before[0][10:])


def test_cancelled_it_saves_and_does_not_come_back(jobs):
    jobs.at_work("cancelled")
    jobs.lab.ask("scancel", jobs.ids["cancelled"])
    assert jobs.ended("cancelled") == "CANCELLED"
    until("the run has saved", lambda: jobs.saved("cancelled"), 20)
    until("the summary", lambda: jobs.summary("cancelled")["state"] == "interrupted", 20)
    until("the job is gone", lambda: not jobs.lab.ask("squeue", "-h", "-j", jobs.ids["cancelled"]).strip(), 30)
    assert jobs.lab.job(jobs.ids["cancelled"])["Restarts"] == "0"
    assert "requeue" not in jobs.said("cancelled")
    assert "job " + jobs.ids["cancelled"] not in jobs.lab.ask("squeue", "-h")
    said = jobs.hpcadmm("slurm", "status", jobs.run("cancelled"))
    assert f"{jobs.ids['cancelled']}: CANCELLED" in said
    assert "state      interrupted" in said


def test_an_array_has_a_run_and_a_seed_for_each_task(jobs):
    for task in (3, 5):
        jobs.ids[f"array-{task}"] = f"{jobs.ids['array']}_{task}"
        assert jobs.ended(f"array-{task}") == "COMPLETED", jobs.said(f"array-{task}")
        assert f"seed = {task}\n" in (jobs.run(f"array-{task}") / "job.toml").read_text()
        assert jobs.environment(f"array-{task}")["variables"]["SLURM_ARRAY_TASK_ID"] == str(task)
    assert jobs.summary("array-3")["weights_sha256"] != jobs.summary("array-5")["weights_sha256"]
    found = json.loads(jobs.hpcadmm("slurm", "status", jobs.run("array"), "--json"))
    assert [one["run"] for one in found] == [str(jobs.run(f"array-{task}")) for task in (3, 5)]
    assert [one["slurm"]["state"] for one in found] == ["COMPLETED"] * 2
    assert [one["iterations"] for one in found] == [20, 20]


def test_a_hostile_path_is_a_path(jobs):
    assert jobs.ended(HOSTILE) == "COMPLETED", jobs.said(HOSTILE)
    assert jobs.summary(HOSTILE)["iterations"] == 20
    assert "stopped: 20 iterations" in jobs.said(HOSTILE)
    assert not [path for path in jobs.folder.rglob("*") if path.name in "xy"]


def test_a_wrong_mpi_is_named_with_its_cure_and_starts_no_singletons(jobs):
    assert jobs.ended("none") == "FAILED"
    said = jobs.said("none")
    assert said.count("Error:") == 1
    assert "srun, started 2 processes, but COMM_WORLD has 1" in said
    assert "under Slurm srun --mpi=pm" in said
    assert not jobs.run("none").exists()
    assert jobs.ended("unstarted") == "FAILED"
    assert "MPICH and its derivatives need pmi2" in jobs.said("unstarted")


def test_a_finished_run_ends_at_once_and_a_longer_one_goes_on(jobs):
    assert jobs.ended("one") == "COMPLETED"
    before = (jobs.run("one") / "environment.json").read_text()
    jobs.submit("one", target=jobs.run("one"))
    assert jobs.ended("one") == "COMPLETED"
    assert (jobs.run("one") / "environment.json").read_text() == before
    jobs.submit("one", "--set", "stop.iterations=25", target=jobs.run("one"))
    assert jobs.ended("one") == "COMPLETED", jobs.said("one")
    assert jobs.summary("one")["iterations"] == 25


def test_two_starts_without_progress_are_enough(jobs):
    """srun itself is replaced by something that always says it was interrupted."""
    assert jobs.ended("vain") == "FAILED", jobs.said("vain")
    assert jobs.said("vain").count("no progress in the last 2 starts") == 1
    assert jobs.lab.job(jobs.ids["vain"])["Restarts"] == "2"


def test_the_limit_and_two_signals_and_no_iteration_is_lost(jobs, capsys):
    """The first start is ended by the signal before the time limit, the next two by one that is sent."""
    run, job, waits, reached = jobs.run("limit"), jobs.ids["limit"], [], []

    def queued_again(count):
        facts = jobs.lab.job(job)
        return facts.get("Restarts") == str(count) and facts.get("JobState") == "PENDING"

    until("the limit's signal ends the first start", lambda: queued_again(1), 120)
    reached.append(jobs.saved("limit")[0])
    jobs.lab.ask("scontrol", "update", f"jobid={job}", "TimeLimit=60")
    for count, sent in ((2, "USR1"), (3, "XCPU")):
        jobs.at_work("limit")
        told = time.time()
        jobs.lab.ask("scancel", f"--signal={sent}", job)
        until("it is queued again", lambda count=count: queued_again(count), 90)
        reached.append(jobs.saved("limit")[0])
        waits.append((run / "checkpoints" / reached[-1]).stat().st_mtime - told)
    last = int(reached[-1][10:]) + 7
    toml = run / "job.toml"
    toml.write_text(re.sub(r"(?m)^iterations = .*", f"iterations = {last}", toml.read_text()))
    assert jobs.ended("limit") == "COMPLETED", jobs.said("limit")
    summary = jobs.summary("limit")
    assert (summary["state"], summary["ranks"], summary["iterations"]) == ("finished", 2, last)
    starts = json.loads(run.with_name("limit.starts.json").read_text())
    assert [(s["job"], s["restart"]) for s in starts] == [(job, 0), (job, 1), (job, 2), (job, 3)]
    assert [s["iteration"] for s in starts] == [0, *(int(name[10:]) for name in reached)]
    facts = jobs.environment("limit")
    assert facts["variables"]["SLURM_RESTART_COUNT"] == "3"
    assert len(facts["earlier"]) == 3
    resumable = set(re.findall(r"in iteration (\d+); continue with: hpcadmm resume", jobs.said("limit")))
    assert len(resumable) == 3  # a late rank may say it again, and that the signal was on another rank
    again = ("--set", f"stop.iterations={last}", "--set", "evaluate.every=0")
    jobs.hpcadmm("train", DIGITS, "--out", jobs.run("whole"), *SMALL, *again)
    assert jobs.summary("whole")["weights_sha256"] == summary["weights_sha256"]
    measured = [json.loads(line)["iteration"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(range(5, last + 1, 5)) <= set(measured)
    assert measured == sorted(set(measured))
    with capsys.disabled():
        print(f"\nfrom the signal to the checkpoint on disk: {', '.join(f'{wait:.2f} s' for wait in waits)}")
