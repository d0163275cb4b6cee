"""hpcadmm doctor: the findings, their cures and the exit code."""

import json
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from hpcadmm.cli.doctor import as_text
from hpcadmm.comm import probe
from hpcadmm.comm.world import World
from hpcadmm.doctor import checks as doctor
from hpcadmm.doctor import messages
from hpcadmm.products import rates
from hpcadmm.storage.lock import locks

NAMES = {"MPI library", "launcher", "ranks", "cores", "BLAS", "products", "numba cache", "HDF5", "folder", "locks"}


def fact(host="a", cores=(0, 1), threads=1, blas="openblas 0.3 Haswell"):
    return {"host": host, "cores": list(cores), "threads": threads, "blas": blas}


@pytest.mark.parametrize("n", [0, 3])
def test_doctor_reports_once(hpcadmm, n):
    done = hpcadmm("doctor", "--json", n=n).check()
    findings = json.loads(done.stdout)
    names = {finding["name"] for finding in findings}
    assert names == NAMES | ({"ping-pong", "Allreduce"} if done.n > 1 else {"messages"})
    assert {finding["level"] for finding in findings} <= {"ok", "warning"}
    assert all(finding["cure"] for finding in findings if finding["level"] != "ok")


def test_doctor_as_text():
    found = [doctor.hosts([fact(), fact("b")]), *doctor.cores([fact(threads=3)])]
    assert click.unstyle(as_text(found)).splitlines() == [
        f"ok       {'ranks':12} 2: 1 on a, 1 on b",
        f"warning  {'cores':12} {found[1].text}",
        f"{'':21} -> {found[1].cure}",
    ]


def test_a_folder_that_is_missing_is_an_error(hpcadmm):
    done = hpcadmm("doctor", "--folder", "nosuch", n=2)
    assert done.returncode == 1
    assert "No such file" in done.stdout
    assert "--folder DIR" in done.stdout


def test_a_launcher_that_does_not_match_is_an_error(hpcadmm):
    env = {"MV2_COMM_WORLD_SIZE": "4", "MV2_COMM_WORLD_RANK": "0"}
    done = hpcadmm("doctor", env=env)
    assert done.returncode == 1
    assert "started 4 processes, but COMM_WORLD has 1" in done.stdout
    assert hpcadmm("doctor", env=env | {"MV2_COMM_WORLD_RANK": "1"}).output == ""


@pytest.mark.parametrize(
    ("facts", "levels", "text"),
    [
        ([fact(threads=2), fact(threads=2)], ["warning"], "more threads than cores"),
        ([fact(cores=[0]), fact(cores=[0]), fact(cores=[1])], ["warning", "ok"], "bound to the same cores [0]"),
        ([fact(threads=2), fact("b", threads=2)], ["ok", "ok"], "ranks 1, threads 2, cores 2"),
    ],
)
def test_each_thread_needs_a_core(facts, levels, text):
    found = list(doctor.cores(facts))
    assert [finding.level for finding in found] == levels
    assert text in found[0].text


def test_what_open_mpi_needs_before_its_mpirun_starts(monkeypatch):
    for name in (*doctor.AS_ROOT, doctor.MAPPING, "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor.os, "geteuid", lambda: 0)
    refused, few = doctor.open_mpi("Open MPI 5.0.11 (MPI 3.1), mpi4py 4.1.2")
    assert refused.level == "warning"
    assert refused.cure == "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
    assert few.cure == "for more: export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe"
    for line in (refused.cure, few.cure):
        for pair in line.partition("export ")[2].split():
            monkeypatch.setenv(*pair.split("=", 1))
    assert list(doctor.open_mpi("Open MPI 5.0.11")) == []
    monkeypatch.delenv(doctor.MAPPING)
    assert list(doctor.open_mpi("MPICH 5.0.2")) == []
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert list(doctor.open_mpi("Open MPI 5.0.11")) == [], "it runs"


def test_unequal_blas_is_a_warning(monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    (finding,) = doctor.blas([fact(), fact(blas="openblas 0.3 SkylakeX")])
    assert finding.level == "warning"


def test_forced_kernels_are_a_warning(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setattr(doctor, "own_kernels", lambda: "SkylakeX")
    (finding,) = doctor.blas([fact()])
    assert finding.cure == "unset OPENBLAS_CORETYPE"


def test_locks(tmp_path):
    assert locks(tmp_path)
    assert doctor.lock(tmp_path, locks).level == "ok"
    assert doctor.lock(tmp_path, lambda folder: False).level == "warning"


def test_nothing_is_left_in_the_folder(tmp_path):
    assert [finding.level for finding in doctor.disk(tmp_path)] == ["ok"] * 3
    assert list(tmp_path.iterdir()) == []


def test_a_ping_pong_needs_two_ranks():
    with pytest.raises(ValueError, match="two ranks"):
        probe.pingpong(World.alone(), 8)


def test_figures_are_the_same_on_all_ranks(mpirun, tmp_path):
    program = """
import json
from hpcadmm.comm import probe
from hpcadmm.comm.world import World
from hpcadmm.products import rates
world = World()
figures = [probe.pingpong(world, 100), probe.pingpong(world, 100_000), probe.allreduce(world, 9)]
figures += [x for pair in probe.pairs(world, range(world.size), 4096) for x in (pair.latency, pair.bandwidth)]
with open(f"rank-{world.rank}.json", "w") as file:
    json.dump(figures, file)
"""
    done = mpirun(3, program).check()
    first, *others = [json.loads(Path(tmp_path, f"rank-{rank}.json").read_text()) for rank in range(done.n)]
    assert len(first) == 3 + done.n * (done.n - 1)
    assert all(figure > 0 for figure in first)
    assert others == [first] * (done.n - 1)


@pytest.mark.parametrize(("faster", "level"), [("bfloat16", "ok"), ("float32", "warning")])
def test_the_faster_precision_is_named(monkeypatch, faster, level):
    calls = {"float32": [], "bfloat16": []}
    monkeypatch.setattr(rates, "square", lambda name, n: calls[name])
    monkeypatch.setattr(doctor, "seconds", lambda call: 1.0 if call is calls[faster] else 2.0)
    found = doctor.products()
    assert found.level == level
    assert 'precision = "float32"' in found.cure or level == "ok"
    assert f"{faster} 2 GFLOP/s" in found.text
    assert "numkong" in found.text


def test_the_package_of_bfloat16_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(rates, "installed", lambda: False)
    found = doctor.products()
    assert found.level == "ok"
    assert "pip install 'hpcadmm[bf16]'" in found.text


def test_a_measurement_ends_when_its_seconds_are_spent(monkeypatch):
    calls = []
    monkeypatch.setattr(probe, "there_and_back", lambda world, both, nbytes: lambda: calls.append(nbytes))
    world = World.alone()
    world.size = 2
    probe.pingpong(world, 8)
    assert len(calls) == probe.WARM + 10 * probe.IN_A_ROW
    monkeypatch.setattr(probe, "BUDGET", 1e-9)
    probe.pingpong(world, 1 << 20)
    assert calls.count(1 << 20) == 1


@pytest.mark.parametrize(("slow", "level"), [(0.6e9, "ok"), (0.4e9, "warning")])
def test_the_slowest_pair_of_hosts_is_named(monkeypatch, slow, level):
    found = [probe.Pair(0, 1, 1e-6, 1e9), probe.Pair(0, 2, 2e-6, 1e9), probe.Pair(1, 2, 5e-6, slow)]
    monkeypatch.setattr(probe, "pairs", lambda world, ranks, size: found if ranks == [0, 2, 3] else None)
    world = SimpleNamespace(host="a", gather=lambda host: ["a", "a", "b", "c"])
    (finding,) = messages.between(world, 1 << 20)
    assert finding.level == level
    assert "3 of 3 pairs of hosts, medians: latency 2.0 us, worst 5.0 us (b - c); bandwidth 1 GB/s" in finding.text
    assert f"worst {slow / 1e9:g} GB/s (b - c)" in finding.text


def test_ranks_on_one_host_are_no_network():
    assert list(messages.between(SimpleNamespace(host="a", gather=lambda host: ["a", "a"]), 8)) == []
