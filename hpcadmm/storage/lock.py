"""One job per run folder: a lock of the operating system, which ends with its process; and who holds it."""

import errno
import fcntl
import json
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError

LOCK, OWNER = "lock", "lock.owner"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Lock:
    """Held from construction to `close`. Raises UsageError if another job holds it, with its host, pid and start.

    weak: the file system has no locks. The file `lock.owner`, which names the owner, is then the lock; the user must
    remove one that a killed job on another host left behind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.weak = False
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_me()).encode(), 0)
        except OSError as error:
            owner = _read(folder / LOCK)
            os.close(descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise UsageError(_in_use(folder, owner)) from None
            if error.errno not in NO_LOCKS:
                raise
            self.weak = True
            _own(folder)
        else:
            self.descriptor = descriptor

    def close(self) -> None:
        """Release it. The file stays: removing it could release the lock of the next owner."""
        if self.weak:
            (self.folder / OWNER).unlink(missing_ok=True)
        elif self.descriptor >= 0:
            os.ftruncate(self.descriptor, 0)
            os.close(self.descriptor)
            self.descriptor = -1


def holder(folder: Path) -> bool | None:
    """Is a job running in the folder? False: one was killed in it. None: no job, or the last one ended properly.

    Does not touch the folder. A process of this host is looked up; one of another host is known by its lock.
    """
    for name in (LOCK, OWNER):
        owner = _read(folder / name)
        if owner:
            here = owner.get("host") == socket.gethostname()
            return not _dead(owner) if here or name == OWNER else _locked(folder / name)
    return None


def locks(folder: Path) -> bool:
    """Does flock on a file in `folder` exclude a second one? Raises OSError if it is not supported."""
    with tempfile.NamedTemporaryFile(dir=folder) as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _locked(Path(held.name))


def _locked(path: Path) -> bool:
    """Does a process of any host lock the file? True also if that cannot be known."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _own(folder: Path) -> None:
    """On a file system without locks: create `lock.owner`, or take over that of a dead process."""
    path = folder / OWNER
    for last in (False, True):
        try:
            with open(path, "x", encoding="utf-8") as file:
                json.dump(_me(), file)
            return
        except FileExistsError:
            owner = _read(path)
            if last or not _dead(owner):
                raise UsageError(f"{_in_use(folder, owner)} If that job is dead, remove {path}.") from None
            path.unlink(missing_ok=True)


def _me() -> dict[str, Any]:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": since, "born": _born(os.getpid())}


def _read(path: Path) -> dict[str, Any]:
    """The owner of a lock; empty if it cannot be read (yet)."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _in_use(folder: Path, owner: dict[str, Any]) -> str:
    who = f"process {owner['pid']} on {owner['host']} since {owner['since']}" if "pid" in owner else "another job"
    return f"the run folder {folder} is in use by {who}; wait for it or choose another --out."


def _born(pid: int) -> str:
    """When a process started, in ticks since boot; empty if it is gone or the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _dead(owner: dict[str, Any]) -> bool:
    """Is the owner known to be dead? Only processes of this host can be looked up."""
    if owner.get("host") != socket.gethostname() or type(owner.get("pid")) is not int:
        return False
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return _born(owner["pid"]) != owner.get("born")
