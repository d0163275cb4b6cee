"""The commands as a user starts them, with real ranks; kept short."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpcadmm.scaling.experiment import points
from hpcadmm.scaling.folder import measurements
from tests.conftest import ROOT, environment
from tests.helpers.studies import experiment, sampled

REFRAME = ROOT / "jobs/scaling/reframe_hpcadmm.py"


@pytest.mark.mpi
def test_reframe_runs_what_is_missing_and_reads_the_figures(tmp_path):
    """The last sample of two ranks is taken by ReFrame."""
    reframe = Path(sys.executable).parent / "reframe"
    if not reframe.exists() and shutil.which("reframe") is None:
        pytest.skip("no ReFrame here")
    quick = ROOT / "jobs/scaling/quick.toml"
    folder = sampled(quick, tmp_path / "out", 5)
    last = folder.path / "samples/2_4.json"
    last.unlink()
    script = tmp_path / "hpcadmm"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m hpcadmm "$@"\n')
    script.chmod(0o755)
    words = ["-c", REFRAME, "-r", "--prefix", tmp_path / "rf", "--report-file", tmp_path / "reframe.json"]
    settings = ["-S", f"folder={folder.path}", "-S", f"program={script}"]
    env = environment({"OMP_NUM_THREADS": None, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)})
    argv = [str(reframe) if reframe.exists() else "reframe", *map(str, [*words, *settings])]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.exists()
    found = json.loads(last.read_text())
    assert found["session"]["command"][1:5] == ["-n", "2", "hpcadmm", "bench"]
    assert found["report"]["problem"]["grid"] == [1, 2]
    (case,) = json.loads((tmp_path / "reframe.json").read_text())["runs"][0]["testcases"]
    values = {name.split(":")[-1]: value[0] for name, value in case["perfvalues"].items()}
    assert values["efficiency[1]"] == 1.0
    assert values["slowest"] == max(value for name, value in values.items() if name.startswith("iteration_seconds"))
    assert {"iteration_seconds[1]", "gflops[1]"} <= set(values)
    two = [one for one in measurements(folder.path) if one.ranks == 2]
    assert all(one.sizes == (64, 100, 10) and len(one.seconds) == 20 for one in two)
    sha = {json.loads(f.read_text())["report"]["notes"]["weights_sha256"] for f in (folder.path / "samples").iterdir()}
    assert len(sha) == 1


@pytest.mark.mpi
def test_a_training_to_a_target(tmp_path):
    path = experiment(tmp_path, kind="accuracy", target=0.2, iterations=None, ranks=[1])
    folder = sampled(path, tmp_path / "out", 1)
    (sample,) = [folder.sample(point, 0) for point in points(folder.experiment())]
    assert sample.seconds == [sample.report["samples"]["curve"][-1][0]]
    assert sample.report["samples"]["curve"][-1][1] >= 0.2
    assert sample.report["figures"]["iterations_done"] < 6
    assert sample.report["environment"]["hosts"]
    parts = [sample.report["figures"][f"{part}_seconds"] for part in ("compute", "communicate", "wait")]
    assert sum(parts) == pytest.approx(sample.seconds[0])
    assert not list((tmp_path / "out/runs").iterdir())


def test_bad_files_and_folders_are_one_message(hpcadmm, tmp_path):
    experiment(tmp_path, ranks=[1, 1])
    done = hpcadmm("scaling", "run", tmp_path / "study.toml", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert "ranks = [1, 1]: write increasing numbers" in done.stderr
    done = hpcadmm("scaling", "report", tmp_path)
    assert done.returncode == 2
    assert "is not the folder of a scaling experiment" in done.stderr
    assert "Traceback" not in done.output
