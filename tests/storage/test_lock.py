"""A run folder has one owner; the lock ends with it, however it ends."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.storage import lock
from hpcadmm.storage.lock import LOCK, OWNER, Lock

HOLD = """
import errno, fcntl, sys
from pathlib import Path
from hpcadmm.storage.lock import Lock
def no_locks(*_): raise OSError(errno.ENOSYS, "no locks")
if "weak" in sys.argv: fcntl.flock = no_locks
held = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def holder(folder: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """Another process that holds the lock of a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)


def refused(folder: Path, process: subprocess.Popen) -> None:
    says = rf"{folder.name} is in use by process {process.pid} on {socket.gethostname()} since \d{{4}}-\d\d-\d\dT"
    with pytest.raises(UsageError, match=says):
        Lock(folder)


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        refused(tmp_path, process)
        refused(tmp_path, process)  # asking does not take it away
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        Lock(tmp_path).close()


def test_a_second_lock_in_this_process_is_refused_until_it_is_closed(tmp_path: Path) -> None:
    held = Lock(tmp_path)
    with pytest.raises(UsageError, match="in use by process"):
        Lock(tmp_path)
    held.close()
    held.close()
    Lock(tmp_path).close()


def test_a_child_program_does_not_keep_the_lock(tmp_path: Path) -> None:
    held = Lock(tmp_path)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        held.close()
        Lock(tmp_path).close()
        child.kill()


def test_an_owner_that_has_not_written_yet_is_another_job(tmp_path: Path) -> None:
    held = Lock(tmp_path)
    (tmp_path / LOCK).write_text("")
    with pytest.raises(UsageError, match="in use by another job"):
        Lock(tmp_path)
    held.close()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_dead_owner_is_replaced(tmp_path: Path) -> None:
    with holder(tmp_path, "weak") as process:
        refused(tmp_path, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        held = Lock(tmp_path)
    assert held.weak
    assert json.loads((tmp_path / OWNER).read_text())["pid"] == os.getpid()
    held.close()
    assert not (tmp_path / OWNER).exists()


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("text", ['{"host": "elsewhere", "pid": 1, "since": "then", "born": "1"}', "", "[1]", "{}"])
def test_without_locks_an_owner_that_may_live_is_respected(text: str, tmp_path: Path) -> None:
    (tmp_path / OWNER).write_text(text)
    with pytest.raises(UsageError, match=f"If that job is dead, remove .*{OWNER}"):
        Lock(tmp_path)
    assert (tmp_path / OWNER).read_text() == text


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_pid_that_was_given_to_another_process_is_dead(tmp_path: Path) -> None:
    (tmp_path / OWNER).write_text(json.dumps({**lock._me(), "born": "1"}))
    Lock(tmp_path).close()
