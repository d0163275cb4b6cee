"""How the ranks of a run are started, and how signals are passed on to them."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm.comm.launcher import cores, found_mpiexec
from hpcadmm.comm.signals import Watch
from hpcadmm.errors import UsageError

# Open MPI (5 and 4) refuses more ranks than cores unless told otherwise; other libraries ignore these variables.
CROWDED = {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def usable_cores() -> int:
    """The number of cores (hardware threads) that this process may run on."""
    return len(cores())


def mpiexec() -> str:
    """The launcher next to this Python, or else the one on the PATH. Raises UsageError if there is none."""
    found = found_mpiexec()
    if found is None:
        raise UsageError("no mpiexec next to this Python or on the PATH; name one: --launcher 'srun --mpi=pmi2'")
    return found


@dataclass(frozen=True)
class Launcher:
    """The command words that start `ranks` ranks."""

    words: Sequence[str]
    ranks: int

    def command(self, *arguments: object) -> list[str]:
        """The command line of `hpcadmm arguments...` on the ranks."""
        return [*self.words, "-n", str(self.ranks), sys.executable, "-m", "hpcadmm", *map(str, arguments)]

    def shown(self, *arguments: object) -> list[str]:
        """The same command line for records, without the folders of programs."""
        words = [os.path.basename(self.words[0]), *self.words[1:]]
        return [*words, "-n", str(self.ranks), "hpcadmm", *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the ranks; for more ranks than cores it tells Open MPI to allow that."""
        crowded = "SLURM_JOB_ID" not in os.environ and self.ranks > usable_cores()
        return {**(CROWDED if crowded else {}), **os.environ}


def launcher(ranks: int, given: str | None) -> Launcher:
    """The given launcher; by default mpiexec, or srun in a Slurm allocation without mpiexec.

    Raises UsageError if there is none.
    """
    if given is not None:
        words = shlex.split(given)
        if not words or shutil.which(words[0]) is None:
            raise UsageError(f"--launcher {given!r}: there is no such program")
        return Launcher(words, ranks)
    try:
        return Launcher([mpiexec()], ranks)
    except UsageError:
        if "SLURM_JOB_ID" in os.environ and (srun := shutil.which("srun")):
            return Launcher([srun], ranks)
        raise


def child(argv: Sequence[str]) -> dict[str, Any]:
    """Run a command that prints a report in JSON, and return the report.

    Raises UsageError with the command's message if it exits with code 2, RuntimeError if it fails otherwise.
    """
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise UsageError(f"cannot start {argv[0]}: {error}") from None
    if done.returncode == 2:
        raise UsageError(done.stderr.strip().removeprefix("Error: "))
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode} from {shlex.join(argv)}\n{done.stderr}{done.stdout}")
    try:
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        raise RuntimeError(f"no report from {shlex.join(argv)}\n{done.stderr}{done.stdout}") from None
    return found


def refuse_other(asked: int, got: int) -> None:
    """Raise UsageError if the launcher started another number of ranks than it was asked for."""
    if got != asked:
        raise UsageError(f"the launcher started {got} ranks instead of {asked}: it does not belong to the MPI library")


class Relay(Watch):
    """Inside the block, a signal of `Watch.WATCHED`, such as Ctrl-C, asks the current run to save and end.

    The first signal reaches the run as SIGUSR1, which launchers pass on to their ranks; the second as SIGTERM; the
    third kills it.
    """

    TOLD = (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL)

    def __init__(self) -> None:
        super().__init__()
        self.process: subprocess.Popen[Any] | None = None

    def heard(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(self.TOLD[min(self.count, len(self.TOLD)) - 1])

    def run(self, argv: Sequence[str], environment: dict[str, str], said: Path, output: Path | None = None) -> int:
        """Run a program to its end. Returns its exit code, negative if a signal ended it.

        said: the file for what it prints; output: the file for its standard output, if that is to be apart. The
        program has a process group of its own, so that the terminal's ^C reaches it through this process only.
        """
        with open(said, "wb") as errors, open(output, "wb") if output else nullcontext(errors) as out:
            try:
                self.process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=environment, process_group=0
                )
            except OSError as error:
                raise UsageError(f"cannot start {argv[0]}: {error.strerror or error}") from None
            if self.raised:
                self.process.send_signal(signal.SIGUSR1)  # the signal came while the process was being made
            try:
                return self.process.wait()
            finally:
                self.process = None

    def session(
        self, start: Launcher, arguments: Sequence[object], said: Path, output: Path | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Run hpcadmm on the ranks of `start`. Returns its exit code and the circumstances: command, time, load."""
        load, clock, begin = os.getloadavg()[0], time.gmtime(), time.perf_counter()
        code = self.run(start.command(*arguments), start.environment, said, output)
        return code, {
            "command": start.shown(*arguments),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", clock),
            "wall_seconds": time.perf_counter() - begin,
            "load_before": load,
            "load_after": os.getloadavg()[0],
        }
