"""Experiments whose samples were never taken: their seconds are what a formula says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpcadmm.experiments.launcher import Relay
from hpcadmm.scaling.experiment import Experiment, Point, planned, points, read
from hpcadmm.scaling.folder import Folder, Sample, claim
from hpcadmm.scaling.sampling import Sampler
from tests.conftest import mpiexec
from tests.helpers.made import TAYLOR

JOB = TAYLOR.removesuffix("[evaluate]\nevery = 2\n").replace('"{name}"', '"small"\nprecision = "float32"')
SYNTHETIC = JOB.replace('"digits"', '"synthetic"').replace("first = 300\nfirst_test = 100", "samples = 50")
PDADMM = JOB.replace('"taylor"', '"pdadmm"').replace('"hinge"', '"squared"')
SESSION = {"command": ["mpiexec"], "started": "2026-01-01T00:00:00Z", "wall_seconds": 2.0, "load_before": 0.5,
           "load_after": 1.5}  # fmt: skip
ENVIRONMENT = {
    "commit": {"commit": "0123456789abcdef", "changed": False},
    "hosts": [{"host": "a", "processor": "one", "cores": 2, "ranks": [0]}],
    "blas": [{"internal_api": "openblas", "version": "0.3", "architecture": "Zen"}],
    "mpi": {"library": "MPICH 5"},
}
Seconds = Callable[[Point, int], list[float]]


def experiment(folder: Path, text: str = "", source: str = JOB, kind: str = "strong", **keys: Any) -> Path:
    """An experiment file with a job beside it."""
    (folder / "small.toml").write_text(source)
    keys = {"job": "small.toml", "kind": kind, "ranks": [1, 2], "repeats": 5, "iterations": 3} | keys
    shown = {k: json.dumps(v) for k, v in keys.items() if v is not None}  # JSON of these is TOML
    path = folder / "study.toml"
    path.write_text("".join(f"{key} = {value}\n" for key, value in shown.items()) + text)
    return path


def report(seconds: list[float], point: Point, sha: str = "same", **figures: Any) -> dict[str, Any]:
    """What a process would have said."""
    middle = sorted(seconds)[len(seconds) // 2] if seconds else 1.0
    found = {
        "ranks": point.ranks,
        "objective": 10.0,
        "iterations_done": 5,
        "iteration_gemm_gflops": 40.0 / point.ranks,
        "iteration_over_floor": 1.25,
        "iteration_cpu_share": 1.0,
        "samples_per_second": 300 / middle,
        "compute_seconds": 0.8 * middle,
        "communicate_seconds": 0.15 * middle,
        "wait_seconds": 0.05 * middle,
        "imbalance": 1.1,
        **figures,
    }
    layers, columns = point.grid or (1, point.ranks)
    problem: dict[str, Any] = {"solver": "taylor", "sizes": [64, 12, 10], "samples": 300, "precision": "float32"}
    problem["grid"] = [layers, columns]
    kept = {"figures": {k: v for k, v in found.items() if v is not None}, "notes": {"weights_sha256": sha}}
    return {**kept, "samples": {"iteration_seconds": seconds}, "environment": ENVIRONMENT, "problem": problem}


def fill(folder: Folder, seconds: Seconds, cores: int = 2, repeats: int | None = None, **more: Any) -> None:
    """Every sample, or those of the first repeats."""
    one: Experiment = folder.experiment()
    for point in points(one):
        for repeat in range(one.repeats if repeats is None else repeats):
            found = report(seconds(point, repeat), point, **more)
            put(folder, Sample(point, repeat, cores, found, SESSION))


def put(folder: Folder, sample: Sample) -> None:
    folder.sample_file(sample.point, sample.repeat).write_text(sample.text())


def study(path: Path, seconds: Seconds, out: str = "out", **more: Any) -> Folder:
    """A folder with all its samples. path: the experiment file."""
    one = read(path)
    with claim(path.parent / out, one, planned(one, path), one.ranks) as folder:
        fill(folder, seconds, **more)
    return folder


def sampled(path: Path, out: Path, repeats: int) -> Folder:
    """One real sample of each point; the other repeats, to the number of them, are copies."""
    one, plan = read(path), planned(read(path), path)
    with claim(out, one, plan, one.ranks) as folder, Relay() as relay:
        for point, job in zip(points(one), plan, strict=True):
            sample = Sampler(folder, one, mpiexec(), print)(job, point, 0, relay)
            assert sample is not None
            for repeat in range(1, repeats):
                put(folder, replace(sample, repeat=repeat))
    return folder
