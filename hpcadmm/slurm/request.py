"""What a job requests from Slurm. Every value is checked before it is written into a script."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hpcadmm.comm.signals import Watch
from hpcadmm.errors import UsageError

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.,&|@%+:-]{0,199}"
RANGE = r"\d{1,7}(-\d{1,7}(:\d{1,7})?)?"
LATEST = 65535  # seconds: the limit of sbatch --signal
SIGNALS = tuple(one.name.removeprefix("SIG") for one in Watch.WATCHED)  # each makes a run save and end
MODULE = r"[A-Za-z0-9_][A-Za-z0-9_.+@=/-]{0,199}"
# A setup line: words, quotes and variables, but nothing that starts another command or opens a file.
SETUP = r"([A-Za-z0-9_ ./:=,+@%~\"'-]|\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$[A-Za-z_][A-Za-z0-9_]*)+"
COMPOUND = {"if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select"}
COMPOUND |= {"function", "coproc", "time", "in", "exec", "exit", "return", "break", "continue", "eval", "trap"}
# Field: the pattern of the whole value, and a description of valid values.
PATTERNS = {
    "name": (NAME, "letters, digits and _.,&|@%+:-, no dash in front"),
    "partition": (NAME, "one partition, or several separated by commas"),
    "account": (NAME, "the name of an account"),
    "qos": (NAME, "the name of a quality of service"),
    "constraint": (r"[A-Za-z0-9_\[(][A-Za-z0-9_.,&|@%+:*()\[\]-]{0,199}", "features, such as 'rack1|rack2'"),
    "time": (
        r"\d{1,6}(:[0-5]\d){0,2}|\d{1,4}-\d{1,2}(:[0-5]\d){0,2}",
        "minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS",
    ),
    "mem": (r"\d{1,9}[KMGT]?", "a number with K, M, G or T, such as 16G"),
    "array": (rf"{RANGE}(,{RANGE})*(%\d{{1,7}})?", "task numbers, such as 0-4, 1,3,9 or 0-99%8"),
    "mpi": (r"[a-z][a-z0-9_]{0,31}", "a plugin listed by `srun --mpi=list`, such as pmi2 or pmix"),
    "signal": (
        rf"((?i:(SIG)?({'|'.join(SIGNALS)}))@)?[1-9]\d{{0,4}}",
        f"SECONDS or NAME@SECONDS with a NAME of {', '.join(SIGNALS)}",
    ),
}
COUNTS = ("nodes", "ntasks", "ntasks_per_node", "cpus_per_task")
LAUNCHERS = ("srun", "mpirun")


@dataclass(frozen=True)
class Request:
    """Slurm options of one job; None: the cluster's default. Raises UsageError that lists all invalid values.

    output: the file for the job's output, with "-<task>" before its suffix in an array; None: Slurm's default.
    setup: shell commands to run first, such as `module load ...`.
    modules: what `module load` loads after that; the script then calls the `hpcadmm` on the PATH.
    container: the Apptainer image whose `hpcadmm` the script calls.
    launcher: the program that starts the ranks.
    mpi: srun's plugin for the MPI library.
    signal: seconds before the time limit at which the ranks are signalled to save, or NAME@SECONDS.
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
    modules: Sequence[str] = ()
    container: Path | None = None
    launcher: Literal["srun", "mpirun"] = "srun"
    mpi: str | None = None
    signal: str = "120"
    output: Path | None = None

    def __post_init__(self) -> None:
        if faults := [*self._malformed(), *self._contradictory()]:
            raise UsageError("\n".join(faults))

    @property
    def ranks(self) -> int:
        """The number of tasks."""
        return self.ntasks or (self.nodes or 1) * (self.ntasks_per_node or 1)

    @property
    def notice(self) -> tuple[str, int]:
        """The signal that asks to save, and the seconds before the time limit at which it is sent.

        >>> Request(signal="120").notice, Request(signal="SIGTERM@60").notice
        (('USR1', 120), ('TERM', 60))
        """
        name, _, seconds = self.signal.rpartition("@")
        return name.upper().removeprefix("SIG") or "USR1", int(seconds)

    def _malformed(self) -> Iterator[str]:
        """Faults of single values."""
        for key, (pattern, how) in PATTERNS.items():
            value = getattr(self, key)
            if value is not None and not matches(pattern, value):
                yield f"{option(key)} {value!r}: write {how}"
        for key in COUNTS:
            value = getattr(self, key)
            if value is not None and not is_count(value):
                yield f"{option(key)} {value!r}: must be a whole number of at least 1"
        if self.launcher not in LAUNCHERS:
            yield f"--launcher {self.launcher!r}: must be srun or mpirun"
        if self.output is not None and not quotable(self.output):
            yield f"{str(self.output)!r}: Slurm allows no quotes, backslashes or control characters in a path"
        yield from filter(None, map(setup_fault, self.setup))
        for name in self.modules:
            if not matches(MODULE, name):
                yield f"--module {name!r}: write a name that `module avail` lists, such as hpcadmm/0.6.0"

    def _contradictory(self) -> Iterator[str]:
        """Faults of combinations of values."""
        nodes, ntasks, per_node = self.nodes, self.ntasks, self.ntasks_per_node
        if all(value is None or is_count(value) for value in (nodes, ntasks, per_node)):
            if nodes and ntasks and ntasks < nodes:
                yield f"--nodes {nodes} --ntasks {ntasks}: {nodes - ntasks} nodes would have no rank; lower --nodes"
            if nodes and ntasks and per_node and nodes * per_node < ntasks:
                yield f"--ntasks {ntasks}: {nodes} nodes with {per_node} ranks each hold only {nodes * per_node}"
        if self.launcher == "mpirun" and self.mpi is not None:
            yield f"--mpi {self.mpi}: only srun has this option; remove it or --launcher mpirun"
        early = self.notice[1] if matches(PATTERNS["signal"][0], self.signal) else 0
        if early > LATEST:
            yield f"--signal {self.signal}: Slurm allows at most {LATEST} seconds"
        if (limit := seconds(self.time)) and early >= limit:
            yield f"--signal {self.signal}: must be below the time limit, {limit} s (--time {self.time})"


def option(key: str) -> str:
    """The command-line option of a field.

    >>> option("ntasks_per_node")
    '--ntasks-per-node'
    """
    return "--" + key.replace("_", "-")


def matches(pattern: str, value: Any) -> bool:
    """Whether the whole value is text of this pattern, in ASCII."""
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def is_count(value: Any) -> bool:
    """Whether the value is a whole number of at least 1."""
    return type(value) is int and 1 <= value < 10**9


def quotable(path: Path) -> bool:
    """Whether the path can be quoted in an #SBATCH line."""
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
    """Why a setup line is not allowed; "" if it is.

    >>> setup_fault("module load openmpi/5.0"), setup_fault("export MPI4PY_LIBMPI=$MPI_HOME/lib/libmpi.so")
    ('', '')
    """
    if not matches(SETUP, line):
        return f"--setup {line!r}: use one line of words, quotes and $VARIABLES, without ; | & < > ( ) ` \\ # * ?"
    if any(line.count(quote) % 2 for quote in "\"'") or ("'" in line and '"' in line):
        return f"--setup {line!r}: quotes do not pair"
    if not line.strip() or line.split()[0] in COMPOUND or line.lstrip().startswith("-"):
        return f"--setup {line!r}: must be one simple command, such as module load ... or export NAME=value"
    return ""
