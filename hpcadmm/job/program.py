"""`solver.name = "program"`: another program trains the network; `hpcadmm compare` and `tune` start it."""

import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from typing import ClassVar

from hpcadmm.errors import UsageError
from hpcadmm.solvers.base import Solver


@dataclass(frozen=True)
class Program(Solver):
    """A run by another program, on the job's data, network and loss. `compare` and `tune` start it as

        COMMAND JOB --data DATA --out RUN --threads N

    JOB: the job file, with all defaults; the program obeys its [stop] and [evaluate], or writes why not.
    DATA: a folder with x_train.npy, x_test.npy (samples, features), scaled, in the precision of an array, and
        y_train.npy, y_test.npy: classes 0, 1, ..., or the targets of a regression. With data.validation the test part
        is what was held out. With data.weight also weight_train.npy.
    RUN: the run's folder, to which the program adds metrics.jsonl, a line per measured iteration with `iteration`,
        `seconds` (of training alone), `test_accuracy` or `test_error`, `messages` (synchronisations) and `bytes`; and
        at its end summary.json: `state` ("finished" or "diverged"), `stop_reason`, `iterations`, `ranks`,
        `seconds`, `program` (its name and version), `kernels` (those of its products).
    N: the number of cores it may use: ranks times threads of the other runs.

    command: how to start it. Environment variables in it, $NAME, are filled in when it starts.
    method: what it shall do, for tables and for itself.
    options: what else it takes, a table of numbers and texts.
    """

    name: ClassVar[str] = "program"
    paper: ClassVar[str] = ""
    weighted: ClassVar[bool] = True
    drops: ClassVar[bool] = True
    penalised: ClassVar[bool] = True

    command: str = ""
    method: str = ""
    options: dict[str, bool | int | float | str] = field(default_factory=dict)

    def check(self, L: int) -> None:
        if not self.command.strip():
            raise UsageError('solver.name = "program" needs solver.command, how to start it, such as "$RIVAL"')

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        raise UsageError(
            f'solver.name = "program": {self.command} trains, not hpcadmm; start it by hpcadmm compare or tune'
        )

    @property
    def words(self) -> list[str]:
        """The words of the command. Raises UsageError if there is no such program."""
        unset = [name for name in re.findall(r"\$\{?(\w+)", self.command) if name not in os.environ]
        if unset:
            raise UsageError(f"solver.command = {self.command!r}: the environment variable {unset[0]} is not set")
        words = shlex.split(os.path.expandvars(self.command))
        if not words or shutil.which(words[0]) is None:
            raise UsageError(f"solver.command = {self.command!r}: there is no program {words[0] if words else ''!r}")
        return words

    @property
    def title(self) -> str:
        """What it does, in tables."""
        return self.method or self.name
