"""How the ranks of a run are started, and what becomes of signals while they are at work."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm.bench.scaling import CROWDED, mpiexec, usable_cores
from hpcadmm.comm.signals import Watch
from hpcadmm.errors import UsageError


@dataclass(frozen=True)
class Launcher:
    """The words that start `ranks` ranks."""

    words: Sequence[str]
    ranks: int

    def command(self, *arguments: object) -> list[str]:
        """The command line of `hpcadmm arguments...` on the ranks."""
        return [*self.words, "-n", str(self.ranks), sys.executable, "-m", "hpcadmm", *map(str, arguments)]

    def shown(self, *arguments: object) -> list[str]:
        """The same for the records, without the folders of programs."""
        words = [os.path.basename(self.words[0]), *self.words[1:]]
        return [*words, "-n", str(self.ranks), "hpcadmm", *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        """That of the ranks; more ranks than cores need a word for Open MPI."""
        crowded = "SLURM_JOB_ID" not in os.environ and self.ranks > usable_cores()
        return {**(CROWDED if crowded else {}), **os.environ}


def launcher(ranks: int, given: str | None) -> Launcher:
    """The launcher that was given, or mpiexec, or within a Slurm allocation that has none, srun.

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


class Relay(Watch):
    """While entered, a signal (Ctrl-C, SIGTERM, SIGUSR1, SIGHUP) is the wish to end after a checkpoint.

    The process at work is told by SIGUSR1, which launchers hand on to their ranks; at a second signal by SIGTERM, at
    a third it is killed.
    """

    TOLD = (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL)

    def __init__(self) -> None:
        super().__init__()
        self.process: subprocess.Popen[Any] | None = None

    def heard(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(self.TOLD[min(self.count, len(self.TOLD)) - 1])

    def run(self, argv: Sequence[str], environment: dict[str, str], said: Path, output: Path | None = None) -> int:
        """Run a program to its end, what it prints into a file, or its output into another; its exit code, negative if
        a signal ended it.

        It has a process group of its own, so that the terminal's ^C reaches it through this process only.
        """
        with open(said, "wb") as errors, open(output, "wb") if output else nullcontext(errors) as out:
            try:
                self.process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=environment, process_group=0
                )
            except OSError as error:
                raise UsageError(f"cannot start {argv[0]}: {error.strerror or error}") from None
            if self.raised:
                self.process.send_signal(signal.SIGUSR1)  # it came while the process was being made
            try:
                return self.process.wait()
            finally:
                self.process = None
