"""The batch script of a job, as text."""

import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcadmm.errors import UsageError
from hpcadmm.slurm.request import SIGNALS, Request, option

PROGRAM = (sys.executable, "-m", "hpcadmm")

TOP = """\
#!/bin/bash
# hpcadmm batch job. #SBATCH lines are options of sbatch; options on its command line override them."""
REQUEUE = """\
# An interrupted job is requeued with the same id, resumes its run and appends to the same output.
#SBATCH --requeue
#SBATCH --open-mode=append"""
SIGNAL_RANKS = "# This many seconds before the time limit all ranks are signalled to save: longer than one iteration."
SIGNAL_SCRIPT = "# This many seconds before the time limit this script is signalled; it signals the ranks to save."

LAUNCH = """\
# Runs a program, forwards signals to it and returns its exit code. After a signal it starts no other program.
launch() {
    local seen=$signals
    if [ "$seen" -gt 0 ]; then code=75; return 75; fi
    "$@" &
    child=$!
    if [ "$signals" -gt 0 ]; then kill -USR1 "$child"; fi
    while seen=$signals; wait "$child"; code=$?; [ "$signals" != "$seen" ]; do :; done
    child=
    return "$code"
}
signals=0 child=
trap 'signals=$((signals + 1)); [ -z "$child" ] || kill -USR1 "$child" 2>/dev/null' """
LAUNCH += " ".join(SIGNALS) + "\n"

AGAIN = """\
# Exit code 75: interrupted and saved. The others: killed by a signal before saving. Slurm is asked to requeue the
# job, unless it was cancelled, or was preempted and is requeued already.
case $code in
75 | KILLED)
    id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
    id=${id:-$SLURM_JOB_ID}
    case $(scontrol -o show job "$id") in
    *" JobState=RUNNING "*) scontrol requeue "$id" || echo "not requeued: submit the job again to continue" >&2 ;;
    esac
    ;;
esac
exit "$code"
""".replace("KILLED", " | ".join(str(128 + signal.Signals[f"SIG{name}"]) for name in SIGNALS))

UNSTARTED = """\
# Without a run folder, and without a message from hpcadmm (code 2), the ranks failed before MPI started.
if [ "$code" -ne 0 ] && [ "$code" -ne 2 ] && [ ! -e "$run" ]; then
    echo "Error: the ranks did not start. Does --mpi match the MPI library? MPICH and its derivatives need pmi2," >&2
    echo "Open MPI needs pmix. srun --mpi=list shows the plugins; --launcher mpirun needs none." >&2
fi
"""

TURN = """\
# Train, resume, or finished already? Stops here after two starts in a row without progress.
turn=$("${hpcadmm[@]}" slurm next "$run" "${changes[@]}") || exit
case $turn in
train) command=(train "$job" --out "$run" "${settings[@]}") ;;
resume) command=(resume "$run" "${changes[@]}") ;;
*) exit 0 ;;
esac
"""

# In a container, $HPCADMM_DATA as the job finds it.
DATA = '${HPCADMM_DATA:+--bind "$HPCADMM_DATA"}'


@dataclass(frozen=True)
class Training:
    """A run: its job file, its folder (<run>-<task> in an array), and the overrides of the job.

    settings: all overrides, for the first start.
    changes: the overrides that are also allowed when the run resumes.
    mpirun: the path of that launcher.
    data: the absolute paths of the job's data.
    """

    job: Path
    run: Path
    settings: Sequence[str] = ()
    changes: Sequence[str] = ()
    mpirun: str = "mpirun"
    data: Sequence[Path] = ()


def script(commands: Sequence[Sequence[str]], request: Request, program: Sequence[str] = PROGRAM) -> str:
    """A script that runs hpcadmm commands one after another; each command starts its ranks itself.

    It stops at the first failure. After an interruption (75) the job is requeued and runs all commands again.
    """
    body = [f'[ "$code" -ne 0 ] || launch "${{hpcadmm[@]}}" {shlex.join(words)}' for words in commands]
    parts = [header(request, batch=True), f"hpcadmm=({shlex.join(program)})\n", LAUNCH]
    return "\n".join([*parts, "\n".join(["code=0", *body, ""]), AGAIN])


def training(run: Training, request: Request, program: Sequence[str] = ()) -> str:
    """A script that trains, and resumes the run each time it starts, until the job's stop rule is met.

    program: the words that call hpcadmm; by default those of `caller`. Raises UsageError for a path that looks like an
    option.
    """
    settings, place = overrides(run.settings), shlex.quote(path(run.run))
    if request.array is not None:
        place += '-"$SLURM_ARRAY_TASK_ID"'
        if not any(one.partition("=")[0].strip() == "seed" for one in run.settings):
            settings = f'{settings} --set "seed=$SLURM_ARRAY_TASK_ID"'.strip()
    names = f"""\
hpcadmm=({shlex.join(program) or caller(run, request)})
start=({starter(run, request)})
job={shlex.quote(path(run.job))}
run={place}
settings=({settings})
changes=({overrides(run.changes)})
"""
    go = 'launch "${start[@]}" "${hpcadmm[@]}" "${command[@]}"\n' + UNSTARTED * (request.launcher == "srun")
    return "\n".join([header(request, batch=request.launcher == "mpirun"), names, LAUNCH, TURN, go, AGAIN])


def header(request: Request, batch: bool) -> str:
    """The #SBATCH options and the setup lines. batch: the script itself receives the signal."""
    single = ("nodes", "ntasks_per_node", "cpus_per_task", "time", "partition", "account", "qos", "constraint", "mem")
    given = {"job_name": request.name, "ntasks": request.ranks}
    given |= {key: value for key in (*single, "array") if (value := getattr(request, key)) is not None}
    lines = [TOP, *(f"#SBATCH {option(key)}={value}" for key, value in given.items()), REQUEUE]
    if request.output is not None:
        lines.append(f'#SBATCH --output="{pattern(request)}"')
    name, early = request.notice
    lines += [SIGNAL_SCRIPT if batch else SIGNAL_RANKS, f"#SBATCH --signal={'B:' * batch}{name}@{early}", ""]
    first = [*request.setup, *(f"module load {one}" for one in request.modules)]
    return "\n".join(lines + [f"{line.strip()} || exit" for line in first] + [""] * bool(first))


def pattern(request: Request) -> str:
    """The name of the output file in Slurm's notation, with the task number in an array.

    >>> pattern(Request(output=Path("100%/run.out"), array="0-4"))
    '100%%/run-%a.out'
    """
    out = path(Path(str(request.output).replace("%", "%%")))
    stem, dot, suffix = out.rpartition(".")
    return out if request.array is None else f"{stem}-%a.{suffix}" if dot and "/" not in suffix else f"{out}-%a"


def starter(run: Training, request: Request) -> str:
    """The command that starts the ranks."""
    if request.launcher == "mpirun":
        return f'{shlex.quote(run.mpirun)} -n "$SLURM_NTASKS"'
    # Since version 22.05, Slurm does not pass this number on to srun.
    cores = [] if request.cpus_per_task is None else [f"--cpus-per-task={request.cpus_per_task}"]
    return shlex.join(["srun", *cores, *([] if request.mpi is None else [f"--mpi={request.mpi}"])])


def caller(run: Training, request: Request) -> str:
    """The words that call hpcadmm: in the container, from the modules, or of this environment.

    Apptainer itself binds the home and the working folder and /tmp; added are the folders of job and run, the data, and
    $HPCADMM_DATA.
    """
    if request.container is None:
        return shlex.join(["hpcadmm"] if request.modules else PROGRAM)
    binds = list(dict.fromkeys(path(one) for one in (run.job.parent, run.run.parent, *run.data)))
    if bad := [one for one in binds if set(",:") & set(one)]:
        raise UsageError(f"{bad[0]!r}: Apptainer binds no path with a comma or a colon")
    words = shlex.join(["exec", "--bind", ",".join(binds)])
    return f"apptainer {words} {DATA} {shlex.quote(path(request.container))} hpcadmm"


def overrides(settings: Sequence[str]) -> str:
    """`--set` for each override. Raises UsageError for one with control characters."""
    for one in settings:
        if not one.isprintable():
            raise UsageError(f"--set {one!r}: must be one line without control characters")
    return shlex.join([word for one in settings for word in ("--set", one)])


def path(place: Path) -> str:
    """A path as text. Raises UsageError for one that looks like an option or breaks the line."""
    text = str(place)
    if text.startswith("-") or not text.isprintable():
        raise UsageError(f"{text!r}: a path must not begin with a dash or contain control characters")
    return text
