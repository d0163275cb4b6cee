"""A checkpoint does not depend on the number of ranks that write it, nor on those that read it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.storage.checkpoint import newest, read_weights
from tests.helpers.states import values

START = f"""
import os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tests.helpers.states import check_newest, save_state
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
world = World()
folder = Path("checkpoints")
"""
SAVE = START + "save_state(folder, 10, world, n={n})"
CHECK = START + "assert check_newest(folder, world, print, n={n}) == {expected}; print('checked')"


@pytest.mark.parametrize(("writers", "readers"), [(1, 2), (2, 3), (3, 1), (3, 2)])
def test_any_ranks_read_what_any_wrote(writers: int, readers: int, mpirun: Callable, tmp_path: Path) -> None:
    """Samples for all ranks, for some, for one; the same processes take them in turn."""
    sizes = (200, 70, 1)
    turns = "for n in {sizes}:\n    folder = Path(f'checkpoints-{{n}}')\n    {deed}\n"
    mpirun(writers, START + turns.format(sizes=sizes, deed="save_state(folder, 10, world, n=n)")).check()
    deed = "assert check_newest(folder, world, print, n=n) == 10; print(f'<{n}>')"
    done = mpirun(readers, START + turns.format(sizes=sizes, deed=deed)).check()
    assert all(done.stdout.count(f"<{n}>") == done.n for n in sizes)


def test_the_global_arrays_do_not_depend_on_the_ranks(mpirun: Callable, tmp_path: Path) -> None:
    digests = set()
    for ranks in (1, 2, 3):
        mpirun(ranks, SAVE.format(n=200)).check()
        with h5py.File(tmp_path / "checkpoints" / "iteration-0000000010" / "checkpoint.h5") as file:
            whole = [file[path][...] for path in ("W/1", "a/1", "z/1", "z/2", "y", "p/2", "c/2")]
        assert whole[2].tobytes() == np.ascontiguousarray(values("z/1", (7, 200), 10).T).tobytes()
        digests.add(hashlib.sha256(b"".join(a.tobytes() for a in whole)).hexdigest())
    assert len(digests) == 1


def test_ranks_without_columns_write_no_shard(mpirun: Callable, tmp_path: Path) -> None:
    mpirun(3, SAVE.format(n=70)).check()
    (folder,) = newest(tmp_path / "checkpoints")
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
    mpirun(2, CHECK.format(n=200, expected=10)).check()


def test_damage_that_one_rank_sees_sends_all_to_the_one_before(mpirun: Callable, tmp_path: Path) -> None:
    mpirun(3, START + "save_state(folder, 10, world); save_state(folder, 20, world)").check()
    last = sorted((tmp_path / "checkpoints" / "iteration-0000000020").glob("shard-*"), key=lambda p: p.stat().st_mtime)
    shard = max(last, key=lambda p: int(p.stem.split("-")[1]))
    damaged = bytearray(shard.read_bytes())
    with h5py.File(shard) as file:
        damaged[file["z/1"].id.get_chunk_info(0).byte_offset] ^= 1
    shard.write_bytes(damaged)
    done = mpirun(3, CHECK.format(n=200, expected=10)).check()
    assert done.stdout.count("checked") == done.n
    assert done.stdout.count("is not used") == 1
    assert shard.name in done.stdout


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
    done = mpirun(2, START + "print(f'newest {check_newest(folder, world, print)}')").check()
    assert "is not used" not in done.stdout
    assert "newest 15" in done.stdout or "newest 20" in done.stdout
    assert not list((tmp_path / "checkpoints").glob("*.*"))


def test_weights_are_read_without_ranks(mpirun: Callable, tmp_path: Path) -> None:
    mpirun(3, SAVE.format(n=200)).check()
    meta, weights = read_weights(tmp_path, pytest.fail)
    assert meta["iteration"] == 10
    assert [w.tobytes() for w in weights] == [values(p, s, 10).tobytes() for p, s in [("W/1", (7, 4)), ("W/2", (3, 8))]]
    assert World.alone().size == 1
