"""A checkpoint does not depend on the number of ranks that write it, nor on those that read it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.model.state import Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage.checkpoint import load_newest, read_weights, save
from hpcadmm.storage.hdf5 import Refused
from hpcadmm.storage.record import Record
from hpcadmm.testing.threads import on_ranks
from tests.helpers.states import check_newest, save_state, values

START = """
import os, resource, signal, sys
from pathlib import Path
from tests.helpers.states import check_newest, save_state
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
world = World()
folder = Path("checkpoints")
"""
SAVE = START + "save_state(folder, 10, world, n={n})"
CHECK = START + "assert check_newest(folder, world, print, n={n}) == {expected}; print('checked')"


@pytest.mark.parametrize(("writers", "readers"), [(1, 2), (2, 3), (3, 1), (3, 2)])
@pytest.mark.parametrize("n", [200, 70, 1])
def test_any_ranks_read_what_any_wrote(writers: int, readers: int, n: int, tmp_path: Path) -> None:
    """Samples for all ranks, for some, for one."""
    on_ranks(writers, lambda world: save_state(tmp_path, 10, world, n=n))
    assert on_ranks(readers, lambda world: check_newest(tmp_path, world, pytest.fail, n=n)) == [10] * readers


@pytest.mark.quick
def test_real_ranks_read_what_others_wrote(mpirun: Callable) -> None:
    mpirun(3, SAVE.format(n=200)).check()
    done = mpirun(2, CHECK.format(n=200, expected=10)).check()
    assert done.stdout.count("checked") == done.n


def test_the_global_arrays_do_not_depend_on_the_ranks(tmp_path: Path) -> None:
    digests = set()
    for ranks in (1, 2, 3):
        (folder, *_) = on_ranks(ranks, lambda world: save_state(tmp_path, 10, world))
        with h5py.File(folder / "checkpoint.h5") as file:
            whole = [file[path][...] for path in ("W/1", "a/1", "z/1", "z/2", "y", "p/2", "c/2")]
        assert whole[2].tobytes() == np.ascontiguousarray(values("z/1", (7, 200), 10).T).tobytes()
        digests.add(hashlib.sha256(b"".join(a.tobytes() for a in whole)).hexdigest())
    assert len(digests) == 1


def test_ranks_without_columns_write_no_shard(tmp_path: Path) -> None:
    (folder, *_) = on_ranks(3, lambda world: save_state(tmp_path, 10, world, n=70))
    assert len(list(folder.glob("shard-*"))) == len(list(folder.glob("cells-*"))) == 2


def test_a_full_disk_on_one_rank_fails_on_all_and_keeps_the_earlier(mpirun: Callable, tmp_path: Path) -> None:
    code = """
save_state(folder, 10, world)
if world.rank == world.size - 1:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
for _ in range(2):
    try:
        save_state(folder, 20, world)
    except UsageError as error:
        print(f"rank {world.rank}: {error}")
world.barrier()
assert sorted(os.listdir(folder)) == ["iteration-0000000010"]
"""
    done = mpirun(3, START + code).check()
    for rank in range(done.n):
        assert done.stdout.count(f"rank {rank}: cannot write the checkpoint") == 2, done.output
    assert "File too large" in done.stdout
    assert on_ranks(2, lambda world: check_newest(tmp_path / "checkpoints", world, pytest.fail)) == [10, 10]


def test_damage_that_one_rank_sees_sends_all_to_the_one_before(tmp_path: Path) -> None:
    for seed in (10, 20):
        on_ranks(3, lambda world, seed=seed: save_state(tmp_path, seed, world))
    last = sorted((tmp_path / "iteration-0000000020").glob("shard-*"), key=lambda p: p.stat().st_mtime)
    shard = max(last, key=lambda p: int(p.stem.split("-")[1]))
    damaged = bytearray(shard.read_bytes())
    with h5py.File(shard) as file:
        damaged[file["z/1"].id.get_chunk_info(0).byte_offset] ^= 1
    shard.write_bytes(damaged)
    warnings: list[str] = []
    assert on_ranks(3, lambda world: check_newest(tmp_path, world, warnings.append)) == [10] * 3
    (warning,) = warnings
    assert shard.name in warning


@pytest.mark.parametrize(
    ("share", "rank"), [(0.04, 0), (0.3, 1), (0.7, 2), (0.6, 0), (0.9, 0), (0.95, 0), (0.97, 0), (1, 0)]
)
def test_kill_9_during_a_save_keeps_the_earlier(share: float, rank: int, mpirun: Callable, tmp_path: Path) -> None:
    code = f"""
save_state(folder, 10, world)
calls, last = 0, 0
def deadly(real):
    def function(*arguments, **options):
        global calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return function
for name in ("open", "pwrite", "fsync", "rename", "mkdir", "unlink", "rmdir"):
    setattr(os, name, deadly(getattr(os, name)))
save_state(folder, 15, world)
if world.rank == {rank} % world.size:
    calls, last = 0, max(1, round(calls * {share}))
world.barrier()
save_state(folder, 20, world)
raise SystemExit("not killed")
"""
    done = mpirun(3, START + code)
    assert done.returncode != 0
    assert rank or "not killed" not in done.output
    (newest,) = set(on_ranks(2, lambda world: check_newest(tmp_path / "checkpoints", world, pytest.fail)))
    assert newest in (15, 20)
    assert not list((tmp_path / "checkpoints").glob("*.*"))


def test_weights_are_read_without_ranks(tmp_path: Path) -> None:
    on_ranks(3, lambda world: save_state(tmp_path, 10, world))
    meta, weights = read_weights(tmp_path, pytest.fail)
    assert meta["iteration"] == 10
    assert [w.tobytes() for w in weights] == [values(p, s, 10).tobytes() for p, s in [("W/1", (7, 4)), ("W/2", (3, 8))]]
    assert World.alone().size == 1


@pytest.mark.parametrize("readers", [1, 2, 3, 5])
def test_what_each_rank_has_of_its_own_is_its_own_again_or_dealt_out(readers: int, tmp_path: Path) -> None:
    """Bit by bit on as many ranks; else rank r of R has the sum of those of r, r + R, ..."""
    written = [np.array([rank + 0.1, -0.0, 1e-300]) for rank in range(3)]

    def own(world: World, array: np.ndarray) -> tuple[list[Item], Tiles]:
        items = [Item("W/1", "replicated", np.ones(2)), Item("errors/1", "ranks", array)]
        return items, Tiles(200, 64, world.size, world.rank)

    def write(world: World) -> None:
        items, tiles = own(world, written[world.rank])
        save(tmp_path, items, tiles, {"iteration": 10}, world)

    def read(world: World) -> bytes:
        items, tiles = own(world, np.full(3, 77.0))
        load_newest(tmp_path, items, tiles, world, pytest.fail)
        return bytes(items[1].array.tobytes())

    on_ranks(3, write)
    expected = [
        sum(written[rank::readers][1:], *written[rank::readers][:1] or [np.zeros(3)]) for rank in range(readers)
    ]
    assert on_ranks(readers, read) == [array.tobytes() for array in expected]


@pytest.mark.parametrize("files", [["sites-0.h5", "sites-0.h5"], ["sites-1.h5"], ["../x.h5"]])
def test_a_record_names_the_file_of_each_rank_once(files: list[str]) -> None:
    entry = {"lies": "ranks", "shape": [3], "dtype": "<f8", "sha256": "", "file": "", "files": files}
    raw = {"format": 1, "identity": "x", "samples": 9, "meta": {}, "shards": [], "sizes": {"sites-0.h5": 5}}
    with pytest.raises(Refused, match="not listed once each"):
        Record.parse(json.dumps({**raw, "entries": {"errors/1": entry}}))
