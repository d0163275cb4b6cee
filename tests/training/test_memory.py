"""What cannot fit the memory is refused before it is allocated, with the sizes."""

import re
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcadmm.cli import describe
from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.setup import blank, check_memory, set_up

JOB = """
[data]
name = "{data}"
[network]
hidden = {hidden}
[loss]
name = "squared"
[solver]
name = "{solver}"
"""
HUGE = "digits", [10_000_000]
SAID = r"memory: {ranks} on \S+ need [\d,.]+ GB, but [\d,.]+ GB are free \(.* GB per rank\); use more ranks on more"


def posed(world: World, data: str, hidden: list[int], solver: str, *more: str) -> Any:
    return set_up(parse(JOB.format(data=data, hidden=hidden, solver=solver), more), world)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Any:
    """node(free): make this node have so many bytes."""
    return lambda free: monkeypatch.setattr(memory, "available", lambda: float(free))


@pytest.mark.parametrize("solver", ["adam", "taylor", "dladmm", "pdadmm", "mpadmm"])
def test_weights_and_states(solver: str, node: Any) -> None:
    node(20e9)
    tracemalloc.start()
    with pytest.raises(UsageError, match=SAID.format(ranks="1 rank")):
        posed(World.alone(), *HUGE, solver)
    assert tracemalloc.get_traced_memory()[1] < 1e8
    tracemalloc.stop()


def test_the_ranks_of_a_node_count_together(node: Any) -> None:
    node(100e6)
    posed(World.alone(), "digits", [2000], "taylor")
    with pytest.raises(UsageError, match=SAID.format(ranks="3 ranks")):
        on_ranks(3, lambda world: posed(world, "digits", [2000], "taylor"))


@pytest.mark.parametrize("more", [
    ("data.samples=1_000_000_000_000",),
    ("data.samples=1_000_000_000_000", 'data.order="shuffled"'),
    ("data.samples=1_000_000_000_000", "data.validation=0.1"),
    ("data.samples=1_000_000_000", 'precision="float32"'),
])  # fmt: skip
def test_samples(more: tuple[str, ...], node: Any) -> None:
    node(20e9)
    with pytest.raises(UsageError, match=SAID.format(ranks="1 rank") + '.*precision = "float32"'):
        posed(World.alone(), "synthetic", [4], "adam", *more)


def test_inputs_in_bfloat16(node: Any) -> None:
    """Of a solver that multiplies all of them in every iteration."""
    setup = posed(World.alone(), "digits", [4], "lbfgs")
    job = replace(setup.job, head=replace(setup.job.head, precision="bfloat16"))
    node(1)
    with pytest.raises(UsageError, match="rounded inputs"):
        check_memory(job, setup.problem.network, setup.data, setup.world)


def test_a_teacher(node: Any) -> None:
    node(20e9)
    with pytest.raises(UsageError, match=r"teacher's weights need 8,000 GB, but 20 GB are free"):
        posed(World.alone(), "synthetic", [4], "adam", "data.hidden=[1_000_000, 1_000_000]")


def test_the_state_is_counted_field_by_field(node: Any) -> None:
    setup = posed(World.alone(), "digits", [50], "taylor")
    node(1e6)
    with pytest.raises(UsageError, match=r"\(W \S+ GB, a 0.000\d+ GB, z 0.000\d+ GB, lam .* per rank\)"):
        blank(setup.job.solver, setup)


def test_a_memory_error_is_one_line() -> None:
    code, said = describe(MemoryError("Unable to allocate 7 TiB")) or (0, "")
    assert (code, said.count("\n")) == (2, 0)
    assert "Unable to allocate 7 TiB" in said
    with pytest.raises(UsageError, match="not enough for the rows: Unable"), memory.spared("the rows"):
        raise MemoryError("Unable to allocate 7 TiB")


@pytest.mark.parametrize(("files", "left"), [
    ({"memory.max": "3000", "memory.current": "1000", "memory.stat": "anon 9\ninactive_file 500\n"}, [2500.0]),
    ({"memory.limit_in_bytes": "3000", "memory.usage_in_bytes": "1000", "memory.stat": "inactive_file 1\n"
      "total_inactive_file 400\n"}, [2400.0]),
    ({"memory.max": "max", "memory.current": "1000", "memory.stat": ""}, []),
    ({}, []),
])  # fmt: skip
def test_what_a_control_group_leaves(files: dict[str, str], left: list[float], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert list(memory._left(tmp_path)) == left


def test_something_is_free_here() -> None:
    assert 1e7 < memory.available() < 1e15
    assert re.fullmatch(r"[\d.]+ GB", memory.size(memory.available()))
