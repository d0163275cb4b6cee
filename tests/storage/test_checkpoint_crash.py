"""A process that dies at any call to the operating system during a save loses nothing that was committed.

Each trial forks, and the child ends itself without any clean-up before its k-th call, or in the middle of a write.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.storage.checkpoint import newest, save
from hpcadmm.storage.run import Run, read_metrics
from tests.helpers.states import Tiles, check_newest, save_state, state

CALLS = ("open", "pwrite", "ftruncate", "fsync", "rename", "mkdir", "unlink", "rmdir")
DIED = 99


def dying_at(last: int, torn: bool, action: Callable[[], Any]) -> bool:
    """Run the action in a child that dies at its call number `last`; False if it ended before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            calls = count(1)

            def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
                def function(*arguments: Any, **options: Any) -> Any:
                    if next(calls) == last:
                        if torn and real is pwrite:
                            real(arguments[0], arguments[1][: len(arguments[1]) // 2], arguments[2])
                        os._exit(DIED)
                    return real(*arguments, **options)

                return function

            pwrite, os.fsync = os.pwrite, lambda file: None  # a process that dies leaves the system's cache as it is
            for name in CALLS:
                setattr(os, name, deadly(getattr(os, name)))
            action()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, DIED)
    return os.waitstatus_to_exitcode(status) == DIED


def trials(folder: Path, copy: Path, torn: bool, action: Callable[[], Any]) -> Iterator[None]:
    """For every k a fresh copy of the folder, in which the action has died at call k."""
    for k in count(1):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        died = dying_at(k, torn, action)
        yield
        if not died:
            assert k > 10, "the calls are not those that the code makes"
            return


@pytest.mark.further  # 10 s each
@pytest.mark.parametrize(("keep", "torn"), [(1, False), (2, True)])
def test_a_crash_leaves_the_earlier_or_the_new_checkpoint(tmp_path: Path, keep: int, torn: bool) -> None:
    world, copy = World.alone(), tmp_path / "copy"
    save_state(tmp_path / "checkpoints", 10, world)
    found = set()
    for _ in trials(tmp_path / "checkpoints", copy, torn, lambda: save_state(copy, 20, world, keep=keep)):
        assert newest(copy)
        found.add(check_newest(copy, world, pytest.fail))
        assert not list(copy.glob("*.*"))
        save_state(copy, 30, world, keep=keep)
        assert check_newest(copy, world, pytest.fail) == 30
    assert found == {10, 20}


@pytest.mark.further
def test_a_crash_while_one_is_replaced_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    world, copy, tiles = World.alone(), tmp_path / "copy", Tiles(200, 64)
    save_state(tmp_path / "checkpoints", 10, world)
    save_state(tmp_path / "checkpoints", 20, world)

    def replace() -> None:
        save(copy, state(tiles, 21), tiles, {"iteration": 20, "seed": 21}, world, keep=2)

    found = set()
    for _ in trials(tmp_path / "checkpoints", copy, False, replace):
        assert [path.name[:20] for path in newest(copy)] == ["iteration-0000000020", "iteration-0000000010"]
        found.add(check_newest(copy, world, pytest.fail))
        assert not list(copy.glob("*.*"))
    assert found == {20, 21}


def test_a_crash_while_metrics_are_cut_leaves_all_or_the_cut_ones(tmp_path: Path) -> None:
    world, run_folder, copy = World.alone(), tmp_path / "run", tmp_path / "copy"
    with Run.create(world, run_folder, "job", "seed = 1\n", {}) as run:
        for iteration in range(6):
            run.metric({"iteration": iteration})

    def cut() -> None:
        Run.reopen(world, copy, {}).cut_metrics(2, {})

    found = set()
    for _ in trials(run_folder, copy, False, cut):
        found.add(len(read_metrics(copy)))
        with Run.reopen(world, copy, {}) as run:  # the lock of the dead does not hold
            run.cut_metrics(2, {})
            assert [row["iteration"] for row in read_metrics(copy)] == [0, 1, 2]
    assert found == {6, 3}


def test_all_is_durable_before_the_rename_and_the_rename_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses its power keeps what was fsynced, in whatever order the rest is written."""
    done: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def function(first: Any, *others: Any) -> Any:
            place = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else str(first)
            done.append(f"{name} {Path(place).relative_to(tmp_path)}")
            return real(first, *others)

        return function

    for name in ("fsync", "rename"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    save_state(tmp_path / "checkpoints", 10, World.alone())
    partial = done[-2].removeprefix("rename ")
    assert re.fullmatch(r"checkpoints/iteration-0000000010\.[0-9a-f]{8}\.partial", partial)
    files = ["shard-0-200.h5", "cells-0-0-200.h5", "sites-0.h5", "checkpoint.h5"]
    assert done == [
        "fsync .",  # of the new folder of checkpoints
        *(f"fsync {partial}/{name}" for name in files),
        f"fsync {partial}",
        f"rename {partial}",
        "fsync checkpoints",
    ]


@pytest.mark.parametrize("call", ["mkdir", "open", "fsync", "rename"])
def test_an_error_of_the_system_is_told_and_leaves_the_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    world = World.alone()
    save_state(tmp_path, 10, world)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(getattr(os, call), "iteration-0000000020"))
        with pytest.raises(UsageError, match="iteration-0000000020: No space left on device"):
            save_state(tmp_path, 20, world)
    assert check_newest(tmp_path, world, pytest.fail) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["iteration-0000000010"]


def failing(real: Callable[..., Any], where: str) -> Callable[..., Any]:
    """A call that fails with a full disk for the files of one checkpoint."""

    def function(first: Any, *arguments: Any, **options: Any) -> Any:
        place = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else str(first)
        if where in place:
            raise OSError(28, "No space left on device")
        return real(first, *arguments, **options)

    return function


def test_only_the_newest_are_kept_and_a_future_that_was_given_up_goes(tmp_path: Path) -> None:
    world = World.alone()
    for seed in (10, 20, 30, 40):
        save_state(tmp_path, seed, world, keep=3)
    assert [path.name[-2:] for path in newest(tmp_path)] == ["40", "30", "20"]
    save_state(tmp_path, 25, world, keep=2)
    assert [path.name[-2:] for path in newest(tmp_path)] == ["25", "20"]


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.partial", "iteration-1.a.partial", "iteration-0000000007.txt"):
        (tmp_path / name).write_text("mine")
    save_state(tmp_path, 10, World.alone())
    assert len(list(tmp_path.iterdir())) == 4
    assert check_newest(tmp_path, World.alone(), pytest.fail) == 10
