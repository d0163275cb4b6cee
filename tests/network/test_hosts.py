"""Training, a kill, a resume on other hosts, a host that stops, and doctor, on two hosts over TCP."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from hpcadmm.storage.folders import iteration_of, newest
from tests.conftest import ROOT, kill_session
from tests.slurm.lab import until

pytestmark = [pytest.mark.network, pytest.mark.timeout(120)]

JOB = ROOT / "jobs" / "digits-mpadmm.toml"
SMALL = ("--set", "network.hidden=[13, 7]", "--set", "evaluate.every=0", "--set", "save.every=50", "--quiet")
ENDLESS = ("--set", "stop.iterations=1000000000")
SLOWEST = 40  # seconds that doctor may take on a slow network; alone on two cores it takes 10


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def started(hosts, run, **env):
    """An endless run that has saved."""
    process = hosts.start("train", JOB, *SMALL, *ENDLESS, "--out", run, **env)
    until("a checkpoint", lambda: process.poll() is not None or newest(run / "checkpoints"))
    assert process.poll() is None, process.communicate()
    return process


def said(process, seconds=30):
    """What a program printed, which should end by itself, with an error."""
    try:
        output, _ = process.communicate(timeout=seconds)
    finally:
        kill_session(process.pid)
    assert process.returncode
    return output


def test_a_rank_is_killed_and_the_run_goes_on_elsewhere(hosts, tmp_path):
    """kill -9 on one host; resume on the other one alone, then with two ranks on each: the weights of an undisturbed
    run."""
    run = tmp_path / "run"
    process = started(hosts, run)
    os.kill(hosts.rank_on("node2"), signal.SIGKILL)
    said(process)
    saved = iteration_of(newest(run / "checkpoints")[0])
    for more, ranks, layout in ((7, 1, {"HPCADMM_HOSTS": "node1"}), (20, 4, {"HOST_SLOTS": "2"})):
        hosts.run("resume", run, "--set", f"stop.iterations={saved + more}", "--quiet", ranks=ranks, **layout).check()
        assert (summary(run)["iterations"], summary(run)["ranks"]) == (saved + more, ranks)
    facts = json.loads((run / "environment.json").read_text())
    assert [(one["host"], one["ranks"]) for one in facts["hosts"]] == [("node1", [0, 1]), ("node2", [2, 3])]
    whole = tmp_path / "whole"
    hosts.run("train", JOB, *SMALL, "--set", f"stop.iterations={saved + 20}", "--out", whole, ranks=1).check()
    assert summary(whole)["weights_sha256"] == summary(run)["weights_sha256"]


@pytest.mark.parametrize("way", ["stopped", "unplugged"])
def test_the_host_that_does_not_answer_is_named(hosts, tmp_path, way):
    process = started(hosts, tmp_path / "run", HPCADMM_WATCHDOG="2")
    try:
        if way == "stopped":
            os.kill(hosts.rank_on("node2"), signal.SIGSTOP)
        else:
            hosts.script("link", "node2", "down")
        output = said(process)
    finally:
        hosts.script("link", "node2", "up")
    assert "rank 0 of 2 on node1, phase: " in output
    assert "no answer from rank 1 on node2: stopped, or its host or network is down" in output


def test_doctor_measures_a_slow_network_in_time(hosts):
    hosts.script("rate", "100mbit")
    try:
        done = hosts.run("doctor", "--json", timeout=SLOWEST).check()
    finally:
        hosts.script("rate", "none")
    found = {one["name"]: one["text"] for one in json.loads(done.stdout)}
    assert "1 on node1, 1 on node2" in found["ranks"]
    assert "1 of 1 pairs of hosts" in found["network"]
    speeds = [float(speed) for speed in re.findall(r"([\d.e-]+) GB/s", found["network"])]
    assert speeds == pytest.approx([0.0125, 0.0125], rel=0.15)
    assert "node1 - node2" in found["network"]
