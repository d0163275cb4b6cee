"""The batch script of a job, as text."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcadmm.errors import UsageError
from hpcadmm.slurm.request import Request, option

PROGRAM = (sys.executable, "-m", "hpcadmm")

TOP = """\
#!/bin/bash
# A job of hpcadmm. #SBATCH lines are sbatch's options; those on its command line come before them."""
AGAINST_LOSS = """\
# An interrupted job is queued again under its number, goes on with its run and adds to the same output.
#SBATCH --requeue
#SBATCH --open-mode=append"""
WARNED_RANKS = "# So many seconds before the time limit all ranks are told to save: longer than an iteration takes."
WARNED_BATCH = "# So many seconds before the time limit this script is told, and tells the ranks, to save."

LAUNCH = """\
# Runs a program and hands signals on to it; returns its exit code. After a signal no other is begun.
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
trap 'signals=$((signals + 1)); [ -z "$child" ] || kill -USR1 "$child" 2>/dev/null' USR1 TERM
"""

AGAIN = """\
# Exit code 75: interrupted, and saved. (138 and 143: killed by a signal before that was possible.) Slurm is asked to
# start the job again, unless it was cancelled, or preempted and is queued again already.
case $code in
75 | 138 | 143)
    id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
    id=${id:-$SLURM_JOB_ID}
    case $(scontrol -o show job "$id") in
    *" JobState=RUNNING "*) scontrol requeue "$id" || echo "not requeued: submit the job again to go on" >&2 ;;
    esac
    ;;
esac
exit "$code"
"""

UNSTARTED = """\
# Without a run folder, and without a message of hpcadmm's own (2), the ranks have not come as far as MPI.
if [ "$code" -ne 0 ] && [ "$code" -ne 2 ] && [ ! -e "$run" ]; then
    echo "Error: the ranks did not start. Does --mpi belong to the MPI library? MPICH and its relatives take pmi2," >&2
    echo "Open MPI pmix; srun --mpi=list shows what there is, and --launcher mpirun needs neither." >&2
fi
"""

TURN = """\
# A new run, one to go on with, or one that is finished? Stops here after two starts in a row without progress.
turn=$("${hpcadmm[@]}" slurm next "$run" "${changes[@]}") || exit
case $turn in
train) command=(train "$job" --out "$run" "${settings[@]}") ;;
resume) command=(resume "$run" "${changes[@]}") ;;
*) exit 0 ;;
esac
"""


@dataclass(frozen=True)
class Training:
    """A run: its job file, its folder (in an array the folders <run>-<task>), and the overrides of the job.

    settings: all of them, for the start; changes: those that a run may go on with; mpirun: that launcher's path.
    """

    job: Path
    run: Path
    settings: Sequence[str] = ()
    changes: Sequence[str] = ()
    mpirun: str = "mpirun"


def script(commands: Sequence[Sequence[str]], request: Request, program: Sequence[str] = PROGRAM) -> str:
    """A script that runs hpcadmm commands one after another in the allocation, each of which starts its ranks itself.

    It stops at the first that fails. One that a signal interrupted (75) makes the job start again, with all of them.
    """
    body = [f'[ "$code" -ne 0 ] || launch "${{hpcadmm[@]}}" {quoted(words)}' for words in commands]
    parts = [
        header(request, batch=True),
        f"hpcadmm=({quoted(program)})\n",
        LAUNCH,
        "\n".join(["code=0", *body, ""]),
        AGAIN,
    ]
    return "\n".join(parts)


def training(run: Training, request: Request, program: Sequence[str] = PROGRAM) -> str:
    """A script that trains, and goes on with the run each time it is started, until the job's own stop rule is met.

    Raises UsageError for a path that could be taken for an option.
    """
    settings, changes = overrides(run.settings), overrides(run.changes)
    place = quoted([path(run.run)])
    if request.array is not None:
        place += '-"$SLURM_ARRAY_TASK_ID"'
        if not any(one.partition("=")[0].strip() == "seed" for one in run.settings):
            settings = f'{settings} --set "seed=$SLURM_ARRAY_TASK_ID"'.strip()
    names = f"""\
hpcadmm=({quoted(program)})
start=({starter(run, request)})
job={quoted([path(run.job)])}
run={place}
settings=({settings})
changes=({changes})
"""
    go = 'launch "${start[@]}" "${hpcadmm[@]}" "${command[@]}"\n'
    if request.launcher == "srun":
        go += UNSTARTED
    return "\n".join([header(request, batch=request.launcher == "mpirun"), names, LAUNCH, TURN, go, AGAIN])


def header(request: Request, batch: bool) -> str:
    """The options, and the user's lines. batch: the script itself gets the signal, and hands it on."""
    single = ("nodes", "ntasks_per_node", "cpus_per_task", "time", "partition", "account", "qos", "constraint", "mem")
    given = {"job_name": request.name, "ntasks": request.ranks}
    given |= {key: value for key in (*single, "array") if (value := getattr(request, key)) is not None}
    lines = [TOP, *(f"#SBATCH {option(key)}={value}" for key, value in given.items()), AGAINST_LOSS]
    if request.output is not None:
        lines.append(f'#SBATCH --output="{pattern(request)}"')
    lines += [WARNED_BATCH if batch else WARNED_RANKS, f"#SBATCH --signal={'B:' * batch}USR1@{request.signal}", ""]
    return "\n".join(lines + [f"{line.strip()} || exit" for line in request.setup] + [""] * bool(request.setup))


def pattern(request: Request) -> str:
    """The name of the output file as Slurm reads it, with the task's number in an array.

    >>> pattern(Request(output=Path("100%/run.out"), array="0-4"))
    '100%%/run-%a.out'
    """
    out = path(Path(str(request.output).replace("%", "%%")))
    stem, dot, suffix = out.rpartition(".")
    return out if request.array is None else f"{stem}-%a.{suffix}" if dot and "/" not in suffix else f"{out}-%a"


def starter(run: Training, request: Request) -> str:
    """What starts the ranks."""
    if request.launcher == "mpirun":
        return f'{quoted([run.mpirun])} -n "$SLURM_NTASKS"'
    # Slurm since 22.05 does not hand this number on to srun.
    cores = [] if request.cpus_per_task is None else [f"--cpus-per-task={request.cpus_per_task}"]
    return quoted(["srun", *cores, *([] if request.mpi is None else [f"--mpi={request.mpi}"])])


def overrides(settings: Sequence[str]) -> str:
    """`--set` for each. Raises UsageError for one with control characters."""
    for one in settings:
        if not one.isprintable():
            raise UsageError(f"--set {one!r}: must be one line without control characters")
    return quoted([word for one in settings for word in ("--set", one)])


def path(place: Path) -> str:
    """A path as text. Raises UsageError for one that could be taken for an option, or breaks the line."""
    text = str(place)
    if text.startswith("-") or not text.isprintable():
        raise UsageError(f"{text!r}: a path must not begin with a dash or hold control characters")
    return text


def quoted(words: Sequence[str]) -> str:
    """The words as the shell reads them back."""
    return shlex.join(words)
