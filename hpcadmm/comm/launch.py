"""Start MPI, and end all ranks together: an exception on one of them ends all."""

import atexit
import socket
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from hpcadmm.comm import launcher
from hpcadmm.comm.culprits import culprits
from hpcadmm.comm.ending import Describe, Ending, Kind, current_phase, failed, phase
from hpcadmm.comm.watchdog import Watchdog, patience
from hpcadmm.errors import UsageError

if TYPE_CHECKING:
    from hpcadmm.comm.agreement import Meeting
    from hpcadmm.comm.world import World

__all__ = ["check_launcher", "guarded", "lasting_world", "launched_world", "phase", "refuse_launcher", "start_mpi"]

PATIENCE = 3.0  # seconds that a failed rank waits for the others to fail or end too

# MPI starts once per process, so there is at most one of each.
_meetings: "list[Meeting]" = []
_watchdogs: list[Watchdog] = []
_worlds: "list[World]" = []


def start_mpi(*, check: bool = True) -> "World":
    """Start MPI, the agreement and the watchdog. A command that communicates calls this first, on all ranks.

    Raises UsageError if there is no MPI library or (unless check=False) the launcher belongs to another one.
    """
    meeting = _meet()
    from hpcadmm.comm.world import World

    meeting.convene(float("inf"))
    world = World()
    if check:
        check_launcher(world)
    limit = patience()
    if world.size > 1 and limit and not _watchdogs:
        limit += 0.5 * min(world.rank, 8)  # so that not all report at once
        _watchdogs.append(Watchdog(limit, _stuck, lambda: meeting.answer(_doing())))
        _watchdogs[0].start()
    if _watchdogs:
        world.beat = _watchdogs[0].beat
    _worlds.append(world)
    return world


def launched_world() -> "World":
    """The world of a launcher's ranks; without a launcher one of this process, and MPI does not start."""
    from hpcadmm.comm.world import World

    return start_mpi() if launcher.expected_size() > 1 else World.without_mpi()


@cache
def lasting_world() -> "World":
    """All ranks of the launcher, without one this process, for a program of the user; always the same. Collective the
    first time."""
    world = start_mpi()
    for watchdog in _watchdogs:
        atexit.register(watchdog.stop)
    return world


def refuse_launcher() -> None:
    """Raise UsageError in a process of a launcher, for a command that starts the ranks itself."""
    if launcher.launched():
        raise UsageError(f"this command starts the ranks itself: run it without {launcher.launcher_name()}")


def no_library(error: object) -> UsageError:
    """The error if no MPI library can be loaded, with the cure."""
    why = (str(error).splitlines() or ["mpi4py does not say why"])[0]
    return UsageError(
        f"no MPI library can be loaded, or MPI does not start ({why}).\n"
        "Install one: pip install 'hpcadmm[mpich]'. Or load the cluster's (module load ...); if it is still not found, "
        "set MPI4PY_LIBMPI=/path/to/libmpi.so"
    )


def check_launcher(world: "World") -> None:
    """Raise UsageError with the cure if the launcher started more processes than `world` has ranks."""
    from mpi4py import MPI

    launcher.check_size(world.size, launcher.vendor_name(MPI.get_vendor()))


def _meet() -> "Meeting":
    """The agreement of this process; start MPI. Raises UsageError if there is no MPI library."""
    if not _meetings:
        try:
            with warnings.catch_warnings():  # of a foreign launcher, on every rank; check_launcher does it once
                warnings.filterwarnings("ignore", "suspicious MPI", RuntimeWarning)
                from hpcadmm.comm.agreement import Meeting
        except (ImportError, RuntimeError) as error:
            raise no_library(error) from error
        _meetings.append(Meeting())
    return _meetings[0]


def guarded(run: Callable[[], int | None], describe: Describe, together: bool = True) -> int:
    """Call `run` on this rank and return the exit code of the job, the same on all ranks.

    together: all ranks run the same command, and agree on how it ends even if MPI has not started yet. If not, a
    process that did not call `start_mpi` never starts MPI.
    describe: turns an expected exception into (exit code, message). Any other one, and under a launcher every
    SystemExit, ends all ranks with one traceback that names rank, host and phase.
    """
    failure: BaseException | None = None
    code = 0
    try:
        with phase("command line"):
            code = run() or 0
    except BaseException as error:  # noqa: BLE001 (every end must reach the agreement)
        failure = error
    for watchdog in _watchdogs:
        watchdog.stop()
    described = describe(failure) if failure else None
    meeting = _others(together)
    if meeting is None:
        return _end_alone(failure, described) if failure else code
    mine = failed(failure, described, meeting.place) if failure else Ending(Kind.FINE, code)
    return _end_together(meeting, mine)


def _others(together: bool) -> "Meeting | None":
    """The agreement, if there are other ranks; start MPI only if the launcher says so."""
    if not _meetings and not (together and launcher.expected_size() > 1):
        return None
    try:
        meeting = _meet()
    except UsageError:
        return None
    return meeting if meeting.size > 1 else None


def _end_alone(failure: BaseException, described: tuple[int, str] | None) -> int:
    """Report the failure of a process without others. If a launcher started n of them by mistake, one reports."""
    place = f"rank {launcher.expected_rank()} of {launcher.expected_size()} on {socket.gethostname()}"
    mine = failed(failure, described, place)
    if isinstance(failure, SystemExit) and (failure.code is None or isinstance(failure.code, int)):
        return failure.code or 0
    if mine.kind is not Kind.USAGE:
        _say(mine.placed())
    elif launcher.expected_rank() == 0:
        _say(mine.report)
    else:
        time.sleep(1.0)  # some launchers end all as soon as one exits: that must be the one that reports
        if launcher.first_on_node() and not _meetings:
            _say(mine.placed())  # only this node may lack the MPI library
    return mine.code


def _end_together(meeting: "Meeting", mine: Ending) -> int:
    """Exchange the endings; the rank that failed reports the cause. If a rank does not answer in time, abort."""
    limit = PATIENCE if mine.kind else _watchdogs[0].limit if _watchdogs else float("inf")
    endings = meeting.exchange(mine, limit)
    if endings is None:
        return _end_all(meeting, mine, limit)
    worst = max(endings, key=lambda ending: ending.kind)
    code = worst.code if worst.kind else max(ending.code for ending in endings)
    if worst.kind and meeting.rank == endings.index(worst):
        _say(_summary(mine, endings, worst.line))
    if not _arrived(PATIENCE if worst.kind > Kind.USAGE else float("inf")):
        return _abort(code)
    if code:
        meeting.leave(PATIENCE)
    return code


def _arrived(seconds: float) -> bool:
    """Do the sums that are in transit arrive within these seconds? MPI must not end before."""
    from hpcadmm.comm.agreement import poll

    pending = [pending for world in _worlds for pending in world.traffic.sums]
    return poll(lambda: all(one.progress() for one in pending), seconds)


def _abort(code: int) -> int:
    """End all ranks."""
    from hpcadmm.comm.agreement import abort

    abort(code)
    return code


def _summary(mine: Ending, endings: list[Ending], cause: str) -> str:
    """This rank's report, and a line for each other cause; a message of all ranks needs no place."""
    shared = all(ending.kind is Kind.USAGE for ending in endings)
    lines = [mine.report if shared else mine.placed()]
    told = {cause}
    for rank, ending in enumerate(endings):
        if ending.kind > Kind.ECHO and ending.line not in told:
            lines.append(f"also rank {rank}: {ending.line}")
            told.add(ending.line)
    return "\n".join(lines)


def _end_all(meeting: "Meeting", mine: Ending, waited: float) -> int:
    """Other ranks have not ended in time: report, unless another rank does, and abort."""
    from hpcadmm.comm.agreement import abort

    if mine.kind is Kind.FINE:
        report = f"this rank has ended, but others have not after {waited:.0f} s"
        mine = Ending(Kind.DEFECT, 1, "", meeting.place, report)
    if meeting.speaks(mine.kind):
        _say(mine.placed())
    else:
        time.sleep(PATIENCE)  # the one that reports aborts within this
    abort(mine.code)
    return mine.code


def _doing() -> str:
    """The phase of this rank, and what it waits for ("" for nothing), for another rank."""
    return f"{current_phase()}\n{_watchdogs[0].waits}"


def _stuck(what: str, seconds: float) -> None:
    """Report and abort; the watchdog's thread calls this."""
    from hpcadmm.comm.agreement import abort

    since = time.strftime("%H:%M:%S", time.localtime(time.time() - seconds))
    why = culprits(_meetings[0], _doing())
    _say(
        f"{_meetings[0].place}, phase: {current_phase()}\n"
        f"Error: this rank has waited for the others in {what} since {since} ({seconds:.0f} s): {why}. The job ends. "
        "(HPCADMM_WATCHDOG=SECONDS sets this limit; 0 removes it.)"
    )
    abort(1)


def _say(text: str) -> None:
    """Print to standard error in one piece, unless the text is empty."""
    if not text.strip():
        return
    sys.stdout.flush()
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()
