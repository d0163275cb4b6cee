"""What a job asks of Slurm: every value is checked before it stands in a script."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from hpcadmm.errors import UsageError

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.,&|@%+:-]{0,199}"
RANGE = r"\d{1,7}(-\d{1,7}(:\d{1,7})?)?"
LATEST = 65535  # seconds: the largest that --signal takes
# A line of the user's own: words, quotes and variables; nothing that starts another command or opens a file.
SETUP = r"([A-Za-z0-9_ ./:=,+@%~\"'-]|\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$[A-Za-z_][A-Za-z0-9_]*)+"
COMPOUND = {"if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select"}
COMPOUND |= {"function", "coproc", "time", "in", "exec", "exit", "return", "break", "continue", "eval", "trap"}
# Field: the pattern of its whole value, and how to write it.
PATTERNS = {
    "name": (NAME, "letters, digits and _.,&|@%+:-, no dash in front"),
    "partition": (NAME, "a partition or several with commas"),
    "account": (NAME, "the name of an account"),
    "qos": (NAME, "the name of a quality of service"),
    "constraint": (r"[A-Za-z0-9_\[(][A-Za-z0-9_.,&|@%+:*()\[\]-]{0,199}", "features, as in 'rack1|rack2'"),
    "time": (
        r"\d{1,6}(:[0-5]\d){0,2}|\d{1,4}-\d{1,2}(:[0-5]\d){0,2}",
        "minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS",
    ),
    "mem": (r"\d{1,9}[KMGT]?", "a number with K, M, G or T, as in 16G"),
    "array": (rf"{RANGE}(,{RANGE})*(%\d{{1,7}})?", "task numbers, as in 0-4, 1,3,9 or 0-99%8"),
    "mpi": (r"[a-z][a-z0-9_]{0,31}", "a plugin that `srun --mpi=list` shows, as pmi2 or pmix"),
}
COUNTS = ("nodes", "ntasks", "ntasks_per_node", "cpus_per_task")
LAUNCHERS = ("srun", "mpirun")


@dataclass(frozen=True)
class Request:
    """Slurm's options of one job. None: as the cluster has it. Raises UsageError that lists all that is wrong.

    output: the file that gets what the job prints, "-<task>" before its suffix in an array; None: Slurm's own choice.
    setup: lines of the user's that run first, as `module load ...`.
    launcher, mpi: what starts the ranks; `mpi` is the plugin of srun that belongs to the MPI library.
    signal: so many seconds before the time limit the ranks are told to save.
    """

    name: str = "hpcadmm"
    nodes: int | None = None
    ntasks: int | None = None
    ntasks_per_node: int | None = None
    cpus_per_task: int | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    mem: str | None = None
    array: str | None = None
    setup: Sequence[str] = ()
    launcher: Literal["srun", "mpirun"] = "srun"
    mpi: str | None = None
    signal: int = 120
    output: Path | None = None

    def __post_init__(self) -> None:
        faults = [*self._malformed(), *self._at_odds()]
        if faults:
            raise UsageError("\n".join(faults))

    @property
    def ranks(self) -> int:
        """The number of tasks."""
        return self.ntasks or (self.nodes or 1) * (self.ntasks_per_node or 1)

    def _malformed(self) -> list[str]:
        """What is wrong with single values."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        faults = [
            f"{option(key)} {given[key]!r}: write {how}"
            for key, (pattern, how) in PATTERNS.items()
            if given[key] is not None and not matches(pattern, given[key])
        ]
        faults += [
            f"{option(key)} {given[key]!r}: must be a whole number from 1"
            for key in COUNTS
            if given[key] is not None and not counts(given[key])
        ]
        if not counts(self.signal) or self.signal > LATEST:
            faults.append(f"--signal {self.signal!r}: must be a whole number of seconds, 1 to {LATEST}")
        if self.launcher not in LAUNCHERS:
            faults.append(f"--launcher {self.launcher!r}: must be srun or mpirun")
        if self.output is not None and not writable(self.output):
            faults.append(f"{str(self.output)!r}: Slurm takes no quotes, backslashes or control characters in a path")
        return faults + [fault for line in self.setup if (fault := setup_fault(line))]

    def _at_odds(self) -> list[str]:
        """What is wrong with several values together."""
        if not all(value is None or counts(value) for value in (self.nodes, self.ntasks, self.ntasks_per_node)):
            return []
        faults = []
        if self.nodes and self.ntasks and self.ntasks < self.nodes:
            faults.append(f"--nodes {self.nodes} --ntasks {self.ntasks}: a node without a rank is of no use")
        if self.nodes and self.ntasks and self.ntasks_per_node and self.nodes * self.ntasks_per_node < self.ntasks:
            room = f"{self.nodes} nodes of {self.ntasks_per_node} ranks each have room for fewer"
            faults.append(f"--ntasks {self.ntasks}: {room}")
        if self.launcher == "mpirun" and self.mpi is not None:
            faults.append(f"--mpi {self.mpi}: is an option of srun, not of --launcher mpirun")
        limit = seconds(self.time)
        if limit and counts(self.signal) and self.signal >= limit:
            faults.append(f"--signal {self.signal}: the limit, --time {self.time}, is {limit} s")
        return faults


def option(key: str) -> str:
    """A field as its option is written.

    >>> option("ntasks_per_node")
    '--ntasks-per-node'
    """
    return "--" + key.replace("_", "-")


def matches(pattern: str, value: Any) -> bool:
    """Is the whole value text of this pattern, in ASCII?"""
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def counts(value: Any) -> bool:
    """Is it a whole number from 1?"""
    return type(value) is int and 1 <= value < 10**9


def writable(path: Path) -> bool:
    """Can the path stand in quotes in an #SBATCH line?"""
    text = str(path)
    return text.isprintable() and not set("\"'\\") & set(text) and not text.startswith("-")


def seconds(time: str | None) -> int | None:
    """A time limit in seconds; None if there is none or it is malformed.

    >>> seconds("90"), seconds("1:30"), seconds("2:00:00"), seconds("1-12"), seconds("1-00:30")
    (5400, 90, 7200, 129600, 88200)
    """
    if time is None or not matches(PATTERNS["time"][0], time):
        return None
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, secs = (parts + [0, 0])[:3]
    else:
        hours, minutes, secs = {1: (0, parts[0], 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + secs


def setup_fault(line: Any) -> str:
    """What is wrong with a line of setup; "" if nothing is.

    >>> setup_fault("module load openmpi/5.0"), setup_fault("export MPI4PY_LIBMPI=$MPI_HOME/lib/libmpi.so")
    ('', '')
    """
    if not matches(SETUP, line):
        return f"--setup {line!r}: one line of words, quotes and $VARIABLES; none of ; | & < > ( ) ` \\ # * ?"
    if any(line.count(quote) % 2 for quote in "\"'") or ("'" in line and '"' in line):
        return f"--setup {line!r}: quotes do not pair"
    if not line.strip() or line.split()[0] in COMPOUND or line.lstrip().startswith("-"):
        return f"--setup {line!r}: must be one simple command, as module load ... or export NAME=value"
    return ""
